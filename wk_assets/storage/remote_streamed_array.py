"""An array that a server streams as Zarr v2, chunk by chunk: read only. How a file is fetched, its owner says.

Source: the data store answers `.zarray` and chunks like `0.3.0.7`: 32³ voxels, not compressed, Fortran order, shapes from the
origin to the end of the layer's box. A chunk that it does not have (404) is background.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

from numpy.typing import NDArray

from wk_assets.errors import NotADatasetError, ReadOnlyError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import ArrayAxes, new_voxels
from wk_assets.storage.concurrent_fetches import concurrent_fetches
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.mag_box import check_box, window_of
from wk_assets.storage.zarr2_chunk import Zarr2ChunkCodec
from wk_assets.storage.zarr2_metadata import Zarr2Metadata

METADATA_NAME = ".zarray"
# A chunk of 32³ takes as long as the way to the server and back: several are asked for at once.
_AT_ONCE = 16

FetchFile = Callable[[str], bytes | None]  # a file of the array by its name; None: there is none


class RemoteStreamedArray:
    """Read one mag of a layer as a server streams it. Safe to share between threads.

    Memory: the voxels that are asked for, and as many chunks as are under way at once.
    """

    def __init__(self, place: str, fetch: FetchFile, metadata: Zarr2Metadata, axes: ArrayAxes) -> None:
        self._place, self._fetch, self._metadata, self._axes = place, fetch, metadata, axes
        self._codec = Zarr2ChunkCodec(metadata, place)
        self._dtype = metadata.dtype.newbyteorder("=")

    @classmethod
    def open(
        cls,
        place: str,
        fetch: FetchFile,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
    ) -> Self:
        """Ask for the array's metadata; `place` names it in errors, without secrets.

        Raises NotADatasetError if the server has no such array, PropertiesError for metadata that can not be understood, and
        what `fetch` raises.
        """
        data = fetch(METADATA_NAME)
        if data is None:
            raise NotADatasetError(
                f"{place}: the server has no array there; reload the dataset, its mags may be others"
            )
        metadata = Zarr2Metadata.parse(data, f"{place}/{METADATA_NAME}")
        return cls(place, fetch, metadata, ArrayAxes.of(place, len(metadata.shape), axis_order, additional_axes))

    @property
    def path(self) -> Path:
        """What names the array in errors; nothing lies there on this machine."""
        return Path(self._place)

    @property
    def info(self) -> ArrayInfo:
        """What the array is, as the server streams it."""
        chunk = self._axes.xyz(self._metadata.chunks)
        return ArrayInfo(
            data_format=DataFormat.Zarr,
            voxel_type=self._dtype,
            box=self._axes.box(self._metadata.shape),
            chunk_shape=chunk,
            shard_shape=chunk,
            compression_mode=self._metadata.compressor is not None,
            axis_order=self._axes.axis_order,
        )

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box with its axes, x contiguous; zeros where the server has no chunk, and beyond the array.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError for a chunk of another length than
        its shape, and what fetching raises: an error of the server never reads as zeros.
        """
        check_box(self.path, self.info, box_in_mag)
        out = new_voxels(box_in_mag, self._dtype)
        inside = box_in_mag.intersected_with(self._axes.box(self._metadata.shape), dont_assert=True)
        if inside.is_empty():
            return out
        target = self._axes.as_stored(out[window_of(inside, box_in_mag)])
        start, stop = self._axes.start(inside), self._axes.stop(inside)
        for index, stored in concurrent_fetches(self._fetched, self._cells(start, stop), at_once=_AT_ONCE):
            corner = [place * length for place, length in zip(index, self._metadata.chunks, strict=True)]
            ends = [a + length for a, length in zip(corner, self._metadata.chunks, strict=True)]
            here = tuple(
                slice(max(a, first) - first, min(b, last) - first)
                for a, b, first, last in zip(corner, ends, start, stop, strict=True)
            )
            if stored is None:
                target[here] = self._metadata.fill_value
                continue
            there = tuple(
                slice(max(a, first) - a, min(b, last) - a)
                for a, b, first, last in zip(corner, ends, start, stop, strict=True)
            )
            target[here] = self._codec.decode(stored, f"{self._place}/{self._metadata.key(index)}")[there]
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:  # noqa: ARG002  # as every array
        """Raise ReadOnlyError."""
        self._refuse()

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every chunk, cut to the array: the server does not tell which of them are stored."""
        shape, chunks = self._metadata.shape, self._metadata.chunks
        for index in self._cells([0] * len(shape), shape):
            start = [place * length for place, length in zip(index, chunks, strict=True)]
            stop = [min(a + length, end) for a, length, end in zip(start, chunks, shape, strict=True)]
            yield self._axes.box_between(start, stop)

    def _cells(self, start: Sequence[int], stop: Sequence[int]) -> Iterator[tuple[int, ...]]:
        chunks = self._metadata.chunks
        return itertools.product(
            *(range(a // length, math.ceil(b / length)) for a, b, length in zip(start, stop, chunks, strict=True))
        )

    def _fetched(self, index: tuple[int, ...]) -> tuple[tuple[int, ...], bytes | None]:
        return index, self._fetch(self._metadata.key(index))

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            f"{self._place}: voxels on a server are only read; send a new mag, or let people paint in an annotation"
        )
