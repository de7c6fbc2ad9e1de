"""What TIFF metadata say about the size of a voxel, with the place where they say it.

A value that a writer puts there when it knows nothing (72 dpi, one pixel per unit, zero) is no value: then nothing is
said. A unit that a person or a program chose is kept; formats that know nothing but meters give nanometers. Which value
wins is decided in `voxel_sizes`.
"""

import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import tifffile

from wk_assets.errors import GeometryError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers.volume import MeasuredPixelSize, MeasuredVoxelSize
from wk_assets.readers.voxel_sizes import FoundSizes

_CENTIMETER, _INCH = 3, 2
_LARGEST_BELIEVED_EDGE_UM = 10.0  # a coarser "resolution" is meant for a printer (2540 dpi), not for a microscope


def _is_length(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


class _Collection:
    """Collect what is a length, ignore what is not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.voxels: list[MeasuredVoxelSize] = []
        self.pixels: list[MeasuredPixelSize] = []

    def add(self, x: object, y: object, z: object, unit: object, where: str) -> None:
        """Keep x, y, z if all are lengths; x, y if only these are."""
        if not isinstance(x, int | float) or not isinstance(y, int | float) or not _is_length(x) or not _is_length(y):
            return
        try:
            known_unit = unit if isinstance(unit, LengthUnit) else LengthUnit.from_text(str(unit))
        except GeometryError:
            return  # "pixel", "reference frame": a number of nothing
        source = f"{where} of {self._name}"
        if isinstance(z, int | float) and _is_length(z):
            if (x, y, z) != (1, 1, 1):  # what writers put who were not told
                self.voxels.append(MeasuredVoxelSize(voxel_size=VoxelSize((x, y, z), known_unit), source=source))
        elif (x, y) != (1, 1):
            self.pixels.append(MeasuredPixelSize(x=float(x), y=float(y), unit=known_unit, source=source))


def _nanometers(meters: object) -> float | None:
    """Give a length that a format keeps in meters, as every instrument of its kind does, in nanometers."""
    return meters * 1e9 if isinstance(meters, int | float) else None


def sizes_of_tiff(tif: tifffile.TiffFile, name: str) -> FoundSizes:
    """Read every place in the first page where microscopes and programs note the size of a voxel."""
    found = _Collection(name)
    _from_ome(tif, found)
    _from_imagej(tif, found)
    _from_instruments(tif, found)
    if not tif.is_imagej and not tif.is_ome:
        tags = tif.pages.first.tags
        _from_resolution(
            _ratio(tags.valueof(282)),
            _ratio(tags.valueof(283)),
            tags.valueof(296),
            "TIFF resolution tags 282, 283",
            found,
        )
    return FoundSizes(tuple(found.voxels), tuple(found.pixels))


def sizes_of_dpi(x_dpi: float, y_dpi: float, name: str, where: str) -> FoundSizes:
    """Read the resolution that an image file states in dots per inch."""
    found = _Collection(name)
    _from_resolution(x_dpi, y_dpi, _INCH, where, found)
    return FoundSizes(tuple(found.voxels), tuple(found.pixels))


def _from_ome(tif: tifffile.TiffFile, found: _Collection) -> None:
    if not tif.is_ome or not tif.ome_metadata:
        return
    try:
        root = ET.fromstring(tif.ome_metadata)  # noqa: S314 -- tifffile has parsed this very text before us
    except ET.ParseError:
        return
    pixels = next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)
    if pixels is None:
        return
    x, y, z = (_ome_length(pixels, axis) for axis in "XYZ")
    if x is None or y is None:
        return
    unit = x[1]
    if any(length is not None and length[1] != unit for length in (y, z)):  # x in nm, z in µm: say all in nanometers
        x, y, z = (length and (length[0] * length[1].nanometers, length[1]) for length in (x, y, z))
        unit = LengthUnit.NANOMETER
    found.add(x and x[0], y and y[0], z and z[0], unit, "OME-XML PhysicalSizeX/Y/Z")


def _ome_length(pixels: ET.Element, axis: str) -> tuple[float, LengthUnit] | None:
    text = pixels.get(f"PhysicalSize{axis}")
    try:
        return (float(text), LengthUnit.from_text(pixels.get(f"PhysicalSize{axis}Unit", "µm"))) if text else None
    except (ValueError, GeometryError):
        return None


def _from_imagej(tif: tifffile.TiffFile, found: _Collection) -> None:
    if not tif.is_imagej:
        return
    described: Mapping[str, Any] = tif.imagej_metadata or {}
    tags = tif.pages.first.tags
    x, y = _ratio(tags.valueof(282)), _ratio(tags.valueof(283))
    unit = str(described.get("unit", "")).replace("\\u00B5", "µ").strip('"')
    if not x or not y or (x, y) == (1, 1):
        return
    found.add(1 / x, 1 / y, described.get("spacing"), unit, "ImageJ spacing, unit and resolution")


def _from_instruments(tif: tifffile.TiffFile, found: _Collection) -> None:
    fei = (tif.fei_metadata or {}).get("Scan") or {}
    x, y = _nanometers(fei.get("PixelWidth")), _nanometers(fei.get("PixelHeight"))
    found.add(x, y, None, "nm", "FEI metadata Scan.PixelWidth/PixelHeight")
    zeiss = tif.sem_metadata or {}
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        entry = zeiss.get(key)
        if entry and len(entry) == 3:
            found.add(entry[1], entry[1], None, entry[2], f"Zeiss tag 34118 {key}")
            break
    sis = tif.sis_metadata or {}
    x, y = _nanometers(sis.get("pixelsizex")), _nanometers(sis.get("pixelsizey"))
    found.add(x, y, None, "nm", "Olympus SIS pixelsizex/y")
    tvips = tif.tvips_metadata or {}
    found.add(tvips.get("PixelSizeX"), tvips.get("PixelSizeY"), None, "nm", "TVIPS PixelSizeX/Y")
    lsm = tif.lsm_metadata or {}
    x, y, z = (_nanometers(lsm.get(f"VoxelSize{axis}")) for axis in "XYZ")
    found.add(x, y, z, "nm", "LSM VoxelSizeX/Y/Z")


def _ratio(value: object) -> float | None:
    """Read a TIFF rational; None for what is none."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] and value[1]:
        return float(value[0]) / float(value[1])
    return None


def _from_resolution(x: float | None, y: float | None, unit: object, where: str, found: _Collection) -> None:
    microns = {_CENTIMETER: 1e4, _INCH: 25400.0}.get(int(unit)) if isinstance(unit, int) else None
    if microns is None or not x or not y or x <= 0 or y <= 0:
        return
    if max(microns / x, microns / y) < _LARGEST_BELIEVED_EDGE_UM:
        found.add(microns / x, microns / y, None, LengthUnit.MICROMETER, where)
