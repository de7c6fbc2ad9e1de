"""What the voxels of each slice amount to: one read of memory, numbers out. No I/O, no judgement (see the checks)."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.loading import STATISTICS_SECONDS_PER_BYTE, compiled_pays
from wk_assets.kernels.modes import DTYPES
from wk_assets.kernels.row_window import has_whole_rows, row_window

_PIECE_BYTES: Final = 1 << 17  # that numpy reads four times: within a second-level cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SliceStatistics:
    """Hold one number per slice, each array of shape (z,), over all channels of the slice.

    `minimum`, `maximum`: the slab's dtype; NaN voxels are ignored, a slice of nothing but NaN has NaN.
    `total`: the exact sum of integers (uint64 or int64; of 64-bit voxels Python integers in an object array); of
    floats a float64, NaN voxels ignored. `zeros`, `nans`, `count`: int64; `count` is all voxels, NaN or not.
    """

    minimum: NDArray[Any]
    maximum: NDArray[Any]
    total: NDArray[Any]
    zeros: NDArray[np.int64]
    nans: NDArray[np.int64]
    count: NDArray[np.int64]


def slice_statistics(slab: NDArray[Any]) -> SliceStatistics:
    """Measure every slice of `slab`: (c, z, y, x), native (u)int8-64 or float32/64; c, y and x at least 1.

    Rows along x that are contiguous are read in place, once; runs without the GIL. The same voxels give the same
    numbers on every machine, floats too.
    Raises DownsamplingError if the slab has other axes, another dtype, or slices without a voxel.
    """
    _check_slab(slab)
    depth, dtype = slab.shape[1], slab.dtype
    if dtype.kind in "ui" and dtype.itemsize <= 4 and not compiled_pays(slab.nbytes, STATISTICS_SECONDS_PER_BYTE):
        return _measure_plainly(slab)
    from wk_assets.kernels import compiled_statistics as compiled
    from wk_assets.kernels.compilation import call

    zeros, nans = np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    count = np.full(depth, slab.size // max(1, depth), np.int64)
    lowest, highest = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    minimum, maximum = np.full(depth, highest, dtype), np.full(depth, lowest, dtype)
    total: NDArray[Any]
    rows = slab if has_whole_rows(slab) else np.ascontiguousarray(slab)
    if depth == 0:
        total = np.zeros(0, np.float64 if dtype.kind == "f" else np.dtype(f"{dtype.kind}8"))
    elif dtype.kind == "f":
        window, step = row_window(rows, writeable=False)
        total = np.zeros(depth, np.float64)
        call(compiled.measure_floats, window, step, slab.shape, minimum, maximum, total, zeros, nans)
        minimum[nans == count] = maximum[nans == count] = np.nan
    elif dtype.itemsize == 8:
        window, step = row_window(rows, writeable=False)
        high, low = np.zeros(depth, dtype), np.zeros(depth, dtype)
        call(compiled.measure_64_bit, window, step, slab.shape, minimum, maximum, high, low, zeros)
        total = high.astype(object) * (1 << 32) + low.astype(object)
    else:
        window, step = row_window(rows, writeable=False)
        total = np.zeros(depth, np.dtype(f"{dtype.kind}8"))
        call(compiled.measure_integers, window, step, slab.shape, minimum, maximum, total, zeros)
    return SliceStatistics(minimum=minimum, maximum=maximum, total=total, zeros=zeros, nans=nans, count=count)


def _measure_plainly(slab: NDArray[Any]) -> SliceStatistics:
    """Measure integers of up to 32 bit with numpy, a few rows at a time: four reads, but three of the nearest caches."""
    channels, depth, height, width = slab.shape
    rows = max(1, _PIECE_BYTES // (width * slab.itemsize))
    minimum, maximum = slab[0, :, 0, 0].copy(), slab[0, :, 0, 0].copy()
    total, zeros = np.zeros(depth, np.dtype(f"{slab.dtype.kind}8")), np.zeros(depth, np.int64)
    # the sum of 2**16 voxels of 16 bit fits 32, and of more voxels of 8 bit; it takes half the time of one in 64
    fits = rows * width <= (1 << 16 if slab.itemsize == 2 else 1 << 23) and slab.itemsize <= 2
    wide = np.dtype(f"{slab.dtype.kind}{4 if fits else 8}")
    for c, z, y in product(range(channels), range(depth), range(0, height, rows)):
        piece = slab[c, z, y : y + rows]
        minimum[z] = min(minimum[z], piece.min())
        maximum[z] = max(maximum[z], piece.max())
        total[z] += piece.sum(dtype=wide)
        zeros[z] += piece.size - np.count_nonzero(piece)
    count = np.full(depth, channels * height * width, np.int64)
    return SliceStatistics(
        minimum=minimum, maximum=maximum, total=total, zeros=zeros, nans=np.zeros(depth, np.int64), count=count
    )


def histogram(values: NDArray[Any], bin_count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count the finite `values` (any shape) in `bin_count` bins of equal width: (counts, edges), edges one longer.

    The bins reach from the least to the greatest finite value; one value alone gets a bin 1 wide around it, none at
    all the bins from 0 to 1. Every finite value is counted exactly once.
    Raises DownsamplingError if `bin_count` is not positive.
    """
    if bin_count < 1:
        raise DownsamplingError(f"histogram: the number of bins is {bin_count}; give at least 1")
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    if finite.dtype.kind == "b" or finite.dtype.itemsize <= 2:
        # few distinct values: count each, then put the counts into bins
        distinct, repeats = np.unique(finite, return_counts=True)
        counts, edges = np.histogram(distinct.astype(np.float64), bins=bin_count, weights=repeats)
    else:
        counts, edges = np.histogram(finite.astype(np.float64), bins=bin_count)
    return counts.astype(np.int64), edges


def _check_slab(slab: NDArray[Any]) -> None:
    if slab.dtype not in DTYPES or not slab.dtype.isnative:
        known = ", ".join(dtype.name for dtype in DTYPES)
        raise DownsamplingError(f"slice statistics: dtype is {slab.dtype!r}; it can be one of {known}, in native order")
    if slab.ndim != 4 or 0 in (slab.shape[0], *slab.shape[2:]):
        raise DownsamplingError(
            f"slice statistics: the slab has shape {slab.shape}; give (c, z, y, x) with at least one voxel per slice"
        )
