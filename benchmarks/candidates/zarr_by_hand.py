"""zarr-python by hand: all of the volume in memory, our downsampling kernels, sharded Zarr v3."""

import zarr
from zarr.codecs import ZstdCodec

from benchmarks.candidates.stack import read_stack
from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task, mag_name
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode

SHARD = 256


def work(task: Task) -> Answer:
    """Read, then write and halve. The size of the volume must be a multiple of the coarsest mag."""
    mode = DownsamplingMode.MODE if task.label else DownsamplingMode.MEDIAN
    voxels = read_stack(task.source, task.threads)
    arrays = {}
    with zarr.config.set({"threading.max_workers": task.threads, "async.concurrency": task.threads}):
        for mag, factors in zip(task.mags, (*task.factors(), None), strict=True):
            path = task.target / mag_name(mag)
            array = zarr.create_array(
                str(path),
                shape=voxels.shape,
                dtype=voxels.dtype,
                chunks=(CHUNK,) * 3,
                shards=(SHARD,) * 3,
                compressors=ZstdCodec(level=task.zstd_level, checksum=True),
                dimension_names=["z", "y", "x"],
            )
            array[...] = voxels
            arrays[mag_name(mag)] = path
            if factors is not None:
                voxels = downsample(voxels, factors, mode)
    return Answer(
        arrays=arrays,
        packages=("zarr", "numcodecs", "numpy"),
        note=f"zstd {task.zstd_level}, whole volume in memory, our kernels",
    )


if __name__ == "__main__":
    answer_task(work)
