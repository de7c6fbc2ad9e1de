"""Compiled loops of max, min and mean: every voxel of a block adds to the result. Called by `downsample` alone.

Row by row: the rows of a block are accumulated into one row, which stays in the nearest cache; along x with stride-2
loads for factor 2. Arguments as in `compiled_median`, but `rows` is an array of any number of offsets; `columns`,
`sums`, `high` and `low` are scratch: a row of the result for factors 1 and 2 along x, else a row of the source.
"""

from typing import Any

import numpy as np
from numba import njit

from wk_assets.kernels.compilation import INLINED, KERNEL


@njit(**INLINED)
def row(window: Any, start: Any, length: Any) -> Any:
    """Return a part of flat memory."""
    return window[start : start + length]


@njit(**INLINED)
def is_nan(a: Any) -> Any:
    """Tell whether `a` is NaN; of integers LLVM knows the answer and drops the question."""
    return a != a  # noqa: PLR0124 - the definition of NaN


@njit(**INLINED)
def larger(a: Any, b: Any) -> Any:
    """Return the larger one, or NaN if there is one."""
    return a if (a > b) | is_nan(a) else b


@njit(**INLINED)
def smaller(a: Any, b: Any) -> Any:
    """Return the smaller one, or NaN if there is one."""
    return a if (a < b) | is_nan(a) else b


@njit(**INLINED)
def largest_of_columns(line: Any, source: Any, start: Any, rows: Any, length: Any) -> None:
    """Take the largest voxel of every column of the rows."""
    count = rows.shape[0]
    a = row(source, start + rows[0], length)
    if count >= 4:
        b, c, d = (
            row(source, start + rows[1], length),
            row(source, start + rows[2], length),
            row(source, start + rows[3], length),
        )
        for i in range(length):
            line[i] = larger(larger(a[i], b[i]), larger(c[i], d[i]))
    elif count >= 2:
        b = row(source, start + rows[1], length)
        for i in range(length):
            line[i] = larger(a[i], b[i])
    else:
        line[:] = a
    for r in range(4 if count >= 4 else 2, count):
        b = row(source, start + rows[r], length)
        for i in range(length):
            line[i] = larger(line[i], b[i])


@njit(**KERNEL)
def maximum(
    source: Any, step: Any, rows: Any, factor_x: Any, target: Any, target_step: Any, extent: Any, columns: Any
) -> None:
    """Take the largest voxel of every block."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            out = row(target, z * target_step[0] + y * target_step[1], width)
            if factor_x == 1:
                largest_of_columns(out, source, start, rows, width)
            elif factor_x == 2:
                for r in range(rows.shape[0]):
                    voxels = row(source, start + rows[r], 2 * width)
                    if r == 0:
                        for x in range(width):
                            out[x] = larger(voxels[2 * x], voxels[2 * x + 1])
                    else:
                        for x in range(width):
                            out[x] = larger(out[x], larger(voxels[2 * x], voxels[2 * x + 1]))
            else:
                largest_of_columns(columns, source, start, rows, width * factor_x)
                for x in range(width):
                    value = columns[x * factor_x]
                    for i in range(x * factor_x + 1, (x + 1) * factor_x):
                        value = larger(value, columns[i])
                    out[x] = value


@njit(**INLINED)
def smallest_of_columns(line: Any, source: Any, start: Any, rows: Any, length: Any) -> None:
    """Take the smallest voxel of every column of the rows."""
    count = rows.shape[0]
    a = row(source, start + rows[0], length)
    if count >= 4:
        b, c, d = (
            row(source, start + rows[1], length),
            row(source, start + rows[2], length),
            row(source, start + rows[3], length),
        )
        for i in range(length):
            line[i] = smaller(smaller(a[i], b[i]), smaller(c[i], d[i]))
    elif count >= 2:
        b = row(source, start + rows[1], length)
        for i in range(length):
            line[i] = smaller(a[i], b[i])
    else:
        line[:] = a
    for r in range(4 if count >= 4 else 2, count):
        b = row(source, start + rows[r], length)
        for i in range(length):
            line[i] = smaller(line[i], b[i])


@njit(**KERNEL)
def minimum(
    source: Any, step: Any, rows: Any, factor_x: Any, target: Any, target_step: Any, extent: Any, columns: Any
) -> None:
    """Take the smallest voxel of every block."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            out = row(target, z * target_step[0] + y * target_step[1], width)
            if factor_x == 1:
                smallest_of_columns(out, source, start, rows, width)
            elif factor_x == 2:
                for r in range(rows.shape[0]):
                    voxels = row(source, start + rows[r], 2 * width)
                    if r == 0:
                        for x in range(width):
                            out[x] = smaller(voxels[2 * x], voxels[2 * x + 1])
                    else:
                        for x in range(width):
                            out[x] = smaller(out[x], smaller(voxels[2 * x], voxels[2 * x + 1]))
            else:
                smallest_of_columns(columns, source, start, rows, width * factor_x)
                for x in range(width):
                    value = columns[x * factor_x]
                    for i in range(x * factor_x + 1, (x + 1) * factor_x):
                        value = smaller(value, columns[i])
                    out[x] = value


@njit(**INLINED)
def sum_rows(sums: Any, source: Any, start: Any, rows: Any, factor_x: Any, width: Any) -> None:
    """Add the rows of the blocks to `sums`: per block for factors 1 and 2, else per column."""
    wide = sums.dtype.type
    for r in range(rows.shape[0]):
        voxels = row(source, start + rows[r], width * factor_x)
        if factor_x == 2:
            for x in range(width):
                sums[x] += wide(wide(voxels[2 * x]) + wide(voxels[2 * x + 1]))
        else:
            for i in range(width * factor_x):
                sums[i] += wide(voxels[i])


@njit(**INLINED)
def sum_columns(sums: Any, factor_x: Any, width: Any) -> None:
    """Add up the columns of each block, in place: a block's sum comes to lie before the columns not yet read."""
    for x in range(width):
        total = sums[x * factor_x]
        for i in range(x * factor_x + 1, (x + 1) * factor_x):
            total += sums[i]
        sums[x] = total


@njit(**INLINED)
def plus(wide: Any, a: Any, b: Any) -> Any:
    """Add in a type that holds the sum: numba would count in 64 bits, and a vector hold fewer."""
    return wide(wide(a) + wide(b))


@njit(**INLINED)
def sum_of_columns(sums: Any, source: Any, start: Any, rows: Any, length: Any) -> None:
    """Add up every column of the rows."""
    wide = sums.dtype.type
    count = rows.shape[0]
    a = row(source, start + rows[0], length)
    if count >= 4:
        b, c, d = (
            row(source, start + rows[1], length),
            row(source, start + rows[2], length),
            row(source, start + rows[3], length),
        )
        for i in range(length):
            sums[i] = plus(wide, plus(wide, a[i], b[i]), plus(wide, c[i], d[i]))
    elif count >= 2:
        b = row(source, start + rows[1], length)
        for i in range(length):
            sums[i] = plus(wide, a[i], b[i])
    else:
        for i in range(length):
            sums[i] = wide(a[i])
    for r in range(4 if count >= 4 else 2, count):
        b = row(source, start + rows[r], length)
        for i in range(length):
            sums[i] = plus(wide, sums[i], b[i])


@njit(**KERNEL)
def mean_of_integers(
    source: Any,
    step: Any,
    rows: Any,
    factor_x: Any,
    target: Any,
    target_step: Any,
    extent: Any,
    sums: Any,
    count: Any,
    shift: Any,
) -> None:
    """Average blocks of `count` integers, halves rounded up; `sums` has a type that holds every block's sum.

    `count` has the type of `sums`: numba would make a float of uint64 and int64. `shift` is log2 of `count`, or
    negative if `count` is no power of two.
    """
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            if factor_x == 2:
                sums[:] = 0
                sum_rows(sums, source, start, rows, factor_x, width)
            else:
                sum_of_columns(sums, source, start, rows, width * factor_x)
            if factor_x > 2:
                sum_columns(sums, factor_x, width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            if shift >= 0:
                half = sums.dtype.type(count >> 1)
                by = sums.dtype.type(shift)
                for x in range(width):
                    out[x] = sums.dtype.type(sums[x] + half) >> by
            else:
                for x in range(width):
                    out[x] = (sums[x] + sums[x] + count) // (count + count)


@njit(**KERNEL)
def mean_of_64_bit(
    source: Any,
    step: Any,
    rows: Any,
    factor_x: Any,
    target: Any,
    target_step: Any,
    extent: Any,
    high: Any,
    low: Any,
    count: Any,
    shift: Any,
) -> None:
    """Average blocks of `count` 64-bit integers, halves rounded up; sums of upper and lower halves, 32 bits each.

    `high`, `low` and `count` have the voxels' type: numba would make a float of uint64 and int64. `shift` as in
    `mean_of_integers`.
    """
    depth, height, width = extent
    bits = high.dtype.type(32)
    mask = high.dtype.type(0xFFFFFFFF)
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            high[:] = 0
            low[:] = 0
            for r in range(rows.shape[0]):
                voxels = row(source, start + rows[r], width * factor_x)
                if factor_x == 2:
                    for x in range(width):
                        a, b = voxels[2 * x], voxels[2 * x + 1]
                        high[x] += (a >> bits) + (b >> bits)
                        low[x] += (a & mask) + (b & mask)
                else:
                    for i in range(width * factor_x):
                        high[i] += voxels[i] >> bits
                        low[i] += voxels[i] & mask
            if factor_x > 2:
                sum_columns(high, factor_x, width)
                sum_columns(low, factor_x, width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            if shift >= 0:
                by, back, half = high.dtype.type(shift), high.dtype.type(32 - shift), count >> high.dtype.type(1)
                for x in range(width):
                    rest = low[x] + half
                    out[x] = ((high[x] + (rest >> bits)) << back) + ((rest & mask) >> by)
            else:
                for x in range(width):
                    quotient = high[x] // count
                    rest = ((high[x] - quotient * count) << bits) + low[x]
                    out[x] = (quotient << bits) + (rest + rest + count) // (count + count)


@njit(**KERNEL)
def mean_of_float32(
    source: Any, step: Any, rows: Any, factor_x: Any, target: Any, target_step: Any, extent: Any, sums: Any
) -> None:
    """Average 32-bit floats by sums in float64, which are exact if all voxels of a block are the same."""
    depth, height, width = extent
    count = np.float64(rows.shape[0] * factor_x)
    for z in range(depth):
        for y in range(height):
            sums[:] = 0
            sum_rows(sums, source, z * step[0] + y * step[1], rows, factor_x, width)
            if factor_x > 2:
                sum_columns(sums, factor_x, width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = sums[x] / count


@njit(**KERNEL)
def mean_of_float64(
    source: Any, step: Any, rows: Any, factor_x: Any, target: Any, target_step: Any, extent: Any, sums: Any
) -> None:
    """Average 64-bit floats as deviations from each block's first voxel: a constant block stays what it is."""
    depth, height, width = extent
    count = rows.shape[0] * factor_x
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            firsts = row(source, start, width * factor_x)
            sums[:] = 0
            for r in range(rows.shape[0]):
                voxels = row(source, start + rows[r], width * factor_x)
                if factor_x == 2:
                    for x in range(width):
                        first = np.float64(firsts[2 * x])
                        sums[x] += (voxels[2 * x] - first) + (voxels[2 * x + 1] - first)
                elif factor_x == 1:
                    for x in range(width):
                        sums[x] += voxels[x] - np.float64(firsts[x])
                else:
                    for x in range(width):
                        first = np.float64(firsts[x * factor_x])
                        for i in range(x * factor_x, (x + 1) * factor_x):
                            sums[x] += voxels[i] - first
            out = row(target, z * target_step[0] + y * target_step[1], width)
            finite = True
            if factor_x == 2:
                for x in range(width):
                    out[x] = firsts[2 * x] + sums[x] / count
                    finite &= abs(sums[x]) < np.inf
            else:
                for x in range(width):
                    out[x] = firsts[x * factor_x] + sums[x] / count
                    finite &= abs(sums[x]) < np.inf
            if not finite:
                # infinite or NaN voxels, or deviations beyond the range of float64: parts of the mean stay in it
                for x in range(width):
                    if not abs(sums[x]) < np.inf:
                        mean = 0.0
                        for r in range(rows.shape[0]):
                            for i in range(x * factor_x, (x + 1) * factor_x):
                                mean += source[start + rows[r] + i] / count
                        out[x] = mean
