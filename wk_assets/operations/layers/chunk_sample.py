"""A small, fair sample of the chunks that a source will be cut into: what compression and cost are measured on.

The sample depends on the source alone, never on threads or time: the same images give the same chunks. Reads a few
slabs, slice by slice; holds the chosen chunks and one slice per thread. Measures nothing but the time of reading.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection, VolumeDescription, VolumeReader, VolumeSource

WANTED_CHUNKS = 128
_LEAST_CHUNKS = 16  # of huge chunks: fewer would say nothing, whatever they weigh
_CHUNK_BYTES = 64 << 20  # held at once, all chunks together
_SLAB_BYTES = 512 << 20  # read in all, unless one slab is more than that
_SMALL_BYTES = 64 << 20  # a volume of this size may be read as a whole
_SLICE_BYTES = 128 << 20  # slices held at once, unless one is more than that
_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly however many one takes


class SliceSource(Protocol):
    """Offer slices: every VolumeReader does."""

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        ...

    def read_slice(self, z: int, out: NDArray[Any]) -> object:
        """Fill `out` (c, y, x) with slice `z`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSample:
    """Chunks of a source, none of them empty, each (c, z, y, x) and contiguous.

    `used_fraction`: how many of the source's chunks hold anything but zero, as far as the looked-at slices tell.
    `read_seconds_per_voxel`: of one thread, all channels of the voxel.
    """

    chunks: tuple[NDArray[Any], ...]
    used_fraction: float
    read_seconds_per_voxel: float

    @property
    def raw_bytes(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.nbytes for chunk in self.chunks)


class ChunkSampler:
    """Take samples of sources, each once: who needs the same sample again gets it without another reading.

    Of slices too large to be held the middle rows are sampled, of a time series its first moment.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._taken: dict[tuple[VolumeSource, Vec3Int], ChunkSample] = {}

    def sample(self, selection: VolumeSource, chunk_shape: Vec3Int, opened: VolumeReader | None = None) -> ChunkSample:
        """Return the sample of a source; `opened`: its reader, if the caller has one.

        Raises SourceError for a source that can not be opened.
        """
        # neither the order of the files nor who names the voxel size changes the voxels
        voxels: VolumeSource = selection
        if isinstance(selection, SourceSelection) and not selection.in_given_order:
            voxels = replace(selection, voxel_size=None, files=tuple(sorted(selection.files)))
        known = self._taken.get((voxels, chunk_shape))
        if known is None:
            with nullcontext(opened) if opened is not None else open_volume(selection) as reader:
                known = sample_chunks(_held_in_parts(reader, chunk_shape), chunk_shape, self._threads)
            self._taken[voxels, chunk_shape] = known
        return known


def sample_chunks(source: SliceSource, chunk_shape: Vec3Int, threads: int = 1) -> ChunkSample:
    """Take up to WANTED_CHUNKS chunks that hold something, spread over x, y and z.

    Looks at one to three slabs of a chunk's depth, evenly spread over z, and at their border and middle slices to see
    which chunks are used. A slice that can not be read counts as black here; the import is what names it. A volume
    thinner than a chunk gives chunks that end in zeros, as they will be stored.
    """
    described = source.description
    chunk_bytes = prod(chunk_shape) * described.channels * described.dtype.itemsize
    slabs = _slabs(described, chunk_shape.z)
    wanted = max(_LEAST_CHUNKS, min(WANTED_CHUNKS, _CHUNK_BYTES // chunk_bytes))
    timed = _TimedReader(source)
    slice_bytes = described.size.x * described.size.y * described.channels * described.dtype.itemsize
    chunks: list[NDArray[Any]] = []
    used = cells = 0
    with ThreadPoolExecutor(max(1, min(threads, _SLICE_BYTES // slice_bytes))) as pool:
        for start, stop in slabs:
            mask = _used_cells(timed, (start, (start + stop) // 2, stop - 1), chunk_shape)
            used, cells = used + int(mask.sum()), cells + mask.size
            corners = _spread(np.argwhere(mask), -(-wanted // len(slabs)))
            blocks = np.zeros((len(corners), described.channels, *reversed(chunk_shape.to_tuple())), described.dtype)
            tasks = [pool.submit(_cut, timed, z, z - start, corners, blocks) for z in range(start, stop)]
            for task in tasks:
                task.result()
            chunks.extend(block for block in blocks if block.view(np.uint8).any())
    return ChunkSample(
        chunks=tuple(chunks),
        used_fraction=used / cells,
        read_seconds_per_voxel=timed.seconds / max(1, timed.voxels),
    )


def _held_in_parts(reader: VolumeReader, chunk_shape: Vec3Int) -> SliceSource:
    """Return the reader, or its middle rows alone if its slices are too large to be held."""
    described = reader.description
    row_bytes = described.size.x * described.channels * described.dtype.itemsize
    if described.size.y * row_bytes <= _SLICE_BYTES:
        return reader
    limit = _SLICE_BYTES // 2 // row_bytes
    step = described.rows.unit if chunk_shape.y <= described.rows.unit <= limit else chunk_shape.y
    rows = min(max(1, limit // step) * step, described.size.y)
    return _MiddleRows(reader, (described.size.y - rows) // 2 // step * step, rows)


class _MiddleRows:
    """Show some rows of each slice as if there were no others: they stand for the slice."""

    def __init__(self, reader: VolumeReader, first_row: int, rows: int) -> None:
        self._reader = reader
        self._first_row = first_row
        self.description = replace(reader.description, size=reader.description.size.with_y(rows))

    def read_slice(self, z: int, out: NDArray[Any]) -> object:
        """Fill `out` (c, y, x) with these rows of slice `z`."""
        return self._reader.open_rows(z).read(self._first_row, out)


class _TimedReader:
    """Read slices, one new array each, and add up what it took."""

    def __init__(self, source: SliceSource) -> None:
        self._source = source
        self.description = source.description
        self._times: list[float] = []  # appending is atomic: threads share it

    @property
    def seconds(self) -> float:
        return sum(self._times)

    @property
    def voxels(self) -> int:
        return len(self._times) * self.description.size.x * self.description.size.y

    def read(self, z: int) -> NDArray[Any]:
        size = self.description.size
        image = np.empty((self.description.channels, size.y, size.x), self.description.dtype)
        began = time.perf_counter()
        try:
            self._source.read_slice(z, image)
        except UnreadableSliceError:
            image[...] = 0
        self._times.append(time.perf_counter() - began)
        return image


def _slabs(described: VolumeDescription, depth: int) -> tuple[tuple[int, int], ...]:
    """Choose ranges of z on the grid of chunks, in the middle of equal parts of the volume.

    Of a volume that is more than small a quarter at most: a sample must not cost what an import costs.
    """
    whole = max(1, described.size.z // depth)
    slab_bytes = depth * described.size.x * described.size.y * described.channels * described.dtype.itemsize
    affordable = whole if whole * slab_bytes <= _SMALL_BYTES else -(-whole // 4)
    count = min(3, affordable, max(1, _SLAB_BYTES // slab_bytes))
    starts = [(2 * part + 1) * whole // (2 * count) * depth for part in range(count)]
    return tuple((start, min(start + depth, described.size.z)) for start in starts)


def _used_cells(reader: _TimedReader, slices: Sequence[int], chunk_shape: Vec3Int) -> NDArray[np.bool_]:
    """Say for each chunk of a slab, (y, x), whether one of the slices holds anything in it.

    Chunks that reach over the far border are left out where there are whole ones.
    """
    size = reader.description.size
    columns, rows = max(1, size.x // chunk_shape.x), max(1, size.y // chunk_shape.y)
    mask = np.zeros((rows, columns), np.bool_)
    for z in sorted(set(slices)):
        filled = (reader.read(z) != 0).any(axis=0)[: rows * chunk_shape.y, : columns * chunk_shape.x]
        by_row = np.logical_or.reduceat(filled, range(0, filled.shape[0], chunk_shape.y), axis=0)
        mask |= np.logical_or.reduceat(by_row, range(0, filled.shape[1], chunk_shape.x), axis=1)
    return mask


def _spread(cells: NDArray[np.intp], wanted: int) -> list[tuple[int, int]]:
    """Choose some of the cells (y, x), evenly spread, in a fixed order."""
    count = len(cells)
    if count <= wanted:
        chosen: Sequence[int] = range(count)
    else:
        chosen = list(dict.fromkeys(int(number * _GOLDEN % 1 * count) for number in range(2 * wanted)))[:wanted]
    return [(int(cells[index][0]), int(cells[index][1])) for index in chosen]


def _cut(reader: _TimedReader, z: int, plane: int, corners: Sequence[tuple[int, int]], blocks: NDArray[Any]) -> None:
    """Copy one slice's part of each chunk."""
    image = reader.read(z)
    height, width = blocks.shape[3:]
    for block, (row, column) in zip(blocks, corners, strict=True):
        window = image[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
        block[:, plane, : window.shape[1], : window.shape[2]] = window
