"""Zarr v3 arrays without a manifest: written by others, or with codecs and keys that our own arrays do not have.

Any order of axes, sharded or not, any codec that zarr-python knows, keys with "/" or ".", also in the manner of Zarr v2.
Nothing proves that a shard is there: one that is lost reads as the fill value. Writers of one file take turns, as those of
our own arrays do; each file is replaced at once.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import LocalStore, StorePath

from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError, ReadOnlyError, ShardCorruptError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import ArrayAxes
from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.durable import write_atomically
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.mag_box import check_box, check_voxels, inside_array, window_of
from wk_assets.storage.manifest import FileStamp
from wk_assets.storage.new_array import make_array_directory
from wk_assets.storage.plain_zarr3_json import compression_of, in_todays_words, metadata_of
from wk_assets.storage.zarr_stores import BloscStore, ReplacingStore, SnapshotStore

_METADATA = "zarr.json"
_MANY_CHUNKS = 256


class PlainZarr3Array:
    """One mag in a Zarr v3 array of any kind. Safe to share between threads and processes."""

    def __init__(
        self,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> None:
        self._path = path
        self._axis_order = axis_order
        self._additional_axes = tuple(additional_axes)
        self._read_only = read_only
        self._locks = ArrayLocks(path)
        self._described: tuple[FileStamp, zarr.Array[Any], ArrayAxes, ArrayInfo] | None = None
        self._load()

    def __reduce__(self) -> tuple[Callable[..., "PlainZarr3Array"], tuple[Any, ...]]:
        return _reopened, (self._path, self._axis_order, self._additional_axes, self._read_only)

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> "PlainZarr3Array":
        """Open the array in the directory `path`.

        `axis_order` and `additional_axes`: as in datasource-properties.json; None: the array's own dimension names. Raises
        NotADatasetError, and PropertiesError for an array that zarr-python can not read or whose axes nobody names.
        """
        return cls(path, axis_order, additional_axes, read_only=read_only)

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> "PlainZarr3Array":
        """Make an empty array in the directory `path`, which may not exist or be empty.

        `info.axis_order` gives the dimension of axes, in any order; others keep theirs. Raises PropertiesError, StorageError.
        """
        document = metadata_of(info)
        make_array_directory(path, {_METADATA: json.dumps(document, indent=2).encode()})
        return cls(path)

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`."""
        return self._load()[2]

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box (see `MagArray.read_box`); what is not stored reads as the array's fill value.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError for bytes that can not be decoded.
        """
        array, axes, info = self._load()
        check_box(self._path, info, box_in_mag)
        *outer, x, y, z = tuple(box_in_mag.size)
        voxels = np.zeros((*outer, z, y, x), info.voxel_type).swapaxes(-1, -3)
        inside = inside_array(info, box_in_mag)
        if inside.is_empty():
            return voxels
        found = axes.as_stored(voxels[window_of(inside, box_in_mag)])
        start, stop = axes.start(inside), axes.stop(inside)
        cells = _cells(array, start, stop)
        if array.shards is None:
            if not self._is_sparse(array, start, stop):
                self._read(_on(array, _chunk_store(array, self._path)), start, stop, found)
                return voxels
            stored = set(self._stored_cells(array))
            cells = (cell for cell in cells if cell[0] in stored)
        for _, first, last in cells:
            if array.shards is None:
                window = tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start, strict=True))
                self._read(_on(array, _chunk_store(array, self._path)), first, last, found[window])
                continue
            with SnapshotStore(self._path) as store:
                window = tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start, strict=True))
                self._read(_on(array, store), first, last, found[window])
        return voxels

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store the voxels of a box (see `MagArray.write_box`).

        Raises GeometryError, InputError for voxels of another type, ReadOnlyError, ShardCorruptError for what is stored
        already and can not be decoded, StorageError.
        """
        self._refuse_if_read_only()
        array, axes, info = self._load()
        check_voxels(self._path, info, box_in_mag, voxels)
        if box_in_mag.is_empty():
            return
        stored = axes.as_stored(voxels)
        start, stop = axes.start(box_in_mag), axes.stop(box_in_mag)
        target = _on(array, ReplacingStore(self._path))
        for cell, first, last in _cells(array, start, stop):
            part = stored[tuple(slice(a - s, b - s) for a, b, s in zip(first, last, start, strict=True))]
            key = array.metadata.encode_chunk_key(cell)
            with self._locks.shard(key):
                try:
                    target[_slices(first, last)] = part
                except (ValueError, RuntimeError, TypeError) as error:
                    raise ShardCorruptError(f"{self._path / key}: can not be changed: {error}") from error

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end at the far corner of another box, rounded up to whole shards if it ends at one now.

        Chunks beyond a nearer end stay, and are seen again if the array grows. Raises GeometryError for other axes or
        channels, ReadOnlyError, StorageError.
        """
        self._refuse_if_read_only()
        check_box(self._path, self.info, box_in_mag)
        with self._locks.bookkeeping():
            _, axes, info = self._load()
            if box_in_mag.bottomright.c != info.num_channels:
                raise GeometryError(
                    f"{self._path}: {box_in_mag.bottomright.c} channels; the array has {info.num_channels}, which can not change"
                )
            end = box_in_mag.bottomright
            if not any(info.box.size_xyz % info.shard_shape):
                end = end.with_xyz(end.xyz.ceildiv(info.shard_shape) * info.shard_shape)
            document = json.loads((self._path / _METADATA).read_bytes())
            document["shape"] = [end.get(axis) for axis in axes.stored]
            write_atomically(self._path / _METADATA, json.dumps(document, indent=2).encode())

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every stored file, cut to the array, in the order of the array's dimensions."""
        array, axes, info = self._load()
        shape = array.shards or array.chunks
        for cell in sorted(self._stored_cells(array)):
            start = [place * length for place, length in zip(cell, shape, strict=True)]
            stop = [low + length for low, length in zip(start, shape, strict=True)]
            box = axes.box_between(start, stop).intersected_with(info.box, dont_assert=True)
            if not box.is_empty():
                yield box

    def _is_sparse(self, array: "zarr.Array[Any]", start: Sequence[int], stop: Sequence[int]) -> bool:
        """Say whether it pays to look which chunks of a box are stored: an annotation has few of very many."""
        if array.fill_value:
            return False  # what is not stored has to be filled in
        cells = prod(-(-high // c) - low // c for low, high, c in zip(start, stop, array.chunks, strict=True))
        return cells > _MANY_CHUNKS and sum(1 for _ in islice(self._stored_cells(array), cells // 4)) < cells // 4

    def _stored_cells(self, array: "zarr.Array[Any]") -> Iterator[tuple[int, ...]]:
        """Yield the grid position of each file that holds a chunk or shard."""
        model = array.metadata.encode_chunk_key((0,) * array.ndim)  # such as c/0/0/0/0 or 0.0.0.0
        pattern = re.compile(re.escape(model).replace("0", "([0-9]+)"))
        for folder, _, names in os.walk(self._path):
            for name in names:
                found = pattern.fullmatch((Path(folder) / name).relative_to(self._path).as_posix())
                if found is not None:
                    yield tuple(int(number) for number in found.groups())

    def _read(self, array: "zarr.Array[Any]", start: Sequence[int], stop: Sequence[int], out: NDArray[Any]) -> None:
        try:
            out[...] = array[_slices(start, stop)]
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise ShardCorruptError(
                f"{self._path}: voxels {tuple(start)}..{tuple(stop)} can not be decoded: {error}; restore what is damaged"
            ) from error

    def _refuse_if_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"{self._path} was opened for reading only")

    def _load(self) -> "tuple[zarr.Array[Any], ArrayAxes, ArrayInfo]":
        """Return what zarr.json says, read again if it changed. Raises NotADatasetError, PropertiesError."""
        path = self._path / _METADATA
        stamp = FileStamp.of(path)
        if stamp is None:
            raise NotADatasetError(f"{self._path} holds no Zarr v3 array: there is no {_METADATA}")
        described = self._described
        if described is None or described[0] != stamp:
            self._described = described = (stamp, *self._described_by(path))
        return described[1:]

    def _described_by(self, path: Path) -> "tuple[zarr.Array[Any], ArrayAxes, ArrayInfo]":
        try:
            document = json.loads(path.read_bytes())
        except ValueError as error:
            raise PropertiesError(f"{path}: not JSON ({error})") from error
        if not isinstance(document, dict) or document.get("node_type") != "array":
            raise NotADatasetError(f"{self._path} holds no Zarr v3 array: its {_METADATA} describes something else")
        try:
            document = in_todays_words(document)
            store = StorePath(LocalStore(self._path, read_only=True))
            metadata = ArrayV3Metadata.from_dict(document)
            array = zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=store))
        except (ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
            raise PropertiesError(f"{path}: zarr-python can not read this array ({error})") from error
        axes = self._axes(document, array.ndim)
        shards = array.shards or array.chunks
        info = ArrayInfo(
            data_format=DataFormat.Zarr3,
            voxel_type=np.dtype(array.dtype).newbyteorder("="),
            box=axes.box(array.shape),
            chunk_shape=axes.xyz(array.chunks),
            shard_shape=axes.xyz(shards),
            compression_mode=compression_of(document),
            axis_order=axes.axis_order,
        )
        return array, axes, info

    def _axes(self, document: Mapping[str, Any], dimensions: int) -> ArrayAxes:
        names = document.get("dimension_names") or ()
        order, additional = self._axis_order, self._additional_axes
        if order is None and len(names) == dimensions and all(names):
            return ArrayAxes(tuple(str(name) for name in names))
        if order is None and not additional:
            raise PropertiesError(
                f"{self._path}: the array does not name its {dimensions} dimensions; give axisOrder in datasource-properties.json"
            )
        return ArrayAxes.of(str(self._path), dimensions, order, additional)


def _reopened(
    path: Path,
    axis_order: Mapping[str, int] | None,
    additional_axes: Sequence[AdditionalAxisProperties],
    read_only: bool,  # noqa: FBT001  # called by pickle
) -> PlainZarr3Array:
    return PlainZarr3Array(path, axis_order, additional_axes, read_only=read_only)


def _chunk_store(array: "zarr.Array[Any]", path: Path) -> LocalStore:
    """Return the store of unsharded chunks; blosc alone needs to be guarded, other codecs notice what is missing."""
    codecs = array.metadata.codecs if isinstance(array.metadata, ArrayV3Metadata) else ()
    return BloscStore(path) if codecs and isinstance(codecs[-1], BloscCodec) else LocalStore(path, read_only=True)


def _on(array: "zarr.Array[Any]", store: LocalStore) -> "zarr.Array[Any]":
    """Return the same array over other files; its metadata is not read again."""
    return zarr.Array(zarr.AsyncArray(metadata=array.metadata, store_path=StorePath(store)))


def _slices(start: Sequence[int], stop: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(low, high) for low, high in zip(start, stop, strict=True))


def _cells(
    array: "zarr.Array[Any]", start: Sequence[int], stop: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield each stored file that a box touches: its place in the grid, and where their common part starts and stops."""
    shape = array.shards or array.chunks
    ranges = [range(low // length, -(-high // length)) for low, high, length in zip(start, stop, shape, strict=True)]
    for cell in product(*ranges):
        corner = [place * length for place, length in zip(cell, shape, strict=True)]
        first = tuple(max(low, begin) for low, begin in zip(start, corner, strict=True))
        last = tuple(min(high, begin + length) for high, begin, length in zip(stop, corner, shape, strict=True))
        yield cell, first, last
