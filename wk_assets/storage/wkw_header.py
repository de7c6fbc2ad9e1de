"""The sixteen bytes at the start of `header.wkw` and of every wkw file: pure bytes to values and back. Opens no file.

    0  "WKW"  3  version 1  4  log2 of the file's edge in blocks | log2 of a block's edge in voxels (4 bits each)
    5  block type  6  voxel type  7  bytes of a voxel, all channels  8  where the blocks start (64 bits, little-endian)

Source: the format's description at github.com/scalableminds/webknossos-wrap, and files written by its reference codec.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np

from wk_assets.errors import GeometryError, PropertiesError
from wk_assets.geometry.vec3_int import Vec3Int

HEADER_BYTES = 16
_LAYOUT = struct.Struct("<3sBBBBBQ")
_MAGIC = b"WKW"
_VERSION = 1
_LARGEST_LOG2 = 15  # four bits
_LARGEST_VOXEL_BYTES = 255  # one byte
_JUMP_BYTES = 8
_LARGEST_BLOCK_BYTES = 0x7E000000  # what LZ4 takes at once

_DTYPES = {1: "uint8", 2: "uint16", 3: "uint32", 4: "uint64", 5: "float32", 6: "float64"}
# Newer codecs write these; readers that are in use do not all know them, so that we read them and make none.
_SIGNED_DTYPES = {7: "int8", 8: "int16", 9: "int32", 10: "int64"}
_CODES = {name: code for code, name in (_DTYPES | _SIGNED_DTYPES).items()}


class BlockType(IntEnum):
    """Say how a block becomes bytes."""

    RAW = 1
    LZ4 = 2
    LZ4HC = 3  # bytes as of LZ4, that took longer to find


@dataclass(frozen=True, slots=True, kw_only=True)
class WkwHeader:
    """Describe the files of an array: all have the same header, but for where their blocks start.

    `dtype` is that of one channel, in native byte order; `block_edge` in voxels, `blocks_per_edge` of a file.
    """

    dtype: np.dtype[Any]
    channels: int
    block_edge: int
    blocks_per_edge: int
    block_type: BlockType

    @classmethod
    def for_new_array(
        cls, dtype: np.dtype[Any], channels: int, chunk_shape: Vec3Int, shard_shape: Vec3Int, *, compress: bool
    ) -> Self:
        """Describe files of `shard_shape`, cubes, with blocks of `chunk_shape`.

        Raises PropertiesError for a voxel type that wkw does not hold, GeometryError for shapes that are no cubes with edges
        that are powers of two.
        """
        if dtype.name not in _DTYPES.values():
            raise PropertiesError(
                f"wkw does not hold {dtype.name}, only {', '.join(_DTYPES.values())}; "
                "choose the data format zarr3 or zarr, which hold signed integers too"
            )
        if dtype.itemsize * channels > _LARGEST_VOXEL_BYTES:
            raise PropertiesError(
                f"wkw does not hold {channels} channels of {dtype.name}: a voxel may have {_LARGEST_VOXEL_BYTES} bytes"
            )
        block_edge = _edge(chunk_shape, "chunk_shape")
        file_edge = _edge(shard_shape, "shard_shape")
        if file_edge < block_edge or file_edge // block_edge > 1 << _LARGEST_LOG2:
            raise GeometryError(
                f"a wkw file of {file_edge}³ voxels can not consist of blocks of {block_edge}³: choose a shard_shape between "
                f"{block_edge} and {block_edge << _LARGEST_LOG2}"
            )
        return cls(
            dtype=dtype.newbyteorder("="),
            channels=channels,
            block_edge=block_edge,
            blocks_per_edge=file_edge // block_edge,
            block_type=BlockType.LZ4HC if compress else BlockType.RAW,
        )

    @property
    def compressed(self) -> bool:
        """Say whether blocks have lengths of their own, so that files start with a table of where each of them ends."""
        return self.block_type is not BlockType.RAW

    @property
    def chunk_shape(self) -> Vec3Int:
        """Voxels of a block along x, y, z."""
        return Vec3Int.full(self.block_edge)

    @property
    def shard_shape(self) -> Vec3Int:
        """Voxels of a file along x, y, z."""
        return Vec3Int.full(self.block_edge * self.blocks_per_edge)

    @property
    def blocks_per_file(self) -> int:
        """Number of blocks in a file."""
        return self.blocks_per_edge**3

    @property
    def block_bytes(self) -> int:
        """Bytes of a decoded block."""
        return self.dtype.itemsize * self.channels * self.block_edge**3

    @property
    def data_offset(self) -> int:
        """Where the blocks of a file start."""
        return HEADER_BYTES + (_JUMP_BYTES * self.blocks_per_file if self.compressed else 0)

    def to_bytes(self, *, data_offset: int = 0) -> bytes:
        """Return the header of a file, or (`data_offset` 0) of the array."""
        edges = (self.blocks_per_edge.bit_length() - 1) << 4 | (self.block_edge.bit_length() - 1)
        voxel_bytes = self.dtype.itemsize * self.channels
        return _LAYOUT.pack(_MAGIC, _VERSION, edges, self.block_type, _CODES[self.dtype.name], voxel_bytes, data_offset)

    @classmethod
    def parse(cls, data: bytes, source: str) -> tuple[Self, int]:
        """Return the header that `data` starts with, and where the blocks start. Raises PropertiesError, naming `source`."""
        if len(data) < HEADER_BYTES:
            raise PropertiesError(f"{source}: a wkw header has {HEADER_BYTES} bytes, there are {len(data)}")
        magic, version, edges, block_type, voxel_type, voxel_bytes, data_offset = _LAYOUT.unpack_from(data)
        if magic != _MAGIC:
            raise PropertiesError(f"{source}: not a wkw file, it starts with {magic!r} instead of {_MAGIC!r}")
        if version != _VERSION:
            raise PropertiesError(f"{source}: wkw version {version}; known is {_VERSION}")
        if block_type not in set(BlockType):
            raise PropertiesError(f"{source}: block type {block_type}; known are 1 (raw), 2 (LZ4), 3 (LZ4HC)")
        name = (_DTYPES | _SIGNED_DTYPES).get(voxel_type)
        if name is None:
            raise PropertiesError(f"{source}: voxel type {voxel_type}; known are {_DTYPES | _SIGNED_DTYPES}")
        dtype = np.dtype(name)
        if voxel_bytes == 0 or voxel_bytes % dtype.itemsize:
            raise PropertiesError(f"{source}: a voxel of {voxel_bytes} bytes does not consist of channels of {name}")
        header = cls(
            dtype=dtype,
            channels=voxel_bytes // dtype.itemsize,
            block_edge=1 << (edges & 15),
            blocks_per_edge=1 << (edges >> 4),
            block_type=BlockType(block_type),
        )
        if header.block_bytes > _LARGEST_BLOCK_BYTES:
            raise PropertiesError(
                f"{source}: blocks of {header.block_edge}³ voxels, {header.block_bytes} bytes each; damaged"
            )
        return header, data_offset


def _edge(shape: Vec3Int, name: str) -> int:
    edge = shape.x
    if not shape.is_uniform() or edge < 1 or edge & (edge - 1) or edge > 1 << 2 * _LARGEST_LOG2:
        raise GeometryError(
            f"{name} {tuple(shape)}: wkw files and blocks are cubes with edges that are powers of two, like 32 or 256"
        )
    return edge
