"""Compiled loops of `statistics`: one pass over every slice. Types are numba's, hence `Any`.

`window` is a 1-D view of the slab's memory, `step` leads to the next channel, slice and row, in voxels; `extent` is the slab's
shape (c, z, y, x). The other arrays, one number per slice, are results; minima and maxima come filled with a start.
"""

from typing import Any

import numpy as np
from numba import njit

from wk_assets.kernels.compilation import INLINED, KERNEL


@njit(**INLINED)
def smaller(a: Any, b: Any) -> Any:
    """Return the smaller one; `b` if `a` is NaN, as a branch-free select."""
    return a if a < b else b  # noqa: FURB136 - numba's min treats NaN apart, which costs the vector instruction


@njit(**INLINED)
def larger(a: Any, b: Any) -> Any:
    """Return the larger one; `b` if `a` is NaN, as a branch-free select."""
    return a if a > b else b  # noqa: FURB136 - as in `smaller`


@njit(**KERNEL)
def measure_integers(window: Any, step: Any, extent: Any, minima: Any, maxima: Any, totals: Any, zeros: Any) -> None:
    """Measure integers of up to 32 bit."""
    channels, depth, height, width = extent
    for z in range(depth):
        smallest, largest, total, zero = minima[z], maxima[z], totals[z], zeros[z]
        for c in range(channels):
            for y in range(height):
                start = c * step[0] + z * step[1] + y * step[2]
                voxels = window[start : start + width]
                for x in range(width):
                    value = voxels[x]
                    smallest = smaller(value, smallest)
                    largest = larger(value, largest)
                    total += value
                    zero += value == 0
        minima[z], maxima[z], totals[z], zeros[z] = smallest, largest, total, zero


@njit(**KERNEL)
def measure_64_bit(
    window: Any, step: Any, extent: Any, minima: Any, maxima: Any, highs: Any, lows: Any, zeros: Any
) -> None:
    """Measure 64-bit integers: their upper and lower 32 bits are summed apart, so that no sum leaves its type."""
    channels, depth, height, width = extent
    bits = minima.dtype.type(32)
    mask = minima.dtype.type(0xFFFFFFFF)
    for z in range(depth):
        smallest, largest, high, low, zero = minima[z], maxima[z], highs[z], lows[z], zeros[z]
        for c in range(channels):
            for y in range(height):
                start = c * step[0] + z * step[1] + y * step[2]
                voxels = window[start : start + width]
                for x in range(width):
                    value = voxels[x]
                    smallest = smaller(value, smallest)
                    largest = larger(value, largest)
                    high += value >> bits
                    low += value & mask
                    zero += value == 0
        minima[z], maxima[z], highs[z], lows[z], zeros[z] = smallest, largest, high, low, zero


@njit(**KERNEL)
def measure_floats(
    window: Any, step: Any, extent: Any, minima: Any, maxima: Any, totals: Any, zeros: Any, nans: Any
) -> None:
    """Measure floats; NaN is counted and otherwise ignored.

    Sums are kept per column of a row: numba may not reorder the additions of floats, so one sum could not be
    vectorised, and reordering by machine would give other last digits on every machine.
    """
    channels, depth, height, width = extent
    sums = np.empty(width, np.float64)
    low = np.empty(width, minima.dtype)
    high = np.empty(width, minima.dtype)
    for z in range(depth):
        sums[:] = 0
        low[:] = minima[z]
        high[:] = maxima[z]
        zero, nan = zeros[z], nans[z]
        for c in range(channels):
            for y in range(height):
                start = c * step[0] + z * step[1] + y * step[2]
                voxels = window[start : start + width]
                for x in range(width):
                    value = voxels[x]
                    low[x] = smaller(value, low[x])  # a NaN is neither
                    high[x] = larger(value, high[x])
                    sums[x] += np.float64(0) if np.isnan(value) else np.float64(value)
                for x in range(width):
                    zero += voxels[x] == 0
                    nan += np.isnan(voxels[x])
        minima[z], maxima[z], totals[z], zeros[z], nans[z] = low.min(), high.max(), sums.sum(), zero, nan
