"""ome-zarr-py: the stack in memory, its writer and its own scaling, OME-Zarr with chunks of 64³ and its default codec."""

from ome_zarr.scale import Methods  # type: ignore[import-not-found, unused-ignore]  # in its own environment
from ome_zarr.writer import write_image, write_labels  # type: ignore[import-not-found, unused-ignore]  # as above

from benchmarks.candidates.stack import read_stack
from benchmarks.candidates.task import Answer, Task, answer_task

CHUNK = 64


def work(task: Task) -> Answer:
    """Write the image, or the labels, with all mags."""
    voxels = read_stack(task.source, task.threads)
    scale_factors = [{"x": x, "y": y, "z": z} for x, y, z in task.mags[1:]]
    options = {"chunks": (CHUNK, CHUNK, CHUNK)}
    if task.label:
        write_labels(
            voxels,
            str(task.target),
            scale_factors=scale_factors,
            scaler=None,
            method=Methods.NEAREST,
            axes="zyx",
            storage_options=options,
        )
    else:
        write_image(
            voxels,
            str(task.target),
            scale_factors=scale_factors,
            method=Methods.LOCAL_MEAN,
            axes="zyx",
            storage_options=options,
        )
    return Answer(
        arrays={},
        packages=("ome-zarr", "zarr", "dask"),
        note=f"OME-Zarr, its default codec, {'nearest' if task.label else 'local mean'}",
    )


if __name__ == "__main__":
    answer_task(work)
