"""Read or write a view slice by slice, a shard's worth at a time: what comes in slices is stored in shards.

Memory: `buffer_size` slices of the region, twice while they are written.
"""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.dataset.view_region import without_extra_axes
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.storage.mag_array import ArrayInfo

_AXES = ("x", "y", "z")
_log = logging.getLogger(__name__)


class SlicedView(Protocol):
    """What is read or written: a view."""

    @property
    def mag(self) -> Mag:
        """The mag of the slices."""
        ...

    @property
    def info(self) -> ArrayInfo:
        """How the array is cut."""
        ...

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The region, in mag-1 voxels."""
        ...

    def read(self, *, absolute_bounding_box: NDBoundingBox | None = None) -> NDArray[Any]:
        """Read a box."""
        ...

    def write(
        self,
        data: NDArray[Any],
        *,
        allow_unaligned: bool = False,
        absolute_bounding_box: NDBoundingBox | None = None,
    ) -> None:
        """Write a box."""
        ...


class BufferedSliceReader:
    """Yield the slices of a view: `with view.get_buffered_slice_reader() as reader: for slice in reader: …`."""

    def __init__(
        self, view: SlicedView, dimension: str | int, buffer_size: int | None, *, use_logging: bool = False
    ) -> None:
        self._view = view
        self._axis = _axis(dimension)
        self._buffer_size = _buffer_size(view, self._axis, buffer_size)
        self._use_logging = use_logging

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def __iter__(self) -> Iterator[NDArray[Any]]:
        box = self._view.normalized_bounding_box.in_mag(self._view.mag)
        first, last = box.get_bounds(self._axis)
        for start, stop in _batches(first, last, self._buffer_size):
            part = box.with_bounds(self._axis, start, stop - start).from_mag_to_mag1(self._view.mag)
            if self._use_logging:
                _log.info("reading slices %d to %d along %s of %s", start, stop, self._axis, self._view)
            voxels = without_extra_axes(self._view.read(absolute_bounding_box=part), box.axes)
            yield from np.moveaxis(voxels, 1 + _AXES.index(self._axis), 0)


class BufferedSliceWriter:
    """Take the slices of a region one by one: `with view.get_buffered_slice_writer() as writer: writer.send(slice)`.

    A slice has the two other axes in the order x, y, z, and a channel axis before them if it has one. Smaller slices are
    filled up with zeros to the largest of their batch. What is left is written at the end of the block, unless it ends with
    an error. Raises GeometryError for slices beyond the region.
    """

    def __init__(
        self,
        view: SlicedView,
        region: NormalizedBoundingBox,
        dimension: str | int,
        buffer_size: int | None,
        *,
        use_logging: bool = False,
        allow_unaligned: bool = False,
    ) -> None:
        for axis in region.axes[:-4]:
            if region.get_shape(axis) != 1:
                raise GeometryError(f"slices are written for one position along {axis}; name it with a bounding box")
        self._view = view
        self._region = region.in_mag(view.mag)
        self._axis = _axis(dimension)
        self._buffer_size = _buffer_size(view, self._axis, buffer_size)
        self._use_logging = use_logging
        self._allow_unaligned = allow_unaligned
        self._position = self._region.topleft.get(self._axis)
        self._slices: list[NDArray[Any]] = []

    def send(self, value: NDArray[Any]) -> None:
        """Take the next slice. The array may be reused by the caller."""
        single = self._region.get_shape("c") == 1
        if value.ndim == 2 and single:
            value = value[np.newaxis]
        if value.ndim != 3 or value.shape[0] != self._region.get_shape("c"):
            raise GeometryError(
                f"a slice of shape {value.shape} does not fit {self._region.get_shape('c')} channels and two axes"
            )
        self._slices.append(np.array(value))
        filled = self._position + len(self._slices)
        if filled % self._buffer_size == 0:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()

    def _flush(self) -> None:
        if not self._slices:
            return
        largest = [max(lengths) for lengths in zip(*(one.shape for one in self._slices), strict=True)]
        batch = np.zeros((len(self._slices), *largest), np.result_type(*self._slices))
        for place, one in zip(batch, self._slices, strict=True):
            place[tuple(slice(length) for length in one.shape)] = one
        voxels = np.moveaxis(batch, 0, 1 + _AXES.index(self._axis))
        corner = self._region.topleft.with_replaced(self._axis, self._position)
        box = self._region.with_topleft(corner)
        for axis, length in zip(_AXES, voxels.shape[1:], strict=True):
            box = box.with_bounds(axis, None, length)
        if not self._region.contains_bbox(box):
            raise GeometryError(
                f"slices {self._position} to {self._position + len(self._slices)} along {self._axis} of shape "
                f"{tuple(largest[1:])} reach beyond the region {self._region} (voxels of mag {self._view.mag})"
            )
        if self._use_logging:
            _log.info("writing %d slices from %d along %s of %s", len(batch), self._position, self._axis, self._view)
        extra = (np.newaxis,) * (len(self._region.axes) - 4)
        self._view.write(
            voxels[extra],
            allow_unaligned=self._allow_unaligned,
            absolute_bounding_box=box.from_mag_to_mag1(self._view.mag),
        )
        self._position += len(self._slices)
        self._slices = []


def _axis(dimension: str | int) -> str:
    if isinstance(dimension, int) and 0 <= dimension < 3:
        return _AXES[dimension]
    if dimension in _AXES:
        return str(dimension)
    raise GeometryError(f"dimension {dimension!r}: slices are cut along x, y or z (0, 1 or 2)")


def _buffer_size(view: SlicedView, axis: str, buffer_size: int | None) -> int:
    if buffer_size is None:
        return view.info.shard_shape.get(axis)
    if buffer_size < 1:
        raise GeometryError(f"buffer_size is {buffer_size}; buffer at least one slice")
    return buffer_size


def _batches(first: int, last: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a range at multiples of `length`, so that a batch never touches a shard that another one has read."""
    start = first
    while start < last:
        stop = min(last, (start // length + 1) * length)
        yield start, stop
        start = stop
