"""Cut boxes into their parts in shards and chunks, and move voxels between a box and encoded chunks. Opens no file.

Arrays of one position of the additional axes are (c, z, y, x), as chunks are; so are the windows into them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.shard_reader import OpenShard

Xyz = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPart:
    """The part of a box that lies in one shard. `start`, `stop`: voxels x, y, z; `whole`: it is all voxels of the shard."""

    key: str
    leading: tuple[int, ...]
    cell: Xyz
    start: Xyz
    stop: Xyz
    channels: slice
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPart:
    """The part of a box that lies in one chunk: where in the chunk, where in the box (z, y, x).

    `position`: the chunk's place in the flattened index of its shard. `whole`: it is all voxels of the chunk.
    """

    position: int
    in_chunk: tuple[slice, slice, slice]
    in_box: tuple[slice, slice, slice]
    whole: bool


def shard_parts(layout: ArrayLayout, box: NormalizedBoundingBox) -> Iterator[ShardPart]:
    """Yield the parts of a box that lies in the array, additional axes slowest, then z, y, x."""
    start, stop = box.topleft_xyz.to_tuple(), box.bottomright_xyz.to_tuple()
    size, shape = layout.size.to_tuple(), layout.shard_shape.to_tuple()
    channels = slice(*box.get_bounds("c"))
    all_channels = channels == slice(0, layout.channels)
    if box.is_empty():
        return
    for leading in product(*(range(*box.get_bounds(name)) for name, _ in layout.additional)):
        for z, y, x in product(*(range(start[i] // shape[i], -(-stop[i] // shape[i])) for i in (2, 1, 0))):
            cell = (x, y, z)
            first = tuple(max(start[i], cell[i] * shape[i]) for i in range(3))
            last = tuple(min(stop[i], (cell[i] + 1) * shape[i]) for i in range(3))
            whole = all_channels and all(
                first[i] == cell[i] * shape[i] and last[i] >= min(size[i], (cell[i] + 1) * shape[i]) for i in range(3)
            )
            yield ShardPart(
                key=layout.shard_key(Vec3Int(cell), leading),
                leading=leading,
                cell=cell,
                start=(first[0], first[1], first[2]),
                stop=(last[0], last[1], last[2]),
                channels=channels,
                whole=whole,
            )


def chunk_parts(layout: ArrayLayout, part: ShardPart, corner: Xyz) -> Iterator[ChunkPart]:
    """Yield the chunks that a part of a box touches, z slowest, x fastest. `corner`: where the box starts."""
    shape, size = layout.chunk_shape.to_tuple(), layout.size.to_tuple()
    per_shard = layout.chunks_per_shard.to_tuple()
    steps = _index_steps(layout)
    all_channels = part.channels == slice(0, layout.channels)

    def along(axis: int) -> list[tuple[int, slice, slice, bool]]:
        rows = []
        for chunk in range(part.start[axis] // shape[axis], -(-part.stop[axis] // shape[axis])):
            origin = chunk * shape[axis]
            first, last = max(part.start[axis], origin), min(part.stop[axis], origin + shape[axis])
            whole = first == origin and last >= min(size[axis], origin + shape[axis])
            place = (chunk - part.cell[axis] * per_shard[axis]) * steps[axis]
            rows.append(
                (
                    place,
                    slice(first - origin, last - origin),
                    slice(first - corner[axis], last - corner[axis]),
                    whole,
                )
            )
        return rows

    for z, y, x in product(along(2), along(1), along(0)):
        yield ChunkPart(
            position=z[0] + y[0] + x[0],
            in_chunk=(z[1], y[1], x[1]),
            in_box=(z[2], y[2], x[2]),
            whole=all_channels and z[3] and y[3] and x[3],
        )


def _index_steps(layout: ArrayLayout) -> Xyz:
    """Return how far apart neighbours along x, y, z stand in the flattened index of a shard."""
    _, b, c = layout.index_shape
    strides = (b * c, c, 1)
    x, y, z = (layout.index_position(Vec3Int(*unit)) for unit in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    return strides[x.index(1)], strides[y.index(1)], strides[z.index(1)]


def read_chunk(codec: ChunkCodec, shard: OpenShard, chunk: ChunkPart, channels: slice, out: NDArray[Any]) -> None:
    """Put a chunk's voxels into `out`, (c, z, y, x) of the box, which is zero where nothing is stored."""
    stored = shard.read(chunk.position)
    if stored is not None:
        voxels = codec.decode(stored, f"{shard.path}, chunk {chunk.position}")
        out[:, *chunk.in_box] = voxels[channels, *chunk.in_chunk]


def encode_chunk(
    layout: ArrayLayout,
    codec: ChunkCodec,
    old: OpenShard | None,
    chunk: ChunkPart,
    channels: slice,
    voxels: NDArray[Any],
) -> bytes | None:
    """Return a chunk with some of its voxels replaced by those of `voxels`, (c, z, y, x) of the box; None if all are zero.

    The old chunk is decoded only if something of it is kept.
    """
    x, y, z = layout.chunk_shape
    stored = None if chunk.whole or old is None else old.read(chunk.position)
    new = voxels[:, *chunk.in_box]
    if stored is not None and old is not None:
        block = np.array(codec.decode(stored, f"{old.path}, chunk {chunk.position}"), order="C")
        block[channels, *chunk.in_chunk] = new
    elif new.shape == (layout.channels, z, y, x):
        block = np.ascontiguousarray(new)
    else:
        block = np.zeros((layout.channels, z, y, x), layout.dtype)
        block[channels, *chunk.in_chunk] = new
    # any bit: -0.0 is stored
    bits = block.reshape(-1).view(np.uint64 if block.nbytes % 8 == 0 else np.uint8)
    return codec.encode(block) if bits.any() else None
