"""Dask: lazy slices, `coarsen` for each mag, stored with zarr-python into sharded Zarr v3, one mag after the other.

Images are averaged; labels keep every n-th voxel, as `coarsen` knows no mode.
"""

from pathlib import Path
from typing import Any

import dask
import dask.array
import numpy as np
import tifffile
import zarr
from dask.delayed import delayed
from zarr.codecs import ZstdCodec

from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task, mag_name, slices_of

da: Any = dask.array  # half typed: its own annotations refuse its own arrays
SHARD = 256


def work(task: Task) -> Answer:
    """Store the finest mag, then each mag from the one before."""
    paths = slices_of(task.source)
    first = tifffile.imread(paths[0])
    lazy = [
        da.from_delayed(delayed(_read)(paths[z : z + SHARD]), (len(paths[z : z + SHARD]), *first.shape), first.dtype)
        for z in range(0, len(paths), SHARD)
    ]
    voxels = da.concatenate(lazy)
    arrays = {}
    with dask.config.set(scheduler="threads", num_workers=task.threads):
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
            da.store(voxels.rechunk((SHARD,) * 3), array, lock=False)
            arrays[mag_name(mag)] = path
            if factors is not None:
                voxels = _coarser(da.from_zarr(str(path), chunks=(SHARD,) * 3), factors, label=task.label)
    return Answer(
        arrays=arrays,
        packages=("dask", "zarr", "numpy"),
        note=f"zstd {task.zstd_level}, {'every n-th voxel' if task.label else 'mean'}",
    )


def _read(paths: list[Path]) -> Any:
    return np.stack([tifffile.imread(path) for path in paths])


def _coarser(voxels: Any, factors: tuple[int, int, int], *, label: bool) -> Any:
    if label:
        fz, fy, fx = factors
        return voxels[::fz, ::fy, ::fx]
    return da.coarsen(np.mean, voxels, dict(enumerate(factors)), trim_excess=True).astype(voxels.dtype)


if __name__ == "__main__":
    answer_task(work)
