"""Arrays in wkw, WEBKNOSSOS' older format: files that are cubes of blocks, and a header that says which cubes.

A wkw array does not know where it ends: voxels may be written anywhere, and `info.box` ends where files end, until
`resize` says otherwise to this object. What a file looks like is `wkw_file`'s to know.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError, ReadOnlyError, StorageError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.shard_grid import ShardGrid
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.array_axes import new_voxels
from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.durable import write_atomically
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.mag_box import box_from_origin, check_box, check_voxels
from wk_assets.storage.wkw_file import BlockPatch, Window, WkwFile, morton_numbers, rewrite
from wk_assets.storage.wkw_header import WkwHeader

HEADER_NAME = "header.wkw"
_NO_END = 2**62
_AXES = ("c", "x", "y", "z")
_FILE_NAME = re.compile(r"x(0|[1-9]\d*)\.wkw")
_Block = tuple[int, Window, Window]


class WkwArray:
    """Read and write one mag in wkw. Safe to share between threads; several processes may write at the same time."""

    def __init__(self, path: Path, header: WkwHeader, end: Vec3Int | None, *, read_only: bool = False) -> None:
        self._path = path
        self._header = header
        self._end = end
        self._read_only = read_only
        self._locks = ArrayLocks(path)
        self._growing = Lock()
        self._endless = ArrayInfo(
            data_format=DataFormat.WKW,
            voxel_type=header.dtype,
            box=box_from_origin(_AXES, (header.channels, _NO_END, _NO_END, _NO_END)),
            chunk_shape=header.chunk_shape,
            shard_shape=header.shard_shape,
            compression_mode=header.compressed,
            axis_order={axis: place for place, axis in enumerate(_AXES)},
        )

    @property
    def path(self) -> Path:
        """The array's directory."""
        return self._path

    @property
    def info(self) -> ArrayInfo:
        """What the array is. An array that was opened ends where its files end; to find out, they are all listed."""
        with self._growing:
            if self._end is None:
                shape = self._header.shard_shape
                self._end = Vec3Int.zeros()
                for cell in self._stored_cells():
                    self._end = self._end.pairmax((cell + 1) * shape)
            end = self._end
        return replace(self._endless, box=box_from_origin(_AXES, (self._header.channels, *end)))

    @classmethod
    def open(
        cls,
        path: Path,
        axis_order: Mapping[str, int] | None = None,
        additional_axes: Sequence[AdditionalAxisProperties] = (),
        *,
        read_only: bool = False,
    ) -> Self:
        """Open the array in the directory `path`.

        Raises NotADatasetError if there is no header.wkw, PropertiesError for one that can not be understood, and for axes:
        wkw has c, x, y, z only, in this order.
        """
        try:
            data = (path / HEADER_NAME).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotADatasetError(f"{path} holds no wkw array: there is no {HEADER_NAME}") from error
        wanted = dict(axis_order or {})
        if additional_axes or any(wanted[axis] != _AXES.index(axis) for axis in _AXES if axis in wanted):
            raise PropertiesError(
                f"{path}: the axes of a wkw array are c, x, y, z; the layer's properties say {wanted} and "
                f"additionalAxes {[axis.name for axis in additional_axes]}"
            )
        header, _ = WkwHeader.parse(data, str(path / HEADER_NAME))
        return cls(path, header, None, read_only=read_only)

    @classmethod
    def create(cls, path: Path, info: ArrayInfo) -> Self:
        """Make the empty array that `info` describes in the directory `path`: blocks are chunks, files are shards.

        Compressed blocks are LZ4HC. Raises PropertiesError and GeometryError for what wkw can not hold, StorageError if
        there is an array already.
        """
        if info.dimension_names != _AXES:
            raise PropertiesError(f"{path}: wkw has the axes c, x, y, z only, not {info.dimension_names}; choose zarr3")
        if isinstance(info.compression_mode, Zarr3Config):
            raise PropertiesError(f"{path}: a Zarr3Config is for zarr3; wkw is compressed (LZ4HC) or not")
        header = WkwHeader.for_new_array(
            np.dtype(info.voxel_type),
            info.num_channels,
            info.chunk_shape,
            info.shard_shape,
            compress=bool(info.compression_mode),
        )
        if (path / HEADER_NAME).exists():
            raise StorageError(f"{path} holds a wkw array already; delete it, or choose another place")
        write_atomically(path / HEADER_NAME, header.to_bytes())
        return cls(path, header, info.box.bottomright_xyz)

    def read_box(self, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
        """Return the voxels of a box, shape (c, x, y, z), x contiguous; zeros where no file is.

        Raises GeometryError for other axes or a box below the origin, ShardCorruptError.
        """
        check_box(self._path, self._endless, box_in_mag)
        out = new_voxels(box_in_mag, self._header.dtype)
        for cell, part in self._files(box_in_mag):
            with WkwFile.open(self._file(cell), self._header) as file:
                if file is None:
                    continue
                blocks = self._blocks(cell, part)
                numbers = np.array([number for number, _, _ in blocks], np.int64)
                for (_, inside, outside), block in zip(blocks, file.blocks(numbers), strict=True):
                    out[_from(outside, box_in_mag)] = block[inside]
        return out

    def write_box(self, box_in_mag: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
        """Store voxels, shape (c, x, y, z), anywhere behind the origin; files are replaced one after another.

        Raises GeometryError for other axes, shapes, types or a box below the origin, ReadOnlyError, ShardCorruptError,
        LockedError, StorageError.
        """
        self._check_writable()
        check_voxels(self._path, self._endless, box_in_mag, voxels)
        for cell, part in self._files(box_in_mag):
            patches = [
                BlockPatch(number, inside, voxels[_from(outside, box_in_mag)])
                for number, inside, outside in self._blocks(cell, part)
            ]
            file = self._file(cell)
            with self._locks.shard(str(file.relative_to(self._path))):
                rewrite(file, self._header, patches)
        if not box_in_mag.is_empty():
            with self._growing:
                if self._end is not None:
                    self._end = self._end.pairmax(box_in_mag.bottomright_xyz)

    def resize(self, box_in_mag: NormalizedBoundingBox) -> None:
        """Let `info.box` end at the far corner of a box; on disk there is nothing that says so."""
        self._check_writable()
        check_box(self._path, self._endless, box_in_mag)
        if box_in_mag.bottomright.c != self._header.channels:
            raise GeometryError(
                f"{self._path}: an array of {self._header.channels} channels can not have {box_in_mag.bottomright.c}"
            )
        with self._growing:
            self._end = box_in_mag.bottomright_xyz

    def stored_boxes(self) -> Iterator[NormalizedBoundingBox]:
        """Yield the box of every file, cut to `info.box`; z slowest."""
        whole = self.info.box
        shape = self._header.shard_shape
        for cell in self._stored_cells():
            box = NormalizedBoundingBox((0, *(cell * shape)), (self._header.channels, *shape), _AXES)
            cut = box.intersected_with(whole, dont_assert=True)
            if not cut.is_empty():
                yield cut

    def _check_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyError(f"{self._path} was opened for reading only; open it for writing to change it")

    def _file(self, cell: Vec3Int) -> Path:
        return self._path / f"z{cell.z}" / f"y{cell.y}" / f"x{cell.x}.wkw"

    def _files(self, box: NormalizedBoundingBox) -> Iterator[tuple[Vec3Int, NormalizedBoundingBox]]:
        """Yield grid position, and the part of a box that lies inside, of each file that a box touches."""
        stored = box.with_bounds("c", 0, self._header.channels)
        inside = box.intersected_with(stored, dont_assert=True)
        if inside.is_empty():
            return
        grid = ShardGrid(self._header.shard_shape)
        for shard in grid.cells(grid.covering(BoundingBox.from_ndbbox(inside))):
            yield shard.topleft // self._header.shard_shape, inside.intersected_with(shard)

    def _blocks(self, cell: Vec3Int, part: NormalizedBoundingBox) -> list[_Block]:
        """List the blocks of a file that a box inside of it touches, in the order of the file.

        Each with its position in the file, its voxels that the box has, counted from the block and from the origin.
        """
        edge = self._header.block_edge
        first = part.topleft_xyz // edge
        last = part.bottomright_xyz.ceildiv(edge)
        ranges = [np.arange(start, end) for start, end in zip(first, last, strict=True)]
        places = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
        numbers = morton_numbers(places - np.array(cell * self._header.blocks_per_edge))
        order = np.argsort(numbers)
        corners = places[order] * edge
        starts = np.maximum(corners, np.array(part.topleft_xyz))
        ends = np.minimum(corners + edge, np.array(part.bottomright_xyz))
        channels = slice(*part.get_bounds("c"))
        return [
            (number, (channels, *_spatial(inner_start, inner_end)), (channels, *_spatial(start, end)))
            for number, inner_start, inner_end, start, end in zip(
                numbers[order].tolist(),
                (starts - corners).tolist(),
                (ends - corners).tolist(),
                starts.tolist(),
                ends.tolist(),
                strict=True,
            )
        ]

    def _stored_cells(self) -> Iterator[Vec3Int]:
        """Yield the grid position of each file, z slowest."""
        for z, plane in _numbered(self._path, "z"):
            for y, row in _numbered(plane, "y"):
                found = (_FILE_NAME.fullmatch(file.name) for file in row.iterdir())
                for x in sorted(int(match[1]) for match in found if match):
                    yield Vec3Int(x, y, z)


def _numbered(directory: Path, letter: str) -> list[tuple[int, Path]]:
    """List the subdirectories whose name is a letter and a number, by number."""
    pattern = re.compile(rf"{letter}(0|[1-9]\d*)")
    found = ((pattern.fullmatch(entry.name), entry) for entry in directory.iterdir())
    return sorted((int(match[1]), entry) for match, entry in found if match and entry.is_dir())


def _from(window: Window, box: NormalizedBoundingBox) -> Window:
    """Count a window from the first corner of a box instead of from the origin."""
    c, x, y, z = (slice(part.start - start, part.stop - start) for part, start in zip(window, box.topleft, strict=True))
    return c, x, y, z


def _spatial(start: Sequence[int], stop: Sequence[int]) -> tuple[slice, slice, slice]:
    x, y, z = map(slice, start, stop)
    return x, y, z
