"""One level of a running pass: its slab, its open shards, and what is done with a band of its rows.

No threads and no order of things here: that is the engine's. All coordinates are voxels of the level's own mag.
"""

from collections import deque
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import ShardCorruptError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.kernels.pack import pack_chunks
from wk_assets.operations.passes.pyramid_plan import LevelPlan
from wk_assets.operations.passes.slab_stores import Band, Range, SlabStore
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.index_spool import IndexSpool
from wk_assets.storage.shard import ShardBuilder, ShardEntry, ShardFile, checksum_of
from wk_assets.storage.stored_array import box_window, chunk_cells

PACKED_BYTES = 256 << 10

# of one row of chunks in one shard: the shard's cell, places in its index, sizes, and the encoded chunks one after the other
EncodedRow = tuple[Vec3Int, list[int], list[int], NDArray[np.uint8]]


class EncodedWindow(NamedTuple):
    """Hold what a window of rows became. `memory` backs the rows: once they are written it serves another window."""

    rows: list[EncodedRow]
    memory: NDArray[np.uint8]


class _Scratch:
    """Hold chunks that are packed together: few enough to be still in a core's second-level cache when they are encoded."""

    def __init__(self, layout: ArrayLayout) -> None:
        cx, cy, cz = layout.chunk_shape
        self.capacity = max(1, min(layout.chunks_per_shard.x, PACKED_BYTES // layout.chunk_bytes))
        self.packed = np.empty((self.capacity, layout.channels, cz, cy, cx), layout.dtype)
        self.used = np.empty(self.capacity, np.bool_)


class PyramidLevel:
    """Hold the state of one level: the slab that is being filled, and the shards that are open or done."""

    def __init__(
        self,
        plan: LevelPlan,
        directory: Path,
        store: SlabStore,
        leading: tuple[int, ...] = (),
        *,
        spool_indexes: bool = False,
    ) -> None:
        self.plan = plan
        self.leading = leading  # position along the additional axes of the array
        self.directory = directory
        self.codec = ChunkCodec(plan.layout)
        self.store = store
        self.slab = 0  # index of the slab that is being filled
        self.open: dict[str, ShardBuilder] = {}
        self.done: dict[str, ShardEntry] = {}
        self._spool: IndexSpool | None = None
        if spool_indexes and plan.stored:
            self._spool = IndexSpool(directory.with_name(f"spool of {directory.name}"), prod(plan.layout.index_shape))
        self._memory: deque[NDArray[np.uint8]] = deque()
        self._scratch: deque[_Scratch] = deque()  # a thread takes one and puts it back

    @property
    def z_range(self) -> tuple[int, int]:
        """Range of z that the store stands for."""
        return self.plan.slabs[self.slab]

    @property
    def valid_z(self) -> tuple[int, int]:
        """Part of `z_range` that lies in the layer's box."""
        start, stop = self.z_range
        return max(start, self.plan.box.topleft.z), min(stop, self.plan.box.bottomright.z)

    def shard(self, key: str) -> ShardBuilder:
        """Return an open shard; one that is not open yet is opened."""
        builder = self.open.get(key)
        if builder is None:
            builder = self.open[key] = ShardBuilder(self.plan.layout, self.directory, key, self._spool)
        return builder

    def forget(self, key: str) -> None:
        """Let go of a shard that is finished already (as a journal says)."""
        if key in self.open:
            self.open.pop(key).release()

    def close(self) -> None:
        """Give memory and spool files back."""
        self.store.close()
        if self._spool is not None:
            self._spool.close()

    def begin(self, slab: int) -> None:
        """Start to fill a slab; one behind the last is no slab."""
        self.slab = slab
        if slab < len(self.plan.slabs):
            self.store.begin(self.z_range)

    def encode_rows(self, rows: Range, columns: Range, band: Band) -> EncodedWindow:
        """Encode the chunks of a window of the buffer: these rows and columns, all of its depth. `band` holds the window.

        Whoever has written the result gives its memory back (`reuse`): fresh memory for every chunk costs a third more CPU.
        """
        plan, layout = self.plan, self.plan.layout
        cx, cy, cz = layout.chunk_shape
        z0, z1 = (z - self.z_range[0] for z in self.valid_z)
        y0, y1 = plan.box.topleft.y - plan.origin_y, plan.box.bottomright.y - plan.origin_y
        x0, x1 = plan.box.topleft.x - plan.origin_x, plan.box.bottomright.x - plan.origin_x
        valid = (z0, z1), (y0 - band.row, y1 - band.row), (x0 - band.column, x1 - band.column)
        runs = self._runs(columns)
        scratch = self._scratch.pop() if self._scratch else _Scratch(layout)
        memory = self._memory_for(rows, columns)
        encoded: list[EncodedRow] = []
        end = 0
        for z in range(z0 // cz * cz, z1, cz):
            chunk_z = (z + self.z_range[0]) // cz
            for y in range(max(rows[0], y0 // cy * cy), min(rows[1], y1), cy):
                chunk_y = (y + plan.origin_y) // cy
                for shard_x, first, stop in runs:
                    cell, position, step = self._place(shard_x, first, chunk_y, chunk_z)
                    positions: list[int] = []
                    sizes: list[int] = []
                    begin = end
                    for start in range(first, stop, scratch.capacity):
                        count = min(scratch.capacity, stop - start)
                        corner = (z, y - band.row, start * cx - plan.origin_x - band.column)
                        packed, used = scratch.packed[:count], scratch.used[:count]
                        pack_chunks(band.voxels, corner, valid, packed, used)
                        for i in used.nonzero()[0].tolist():
                            chunk = self.codec.encode(packed[i])
                            memory.data[end : end + len(chunk)] = chunk
                            end += len(chunk)
                            sizes.append(len(chunk))
                            positions.append(position + (start - first + i) * step)
                    if sizes:
                        encoded.append((cell, positions, sizes, memory[begin:end]))
        self._scratch.append(scratch)
        return EncodedWindow(encoded, memory)

    def reuse(self, memory: NDArray[np.uint8]) -> None:
        """Take back what `encode_rows` gave."""
        self._memory.append(memory)

    def _memory_for(self, rows: Range, columns: Range) -> NDArray[np.uint8]:
        """Return memory for all chunks of a window, whatever their voxels."""
        cx, cy, cz = self.plan.layout.chunk_shape
        chunks = -(-(rows[1] - rows[0]) // cy) * ((columns[1] - columns[0]) // cx) * -(-self.plan.buffer_shape[1] // cz)
        needed = chunks * self.codec.largest_encoded_bytes
        while self._memory:
            memory = self._memory.pop()
            if memory.size >= needed:
                return memory
        return np.empty(needed, np.uint8)

    def _runs(self, columns: Range) -> list[tuple[int, int, int]]:
        """Cut a row of chunks at the borders of shards: position of the shard along x, first and last chunk (excluded)."""
        cx, per_shard = self.plan.layout.chunk_shape.x, self.plan.layout.chunks_per_shard.x
        start, stop = ((self.plan.origin_x + column) // cx for column in columns)
        cuts = [start, *range((start // per_shard + 1) * per_shard, stop, per_shard), stop]
        return [(first // per_shard, first, last) for first, last in pairwise(cuts)]

    def _place(self, shard_x: int, x: int, y: int, z: int) -> tuple[Vec3Int, int, int]:
        """Return the shard of a chunk, its position in the flattened index, and how far its next one along x stands."""
        layout = self.plan.layout
        per_shard = layout.chunks_per_shard
        inside = Vec3Int(x % per_shard.x, y % per_shard.y, z % per_shard.z)
        _, rows, columns = layout.index_shape
        a, b, c = layout.index_position(inside)
        d, e, f = layout.index_position(Vec3Int(1, 0, 0))
        cell = Vec3Int(shard_x, y // per_shard.y, z // per_shard.z)
        return cell, (a * rows + b) * columns + c, (d * rows + e) * columns + f

    def downsample_rows(
        self,
        following: "PyramidLevel",
        rows: Range,
        columns: Range,
        block: Range,
        band: Band,
        mode: DownsamplingMode,
    ) -> None:
        """Make the slices `block` of the next level from a window of this one's buffer. `band` holds the window."""
        plan, target = self.plan, following.plan
        if plan.factors is None:
            return
        fx, fy, fz = plan.factors
        y0 = max(rows[0] + plan.origin_y, target.box.topleft.y * fy) // fy
        y1 = min(rows[1] + plan.origin_y, target.box.bottomright.y * fy) // fy
        x0 = max(columns[0] + plan.origin_x, target.box.topleft.x * fx) // fx
        x1 = min(columns[1] + plan.origin_x, target.box.bottomright.x * fx) // fx
        if y0 >= y1 or x0 >= x1:
            return
        z0, z1 = block
        source_z, source_y, source_x = self.z_range[0], plan.origin_y + band.row, plan.origin_x + band.column
        with following.store.writable((z0, z1), (y0, y1), (x0, x1)) as out:
            downsample(
                band.voxels[
                    :,
                    z0 * fz - source_z : z1 * fz - source_z,
                    y0 * fy - source_y : y1 * fy - source_y,
                    x0 * fx - source_x : x1 * fx - source_x,
                ],
                (fz, fy, fx),
                mode,
                out,
            )

    def built(self) -> tuple[ShardEntry, ...]:
        """Return the shards that are done, in the order of z, y, x: which was finished first depends on the windows."""
        cell = self.plan.layout.shard_cell
        return tuple(sorted(self.done.values(), key=lambda entry: tuple(reversed(cell(entry.key)))))

    def check_finished(self, entry: ShardEntry) -> None:
        """Compare a finished shard with what is noted of it. Raises ShardCorruptError."""
        path = self.directory / entry.key
        if not path.exists() or checksum_of(path) != (entry.size_bytes, entry.crc32c):
            raise ShardCorruptError(f"{path}: its bytes are not those that the journal names")

    def remove_unknown(self) -> None:
        """Remove files of shards that were begun after the last checkpoint."""
        known = {self.directory / key for key in self.done} | {builder.part_path for builder in self.open.values()}
        for path in self.shards_directory.rglob("*"):
            if path.is_file() and path not in known:
                path.unlink()

    @property
    def shards_directory(self) -> Path:
        """Where the shards of this position along the additional axes lie."""
        return self.directory.joinpath("c", *(str(index) for index in self.leading))

    def shard_key(self, cell: Vec3Int) -> str:
        """Return the key of a shard, `cell`: x, y, z."""
        return self.plan.layout.shard_key(cell, self.leading)

    def _read_chunk(self, cell: Vec3Int, position: int, finished: dict[str, ShardFile]) -> bytes | None:
        """Return an encoded chunk of a shard that is open or done, None if it is all zero."""
        key = self.shard_key(cell)
        if key in self.open:
            return self.open[key].read(position)
        if key not in self.done:
            return None
        if key not in finished:
            finished[key] = ShardFile(self.plan.layout, self.directory / key)
        return finished[key].read([position])[0]

    def read_back(self) -> None:
        """Fill a level's slab from the shards that are built already (only after a crash)."""
        finished: dict[str, ShardFile] = {}
        plan, layout = self.plan, self.plan.layout
        chunk_shape, per_shard = layout.chunk_shape, layout.chunks_per_shard
        box = BoundingBox(
            plan.box.topleft.with_z(self.valid_z[0]), plan.box.size.with_z(self.valid_z[1] - self.valid_z[0])
        )
        top, bottom, step = box.topleft.y, box.bottomright.y, chunk_shape.y
        for rows in pairwise([top, *range((top // step + 1) * step, bottom, step), bottom]):
            part = BoundingBox(box.topleft.with_y(rows[0]), box.size.with_y(rows[1] - rows[0]))
            with self.store.writable(self.valid_z, rows) as out:
                out[...] = 0
                for chunk in chunk_cells(part, chunk_shape):
                    place = layout.index_position(chunk % per_shard)
                    position = int(np.ravel_multi_index(place, layout.index_shape))
                    stored = self._read_chunk(chunk // per_shard, position, finished)
                    if stored is None:
                        continue
                    cell = BoundingBox(chunk * chunk_shape, chunk_shape)
                    common = cell.intersected_with(part)
                    voxels = self.codec.decode(stored, f"{self.directory}, chunk {tuple(chunk)}")
                    out[box_window(common, part.topleft)] = voxels[box_window(common, cell.topleft)]
