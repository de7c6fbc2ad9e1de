"""Where one slab of one level is held: in memory, or, when slices are too large for that, in a spool file.

Both hold the voxels of the level's box in one range of z, take them in blocks of whole rows, and give them back as
bands of rows whose borders are mirrored where blocks of the next level reach over them. The spool file lies in the
staging directory, is written and read once per slab, and means nothing after a crash.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.border import symmetric_indices
from wk_assets.operations.passes.pyramid_plan import LevelPlan
from wk_assets.storage.durable import storage_refusals

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Hold a window of a slab: `voxels` (c, z, y, x), the whole slab deep, whose first row and column of the buffer these are.

    Voxels outside of the layer's box are mirrored or undefined.
    """

    voxels: NDArray[Any]
    row: int
    column: int


class SlabStore(Protocol):
    """Hold one slab. Coordinates are world voxels of the level's mag; blocks and bands may be used by several threads."""

    def begin(self, z_range: Range) -> None:
        """Stand for another slab from now on; what was held is forgotten."""
        ...

    @contextmanager
    def writable(self, z: Range, y: Range, x: Range | None = None) -> Iterator[NDArray[Any]]:
        """Give an array (c, z, y, x) to be filled with the voxels of a block: slices, rows, columns (None: all of the box)."""
        ...

    def seal(self) -> None:
        """Get ready for `band`: every voxel of the slab's part of the box is filled."""
        ...

    def band(self, rows: Range, columns: Range) -> Band:
        """Return what holds these rows and columns of the buffer, C-contiguous; z starts at the slab."""
        ...

    def close(self) -> None:
        """Give the memory or the file back."""
        ...


class MemorySlab:
    """Hold a slab in one array; blocks and bands are views of it."""

    def __init__(self, plan: LevelPlan) -> None:
        self._plan = plan
        self._buffer = np.empty(plan.buffer_shape, plan.layout.dtype)
        self._z_range = plan.slabs[0]

    def begin(self, z_range: Range) -> None:
        """Stand for another slab."""
        self._z_range = z_range

    @contextmanager
    def writable(self, z: Range, y: Range, x: Range | None = None) -> Iterator[NDArray[Any]]:
        """Give a view of the block."""
        plan = self._plan
        windows = ((z, self._z_range[0]), (y, plan.origin_y), (x or plan.box.get_bounds("x"), plan.origin_x))
        yield self._buffer[:, *(slice(start - origin, stop - origin) for (start, stop), origin in windows)]

    def seal(self) -> None:
        """Mirror the borders in place."""
        if self._plan.factors is not None:
            _mirror_borders(self._buffer, self._plan, self._plan.factors, self._z_range[0])

    def band(self, rows: Range, columns: Range) -> Band:
        """Return the whole buffer: kernels work on it where it lies."""
        del rows, columns
        return Band(self._buffer, 0, 0)

    def close(self) -> None:
        """Let go of the array."""
        self._buffer = self._buffer[:, :0]


class SpooledSlab:
    """Hold a slab in a file: the voxels of the box, (c, z, y, x) without padding, so that rows of a slice are one run."""

    def __init__(self, plan: LevelPlan, path: Path) -> None:
        self._plan = plan
        self._path = path
        self._z_range = plan.slabs[0]
        with storage_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def begin(self, z_range: Range) -> None:
        """Stand for another slab; the file is written over."""
        self._z_range = z_range

    @contextmanager
    def writable(self, z: Range, y: Range, x: Range | None = None) -> Iterator[NDArray[Any]]:
        """Give an array of its own, and write it to the file when it is filled."""
        plan = self._plan
        left, right = x or plan.box.get_bounds("x")
        block = np.empty((plan.layout.channels, z[1] - z[0], y[1] - y[0], right - left), plan.layout.dtype)
        yield block
        whole = right - left == plan.box.size.x  # whole rows are one run of bytes
        with storage_refusals(self._path, block.nbytes):
            for channel in range(plan.layout.channels):
                for slice_z in range(*z):
                    rows = block[channel, slice_z - z[0]]
                    for first in (y[0],) if whole else range(*y):
                        run = rows if whole else rows[first - y[0]]
                        _write_at(self._descriptor, run, self._offset(channel, slice_z, first, left))

    def seal(self) -> None:
        """Do nothing: borders are mirrored while bands are read."""

    def band(self, rows: Range, columns: Range) -> Band:
        """Read a window from the file, with the voxels that stand in for missing ones."""
        plan = self._plan
        factors = plan.factors or Vec3Int(1, 1, 1)
        channels = plan.layout.channels
        start, stop = self._z_range
        band = np.empty((channels, stop - start, rows[1] - rows[0], columns[1] - columns[0]), plan.layout.dtype)
        low, high, z_sources = _mirrored(plan, factors, "z", (start, stop))
        top, bottom, y_sources = _mirrored(plan, factors, "y", (rows[0] + plan.origin_y, rows[1] + plan.origin_y))
        left, right, x_sources = _mirrored(plan, factors, "x", (columns[0] + plan.origin_x, columns[1] + plan.origin_x))
        if top < bottom and left < right:
            row, column = rows[0] + plan.origin_y, columns[0] + plan.origin_x
            inside = band[:, :, top - row : bottom - row, left - column : right - column]
            for z, source_z in zip(range(low, high), z_sources.tolist(), strict=True):
                for channel in range(channels):
                    self._read_rows(channel, source_z, y_sources, x_sources, inside[channel, z - start])
        return Band(band, rows[0], columns[0])

    def close(self) -> None:
        """Remove the file."""
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)

    def _read_rows(
        self, channel: int, z: int, y_sources: NDArray[np.intp], x_sources: NDArray[np.intp], out: NDArray[Any]
    ) -> None:
        """Fill `out` (y, x) with rows of a slice. Runs of neighbouring rows are read at once, if they are whole rows."""
        left, right = int(x_sources.min()), int(x_sources.max()) + 1
        straight = right - left == len(x_sources) and x_sources[0] == left and x_sources[-1] == right - 1
        columns = slice(None) if straight else x_sources - left
        width = right - left
        whole = width == self._plan.box.size.x
        cuts = [0, *(np.flatnonzero(np.diff(y_sources) != 1) + 1).tolist(), len(y_sources)]
        for begin, end in pairwise(cuts if whole else range(len(y_sources) + 1)):
            size = (end - begin) * width * out.dtype.itemsize
            data = os.pread(self._descriptor, size, self._offset(channel, z, int(y_sources[begin]), left))
            out[begin:end] = np.frombuffer(data, out.dtype).reshape(end - begin, width)[:, columns]

    def _offset(self, channel: int, z: int, y: int, x: int) -> int:
        plan = self._plan
        slice_number = channel * plan.buffer_shape[1] + z - self._z_range[0]
        row = slice_number * plan.box.size.y + y - plan.box.topleft.y
        return (row * plan.box.size.x + x - plan.box.topleft.x) * plan.layout.dtype.itemsize


def _mirrored(plan: LevelPlan, factors: Vec3Int, axis: str, window: Range) -> tuple[int, int, NDArray[np.intp]]:
    """Cut a window to the whole blocks that hold voxels of the layer; say which voxel stands at each place of it."""
    start, stop = plan.box.get_bounds(axis)
    factor = factors.get(axis)
    first = max(window[0], start // factor * factor)
    last = max(first, min(window[1], -(-stop // factor) * factor))
    return first, last, symmetric_indices(first, last, start, stop)


def _mirror_borders(buffer: NDArray[Any], plan: LevelPlan, factors: Vec3Int, origin_z: int) -> None:
    """Fill what is missing of the blocks at the layer's borders with mirrored voxels (source: numpy "symmetric")."""
    ranges = []  # per axis z, y, x of the buffer: first and last voxel of the layer, and of whole blocks
    for axis, origin in (("z", origin_z), ("y", plan.origin_y), ("x", plan.origin_x)):
        start, stop = plan.box.get_bounds(axis)
        factor = factors.get(axis)
        ranges.append((start, stop, start // factor * factor, -(-stop // factor) * factor, origin))
    limits = [(0, size) for size in buffer.shape[1:]]
    window = [
        slice(max(start - origin, low), min(stop - origin, high))
        for (start, stop, _, _, origin), (low, high) in zip(ranges, limits, strict=True)
    ]
    for number, (start, stop, first, last, origin) in enumerate(ranges):
        for begin, end in ((first, start), (stop, last)):
            if begin == end or begin - origin < 0 or end - origin > buffer.shape[number + 1]:
                continue  # no border, or it lies in another slab
            mirrored: list[Any] = [slice(None), *window]
            mirrored[number + 1] = symmetric_indices(begin, end, start, stop) - origin
            target: list[Any] = [slice(None), *window]
            target[number + 1] = slice(begin - origin, end - origin)
            buffer[tuple(target)] = buffer[tuple(mirrored)]
            window[number] = slice(min(window[number].start, begin - origin), max(window[number].stop, end - origin))


def _write_at(descriptor: int, voxels: NDArray[Any], offset: int) -> None:
    view = np.ascontiguousarray(voxels).data.cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
