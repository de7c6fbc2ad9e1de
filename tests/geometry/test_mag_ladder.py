"""Which mags a layer gets: golden values measured on WEBKNOSSOS' own tools, and laws for everything else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode, default_coarsest_mag, mag_ladder

lengths = st.floats(min_value=0.01, max_value=1e4)
voxel_sizes = st.tuples(lengths, lengths, lengths)
exponents = st.integers(0, 6)
mags = st.tuples(exponents, exponents, exponents).map(lambda powers: Mag([1 << power for power in powers]))


@pytest.fixture(scope="module")
def golden(shared_spec: Path) -> dict[str, Any]:
    return dict(json.loads((shared_spec / "golden.json").read_text()))


def test_every_golden_ladder_is_equal(golden: dict[str, Any]) -> None:
    cases = golden["mags"]

    assert len(cases) == 24
    for case in cases:
        ladder = mag_ladder(case["voxel_size"], Mag(case["from_mag"]), Mag(case["coarsest"]))
        assert [mag.to_list() for mag in ladder] == case["mags"], case


def test_every_golden_coarsest_mag_is_equal(golden: dict[str, Any]) -> None:
    cases = golden["coarsest"]

    assert len(cases) == 9
    for edge, factor in cases:
        assert default_coarsest_mag((edge, 1, 1)) == Mag(factor)
        assert default_coarsest_mag((1, edge, 10**9)) == Mag(factor)


@pytest.mark.parametrize(
    ("voxel_size", "ladder"),
    [
        ((11.24, 11.24, 25), "2-2-1 4-4-2 8-8-4"),
        ((4, 4, 35), "2-2-1 4-4-1 8-8-1 16-16-2 32-32-4"),
        ((1, 1, 1.4), "2 4 8"),
        ((1, 1, 1.5), "2-2-1 4-4-2"),
        ((85, 85, 346), "2-2-1 4-4-1 8-8-2 16-16-4"),
        ((4, 2, 1), "1-1-2 1-2-4 2-4-8 4-8-16"),
        ((40, 4, 4), "1-2-2 1-4-4 1-8-8 2-16-16"),
    ],
)
def test_ladders_of_known_microscopes(voxel_size: tuple[float, float, float], ladder: str) -> None:
    expected = tuple(map(Mag, ladder.split()))

    assert mag_ladder(voxel_size, Mag(1), Mag(expected[-1].max_dim)) == expected


def test_a_step_that_does_not_raise_the_greatest_factor_is_not_a_mag() -> None:
    assert mag_ladder((1, 1, 1), Mag("4-4-2"), Mag(16)) == (Mag(8), Mag(16))


@given(
    voxel_sizes,
    mags,
    mags,
    st.sampled_from(SamplingMode),
    st.lists(mags, max_size=6),
    st.sampled_from([None, 1, 2, 500]),
)
def test_a_ladder_climbs_from_finest_to_coarsest(
    voxel_size: tuple[float, float, float],
    finest: Mag,
    coarsest: Mag,
    sampling: SamplingMode,
    existing: list[Mag],
    depth: int | None,
) -> None:
    ladder = mag_ladder(voxel_size, finest, coarsest, sampling, existing, depth)

    for finer, coarser in zip((finest, *ladder), ladder, strict=False):
        assert all(theirs % mine == 0 for mine, theirs in zip(finer.to_tuple(), coarser.to_tuple(), strict=True))
        assert finer < coarser <= coarsest
    if sampling is SamplingMode.CONSTANT_Z or depth == 1:
        assert {mag.z for mag in ladder} <= {finest.z}


@given(voxel_sizes, exponents, exponents, st.sampled_from(SamplingMode))
def test_an_isotropic_limit_is_reached(
    voxel_size: tuple[float, float, float], start: int, end: int, sampling: SamplingMode
) -> None:
    ladder = mag_ladder(voxel_size, Mag(1 << start), Mag(1 << end), sampling)

    assert len(ladder) == max(0, end - start)
    assert not ladder or ladder[-1].max_dim == 1 << end


@given(voxel_sizes, st.integers(-30, 30), exponents)
def test_the_unit_of_length_does_not_matter(voxel_size: tuple[float, float, float], power: int, end: int) -> None:
    """Scaled by a power of two, which is exact: the rule compares edges exactly."""
    scaled = [length * 2.0**power for length in voxel_size]

    assert mag_ladder(voxel_size, Mag(1), Mag(1 << end)) == mag_ladder(scaled, Mag(1), Mag(1 << end))


@given(voxel_sizes, exponents, exponents)
def test_a_ladder_continues_where_it_was_left(voxel_size: tuple[float, float, float], middle: int, end: int) -> None:
    """A second run that starts at a mag of the first one adds the mags that are missing."""
    whole = mag_ladder(voxel_size, Mag(1), Mag(1 << max(middle, end)))
    start = whole[middle - 1] if middle else Mag(1)
    ends_within = [mag for mag in whole if mag > start]

    rest = mag_ladder(voxel_size, start, Mag(1 << max(middle, end)))

    assert [mag.max_dim for mag in rest] == [mag.max_dim for mag in ends_within]


def test_a_layer_shares_the_mags_of_its_neighbours() -> None:
    alone = mag_ladder((1, 1, 1), Mag(1), Mag(8))
    beside = mag_ladder((1, 1, 1), Mag(1), Mag(8), existing=[Mag("2-2-1"), Mag("16-16-1")])

    assert alone == (Mag(2), Mag(4), Mag(8))
    assert beside[0] == Mag("2-2-1")
    assert beside[1:] == (Mag(4), Mag(8))


def test_a_neighbours_mag_that_is_no_multiple_is_not_shared() -> None:
    assert mag_ladder((1, 1, 1), Mag("2-2-2"), Mag(4), existing=[Mag("4-4-1")]) == (Mag(4),)


def test_a_single_slice_is_never_halved_in_z() -> None:
    assert mag_ladder((1, 1, 1), Mag(1), Mag(8), depth=1) == (Mag("2-2-1"), Mag("4-4-1"), Mag("8-8-1"))


def test_a_limit_that_holds_an_axis_back_does_not_stop_the_others() -> None:
    assert mag_ladder((4, 4, 1), Mag(1), Mag(4, 4, 1)) == (Mag("2-2-1"), Mag("4-4-1"))


@pytest.mark.parametrize("voxel_size", [(1, 1), (0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (1, 1, float("inf"))])
def test_a_voxel_without_edges_has_no_ladder(voxel_size: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="voxel size"):
        mag_ladder(voxel_size, Mag(1), Mag(2))
