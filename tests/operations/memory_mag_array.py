"""A mag in memory that behaves like one on disk: boxes read and written, beyond its end zeros; remembers what was asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.mag_array import ArrayInfo


class MemoryMagArray:
    """A `MagArray` of any axes (additional ..., c, x, y, z)."""

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: str,
        *,
        axes: tuple[str, ...] = ("c", "x", "y", "z"),
        chunk: int = 8,
        shard: int = 16,
    ) -> None:
        self.voxels = np.zeros(shape, dtype)
        self.info = ArrayInfo(
            data_format=DataFormat.Zarr3,
            voxel_type=np.dtype(dtype),
            box=NormalizedBoundingBox([0] * len(shape), shape, axes),
            chunk_shape=Vec3Int.full(chunk),
            shard_shape=Vec3Int.full(shard),
        )
        self.written: list[NormalizedBoundingBox] = []
        self.largest_read = 0
        self.path = Path("memory")

    @classmethod
    def of(cls, voxels: NDArray[Any], *, topleft: tuple[int, int, int] = (0, 0, 0), **kinds: Any) -> "MemoryMagArray":
        """Hold voxels (..., c, x, y, z) whose first one lies at `topleft`."""
        *leading, width, height, depth = voxels.shape
        x, y, z = topleft
        array = cls((*leading, x + width, y + height, z + depth), voxels.dtype.name, **kinds)
        array.voxels[..., x:, y:, z:] = voxels
        return array

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        out = np.zeros(tuple(box_in_mag.size), self.voxels.dtype)
        inside = box_in_mag.intersected_with(self.info.box, dont_assert=True)
        self.largest_read = max(self.largest_read, out.nbytes)
        if min(box_in_mag.topleft) < 0:
            raise GeometryError(f"{box_in_mag} is below the origin")
        if not inside.is_empty():
            out[inside.offset(box_in_mag.topleft * -1).to_slices()] = self.voxels[inside.to_slices()]
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        if not self.info.box.contains_bbox(box_in_mag) or voxels.shape != tuple(box_in_mag.size):
            raise GeometryError(f"{box_in_mag} does not fit {self.info.box} and {voxels.shape}")
        assert voxels.dtype == self.voxels.dtype
        self.written.append(box_in_mag)
        self.voxels[box_in_mag.to_slices()] = voxels

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        raise NotImplementedError(f"{self} has a fixed size, {box_in_mag}")

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        yield self.info.box
