"""Arrays in Zarr v2: one file per chunk, each replaced at once under its lock. What a chunk's bytes are, `zarr2_chunk` knows."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError, ReadOnlyError, StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import ArrayAxes, new_voxels
from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.chunk_listing import listed_chunks
from wk_assets.storage.durable import (
    PARTIAL_SUFFIX,
    make_directory,
    storage_refusals,
    sync_directory,
    write_atomically,
)
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.mag_box import check_box, check_voxels, inside_array, window_of
from wk_assets.storage.zarr2_chunk import Zarr2ChunkCodec
from wk_assets.storage.zarr2_metadata import Zarr2Metadata

METADATA_NAME = ".zarray"
# Small files wait for the disk, not for a processor: several fsyncs at once are one commit of the file system's journal.
_MOST_THREADS = 8
_BYTES_IN_FLIGHT = 256 * 1024 * 1024
_Index = tuple[int, ...]
_Window = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """Keep what one version of the metadata means."""

    stamp: tuple[int, int, int]
    metadata: Zarr2Metadata
    axes: ArrayAxes
    codec: Zarr2ChunkCodec
    info: ArrayInfo


class Zarr2Array:
    """Read and write one mag in Zarr v2. Safe to share between threads; several processes may write at the same time."""

    def __init__(
        self,
        path: Path,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        *,
        read_only: bool,
    ) -> None:
        self._path = path
        self._axis_order = axis_order
        self._additional_axes = tuple(additional_axes)
        self._read_only = read_only
        self._locks = ArrayLocks(path)
        self._loading = Lock()
        self._state = self._load()

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`, also that of others. Chunks are shards."""
        return self._current().info

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> Self:
        """Open the array in the directory `path`; without `axis_order` its axes are c, x, y, z, or x, y, z.

        Raises NotADatasetError if there is no .zarray, PropertiesError for one that can not be understood, and for axes
        that do not fit its dimensions.
        """
        return cls(path, axis_order, additional_axes, read_only=read_only)

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> Self:
        """Make the empty array that `info` describes in the directory `path`. A file holds all channels of a chunk.

        Raises PropertiesError for what Zarr v2 can not hold, StorageError if there is an array already.
        """
        if info.chunk_shape != info.shard_shape:
            raise PropertiesError(
                f"{path}: Zarr v2 has no shards, each chunk is a file; chunk_shape {tuple(info.chunk_shape)} and shard_shape "
                f"{tuple(info.shard_shape)} must be the same. Choose zarr3 for shards"
            )
        if isinstance(info.compression_mode, Zarr3Config):
            raise PropertiesError(f"{path}: a Zarr3Config is for zarr3; zarr is compressed (zstd) or not")
        if (path / METADATA_NAME).exists():
            raise StorageError(f"{path} holds a Zarr v2 array already; delete it, or choose another place")
        names = info.dimension_names
        order = dict(info.axis_order) or {axis: place for place, axis in enumerate(names)}
        free = iter([place for place in range(len(names)) if place not in order.values()])
        extra = [
            AdditionalAxisProperties(
                name=axis,
                bounds=info.box.get_bounds(axis),
                index=order[axis] if axis in order else next(free, len(names)),
            )
            for axis in names[:-4]
        ]
        axes = ArrayAxes.of(str(path), len(names), order, extra)
        chunk = {"c": info.num_channels, **dict(zip("xyz", info.chunk_shape, strict=True))}
        metadata = Zarr2Metadata.for_new_array(
            axes.stop(info.box),
            [chunk.get(axis, 1) for axis in axes.stored],
            np.dtype(info.voxel_type),
            "C" if axes.stored[-1] == "x" else "F",
            compress=bool(info.compression_mode),
        )
        write_atomically(path / METADATA_NAME, metadata.to_bytes())
        return cls(path, order, extra, read_only=False)

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box with its axes, x contiguous; the fill value where no chunk is, zeros beyond the array.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError.
        """
        state = self._current()
        check_box(self._path, state.info, box_in_mag)
        out = new_voxels(box_in_mag, state.info.voxel_type)
        inside = inside_array(state.info, box_in_mag)
        if inside.is_empty():
            return out
        target = state.axes.as_stored(out[window_of(inside, box_in_mag)])
        for index, in_chunk, in_box in _cells(state, inside):
            chunk = self._chunk(state, index)
            target[in_box] = state.metadata.fill_value if chunk is None else chunk[in_chunk]
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store voxels; chunks are replaced one after another.

        Raises GeometryError for other axes, shapes, types or a box that leaves the array, ReadOnlyError,
        ShardCorruptError, LockedError, StorageError.
        """
        self._check_writable()
        state = self._current()
        check_voxels(self._path, state.info, box_in_mag, voxels)
        if box_in_mag.is_empty():
            return
        source = state.axes.as_stored(voxels)

        def put(cell: tuple[_Index, _Window, _Window]) -> Path | None:
            index, in_chunk, in_box = cell
            key = state.metadata.key(index)
            with self._locks.shard(key):
                return self._replace(state, index, self._path / key, in_chunk, source[in_box])

        cells = list(_cells(state, box_in_mag))
        threads = max(1, min(_MOST_THREADS, len(cells), _BYTES_IN_FLIGHT // state.metadata.chunk_bytes))
        with ThreadPoolExecutor(threads) as pool:
            changed = set(pool.map(put, cells))
        for directory in sorted(filter(None, changed)):
            with storage_refusals(directory):
                sync_directory(directory)

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end at the far corner of another box, rounded up to whole chunks; no chunk is touched.

        Raises GeometryError for other axes or another number of channels, ReadOnlyError, StorageError.
        """
        self._check_writable()
        with self._locks.bookkeeping():
            state = self._current()
            check_box(self._path, state.info, box_in_mag)
            if box_in_mag.bottomright.c != state.info.num_channels:
                raise GeometryError(
                    f"{self._path}: an array of {state.info.num_channels} channels can not have {box_in_mag.bottomright.c}"
                )
            wanted = state.metadata.with_shape(state.axes.stop(box_in_mag))
            write_atomically(self._path / METADATA_NAME, wanted.to_bytes())
        self._current()

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every chunk that is stored, cut to the array; the last dimension fastest."""
        state = self._current()
        metadata = state.metadata
        for index in listed_chunks(self._path, len(metadata.shape), metadata.separator):
            start = [place * length for place, length in zip(index, metadata.chunks, strict=True)]
            stop = [min(a + n, end) for a, n, end in zip(start, metadata.chunks, metadata.shape, strict=True)]
            if all(a < b for a, b in zip(start, stop, strict=True)):
                yield state.axes.box_between(start, stop)

    def _check_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"{self._path} was opened for reading only; open it for writing to change it")

    def _current(self) -> _State:
        """Return the present state: others may have resized the array."""
        with self._loading:
            try:
                if self._stamp() != self._state.stamp:
                    self._state = self._load()
            except FileNotFoundError as error:
                raise NotADatasetError(f"{self._path}: there is no {METADATA_NAME} any more") from error
            return self._state

    def _stamp(self) -> tuple[int, int, int]:
        status = (self._path / METADATA_NAME).stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _load(self) -> _State:
        file = self._path / METADATA_NAME
        try:
            stamp = self._stamp()  # before the bytes: if they change in between, they are read once more
            metadata = Zarr2Metadata.parse(file.read_bytes(), str(file))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotADatasetError(f"{self._path} holds no Zarr v2 array: there is no {METADATA_NAME}") from error
        axes = ArrayAxes.of(str(self._path), len(metadata.shape), self._axis_order, self._additional_axes)
        chunk = axes.xyz(metadata.chunks)
        info = ArrayInfo(
            data_format=DataFormat.Zarr,
            voxel_type=metadata.dtype.newbyteorder("="),
            box=axes.box(metadata.shape),
            chunk_shape=chunk,
            shard_shape=chunk,
            compression_mode=metadata.compressor is not None,
            axis_order=axes.axis_order,
        )
        return _State(stamp, metadata, axes, Zarr2ChunkCodec(metadata, str(file)), info)

    def _chunk(self, state: _State, index: _Index) -> NDArray[Any] | None:
        file = self._path / state.metadata.key(index)
        try:
            stored = file.read_bytes()
        except FileNotFoundError:
            return None
        return state.codec.decode(stored, str(file))

    def _replace(self, state: _State, index: _Index, file: Path, window: _Window, voxels: NDArray[Any]) -> Path | None:
        """Put voxels into a chunk; return its directory if a name there changed. The caller holds the chunk's lock."""
        metadata = state.metadata
        corner = [place * length for place, length in zip(index, metadata.chunks, strict=True)]
        inside = [min(n, end - a) for n, end, a in zip(metadata.chunks, metadata.shape, corner, strict=True)]
        whole = voxels.shape == tuple(inside)
        old = None if whole else self._chunk(state, index)
        if old is None:
            chunk = np.full(metadata.chunks, metadata.fill_value, state.info.voxel_type, order=metadata.order)
        else:
            chunk = np.array(old, state.info.voxel_type, order=metadata.order)
        chunk[window] = voxels
        partial = file.with_name(f".{file.name}{PARTIAL_SUFFIX}")  # of one writer at a time: the next one overwrites it
        with storage_refusals(file):
            if _is_all(chunk, metadata.fill_value):
                partial.unlink(missing_ok=True)
                existed = file.exists()
                file.unlink(missing_ok=True)
                return file.parent if existed else None
            data = state.codec.encode(chunk)
            make_directory(file.parent)
            try:
                with partial.open("wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                partial.replace(file)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return file.parent


def _is_all(chunk: NDArray[Any], value: float) -> bool:
    if value == 0:
        return not chunk.any()
    return bool(np.isnan(chunk).all() if value != value else (chunk == value).all())  # noqa: PLR0124  # NaN is another


def _cells(state: _State, box: NormalizedBoundingBox) -> Iterator[tuple[_Index, _Window, _Window]]:
    """Yield grid position, window in the chunk and window in the box of each chunk that a box inside of the array touches."""
    start, stop, chunks = state.axes.start(box), state.axes.stop(box), state.metadata.chunks
    ranges = [range(a // n, -(-b // n)) for a, b, n in zip(start, stop, chunks, strict=True)]
    for index in itertools.product(*ranges):
        corners = [place * length for place, length in zip(index, chunks, strict=True)]
        firsts = [max(a, corner) for a, corner in zip(start, corners, strict=True)]
        lasts = [min(b, corner + n) for b, corner, n in zip(stop, corners, chunks, strict=True)]
        yield (
            index,
            tuple(slice(a - corner, b - corner) for a, b, corner in zip(firsts, lasts, corners, strict=True)),
            tuple(slice(a - first, b - first) for a, b, first in zip(firsts, lasts, start, strict=True)),
        )
