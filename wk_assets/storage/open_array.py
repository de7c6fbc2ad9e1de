"""One door to an array of voxels, ours or not."""

from collections.abc import Mapping
from pathlib import Path

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
