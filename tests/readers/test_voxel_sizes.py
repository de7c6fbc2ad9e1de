"""Where a voxel size is believed, and where nothing is said."""

from pathlib import Path
from typing import Any

import pytest
import tifffile

from tests.readers.sources import select, volume
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import MeasuredVoxelSize, VolumeDescription
from wk_assets.readers.voxel_sizes import stated_of_pixels

MICROMETER = LengthUnit.MICROMETER


def described(folder: Path, **settings: Any) -> VolumeDescription:
    with open_volume(select(folder, **settings)) as reader:
        return reader.description


def write_ome(path: Path, **sizes: Any) -> None:
    tifffile.imwrite(path, volume("uint8", (5, 6, 7)), metadata={"axes": "ZYX", **sizes})


def test_ome_gives_all_three_with_their_unit_and_place(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.26, PhysicalSizeY=0.27, PhysicalSizeZ=0.29)

    measured = described(tmp_path).voxel_size

    assert measured == MeasuredVoxelSize(
        voxel_size=VoxelSize((0.26, 0.27, 0.29), MICROMETER), source="OME-XML PhysicalSizeX/Y/Z of a.ome.tif"
    )


def test_ome_units_are_kept_and_mixed_ones_become_nanometers(tmp_path: Path) -> None:
    nanometers: dict[str, Any] = {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    sizes: dict[str, Any] = {"PhysicalSizeX": 4, "PhysicalSizeY": 4, "PhysicalSizeZ": 35}
    write_ome(tmp_path / "a.ome.tif", **sizes, **nanometers)
    assert described(tmp_path).voxel_size is not None
    assert described(tmp_path).voxel_size.voxel_size == VoxelSize((4, 4, 35), LengthUnit.NANOMETER)  # type: ignore[union-attr]

    write_ome(tmp_path / "a.ome.tif", **{**sizes, **nanometers, "PhysicalSizeZ": 0.035, "PhysicalSizeZUnit": "µm"})
    measured = described(tmp_path).voxel_size
    assert measured is not None
    assert measured.voxel_size.factor == pytest.approx((4, 4, 35))


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"PhysicalSizeX": 1, "PhysicalSizeY": 1, "PhysicalSizeZ": 1},  # what writers put who were not told
        {"PhysicalSizeX": 0.0, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.2},
        {"PhysicalSizeX": -0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.2},
        {"PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "pixel", "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.2},
    ],
)
def test_ome_sizes_that_are_none_are_not_believed(tmp_path: Path, sizes: dict[str, Any]) -> None:
    write_ome(tmp_path / "a.ome.tif", **sizes)

    assert described(tmp_path).voxel_size is None
    assert described(tmp_path).pixel_sizes == ()


def test_x_and_y_alone_are_no_voxel_size_but_are_told(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.26, PhysicalSizeY=0.26)

    description = described(tmp_path)

    assert description.voxel_size is None
    (pixel,) = description.pixel_sizes
    assert (pixel.x, pixel.y, pixel.unit) == (0.26, 0.26, MICROMETER)
    assert stated_of_pixels(description) == (
        "the files say x 0.26, y 0.26 micrometer (OME-XML PhysicalSizeX/Y/Z of a.ome.tif), but not how far apart the "
        "slices are"
    )


def test_nothing_is_said_where_nothing_is_known(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif")

    assert not stated_of_pixels(described(tmp_path))


@pytest.mark.parametrize(("unit", "believed"), [("um", True), ("micron", True), ("\\u00B5m", True), ("pixel", False)])
def test_imagej_gives_all_three_if_its_unit_is_a_length(tmp_path: Path, unit: str, believed: bool) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", volume("uint8", (5, 6, 7)), imagej=True, resolution=(4.0, 5.0),
        metadata={"axes": "ZYX", "spacing": 2.5, "unit": unit},
    )  # fmt: skip

    measured = described(tmp_path).voxel_size

    if believed:
        assert measured is not None
        assert measured.voxel_size == VoxelSize((0.25, 0.2, 2.5), MICROMETER)
    else:
        assert measured is None


def test_imagej_without_a_resolution_says_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", volume("uint8", (5, 6, 7)), imagej=True,
        metadata={"axes": "ZYX", "spacing": 2.5, "unit": "um"},
    )  # fmt: skip

    assert described(tmp_path).voxel_size is None


@pytest.mark.parametrize(
    ("resolution", "unit", "edge"),
    [
        ((72, 72), "INCH", None),
        ((96, 96), "INCH", None),
        ((300, 300), "INCH", None),
        ((1, 1), "CENTIMETER", None),
        ((1, 1), "NONE", None),
        ((50_000, 50_000), "CENTIMETER", 0.2),
        ((254_000, 254_000), "INCH", 0.1),
        ((50_000, 50_000), "NONE", None),
    ],
)
def test_resolutions_for_printers_are_not_believed(
    tmp_path: Path, resolution: tuple[int, int], unit: Any, edge: float | None
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("uint8", (6, 7)), resolution=resolution, resolutionunit=unit)

    description = described(tmp_path)

    assert description.voxel_size is None
    assert [pixel.x for pixel in description.pixel_sizes] == ([] if edge is None else [pytest.approx(edge)])


def test_the_setting_wins_and_what_disagrees_is_kept(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.26, PhysicalSizeY=0.26, PhysicalSizeZ=0.29)
    same = MeasuredVoxelSize(voxel_size=VoxelSize((260, 260, 290), LengthUnit.NANOMETER), source="settings")
    other = MeasuredVoxelSize(voxel_size=VoxelSize((260, 260, 300), LengthUnit.NANOMETER), source="settings")

    agreeing, disagreeing = described(tmp_path, voxel_size=same), described(tmp_path, voxel_size=other)

    assert (agreeing.voxel_size, agreeing.voxel_size_alternatives) == (same, ())
    assert disagreeing.voxel_size == other
    assert [one.voxel_size.factor for one in disagreeing.voxel_size_alternatives] == [(0.26, 0.26, 0.29)]
