"""Read chunks of shards that may be replaced while they are read: whoever opens one reads one state of it, all of it.

A shard is replaced by a rename, so an open file stays what it was. Indexes are kept between reads, and used again only for a
file of the same inode, time and size.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import ShardCorruptError
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.manifest import FileStamp
from wk_assets.storage.shard import ABSENT

_CRC_BYTES = 4
_KEPT_INDEX_BYTES = 16 << 20


class OpenShard:
    """One state of a shard, while it is open. Safe to share between threads."""

    def __init__(self, path: Path, descriptor: int, index: NDArray[Any]) -> None:
        self.path = path
        self.index = index
        self._descriptor = descriptor

    def read(self, position: int) -> bytes | None:
        """Return the encoded chunk at `position` of the flattened index, None if it is all zero.

        Raises ShardCorruptError for a chunk that is cut off.
        """
        offset, size = self.index[position].tolist()
        return None if offset == int(ABSENT) else self.read_bytes(offset, size)

    def read_bytes(self, offset: int, size: int) -> bytes:
        """Return some bytes of the file. Raises ShardCorruptError if it has not as many."""
        data = os.pread(self._descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                raise ShardCorruptError(
                    f"{self.path}: ends before byte {offset + size}, which its index names; restore it or make the mag anew"
                )
            data += more
        return data

    def checksum(self) -> tuple[int, int]:
        """Return size and crc32c of all bytes of the file, read in pieces."""
        crc, size = 0, 0
        while data := os.pread(self._descriptor, 1 << 20, size):
            crc = google_crc32c.extend(crc, data)
            size += len(data)
        return size, crc


class ShardReader:
    """Open the shards of the array at `array_path`. Safe to share between threads."""

    def __init__(self, layout: ArrayLayout, array_path: Path) -> None:
        self._array_path = array_path
        self._count = prod(layout.index_shape)
        self._kept: OrderedDict[str, tuple[FileStamp, NDArray[Any]]] = OrderedDict()
        self._most_kept = max(1, _KEPT_INDEX_BYTES // (16 * self._count))
        self._keeping = Lock()

    @contextmanager
    def open(self, key: str) -> Iterator[OpenShard]:
        """Open a shard for the time of the block. Raises FileNotFoundError, ShardCorruptError for a wrong index."""
        path = self._array_path / key
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield OpenShard(path, descriptor, self._index(key, path, descriptor))
        finally:
            os.close(descriptor)

    def _index(self, key: str, path: Path, descriptor: int) -> NDArray[Any]:
        status = os.fstat(descriptor)
        stamp = FileStamp(status.st_ino, status.st_mtime_ns, status.st_size)
        with self._keeping:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(key)
                return kept[1]
        index = self._read_index(path, descriptor, stamp.size_bytes)
        with self._keeping:
            self._kept[key] = stamp, index
            self._kept.move_to_end(key)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return index

    def _read_index(self, path: Path, descriptor: int, size: int) -> NDArray[Any]:
        index_bytes = 16 * self._count
        tail = index_bytes + _CRC_BYTES
        if size < tail:
            raise ShardCorruptError(
                f"{path}: {size} bytes, its index alone has {tail}; restore it or make the mag anew"
            )
        data = OpenShard(path, descriptor, np.empty((0, 2))).read_bytes(size - tail, tail)
        raw, crc = data[:index_bytes], data[index_bytes:]
        if google_crc32c.value(raw).to_bytes(_CRC_BYTES, "little") != crc:
            raise ShardCorruptError(f"{path}: the checksum of its index is wrong; restore it or make the mag anew")
        return np.frombuffer(raw, "<u8").reshape(-1, 2)
