"""Read Zarr v3 arrays that other tools wrote, as voxels (c, x, y, z). Nothing of ours proves that a shard is there.

For arrays of our own use `stored_array`, which knows from the manifest what must exist.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array


class ForeignArray:
    """Offer one mag as voxels, whatever the order of its axes. A chunk that is not stored reads as the fill value."""

    def __init__(self, array: MagArray) -> None:
        self.path = array.path
        self._array = array

    @classmethod
    def open(cls, path: Path, axis_order: Mapping[str, int] | None = None) -> "ForeignArray":
        """Open the array in the directory `path`.

        `axis_order` says at which dimension `c` (optional), `x`, `y`, `z` stand, as in datasource-properties.json;
        None: the array's own dimension names. Raises NotADatasetError, and PropertiesError for axes that nobody names
        or that are none of the four.
        """
        array = open_mag_array(path, data_format=DataFormat.Zarr3, axis_order=axis_order, read_only=True)
        axes = array.info.dimension_names
        if len(axes) != 4:
            raise PropertiesError(f"{path}: the axes are {', '.join(axes)}; only c, x, y, z can be read here")
        return cls(array)

    @property
    def _info(self) -> ArrayInfo:
        return self._array.info

    @property
    def channels(self) -> int:
        """Extent of the channel axis; 1 if there is none."""
        return self._info.num_channels

    @property
    def size(self) -> Vec3Int:
        """Extent x, y, z of the array, which starts at the world's origin."""
        return self._info.box.size_xyz

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one channel of a voxel."""
        return self._info.voxel_type

    @property
    def chunk_shape(self) -> Vec3Int:
        """Voxels x, y, z that are compressed together."""
        return self._info.chunk_shape

    @property
    def shard_shape(self) -> Vec3Int:
        """Voxels x, y, z that one file holds."""
        return self._info.shard_shape

    def read(self, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, shape (c, x, y, z). Raises GeometryError if the box leaves the array."""
        start, stop = box_in_mag.topleft, box_in_mag.bottomright
        if min(start) < 0 or any(far > limit for far, limit in zip(stop, self.size, strict=True)):
            raise GeometryError(
                f"box {tuple(start)}..{tuple(stop)} leaves {self.path}, which ends at {tuple(self.size)}"
            )
        return self._array.read_box(box_in_mag.normalize_axes(self.channels))
