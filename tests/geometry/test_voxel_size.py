"""Voxel sizes and units of length: exact conversions, and no length that can not be one."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import GeometryError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize

lengths = st.floats(min_value=1e-6, max_value=1e9)


@given(st.tuples(lengths, lengths, lengths), st.sampled_from(LengthUnit))
def test_a_voxel_size_is_proportional_to_its_unit(factor: tuple[float, float, float], unit: LengthUnit) -> None:
    in_unit = VoxelSize(factor, unit).to_nanometer()

    assert in_unit == tuple(length * unit.nanometers for length in factor)
    assert VoxelSize(factor).to_nanometer() == factor


@given(st.sampled_from(LengthUnit))
def test_a_unit_is_understood_by_its_name_in_any_case_and_number(unit: LengthUnit) -> None:
    assert LengthUnit.from_text(unit.value) is unit
    assert LengthUnit.from_text(f" {unit.value.upper()} ") is unit
    assert unit.nanometers > 0
    assert VoxelSize((1, 2, 3), unit.value).unit is unit


@pytest.mark.parametrize(
    ("symbol", "unit"),
    [
        ("nm", LengthUnit.NANOMETER),
        ("\u00b5m", LengthUnit.MICROMETER),  # micro sign
        ("\u03bcm", LengthUnit.MICROMETER),  # Greek mu
        ("um", LengthUnit.MICROMETER),
        ("micron", LengthUnit.MICROMETER),
        ("microns", LengthUnit.MICROMETER),
        ("micrometres", LengthUnit.MICROMETER),
        ("mm", LengthUnit.MILLIMETER),
        ("Mm", LengthUnit.MEGAMETER),
        ("pm", LengthUnit.PICOMETER),
        ("\u00c5", LengthUnit.ANGSTROM),
        ("A", LengthUnit.ANGSTROM),
        ("in", LengthUnit.INCH),
        ("inches", LengthUnit.INCH),
        ("feet", LengthUnit.FOOT),
    ],
)
def test_symbols_that_microscopes_write_are_understood(symbol: str, unit: LengthUnit) -> None:
    assert LengthUnit.from_text(symbol) is unit


@pytest.mark.parametrize("text", ["", "pixel", "dpi", "nanosecond", "s", "1"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(GeometryError, match="is not a unit of length"):
        LengthUnit.from_text(text)


def test_lengths_agree_with_one_another() -> None:
    nanometers = {unit: unit.nanometers for unit in LengthUnit}

    assert len(nanometers) == 26
    assert nanometers[LengthUnit.MICROMETER] == 1000
    assert nanometers[LengthUnit.FOOT] == 12 * nanometers[LengthUnit.INCH]
    assert nanometers[LengthUnit.YARD] == 3 * nanometers[LengthUnit.FOOT]
    assert nanometers[LengthUnit.MILE] == 1760 * nanometers[LengthUnit.YARD]
    assert math.isclose(nanometers[LengthUnit.PARSEC], 149597870700e9 * 648000 / math.pi)
    decades = [
        "YOCTO",
        "ZEPTO",
        "ATTO",
        "FEMTO",
        "PICO",
        "NANO",
        "MICRO",
        "MILLI",
        "",
        "KILO",
        "MEGA",
        "GIGA",
        "TERA",
        "PETA",
    ]
    for smaller, larger in itertools.pairwise(decades):
        ratio = nanometers[LengthUnit[f"{larger}METER"]] / nanometers[LengthUnit[f"{smaller}METER"]]
        assert math.isclose(ratio, 1000)


@pytest.mark.parametrize(
    "factor", [(1, 1), (1, 1, 1, 1), (0, 1, 1), (1, -1, 1), (1, 1, math.nan), (1, 1, math.inf), "abc", 5, None]
)
def test_what_is_no_voxel_size_is_refused(factor: object) -> None:
    with pytest.raises(GeometryError, match="voxel size"):
        VoxelSize(factor)  # type: ignore[arg-type]


def test_a_voxel_size_is_a_value() -> None:
    size = VoxelSize(factor=np.array([11.24, 11.24, 28]), unit=LengthUnit.NANOMETER)

    assert size == VoxelSize((11.24, 11.24, 28.0))
    assert hash(size) == hash(VoxelSize((11.24, 11.24, 28.0)))
    assert size != VoxelSize((11.24, 11.24, 28.0), LengthUnit.MICROMETER)
    assert str(size) == "11.24 x 11.24 x 28 nanometer"
    assert dataclasses.replace(size, unit=LengthUnit.MICROMETER).factor == size.factor
    with pytest.raises(dataclasses.FrozenInstanceError):
        size.factor = (1.0, 1.0, 1.0)  # type: ignore[misc]
