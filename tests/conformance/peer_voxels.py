"""Voxels that depend on a layer's description only: the peer's program and our tests make the same. Needs numpy, no more."""

import hashlib
from typing import Any

import numpy as np

SIZE = (70, 41, 33)
CORNER = (5, 6, 7)


def voxels_of(wanted: dict[str, Any]) -> Any:
    """Make voxels that depend on the layer only: c, x, y, z, or t, c, x, y, z."""
    shape: tuple[int, ...] = (wanted["channels"], *SIZE)
    if wanted["times"]:
        shape = (wanted["times"], *shape)
    dtype = np.dtype(wanted["dtype"])
    generator = np.random.default_rng(len(wanted["name"]))
    if dtype.kind == "f":
        return generator.normal(0, 100, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def digest(voxels: Any) -> str:
    """Give the SHA-256 of an array, its last axis fastest."""
    ordered = np.ascontiguousarray(voxels)
    return hashlib.sha256(ordered.astype(ordered.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()
