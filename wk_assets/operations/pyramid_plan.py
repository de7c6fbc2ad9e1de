"""What one pass over a layer's voxels will do: levels, slabs, buffers, memory. Integers in, a value out; no I/O.

A *level* is one mag of the pass. A *slab* is a range of z of one level, full width, held in memory once: deep enough
for whole chunks and for whole blocks of the next level. All coordinates are voxels of the level's own mag.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PyramidPlan:
    """Describe one pass: `levels[0]` is read from the source, each next level is made from the one before it."""

    levels: tuple[LevelPlan, ...]

    def peak_memory_bytes(self, threads: int) -> int:
        """Return the most memory that the pass holds at once, as far as it can be said beforehand.

        Two buffers of the first level (one fills while the other is used), one of each other level, and per thread
        the chunks of the rows that it works on, packed and encoded, and one slice being decoded.
        """
        first = self.levels[0]
        slices = threads * 2 * prod(first.buffer_shape[2:]) * first.buffer_shape[0] * first.layout.dtype.itemsize
        rows = sum(4 * threads * _row_bytes(level) for level in self.levels)
        buffers = first.buffer_bytes + sum(level.buffer_bytes for level in self.levels)
        return RESIDENT_BYTES + buffers + rows + slices


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


def _row_bytes(level: LevelPlan) -> int:
    channels, _, _, width = level.buffer_shape
    return channels * width * level.layout.chunk_shape.y * level.layout.chunk_shape.z * level.layout.dtype.itemsize
