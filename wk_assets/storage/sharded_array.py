"""Arrays of our own that may be changed: read through their manifest, written shard by shard.

    box ──► its part in each shard ──► chunks that it touches: decoded unless wholly covered, patched, encoded ─┐
                                       chunks that it does not touch: their bytes ──────────────────────────────┴─► new shard

A shard is replaced under its own lock, at once, after the log of edits says so (`shard_ledger`): another writer of the same
shard waits and keeps what this one wrote; a reader has the old shard or the new one; a crash leaves one of them. Voxels
that were edited thus stay protected: a lost shard raises, a flipped bit is found by `verify`. Memory: some chunks per
thread and a few megabytes, however large the box or the shards are.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import (
    GeometryError,
    NotADatasetError,
    PropertiesError,
    ReadOnlyError,
    ShardCorruptError,
    ShardMissingError,
)
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.bounded_threads import BoundedThreads
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.durable import write_atomically
from wk_assets.storage.mag_array import ArrayInfo
from wk_assets.storage.mag_box import check_box, check_voxels, inside_array, window_of
from wk_assets.storage.manifest import CREATED_KEY, MANIFEST_NAME, FileStamp, Manifest
from wk_assets.storage.new_array import info_of, layout_of, make_array_directory
from wk_assets.storage.shard import ShardEntry
from wk_assets.storage.shard_draft import ShardDraft, canonical_order, fill_draft
from wk_assets.storage.shard_ledger import ShardLedger
from wk_assets.storage.shard_part import ChunkPart, ShardPart, chunk_parts, encode_chunk, read_chunk, shard_parts
from wk_assets.storage.shard_reader import OpenShard, ShardReader
from wk_assets.storage.unpromised_shards import UnpromisedShards

_METADATA = "zarr.json"
_TRIES = 20

_Mapping = Callable[..., Iterator[Any]]


class ShardedArray:
    """One mag in shards of our own, readable and writable. Safe to share between threads and processes."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._described: tuple[FileStamp, ArrayLayout, ArrayInfo] | None = None
        layout, _ = self._load()
        self._locks = ArrayLocks(path)
        self._ledger = self._book(layout)
        self._reader = ShardReader(layout, path)
        self._codec = ChunkCodec(layout)
        self._order = canonical_order(layout)

    def __reduce__(self) -> tuple[Callable[..., "ShardedArray"], tuple[Path, bool]]:
        return _reopened, (self._path, self._read_only)

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> "ShardedArray":
        """Open the array in the directory `path`.

        Raises NotADatasetError, and PropertiesError if its zarr.json is none of ours, or says other axes than those given.
        """
        array = cls(path, read_only=read_only)
        axes = array.layout.axes
        told = dict(axis_order or {}) | {axis.name: axis.index for axis in additional_axes}
        wrong = (
            {axis: place for axis, place in told.items() if axes.index(axis) != place}
            if set(told) <= set(axes)
            else told
        )
        if wrong:
            raise PropertiesError(f"{path}: the axes of the array are {', '.join(axes)}; the dataset says {wrong}")
        return array

    @classmethod
    def offers(cls, info: ArrayInfo) -> bool:
        """Say whether arrays of this class can have such axes, codecs and keys. Raises PropertiesError for impossible shapes."""
        return layout_of(info) is not None

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> "ShardedArray":
        """Make an empty array in the directory `path`, which may not exist or be empty.

        Raises PropertiesError for what no array of this class can be (see `offers`), StorageError.
        """
        layout = layout_of(info)
        if layout is None:
            raise PropertiesError(
                f"{path}: arrays of our own have axes c, z, y, x or c, x, y, z, and chunks in zstd or raw; not {info}"
            )
        manifest = Manifest(content_key=CREATED_KEY, shards=())
        make_array_directory(path, {MANIFEST_NAME: manifest.to_bytes(), _METADATA: layout.to_zarr_json()})
        return cls(path)

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def layout(self) -> ArrayLayout:
        """How the array lies on disk; follows `resize`."""
        return self._load()[0]

    @property
    def info(self) -> ArrayInfo:
        """What the array is; follows `resize`."""
        return self._load()[1]

    # ------------------------------------------------------------------ reading

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, x contiguous (see `MagArray.read_box`).

        Raises GeometryError for other axes or a box below the origin; ShardMissingError and ShardCorruptError if a shard
        is not what manifest and log promise.
        """
        layout, info = self._load()
        check_box(self._path, info, box_in_mag)
        self._ledger.refresh()
        inside = inside_array(info, box_in_mag)
        out = np.zeros((*box_in_mag.size[:-3], *reversed(box_in_mag.size[-3:])), layout.dtype)
        voxels = out.transpose(*range(out.ndim - 3), -1, -2, -3)
        if inside.is_empty():
            return voxels
        found = voxels[window_of(inside, box_in_mag)].transpose(*range(out.ndim - 3), -1, -2, -3)
        corner = inside.topleft[:-4]
        x, y, z = inside.topleft_xyz

        def read(part: ShardPart, mapped: _Mapping) -> None:
            place = tuple(position - first for position, first in zip(part.leading, corner, strict=True))
            with ExitStack() as opened:
                shard = self._opened(part.key, opened)
                if shard is not None:
                    target = found[place]
                    chunks = chunk_parts(layout, part, (x, y, z))
                    for _ in mapped(lambda chunk: read_chunk(self._codec, shard, chunk, part.channels, target), chunks):
                        pass

        with BoundedThreads(out.nbytes) as threads:
            parts = list(shard_parts(layout, inside))
            if len(parts) == 1:
                read(parts[0], threads.map)
            else:
                threads.run(lambda part: read(part, map), parts)
        return voxels

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every stored shard, cut to the array, additional axes slowest, then z, y, x."""
        layout, info = self._load()
        self._ledger.refresh()
        places = sorted(
            (layout.shard_leading(key), tuple(reversed(layout.shard_cell(key))), key)
            for key in self._ledger.stored_keys()
        )
        for leading, (z, y, x), key in places:
            if None in self._ledger.states(key) and not (self._path / key).exists():
                continue
            width, height, depth = layout.shard_shape
            box = NormalizedBoundingBox(
                (*leading, 0, x * width, y * height, z * depth),
                (*(1 for _ in leading), layout.channels, width, height, depth),
                info.box.axes,
            ).intersected_with(info.box, dont_assert=True)
            if not box.is_empty():
                yield box

    def _opened(self, key: str, stack: ExitStack) -> OpenShard | None:
        """Open a shard as it is now; None if it is all zero. Raises ShardMissingError, ShardCorruptError.

        A shard that nobody promised is one that another program wrote: it is read, too.
        """
        for _ in range(_TRIES):
            try:
                return stack.enter_context(self._reader.open(key))
            except FileNotFoundError:
                if None in self._ledger.states(key):
                    return None
                self._ledger.refresh()  # it may have become all zero a moment ago
        raise ShardMissingError(
            f"{self._path / key} is gone, but the manifest promises it; restore it or make the mag anew"
        )

    # ------------------------------------------------------------------ writing

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store the voxels of a box (see `MagArray.write_box`).

        Raises GeometryError, InputError for voxels of another type, ReadOnlyError, StorageError; ShardMissingError and
        ShardCorruptError if a shard of which something is kept is not what manifest and log promise.
        """
        self._refuse_if_read_only()
        layout, info = self._load()
        check_voxels(self._path, info, box_in_mag, voxels)
        if box_in_mag.is_empty():
            return
        ordered = voxels.transpose(*range(voxels.ndim - 3), -1, -2, -3)
        corner = box_in_mag.topleft[:-4]
        x, y, z = box_in_mag.topleft_xyz

        def write(part: ShardPart, mapped: _Mapping) -> None:
            place = tuple(position - first for position, first in zip(part.leading, corner, strict=True))
            chunks = list(chunk_parts(layout, part, (x, y, z)))
            self._write_part(layout, part, chunks, ordered[place], mapped)

        with BoundedThreads(voxels.nbytes) as threads:
            parts = list(shard_parts(layout, box_in_mag))
            if len(parts) == 1:
                write(parts[0], threads.map)
            else:
                threads.run(lambda part: write(part, map), parts)
        self._ledger.compact_if_long()

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let the array end at the far corner of another box: exactly, or rounded up to whole shards (Layout.WEBKNOSSOS).

        Shards beyond a nearer end stay, and are seen again if the array grows. Raises GeometryError for other axes or
        channels, ReadOnlyError, StorageError.
        """
        self._refuse_if_read_only()
        check_box(self._path, self.info, box_in_mag)
        with self._locks.bookkeeping():
            layout = self.layout
            if box_in_mag.bottomright.c != layout.channels:
                raise GeometryError(
                    f"{self._path}: {box_in_mag.bottomright.c} channels; the array has {layout.channels}, which can not change"
                )
            additional = tuple((name, box_in_mag.bottomright.get(name)) for name, _ in layout.additional)
            resized = replace(layout, size=box_in_mag.bottomright_xyz, additional=additional)
            document = json.loads((self._path / _METADATA).read_bytes())
            document["shape"] = list(resized.array_shape)
            write_atomically(self._path / _METADATA, json.dumps(document, indent=2).encode())

    def compact(self) -> bool:
        """Put the log of edits into the manifest; return False if others are writing just now."""
        self._refuse_if_read_only()
        return self._ledger.compact()

    def _write_part(
        self,
        layout: ArrayLayout,
        part: ShardPart,
        chunks: Sequence[ChunkPart],
        voxels: NDArray[Any],
        mapped: _Mapping,
    ) -> None:
        """Replace one shard. `mapped` maps a function over chunks, in their order, perhaps on threads."""
        with self._locks.shard(part.key), ExitStack() as opened:
            was = self._ledger.settle(part.key)
            old = None if part.whole else self._kept(part.key, was, opened)
            made = mapped(lambda chunk: encode_chunk(layout, self._codec, old, chunk, part.channels, voxels), chunks)
            with ShardDraft(layout, self._path, part.key) as draft:
                fill_draft(draft, self._order, zip((chunk.position for chunk in chunks), made, strict=True), old)
                becomes = draft.finish()
                if becomes == was and draft.is_what_was():
                    return
                self._ledger.begin(part.key, was, becomes)
                draft.publish()
                self._ledger.end(part.key, becomes)

    def _kept(self, key: str, promised: ShardEntry | None, stack: ExitStack) -> OpenShard | None:
        """Open a shard of which parts are to be kept: damage must not be taken over under a new checksum."""
        shard = self._opened(key, stack)
        if shard is not None and promised is not None and shard.checksum() != (promised.size_bytes, promised.crc32c):
            raise ShardCorruptError(
                f"{shard.path}: its bytes have changed since they were written; restore it, make the mag anew, or write "
                f"the whole shard. If another program changed it on purpose, remove {MANIFEST_NAME}: nothing is checked then"
            )
        return shard

    def _refuse_if_read_only(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"{self._path} was opened for reading only")

    def _parsed(self, data: bytes, source: str) -> ArrayLayout:
        return ArrayLayout.from_zarr_json(data, source)

    def _book(self, layout: ArrayLayout) -> ShardLedger | UnpromisedShards:  # noqa: ARG002  # where there is no manifest
        return ShardLedger(self._path, self._locks)

    def _load(self) -> tuple[ArrayLayout, ArrayInfo]:
        """Return what zarr.json says, read again if it changed. Raises NotADatasetError, PropertiesError."""
        path = self._path / _METADATA
        stamp = FileStamp.of(path)
        if stamp is None:
            raise NotADatasetError(f"{self._path} holds no Zarr array: there is no {_METADATA}")
        described = self._described
        if described is None or described[0] != stamp:
            layout = self._parsed(path.read_bytes(), str(path))
            self._described = described = stamp, layout, info_of(layout)
        return described[1], described[2]


def _reopened(path: Path, read_only: bool) -> ShardedArray:  # noqa: FBT001  # called by pickle
    return ShardedArray(path, read_only=read_only)
