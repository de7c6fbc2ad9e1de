"""Where one slab of one level is held: in memory, or, when slices are too large for that, in a spool file.

Both hold the voxels of the level's box in one range of z, take them in blocks of whole rows, and give them back as
bands of rows whose borders are mirrored where blocks of the next level reach over them. The spool file lies in the
staging directory, is written and read once per slab, and means nothing after a crash.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.border import symmetric_indices
from wk_assets.operations.pyramid_plan import LevelPlan
from wk_assets.storage.durable import storage_refusals

Range = tuple[int, int]


class SlabStore(Protocol):
    """Hold one slab. Coordinates are world voxels of the level's mag; blocks and bands may be used by several threads."""

    def begin(self, z_range: Range) -> None:
        """Stand for another slab from now on; what was held is forgotten."""
        ...

    @contextmanager
    def writable(self, z: Range, y: Range) -> Iterator[NDArray[Any]]:
        """Give an array (c, z, y, x) to be filled with the voxels of a block: all x of the box, these slices and rows."""
        ...

    def seal(self) -> None:
        """Get ready for `band`: every voxel of the slab's part of the box is filled."""
        ...

    def band(self, first: int, last: int) -> tuple[NDArray[Any], int]:
        """Return an array (c, z, y, x) that holds the buffer rows [first, last), and the buffer row that it starts with.

        z starts at the slab, x at the plan's `origin_x`; voxels outside of the box are mirrored or undefined.
        """
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
    def writable(self, z: Range, y: Range) -> Iterator[NDArray[Any]]:
        """Give a view of the block."""
        plan, origin_z = self._plan, self._z_range[0]
        x0, x1 = plan.box.topleft.x - plan.origin_x, plan.box.bottomright.x - plan.origin_x
        yield self._buffer[:, z[0] - origin_z : z[1] - origin_z, y[0] - plan.origin_y : y[1] - plan.origin_y, x0:x1]

    def seal(self) -> None:
        """Mirror the borders in place."""
        if self._plan.factors is not None:
            _mirror_borders(self._buffer, self._plan, self._plan.factors, self._z_range[0])

    def band(self, first: int, last: int) -> tuple[NDArray[Any], int]:
        """Return the whole buffer: a kernel works best on rows that lie where they are."""
        del first, last
        return self._buffer, 0

    def close(self) -> None:
        """Let go of the array."""
        self._buffer = self._buffer[:, :0]


class SpooledSlab:
    """Hold a slab in a file: the voxels of the box, (c, z, y, x) without padding, so that rows of a slice are one run."""

    def __init__(self, plan: LevelPlan, path: Path) -> None:
        self._plan = plan
        self._path = path
        self._z_range = plan.slabs[0]
        self._rows = plan.box.size.y
        self._row_bytes = plan.box.size.x * plan.layout.dtype.itemsize
        with storage_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def begin(self, z_range: Range) -> None:
        """Stand for another slab; the file is written over."""
        self._z_range = z_range

    @contextmanager
    def writable(self, z: Range, y: Range) -> Iterator[NDArray[Any]]:
        """Give an array of its own, and write it to the file when it is filled."""
        plan = self._plan
        block = np.empty((plan.layout.channels, z[1] - z[0], y[1] - y[0], plan.box.size.x), plan.layout.dtype)
        yield block
        with storage_refusals(self._path, block.nbytes):
            for channel in range(plan.layout.channels):
                for slice_z in range(*z):
                    _write_at(self._descriptor, block[channel, slice_z - z[0]], self._offset(channel, slice_z, y[0]))

    def seal(self) -> None:
        """Do nothing: borders are mirrored while bands are read."""

    def band(self, first: int, last: int) -> tuple[NDArray[Any], int]:
        """Read the rows from the file, those that stand in for missing ones too."""
        plan = self._plan
        factors = plan.factors or Vec3Int(1, 1, 1)
        channels, _, _, width = plan.buffer_shape
        start, stop = self._z_range
        z0, z1 = plan.box.get_bounds("z")
        y0, y1 = plan.box.get_bounds("y")
        band = np.empty((channels, stop - start, last - first, width), plan.layout.dtype)
        low, high = max(start, z0 // factors.z * factors.z), min(stop, -(-z1 // factors.z) * factors.z)
        top = max(first + plan.origin_y, y0 // factors.y * factors.y)
        bottom = min(last + plan.origin_y, -(-y1 // factors.y) * factors.y)
        rows = symmetric_indices(top, bottom, y0, y1)
        x_start = plan.box.topleft.x - plan.origin_x
        inside = band[
            :, :, top - plan.origin_y - first : bottom - plan.origin_y - first, x_start : x_start + plan.box.size.x
        ]
        for z, source_z in zip(range(low, high), symmetric_indices(low, high, z0, z1).tolist(), strict=True):
            for channel in range(channels):
                self._read_rows(channel, source_z, rows, inside[channel, z - start])
        _mirror_columns(band, plan, factors)
        return band, first

    def close(self) -> None:
        """Remove the file."""
        os.close(self._descriptor)
        self._path.unlink(missing_ok=True)

    def _read_rows(self, channel: int, z: int, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
        """Fill `out` (y, x) with rows of a slice; runs of neighbouring rows are read at once."""
        cuts = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for begin, end in pairwise(cuts):
            count = end - begin
            data = os.pread(self._descriptor, count * self._row_bytes, self._offset(channel, z, int(rows[begin])))
            out[begin:end] = np.frombuffer(data, out.dtype).reshape(count, -1)

    def _offset(self, channel: int, z: int, y: int) -> int:
        depth = self._plan.buffer_shape[1]
        slice_number = channel * depth + z - self._z_range[0]
        return (slice_number * self._rows + y - self._plan.box.topleft.y) * self._row_bytes


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


def _mirror_columns(band: NDArray[Any], plan: LevelPlan, factors: Vec3Int) -> None:
    """Mirror the left and right border of a band."""
    start, stop = plan.box.get_bounds("x")
    for begin, end in ((start // factors.x * factors.x, start), (stop, -(-stop // factors.x) * factors.x)):
        if begin != end:
            band[..., begin - plan.origin_x : end - plan.origin_x] = band[
                ..., symmetric_indices(begin, end, start, stop) - plan.origin_x
            ]


def _write_at(descriptor: int, voxels: NDArray[Any], offset: int) -> None:
    view = np.ascontiguousarray(voxels).data.cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]
