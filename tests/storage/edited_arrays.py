"""Small arrays to be edited, and a look at them as `verify` looks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.manifest import Manifest, damaged_shards
from wk_assets.storage.shard import checksum_of
from wk_assets.storage.sharded_array import ShardedArray

OME = {"c": 0, "z": 1, "y": 2, "x": 3}
SIZE = (20, 18, 9)
FIRST = "c/0/0/0/0"


def box(topleft: Sequence[int], size: Sequence[int]) -> NormalizedBoundingBox:
    return NormalizedBoundingBox((0, *topleft), (1, *size), ("c", "x", "y", "z"))


WHOLE = box((0, 0, 0), SIZE)
WITHIN = box((3, 2, 1), (2, 3, 2))  # in the first chunk of the first shard


def described(**changes: Any) -> ArrayInfo:
    settings: dict[str, Any] = {
        "data_format": DataFormat.Zarr3,
        "voxel_type": np.dtype("uint16"),
        "box": WHOLE,
        "chunk_shape": Vec3Int(4, 4, 4),
        "shard_shape": Vec3Int(8, 8, 8),
    }
    return ArrayInfo(**settings | changes)


def voxels_of(size: Sequence[int] = SIZE, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(1, 60_000, (1, *size)).astype("uint16")


def full_array(path: Path) -> ShardedArray:
    """Make an array full of voxels other than 0."""
    made = ShardedArray.create(path, described())
    made.write_box(WHOLE, voxels_of())
    return made


def reopened(array: ShardedArray) -> ShardedArray:
    return ShardedArray.open(array.path)


def damages(array: ShardedArray) -> list[str]:
    """Look at all shards as `verify` does."""
    manifest = Manifest.load(array.path)
    found = damaged_shards(array.path, manifest)
    for shard in manifest.shards:
        path = array.path / shard.key
        if path.exists() and checksum_of(path) != (shard.size_bytes, shard.crc32c):
            found.append(f"{shard.key}: other bytes")
    return found
