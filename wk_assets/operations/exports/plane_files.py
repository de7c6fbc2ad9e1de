"""Files of planes whose place is fixed before any voxel is known: written in any order, by boxes, in place.

A *plane* is one (y, x) picture, or (y, x, sample). TIFF without compression, OME-TIFF and raw files are all just that
behind their headers, so a volume of any size is written in bounded memory, and writing a box twice does no harm.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.storage.durable import storage_refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneShape:
    """Say what a plane is: extent in pixels, samples of a pixel, dtype (native byte order is little-endian here)."""

    width: int
    height: int
    samples: int
    dtype: np.dtype[Any]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return self.samples * self.dtype.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of the plane."""
        return self.width * self.height * self.pixel_bytes


class PlaneFile:
    """Write and read back parts of the planes of one open file. `offsets`: where each plane begins, in bytes."""

    def __init__(self, path: Path, shape: PlaneShape, offsets: Sequence[int]) -> None:
        self.path = path
        self._shape = shape
        self._offsets = offsets
        self._descriptor = -1

    def __enter__(self) -> Self:
        with storage_refusals(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def write(self, plane: int, y: int, x: int, pixels: NDArray[Any]) -> None:
        """Put `pixels`, (rows, columns) or (rows, columns, samples) in the plane's dtype, with their first pixel at y, x."""
        rows, columns = pixels.shape[:2]
        start = self._offsets[plane] + (y * self._shape.width + x) * self._shape.pixel_bytes
        data = np.ascontiguousarray(pixels, self._shape.dtype.newbyteorder("<"))
        with storage_refusals(self.path, self._shape.size_bytes):
            if columns == self._shape.width:
                self._write_all(data.reshape(-1).view(np.uint8), start)
                return
            for row in range(rows):
                stride = self._shape.width * self._shape.pixel_bytes
                self._write_all(data[row].reshape(-1).view(np.uint8), start + row * stride)

    def read_rows(self, plane: int, y: int, rows: int) -> NDArray[Any]:
        """Return rows that were written before, (rows, columns, samples)."""
        shape = self._shape
        buffer = bytearray(rows * shape.width * shape.pixel_bytes)
        start = self._offsets[plane] + y * shape.width * shape.pixel_bytes
        done = os.preadv(self._descriptor, [buffer], start)
        if done != len(buffer):  # pread gives up to 2 GiB at once
            buffer[done:] = os.pread(self._descriptor, len(buffer) - done, start + done)
        stored = np.frombuffer(buffer, shape.dtype.newbyteorder("<")).reshape(rows, shape.width, shape.samples)
        return stored.astype(shape.dtype, copy=False)

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        with storage_refusals(self.path):
            os.fsync(self._descriptor)

    def _write_all(self, data: NDArray[np.uint8], offset: int) -> None:
        view = data.data  # a view that the operating system takes as it is
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written


def consecutive(first: int, planes: int, shape: PlaneShape) -> range:
    """Give the offsets of planes that lie one after another."""
    return range(first, first + planes * shape.size_bytes, shape.size_bytes) if planes else range(0)
