"""A stored array as the source of an import: any format that can be opened, reversed, swapped and converted as a whole.

Offers slices as every reader does, and blocks of any shape, because chunks of an array are decoded as a whole: the engine
takes blocks (`BlockSource`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import AxesError, GeometryError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.arrays.found_array import FoundArray, find_array
from wk_assets.operations.passes.slab_sources import LoadTask, Range
from wk_assets.operations.records.export_stage import fingerprint
from wk_assets.operations.records.layer_record import SliceFact
from wk_assets.readers.arranged import Arrangement
from wk_assets.readers.filled_rows import ClosedVolume, FilledRows
from wk_assets.readers.source_files import digest_file, list_source_files
from wk_assets.readers.volume import (
    MeasuredVoxelSize,
    RowAccess,
    SliceRecord,
    SourceSelection,
    VolumeDescription,
)

_BLOCK_BYTES = 16 << 20  # of one load task, unless one column of chunks is more
_AS_IT_IS = Arrangement()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySource:
    """Name an array (see `find_array`), which of its channels is wanted, and how it is arranged."""

    path: Path
    axes: str | None = None
    channel: int | None = None
    voxel_size: MeasuredVoxelSize | None = None
    arrangement: Arrangement = _AS_IT_IS

    def open(self) -> "ArrayVolume":
        """Open the array. Raises NotADatasetError, AxesError, PropertiesError."""
        return ArrayVolume(self)

    def identity(self) -> dict[str, Any]:
        """Say what decides the voxels: all files of the array, the axes, the arrangement."""
        found = find_array(self.path, self.axes)
        return {
            "array": fingerprint(found.path),
            "axes": list(found.axes),
            "channel": self.channel,
            "arranged": self.arrangement.identity(),
        }


@runtime_checkable
class ReadsBlocks(Protocol):
    """Read any block of a volume at once."""

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is."""
        ...

    @property
    def block_shape(self) -> Vec3Int:
        """Voxels x, y, z that are decoded together."""
        ...

    def read_block(self, at: tuple[int, ...], z: Range, y: Range, x: Range) -> NDArray[Any]:
        """Return a block, (c, z, y, x), at a position of the additional axes."""
        ...


class ArrayVolume(ClosedVolume):
    """Read an array as a volume. Safe to share between threads."""

    def __init__(self, source: ArraySource) -> None:
        self._found = found = find_array(source.path, source.axes)
        self._array = found.open()
        self._arrangement = arrangement = source.arrangement
        info = self._array.info
        self._channels = _channels(found, info.num_channels, info.voxel_type, source.channel)
        self._extra = tuple(axis for axis in info.box.axes[:-4])
        size = info.box.bottomright_xyz - found.origin
        self._size = size  # before x and y are swapped
        result = Vec3Int(size.y, size.x, size.z) if arrangement.swap_xy else size
        chunk = info.chunk_shape
        self._block_shape = Vec3Int(chunk.y, chunk.x, chunk.z) if arrangement.swap_xy else chunk
        dtype = (info.voxel_type if arrangement.dtype is None else arrangement.dtype).newbyteorder("=")
        metadata = SourceSelection(root=found.metadata.absolute().parent, files=(found.metadata.absolute(),))
        column = prod(chunk) * info.num_channels * info.voxel_type.itemsize
        self._description = VolumeDescription(
            format=f"array ({found.data_format.value})",
            files=list_source_files(metadata),
            size=result,
            channels=len(self._channels),
            dtype=dtype,
            voxel_size=source.voxel_size or found.voxel_size,
            rows=RowAccess(unit=self._block_shape.y, held_bytes=2 * max(_BLOCK_BYTES, column)),
            additional=tuple((axis, info.box.get_shape(axis)) for axis in self._extra),
        )

    @property
    def description(self) -> VolumeDescription:
        """Say what the volume is, arranged."""
        return self._description

    @property
    def origin(self) -> Vec3Int:
        """Where the first voxel of the array lies by what its metadata says."""
        return self._found.origin

    @property
    def block_shape(self) -> Vec3Int:
        """Voxels x, y, z that are decoded together."""
        return self._block_shape

    def read_block(self, at: tuple[int, ...], z: Range, y: Range, x: Range) -> NDArray[Any]:
        """Return a block, (c, z, y, x), arranged. Raises what reading the array raises, GeometryError for one outside."""
        size, flip = self._description.size, self._arrangement.flip
        wanted = {"x": x, "y": y, "z": z}
        for axis, (start, stop) in wanted.items():
            if not 0 <= start <= stop <= size.get(axis):
                raise GeometryError(f"{self._found.path}: block {wanted} leaves the volume of {tuple(size)} voxels")
        stored = {
            axis: (size.get(axis) - stop, size.get(axis) - start) if axis in flip else (start, stop)
            for axis, (start, stop) in wanted.items()
        }
        if self._arrangement.swap_xy:
            stored["x"], stored["y"] = stored["y"], stored["x"]
        box = self._array.info.box
        for axis, (start, stop) in stored.items():
            box = box.with_bounds(axis, start + self._found.origin.get(axis), stop - start)
        for axis, position in zip(self._extra, at or (0,) * len(self._extra), strict=True):
            box = box.with_bounds(axis, position, 1)
        box = box.with_bounds("c", self._channels[0], len(self._channels))
        voxels = self._array.read_box(box)
        voxels = voxels.reshape(voxels.shape[-4:]).transpose(0, 3, 2, 1)
        if self._arrangement.swap_xy:
            voxels = voxels.swapaxes(2, 3)
        steps = [-1 if axis in flip else 1 for axis in "zyx"]
        voxels = voxels[:, :: steps[0], :: steps[1], :: steps[2]]
        return self._arrangement.converted(voxels, self._description.dtype)

    def read_slice(self, z: int, out: NDArray[Any], at: tuple[int, ...] = ()) -> SliceRecord:
        """Fill `out` (c, y, x) with slice `z`."""
        return self.fill(z, at, 0, out)

    def open_rows(self, z: int, at: tuple[int, ...] = ()) -> FilledRows:
        """Get ready to read slice `z` in windows of rows."""
        return FilledRows(self, z, at)

    def fill(self, z: int, at: tuple[int, ...], first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x) with the rows from `first_row` on, a block at a time."""
        rows = (first_row, first_row + out.shape[1])
        for y, x in pieces_of(self, (z, z + 1), rows):
            out[:, y[0] - first_row : y[1] - first_row, slice(*x)] = self.read_block(at, (z, z + 1), y, x)[:, 0]
        return SliceRecord(z=z)

    def digests(self) -> dict[str, str]:
        """Digest the metadata; what the chunks are is told by their names, sizes and times."""
        return {file.relative_path: digest_file(file) for file in self._description.files}


class BlockSource:
    """Load a volume block by block, and measure the slices of each: each chunk is decoded once or twice, not per slice."""

    def __init__(self, reader: ReadsBlocks, topleft: Vec3Int, at: tuple[int, ...]) -> None:
        self._reader = reader
        self._topleft = topleft
        self._at = at

    def load_tasks(self, z_start: int, z_stop: int) -> list[LoadTask]:
        """Return one task per row of chunks, or part of it if it is long."""
        corner, size = self._topleft, self._reader.description.size
        z = (z_start - corner.z, z_stop - corner.z)
        return [
            LoadTask(
                (z_start, z_stop),
                (y[0] + corner.y, y[1] + corner.y),
                partial(self._load, z, y, x),
                x=(x[0] + corner.x, x[1] + corner.x),
            )
            for y, x in pieces_of(self._reader, z, (0, size.y))
        ]

    def _load(self, z: Range, y: Range, x: Range, out: NDArray[Any]) -> tuple[SliceFact, ...]:
        out[...] = self._reader.read_block(self._at, z, y, x)
        measured = slice_statistics(out)
        return tuple(
            SliceFact(
                z=z[0] + self._topleft.z + index,
                at=self._at,
                minimum=measured.minimum[index].item(),
                maximum=measured.maximum[index].item(),
                total=_plain(measured.total[index]),
                zeros=int(measured.zeros[index]),
                nans=int(measured.nans[index]),
                count=int(measured.count[index]),
            )
            for index in range(out.shape[1])
        )


def _plain(value: Any) -> int | float:
    plain: int | float = value.item() if hasattr(value, "item") else value
    return plain


def pieces_of(reader: ReadsBlocks, z: Range, y: Range) -> Iterator[tuple[Range, Range]]:
    """Cut rows `y` at the borders of chunks, and a row of chunks by columns where it is more than a block."""
    shape, size = reader.block_shape, reader.description.size
    voxel_bytes = reader.description.channels * reader.description.dtype.itemsize
    columns = max(1, _BLOCK_BYTES // (shape.x * shape.y * (z[1] - z[0]) * voxel_bytes)) * shape.x
    for top, bottom in _cuts(*y, shape.y):
        for left, right in _cuts(0, size.x, columns):
            yield (top, bottom), (left, right)


def _cuts(start: int, stop: int, step: int) -> Iterator[Range]:
    while start < stop:
        end = min(stop, (start // step + 1) * step)
        yield start, end
        start = end


def _channels(found: FoundArray, count: int, dtype: np.dtype[Any], channel: int | None) -> range:
    if channel is not None:
        if not 0 <= channel < count:
            raise AxesError(f"{found.path}: channel {channel} is asked for, but there are {count} (0 to {count - 1})")
        return range(channel, channel + 1)
    if count == 1 or (count == 3 and dtype == np.uint8):
        return range(count)
    raise AxesError(
        f"{found.path}: has {count} channels of {dtype.name}; a layer has one, or three of RGB uint8: say which with --channel"
    )
