"""Read a published array through its manifest: a lost or damaged shard raises, it never reads as zeros."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, ShardMissingError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.manifest import Manifest, PromisesNow
from wk_assets.storage.shard_reader import ShardReader

_TRIES = 3


class StoredArray:
    """Offer one mag as voxels. Safe to share between threads.

    Of an array with additional axes it offers one position, at first the first of each (see `at`).
    """

    def __init__(self, path: Path, layout: ArrayLayout, manifest: Manifest, leading: tuple[int, ...] = ()) -> None:
        self.path = path
        self.leading = leading or (0,) * len(layout.additional)
        self.array_layout = layout
        self.manifest = manifest
        self._codec = ChunkCodec(layout)
        self._promised = frozenset(shard.key for shard in manifest.shards)
        self._shards = ShardReader(layout, path)

    @classmethod
    def open(cls, path: Path) -> "StoredArray":
        """Open the array in the directory `path`. Raises NotADatasetError, PropertiesError."""
        try:
            metadata = (path / "zarr.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotADatasetError(f"{path} holds no Zarr array: there is no zarr.json") from error
        return cls(path, ArrayLayout.from_zarr_json(metadata, str(path / "zarr.json")), Manifest.load(path))

    def at(self, leading: tuple[int, ...]) -> "StoredArray":
        """Return what lies at a position along the array's additional axes."""
        return StoredArray(self.path, self.array_layout, self.manifest, leading)

    @property
    def channels(self) -> int:
        """Number of channels: 1, or 3 for RGB."""
        return self.array_layout.channels

    @property
    def size(self) -> Vec3Int:
        """Far corner of the array in voxels of this mag, x, y, z (arrays start at the world's origin)."""
        return self.array_layout.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of one channel of a voxel."""
        return self.array_layout.dtype

    @property
    def chunk_shape(self) -> Vec3Int:
        """Voxels x, y, z that are compressed together."""
        return self.array_layout.chunk_shape

    @property
    def shard_shape(self) -> Vec3Int:
        """Voxels x, y, z that one file holds."""
        return self.array_layout.shard_shape

    @property
    def layout(self) -> Layout:
        """How the array lies on disk."""
        return self.array_layout.layout

    def read(self, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box given in voxels of this mag.

        The array has shape (c, x, y, z), x contiguous. Raises GeometryError if the box leaves the array,
        ShardMissingError and ShardCorruptError if a shard is not what the manifest promises.
        """
        start, stop = box_in_mag.topleft, box_in_mag.bottomright
        if min(start) < 0 or any(far > limit for far, limit in zip(stop, self.size, strict=True)):
            raise GeometryError(
                f"box {tuple(start)}..{tuple(stop)} leaves {self.path}, which ends at {tuple(self.size)}"
            )
        out = np.zeros((self.channels, *reversed(tuple(box_in_mag.size))), self.dtype)
        self.read_into(box_in_mag, out)
        return out.transpose(0, 3, 2, 1)

    def read_into(self, box_in_mag: BoundingBox, out: NDArray[Any]) -> None:
        """Fill `out`, shape (c, z, y, x), with the voxels of the box. Raises what `read` raises."""
        if box_in_mag.is_empty():
            return
        corner = box_in_mag.topleft
        for cell in chunk_cells(box_in_mag, self.shard_shape):
            key = self.array_layout.shard_key(cell, self.leading)
            shard_box = BoundingBox(cell * self.shard_shape, self.shard_shape).intersected_with(box_in_mag)
            if key not in self._promised:
                out[box_window(shard_box, corner)] = 0
                continue
            chunks = list(chunk_cells(shard_box, self.chunk_shape))
            inside = [chunk - cell * self.array_layout.chunks_per_shard for chunk in chunks]
            positions = [
                int(np.ravel_multi_index(self.array_layout.index_position(place), self.array_layout.index_shape))
                for place in inside
            ]
            for chunk, stored in zip(chunks, self._stored(key, positions), strict=True):
                chunk_box = BoundingBox(chunk * self.chunk_shape, self.chunk_shape)
                part = chunk_box.intersected_with(shard_box)
                window = box_window(part, corner)
                if stored is None:
                    out[window] = 0
                else:
                    voxels = self._codec.decode(stored, f"{self.path / key}, chunk {tuple(chunk)}")
                    out[window] = voxels[box_window(part, chunk_box.topleft)]

    def _stored(self, key: str, positions: Sequence[int]) -> list[bytes | None]:
        """Return the encoded chunks at `positions` of a promised shard, None where a chunk is all zero.

        Raises ShardMissingError, ShardCorruptError.
        """
        for _ in range(_TRIES):
            try:
                with self._shards.open(key) as shard:
                    return [shard.read(position) for position in positions]
            except FileNotFoundError:
                if PromisesNow(self.path).of(key) is None:  # somebody has made it all zero since the array was opened
                    return [None] * len(positions)
        raise ShardMissingError(
            f"{self.path / key} is gone, but the manifest promises it; restore it or make the mag anew"
        )


def chunk_cells(box: BoundingBox, shape: Vec3Int) -> Iterator[Vec3Int]:
    """Yield the grid positions of the cells of `shape` that a box touches, x fastest."""
    first, last = box.topleft // shape, box.bottomright.ceildiv(shape)
    for z in range(first.z, last.z):
        for y in range(first.y, last.y):
            for x in range(first.x, last.x):
                yield Vec3Int(x, y, z)


def box_window(box: BoundingBox, corner: Vec3Int) -> tuple[slice, ...]:
    """Return the index of a box in an array (c, z, y, x) whose first voxel is `corner`."""
    x, y, z = box.topleft - corner
    width, height, depth = box.size
    return (slice(None), slice(z, z + depth), slice(y, y + height), slice(x, x + width))
