"""Arrays in Zarr v2: one file per chunk."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties
from wk_assets.storage.mag_array import ArrayInfo


class Zarr2Array:
    """Read and write one mag in Zarr v2."""

    @property
    def path(self) -> Path:
        """The array's directory."""
        raise NotImplementedError

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`."""
        raise NotImplementedError

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> Self:
        """Open the array in the directory `path`."""
        raise NotImplementedError

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> Self:
        """Make the empty array that `info` describes in the directory `path`."""
        raise NotImplementedError

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box."""
        raise NotImplementedError

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store voxels."""
        raise NotImplementedError

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end at the far corner of another box."""
        raise NotImplementedError

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every shard that is stored."""
        raise NotImplementedError
