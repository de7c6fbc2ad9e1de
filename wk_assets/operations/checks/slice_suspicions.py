"""Which slices of a layer look wrong, judged from one row of statistics per slice.

Numbers in, slice numbers out: no file is opened and no sentence is written here (see `layer_checks`). A suspicion is
raised against the neighbours of a slice, never against a fixed brightness: what is dark in one microscope is a signal in
another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wk_assets.operations.records.layer_record import SliceFact

# A slice with less content than this is blank: a stray hot pixel does not make a picture.
BLANK_CONTENT = 0.001
# Content that both neighbours of a blank run, or the only neighbour of one at an end, must have to make it suspicious.
INNER_CONTENT = 0.01
OUTER_CONTENT = 0.1
# How many slices on each side are the neighbourhood.
REACH = 5
# A jump must exceed this many robust standard deviations, and this part of the neighbours' brightness.
SCORE = 6.0
RELATIVE_JUMP = 0.1
# The standard deviation of a normal distribution, per median absolute deviation.
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """A slice whose mean is not where its neighbours' means lead; `score` in robust standard deviations."""

    z: int
    mean: float
    expected: float
    score: float


def content(rows: Sequence[SliceFact]) -> NDArray[np.float64]:
    """Return for each slice which part of its voxels is neither zero nor NaN."""
    return np.array([1.0 - (row.zeros + row.nans) / row.count if row.count else 0.0 for row in rows])


def blank_slices(rows: Sequence[SliceFact]) -> tuple[int, ...]:
    """Return the slices that hold (nearly) nothing, or one value only, whoever their neighbours are."""
    filled = content(rows)
    return tuple(
        row.z for row, part in zip(rows, filled, strict=True) if part <= BLANK_CONTENT or row.minimum == row.maximum
    )


def dark_slices(rows: Sequence[SliceFact]) -> tuple[int, ...]:
    """Return the blank slices whose neighbours are not blank, and all slices when all of them are.

    Content that fades out towards an end of the stack is natural (a cell has an end); content that stops is not.
    """
    blank = set(blank_slices(rows))
    if len(blank) == len(rows):
        return tuple(row.z for row in rows)
    filled = content(rows)
    dark: list[int] = []
    for start, stop in _runs([row.z in blank for row in rows]):
        before = float(filled[start - 1]) if start > 0 else None
        after = float(filled[stop]) if stop < len(rows) else None
        if before is not None and after is not None:
            suspicious = min(before, after) >= INNER_CONTENT
        else:
            suspicious = max(before or 0.0, after or 0.0) >= OUTER_CONTENT
        if suspicious:
            dark.extend(rows[index].z for index in range(start, stop))
    return tuple(dark)


def partly_black_candidates(rows: Sequence[SliceFact], limit: int) -> tuple[int, ...]:
    """Return the slices that have suddenly more zeros than their neighbours, at most `limit`, worst first.

    Only candidates: whether the zeros stand together, as a half-copied file leaves them, is seen in the voxels
    (`longest_zero_run`).
    """
    blank = set(blank_slices(rows))
    filled = content(rows)
    kept = [index for index, row in enumerate(rows) if row.z not in blank]
    if len(kept) < 3:  # with fewer, nothing says which one is the odd one
        return ()
    drops = _expected(np.array([rows[index].z for index in kept], np.float64), filled[kept]) - filled[kept]
    threshold = max(BLANK_CONTENT, SCORE * _spread(drops))
    suspicious = sorted(
        (-drop, rows[index].z) for index, drop in zip(kept, drops.tolist(), strict=True) if drop > threshold
    )
    return tuple(z for _, z in suspicious[:limit])


def contrast_jumps(rows: Sequence[SliceFact], ignored: frozenset[int] = frozenset()) -> tuple[Jump, ...]:
    """Return the slices whose mean leaves the line through up to five neighbours on each side.

    The line is Theil and Sen's (the median of all slopes between pairs), so that neither a slow trend, such as
    bleaching, nor one bad neighbour raises a suspicion. `ignored`: slices that other checks already name.
    """
    kept = [row for row in rows if row.z not in ignored and np.isfinite(row.mean)]
    if len(kept) < 4:  # with fewer, nothing says which one is the odd one
        return ()
    places = np.array([row.z for row in kept], dtype=np.float64)
    means = np.array([row.mean for row in kept], dtype=np.float64)
    expected = _expected(places, means)
    residuals = means - expected
    spread = _spread(residuals)
    darkest = min(float(row.minimum) for row in kept)
    brightness = np.abs(expected - darkest)
    threshold = np.maximum(SCORE * spread, RELATIVE_JUMP * brightness)
    jumps = []
    for index in np.flatnonzero(np.abs(residuals) > threshold):
        scale = max(spread, float(threshold[index]) / SCORE)
        jumps.append(
            Jump(
                z=kept[index].z,
                mean=float(means[index]),
                expected=float(expected[index]),
                score=float(abs(residuals[index]) / scale) if scale > 0 else float("inf"),
            )
        )
    return _without_echoes(tuple(jumps))


def _without_echoes(jumps: tuple[Jump, ...]) -> tuple[Jump, ...]:
    """Drop a jump that is small beside one of its neighbours': the strong one bends the line of the others."""
    kept = []
    for jump in jumps:
        others = [other for other in jumps if 0 < abs(other.z - jump.z) <= REACH]
        loudest = max((abs(other.mean - other.expected) for other in others), default=0.0)
        if abs(jump.mean - jump.expected) >= 0.25 * loudest:
            kept.append(jump)
    return tuple(kept)


def _expected(places: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Extend, to each place, the Theil-Sen line through its neighbours: the median of all slopes between pairs."""
    expected = np.empty_like(values)
    for index in range(len(places)):
        around = [i for i in range(max(0, index - REACH), min(len(places), index + REACH + 1)) if i != index]
        x = places[around] - places[index]
        y = values[around]
        first, second = np.triu_indices(len(around), k=1)
        slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
        expected[index] = np.median(y - slope * x)
    return expected


def _spread(residuals: NDArray[np.float64]) -> float:
    """Return the standard deviation that the bulk of the residuals has, whatever the odd ones are."""
    return MAD_TO_SIGMA * float(np.median(np.abs(residuals - np.median(residuals))))


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the half-open index ranges in which `flags` are true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(flags, dtype=np.int8), [0]))))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def longest_zero_run(voxels: NDArray[np.generic], carried: int = 0) -> tuple[int, int]:
    """Return the longest run of zeros in raster order, and the length of the run that is still open at the end.

    `voxels`: (rows, x) of one slice, a band of it at a time; `carried` is the open run of the band before. The first
    number does not count what was carried in unless the run reaches into this band.
    """
    flat = np.ascontiguousarray(voxels).reshape(-1) == 0
    if flat.size == 0:
        return 0, carried
    ends = np.flatnonzero(np.diff(np.concatenate(([False], flat, [False])).astype(np.int8)))
    if ends.size == 0:
        return 0, 0
    lengths = (ends[1::2] - ends[::2]).astype(np.int64)
    if flat[0]:
        lengths[0] += carried
    return int(lengths.max()), int(lengths[-1]) if flat[-1] else 0


def name_slices(slices: Sequence[int], at_most: int = 12) -> str:
    """Write slice numbers for people: runs as ranges, and a count of what does not fit. `3, 7-9 and 4 more`."""
    ordered = sorted(set(slices))
    if not ordered:
        return "none"
    groups: list[list[int]] = []
    for z in ordered:
        if groups and z == groups[-1][-1] + 1:
            groups[-1].append(z)
        else:
            groups.append([z])
    shown = ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups[:at_most])
    hidden = sum(len(group) for group in groups[at_most:])
    return f"{shown} and {hidden} more" if hidden else shown
