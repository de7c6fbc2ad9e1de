"""The next state of one shard: written beside the old one, streamed, and given its name in one step.

The file is `<key>.part` until then: no reader looks at that name. Memory: a few megabytes, however large the shard is.
"""

import os
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c
import numpy as np
import xxhash

from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.durable import make_directory, storage_refusals, sync_directory
from wk_assets.storage.shard import ABSENT, ShardEntry
from wk_assets.storage.shard_reader import OpenShard

PART_SUFFIX = ".part"
_BUFFER_BYTES = 1 << 20


class ShardDraft:
    """Collect encoded chunks. The caller holds the lock of the shard; used as a block, which leaves no part behind."""

    def __init__(self, layout: ArrayLayout, array_path: Path, key: str) -> None:
        self._key = key
        self._final = array_path / key
        self._part = self._final.with_name(self._final.name + PART_SUFFIX)
        self._index = np.full((prod(layout.index_shape), 2), ABSENT, "<u8")
        self._length = 0
        self._crc32c = 0
        self._digest = xxhash.xxh3_128()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._part.unlink(missing_ok=True)

    def append(self, position: int, chunk: bytes) -> None:
        """Add an encoded chunk, whose place in the flattened index is `position`."""
        self._index[position] = self._length, len(chunk)
        self._add(chunk)

    def copy(self, positions: Iterable[int], old: OpenShard) -> None:
        """Add the chunks that an old state of the shard has at `positions`, as they are."""
        start = end = 0
        for position in positions:
            offset, size = old.index[position].tolist()
            if offset == int(ABSENT):
                continue
            if offset != end or end - start + size > _BUFFER_BYTES:
                self._copy_bytes(old, start, end)
                start = end = offset
            self._index[position] = self._length + end - start, size
            end += size
        self._copy_bytes(old, start, end)

    def finish(self) -> ShardEntry | None:
        """Write what is left and wait until all of it is on the disk; None if there is no chunk, and no file then."""
        if self._length == 0:
            return None
        raw = self._index.tobytes()
        self._add(raw + google_crc32c.value(raw).to_bytes(4, "little"))
        descriptor = self._flush()
        with storage_refusals(self._part, self._length):
            os.fsync(descriptor)
        return ShardEntry(self._key, self._length, self._crc32c, self._digest.hexdigest())

    def is_what_was(self) -> bool:
        """Say whether the finished file has the bytes of the one that has the name now, or neither is there."""
        if self._descriptor is None:
            return not self._final.exists()
        try:
            with self._part.open("rb") as new, self._final.open("rb") as old:
                while data := new.read(_BUFFER_BYTES):
                    if old.read(_BUFFER_BYTES) != data:
                        return False
                return not old.read(1)
        except FileNotFoundError:
            return False

    def publish(self) -> None:
        """Give the finished file its name, durably."""
        with storage_refusals(self._final):
            if self._descriptor is not None:
                self._part.replace(self._final)
                os.close(self._descriptor)
                self._descriptor = None
            else:
                self._final.unlink(missing_ok=True)
            if self._final.parent.exists():
                sync_directory(self._final.parent)

    def _add(self, data: bytes) -> None:
        self._length += len(data)
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    def _copy_bytes(self, old: OpenShard, start: int, end: int) -> None:
        if end > start:
            self._add(old.read_bytes(start, end - start))

    def _flush(self) -> int:
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        with storage_refusals(self._part, len(data)):
            if self._descriptor is None:
                make_directory(self._part.parent)
                # what a killed writer left under this name is longer, perhaps
                self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._digest.update(data)
        return self._descriptor


def canonical_order(layout: ArrayLayout) -> list[int]:
    """Return all positions of a shard's flattened index in the order in which chunks are stored: x fastest, then y, then z.

    The engine stores them so, too: an array that was edited has the bytes of one that was made in one go.
    """
    places = np.arange(prod(layout.index_shape)).reshape(layout.index_shape)
    order: list[int] = (places if layout.layout is Layout.OME else places.transpose()).ravel().tolist()
    return order


def fill_draft(
    draft: ShardDraft, order: Iterable[int], changed: Iterator[tuple[int, bytes | None]], old: OpenShard | None
) -> None:
    """Put a shard together in `order`: the changed chunks (None: all zero), which come in this order, and all others as they were."""
    kept: list[int] = []
    next_position, chunk = next(changed, (-1, None))
    for position in order:
        if position != next_position:
            kept.append(position)
            continue
        if old is not None:
            draft.copy(kept, old)
        kept = []
        if chunk is not None:
            draft.append(position, chunk)
        next_position, chunk = next(changed, (-1, None))
    if old is not None:
        draft.copy(kept, old)
