"""Files under zarr-python's codecs: replaced durably, and read as they were when a shard was opened.

zarr reads a shard in pieces, by name; when it is replaced meanwhile, the pieces would be of two states, and bytes that are
not where the index says read as zeros. And it waits for no disk, and leaves files of its own behind when it is killed.
"""

import asyncio
import io
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.buffer.core import default_buffer_prototype
from zarr.storage import LocalStore

from wk_assets.storage.blosc_buffer import check_blosc
from wk_assets.storage.durable import make_directory, storage_refusals, sync_directory


class ReplacingStore(LocalStore):
    """Write files of an array durably, each at once. Who writes holds the lock of the file (see `ArrayLocks`)."""

    async def set(self, key: str, value: Buffer) -> None:
        """Replace a file."""
        await asyncio.to_thread(_replace, self.root / key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Remove a file; one that is gone already is fine."""
        await asyncio.to_thread(_remove, self.root / key)


class SnapshotStore(LocalStore):
    """Read each file in the state that it had when it was first asked for. Used as a block: it keeps files open."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, read_only=True)
        self._open_files: dict[str, io.BufferedReader | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open_files.values():
            if file is not None:
                file.close()
        self._open_files.clear()

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return bytes of a file, None if there is none."""
        if key not in self._open_files:  # in the event loop's thread, the only one that comes here
            try:
                self._open_files[key] = (self.root / key).open("rb")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                self._open_files[key] = None
        file = self._open_files[key]
        if file is None:
            return None
        data = await asyncio.to_thread(_read, file.fileno(), byte_range)
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)


class BloscStore(LocalStore):
    """Read files that hold one blosc buffer each, and refuse those that were cut off: c-blosc would read on behind their end."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, read_only=True)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return bytes of a file, None if there is none. Raises ValueError for a buffer of another length than it says."""
        data = await super().get(key, prototype or default_buffer_prototype(), byte_range)
        if data is not None and byte_range is None:
            check_blosc(data.to_bytes())
        return data


def _read(descriptor: int, byte_range: ByteRequest | None) -> bytes:
    size = os.fstat(descriptor).st_size
    start, stop = 0, size
    if isinstance(byte_range, RangeByteRequest):
        start, stop = byte_range.start, min(byte_range.end, size)
    elif isinstance(byte_range, OffsetByteRequest):
        start = byte_range.offset
    elif isinstance(byte_range, SuffixByteRequest):
        start = max(0, size - byte_range.suffix)
    pieces = []
    while start < stop and (data := os.pread(descriptor, stop - start, start)):
        pieces.append(data)
        start += len(data)
    return b"".join(pieces)


def _replace(path: Path, data: bytes) -> None:
    # one name for all writers, who take turns: what a killed one left is overwritten by the next
    part = path.with_name(path.name + ".part")
    make_directory(path.parent)
    with storage_refusals(path, len(data)):
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def _remove(path: Path) -> None:
    with storage_refusals(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync_directory(path.parent)
