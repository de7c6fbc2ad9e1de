"""What lies in a dataset directory: names, sizes, mags, bytes. For people (`wk-assets info`) and for programs.

Reads metadata and directory listings, never voxels. Works for every dataset with a datasource-properties.json; what
only our own datasets know (sources, raw bytes, statistics) is None for others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class MagReport:
    """Describe one mag. `shape` in voxels x, y, z of the mag; bytes are those of the files."""

    mag: str
    path: str
    shape: tuple[int, int, int]
    shards: int | None
    stored_bytes: int | None
    raw_bytes: int
    ratio: float | None  # raw bytes per stored byte
    problem: str | None  # why the array could not be inspected


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """Describe one layer. `topleft` and `size` in mag-1 voxels x, y, z."""

    name: str
    category: str
    data_format: str
    dtype: str
    channels: int
    topleft: tuple[int, int, int]
    size: tuple[int, int, int]
    largest_segment_id: int | None
    mags: tuple[MagReport, ...]
    sources: tuple[str, ...]
    filled_slices: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """Describe a dataset. `voxel_size_source` is None where nobody wrote down where the voxel size came from."""

    name: str
    path: str
    voxel_size: tuple[float, float, float]
    unit: str
    voxel_size_source: str | None
    made_by_us: bool
    layers: tuple[LayerReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values. Segment ids beyond 2**53 - 1 become text."""
        raise NotImplementedError


def inspect_dataset(path: Path) -> DatasetReport:
    """Describe the dataset at `path`. Raises NotADatasetError, or PropertiesError when its JSON is wrong."""
    raise NotImplementedError
