"""Arrays of our own that may be changed: read through their manifest, written shard by shard."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties
from wk_assets.storage.mag_array import ArrayInfo


class ShardedArray:
    """One mag, readable and writable; what every `MagArray` offers, for Zarr v3 arrays that have a manifest."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> "ShardedArray":
        """Open the array at `path`."""
        raise NotImplementedError

    @classmethod
    def offers(cls, info: ArrayInfo) -> bool:
        """Say whether arrays of this class can have such codecs and keys."""
        raise NotImplementedError

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> "ShardedArray":
        """Make an empty array."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`."""
        raise NotImplementedError

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box (see `MagArray.read_box`)."""
        raise NotImplementedError

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store voxels (see `MagArray.write_box`)."""
        raise NotImplementedError

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end elsewhere (see `MagArray.resize`)."""
        raise NotImplementedError

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every stored shard (see `MagArray.stored_boxes`)."""
        raise NotImplementedError
