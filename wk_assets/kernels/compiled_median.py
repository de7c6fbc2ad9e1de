"""Compiled loops of the median. Called by `downsample` alone.

Two kinds. *Rows*: for factors 1 and 2, source rows are read in place, the two voxels of a pair with stride-2 loads,
and a block is decided in registers. *Lanes*: for every factor, voxel k of many blocks is copied into lane k, and the
lanes are sorted by a network as far as needed; the rows are tested against them.

`source` and `target` are 1-D windows onto arrays whose rows along x are contiguous. Steps and offsets are in voxels:
`step` leads to the next block in z and in y, `rows` to the rows of one block, `target_step` to the next slice and
row of the result. `extent` is the result's shape (z, y, x). Types are numba's, hence `Any`.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from wk_assets.kernels.compilation import INLINED, KERNEL


def middle(low: Any, high: Any) -> Any:
    """Return the mean of the two middle values; of integers truncated toward zero, without a wider type."""
    raise NotImplementedError  # numba compiles `_middle` in its place


@overload(middle, inline="always", strict=False)
def _middle(low: Any, high: Any) -> Any:  # noqa: ARG001 - numba matches arguments by name
    if low == types.float32:
        return lambda low, high: np.float32((np.float64(low) + np.float64(high)) * 0.5)
    if low == types.float64:
        # the sum of two large values may leave the range, their mean does not
        return lambda low, high: (low + high) * 0.5 if abs(low + high) < np.inf else low * 0.5 + high * 0.5
    if low.signed and low.bitwidth < 64:
        wide: Any = {8: types.int16, 16: types.int32, 32: types.int64}[low.bitwidth]
        # a shift rounds down: one more before it, if the sum is negative
        return lambda low, high: wide(wide(wide(low) + wide(high)) + (low + high < 0)) >> 1
    if low.signed:
        # no wider type: a & b + (a ^ b) / 2 is the mean rounded down, one too low for a negative, odd sum
        return lambda low, high: (
            (low & high) + ((low ^ high) >> 1) + ((low ^ high) & ((low & high) + ((low ^ high) >> 1) < 0))
        )
    return lambda low, high: (low & high) + ((low ^ high) >> types.uint64(1))


def nan_if(unordered: Any, value: Any) -> Any:
    """Return NaN where a block of floats holds one; an integer as it is."""
    raise NotImplementedError  # numba compiles `_nan_if` in its place


@overload(nan_if, inline="always", strict=False)
def _nan_if(unordered: Any, value: Any) -> Any:  # noqa: ARG001 - numba matches arguments by name
    if isinstance(value, types.Float):
        return lambda unordered, value: np.nan if unordered else value
    return lambda unordered, value: value  # noqa: ARG005 - as above


@njit(**INLINED)
def is_nan(a: Any) -> Any:
    """Tell whether `a` is NaN; of integers LLVM knows the answer and drops the question."""
    return a != a  # noqa: PLR0124 - the definition of NaN


@njit(**INLINED)
def smaller(a: Any, b: Any) -> Any:
    """Return the smaller one, as a branch-free select."""
    return a if a < b else b  # noqa: FURB136 - numba's min treats NaN apart, which costs the vector instruction


@njit(**INLINED)
def larger(a: Any, b: Any) -> Any:
    """Return the larger one, as a branch-free select."""
    return a if a > b else b  # noqa: FURB136 - as in `smaller`


@njit(**INLINED)
def median_of_2(a: Any, b: Any) -> Any:
    """Return the mean of both, truncated toward zero."""
    return nan_if(is_nan(a) | is_nan(b), middle(a, b))


@njit(**INLINED)
def median_of_4(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the mean of the two middle values, truncated toward zero."""
    unordered = is_nan(a) | is_nan(b) | is_nan(c) | is_nan(d)
    low = larger(smaller(a, b), smaller(c, d))
    high = smaller(larger(a, b), larger(c, d))
    return nan_if(unordered, middle(low, high))


@njit(**INLINED)
def median_of_8(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """Return the mean of the two middle values, truncated toward zero."""
    unordered = is_nan(a) | is_nan(b) | is_nan(c) | is_nan(d) | is_nan(e) | is_nan(f) | is_nan(g) | is_nan(h)
    # sort both fours; the lower half of their union is {smaller(p[i], q[3 - i])}, the upper {larger(p[i], q[3 - i])}
    l0, h0, l1, h1 = smaller(a, b), larger(a, b), smaller(c, d), larger(c, d)
    t0, t1 = larger(l0, l1), smaller(h0, h1)
    p0, p1, p2, p3 = smaller(l0, l1), smaller(t0, t1), larger(t0, t1), larger(h0, h1)
    l0, h0, l1, h1 = smaller(e, f), larger(e, f), smaller(g, h), larger(g, h)
    t0, t1 = larger(l0, l1), smaller(h0, h1)
    q0, q1, q2, q3 = smaller(l0, l1), smaller(t0, t1), larger(t0, t1), larger(h0, h1)
    low = larger(larger(smaller(p0, q3), smaller(p1, q2)), larger(smaller(p2, q1), smaller(p3, q0)))
    high = smaller(smaller(larger(p0, q3), larger(p1, q2)), smaller(larger(p2, q1), larger(p3, q0)))
    return nan_if(unordered, middle(low, high))


@njit(**INLINED)
def row(window: Any, start: Any, length: Any) -> Any:
    """Return a part of flat memory."""
    return window[start : start + length]


@njit(**KERNEL)
def median_of_2_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the median of 2 voxels in 2 rows."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], width), row(source, start + rows[1], width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = median_of_2(r0[x], r1[x])


@njit(**KERNEL)
def median_of_pairs(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the median of 2 neighbours in one row."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            voxels = row(source, z * step[0] + y * step[1] + rows[0], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = median_of_2(voxels[2 * x], voxels[2 * x + 1])


@njit(**KERNEL)
def median_of_4_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the median of 4 voxels in 4 rows."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], width), row(source, start + rows[1], width)
            r2, r3 = row(source, start + rows[2], width), row(source, start + rows[3], width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = median_of_4(r0[x], r1[x], r2[x], r3[x])


@njit(**KERNEL)
def median_of_pairs_in_2_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the median of 4 voxels, two neighbours in each of 2 rows."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], 2 * width), row(source, start + rows[1], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = median_of_4(r0[2 * x], r0[2 * x + 1], r1[2 * x], r1[2 * x + 1])


@njit(**KERNEL)
def median_of_pairs_in_4_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the median of 8 voxels, two neighbours in each of 4 rows."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], 2 * width), row(source, start + rows[1], 2 * width)
            r2, r3 = row(source, start + rows[2], 2 * width), row(source, start + rows[3], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                i, j = 2 * x, 2 * x + 1
                out[x] = median_of_8(r0[i], r0[j], r1[i], r1[j], r2[i], r2[j], r3[i], r3[j])


@njit(**INLINED)
def fill_lanes(
    lanes: Any, pitch: Any, source: Any, start: Any, source_step: Any, factors: Any, offset: Any, width: Any
) -> None:
    """Copy voxel k of `width` blocks along x into lane k, from `offset` on; k counts y fastest, then x, then z."""
    for dz in range(factors[0]):
        for dy in range(factors[1]):
            voxels = row(source, start + dz * source_step[0] + dy * source_step[1], width * factors[2])
            k = dz * factors[2] * factors[1] + dy
            if factors[2] == 2:
                even = row(lanes, k * pitch + offset, width)
                odd = row(lanes, (k + factors[1]) * pitch + offset, width)
                for x in range(width):
                    even[x] = voxels[2 * x]
                    odd[x] = voxels[2 * x + 1]
            elif factors[2] == 4:
                a, b = row(lanes, k * pitch + offset, width), row(lanes, (k + factors[1]) * pitch + offset, width)
                k += 2 * factors[1]
                c, d = row(lanes, k * pitch + offset, width), row(lanes, (k + factors[1]) * pitch + offset, width)
                for x in range(width):
                    a[x], b[x], c[x], d[x] = voxels[4 * x], voxels[4 * x + 1], voxels[4 * x + 2], voxels[4 * x + 3]
            else:
                for dx in range(factors[2]):
                    lane = row(lanes, (k + dx * factors[1]) * pitch + offset, width)
                    for x in range(width):
                        lane[x] = voxels[x * factors[2] + dx]


@njit(**KERNEL)
def median_of_lanes(
    source: Any, source_step: Any, factors: Any, target: Any, target_step: Any, extent: Any, lanes: Any, network: Any
) -> None:
    """Sort the lanes by `network`, pairs of lanes to be put in order, as far as the two middle ones need it."""
    depth, height, width = extent
    count, pitch = lanes.shape
    flat = lanes.reshape(-1)
    unordered = np.empty(pitch, np.bool_)
    part = min(width, pitch)
    group = max(1, pitch // max(1, part))  # short rows share the lanes: a loop has a cost of its own
    for z in range(depth):
        for first_y in range(0, height, group):
            rows = min(group, height - first_y)
            for first_x in range(0, width, part):
                columns = min(part, width - first_x)
                for r in range(rows):
                    start = (
                        z * factors[0] * source_step[0]
                        + (first_y + r) * factors[1] * source_step[1]
                        + first_x * factors[2]
                    )
                    fill_lanes(flat, pitch, source, start, source_step, factors, r * columns, columns)
                used = rows * columns
                unordered[:used] = False
                for k in range(count):
                    lane = row(flat, k * pitch, used)
                    for i in range(used):
                        unordered[i] |= is_nan(lane[i])
                for n in range(network.shape[0]):
                    upper, lower = row(flat, network[n, 0] * pitch, used), row(flat, network[n, 1] * pitch, used)
                    for i in range(used):
                        a, b = upper[i], lower[i]
                        upper[i] = smaller(a, b)
                        lower[i] = larger(a, b)
                low, high = row(flat, (count - 1) // 2 * pitch, used), row(flat, count // 2 * pitch, used)
                for r in range(rows):
                    out = row(target, z * target_step[0] + (first_y + r) * target_step[1] + first_x, columns)
                    for x in range(columns):
                        i = r * columns + x
                        out[x] = nan_if(unordered[i], middle(low[i], high[i]))
