"""An array that travels to other processes: by where it lies and what it is, to be opened again there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wk_assets.errors import RemoteLocationError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array

_USUAL = ("c", "x", "y", "z")


class PortableArray:
    """A `MagArray` that is pickled as its address, and opened where and when it is first used."""

    def __init__(
        self,
        path: Path,
        data_format: DataFormat,
        axis_order: dict[str, int] | None,
        additional_axes: tuple[AdditionalAxisProperties, ...],
        *,
        read_only: bool,
    ) -> None:
        self._address = (path, data_format, axis_order, additional_axes, read_only)
        self._opened: MagArray | None = None

    @classmethod
    def of(cls, array: MagArray, *, read_only: bool) -> "PortableArray":
        """Take note of where an array lies."""
        info = array.info
        order = dict(info.axis_order)
        extra = tuple(
            AdditionalAxisProperties(name=axis, bounds=info.box.get_bounds(axis), index=order.get(axis, number))
            for number, axis in enumerate(info.box.axes)
            if axis not in _USUAL
        )
        usual = {axis: index for axis, index in order.items() if axis in _USUAL}
        here = array.path.is_dir()
        portable = cls(
            array.path.resolve() if here else array.path, info.data_format, usual or None, extra, read_only=read_only
        )
        if not here:  # on a server: threads use it as it is
            portable._opened = array
        return portable

    def __getstate__(self) -> dict[str, Any]:
        if self._opened is not None and not self.path.is_dir():
            raise RemoteLocationError(
                f"{self.path} is on a server and can not travel to other processes; leave out the executor, or take threads"
            )
        return {"_address": self._address, "_opened": None}

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._address[0]

    @property
    def info(self) -> ArrayInfo:
        """What the array is."""
        return self._array.info

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Read as the array does."""
        return self._array.read_box(box_in_mag)

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Write as the array does."""
        self._array.write_box(box_in_mag, voxels)

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Resize as the array does."""
        self._array.resize(box_in_mag)

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield what the array does."""
        return self._array.stored_boxes()

    @property
    def _array(self) -> MagArray:
        if self._opened is None:
            path, data_format, axis_order, additional_axes, read_only = self._address
            self._opened = open_mag_array(
                path,
                data_format=data_format,
                axis_order=axis_order,
                additional_axes=additional_axes,
                read_only=read_only,
            )
        return self._opened
