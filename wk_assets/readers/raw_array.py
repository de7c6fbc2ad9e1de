"""Read a file that is nothing but voxels: shape, type and order are told, not found.

One slice at a time. Where z varies fastest (order C), a slice lies scattered over the whole file: then several slices are
taken out in one pass and kept for the next calls.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import AxesError, GeometryError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers.filled_rows import ClosedVolume, FilledRows
from wk_assets.readers.source_files import OpenedSource, digest_file, list_source_files
from wk_assets.readers.volume import (
    MeasuredVoxelSize,
    RowAccess,
    SliceRecord,
    SourceSelection,
    VolumeDescription,
)

_KEPT_BYTES = 64 << 20  # slices of a file in order C that are kept at once, unless a single one is more than that
_RUN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSource:
    """Say what a file of voxels is. `shape` x, y, z; `order` F: x varies fastest, C: z does; `channels` vary slowest."""

    path: Path
    shape: Vec3Int
    dtype: np.dtype[Any]
    order: Literal["F", "C"] = "F"
    voxel_size: MeasuredVoxelSize | None = None

    def open(self) -> "RawVolume":
        """Open the file. Raises UnreadableSliceError if its size is not that of the voxels."""
        return RawVolume(self)

    def identity(self) -> dict[str, Any]:
        """Say what besides the file decides the voxels."""
        return {"raw": [list(self.shape), self.dtype.str, self.order]}


class RawVolume(ClosedVolume):
    """Read slices of a file of voxels. Safe to share between threads."""

    def __init__(self, source: RawSource) -> None:
        if min(source.shape) < 1:
            raise GeometryError(f"shape {tuple(source.shape)}: each of x, y, z must be at least 1")
        if source.dtype.kind not in "uif" or source.dtype.itemsize > 8:
            raise AxesError(
                f"{source.path}: dtype {source.dtype} is none that voxels have; give uint8 to uint64, int8 to int64, float32 or float64"
            )
        path = Path(os.path.abspath(source.path))  # noqa: PTH100 -- Path.resolve would follow links and name another file
        (self._file,) = list_source_files(SourceSelection(root=path.parent, files=(path,)))
        needed = prod(source.shape) * source.dtype.itemsize
        if self._file.size_bytes != needed:
            raise UnreadableSliceError(
                f"{source.path}: has {self._file.size_bytes} bytes, but {' x '.join(map(str, source.shape))} voxels of "
                f"{source.dtype.name} are {needed}; correct the shape or the dtype"
            )
        self._source = source
        self._lock = Lock()
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        slice_bytes = source.shape.x * source.shape.y * source.dtype.itemsize
        self._depth = min(source.shape.z, max(1, _KEPT_BYTES // slice_bytes))
        scattered = source.order == "C"
        self._description = VolumeDescription(
            format="raw",
            files=(self._file,),
            size=source.shape,
            channels=1,
            dtype=source.dtype.newbyteorder("="),
            voxel_size=source.voxel_size,
            rows=RowAccess(
                held_bytes=2 * self._depth * slice_bytes if scattered else 0,
                reason="in order C a slice is scattered over the whole file" if scattered else "",
            ),
        )

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        return self._description

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out` (1, y, x) with slice `z`. Raises UnreadableSliceError, SourceChangedError, GeometryError."""
        size = self._description.size
        if out.shape != (1, size.y, size.x):
            raise GeometryError(f"slice {z} needs an array (1, {size.y}, {size.x}), not {out.shape}")
        return self.fill(z, at, 0, out)

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> FilledRows:
        """Get ready to read slice `z` in windows of rows."""
        return FilledRows(self, z, at)

    def fill(self, z: int, at: tuple[int, ...], first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (1, rows, x) with the rows from `first_row` on."""
        size = self._description.size
        rows = out.shape[1]
        if any(at) or not 0 <= z < size.z or first_row < 0 or first_row + rows > size.y or out.shape[2] != size.x:
            raise GeometryError(
                f"slice {z}, rows {first_row} to {first_row + rows}: the volume has {tuple(size)} voxels"
            )
        if self._source.order == "F":
            self._fill_rows(z, first_row, out[0])
        else:
            block = self._block(z // self._depth)
            out[0] = block[z % self._depth, first_row : first_row + rows]
        return SliceRecord(z=z)

    def _fill_rows(self, z: int, first_row: int, out: NDArray[Any]) -> None:
        """Read rows that follow one another in the file."""
        size, dtype = self._description.size, self._source.dtype
        row_bytes = size.x * dtype.itemsize
        step = max(1, _RUN_BYTES // row_bytes)
        with OpenedSource(self._file) as source:
            for row in range(0, out.shape[0], step):
                rows = min(step, out.shape[0] - row)
                offset = ((z * size.y) + first_row + row) * row_bytes
                read = np.frombuffer(source.read_at(offset, rows * row_bytes), dtype)
                out[row : row + rows] = read.reshape(rows, size.x)

    def _block(self, number: int) -> NDArray[Any]:
        """Return slices (z, y, x) of one pass over a file in order C; the last two passes are kept."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            size, dtype = self._description.size, self._source.dtype
            first, last = number * self._depth, min(size.z, (number + 1) * self._depth)
            block = np.empty((last - first, size.y, size.x), self._description.dtype)
            column_bytes = size.z * dtype.itemsize
            step = max(1, _RUN_BYTES // column_bytes)
            with OpenedSource(self._file) as source:
                for x in range(size.x):
                    for y in range(0, size.y, step):
                        rows = min(step, size.y - y)
                        read = np.frombuffer(
                            source.read_at((x * size.y + y) * column_bytes, rows * column_bytes), dtype
                        )
                        block[:, y : y + rows, x] = read.reshape(rows, size.z)[:, first:last].T
            while len(self._kept) > 1:
                self._kept.popitem(last=False)
            self._kept[number] = block
            return block

    def digests(self) -> dict[str, str]:
        """Read the file once more for its digest."""
        return {self._file.relative_path: digest_file(self._file)}

    def close(self) -> None:
        """Forget what is kept."""
        with self._lock:
            self._kept.clear()
