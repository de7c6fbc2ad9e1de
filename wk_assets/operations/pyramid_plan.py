"""What one pass over a layer's voxels will do: levels, slabs, buffers, memory. Integers in, a value out; no I/O.

A *level* is one mag of the pass. A *slab* is a range of z of one level, full width, held in memory once: deep enough
for whole chunks and for whole blocks of the next level. All coordinates are voxels of the level's own mag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from wk_assets.errors import PlanError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout, Layout

# What a process holds before the first voxel: the interpreter, numpy, numba and its compiled kernels.
RESIDENT_BYTES = 260 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPlan:
    """Describe one level of a pass.

    `box`: the layer's box in this mag, aligned outward. `factors`: to the next level, None for the last.
    `slabs`: half-open ranges of z, in order, covering the box. `origin_x`, `origin_y`: where buffers start.
    `buffer_shape`: (c, z, y, x) of the deepest slab.
    """

    mag: Mag
    box: BoundingBox
    layout: ArrayLayout
    factors: Vec3Int | None
    stored: bool
    slabs: tuple[tuple[int, int], ...]
    origin_x: int
    origin_y: int
    buffer_shape: tuple[int, int, int, int]

    @property
    def buffer_bytes(self) -> int:
        """Bytes of one buffer."""
        return prod(self.buffer_shape) * self.layout.dtype.itemsize

    @property
    def row_step(self) -> int:
        """Rows of the buffer that one task works on: whole chunks, and whole blocks of the next level."""
        return max(self.layout.chunk_shape.y, self.factors.y if self.factors else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidPlan:
    """Describe one pass: `levels[0]` is read from the source, each next level is made from the one before it."""

    levels: tuple[LevelPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Say how a pass stays within its budget. The bytes that it writes do not depend on any of this.

    `prefetch`: the next slab of level 0 is loaded while one is worked on (takes a second buffer). `spooled`: per level,
    whether its slab is held in a file instead of in memory. `load_workers`, `row_workers`: threads per phase.
    """

    prefetch: bool
    spooled: tuple[bool, ...]
    load_workers: int
    row_workers: int
    peak_bytes: int
    spool_bytes: int

    def within(self, threads: int) -> "MemoryPlan":
        """Return the plan for a run that has fewer threads than were planned with; more would not fit the budget."""
        return replace(self, load_workers=min(self.load_workers, threads), row_workers=min(self.row_workers, threads))


def fit_memory(plan: PyramidPlan, *, threads: int, budget_bytes: int) -> MemoryPlan:
    """Find the fastest way through a pass within the budget: two buffers, else one, else spool files for large levels.

    Raises PlanError if not even one slice, or one band of rows, fits.
    """
    slice_bytes = _slice_bytes(plan.levels[0])
    nothing = (False,) * len(plan.levels)
    for prefetch in (True, False):
        peak = _peak(plan, prefetch=prefetch, spooled=nothing, load_workers=threads, row_workers=threads)
        if peak <= budget_bytes:
            return MemoryPlan(
                prefetch=prefetch,
                spooled=nothing,
                load_workers=threads,
                row_workers=threads,
                peak_bytes=peak,
                spool_bytes=0,
            )
    for count in range(1, len(plan.levels) + 1):  # the finest levels have the largest slabs
        spooled = tuple(number < count for number in range(len(plan.levels)))
        for workers in range(threads, 0, -1):
            loaders = max(1, min(threads, (budget_bytes - RESIDENT_BYTES) // 2 // (2 * slice_bytes)))
            peak = _peak(plan, prefetch=False, spooled=spooled, load_workers=loaders, row_workers=workers)
            if peak <= budget_bytes:
                spool_bytes = sum(level.buffer_bytes for level, out in zip(plan.levels, spooled, strict=True) if out)
                return MemoryPlan(
                    prefetch=False,
                    spooled=spooled,
                    load_workers=loaders,
                    row_workers=workers,
                    peak_bytes=peak,
                    spool_bytes=spool_bytes,
                )
    level = plan.levels[0]
    needed = _peak(plan, prefetch=False, spooled=(True,) * len(plan.levels), load_workers=1, row_workers=1)
    raise PlanError(
        f"slices of {level.box.size.x} x {level.box.size.y} voxels ({level.layout.channels} x {level.layout.dtype}) need "
        f"{-(-needed >> 20)} MiB of memory even one at a time, the budget is {budget_bytes >> 20} MiB. "
        "Raise `compute.memory`"
    )


def _peak(plan: PyramidPlan, *, prefetch: bool, spooled: tuple[bool, ...], load_workers: int, row_workers: int) -> int:
    """Return the most memory that a pass holds at once: buffers, and what the threads of a phase work on."""
    held = sum(level.buffer_bytes for level, out in zip(plan.levels, spooled, strict=True) if not out)
    if prefetch:
        held += plan.levels[0].buffer_bytes
    # a slice's file is read whole, and decoded beside the slab if the slab is not in memory
    loading = load_workers * _slice_bytes(plan.levels[0]) * (2 if spooled[0] else 1)
    working = 0
    for number, level in enumerate(plan.levels):
        rows = _row_bytes(level)
        band = _band_bytes(level) if spooled[number] else 0
        below = _band_bytes(level) // 2 if number + 1 < len(spooled) and spooled[number + 1] else 0
        working = max(working, row_workers * (4 * rows + 2 * band + below))
    return RESIDENT_BYTES + held + (loading + working if prefetch else max(loading, working))


def plan_pyramid(
    *,
    box: BoundingBox,
    mags: Sequence[Mag],
    stored: Sequence[bool],
    layout: Layout,
    channels: int,
    dtype: np.dtype[Any],
    chunk_shape: Vec3Int,
    shard_shape: Vec3Int,
    zstd_level: int | None,
) -> PyramidPlan:
    """Plan a pass over `box` (mag 1) that makes `mags`, finest first; `stored` says which of them are written.

    Raises PlanError if a mag is not a multiple of the one before it, or the box starts below the origin.
    """
    if min(box.topleft) < 0:
        raise PlanError(f"the layer's box starts at {tuple(box.topleft)}; Zarr arrays have no voxels below 0")
    levels = []
    for position, mag in enumerate(mags):
        following = mags[position + 1] if position + 1 < len(mags) else None
        factors = None if following is None else _factors(mag, following)
        in_mag = box.align_with_mag(mag, ceil=True).in_mag(mag)
        levels.append(
            _plan_level(
                mag=mag,
                box=in_mag,
                factors=factors,
                stored=stored[position],
                layout=ArrayLayout(
                    layout=layout,
                    channels=channels,
                    size=in_mag.bottomright,
                    dtype=dtype,
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    zstd_level=zstd_level,
                ),
            )
        )
    return PyramidPlan(levels=tuple(levels))


def _factors(mag: Mag, following: Mag) -> Vec3Int:
    fine, coarse = mag.to_vec3_int(), following.to_vec3_int()
    if any(b % a for a, b in zip(fine, coarse, strict=True)):
        raise PlanError(
            f"mag {following.to_layer_name()} can not be made from mag {mag.to_layer_name()}: not a multiple"
        )
    return coarse // fine


def _plan_level(*, mag: Mag, box: BoundingBox, factors: Vec3Int | None, stored: bool, layout: ArrayLayout) -> LevelPlan:
    block = factors or Vec3Int(1, 1, 1)
    align = layout.chunk_shape.pairmax(block)  # powers of two: the larger is a multiple of the smaller
    origin = box.topleft // align * align
    extent = (box.bottomright - origin).ceildiv(align) * align
    slabs = _slabs(box.topleft.z, box.bottomright.z, align.z, block.z)
    deepest = max(stop - start for start, stop in slabs)
    return LevelPlan(
        mag=mag,
        box=box,
        layout=layout,
        factors=factors,
        stored=stored,
        slabs=slabs,
        origin_x=origin.x,
        origin_y=origin.y,
        buffer_shape=(layout.channels, deepest, extent.y, extent.x),
    )


def _slabs(start: int, stop: int, depth: int, factor: int) -> tuple[tuple[int, int], ...]:
    """Cut [start, stop) at multiples of `depth`; join two slabs where the mirror of a border would reach across.

    The mirror at a border that is not a multiple of `factor` needs up to factor - 1 slices of the layer. Only from
    factor 4 on can they lie in the neighbouring slab.
    """
    cuts = list(range(start // depth * depth, -(-stop // depth) * depth + 1, depth))
    if len(cuts) > 2:
        missing_below = start - start // factor * factor
        if min(start + missing_below, stop) > cuts[1]:
            del cuts[1]
    if len(cuts) > 2:
        missing_above = -(-stop // factor) * factor - stop
        if max(stop - missing_above, start) < cuts[-2]:
            del cuts[-2]
    return tuple(pairwise(cuts))


def _slice_bytes(level: LevelPlan) -> int:
    return level.layout.channels * level.box.size.x * level.box.size.y * level.layout.dtype.itemsize


def _row_bytes(level: LevelPlan) -> int:
    """Return the bytes of one row of chunks, all channels."""
    channels, _, _, width = level.buffer_shape
    return channels * width * level.layout.chunk_shape.y * level.layout.chunk_shape.z * level.layout.dtype.itemsize


def _band_bytes(level: LevelPlan) -> int:
    """Return the bytes of the rows that one task works on, the whole slab deep."""
    channels, depth, _, width = level.buffer_shape
    return channels * depth * level.row_step * width * level.layout.dtype.itemsize
