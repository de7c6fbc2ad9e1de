"""Read Zarr v3 arrays that other tools wrote, through zarr-python. Nothing of ours proves that a shard is there.

For arrays of our own use `stored_array`, which knows from the manifest what must exist.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

_AXES = ("c", "x", "y", "z")


class ForeignArray:
    """Offer one mag as voxels, whatever the order of its axes. A chunk that is not stored reads as the fill value."""

    def __init__(self, path: Path, array: Any, order: Mapping[str, int]) -> None:
        self.path = path
        self._array = array
        self._order = dict(order)

    @classmethod
    def open(cls, path: Path, axis_order: Mapping[str, int] | None = None) -> "ForeignArray":
        """Open the array in the directory `path`.

        `axis_order` says at which dimension `c` (optional), `x`, `y`, `z` stand, as in datasource-properties.json;
        None: the array's own dimension names. Raises NotADatasetError, and PropertiesError for axes that nobody names
        or that are none of the four.
        """
        try:
            document = json.loads((path / "zarr.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotADatasetError(f"{path} holds no Zarr v3 array: there is no zarr.json") from error
        except ValueError as error:
            raise PropertiesError(f"{path / 'zarr.json'}: not JSON ({error})") from error
        if not isinstance(document, dict) or document.get("node_type") != "array":
            raise NotADatasetError(f"{path} holds no Zarr v3 array: its zarr.json describes something else")
        names = document.get("dimension_names")
        order = axis_order or ({str(name): place for place, name in enumerate(names)} if names else {})
        # here, not above: zarr takes half a second to import, and arrays of our own do not need it
        import zarr

        try:
            array = zarr.open_array(str(path), mode="r", zarr_format=3)
        except (ValueError, KeyError, TypeError, NotImplementedError) as error:
            raise PropertiesError(f"{path / 'zarr.json'}: zarr-python can not read this array ({error})") from error
        if not {"x", "y", "z"} <= set(order) <= set(_AXES) or sorted(order.values()) != list(range(array.ndim)):
            raise PropertiesError(
                f"{path}: the axes of an array of shape {tuple(array.shape)} are given as {dict(order)}; "
                "x, y, z and at most c must each have a dimension"
            )
        return cls(path, array, order)

    @property
    def channels(self) -> int:
        """Extent of the channel axis; 1 if there is none."""
        return int(self._array.shape[self._order["c"]]) if "c" in self._order else 1

    @property
    def size(self) -> Vec3Int:
        """Extent x, y, z of the array, which starts at the world's origin."""
        return self._xyz(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one channel of a voxel."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    @property
    def chunk_shape(self) -> Vec3Int:
        """Voxels x, y, z that are compressed together."""
        return self._xyz(self._array.chunks)

    @property
    def shard_shape(self) -> Vec3Int:
        """Voxels x, y, z that one file holds."""
        return self._xyz(self._array.shards or self._array.chunks)

    def read(self, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, shape (c, x, y, z). Raises GeometryError if the box leaves the array."""
        start, stop = box_in_mag.topleft, box_in_mag.bottomright
        if min(start) < 0 or any(far > limit for far, limit in zip(stop, self.size, strict=True)):
            raise GeometryError(
                f"box {tuple(start)}..{tuple(stop)} leaves {self.path}, which ends at {tuple(self.size)}"
            )
        window: list[slice] = [slice(None)] * self._array.ndim
        for position, axis in enumerate("xyz"):
            window[self._order[axis]] = slice(start[position], stop[position])
        voxels = np.asarray(self._array[tuple(window)])
        if "c" not in self._order:
            return voxels.transpose([self._order[axis] for axis in "xyz"])[np.newaxis]
        return voxels.transpose([self._order[axis] for axis in _AXES])

    def _xyz(self, shape: tuple[int, ...]) -> Vec3Int:
        return Vec3Int(*(int(shape[self._order[axis]]) for axis in "xyz"))
