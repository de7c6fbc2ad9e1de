"""Laws of the shard grid: cells are a partition of a box, and nobody gets part of a shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.shard_grid import ShardGrid
from wk_assets.geometry.vec3_int import Vec3Int

shapes = st.builds(Vec3Int, *[st.sampled_from([1, 2, 4, 8])] * 3)
sizes = st.builds(Vec3Int, *[st.integers(1, 12)] * 3)


@given(shapes, sizes, st.builds(Vec3Int, *[st.integers(0, 20)] * 3))
def test_cells_are_a_partition_of_the_covering_box(shape: Vec3Int, size: Vec3Int, corner: Vec3Int) -> None:
    grid = ShardGrid(shape)
    box = BoundingBox(corner, size)

    covering = grid.covering(box)
    cells = list(grid.cells(covering))

    assert covering.contains_bbox(box)
    assert sum(cell.volume() for cell in cells) == covering.volume()
    assert len({grid.position(cell) for cell in cells}) == len(cells)
    for cell in cells:
        assert cell.size == shape
        assert grid.position(cell) * shape == cell.topleft


@given(shapes, sizes)
def test_cells_end_where_the_array_ends(shape: Vec3Int, extent: Vec3Int) -> None:
    grid = ShardGrid(shape, extent)
    whole = BoundingBox((0, 0, 0), extent)

    cells = list(grid.cells(whole))

    assert grid.covering(whole) == whole
    assert sum(cell.volume() for cell in cells) == whole.volume()
    assert len(cells) == extent.ceildiv(shape).prod()


def test_cells_come_in_the_order_of_the_voxels_on_disk() -> None:
    cells = ShardGrid(Vec3Int(4, 4, 4)).cells(BoundingBox((4, 4, 4), (8, 8, 8)))

    assert [cell.topleft.to_tuple() for cell in cells][:3] == [(4, 4, 4), (8, 4, 4), (4, 8, 4)]


def test_a_box_that_cuts_through_shards_has_no_cells() -> None:
    grid = ShardGrid(Vec3Int(4, 4, 4), Vec3Int(10, 10, 10))

    with pytest.raises(GeometryError, match=r"cuts through shards of \(4, 4, 4\).*\(0, 0, 0\)..\(8, 10, 10\)"):
        grid.cells(BoundingBox((0, 0, 0), (7, 10, 10)))
    with pytest.raises(GeometryError, match="cuts through shards"):
        grid.cells(BoundingBox((1, 0, 0), (9, 10, 10)))


def test_a_box_beyond_the_array_is_refused() -> None:
    with pytest.raises(GeometryError, match="reaches beyond the array"):
        ShardGrid(Vec3Int(4, 4, 4), Vec3Int(10, 10, 10)).covering(BoundingBox((8, 8, 8), (4, 4, 4)))


def test_an_empty_box_has_no_cells() -> None:
    grid = ShardGrid(Vec3Int(4, 4, 4))

    assert list(grid.cells(BoundingBox.empty())) == []
    assert grid.covering(BoundingBox.empty()).is_empty()


@pytest.mark.parametrize("shape", [Vec3Int(0, 4, 4), Vec3Int(4, -4, 4)])
def test_a_shard_without_voxels_is_no_shard(shape: Vec3Int) -> None:
    with pytest.raises(GeometryError, match="greater than zero"):
        ShardGrid(shape)
