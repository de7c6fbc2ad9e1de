"""Laws of integer vectors with named axes."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError, UnknownAxisError
from wk_assets.geometry.vec3_int import Vec3Int, VecInt

integers = st.integers(-(2**70), 2**70)
vectors = st.builds(Vec3Int, integers, integers, integers)
names = st.lists(st.sampled_from("xyzctuvw"), unique=True, min_size=1)


@st.composite
def named_vectors(draw: st.DrawFn) -> VecInt:
    axes = draw(names)
    return VecInt(draw(st.lists(integers, min_size=len(axes), max_size=len(axes))), axes=axes)


@given(vectors)
def test_every_way_to_write_a_vector_gives_the_same_one(vector: Vec3Int) -> None:
    x, y, z = vector

    assert (
        Vec3Int(x, y, z)
        == Vec3Int((x, y, z))
        == Vec3Int([x, y, z])
        == Vec3Int(x=x, y=y, z=z)
        == Vec3Int(z=z, x=x, y=y)
        == Vec3Int(vector)
        == Vec3Int(iter((x, y, z)))
        == Vec3Int.from_xyz(x, y, z)
        == Vec3Int.from_str(f"{x},{y},{z}")
        == Vec3Int.from_str(str(vector))
        == Vec3Int.from_vec_or_int(vector)
        == VecInt(x, y, z)
    )
    assert vector.to_tuple() == (x, y, z) == tuple(vector)
    assert vector.to_list() == [x, y, z]
    assert (vector.x, vector.y, vector.z) == (x, y, z)


@given(vectors, vectors)
def test_addition_and_subtraction_undo_one_another(a: Vec3Int, b: Vec3Int) -> None:
    assert a + b - b == a
    assert a + b == b + a
    assert -(a - b) == b - a
    assert 7 - a == -(a - 7)
    assert a + 0 == 0 + a == a * 1 == 1 * a == a
    assert isinstance(a + b, Vec3Int)
    assert a.add_or_none(b) == a + b
    assert a.add_or_none(None) is None


@given(vectors, st.builds(Vec3Int, *[st.integers(1, 2**40)] * 3))
def test_division_with_rest_is_exact_for_any_size(a: Vec3Int, divisor: Vec3Int) -> None:
    assert a // divisor * divisor + a % divisor == a
    rounded_up = a.ceildiv(divisor)
    assert (rounded_up * divisor - a).is_positive()
    assert (divisor - (rounded_up * divisor - a)).is_positive(strictly_positive=True)


@given(vectors, vectors)
def test_pairwise_extremes_bound_both_vectors(a: Vec3Int, b: Vec3Int) -> None:
    assert (a.pairmax(b) - a).is_positive()
    assert (b - a.pairmin(b)).is_positive()
    assert a.pairmax(b) + a.pairmin(b) == a + b


@given(named_vectors())
def test_a_named_vector_survives_pickling_and_keeps_its_axes(vector: VecInt) -> None:
    copy = pickle.loads(pickle.dumps(vector))  # noqa: S301  # our own bytes

    assert copy == vector
    assert copy.axes == vector.axes
    assert hash(copy) == hash(vector) == hash(tuple(vector))


@given(named_vectors(), st.data())
def test_moving_an_axis_is_what_numpy_does(vector: VecInt, data: st.DataObject) -> None:
    positions = st.integers(-len(vector), len(vector) - 1)
    source, target = data.draw(positions), data.draw(positions)
    array = np.empty([position + 2 for position in range(len(vector))], dtype=np.bool_)
    by_numpy = np.moveaxis(array, source, target).shape

    moved = vector.moveaxis(source, target)

    assert moved.axes == tuple(vector.axes[size - 2] for size in by_numpy)
    assert all(moved.get(axis) == vector.get(axis) for axis in vector.axes)


def test_moving_several_axes_is_what_numpy_does() -> None:
    vector = VecInt(10, 20, 30, 40, axes=("t", "c", "x", "y"))

    moved = vector.moveaxis([0, 1], [-1, 0])

    assert moved.axes == ("c", "x", "y", "t")
    assert moved == (20, 30, 40, 10)


def test_moving_components_of_a_vec3_keeps_its_axes() -> None:
    moved = Vec3Int(1, 2, 3).moveaxis(0, 2)

    assert moved == (2, 3, 1)
    assert moved.axes == ("x", "y", "z")


@given(named_vectors(), integers)
def test_a_component_is_replaced_by_name_or_position(vector: VecInt, number: int) -> None:
    for position, axis in enumerate(vector.axes):
        changed = vector.with_replaced(axis, number)
        assert changed == vector.with_replaced(position, number) == vector.with_replaced(position - len(vector), number)
        assert changed.get(axis) == number
        assert changed.with_replaced(axis, vector.get(axis)) == vector
        assert changed.axes == vector.axes


def test_the_examples_of_the_reference_hold() -> None:
    vector = VecInt(1, 2, 3, 4, axes=("x", "y", "z", "t"))

    assert vector == VecInt([1, 2, 3, 4], axes=("x", "y", "z", "t")) == VecInt(x=1, y=2, z=3, t=4)
    ones = VecInt.full(1, axes=("x", "y", "z", "t"))
    assert ones[0] == ones[1] == ones[2] == ones[3]
    assert vector + ones == VecInt(2, 3, 4, 5)
    assert VecInt.ones(("x", "t")) == (1, 1)
    assert VecInt.zeros(("x", "t")) == (0, 0)
    assert VecInt.from_str("4,5").to_tuple() == (4, 5)


def test_spatial_components_are_reached_by_name() -> None:
    vector = VecInt(5, 1, 2, 3, axes=("c", "x", "y", "z"))

    assert vector.xyz == Vec3Int(1, 2, 3)
    assert vector.c == 5
    assert vector.with_xyz(Vec3Int(7, 8, 9)) == (5, 7, 8, 9)
    assert vector.with_c(6) == (6, 1, 2, 3)
    assert vector.with_x(0).with_y(0).with_z(0) == (5, 0, 0, 0)
    assert vector.get("t", 11) == 11
    assert VecInt(1, 2, axes=("x", "t")).with_xyz(Vec3Int(7, 8, 9)) == (7, 2)


def test_an_axis_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownAxisError, match=r"no axis 'c' in Vec3Int\(1,2,3\); its axes are x, y, z"):
        _ = Vec3Int(1, 2, 3).c
    with pytest.raises(KeyError):
        VecInt(1, axes=("t",)).with_x(3)


def test_small_questions_have_small_answers() -> None:
    vector = Vec3Int(2, 3, 4)

    assert vector.prod() == 24
    assert vector.contains(3)
    assert 3 in vector
    assert not vector.contains(5)
    assert not vector.is_uniform()
    assert Vec3Int.full(7).is_uniform()
    assert Vec3Int.zeros().is_positive()
    assert not Vec3Int.zeros().is_positive(strictly_positive=True)
    assert Vec3Int.ones() == (1, 1, 1)
    assert vector[1] == vector[-2] == 3
    assert vector[:2] == (2, 3)
    assert len(vector) == 3
    assert Vec3Int.from_vec3_float((1.9, -1.9, 3.0)) == (1, -1, 3)
    assert Vec3Int.from_vec_or_int(4) == (4, 4, 4)
    assert repr(vector) == "Vec3Int(2,3,4)"
    assert vector != (2, 3)
    assert vector != "2,3,4"


def test_numpy_takes_a_vector_as_shape_and_gives_its_integers_back() -> None:
    vector = Vec3Int(np.array([2, 3, 4], dtype=np.uint8))

    assert np.zeros(vector).shape == vector
    assert all(type(component) is int for component in vector)
    assert vector.to_np().tolist() == [2, 3, 4]
    assert Vec3Int(vector.to_np()) == vector
    assert (np.array([[1, 1, 1], [2, 2, 2]]) + vector).tolist() == [[3, 4, 5], [4, 5, 6]]


def test_a_vector_can_not_be_changed() -> None:
    vector = Vec3Int(1, 2, 3)

    with pytest.raises(AttributeError, match="can not be changed"):
        vector.x = 5  # type: ignore[misc]
    with pytest.raises(AttributeError, match="can not be changed"):
        vector._data = (4, 5, 6)
    with pytest.raises(AttributeError, match="can not be changed"):
        del vector._data


@pytest.mark.parametrize(
    "build",
    [
        lambda: Vec3Int(1, 2),
        lambda: Vec3Int((1, 2, 3, 4)),
        lambda: Vec3Int(1.5, 2, 3),  # type: ignore[arg-type]
        lambda: Vec3Int("123"),  # type: ignore[arg-type]
        lambda: Vec3Int(x=1, y=2),
        lambda: Vec3Int(x=1, y=2, t=3),
        lambda: Vec3Int(1, 2, 3, axes=("z", "y", "x")),
        lambda: Vec3Int(VecInt(1, 2, 3, axes=("c", "x", "y"))),
        lambda: Vec3Int(iter((1, 2))),
        lambda: Vec3Int.from_str("1,2"),
        lambda: Vec3Int.from_str("1,2,3.5"),
        lambda: Vec3Int.from_str(""),
        lambda: Vec3Int.from_vec3_float((1.0, float("nan"), 2.0)),
        lambda: VecInt(1, 2, axes=("x",)),
        lambda: VecInt(1, 2, axes=("x", "x")),
        lambda: VecInt(1, x=2),
        lambda: VecInt(x=1, y=2, axes=("x", "t")),
        lambda: Vec3Int(1, 2, 3) + VecInt(1, 2),
        lambda: Vec3Int(1, 2, 3) + 0.5,  # type: ignore[operator]
        lambda: Vec3Int(1, 2, 3) + VecInt(1, 2, 3, axes=("z", "y", "x")),
        lambda: Vec3Int(1, 2, 3).with_x(0.5),  # type: ignore[arg-type]
        lambda: Vec3Int(1, 2, 3).moveaxis([0, 1], [0]),
    ],
)
def test_what_is_no_vector_is_refused(build: Callable[[], object]) -> None:
    with pytest.raises(GeometryError):
        build()
