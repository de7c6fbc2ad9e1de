"""One mag of a layer on disk, in any format: what every implementation offers. Protocols and values; nothing is opened here.

Doors: `open_mag_array` finds the implementation of what lies at a path, `create_mag_array` makes a new, empty array.
All coordinates are voxels of the array's own mag, counted from the world's origin: arrays start there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Zarr3Config:
    """Choose how the chunks of a Zarr v3 array are encoded, where `compress=True` is not enough.

    `codecs`: the inner chunks' codecs as in `zarr.json` (None: zstd with the default level); `chunk_key_encoding`: as in
    `zarr.json` (None: `default` with "/").
    """

    codecs: tuple[Mapping[str, Any], ...] | None = None
    chunk_key_encoding: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayInfo:
    """Describe an array. Shapes in voxels x, y, z.

    `box`: from the origin to the far corner, with axes (additional ..., c, x, y, z); arrays of formats whose shapes are
    rounded up say so here. `voxel_type`: of one channel. `axis_order`: the dimension of the stored array at which each
    axis stands, as in datasource-properties.json.
    """

    data_format: DataFormat
    voxel_type: np.dtype[Any]
    box: NormalizedBoundingBox
    chunk_shape: Vec3Int
    shard_shape: Vec3Int
    compression_mode: bool | Zarr3Config = True
    axis_order: Mapping[str, int] = field(default_factory=dict)

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self.box.get_shape("c")

    @property
    def bounding_box(self) -> NormalizedBoundingBox:
        """The box, as the reference of the object interface calls it."""
        return self.box

    @property
    def data_type(self) -> np.dtype[Any]:
        """The voxel type, as examples of the reference call it."""
        return self.voxel_type

    @property
    def chunks_per_shard(self) -> Vec3Int:
        """Number of chunks of a shard along x, y, z."""
        return self.shard_shape // self.chunk_shape

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """Axes of `box`: additional ones, then c, x, y, z."""
        return tuple(self.box.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each of `dimension_names`."""
        return tuple(self.box.size)


class MagArray(Protocol):
    """Read and write boxes of one mag. Safe to share between threads; several processes may open the same array."""

    @property
    def path(self) -> Path:
        """The array's directory."""
        ...

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`."""
        ...

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box with the axes of `info.box`, all channels or some, in that order of axes.

        Where nothing is stored there are zeros, beyond the array's far corner too. Raises GeometryError for a box of
        other axes or below the origin, ShardMissingError and ShardCorruptError where the format can tell.
        """
        ...

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store voxels, shape and axes of the box, dtype of the array; any box inside of the array, aligned or not.

        A shard is replaced as a whole and at once; what lies in it beside the box is kept, also when other threads and
        processes write the same shard at the same time (they wait for one another). A chunk of zeros is not stored.
        Raises GeometryError for a box that leaves the array, ReadOnlyError for formats that can only be read, StorageError.
        """
        ...

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end at the far corner of another box (rounded up as the format does); no voxel is touched."""
        ...

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every shard that is stored, cut to the array, in a fixed order."""
        ...
