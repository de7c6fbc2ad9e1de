"""One door to an array of voxels, ours or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.foreign_array import ForeignArray
from wk_assets.storage.manifest import MANIFEST_NAME
from wk_assets.storage.stored_array import StoredArray
from wk_assets.storage.voxel_array import VoxelArray


def open_array(path: Path, axis_order: Mapping[str, int] | None = None) -> VoxelArray:
    """Open the array at `path`: through its manifest if it has one, else as a Zarr v3 array that others wrote.

    `axis_order` is only needed for the latter (see `ForeignArray.open`). Raises NotADatasetError, PropertiesError.
    """
    if (path / MANIFEST_NAME).exists():
        return StoredArray.open(path)
    return ForeignArray.open(path, axis_order)


def read_padded(array: VoxelArray, box_in_mag: BoundingBox) -> NDArray[Any]:
    """Return the voxels of any box, shape (c, x, y, z), x fastest; where the array has no voxels, there are zeros."""
    extent = BoundingBox(Vec3Int(0, 0, 0), array.size)
    inside = box_in_mag.intersected_with(extent, dont_assert=True)
    if inside == box_in_mag and not inside.is_empty():
        return array.read(box_in_mag)
    voxels = np.zeros((array.channels, *reversed(tuple(box_in_mag.size))), array.dtype).transpose(0, 3, 2, 1)
    if not inside.is_empty():
        start = inside.topleft - box_in_mag.topleft
        stop = start + inside.size
        window = (slice(None), *(slice(low, high) for low, high in zip(start, stop, strict=True)))
        voxels[window] = array.read(inside)
    return voxels
