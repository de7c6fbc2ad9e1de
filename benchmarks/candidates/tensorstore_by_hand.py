"""TensorStore as an expert would use it for one volume: all of it in memory, its own downsampling, sharded Zarr v3.

Its median takes the lower of two middle values and its mode breaks ties otherwise, so images are averaged (what it
does fastest) and labels take its mode; voxels of coarser mags are not comparable.
"""

import numpy as np
import tensorstore as ts

from benchmarks.candidates.stack import read_stack
from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task, mag_name

SHARD = 256


def work(task: Task) -> Answer:
    """Read, then write and halve."""
    context = ts.Context({"data_copy_concurrency": {"limit": task.threads}})
    voxels = read_stack(task.source, task.threads)
    arrays = {}
    for mag, factors in zip(task.mags, (*task.factors(), None), strict=True):
        path = task.target / mag_name(mag)
        array = ts.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": str(path)},
                "metadata": {
                    "shape": list(voxels.shape),
                    "data_type": voxels.dtype.name,
                    "dimension_names": ["z", "y", "x"],
                    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [SHARD] * 3}},
                    "codecs": [
                        {
                            "name": "sharding_indexed",
                            "configuration": {
                                "chunk_shape": [CHUNK] * 3,
                                "codecs": [
                                    {"name": "bytes", "configuration": {"endian": "little"}},
                                    {"name": "zstd", "configuration": {"level": task.zstd_level}},
                                ],
                            },
                        }
                    ],
                },
            },
            create=True,
            context=context,
        ).result()
        array.write(voxels).result()
        arrays[mag_name(mag)] = path
        if factors is not None:
            view = ts.downsample(ts.array(voxels, context=context), list(factors), "mode" if task.label else "mean")
            voxels = np.ascontiguousarray(view.read().result())
    return Answer(
        arrays=arrays,
        packages=("tensorstore", "numpy"),
        note=f"zstd {task.zstd_level}, whole volume in memory, {'mode' if task.label else 'mean'}",
    )


if __name__ == "__main__":
    answer_task(work)
