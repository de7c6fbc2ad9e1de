"""What every readable array of voxels offers, whoever wrote it. A protocol only; nothing is opened here.

`stored_array` implements it for arrays of our own (manifest checked), `foreign_array` for Zarr v3 arrays of others.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int


class VoxelArray(Protocol):
    """Read boxes of one mag. Coordinates are voxels of this mag, counted from the world's origin."""

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def size(self) -> Vec3Int:
        """The extent x, y, z of the array; it starts at the origin, so it also is its bottom right."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one channel of a voxel."""
        ...

    @property
    def chunk_shape(self) -> Vec3Int:
        """Voxels x, y, z that are decoded together."""
        ...

    @property
    def shard_shape(self) -> Vec3Int:
        """Voxels x, y, z that are stored together."""
        ...

    def read(self, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, shape (c, x, y, z). Raises GeometryError outside of the array."""
        ...
