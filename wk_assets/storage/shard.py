"""One shard: built by appending encoded chunks, ended by its index, read through its index.

    +---------+---------+-----+---------+----------------------+--------+
    | chunk   | chunk   | ... | chunk   | index: offset, bytes | crc32c |
    +---------+---------+-----+---------+----------------------+--------+

The chunks may come in any order; the index, written last, says where each is (2**64-1 twice: not stored, all zero).
While it is built a shard is `<key>.part`: no reader looks at that name. Source: Zarr v3 `sharding_indexed` codec.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import ShardCorruptError, ShardMissingError
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.durable import make_directory, storage_refusals, sync_directory
from wk_assets.storage.index_spool import IndexSpool

ABSENT = np.uint64(2**64 - 1)
_INDEX_CRC_BYTES = 4


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """Say what a manifest promises of one shard: its key in the array, its size, the crc32c of all its bytes.

    The crc32c finds damage, but does not tell contents apart: that of bytes which end with their own crc32c, as raw chunks
    do, is always the same. `digest` (xxh3_128) does; only edited shards have it (see `edit_log`).
    """

    key: str
    size_bytes: int
    crc32c: int
    digest: str = field(default="", compare=False)


class ShardBuilder:
    """Collect the chunks of one shard in a file. One thread at a time; nothing here syncs (see `Checkpoint`).

    `spool`: where the index is kept until the shard is finished, if not in memory. Small: a wide array has many at once.
    """

    __slots__ = ("_directory", "_held", "crc32c", "key", "length")

    def __init__(self, layout: ArrayLayout, directory: Path, key: str, spool: IndexSpool | None = None) -> None:
        self.key = key
        self._directory = directory
        self.length = 0
        self.crc32c = 0
        self._held: NDArray[np.uint64] | tuple[IndexSpool, int]
        if spool is None:
            self._held = np.full((prod(layout.index_shape), 2), ABSENT, "<u8")
        else:
            self._held = (spool, spool.new_slot())

    @property
    def final_path(self) -> Path:
        """Where the shard will lie."""
        return self._directory / self.key

    @property
    def part_path(self) -> Path:
        """Where the shard lies until it is finished."""
        return self._directory / f"{self.key}.part"

    @property
    def index(self) -> NDArray[np.uint64]:
        """Offsets and sizes of all chunks, shape (chunks of a shard, 2), as far as they are known; a copy if spooled."""
        if not isinstance(self._held, tuple):
            return self._held
        spool, slot = self._held
        index = spool.get(slot)
        index[index[:, 1] == 0] = ABSENT
        return index

    def append(self, positions: Sequence[int], sizes: Sequence[int], data: bytes | NDArray[np.uint8]) -> None:
        """Append encoded chunks, which lie in `data` one after the other; `positions`: their places in the flattened index.

        `data` may be written over afterwards. Raises StorageError.
        """
        with storage_refusals(self.part_path, len(data)):
            if self.length == 0:
                self.part_path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.part_path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                _write_all(descriptor, data, self.length)
            finally:
                os.close(descriptor)
        self.note(positions, sizes, google_crc32c.extend(self.crc32c, data))

    def note(self, positions: Sequence[int], sizes: Sequence[int], crc32c: int) -> None:
        """Take note of chunks that stand at the end of the file already (as a journal says)."""
        lengths = np.asarray(sizes, np.uint64)
        ends = np.cumsum(lengths) + np.uint64(self.length)
        entries = np.column_stack((ends - lengths, lengths))
        if isinstance(self._held, tuple):
            spool, slot = self._held
            spool.put(slot, positions, entries)
        else:
            self._held[positions] = entries
        self.length += sum(sizes)
        self.crc32c = crc32c

    def finish(self) -> ShardEntry | None:
        """Write the index and give the file its name; None if no chunk had anything but zeros (there is no file then)."""
        if self.length == 0:
            return None
        raw = self.index.tobytes()
        tail = raw + google_crc32c.value(raw).to_bytes(_INDEX_CRC_BYTES, "little")
        with storage_refusals(self.part_path, len(tail)):
            descriptor = os.open(self.part_path, os.O_WRONLY)
            try:
                _write_all(descriptor, tail, self.length)
            finally:
                os.close(descriptor)
            self.part_path.rename(self.final_path)
        self.release()
        return ShardEntry(self.key, self.length + len(tail), google_crc32c.extend(self.crc32c, tail))

    def release(self) -> None:
        """Give the place in the spool back; the index is gone then."""
        if isinstance(self._held, tuple):
            spool, slot = self._held
            spool.free(slot)

    def cut_back(self) -> None:
        """Bring the file back to the length that was noted: what was appended after the last checkpoint goes.

        Raises ShardCorruptError if the file is shorter, or its bytes are not the noted ones.
        """
        try:
            with storage_refusals(self.part_path):
                if not self.part_path.exists() and self.final_path.exists():
                    self.final_path.rename(self.part_path)  # it was finished after the checkpoint
                if self.length == 0:
                    self.part_path.unlink(missing_ok=True)
                    return
                os.truncate(self.part_path, min(self.length, self.part_path.stat().st_size))
        except FileNotFoundError as error:
            raise ShardCorruptError(f"{self.part_path}: the journal names it, but it is gone") from error
        if checksum_of(self.part_path) != (self.length, self.crc32c):
            raise ShardCorruptError(f"{self.part_path}: its bytes are not those that the journal names")

    def read(self, position: int) -> bytes | None:
        """Return the encoded chunk at `position` of the flattened index, None if it is all zero."""
        offset, size = self.index[position]
        if offset == ABSENT:
            return None
        path = self.part_path if self.part_path.exists() else self.final_path
        with path.open("rb") as file:
            file.seek(int(offset))
            return file.read(int(size))


class ShardFile:
    """Read chunks of one published shard. Opens the file at each read, so that no descriptor is kept."""

    def __init__(self, layout: ArrayLayout, path: Path) -> None:
        self._path = path
        self._count = prod(layout.index_shape)

    @cached_property
    def index(self) -> NDArray[Any]:
        """Offsets and sizes, shape (chunks of a shard, 2), uint64. Raises ShardMissingError, ShardCorruptError."""
        index_bytes = 16 * self._count
        tail = index_bytes + _INDEX_CRC_BYTES
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size < tail:
                    raise ShardCorruptError(f"{self._path}: {size} bytes, its index alone has {tail}")
                file.seek(size - tail)
                data = file.read(tail)
        except FileNotFoundError as error:
            raise ShardMissingError(
                f"{self._path} is gone, but the manifest promises it; restore it or make the mag anew"
            ) from error
        raw, crc = data[:index_bytes], data[index_bytes:]
        if google_crc32c.value(raw).to_bytes(_INDEX_CRC_BYTES, "little") != crc:
            raise ShardCorruptError(
                f"{self._path}: the checksum of its index is wrong; restore it or make the mag anew"
            )
        return np.frombuffer(raw, "<u8").reshape(-1, 2)

    def read(self, positions: Sequence[int]) -> list[bytes | None]:
        """Return the encoded chunks at `positions` of the flattened index, None where a chunk is all zero."""
        index = self.index
        found: list[bytes | None] = []
        with self._path.open("rb") as file:
            for position in positions:
                offset, size = (int(value) for value in index[position])
                if offset == int(ABSENT):
                    found.append(None)
                    continue
                file.seek(offset)
                data = file.read(size)
                if len(data) != size:
                    raise ShardCorruptError(f"{self._path}: chunk {position} has {len(data)} of {size} bytes")
                found.append(data)
        return found


def copy_shard(source: Path, target: Path, shard: ShardEntry) -> None:
    """Copy a shard from one array's directory to another, durably; one that is there already and whole is left alone.

    Raises ShardMissingError, ShardCorruptError if the source is not what its manifest promises.
    """
    final = target / shard.key
    if final.exists() and checksum_of(final) == (shard.size_bytes, shard.crc32c):
        return
    make_directory(final.parent)
    part = final.with_name(final.name + ".part")
    crc, size = 0, 0
    try:
        reading = (source / shard.key).open("rb", buffering=0)
    except FileNotFoundError as error:
        raise ShardMissingError(f"{source / shard.key} is gone, but the manifest promises it") from error
    with reading, storage_refusals(part, shard.size_bytes), part.open("wb") as writing:
        while data := reading.read(1 << 22):
            crc = google_crc32c.extend(crc, data)
            size += len(data)
            writing.write(data)
        writing.flush()
        os.fsync(writing.fileno())
    if (size, crc) != (shard.size_bytes, shard.crc32c):
        with storage_refusals(part):
            part.unlink()
        raise ShardCorruptError(
            f"{source / shard.key}: its bytes have changed since they were written; make the mag anew"
        )
    with storage_refusals(final):
        part.rename(final)
    sync_directory(final.parent)


def checksum_of(path: Path) -> tuple[int, int]:
    """Return size and crc32c of all bytes of a file, read in pieces."""
    crc, size = 0, 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(1 << 22):
            crc = google_crc32c.extend(crc, data)
            size += len(data)
    return size, crc


def _write_all(descriptor: int, data: bytes | NDArray[np.uint8], offset: int) -> None:
    view = memoryview(data) if isinstance(data, bytes) else data.data
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
