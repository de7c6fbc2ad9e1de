"""Laws of boxes x, y, z."""

import dataclasses
import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError, UnknownAxisError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int

coordinates = st.integers(-300, 300)
corners = st.builds(Vec3Int, coordinates, coordinates, coordinates)
sizes = st.builds(Vec3Int, *[st.integers(0, 40)] * 3)
boxes = st.builds(BoundingBox, corners, sizes)
filled_boxes = boxes.filter(lambda box: not box.is_empty())
factors = st.sampled_from([1, 2, 4, 8, 16])
mags = st.builds(Mag, factors, factors, factors)
shapes = st.builds(Vec3Int, *[st.integers(1, 25)] * 3)


def voxels(box: BoundingBox) -> set[tuple[int, int, int]]:
    (x0, y0, z0), (x1, y1, z1) = box.topleft, box.bottomright
    return {(x, y, z) for x in range(x0, x1) for y in range(y0, y1) for z in range(z0, z1)}


@given(boxes)
def test_every_way_to_write_a_box_reads_back(box: BoundingBox) -> None:
    assert (
        box
        == BoundingBox.from_csv(box.to_csv())
        == BoundingBox.from_tuple6(box.to_tuple6())
        == BoundingBox.from_tuple2((box.topleft, box.size))
        == BoundingBox.from_checkpoint_name(box.to_checkpoint_name())
        == BoundingBox.from_checkpoint_name(f"chunk_{box.to_checkpoint_name()}.done")
        == BoundingBox.from_config_dict(box.to_config_dict())
        == pickle.loads(pickle.dumps(box))  # noqa: S301  # our own bytes
        == dataclasses.replace(box)
        == BoundingBox.from_ndbbox(box)
    )
    for written in (
        box,
        box.to_csv(),
        json.dumps(box.to_config_dict()),
        json.dumps(box.to_tuple6()),
        box.to_config_dict(),
        box.to_tuple6(),
        list(box.to_tuple6()),
        (box.topleft, box.size),
    ):
        assert BoundingBox.from_auto(written) == box
    assert hash(BoundingBox.from_csv(box.to_csv())) == hash(box)


@given(boxes)
def test_volume_counts_the_voxels(box: BoundingBox) -> None:
    assert box.volume() == box.size.prod()
    assert box.is_empty() == (box.volume() == 0)
    assert box.bottomright == box.topleft + box.size
    assert box.with_bottomright(box.bottomright) == box


@given(filled_boxes, mags)
def test_aligning_outward_gives_the_smallest_aligned_box_around(box: BoundingBox, mag: Mag) -> None:
    aligned = box.align_with_mag(mag, ceil=True)

    assert aligned.contains_bbox(box)
    assert not any(aligned.topleft % mag.to_vec3_int())
    assert not any(aligned.bottomright % mag.to_vec3_int())
    for axis in range(3):
        assert box.topleft[axis] - aligned.topleft[axis] < mag.to_tuple()[axis]
        assert aligned.bottomright[axis] - box.bottomright[axis] < mag.to_tuple()[axis]


@given(boxes, mags)
def test_aligning_inward_gives_a_box_inside_and_aligning_twice_changes_nothing(box: BoundingBox, mag: Mag) -> None:
    inner = box.align_with_mag(mag)
    outer = box.align_with_mag(mag, ceil=True)

    assert inner.is_empty() or box.contains_bbox(inner)
    assert inner.align_with_mag(mag) == inner.align_with_mag(mag, ceil=True) == inner
    assert outer.align_with_mag(mag) == outer.align_with_mag(mag, ceil=True) == outer
    assert box.align_with_mag(mag.to_vec3_int(), ceil=True) == outer


@given(boxes, mags)
def test_a_box_goes_to_a_mag_and_back(box: BoundingBox, mag: Mag) -> None:
    assert box.from_mag_to_mag1(mag).in_mag(mag) == box

    aligned = box.align_with_mag(mag, ceil=True)

    assert aligned.in_mag(mag).from_mag_to_mag1(mag) == aligned
    assert aligned.in_mag(mag).volume() * mag.to_vec3_int().prod() == aligned.volume()


def test_a_box_that_is_not_aligned_has_no_size_in_a_mag() -> None:
    with pytest.raises(
        GeometryError, match=r"bottomright \(10, 10, 9\) is not a multiple of mag 2; use align_with_mag"
    ):
        BoundingBox((0, 0, 0), (10, 10, 9)).in_mag(Mag(2))
    with pytest.raises(GeometryError, match=r"topleft \(1, 0, 0\)"):
        BoundingBox((1, 0, 0), (9, 10, 10)).in_mag(Mag(2))


@given(st.builds(BoundingBox, corners, st.builds(Vec3Int, *[st.integers(0, 12)] * 3)), shapes)
def test_chunks_are_a_partition(box: BoundingBox, shape: Vec3Int) -> None:
    chunks = list(box.chunk(shape))

    assert sum(chunk.volume() for chunk in chunks) == box.volume()
    assert set().union(*map(voxels, chunks)) == voxels(box)
    assert all((shape - chunk.size).is_positive() and not chunk.is_empty() for chunk in chunks)


@given(filled_boxes, mags, st.builds(Vec3Int, *[st.integers(1, 3)] * 3))
def test_borders_between_chunks_are_aligned(box: BoundingBox, mag: Mag, multiple: Vec3Int) -> None:
    alignment = mag.to_vec3_int()
    shape = alignment * multiple * 4

    chunks = list(box.chunk(shape, alignment))

    assert sum(chunk.volume() for chunk in chunks) == box.volume()
    for chunk in chunks:
        for axis in range(3):
            start, end = chunk.topleft[axis], chunk.bottomright[axis]
            assert start == box.topleft[axis] or start % alignment[axis] == 0
            assert end == box.bottomright[axis] or end % alignment[axis] == 0


def test_chunks_without_alignment_start_at_the_corner() -> None:
    box = BoundingBox((5, 0, 0), (10, 1, 1))

    assert [chunk.get_bounds("x") for chunk in box.chunk((4, 4, 4))] == [(5, 9), (9, 13), (13, 15)]
    assert [chunk.get_bounds("x") for chunk in box.chunk((4, 4, 4), (4, 4, 4))] == [(5, 8), (8, 12), (12, 15)]


def test_chunks_keep_the_name_and_color_of_the_box() -> None:
    box = BoundingBox((0, 0, 0), (2, 1, 1), name="soma", is_visible=False, color=(1, 0, 0, 1))

    assert {(chunk.name, chunk.is_visible, chunk.color) for chunk in box.chunk((1, 1, 1))} == {
        ("soma", False, (1, 0, 0, 1))
    }


@given(boxes, boxes)
def test_an_intersection_is_what_both_boxes_cover(a: BoundingBox, b: BoundingBox) -> None:
    common = a.intersected_with(b, dont_assert=True)

    if a.volume() < 5000 and b.volume() < 5000:
        assert common.volume() == len(voxels(a) & voxels(b))
    assert common.is_empty() or (a.contains_bbox(common) and b.contains_bbox(common))
    assert common.is_empty() == b.intersected_with(a, dont_assert=True).is_empty()
    assert a.intersected_with(a, dont_assert=True) == a


@given(boxes, boxes)
def test_an_extension_covers_both_boxes_and_no_more(a: BoundingBox, b: BoundingBox) -> None:
    both = a.extended_by(b)

    for box in (a, b):
        assert box.is_empty() or both.contains_bbox(box)
    if not (a.is_empty() or b.is_empty()):
        assert both.topleft == a.topleft.pairmin(b.topleft)
        assert both.bottomright == a.bottomright.pairmax(b.bottomright)
        assert a.extended_by(b) == b.extended_by(a)
        assert both.intersected_with(a) == a
    assert a.extended_by(a) == a


def test_boxes_that_do_not_meet_have_no_intersection() -> None:
    a, b = BoundingBox((0, 0, 0), (1, 1, 1)), BoundingBox((1, 0, 0), (1, 1, 1))

    assert a.intersected_with(b, dont_assert=True).is_empty()
    with pytest.raises(GeometryError, match="have no voxel in common"):
        a.intersected_with(b)


def test_the_example_of_the_reference_holds() -> None:
    a, b = BoundingBox((0, 0, 0), (100, 100, 100)), BoundingBox((75, 75, 75), (100, 100, 100))

    assert a.intersected_with(b).size == (25, 25, 25)


@given(st.lists(corners, min_size=1, max_size=20))
def test_a_box_of_points_contains_each_and_touches_the_outermost(points: list[Vec3Int]) -> None:
    box = BoundingBox.from_points(points)

    assert all(box.contains(point) for point in points)
    for axis in range(3):
        assert box.topleft[axis] in {point[axis] for point in points}
        assert box.bottomright[axis] - 1 in {point[axis] for point in points}


def test_a_box_needs_a_point() -> None:
    with pytest.raises(GeometryError, match="no points"):
        BoundingBox.from_points([])


def test_a_box_contains_its_first_corner_and_not_its_last() -> None:
    box = BoundingBox((1, 1, 1), (2, 2, 2))

    assert box.contains((1, 1, 1))
    assert not box.contains((3, 1, 1))
    assert box.contains(np.array([2.999, 1.5, 1.0]))
    assert not box.contains(np.array([3.0, 1.5, 1.0]))
    with pytest.raises(GeometryError, match="2 coordinates"):
        box.contains((1, 1))


@given(boxes, st.builds(Vec3Int, *[st.integers(0, 9)] * 3), st.builds(Vec3Int, *[st.integers(0, 9)] * 3))
def test_margins_grow_a_box_on_both_sides(box: BoundingBox, left: Vec3Int, right: Vec3Int) -> None:
    padded = box.padded_with_margins(left, right)

    assert padded.topleft == box.topleft - left
    assert padded.bottomright == box.bottomright + right
    assert box.padded_with_margins(left) == box.padded_with_margins(left, left)
    assert padded.padded_with_margins(-left, -right) == box


@given(boxes, corners)
def test_an_offset_moves_a_box(box: BoundingBox, vector: Vec3Int) -> None:
    moved = box.offset(vector)

    assert moved.size == box.size
    assert moved.topleft == box.topleft + vector
    assert moved.offset(-vector) == box


@given(boxes, st.integers(-50, 50), st.integers(0, 50))
def test_bounds_are_replaced_along_one_axis(box: BoundingBox, start: int, size: int) -> None:
    by_axis: dict[str, Callable[..., BoundingBox]] = {
        "x": box.with_bounds_x,
        "y": box.with_bounds_y,
        "z": box.with_bounds_z,
    }
    for axis, change in by_axis.items():
        assert change(start, size) == box.with_bounds(axis, start, size)
        assert change(start, size).get_bounds(axis) == (start, start + size)
        assert change(start).get_shape(axis) == box.get_shape(axis)
        assert change() == box
        others = [other for other in "xyz" if other != axis]
        assert all(change(start, size).get_bounds(other) == box.get_bounds(other) for other in others)


def test_an_axis_that_is_not_there_is_a_key_error() -> None:
    box = BoundingBox((0, 0, 0), (1, 1, 1))

    for ask in (lambda: box.with_bounds("t", 1), lambda: box.get_bounds("t"), lambda: box.get_shape("t")):
        with pytest.raises(KeyError, match="no axis 't'"):
            ask()
        with pytest.raises(UnknownAxisError):
            ask()


def test_parts_of_a_box_are_replaced() -> None:
    box = BoundingBox((1, 2, 3), (4, 5, 6))

    assert box.with_topleft((0, 0, 0)) == BoundingBox((0, 0, 0), (4, 5, 6))
    assert box.with_size((1, 1, 1)) == BoundingBox((1, 2, 3), (1, 1, 1))
    assert box.with_bottomright((9, 9, 9)) == BoundingBox((1, 2, 3), (8, 7, 6))
    assert box.with_topleft_xyz((0, 0, 0)).with_size_xyz((2, 2, 2)).with_bottomright_xyz((3, 3, 3)) == BoundingBox(
        (0, 0, 0), (3, 3, 3)
    )
    assert box.with_name("a").with_color((0, 1, 0, 1)).with_is_visible(False) == BoundingBox(
        (1, 2, 3), (4, 5, 6), name="a", color=(0, 1, 0, 1), is_visible=False
    )
    assert box.with_index((0, 1, 2)).index_xyz == (0, 1, 2)
    assert box.with_index_xyz((0, 1, 2)) == box.with_index((0, 1, 2))
    assert box.ndim == 3
    assert (box.topleft_xyz, box.size_xyz, box.bottomright_xyz) == (box.topleft, box.size, box.bottomright)
    assert box.index_xyz == (1, 2, 3)
    assert box.name == "Unnamed Bounding Box"
    assert BoundingBox.empty().is_empty()
    assert isinstance(box.with_size((1, 1, 1)).size, Vec3Int)


def test_a_box_cuts_its_part_out_of_an_array() -> None:
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    box = BoundingBox((1, 2, 3), (2, 2, 2))

    assert (box.slice_array(array) == array[1:3, 2:4, 3:5]).all()
    assert box.to_slices() == box.to_slices_xyz() == (slice(1, 3), slice(2, 4), slice(3, 5))
    assert box.xyz_array_to_bbox_shape(array).shape == (4, 5, 6)
    with pytest.raises(GeometryError, match=r"4..6 along z reaches beyond the array of shape \(4, 5, 5\)"):
        box.offset((0, 0, 1)).slice_array(array[:, :, :5])
    with pytest.raises(GeometryError, match="other dimensions"):
        box.slice_array(array[0])


@given(st.lists(filled_boxes, max_size=12))
def test_grouped_boxes_lie_in_the_cell_of_their_group(some: list[BoundingBox]) -> None:
    groups = BoundingBox.group_boxes_with_aligned_mag(some, Mag(16))

    assert sorted(box.to_tuple6() for group in groups.values() for box in group) == sorted(
        box.to_tuple6() for box in some
    )
    for cell, group in groups.items():
        assert all(box.align_with_mag(Mag(16), ceil=True) == cell for box in group)


@pytest.mark.parametrize(
    "build",
    [
        lambda: BoundingBox((0, 0, 0), (1, 1, -1)),
        lambda: BoundingBox((0, 0), (1, 1)),
        lambda: BoundingBox((0.5, 0, 0), (1, 1, 1)),  # type: ignore[arg-type]
        lambda: BoundingBox((0, 0, 0), (1, 1, 1), axes=("z", "y", "x")),
        lambda: BoundingBox((0, 0, 0), (1, 1, 1), index=(1, 1, 2)),
        lambda: BoundingBox((0, 0, 0), (1, 1, 1), color=(1, 1, 1)),  # type: ignore[arg-type]
        lambda: BoundingBox((5, 0, 0), (1, 1, 1)).with_bottomright((4, 1, 1)),
        lambda: BoundingBox((0, 0, 0), (1, 1, 1)).with_size((1, 1)),
        lambda: BoundingBox((0, 0, 0), (4, 4, 4)).chunk((0, 1, 1)),
        lambda: BoundingBox((0, 0, 0), (4, 4, 4)).chunk((3, 4, 4), (2, 2, 2)),
        lambda: BoundingBox((0, 0, 0), (4, 4, 4)).chunk((4, 4, 4), (0, 2, 2)),
        lambda: BoundingBox((0, 0, 0), (4, 4, 4)).align_with_mag(Vec3Int(0, 1, 1)),
        lambda: BoundingBox.from_csv("1,2,3,4,5"),
        lambda: BoundingBox.from_csv("1,2,3,4,5,six"),
        lambda: BoundingBox.from_checkpoint_name("chunk_1_2_3"),
        lambda: BoundingBox.from_config_dict({"topleft": [1, 2, 3]}),
        lambda: BoundingBox.from_config_dict({"size": [1, 2, 3]}),
        lambda: BoundingBox.from_auto("{1,2"),
        lambda: BoundingBox.from_auto([1, 2, 3]),
        lambda: BoundingBox.from_auto(None),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_box_is_refused_when_it_is_written(build: Callable[[], object]) -> None:
    with pytest.raises(GeometryError):
        build()


def test_webknossos_dictionary_of_a_box_is_understood() -> None:
    box = BoundingBox.from_auto({"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6})

    assert box == BoundingBox((1, 2, 3), (4, 5, 6))


def test_a_box_can_not_be_changed() -> None:
    box = BoundingBox((0, 0, 0), (1, 1, 1))

    with pytest.raises(dataclasses.FrozenInstanceError):
        box.topleft = Vec3Int(1, 1, 1)  # type: ignore[misc]
