"""One wkw file: a cube of blocks in Morton order, raw or LZ4, replaced as a whole.

Blocks come and go as arrays (c, x, y, z). A file that is rewritten is streamed: blocks that stay are copied as they are
stored, so that memory does not depend on the file's size. Which file holds which voxels is `wkw_array`'s to know, and so
are locks. Source of the layout: see `wkw_header`; inside of a block the channels of a voxel are neighbours, then x, y, z.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import lz4.block
import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import PropertiesError, ShardCorruptError
from wk_assets.storage.durable import (
    PARTIAL_SUFFIX,
    make_directory,
    storage_refusals,
    sync_directory,
)
from wk_assets.storage.wkw_header import HEADER_BYTES, BlockType, WkwHeader

_READ_AT_ONCE_BYTES = 4 * 1024 * 1024
_HIGH_COMPRESSION = 9  # the level that the reference codec takes for LZ4HC


def morton_numbers(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of blocks in their file: bits of x, y, z interleaved, x lowest.

    `places`: (n, 3), x, y, z of each block in blocks, less than 2¹⁵.
    """
    numbers = np.zeros(len(places), np.int64)
    for bit in range(15):
        for axis in range(3):
            numbers |= ((places[:, axis] >> bit) & 1) << (3 * bit + axis)
    return numbers


Window = tuple[slice, slice, slice, slice]  # c, x, y, z


@dataclass(frozen=True, slots=True)
class BlockPatch:
    """Say what becomes of a block: `voxels` (c, x, y, z) take the place of what stands at `window`, four slices."""

    number: int
    window: Window
    voxels: NDArray[Any]


class WkwFile:
    """Read blocks of an open file."""

    def __init__(self, path: Path, descriptor: int, header: WkwHeader) -> None:
        self._path = path
        self._descriptor = descriptor
        self._size_bytes = os.fstat(descriptor).st_size
        try:
            own, self._data_offset = WkwHeader.parse(os.pread(descriptor, HEADER_BYTES, 0), str(path))
        except PropertiesError as error:
            raise ShardCorruptError(f"{error}. Restore the file from a copy, or write its voxels anew") from error
        if _form(own) != _form(header):
            raise ShardCorruptError(
                f"{path}: its header says {_form(own)}, that of the array {_form(header)}: the file belongs to another array"
            )
        self.header = own
        least = own.data_offset + (0 if own.compressed else own.block_bytes * own.blocks_per_file)
        if self._data_offset < own.data_offset or self._size_bytes < least:
            raise ShardCorruptError(
                f"{path}: truncated or damaged: {self._size_bytes} bytes, at least {least} are needed; its blocks start at "
                f"{self._data_offset}, expected is {own.data_offset}"
            )

    @classmethod
    @contextmanager
    def open(cls, path: Path, header: WkwHeader) -> "Iterator[WkwFile | None]":
        """Open a file of the array with `header`; None if there is none, which stands for zeros.

        Raises ShardCorruptError for anything but such a file.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            yield None
            return
        try:
            yield cls(path, descriptor, header)
        finally:
            os.close(descriptor)

    def blocks(self, numbers: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """Yield the blocks (c, x, y, z) at ascending positions in the file, read-only. Raises ShardCorruptError."""
        for number, stored in self._stored(numbers):
            yield self.header_block(stored, number)

    def header_block(self, stored: memoryview, number: int) -> NDArray[Any]:
        """Return a block (c, x, y, z) from its stored bytes. Raises ShardCorruptError."""
        header = self.header
        if header.compressed:
            try:
                data = lz4.block.decompress(stored, uncompressed_size=header.block_bytes)
            except (lz4.block.LZ4BlockError, ValueError) as error:
                raise ShardCorruptError(f"{self._path}: block {number} is no LZ4 block ({error})") from error
            if len(data) != header.block_bytes:
                raise ShardCorruptError(
                    f"{self._path}: block {number} has {len(data)} bytes, {header.block_bytes} are expected"
                )
        else:
            data = stored
        edge = header.block_edge
        flat = np.frombuffer(data, header.dtype.newbyteorder("<"))
        return flat.reshape(edge, edge, edge, header.channels).transpose(3, 2, 1, 0)

    def bounds(self, first: int, last: int) -> NDArray[np.int64]:
        """Return where block `first` starts, and where it and all up to `last` end. Raises ShardCorruptError."""
        if not self.header.compressed:
            return self._data_offset + self.header.block_bytes * np.arange(first, last + 2, dtype=np.int64)
        jump = os.pread(self._descriptor, 8 * (last + 1), HEADER_BYTES)
        # the table holds ends only: the first block starts where all blocks start
        ends = np.concatenate([[np.uint64(self._data_offset)], np.frombuffer(jump, "<u8")])[first : last + 2]
        if (
            len(ends) != last - first + 2
            or (ends[1:] < ends[:-1]).any()
            or ends[0] < self._data_offset
            or ends[-1] > self._size_bytes
        ):
            raise ShardCorruptError(
                f"{self._path}: its table says that blocks {first}..{last} lie at {ends[0]}..{ends[-1]} of "
                f"{self._size_bytes} bytes, in ascending order from {self._data_offset}: truncated or damaged"
            )
        return ends.astype(np.int64)

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a part of the file in pieces of a few MiB. Raises ShardCorruptError where it is shorter."""
        while start < end:
            piece = os.pread(self._descriptor, min(_READ_AT_ONCE_BYTES, end - start), start)
            if not piece:
                raise ShardCorruptError(
                    f"{self._path}: ends at byte {start}, before {end}: truncated while it was read"
                )
            yield piece
            start += len(piece)

    def written(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield where a part of the file has bytes on disk; what lies between are holes, which read as zeros."""
        while start < end:
            try:
                start = os.lseek(self._descriptor, start, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # which says: from here on there are only holes
                    raise
                return
            if start < end:
                stop = min(end, os.lseek(self._descriptor, start, os.SEEK_HOLE))
                yield start, stop
                start = stop

    def _stored(self, numbers: NDArray[np.int64]) -> Iterator[tuple[int, memoryview]]:
        """Yield the stored bytes of blocks at ascending positions; neighbours are read together."""
        if not len(numbers):
            return
        first = int(numbers[0])
        bounds = self.bounds(first, int(numbers[-1]))
        starts, ends = bounds[numbers - first].tolist(), bounds[numbers - first + 1].tolist()
        run = 0
        while run < len(numbers):
            stop = run + 1
            while (
                stop < len(numbers)
                and starts[stop] == ends[stop - 1]
                and ends[stop] - starts[run] <= _READ_AT_ONCE_BYTES
            ):
                stop += 1
            piece = memoryview(b"".join(self.pieces(starts[run], ends[stop - 1])))
            for position in range(run, stop):
                yield int(numbers[position]), piece[starts[position] - starts[run] : ends[position] - starts[run]]
            run = stop


def rewrite(path: Path, header: WkwHeader, patches: Sequence[BlockPatch]) -> None:
    """Replace a file by one in which the patches, ascending by number, are applied; remove it if only zeros are left.

    The caller holds the file's lock. A reader sees the old file or the new one, whatever crashes when. Raises
    ShardCorruptError if the old file can not be read, and what `storage_refusals` raises.
    """
    with WkwFile.open(path, header) as old:
        if not any(patch.voxels.any() for patch in patches) and (old is None or _only_zeros_stay(old, patches)):
            if old is not None:
                with storage_refusals(path):
                    path.unlink()
                    sync_directory(path.parent)
            return
        make_directory(path.parent)
        partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")  # of one writer at a time: the next one overwrites it
        with storage_refusals(path):
            try:
                with partial.open("wb") as file:
                    _Writer(file, header, old).write(patches)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
            sync_directory(path.parent)


def _only_zeros_stay(old: WkwFile, patches: Sequence[BlockPatch]) -> bool:
    """Say whether a file would hold zeros only, if zeros are written into all windows."""
    touched = {patch.number: patch for patch in patches}
    numbers = np.arange(old.header.blocks_per_file)
    for number, block in enumerate(old.blocks(numbers)):
        patch = touched.get(number)
        if patch is not None and patch.voxels.shape == block.shape:
            continue
        if block.any():
            if patch is None:
                return False
            rest = block.copy()
            rest[patch.window] = 0
            if rest.any():
                return False
    return True


class _Writer:
    """Stream the blocks of a file, and then say at its start where each of them ends."""

    def __init__(self, file: BinaryIO, header: WkwHeader, old: WkwFile | None) -> None:
        self._file = file
        self._header = header
        self._old = old
        self._ends = np.zeros(header.blocks_per_file, "<u8")
        self._position = header.data_offset
        edge = header.block_edge
        self._zero_block = np.zeros((edge, edge, edge, header.channels), header.dtype)
        self._stored_zero_block = self._encoded(self._zero_block)

    def write(self, patches: Sequence[BlockPatch]) -> None:
        self._file.seek(self._position)
        written = 0
        for patch in patches:
            self._keep(written, patch.number)
            self._append(patch.number, self._patched(patch))
            written = patch.number + 1
        self._keep(written, self._header.blocks_per_file)
        self._file.truncate(self._position)
        self._file.seek(0)
        self._file.write(self._header.to_bytes(data_offset=self._header.data_offset))
        if self._header.compressed:
            self._file.write(self._ends.tobytes())

    def _patched(self, patch: BlockPatch) -> NDArray[Any]:
        """Return the block as it lies in a file: (z, y, x, c), contiguous, little-endian."""
        voxels = patch.voxels.transpose(3, 2, 1, 0)
        kind = self._header.dtype.newbyteorder("<")
        if voxels.shape == self._zero_block.shape:
            return np.ascontiguousarray(voxels, kind)
        if self._old is None:
            block = np.zeros(self._zero_block.shape, kind)
        else:
            stored = next(self._old.blocks(np.array([patch.number])))
            block = np.array(stored.transpose(3, 2, 1, 0), kind, order="C")
        block[patch.window[::-1]] = voxels
        return block

    def _encoded(self, block: NDArray[Any]) -> bytes:
        encoded: bytes
        if self._header.block_type is BlockType.RAW:
            encoded = block.tobytes()
        elif self._header.block_type is BlockType.LZ4:
            encoded = lz4.block.compress(block, store_size=False)
        else:
            encoded = lz4.block.compress(
                block, mode="high_compression", compression=_HIGH_COMPRESSION, store_size=False
            )
        return encoded

    def _append(self, number: int, block: NDArray[Any]) -> None:
        if block.any():
            self._put(self._encoded(block))
        else:
            self._put_zeros(1)
        self._ends[number] = self._position

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)

    def _put_zeros(self, count: int) -> None:
        """Append blocks of zeros; in raw files they become a hole."""
        size = len(self._stored_zero_block) * count
        if self._header.compressed:
            several = max(1, _READ_AT_ONCE_BYTES // len(self._stored_zero_block))
            for start in range(0, count, several):
                self._file.write(self._stored_zero_block * min(several, count - start))
        else:
            self._file.seek(size, os.SEEK_CUR)
        self._position += size

    def _keep(self, first: int, stop: int) -> None:
        """Append the blocks from `first` to before `stop` as the old file has them."""
        if first == stop:
            return
        if self._old is None:
            start, size = self._position, len(self._stored_zero_block)
            self._put_zeros(stop - first)
            self._ends[first:stop] = start + size * np.arange(1, stop - first + 1, dtype=np.uint64)
        elif self._old.header.compressed != self._header.compressed:
            for number, block in enumerate(self._old.blocks(np.arange(first, stop)), first):
                self._append(number, np.ascontiguousarray(block.transpose(3, 2, 1, 0)))
        else:
            bounds = self._old.bounds(first, stop - 1)
            self._ends[first:stop] = bounds[1:] - bounds[0] + self._position
            self._copy(self._old, int(bounds[0]), int(bounds[-1]))

    def _copy(self, old: WkwFile, start: int, end: int) -> None:
        """Append a part of another file; its holes stay holes."""
        offset = self._position - start
        for first, stop in old.written(start, end):
            self._file.seek(first + offset)
            for piece in old.pieces(first, stop):
                self._file.write(piece)
        self._position = end + offset
        self._file.seek(self._position)


def _form(header: WkwHeader) -> str:
    """Say what all files of an array share; whether they are compressed may differ."""
    return f"{header.channels} channels of {header.dtype.name}, {header.blocks_per_edge}³ blocks of {header.block_edge}³ voxels"
