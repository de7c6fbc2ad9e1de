"""Which mags resampling makes: down to the usual coarsest one, and up again by the same steps."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import PlanError
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.resampling.resampling_ladder import coarser_mags, finer_mags

SIZE = Vec3Int(3000, 2000, 500)


def test_ladders_are_those_of_other_tools(shared_spec: Path) -> None:
    cases = json.loads((shared_spec / "golden.json").read_text())["mags"]
    for case in cases:
        mags = coarser_mags(
            Mag(case["from_mag"]), size=SIZE, voxel_size=case["voxel_size"], coarsest=Mag(case["coarsest"])
        )
        assert [list(mag.to_tuple()) for mag in mags] == case["mags"], case
    assert len(cases) == 24


@given(
    voxel_size=st.tuples(*[st.sampled_from([1.0, 4.0, 11.24, 30.0, 35.0])] * 3),
    sampling=st.sampled_from([SamplingMode.ANISOTROPIC, SamplingMode.ISOTROPIC]),
    steps=st.integers(1, 5),
)
def test_the_way_up_is_the_way_down(voxel_size: tuple[float, ...], sampling: SamplingMode, steps: int) -> None:
    down = coarser_mags(Mag(1), size=SIZE, voxel_size=voxel_size, coarsest=Mag(64), sampling=sampling)[:steps]

    up = finer_mags(down[-1], size=SIZE, voxel_size=voxel_size, sampling=sampling)

    for mag in up:
        assert not any(down[-1].to_vec3_int() % mag.to_vec3_int())
    assert up[-1] == Mag(1)
    assert [mag.max_dim for mag in up] == sorted({mag.max_dim for mag in up}, reverse=True)
    if sampling is SamplingMode.ISOTROPIC:
        assert up == (*reversed(down[:-1]), Mag(1))


@pytest.mark.parametrize(
    ("from_mag", "finest", "expected"),
    [
        ("4", "1", ["2-2-4", "1-1-4"]),
        ("8-8-2", "2", ["4-4-2", "2"]),
        ("4-2-1", "1", ["2-2-1", "1"]),
        ("2", "2", []),
    ],
)
def test_with_constant_z_only_x_and_y_are_doubled(from_mag: str, finest: str, expected: list[str]) -> None:
    mags = finer_mags(
        Mag(from_mag), size=SIZE, voxel_size=(1, 1, 1), finest=Mag(finest), sampling=SamplingMode.CONSTANT_Z
    )
    assert [mag.to_layer_name() for mag in mags] == expected


def test_a_single_slice_is_never_halved_in_z() -> None:
    slice_size = SIZE.with_z(1)
    assert {mag.z for mag in coarser_mags(Mag(1), size=slice_size, voxel_size=(1, 1, 1))} == {1}
    assert finer_mags(Mag("4-4-1"), size=slice_size, voxel_size=(9, 9, 1)) == (Mag("2-2-1"), Mag(1))


def test_a_mag_that_is_no_multiple_of_the_finest_is_refused() -> None:
    with pytest.raises(PlanError, match="4-1-1"):
        finer_mags(Mag("4-1-1"), size=SIZE, voxel_size=(1, 1, 1), finest=Mag(2))
