"""The voxels of one mag as exports want them: any box of any stored format, slowest axis first, ids mapped.

Opens arrays through `storage.open_mag_array` and reads them in bands that fit a number of bytes; writes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, NotInDatasetError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.exports.id_mapping import IdMapping
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import array_location


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedVoxels:
    """One mag of a layer, cut to a box. Arrays that come out have axes (additional ..., c, z, y, x)."""

    mag: Mag
    array: MagArray
    box: NormalizedBoundingBox  # in this mag; axes (additional ..., c, x, y, z)
    mapping: IdMapping | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, slowest first."""
        return (*self.box.axes[:-3], "z", "y", "x")

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each of `axes`."""
        return tuple(self.box.get_shape(axis) for axis in self.axes)

    @property
    def size(self) -> Vec3Int:
        """Extent x, y, z."""
        return self.box.size_xyz

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.box.get_shape("c")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one channel of a voxel as it is exported: native byte order, 64 bits where ids are mapped to such."""
        stored = self.array.info.voxel_type.newbyteorder("=")
        return stored if self.mapping is None else self.mapping.target_dtype(stored)

    @property
    def voxel_bytes(self) -> int:
        """Bytes of one voxel, all channels and all positions on additional axes."""
        return prod(self.shape[:-3]) * self.dtype.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of all voxels."""
        return prod(self.shape) * self.dtype.itemsize

    def read(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, C-contiguous. Raises what `MagArray.read_box` raises, InputError for unmapped ids."""
        voxels = self.array.read_box(box_in_mag)
        voxels = np.moveaxis(voxels, (-3, -1), (-1, -3))
        if self.mapping is not None:
            return self.mapping.apply(voxels)
        return np.ascontiguousarray(voxels, self.dtype)

    def slabs(self, limit_bytes: int) -> list[NormalizedBoundingBox]:
        """Cut the box by z, and one by one along additional axes: whole layers of chunks, as many as fit `limit_bytes`."""
        depth = self.array.info.chunk_shape.z
        layer_bytes = self.size.x * self.size.y * depth * self.channels * self.dtype.itemsize
        step = max(1, limit_bytes // layer_bytes) * depth
        return [
            single.with_bounds("z", *cut)
            for single in self._singles(self.box, self.box.axes[:-4])
            for cut in _cuts(*single.get_bounds("z"), step)
        ]

    def bands(self, slab: NormalizedBoundingBox, limit_bytes: int, multiple: int = 1) -> list[NormalizedBoundingBox]:
        """Cut a slab into rows of chunks, as many as fit `limit_bytes`, and these by columns where one is more than that.

        `multiple` 1: cuts never go through a chunk. Else they are at multiples of it, counted from the box's corner. A
        single column of chunks may be more than the limit.
        """
        chunk = self.array.info.chunk_shape
        column_bytes = slab.get_shape("z") * self.channels * self.dtype.itemsize
        edge_x, edge_y = max(chunk.x, multiple), max(chunk.y, multiple)
        columns = max(1, limit_bytes // (edge_x * edge_y * column_bytes)) * edge_x
        rows = max(1, limit_bytes // (self.size.x * edge_y * column_bytes)) * edge_y
        origin_x, origin_y = (0, 0) if multiple == 1 else self.box.topleft_xyz.to_tuple()[:2]
        whole_rows = [(self.box.topleft_xyz.x, self.size.x)]
        cuts_x = whole_rows if columns >= self.size.x else list(_cuts(*slab.get_bounds("x"), columns, origin_x))
        return [
            slab.with_bounds("y", *y).with_bounds("x", *x)
            for y in _cuts(*slab.get_bounds("y"), rows, origin_y)
            for x in cuts_x
        ]

    def _singles(self, box: NormalizedBoundingBox, axes: tuple[str, ...]) -> Iterator[NormalizedBoundingBox]:
        if not axes:
            yield box
            return
        for position in range(*box.get_bounds(axes[0])):
            yield from self._singles(box.with_bounds(axes[0], position, 1), axes[1:])


def open_voxels(
    dataset_path: Path, layer: LayerProperties, mag: Mag, box: NDBoundingBox | None, mapping: IdMapping | None = None
) -> ExportedVoxels:
    """Open one mag of a layer for export. `box` in mag-1 voxels, None: the layer's; it is aligned outward to the mag.

    Raises NotInDatasetError for a mag that the layer does not have, GeometryError for a box outside of the layer,
    NotADatasetError for an array that is not on this machine.
    """
    chosen = next((one for one in layer.mags if one.mag == mag), None)
    if chosen is None:
        there = ", ".join(one.mag.to_layer_name() for one in layer.mags) or "none"
        raise NotInDatasetError(f"layer {layer.name!r} has no mag {mag.to_layer_name()}; there are {there}")
    location = array_location(dataset_path, layer.name, mag, chosen.path)
    if location is None:
        raise NotADatasetError(
            f"mag {mag.to_layer_name()} of layer {layer.name!r} is at {chosen.path}, not on this machine"
        )
    array = open_mag_array(
        location,
        data_format=layer.data_format,
        axis_order=chosen.axis_order,
        additional_axes=layer.additional_axes or (),
        read_only=True,
    )
    wanted = export_box(layer, box).align_with_mag(mag, ceil=True).in_mag(mag)
    return ExportedVoxels(mag=mag, array=array, box=wanted, mapping=mapping)


def export_box(layer: LayerProperties, box: NDBoundingBox | None) -> NormalizedBoundingBox:
    """Return the box that is exported in mag-1 voxels, with the layer's axes; those that `box` does not name are whole."""
    whole = layer.bounding_box
    if box is None:
        return whole
    strange = [axis for axis in box.axes if axis not in whole.axes]
    if strange:
        raise GeometryError(
            f"layer {layer.name!r} has no axis {', '.join(strange)}; its axes are {', '.join(whole.axes)}"
        )
    wanted = whole
    for axis in box.axes:
        start, stop = box.get_bounds(axis)
        wanted = wanted.with_bounds(axis, start, stop - start)
    inside = wanted.intersected_with(whole, dont_assert=True)
    if wanted.is_empty() or inside.is_empty() or min(wanted.topleft_xyz) < 0:
        raise GeometryError(
            f"box {_text(wanted)} holds nothing of layer {layer.name!r}, whose box is {_text(whole)} (x,y,z,width,height,"
            f"depth in mag-1 voxels), or begins below 0"
        )
    outside = [axis for axis in whole.axes[:-3] if inside.get_bounds(axis) != wanted.get_bounds(axis)]
    if outside:
        raise GeometryError(
            f"box: axis {outside[0]} is {wanted.get_bounds(outside[0])}, layer {layer.name!r} has {whole.get_bounds(outside[0])}"
        )
    return wanted


def _text(box: NormalizedBoundingBox) -> str:
    return ",".join(str(number) for number in (*box.topleft_xyz, *box.size_xyz))


def _cuts(start: int, stop: int, step: int, origin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of pieces that end at multiples of `step`, counted from `origin`."""
    while start < stop:
        end = min(stop, origin + ((start - origin) // step + 1) * step)
        yield start, end - start
        start = end
