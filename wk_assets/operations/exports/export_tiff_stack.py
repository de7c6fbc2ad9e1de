"""A layer as one TIFF per slice, or per tile of a slice: not compressed, as every program reads it.

Channels are samples of a pixel: three of uint8 or uint16 are RGB, others are plain samples.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.exports.export_request import EXPORT_BYTES, SliceNames
from wk_assets.operations.exports.export_writer import over_bands
from wk_assets.operations.exports.exported_voxels import ExportedVoxels
from wk_assets.operations.exports.plane_files import PlaneFile, PlaneShape
from wk_assets.storage.durable import PARTIAL_SUFFIX, make_directory, storage_refusals, sync_directory, sync_file

_SYNC_THREADS = 8  # waiting for a disk, not for a core


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffStackWriter:
    """Write slices. `tile` (columns, rows) of a file in pixels of the written image, None: whole slices."""

    voxels: ExportedVoxels
    voxel_size: VoxelSize
    names: SliceNames
    mode: DownsamplingMode
    downsample: int = 1
    tile: tuple[int, int] | None = None
    workers: int = 1

    @property
    def image(self) -> tuple[int, int]:
        """Width and height of a slice as it is written."""
        return -(-self.voxels.size.x // self.downsample), -(-self.voxels.size.y // self.downsample)

    @property
    def rgb(self) -> bool:
        """Whether pixels are colours."""
        return self.voxels.channels == 3 and self.voxels.dtype in {np.dtype("u1"), np.dtype("u2")}

    def files(self) -> int:
        """Count the files: slices, times tiles."""
        box = self.voxels.box
        slices = prod(box.get_shape(axis) for axis in box.axes if axis not in {"c", "x", "y"})
        columns, rows = self._grid()
        return slices * (len(columns) - 1) * (len(rows) - 1)

    def steps(self) -> list[int]:
        """Give the voxels of each slab."""
        return [slab.volume() for slab in self._slabs()]

    def prepare(self, product: Path) -> Mapping[str, Any]:
        """Make the folder."""
        make_directory(product)
        return {}

    def run_step(self, product: Path, state: Mapping[str, Any], step: int) -> None:  # noqa: ARG002 -- nothing was noted
        """Write the slices of one slab under hidden names, sync them, and give them their names."""
        slab = self._slabs()[step]
        parts = {one.final: one for z in range(*slab.get_bounds("z")) for one in self._parts(product, slab, z)}
        for one in parts.values():
            self._create(one)

        def fill(band: NormalizedBoundingBox) -> None:
            self._fill(product, band)

        bands = self.voxels.bands(slab, EXPORT_BYTES // self.workers, self.downsample)
        over_bands(fill, bands, self.workers)
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            list(pool.map(lambda one: sync_file(one.partial), parts.values()))
        for one in parts.values():
            with storage_refusals(one.final):
                one.partial.replace(one.final)
        for folder in {one.final.parent for one in parts.values()}:
            sync_directory(folder)

    def finish(self, product: Path, target: Path) -> None:
        """Do nothing: all files have their names."""

    # ------------------------------------------------------------------ names and places

    def _slabs(self) -> list[NormalizedBoundingBox]:
        return self.voxels.slabs(EXPORT_BYTES)

    def _grid(self) -> tuple[list[int], list[int]]:
        """Where tiles begin and end, columns and rows."""
        width, height = self.image
        columns, rows = self.tile or (width, height)
        return [*range(0, width, columns), width], [*range(0, height, rows), height]

    def _parts(self, product: Path, slab: NormalizedBoundingBox, z: int) -> "Iterator[_Part]":
        stem = self._stem(slab, z)
        columns, rows = self._grid()
        for row, (top, bottom) in enumerate(pairwise(rows), 1):
            for column, (left, right) in enumerate(pairwise(columns), 1):
                final = product / f"{stem}.tiff" if self.tile is None else product / stem / f"{row}" / f"{column}.tiff"
                shape = PlaneShape(
                    width=right - left, height=bottom - top, samples=self.voxels.channels, dtype=self.voxels.dtype
                )
                yield _Part(final=final, left=left, top=top, shape=shape)

    def _stem(self, slab: NormalizedBoundingBox, z: int) -> str:
        where = "".join(
            f"{axis}{slab.get_bounds(axis)[0]:0{len(str(self.voxels.box.get_bounds(axis)[1] - 1))}d}_"
            for axis in slab.axes[:-4]
        )
        first, stop = self.voxels.box.get_bounds("z")
        if self.names.digits is None:
            return f"{self.names.prefix}{where}{z:0{len(str(stop - 1))}d}"
        return f"{self.names.prefix}{where}{z - first:0{self.names.digits}d}"

    # ------------------------------------------------------------------ pixels

    def _create(self, part: "_Part") -> None:
        make_directory(part.final.parent)
        mag = self.voxels.mag.to_vec3_int()
        nanometers = [
            edge * factor * self.downsample for edge, factor in zip(self.voxel_size.to_nanometer(), mag, strict=True)
        ]
        shape = part.shape
        with (
            storage_refusals(part.partial, shape.size_bytes),
            tifffile.TiffWriter(part.partial, bigtiff=shape.size_bytes > 4_000_000_000) as tif,
        ):
            tif.write(
                None,
                shape=(shape.height, shape.width) + ((shape.samples,) if shape.samples > 1 else ()),
                dtype=shape.dtype,
                photometric="rgb" if self.rgb else "minisblack",
                planarconfig="contig" if shape.samples > 1 else None,
                resolution=(1e7 / nanometers[0], 1e7 / nanometers[1]),
                resolutionunit="CENTIMETER",
                metadata=None,
                software="wk-assets",
            )

    def _fill(self, product: Path, band: NormalizedBoundingBox) -> None:
        pixels = self._pixels(band)
        corner = self.voxels.box.topleft_xyz
        left = (band.topleft_xyz.x - corner.x) // self.downsample
        top = (band.topleft_xyz.y - corner.y) // self.downsample
        height, width = pixels.shape[1:3]
        for index, z in enumerate(range(*band.get_bounds("z"))):
            for part in self._parts(product, band, z):
                y0, y1 = max(top, part.top), min(top + height, part.top + part.shape.height)
                x0, x1 = max(left, part.left), min(left + width, part.left + part.shape.width)
                if y0 >= y1 or x0 >= x1:
                    continue
                with PlaneFile(part.partial, part.shape, [part.pixels_offset()]) as file:
                    file.write(
                        0, y0 - part.top, x0 - part.left, pixels[index, y0 - top : y1 - top, x0 - left : x1 - left]
                    )

    def _pixels(self, band: NormalizedBoundingBox) -> NDArray[Any]:
        """Read a band as (z, y, x, samples), made smaller."""
        voxels = self.voxels.read(band)
        voxels = voxels.reshape(voxels.shape[-4:])
        factor = self.downsample
        if factor > 1:
            # the border is mirrored, as everywhere where blocks become voxels
            height, width = band.get_shape("y"), band.get_shape("x")
            missing = [(0, 0), (0, 0), (0, -height % factor), (0, -width % factor)]
            padded = np.pad(voxels, missing, mode="symmetric")
            voxels = downsample(padded, (1, factor, factor), self.mode)
        return np.moveaxis(voxels, 0, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One file: a slice or a tile of it, with its first pixel in the written image."""

    final: Path
    left: int
    top: int
    shape: PlaneShape

    @property
    def partial(self) -> Path:
        """Where the file lies until its slab is whole."""
        return self.final.with_name(f".{self.final.name}{PARTIAL_SUFFIX}")

    def pixels_offset(self) -> int:
        """Find the pixels: they are the end of the file, for its header is written first, and nothing follows."""
        return self.partial.stat().st_size - self.shape.size_bytes
