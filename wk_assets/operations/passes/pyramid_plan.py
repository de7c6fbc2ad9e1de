"""What one pass over a layer's voxels will do: levels, slabs, buffers. Integers in, a value out; no I/O.

A *level* is one mag of the pass. A *slab* is a range of z of one level, full width, held in memory once: deep enough
for whole chunks and for whole blocks of the next level. All coordinates are voxels of the level's own mag. How a pass
stays within the memory is planned in `memory_plan`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
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
STORED_BLOCK_BYTES = 32 << 20  # of a stored mag, loaded at a time by one thread


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

    @property
    def column_align(self) -> int:
        """Columns at whose multiples (of the world) a row may be cut without another order of chunks in any shard."""
        chunk = self.layout.chunk_shape
        if self.row_step > chunk.y or self.buffer_shape[1] > chunk.z:  # a task encodes several rows of chunks
            return max(self.layout.shard_shape.x, self.factors.x if self.factors else 1)
        return max(chunk.x, self.factors.x if self.factors else 1)

    def windows(self, columns: int) -> tuple[tuple[int, int], ...]:
        """Cut the columns of the buffer into windows of about so many (0: one window), each of them whole chunks and blocks."""
        width = self.buffer_shape[3]
        if not columns:
            return ((0, width),)
        step = -(-columns // self.column_align) * self.column_align
        first = (self.origin_x // step + 1) * step - self.origin_x
        return tuple(pairwise([0, *range(first, width, step), width]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidPlan:
    """Describe one pass: `levels[0]` is read from the source, each next level is made from the one before it.

    `additional`: axes before the channels; a pass makes one position of each (see `Engine`).
    """

    levels: tuple[LevelPlan, ...]

    @property
    def additional(self) -> tuple[tuple[str, int], ...]:
        """Name and extent of each axis before the channels."""
        return self.levels[0].layout.additional

    def positions(self) -> tuple[tuple[int, ...], ...]:
        """Give every position along the additional axes; one, the empty one, if there are none."""
        return tuple(product(*(range(extent) for _, extent in self.additional)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Say how a pass stays within its budget. The bytes that it writes do not depend on any of this.

    `prefetch`: the next slab of level 0 is loaded while one is worked on (takes a second buffer). `spooled`: per level,
    whether its slab is held in a file instead of in memory. `load_workers`, `row_workers`: threads per phase.
    `load_rows`: rows of an image that are read at a time, `columns`: columns of a row of chunks that are worked on at a time
    (0: all). `spooled_indexes`: whether the indexes of open shards are held in files.
    """

    prefetch: bool
    spooled: tuple[bool, ...]
    load_workers: int
    row_workers: int
    peak_bytes: int
    spool_bytes: int
    load_rows: int = 0
    columns: int = 0
    spooled_indexes: bool = False

    def within(self, threads: int) -> "MemoryPlan":
        """Return the plan for a run that has fewer threads than were planned with; more would not fit the budget."""
        return replace(self, load_workers=min(self.load_workers, threads), row_workers=min(self.row_workers, threads))


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
    additional: tuple[tuple[str, int], ...] = (),
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
                    additional=additional,
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
