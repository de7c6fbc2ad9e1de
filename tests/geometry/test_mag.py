"""Laws of mags: names parse back, factors are powers of two, order is the greatest factor's."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.vec3_int import Vec3Int

factors = st.integers(0, 20).map(lambda exponent: 1 << exponent)
mags = st.builds(Mag, factors, factors, factors)


@given(mags)
def test_every_way_to_write_a_mag_gives_the_same_one(mag: Mag) -> None:
    assert (
        mag
        == Mag(mag)
        == Mag(mag.to_layer_name())
        == Mag(mag.to_long_layer_name())
        == Mag(str(mag))
        == Mag(mag.to_list())
        == Mag(mag.to_tuple())
        == Mag(mag.to_np())
        == Mag(mag.to_vec3_int())
        == Mag(x=mag.x, y=mag.y, z=mag.z)
        == pickle.loads(pickle.dumps(mag))  # noqa: S301  # our own bytes
        == eval(repr(mag))  # noqa: S307  # a repr is an expression
    )
    assert hash(Mag(mag.to_tuple())) == hash(mag)


@given(mags, mags)
def test_order_compares_the_greatest_factor_alone(a: Mag, b: Mag) -> None:
    assert (a < b) == (a.max_dim < b.max_dim) == (b > a)
    assert (a <= b) == (a.max_dim <= b.max_dim) == (b >= a)
    assert 1 << a.max_dim_log2 == a.max_dim == max(a.to_tuple())


def test_two_different_mags_of_one_size_are_each_not_after_the_other() -> None:
    a, b = Mag(2, 2, 1), Mag(2)

    assert a <= b <= a
    assert a != b
    assert not a < b


@pytest.mark.parametrize(
    ("written", "name", "long_name"),
    [
        (1, "1", "1-1-1"),
        ("4", "4", "4-4-4"),
        ("2-2-2", "2", "2-2-2"),
        ((4, 4, 2), "4-4-2", "4-4-2"),
        (np.int64(8), "8", "8-8-8"),
    ],
)
def test_a_mag_is_named_as_its_folder(written: MagLike, name: str, long_name: str) -> None:
    mag = Mag(written)

    assert mag.to_layer_name() == str(mag) == name
    assert mag.to_long_layer_name() == long_name


@pytest.mark.parametrize(
    "written",
    [
        0,
        3,
        -2,
        True,
        1.0,
        "3",
        "2-2",
        "2-2-1-1",
        "",
        "a",
        "2 2 1",
        "2-2-3",
        (2, 2),
        (1, 2, 6),
        (1, 1, 0),
        None,
        [1.0, 1.0, 1.0],
        {},
    ],
)
def test_what_is_no_mag_is_refused(written: object) -> None:
    with pytest.raises(GeometryError):
        Mag(written)  # type: ignore[arg-type]


def test_a_factor_that_is_no_power_of_two_is_named() -> None:
    with pytest.raises(GeometryError, match="mag 2-6-1: 6 is not a power of two"):
        Mag(2, 6, 1)


def test_a_mag_is_neither_changed_nor_mixed_up_with_a_vector() -> None:
    mag = Mag(2)

    with pytest.raises(AttributeError):
        mag.x = 4  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del mag._factors
    assert mag != Vec3Int(2, 2, 2)
    assert mag.to_vec3_int() == Vec3Int(2, 2, 2)
