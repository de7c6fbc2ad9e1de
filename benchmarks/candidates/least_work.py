"""What no writer of this layer can do without, each part alone, one thread: read, copy, downsample, encode.

The chunks are the ones that the engine stores: same shape, same level, zstd with checksum. Nothing is written, no
statistics and no digest are taken, nothing is synced. A slab of 32 slices is in memory at a time.
"""

import time
from collections import defaultdict
from typing import Any

import numpy as np
import tifffile
import zstandard
from numpy.typing import NDArray

from benchmarks.candidates.task import CHUNK, Answer, Task, answer_task, slices_of
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.loading import expect
from wk_assets.kernels.modes import DownsamplingMode


class LeastWork:
    """Do the parts, slab by slab, and sum up what each takes."""

    def __init__(self, task: Task) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.encoded_bytes = 0
        self.raw_bytes = 0
        self._mode = DownsamplingMode.MODE if task.label else DownsamplingMode.MEDIAN
        self._factors = task.factors()
        self._compressor = zstandard.ZstdCompressor(level=task.zstd_level, write_checksum=True)
        self._waiting: list[list[NDArray[Any]]] = [[] for _ in task.mags]  # of each mag: what fills no chunk yet

    def push(self, slab: NDArray[Any], level: int, *, last: bool) -> None:
        """Take slices of a mag, shape (z, y, x); encode whole chunks and hand them down."""
        self._waiting[level].append(slab)
        if sum(part.shape[0] for part in self._waiting[level]) < CHUNK and not last:
            return
        voxels = np.concatenate(self._waiting[level]) if len(self._waiting[level]) > 1 else self._waiting[level][0]
        self._waiting[level] = []
        self._encode(voxels)
        if level < len(self._factors):
            started = time.thread_time()
            coarser = downsample(voxels, self._factors[level], self._mode)
            self.seconds["downsample"] += time.thread_time() - started
            self.push(coarser, level + 1, last=last)

    def _encode(self, voxels: NDArray[Any]) -> None:
        chunk = np.zeros((CHUNK, CHUNK, CHUNK), voxels.dtype)
        for z in range(0, voxels.shape[0], CHUNK):
            for y in range(0, voxels.shape[1], CHUNK):
                for x in range(0, voxels.shape[2], CHUNK):
                    started = time.thread_time()
                    part = voxels[z : z + CHUNK, y : y + CHUNK, x : x + CHUNK]
                    chunk[: part.shape[0], : part.shape[1], : part.shape[2]] = part
                    copied = time.thread_time()
                    encoded = self._compressor.compress(chunk.data)
                    self.seconds["encode"] += time.thread_time() - copied
                    self.seconds["copy"] += copied - started
                    self.encoded_bytes += len(encoded)
                    self.raw_bytes += chunk.nbytes


def work(task: Task) -> Answer:
    """Measure every part over the whole volume."""
    paths = slices_of(task.source)
    first = tifffile.imread(paths[0])
    expect(1 << 40)  # compiled kernels, whatever they are worth
    least = LeastWork(task)
    for factors in set(task.factors()):  # compiled and loaded before anything is timed
        downsample(np.zeros((32, 32, 32), first.dtype), factors, least._mode)  # noqa: SLF001  # same program
    slab = np.empty((CHUNK, *first.shape), first.dtype)
    for z in range(0, len(paths), CHUNK):
        part = slab[: len(paths[z : z + CHUNK])]
        started = time.thread_time()
        for target, path in zip(part, paths[z : z + CHUNK], strict=True):
            with tifffile.TiffFile(path) as file:
                file.pages[0].asarray(out=target)
        least.seconds["read"] += time.thread_time() - started
        least.push(part, 0, last=z + CHUNK >= len(paths))
    return Answer(
        arrays={},
        packages=("zstandard", "tifffile"),
        figures={
            "cpu_seconds": dict(least.seconds),
            "encoded_bytes": least.encoded_bytes,
            "raw_bytes": least.raw_bytes,
        },
    )


if __name__ == "__main__":
    answer_task(work)
