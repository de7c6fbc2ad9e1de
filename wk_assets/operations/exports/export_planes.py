"""A layer as one file of planes: raw voxels with a JSON file that says what they are, or an OME-TIFF with a pyramid.

Both are written in place, slab by slab: the file has its full size from the start.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.exports.export_request import EXPORT_BYTES
from wk_assets.operations.exports.export_writer import over_bands
from wk_assets.operations.exports.exported_voxels import ExportedVoxels
from wk_assets.operations.exports.plane_files import PlaneFile, PlaneShape, consecutive
from wk_assets.storage.durable import storage_refusals, sync_directory, write_atomically

_LARGEST_CLASSIC_TIFF = 3_900_000_000  # offsets have 32 bits; the rest is left for headers
_SMALLEST_LEVEL = 256  # pixels: a pyramid ends where a screen holds the picture
# Source: UnitsLength of the OME schema 2016-06; units that it does not have are written in nanometers.
_OME_UNITS = {
    LengthUnit.ANGSTROM: "Å", LengthUnit.ATTOMETER: "am", LengthUnit.CENTIMETER: "cm", LengthUnit.DECIMETER: "dm",
    LengthUnit.EXAMETER: "Em", LengthUnit.FEMTOMETER: "fm", LengthUnit.FOOT: "ft", LengthUnit.GIGAMETER: "Gm",
    LengthUnit.HECTOMETER: "hm", LengthUnit.INCH: "in", LengthUnit.KILOMETER: "km", LengthUnit.MEGAMETER: "Mm",
    LengthUnit.METER: "m", LengthUnit.MICROMETER: "µm", LengthUnit.MILE: "mi", LengthUnit.MILLIMETER: "mm",
    LengthUnit.NANOMETER: "nm", LengthUnit.PARSEC: "pc", LengthUnit.PETAMETER: "Pm", LengthUnit.PICOMETER: "pm",
    LengthUnit.TERAMETER: "Tm", LengthUnit.YARD: "yd", LengthUnit.YOCTOMETER: "ym", LengthUnit.YOTTAMETER: "Ym",
    LengthUnit.ZEPTOMETER: "zm", LengthUnit.ZETTAMETER: "Zm",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RawWriter:
    """Write voxels alone: x fastest, then y, z, channels and additional axes; little-endian."""

    voxels: ExportedVoxels
    voxel_size: VoxelSize
    workers: int = 1

    def files(self) -> int:
        """Count the file and the one that describes it."""
        return 2

    def steps(self) -> list[int]:
        """Give the voxels of each slab."""
        return [slab.volume() for slab in self.voxels.slabs(EXPORT_BYTES)]

    def prepare(self, product: Path) -> Mapping[str, Any]:
        """Make the file in its full size; nothing of it takes room yet."""
        with storage_refusals(product, self.voxels.size_bytes), product.open("wb") as file:
            file.truncate(self.voxels.size_bytes)
        sync_directory(product.parent)
        return {}

    def run_step(self, product: Path, state: Mapping[str, Any], step: int) -> None:  # noqa: ARG002 -- nothing was noted
        """Write one slab."""
        shape = _plane_shape(self.voxels, rgb=False)
        planes = prod(self.voxels.shape[:-2])
        with PlaneFile(product, shape, consecutive(0, planes, shape)) as file:
            _write_slab(self.voxels, file, step, self.workers, rgb=False)

    def finish(self, product: Path, target: Path) -> None:  # noqa: ARG002 -- the description lies beside the target
        """Write down beside the target what the voxels are."""
        voxels = self.voxels
        document = {
            "dtype": voxels.dtype.name,
            "byte_order": "little",
            "order": "F",
            "axes": list(reversed(voxels.axes)),
            "shape": list(reversed(voxels.shape)),
            "mag": voxels.mag.to_layer_name(),
            "topleft_in_mag": list(voxels.box.topleft_xyz),
            "voxel_size_mag1": {"factor": list(self.voxel_size.factor), "unit": self.voxel_size.unit.value},
        }
        write_atomically(target.with_name(f"{target.name}.json"), (json.dumps(document, indent=1) + "\n").encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeTiffWriter:
    """Write an OME-TIFF: axes T, C, Z, Y, X, or RGB samples; `pyramid`: with smaller pictures of each plane (SubIFDs)."""

    voxels: ExportedVoxels
    voxel_size: VoxelSize
    layer_name: str
    mode: DownsamplingMode
    pyramid: bool
    workers: int = 1

    def __post_init__(self) -> None:
        voxels = self.voxels
        if voxels.dtype.itemsize == 8 and voxels.dtype.kind in "ui":
            raise InputError(
                f"layer {self.layer_name!r}: OME-TIFF holds no {voxels.dtype}; export it as tiff, ome-zarr or raw"
            )
        long = [axis for axis in voxels.axes[:-4] if voxels.box.get_shape(axis) > 1]
        if len(long) > 1:
            raise InputError(
                f"layer {self.layer_name!r}: OME-TIFF has one axis beside c, z, y, x, the layer has {long}"
            )

    @property
    def rgb(self) -> bool:
        """Whether pixels are colours."""
        return self.voxels.channels == 3 and self.voxels.dtype in {np.dtype("u1"), np.dtype("u2")}

    def files(self) -> int:
        """Count the file."""
        return 1

    def steps(self) -> list[int]:
        """Give the voxels of each slab, then those of groups of planes of each smaller level."""
        slabs = [slab.volume() for slab in self.voxels.slabs(EXPORT_BYTES)]
        levels = self._levels()
        planes = self._planes()
        return slabs + [
            len(range(*group)) * above.width * above.height
            for above in levels[:-1]
            for group in _groups(planes, above, EXPORT_BYTES)
        ]

    def prepare(self, product: Path) -> Mapping[str, Any]:
        """Write all headers and leave room for the pixels; note where each level begins."""
        levels = self._levels()
        total = sum(level.size_bytes for level in levels) * self._planes()
        offsets = []
        with (
            storage_refusals(product, total),
            tifffile.TiffWriter(product, ome=True, bigtiff=total > _LARGEST_CLASSIC_TIFF) as tif,
        ):
            for number, level in enumerate(levels):
                written = tif.write(
                    None,
                    shape=self._shape(level),
                    dtype=level.dtype,
                    photometric="rgb" if self.rgb else "minisblack",
                    planarconfig="contig" if self.rgb else None,
                    metadata=None if number else self._metadata(),
                    returnoffset=True,
                    **({"subfiletype": 1} if number else {"subifds": len(levels) - 1}),  # type: ignore[arg-type]
                )
                if written is None:
                    raise InputError(f"layer {self.layer_name!r}: tifffile gave no place for level {number}")
                offsets.append(written[0])
        sync_directory(product.parent)
        return {"offsets": offsets}

    def run_step(self, product: Path, state: Mapping[str, Any], step: int) -> None:
        """Write a slab of the full size, or a group of planes of a smaller level from those of the level above."""
        levels, planes = self._levels(), self._planes()
        slabs = len(self.voxels.slabs(EXPORT_BYTES))
        offsets: Sequence[int] = state["offsets"]
        if step < slabs:
            with PlaneFile(product, levels[0], consecutive(offsets[0], planes, levels[0])) as file:
                _write_slab(self.voxels, file, step, self.workers, rgb=self.rgb)
            return
        step -= slabs
        for number, (above, below) in enumerate(pairwise(levels)):
            groups = _groups(planes, above, EXPORT_BYTES)
            if step < len(groups):
                with (
                    PlaneFile(product, above, consecutive(offsets[number], planes, above)) as source,
                    PlaneFile(product, below, consecutive(offsets[number + 1], planes, below)) as target,
                ):
                    for plane in range(*groups[step]):
                        self._shrink(source, above, target, plane)
                    target.sync()
                return
            step -= len(groups)

    def finish(self, product: Path, target: Path) -> None:
        """Do nothing: the file is whole."""

    def _shrink(self, source: PlaneFile, above: PlaneShape, target: PlaneFile, plane: int) -> None:
        rows = max(1, EXPORT_BYTES // (2 * above.width * above.pixel_bytes)) * 2
        for y in range(0, above.height, rows):
            pixels = source.read_rows(plane, y, min(rows, above.height - y))
            padded = np.pad(pixels, [(0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)], mode="symmetric")
            smaller = downsample(np.ascontiguousarray(np.moveaxis(padded, -1, 0))[:, None], (1, 2, 2), self.mode)
            target.write(plane, y // 2, 0, np.moveaxis(smaller[:, 0], 0, -1))

    def _levels(self) -> list[PlaneShape]:
        levels = [_plane_shape(self.voxels, rgb=self.rgb)]
        while self.pyramid and max(levels[-1].width, levels[-1].height) > _SMALLEST_LEVEL:
            last = levels[-1]
            levels.append(replace(last, width=-(-last.width // 2), height=-(-last.height // 2)))
        return levels

    def _planes(self) -> int:
        shape = self.voxels.shape
        return prod(shape[:-2]) // (shape[-4] if self.rgb else 1)

    def _shape(self, level: PlaneShape) -> tuple[int, ...]:
        *additional, channels, depth, _, _ = self.voxels.shape
        times = prod(additional)
        if self.rgb:
            return (times, depth, level.height, level.width, 3)
        return (times, channels, depth, level.height, level.width)

    def _metadata(self) -> dict[str, Any]:
        mag = self.voxels.mag.to_tuple()
        unit = _OME_UNITS[self.voxel_size.unit]
        metadata: dict[str, Any] = {"axes": "TZYXS" if self.rgb else "TCZYX", "Name": self.layer_name}
        for axis, edge, factor in zip("XYZ", self.voxel_size.factor, mag, strict=True):
            metadata |= {f"PhysicalSize{axis}": edge * factor, f"PhysicalSize{axis}Unit": unit}
        names = [self.layer_name] if self.rgb or self.voxels.channels == 1 else self._channel_names()
        return metadata | {"Channel": {"Name": names}}

    def _channel_names(self) -> list[str]:
        return [f"{self.layer_name} {channel}" for channel in range(self.voxels.channels)]


def _plane_shape(voxels: ExportedVoxels, *, rgb: bool) -> PlaneShape:
    return PlaneShape(
        width=voxels.size.x, height=voxels.size.y, samples=voxels.channels if rgb else 1, dtype=voxels.dtype
    )


def _groups(planes: int, level: PlaneShape, limit_bytes: int) -> list[tuple[int, int]]:
    step = max(1, limit_bytes // level.size_bytes)
    return [(first, min(planes, first + step)) for first in range(0, planes, step)]


def _write_slab(voxels: ExportedVoxels, file: PlaneFile, step: int, workers: int, *, rgb: bool) -> None:
    """Read one slab band by band, and put each plane of it into its place."""
    slab = voxels.slabs(EXPORT_BYTES)[step]
    box = voxels.box
    position = 0
    for axis in box.axes[:-4]:
        first, stop = box.get_bounds(axis)
        position = position * (stop - first) + slab.get_bounds(axis)[0] - first
    depth, channels = box.get_shape("z"), 1 if rgb else voxels.channels

    def fill(band: NormalizedBoundingBox) -> None:
        pixels = voxels.read(band)
        pixels = pixels.reshape(pixels.shape[-4:])
        planes: NDArray[Any] = np.moveaxis(pixels, 0, -1)[None] if rgb else pixels
        corner = band.topleft_xyz - box.topleft_xyz
        for channel in range(channels):
            for z in range(planes.shape[1]):
                plane = (position * channels + channel) * depth + corner.z + z
                file.write(plane, corner.y, corner.x, planes[channel, z])

    over_bands(fill, voxels.bands(slab, EXPORT_BYTES // workers), workers)
    file.sync()
