"""Let the engine load what tiles are made of: a mag of any format as it is, or a coarser one that is repeated."""

from functools import partial
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.passes.pyramid_plan import STORED_BLOCK_BYTES
from wk_assets.operations.passes.slab_sources import LoadTask
from wk_assets.operations.passes.tile_sources import TileSource
from wk_assets.operations.records.layer_record import SliceFact

Range = tuple[int, int]


class TiledSource:
    """A `SlabSource` whose blocks are tiles.

    `box_in_mag`: what the pass reads, with all axes; `leading`: the position along the additional ones. `block_shape`: the
    chunks (x, y, z, voxels of the same mag) whose borders blocks should keep to, so that none is decoded twice.
    """

    def __init__(
        self,
        tiles: TileSource,
        box_in_mag: NormalizedBoundingBox,
        *,
        block_shape: Vec3Int,
        leading: tuple[int, ...] = (),
    ) -> None:
        self._tiles = tiles
        self._box = BoundingBox.from_ndbbox(box_in_mag)
        self._at = box_in_mag
        for axis, place in zip(box_in_mag.axes[: len(leading)], leading, strict=True):
            self._at = self._at.with_bounds(axis, place, 1)
        self._block = block_shape
        self._voxel_bytes = box_in_mag.get_shape("c") * tiles.array.info.voxel_type.itemsize

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per row of blocks, or part of it if it is long; there is nothing to say of single slices."""
        column_bytes = self._voxel_bytes * (z_stop - z_start) * self._block.y
        step_x = max(1, STORED_BLOCK_BYTES // (column_bytes * self._block.x)) * self._block.x
        z = (z_start, z_stop)
        return [
            LoadTask(z, y, partial(self._load, z, y, x), x=x)
            for y in pairwise(_cuts(*self._box.get_bounds("y"), self._block.y))
            for x in pairwise(_cuts(*self._box.get_bounds("x"), step_x))
        ]

    def _load(self, z: Range, y: Range, x: Range, out: NDArray[Any]) -> tuple[SliceFact, ...]:
        box = self._at
        for axis, (start, stop) in (("x", x), ("y", y), ("z", z)):
            box = box.with_bounds(axis, start, stop - start)
        voxels = self._tiles.read_tile(box)
        out[...] = voxels.reshape(voxels.shape[-4:]).transpose(0, 3, 2, 1)
        return ()


def _cuts(start: int, stop: int, step: int) -> list[int]:
    return [start, *range((start // step + 1) * step, stop, step), stop]
