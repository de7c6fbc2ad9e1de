"""Laws of boxes with any axes, and how they turn into boxes x, y, z and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError, UnknownAxisError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int, VecInt


@st.composite
def nd_boxes(draw: st.DrawFn) -> NDBoundingBox:
    extra = draw(st.lists(st.sampled_from(["t", "u", "v"]), unique=True))
    axes = draw(st.permutations([*extra, "x", "y", "z"]))
    topleft = draw(st.lists(st.integers(-40, 40), min_size=len(axes), max_size=len(axes)))
    size = draw(st.lists(st.integers(1, 9), min_size=len(axes), max_size=len(axes)))
    return NDBoundingBox(topleft, size, axes, name=draw(st.none() | st.text(max_size=3)))


channels = st.integers(1, 4)


@given(nd_boxes(), channels)
def test_a_box_gets_channels_and_loses_them_again(box: NDBoundingBox, count: int) -> None:
    normalized = box.normalize_axes(count)

    assert normalized.axes[-4:] == ("c", "x", "y", "z")
    assert normalized.size.c == count
    assert tuple(normalized.index) == tuple(range(box.ndim + 1))
    assert normalized.normalize_axes(count) == normalized
    back = normalized.denormalize()
    assert isinstance(back, BoundingBox) == (box.ndim == 3)
    assert set(back.axes) == set(box.axes)
    assert all(back.get_bounds(axis) == box.get_bounds(axis) for axis in box.axes)
    assert back.name == box.name


@given(nd_boxes(), channels)
def test_the_dictionary_of_webknossos_reads_back(box: NDBoundingBox, count: int) -> None:
    normalized = box.with_name("Unnamed Bounding Box").normalize_axes(count)

    assert NormalizedBoundingBox.from_wkw_dict(normalized.to_wkw_dict()) == normalized


def test_the_dictionary_of_webknossos_is_as_documented() -> None:
    box = NDBoundingBox((0, 0, 0, 0), (4, 40, 30, 10), axes=("t", "x", "y", "z")).normalize_axes(1)

    assert box.to_wkw_dict() == {
        "topLeft": [0, 0, 0],
        "width": 40,
        "height": 30,
        "depth": 10,
        "axisOrder": {"c": 1, "x": 2, "y": 3, "z": 4},
        "additionalAxes": [{"name": "t", "bounds": [0, 4], "index": 0}],
    }


def test_a_dictionary_without_axis_order_is_channel_first() -> None:
    plain = {"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6}

    box = NormalizedBoundingBox.from_wkw_dict(plain)

    assert box == BoundingBox((1, 2, 3), (4, 5, 6)).normalize_axes(1)


def test_a_dictionary_without_a_channel_axis_gives_a_box_without() -> None:
    content = {"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6, "axisOrder": {"x": 2, "y": 1, "z": 0}}

    box = NormalizedBoundingBox.from_wkw_dict(content)

    assert type(box) is NDBoundingBox
    assert box.axes == ("z", "y", "x")
    assert box.topleft_xyz == (1, 2, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"additionalAxes": [{"name": "t", "bounds": [0, 4], "index": 0}]},
        {"axisOrder": {"c": 0, "x": 1, "y": 2}},
        {"axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3, "q": 4}},
        {"topLeft": None},
        {"width": -4},
    ],
)
def test_a_dictionary_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        NormalizedBoundingBox.from_wkw_dict({"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6, **wrong})


@given(nd_boxes(), st.sampled_from([Mag(1), Mag(2), Mag(4, 4, 1), Mag(1, 2, 4)]))
def test_mags_touch_the_spatial_axes_alone(box: NDBoundingBox, mag: Mag) -> None:
    aligned = box.align_with_mag(mag, ceil=True)

    assert aligned.contains_bbox(box)
    assert aligned.in_mag(mag).from_mag_to_mag1(mag) == aligned
    for axis in set(box.axes) - {"x", "y", "z"}:
        assert aligned.get_bounds(axis) == aligned.in_mag(mag).get_bounds(axis) == box.get_bounds(axis)


@given(nd_boxes(), st.builds(Vec3Int, *[st.integers(3, 9)] * 3))
def test_spatial_chunks_of_a_box_with_more_axes_are_a_partition(box: NDBoundingBox, shape: Vec3Int) -> None:
    chunks = list(box.chunk(shape))

    assert sum(chunk.volume() for chunk in chunks) == box.volume()
    assert all(box.contains_bbox(chunk) for chunk in chunks)
    for one, chunk in enumerate(chunks):
        assert all(chunk.intersected_with(other, dont_assert=True).is_empty() for other in chunks[:one])
        assert all(chunk.get_bounds(axis) == box.get_bounds(axis) for axis in set(box.axes) - {"x", "y", "z"})


@given(nd_boxes(), st.data())
def test_intersection_and_extension_enclose_their_boxes(box: NDBoundingBox, data: st.DataObject) -> None:
    other = box.offset(data.draw(st.lists(st.integers(-3, 3), min_size=box.ndim, max_size=box.ndim)))

    common, both = box.intersected_with(other, dont_assert=True), box.extended_by(other)

    assert both.contains_bbox(box)
    assert both.contains_bbox(other)
    assert common.is_empty() or (box.contains_bbox(common) and other.contains_bbox(common))


@given(nd_boxes())
def test_names_of_axes_say_where_a_number_belongs(box: NDBoundingBox) -> None:
    axis = box.axes[0]

    assert box.offset(VecInt(5, axes=(axis,))).get_bounds(axis)[0] == box.get_bounds(axis)[0] + 5
    assert box.with_topleft(box.topleft) == box
    assert box.with_size(VecInt(2, axes=(axis,))).get_shape(axis) == 2
    assert box.offset(Vec3Int(1, 2, 3)).topleft_xyz == box.topleft_xyz + Vec3Int(1, 2, 3)
    assert box.padded_with_margins((1, 1, 1)).size_xyz == box.size_xyz + 2


def test_boxes_with_channels_and_without_are_compared_in_space() -> None:
    plain = BoundingBox((0, 0, 0), (10, 10, 10))
    layer = BoundingBox((5, 5, 5), (10, 10, 10)).normalize_axes(3)

    assert plain.intersected_with(layer) == BoundingBox((5, 5, 5), (5, 5, 5)).normalize_axes(3)
    assert layer.intersected_with(plain) == plain.intersected_with(layer)
    assert plain.extended_by(layer) == BoundingBox((0, 0, 0), (15, 15, 15)).normalize_axes(3)
    assert layer.extended_by(plain) == plain.extended_by(layer)
    assert plain.extended_by(layer).contains_bbox(plain)
    assert not layer.contains_bbox(plain)
    assert BoundingBox((0, 0, 0), (15, 15, 15)).contains_bbox(layer)
    assert layer.intersected_with(layer) == layer
    assert layer.intersected_with(plain.offset((50, 0, 0)), dont_assert=True).is_empty()
    with pytest.raises(GeometryError, match="no voxel in common"):
        layer.intersected_with(plain.offset((50, 0, 0)))


def test_boxes_of_other_axes_are_not_compared() -> None:
    flat = NDBoundingBox((0, 0), (4, 4), axes=("x", "y"))
    timed = NDBoundingBox((0, 0, 0, 0), (4, 4, 4, 4), axes=("t", "x", "y", "z"))

    with pytest.raises(GeometryError, match="can not be compared"):
        flat.intersected_with(timed)
    with pytest.raises(GeometryError, match="can not be compared"):
        timed.contains_bbox(flat)
    with pytest.raises(GeometryError, match="can not be compared"):
        BoundingBox((0, 0, 0), (4, 4, 4)).normalize_axes(1).intersected_with(timed)


def test_a_box_is_cut_from_an_array_in_the_order_of_its_index() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # t, z, y, x
    box = NDBoundingBox((1, 2, 1, 1), (3, 2, 1, 1), axes=("x", "y", "z", "t"), index=(3, 2, 1, 0))

    assert (box.slice_array(array) == array[1:2, 1:2, 2:4, 1:4]).all()
    assert box.to_slices_xyz() == (slice(0, 1), slice(1, 2), slice(2, 4), slice(1, 4))
    xyz = np.arange(3 * 2 * 1).reshape(3, 2, 1)
    assert box.xyz_array_to_bbox_shape(xyz).shape == (1, 1, 2, 3)
    assert (box.xyz_array_to_bbox_shape(xyz)[0] == xyz.T).all()
    with pytest.raises(GeometryError, match="thicker than 1"):
        box.with_bounds("t", 0, 2).xyz_array_to_bbox_shape(xyz)
    with pytest.raises(GeometryError, match="not an array x, y, z"):
        box.xyz_array_to_bbox_shape(array)


def test_the_examples_of_the_reference_hold() -> None:
    flat = NDBoundingBox(topleft=(0, 0), size=(100, 100), axes=("x", "y"))
    timed = NDBoundingBox(topleft=(75, 75, 75, 0), size=(100, 100, 100, 20), axes=("x", "y", "z", "t"))

    assert flat.bottomright == (100, 100)
    assert flat.volume() == 10_000
    assert timed.ndim == 4
    assert timed.get_bounds("t") == (0, 20)
    assert timed.to_checkpoint_name() == "75_75_75_0_100_100_100_20"
    assert timed.to_config_dict() == {
        "topleft": [75, 75, 75, 0],
        "size": [100, 100, 100, 20],
        "axes": ["x", "y", "z", "t"],
    }
    assert BoundingBox.from_ndbbox(timed) == BoundingBox((75, 75, 75), (100, 100, 100))


def test_channels_that_contradict_the_box_are_refused() -> None:
    box = BoundingBox((0, 0, 0), (1, 1, 1))

    with pytest.raises(GeometryError, match="at least one channel"):
        box.normalize_axes(0)
    with pytest.raises(GeometryError, match="has 3 channels already, not 2"):
        box.normalize_axes(3).normalize_axes(2)
    with pytest.raises(GeometryError, match="lack c"):
        NormalizedBoundingBox((0, 0, 0), (1, 1, 1), axes=("x", "y", "z"))
    with pytest.raises(GeometryError, match="no axis 'z'"):
        NDBoundingBox((0, 0), (1, 1), axes=("x", "y")).normalize_axes(1)


def test_numbers_that_fit_no_axis_are_refused() -> None:
    box = NDBoundingBox((0, 0, 0, 0), (4, 4, 4, 4), axes=("t", "x", "y", "z"))

    with pytest.raises(GeometryError, match="needs 4 components, or x, y, z"):
        box.offset((1, 2))
    with pytest.raises(UnknownAxisError, match="no axis 'x'"):
        NDBoundingBox((0, 0), (1, 1), axes=("t", "u")).offset((1, 2, 3))
    with pytest.raises(GeometryError, match="name one axis twice"):
        NDBoundingBox((0, 0), (1, 1), axes=("x", "x"))
