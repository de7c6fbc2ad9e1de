"""The grid of whole shards over an array: who may write which box. Boxes are in voxels of the array's own mag."""

from collections.abc import Iterator
from dataclasses import dataclass

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int


@dataclass(frozen=True, slots=True)
class ShardGrid:
    """Cut boxes into the cells of which each is one shard.

    `shard_shape` is x, y, z in voxels. `extent` is the exact size of the array, if it ends within its last shards:
    a box that ends there ends as well as on a border, and the cells there are smaller. Raises GeometryError for
    shapes that are not greater than zero.
    """

    shard_shape: Vec3Int
    extent: Vec3Int | None = None

    def __post_init__(self) -> None:
        for shape in (self.shard_shape, self.extent):
            if shape is not None and not shape.is_positive(strictly_positive=True):
                raise GeometryError(f"shard grid: {shape!r} must be greater than zero along every axis")

    def cells(self, box: BoundingBox) -> Iterator[BoundingBox]:
        """Yield the cells of a box that starts and ends on borders of the grid, z slowest, x fastest.

        Raises GeometryError for any other box: two writers would share a shard.
        """
        covering = self.covering(box)
        if not box.is_empty() and (covering.topleft != box.topleft or covering.size != box.size):
            raise GeometryError(
                f"box {box.topleft}..{box.bottomright} cuts through shards of {self.shard_shape}; "
                f"the whole shards around it are {covering.topleft}..{covering.bottomright} (see covering)"
            )
        return self._cells(covering)

    def _cells(self, box: BoundingBox) -> Iterator[BoundingBox]:
        if box.is_empty():
            return
        shape = self.shard_shape
        start, end = box.topleft, box.bottomright
        for z in range(start.z, end.z, shape.z):
            for y in range(start.y, end.y, shape.y):
                for x in range(start.x, end.x, shape.x):
                    corner = Vec3Int.from_xyz(x, y, z)
                    yield BoundingBox(corner, (corner + shape).pairmin(end) - corner)

    def covering(self, box: BoundingBox) -> BoundingBox:
        """Give the smallest box of whole cells around a box; raises GeometryError if the box leaves the array."""
        if box.is_empty():
            return box
        if self.extent is not None and not BoundingBox((0, 0, 0), self.extent).contains_bbox(box):
            raise GeometryError(
                f"box {box.topleft}..{box.bottomright} reaches beyond the array, which is 0..{self.extent}"
            )
        aligned = box.align_with_mag(self.shard_shape, ceil=True)
        if self.extent is None:
            return aligned
        return aligned.with_bottomright(aligned.bottomright.pairmin(self.extent))

    def position(self, cell: BoundingBox) -> Vec3Int:
        """Give the place of a cell (or of a box within it) in the grid, as in the shard's key, counted in shards."""
        return cell.topleft // self.shard_shape
