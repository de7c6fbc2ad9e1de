"""Selections, volumes and readings that the readers' tests share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.readers.volume import SourceSelection, VolumeReader


def select(root: Path, files: Iterable[Path] | None = None, **settings: Any) -> SourceSelection:
    """Select files of a folder, all of them by default."""
    chosen = sorted(path for path in root.rglob("*") if path.is_file()) if files is None else files
    return SourceSelection(root=root, files=tuple(chosen), **settings)


def volume(dtype: str, shape: tuple[int, ...] = (5, 37, 53)) -> NDArray[Any]:
    """Make voxels (z, y, x[, 3]) that differ everywhere, over the dtype's whole range."""
    random = np.random.default_rng(shape)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    limits = np.iinfo(kind)
    return random.integers(limits.min, limits.max, size=shape, dtype=kind, endpoint=True)


def smooth_volume(shape: tuple[int, ...] = (5, 64, 80)) -> NDArray[Any]:
    """Make uint8 voxels that lossy compression keeps nearly as they are."""
    grid = np.indices(shape[:3]).sum(axis=0)
    waves: NDArray[Any] = 128 + 100 * np.sin(grid / 12)
    return waves.astype("u1")


def read_all(reader: VolumeReader) -> NDArray[Any]:
    """Read every slice into (c, z, y, x)."""
    described = reader.description
    size = described.size
    out = np.full((described.channels, size.z, size.y, size.x), 77, described.dtype)
    for z in range(size.z):
        reader.read_slice(z, out[:, z])
    return out
