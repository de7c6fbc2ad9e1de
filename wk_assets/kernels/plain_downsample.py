"""Downsampling of integers with numpy alone, voxel for voxel what the compiled kernels give. Called by `downsample` alone.

For small layers: numba takes longer to load than these loops, ten times slower than compiled ones, take for 0.2 gigavoxel.
Voxel k of every block is copied into lane k, and whole lanes are computed with, a part of the rows at a time so that
all lanes stay in a second-level cache.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.kernels.sorting_network import median_network

LARGEST_PLAIN_BLOCK: Final = 64  # voxels; lanes of larger ones would be short, their networks long
_LANES_BYTES: Final = 1 << 18

Factors = tuple[int, int, int]


def is_plain(dtype: np.dtype[Any], factors: Factors, mode: DownsamplingMode) -> bool:
    """Tell whether numpy can do it: integers, small blocks, sums that fit 64 bits."""
    small = factors[0] * factors[1] * factors[2] <= LARGEST_PLAIN_BLOCK
    return small and dtype.kind in "ui" and (mode is not DownsamplingMode.MEAN or dtype.itemsize <= 4)


def downsample_plain(volume: NDArray[Any], factors: Factors, mode: DownsamplingMode, target: NDArray[Any]) -> None:
    """Fill `target` (z, y, x) from the blocks of `volume`, any strides; see `is_plain`."""
    fz, fy, fx = factors
    count = fz * fy * fx
    depth, height, width = target.shape
    reduce = _REDUCTIONS[mode]
    rows = min(height, max(1, _LANES_BYTES // (count * width * volume.itemsize)))
    lanes = np.empty((count, rows, width), volume.dtype)
    for z in range(depth):
        for y in range(0, height, rows):
            out = target[z, y : y + rows]
            part = lanes[:, : out.shape[0]]
            for dz in range(fz):
                for dx in range(fx):
                    for dy in range(fy):
                        # y fastest, then x, then z: the order that decides ties of the mode
                        source = volume[z * fz + dz, y * fy + dy : (y + rows) * fy : fy, dx::fx]
                        part[(dz * fx + dx) * fy + dy] = source[: out.shape[0]]
            reduce(part, out)


def _median(lanes: NDArray[Any], out: NDArray[Any]) -> None:
    """Sort the lanes as far as the two middle ones need it, and take their mean, truncated toward zero."""
    spare = np.empty_like(lanes[0])
    for upper, lower in median_network(len(lanes)).tolist():
        np.minimum(lanes[upper], lanes[lower], out=spare)
        np.maximum(lanes[upper], lanes[lower], out=lanes[lower])
        lanes[upper] = spare
    low, high = lanes[(len(lanes) - 1) // 2], lanes[len(lanes) // 2]
    odd = low ^ high
    floor = (low & high) + (odd >> 1)  # the mean rounded down, without a wider type
    if out.dtype.kind == "i":
        floor += odd & (floor < 0)
    out[...] = floor


def _mode(lanes: NDArray[Any], out: NDArray[Any]) -> None:
    """Take the most frequent, of several the first; only blocks of more than one label are counted."""
    out[...] = lanes[0]
    mixed = lanes[1] != lanes[0]
    for lane in lanes[2:]:
        mixed |= lane != lanes[0]
    if not mixed.any():
        return
    blocks = lanes[:, mixed]
    votes = np.ones(blocks.shape, np.uint8)
    for first, second in combinations(range(len(blocks)), 2):
        votes[first] += blocks[first] == blocks[second]  # each for itself and the equal ones after it
    out[mixed] = np.take_along_axis(blocks, votes.argmax(axis=0)[None], axis=0)[0]


def _mean(lanes: NDArray[Any], out: NDArray[Any]) -> None:
    """Average exactly, halves rounded up."""
    count = len(lanes)
    sums = lanes.sum(axis=0, dtype=np.dtype(f"{out.dtype.kind}{4 if out.dtype.itemsize <= 2 else 8}"))
    out[...] = (2 * sums + count) // (2 * count)


_REDUCTIONS: Final[dict[DownsamplingMode, Callable[[NDArray[Any], NDArray[Any]], Any]]] = {
    DownsamplingMode.MEDIAN: _median,
    DownsamplingMode.MODE: _mode,
    DownsamplingMode.MEAN: _mean,
    DownsamplingMode.MAX: lambda lanes, out: np.maximum.reduce(lanes, axis=0, out=out),
    DownsamplingMode.MIN: lambda lanes, out: np.minimum.reduce(lanes, axis=0, out=out),
}
