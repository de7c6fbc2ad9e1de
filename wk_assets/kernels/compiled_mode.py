"""Compiled loops of the mode: the most frequent voxel of a block. Called by `downsample` alone.

Two kinds, as in `compiled_median`. *Rows*: all pairs of a block are compared in registers. *Lanes*: a majority is
looked for first, which most blocks of a segmentation have; only the others are counted.

`source` and `target` are 1-D windows onto arrays whose rows along x are contiguous. Steps and offsets are in voxels:
`step` leads to the next block in z and in y, `rows` to the rows of one block, `target_step` to the next slice and
row of the result. `extent` is the result's shape (z, y, x). Types are numba's, hence `Any`.
"""

from typing import Any

import numpy as np
from numba import njit, uint8

from wk_assets.kernels.compilation import INLINED, KERNEL


@njit(**INLINED)
def larger(a: Any, b: Any) -> Any:
    """Return the larger one, as a branch-free select."""
    return a if a > b else b  # noqa: FURB136 - numba's max treats NaN apart, which costs the vector instruction


@njit(**INLINED)
def same(a: Any, b: Any) -> Any:
    """Count one vote if the values are equal."""
    return uint8(a == b)


@njit(**INLINED)
def plus(a: Any, b: Any) -> Any:
    """Add votes (fewer than 8) in 8 bits: numba would count in 64, and a vector hold an eighth."""
    return uint8(a + b)


@njit(**INLINED)
def mode_of_4(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the most frequent value, the first of those; each votes for itself and for the equal ones after it."""
    votes_a = plus(plus(same(a, b), same(a, c)), same(a, d))
    votes_b = plus(same(b, c), same(b, d))
    winner, votes = (b, votes_b) if votes_b > votes_a else (a, votes_a)
    return c if same(c, d) > votes else winner


@njit(**INLINED)
def mode_of_8(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """Return the most frequent value, the first of those. NaN equals nothing: each is a value of its own."""
    ab, ac, ad, ae, af, ag, ah = same(a, b), same(a, c), same(a, d), same(a, e), same(a, f), same(a, g), same(a, h)
    bc, bd, be, bf, bg, bh = same(b, c), same(b, d), same(b, e), same(b, f), same(b, g), same(b, h)
    cd, ce, cf, cg, ch = same(c, d), same(c, e), same(c, f), same(c, g), same(c, h)
    de, df, dg, dh = same(d, e), same(d, f), same(d, g), same(d, h)
    ef, eg, eh = same(e, f), same(e, g), same(e, h)
    votes = plus(plus(plus(ab, ac), plus(ad, ae)), plus(plus(af, ag), ah))
    votes_b = plus(plus(plus(bc, bd), plus(be, bf)), plus(bg, bh))
    votes_c = plus(plus(plus(cd, ce), plus(cf, cg)), ch)
    votes_d = plus(plus(de, df), plus(dg, dh))
    votes_e = plus(plus(ef, eg), eh)
    votes_f = plus(same(f, g), same(f, h))
    winner = b if votes_b > votes else a
    votes = larger(votes, votes_b)
    winner = c if votes_c > votes else winner
    votes = larger(votes, votes_c)
    winner = d if votes_d > votes else winner
    votes = larger(votes, votes_d)
    winner = e if votes_e > votes else winner
    votes = larger(votes, votes_e)
    winner = f if votes_f > votes else winner
    votes = larger(votes, votes_f)
    return g if same(g, h) > votes else winner


@njit(**INLINED)
def row(window: Any, start: Any, length: Any) -> Any:
    """Return a part of flat memory."""
    return window[start : start + length]


@njit(**KERNEL)
def mode_of_4_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the mode of 4 voxels in 4 rows, in the order of the rows."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], width), row(source, start + rows[1], width)
            r2, r3 = row(source, start + rows[2], width), row(source, start + rows[3], width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = mode_of_4(r0[x], r1[x], r2[x], r3[x])


@njit(**KERNEL)
def mode_of_pairs_in_2_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the mode of 4 voxels, two neighbours in each of 2 rows of one slice: y is fastest."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], 2 * width), row(source, start + rows[1], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = mode_of_4(r0[2 * x], r1[2 * x], r0[2 * x + 1], r1[2 * x + 1])


@njit(**KERNEL)
def mode_of_pairs_in_2_slices(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the mode of 4 voxels, two neighbours in one row of each of 2 slices: z is slowest."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], 2 * width), row(source, start + rows[1], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                out[x] = mode_of_4(r0[2 * x], r0[2 * x + 1], r1[2 * x], r1[2 * x + 1])


@njit(**KERNEL)
def mode_of_pairs_in_4_rows(source: Any, step: Any, rows: Any, target: Any, target_step: Any, extent: Any) -> None:
    """Take the mode of 8 voxels, two neighbours in each of 2 rows of 2 slices."""
    depth, height, width = extent
    for z in range(depth):
        for y in range(height):
            start = z * step[0] + y * step[1]
            r0, r1 = row(source, start + rows[0], 2 * width), row(source, start + rows[1], 2 * width)
            r2, r3 = row(source, start + rows[2], 2 * width), row(source, start + rows[3], 2 * width)
            out = row(target, z * target_step[0] + y * target_step[1], width)
            for x in range(width):
                i, j = 2 * x, 2 * x + 1
                out[x] = mode_of_8(r0[i], r1[i], r0[j], r1[j], r2[i], r3[i], r2[j], r3[j])


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


@njit(**INLINED)
def most_frequent(values: Any, seen: Any) -> Any:
    """Return the most frequent of `values`, the first of those, by counting each distinct one; `seen` is scratch."""
    count = values.shape[0]
    winner, best, distinct = values[0], 0, 0
    for k in range(count):
        if best >= count - k:
            break  # what comes first from here on can not win any more
        value = values[k]
        known = False
        for n in range(distinct):
            known |= seen[n] == value
        if not known:
            seen[distinct] = value
            distinct += 1
            votes = 1
            for n in range(k + 1, count):
                votes += values[n] == value
            if votes > best:
                winner, best = value, votes
    return winner


@njit(**INLINED)
def count_lanes(lanes: Any, pitch: Any, count: Any, used: Any, winners: Any, best: Any, votes: Any) -> None:
    """Find the most frequent value of `used` blocks by counting every voxel against those after it, lane by lane."""
    best[:used] = 0
    for k in range(count):
        lane = row(lanes, k * pitch, used)
        votes[:used] = 1
        for n in range(k + 1, count):
            other = row(lanes, n * pitch, used)
            for i in range(used):
                votes[i] += other[i] == lane[i]
        for i in range(used):
            # all is loaded before it is chosen from: a load under a condition is not vectorised
            value, winner, now, before = lane[i], winners[i], votes[i], best[i]
            winners[i] = value if now > before else winner
            best[i] = now if now > before else before
        if k % 8 == 7 and best[:used].min() >= count - k - 1:
            break  # what comes first from here on can not win any more


@njit(**KERNEL)
def mode_of_lanes(
    source: Any, source_step: Any, factors: Any, target: Any, target_step: Any, extent: Any, lanes: Any, counters: Any
) -> None:
    """Find each block's majority (Boyer and Moore) and count it; where more than half agree no tie is possible.

    `counters` is empty; its type is one that holds the number of voxels of a block. That of the labels may not.
    """
    depth, height, width = extent
    count, pitch = lanes.shape
    flat = lanes.reshape(-1)
    candidates = np.empty(pitch, lanes.dtype)
    block = np.empty(count, lanes.dtype)
    seen = np.empty(count, lanes.dtype)
    votes = np.empty(pitch, counters.dtype)
    best = np.empty(pitch, counters.dtype)
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
                candidates[:used] = flat[:used]
                votes[:used] = 1
                for k in range(1, count):
                    lane = row(flat, k * pitch, used)
                    for i in range(used):
                        value, candidate, balance = lane[i], candidates[i], votes[i]
                        candidate = value if balance == 0 else candidate
                        candidates[i] = candidate
                        votes[i] = balance + 1 if value == candidate else balance - 1
                votes[:used] = 0
                for k in range(count):
                    lane = row(flat, k * pitch, used)
                    for i in range(used):
                        votes[i] += lane[i] == candidates[i]
                undecided = 0
                for i in range(used):
                    undecided += 2 * votes[i] <= count
                # all against all costs count ** 2 / 2 vector steps for the group, whether one block needs it or each
                if 16 * undecided > used and count <= 128:
                    count_lanes(flat, pitch, count, used, candidates, best, votes)
                elif undecided > 0:
                    for i in range(used):
                        if 2 * votes[i] <= count:
                            for k in range(count):
                                block[k] = flat[k * pitch + i]
                            candidates[i] = most_frequent(block, seen)
                for r in range(rows):
                    out = row(target, z * target_step[0] + (first_y + r) * target_step[1] + first_x, columns)
                    out[:] = candidates[r * columns : (r + 1) * columns]
