"""WEBKNOSSOS' own Python library, by its documented API, in an environment of its own (it is AGPL; we never ship it).

Variant `default`: nothing is chosen but the mags. Variant `tuned`: shards that fit the data, as an expert would give
them, so that no shard is read and written again more often than it must. Its codec is zstd 5 with checksum.
"""

import tifffile
import webknossos as wk  # type: ignore[import-not-found, unused-ignore] # noqa: TID251  # a program of its own, run by the peer's interpreter

from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task, mag_name, slices_of

SHARD_VOXELS = {1: (2048, 1024), 4: (1024, 512)}  # by bytes of a voxel: widest shard of mag 1, of coarser mags


def fitting_shard(size: tuple[int, int, int], widest: int, depth: int) -> tuple[int, int, int]:
    """Return the shard (x, y, z) that covers `size` with the least padding, within the limits. Powers of two."""
    x, y, z = (1 << max(extent - 1, CHUNK - 1).bit_length() for extent in size)
    return min(x, widest), min(y, widest), min(z, depth)


def work(task: Task) -> Answer:
    """Import the slices, then make the coarser mags."""
    full = stack_size(task)
    tuned = task.variant == "tuned"
    widest, widest_coarse = SHARD_VOXELS[4 if task.label else 1]
    dataset = wk.Dataset(task.target, voxel_size=task.voxel_size)
    layer = dataset.add_layer_from_images(
        [str(path) for path in slices_of(task.source)],
        "layer",
        "segmentation" if task.label else "color",
        **({"shard_shape": fitting_shard(full, widest, CHUNK)} if tuned else {}),
    )
    before = wk.Mag(task.mags[0])
    for mag in task.mags[1:]:
        size = (-(-full[0] // mag[0]), -(-full[1] // mag[1]), -(-full[2] // mag[2]))
        layer.downsample_mag(
            before, wk.Mag(mag), **({"shard_shape": fitting_shard(size, widest_coarse, 2 * CHUNK)} if tuned else {})
        )
        before = wk.Mag(mag)
    return Answer(
        arrays={mag_name(mag): task.target / "layer" / mag_name(mag) for mag in task.mags},
        packages=("webknossos", "tensorstore", "numpy"),
        note="zstd 5, its default" + (", hand-tuned shards" if tuned else ", default shards"),
    )


def stack_size(task: Task) -> tuple[int, int, int]:
    """Return the size of the stack in voxels x, y, z; reads the first slice alone."""
    paths = slices_of(task.source)
    height, width = tifffile.imread(paths[0]).shape
    return width, height, len(paths)


if __name__ == "__main__":
    answer_task(work)
