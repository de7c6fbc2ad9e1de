"""Keep the indexes of shards that are being built in a file, for arrays so wide that all of them do not fit the memory.

Every shard of a slice is open at once. Each has a slot in the file, as long as its index; what is not written reads as
zeros, and no stored chunk has a size of zero. The file means nothing after a crash: the journal has all that is in it.
"""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wk_assets.storage.durable import storage_refusals

_ENTRY_BYTES = 16


class IndexSpool:
    """Hold offsets and sizes, (chunks of a shard, 2) uint64 per slot. One thread at a time."""

    def __init__(self, path: Path, chunks_per_shard: int) -> None:
        self._path = path
        self._slot_bytes = chunks_per_shard * _ENTRY_BYTES
        self._free: list[int] = []
        self._slots = 0
        with storage_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def new_slot(self) -> int:
        """Give an empty slot."""
        if self._free:
            return self._free.pop()
        self._slots += 1
        return self._slots - 1

    def put(self, slot: int, positions: Sequence[int], entries: NDArray[np.uint64]) -> None:
        """Write entries (n, 2) at their positions in a slot; runs of neighbours at once. Raises StorageError."""
        start = slot * self._slot_bytes
        places = np.asarray(positions)
        data = np.ascontiguousarray(entries, "<u8")
        cuts = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        with storage_refusals(self._path):
            for first, last in pairwise(cuts):
                os.pwrite(self._descriptor, data[first:last].data, start + int(places[first]) * _ENTRY_BYTES)

    def get(self, slot: int) -> NDArray[np.uint64]:
        """Read a slot; zeros where nothing was put."""
        entries = np.zeros((self._slot_bytes // _ENTRY_BYTES, 2), "<u8")
        with storage_refusals(self._path):
            data = os.pread(self._descriptor, self._slot_bytes, slot * self._slot_bytes)
        entries.reshape(-1).view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
        return entries

    def free(self, slot: int) -> None:
        """Empty a slot: another shard may have it."""
        with storage_refusals(self._path):
            os.pwrite(self._descriptor, bytes(self._slot_bytes), slot * self._slot_bytes)
        self._free.append(slot)

    def close(self) -> None:
        """Remove the file."""
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)
