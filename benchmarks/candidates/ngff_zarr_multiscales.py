"""ngff-zarr: its multiscales of a lazy stack, written as sharded OME-Zarr 0.5."""

from typing import Any

import dask.array
import ngff_zarr

from benchmarks.candidates.stack import read_stack
from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task

da: Any = dask.array  # half typed


def work(task: Task) -> Answer:
    """Make and write the multiscales. Images are averaged over bins, labels take its mode where dask-image is there."""
    voxels = da.from_array(read_stack(task.source, task.threads), chunks=(256, 256, 256))
    x, y, z = task.voxel_size
    image = ngff_zarr.to_ngff_image(voxels, dims=["z", "y", "x"], scale={"x": x, "y": y, "z": z})
    method = ngff_zarr.Methods.DASK_IMAGE_MODE if task.label else ngff_zarr.Methods.DASK_BIN_SHRINK
    scale_factors = [{"x": x, "y": y, "z": z} for x, y, z in task.mags[1:]]
    multiscales = ngff_zarr.to_multiscales(image, scale_factors=scale_factors, method=method, chunks=CHUNK)
    ngff_zarr.to_ngff_zarr(str(task.target), multiscales, version="0.5", chunks_per_shard=8)
    return Answer(
        arrays={}, packages=("ngff-zarr", "dask", "zarr"), note=f"OME-Zarr 0.5, its default codec, {method.value}"
    )


if __name__ == "__main__":
    answer_task(work)
