"""Where the voxels of a tile come from: a finer mag (blocks become voxels), a coarser one (voxels become blocks), a copy.

A tile is any box of the array that is written; the source finds what it has to read for it. Nothing is written here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.border import symmetric_indices
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.storage.mag_array import MagArray

_XYZ = ("x", "y", "z")


class TileSource(Protocol):
    """Give the voxels of a tile. Picklable if its array is."""

    @property
    def array(self) -> MagArray:
        """The array that is read."""
        ...

    def reading(self, array: MagArray) -> "TileSource":
        """Return the same for another array."""
        ...

    def read_tile(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box of the target's mag: its shape, its axes. Raises what the array's `read_box` raises."""
        ...

    def read_voxels(self, tile_shape: Vec3Int) -> int:
        """Return how many voxels (of one channel) are read and held for a tile of x, y, z target voxels."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DownsampledTiles:
    """Make each voxel from a block of `factors` voxels x, y, z of a finer mag.

    `valid`: the voxels of the finer mag that are the layer's, x, y, z; what lies beyond is mirrored (see
    `kernels.border`), never read, so that it does not matter how the layer is cut into tiles.
    """

    array: MagArray
    factors: Vec3Int
    mode: DownsamplingMode
    valid: BoundingBox

    def reading(self, array: MagArray) -> "DownsampledTiles":
        """Return the same for another array."""
        return replace(self, array=array)

    def read_tile(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Read the blocks of the tile's voxels, mirrored at the layer's border, and reduce each to a voxel."""
        needed, indices = box_in_mag, {}
        for axis in _XYZ:
            (start, stop), factor = box_in_mag.get_bounds(axis), self.factors.get(axis)
            mirrored = symmetric_indices(start * factor, stop * factor, *self.valid.get_bounds(axis))
            first, last = int(mirrored.min()), int(mirrored.max())
            needed = needed.with_bounds(axis, first, last + 1 - first)
            if not np.array_equal(mirrored, np.arange(first, last + 1)):
                indices[axis] = mirrored - first
        voxels = self.array.read_box(needed)
        if not voxels.any():
            return np.zeros(tuple(box_in_mag.size), voxels.dtype)
        for axis, taken in indices.items():
            voxels = np.take(voxels, taken, axis=box_in_mag.axes.index(axis))
        x, y, z = self.factors
        return _reversed_xyz(downsample(_reversed_xyz(voxels), (z, y, x), self.mode))

    def read_voxels(self, tile_shape: Vec3Int) -> int:
        """Count the voxels of the blocks, twice: as they are stored, and in the order of the kernels."""
        return 2 * prod(tile_shape * self.factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsampledTiles:
    """Repeat each voxel of a coarser mag `factors` times along x, y, z; any factor, no voxel left out."""

    array: MagArray
    factors: Vec3Int

    def reading(self, array: MagArray) -> "UpsampledTiles":
        """Return the same for another array."""
        return replace(self, array=array)

    def read_tile(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Read the voxels that cover the tile, and repeat them."""
        needed = box_in_mag
        for axis in _XYZ:
            (start, stop), factor = box_in_mag.get_bounds(axis), self.factors.get(axis)
            needed = needed.with_bounds(axis, start // factor, -(-stop // factor) - start // factor)
        voxels = self.array.read_box(needed)
        if not voxels.any():
            return np.zeros(tuple(box_in_mag.size), voxels.dtype)
        voxels = _reversed_xyz(voxels)
        for dimension, axis in ((-1, "x"), (-2, "y"), (-3, "z")):
            (start, stop), factor = box_in_mag.get_bounds(axis), self.factors.get(axis)
            if factor > 1:
                voxels = np.take(voxels, np.arange(start, stop) // factor - start // factor, axis=dimension)
        return _reversed_xyz(voxels)

    def read_voxels(self, tile_shape: Vec3Int) -> int:
        """Count the coarser voxels, and the tile twice: repetition goes axis by axis."""
        return prod(tile_shape.ceildiv(self.factors) + 1) + 2 * prod(tile_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTiles:
    """Take the voxels of another array as they are."""

    array: MagArray

    def reading(self, array: MagArray) -> "CopiedTiles":
        """Return the same for another array."""
        return replace(self, array=array)

    def read_tile(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Read the same box."""
        return self.array.read_box(box_in_mag)

    def read_voxels(self, tile_shape: Vec3Int) -> int:
        """Count the tile."""
        return prod(tile_shape)


def affected_by(
    changed_in_mag: BoundingBox, *, factors: Vec3Int, valid: BoundingBox, target: BoundingBox
) -> BoundingBox:
    """Return the voxels of the next coarser mag that depend on the changed ones, cut to the layer's box `target` there.

    `changed_in_mag`, `valid` (the layer's box): voxels of the finer mag. A block at the border is partly a mirror image,
    so that it may depend on voxels of the block beside it. The result is empty if nothing of the layer changed.
    """
    corners = []
    for axis in _XYZ:
        first, last = (int(value) for value in target.get_bounds(axis))
        low, high = changed_in_mag.get_bounds(axis)
        factor = factors.get(axis)
        low, high = max(low, valid.get_bounds(axis)[0]), min(high, valid.get_bounds(axis)[1])
        if low >= high:
            return BoundingBox(target.topleft, (0, 0, 0))
        start, stop = low // factor, -(-high // factor)
        for block in (first, last - 1):
            mirrored = symmetric_indices(block * factor, (block + 1) * factor, *valid.get_bounds(axis))
            if ((mirrored >= low) & (mirrored < high)).any():
                start, stop = min(start, block), max(stop, block + 1)
        corners.append((max(start, first), min(stop, last)))
    topleft = Vec3Int([start for start, _ in corners])
    return BoundingBox(topleft, Vec3Int([stop for _, stop in corners]) - topleft)


def tiles_of(box: NormalizedBoundingBox, shape: Vec3Int) -> Iterator[NormalizedBoundingBox]:
    """Cut a box at multiples of `shape` (x, y, z), all channels together, each place along additional axes alone."""
    extra = [axis for axis in box.axes if axis not in ("c", *_XYZ)]
    borders = (box.size * 0 + 1).with_xyz(shape)
    size = borders.with_replaced("c", max(1, box.get_shape("c")))
    for places in product(*(range(*box.get_bounds(axis)) for axis in extra)):
        plane = box
        for axis, place in zip(extra, places, strict=True):
            plane = plane.with_bounds(axis, place, 1)
        yield from plane.chunk(size, borders)


def _reversed_xyz(voxels: NDArray[Any]) -> NDArray[Any]:
    """Turn axes (..., x, y, z) into (..., z, y, x), or back; a view."""
    return voxels.swapaxes(-1, -3)
