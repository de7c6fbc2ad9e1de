"""The engine: every voxel of a source is read once, and all mags of a layer are written in the same pass.

How a voxel travels:

    slices ──► slab of level 0 ──► rows of chunks ──► encoded chunks ──► open shards ──► whole shards
               (chunk-deep in z,        │ packed,          appended in        index last,
                full width, two         │ compressed       one fixed order    renamed when done
                of them: one fills      │ by threads
                while one is used)      ▼
                                  blocks become voxels ──► slab of level 1 ──► the same again ──► …

A slab is emitted when it is full: its chunks are encoded and, from the same rows, the next level's slab is filled,
which is emitted as soon as it is full in turn. So nothing is read back, and memory is two and a third slabs whatever
the number of slices. Threads only: decoding, kernels, compression and writing all release the interpreter lock.

The order in which chunks are appended to a shard is fixed by the plan, never by the threads: the same input gives the
same bytes. After some output has gathered, a *checkpoint* syncs the open and finished shards and then appends a line
to the journal. A run that finds a journal cuts its shards back to the last checkpoint, fills the half-full slabs again
from the level below, and goes on: it ends with the bytes of a run that nobody disturbed.

What lives elsewhere: which levels and slabs there are (`pyramid_plan`), where voxels come from (`slab_sources`), how a
shard is laid out (`storage.shard`), who may run and how the result becomes visible (`run_layer`).
"""

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import ShardCorruptError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.kernels.pack import pack_chunk_row
from wk_assets.operations.layer_record import SliceFact
from wk_assets.operations.layer_request import Progress, ProgressListener
from wk_assets.operations.pyramid_plan import LevelPlan, MemoryPlan, PyramidPlan
from wk_assets.operations.slab_sources import LoadTask, SlabSource
from wk_assets.operations.slab_stores import MemorySlab, SlabStore, SpooledSlab
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.durable import remove_tree, sync_directory, sync_file, write_atomically
from wk_assets.storage.journal import Journal
from wk_assets.storage.shard import ShardBuilder, ShardEntry, checksum_of
from wk_assets.storage.stored_array import box_window, chunk_cells

# Between two checkpoints: how much output may be lost to a crash, and how long a slow source may go unsaved.
CHECKPOINT_BYTES = 256 << 20
CHECKPOINT_SECONDS = 20.0

EncodedRow = tuple[Vec3Int, list[int], list[bytes]]  # shard cell, positions in its index, encoded chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """Say what a pass built: the shards of each stored level (in the order of the plan), and facts about each slice."""

    shards: tuple[tuple[ShardEntry, ...], ...]
    facts: tuple[SliceFact, ...]
    read_bytes: int
    written_bytes: int


class _Level:
    """What one level holds while the pass runs."""

    def __init__(self, plan: LevelPlan, directory: Path, store: SlabStore) -> None:
        self.plan = plan
        self.directory = directory
        self.codec = ChunkCodec(plan.layout)
        self.store = store
        self.slab = 0  # index of the slab that is being filled
        self.open: dict[str, ShardBuilder] = {}
        self.done: dict[str, ShardEntry] = {}

    @property
    def z_range(self) -> tuple[int, int]:
        """Range of z that the store stands for."""
        return self.plan.slabs[self.slab]

    @property
    def valid_z(self) -> tuple[int, int]:
        """Part of `z_range` that lies in the layer's box."""
        start, stop = self.z_range
        return max(start, self.plan.box.topleft.z), min(stop, self.plan.box.bottomright.z)

    def begin(self, slab: int) -> None:
        """Start to fill a slab; one behind the last is no slab."""
        self.slab = slab
        if slab < len(self.plan.slabs):
            self.store.begin(self.z_range)


@dataclass(slots=True)
class _SinceCheckpoint:
    """What the next line of the journal has to say."""

    started: float
    appended: dict[tuple[int, str], tuple[list[int], list[int]]] = field(default_factory=dict)
    finished: list[tuple[int, ShardEntry]] = field(default_factory=list)
    facts: list[SliceFact] = field(default_factory=list)
    size_bytes: int = 0


class Engine:
    """Run one pass into a staging directory, one sub-directory per stored level. One use per object."""

    def __init__(
        self,
        *,
        plan: PyramidPlan,
        mode: DownsamplingMode,
        source: SlabSource,
        staging: Path,
        memory: MemoryPlan,
        listener: ProgressListener | None = None,
        checkpoint_bytes: int = CHECKPOINT_BYTES,
    ) -> None:
        self._plan = plan
        self._mode = mode
        self._source = source
        self._staging = staging
        self._memory = memory
        self._may_load = BoundedSemaphore(memory.load_workers)
        self._may_work = BoundedSemaphore(memory.row_workers)
        self._listener = listener
        self._checkpoint_bytes = checkpoint_bytes
        self._journal = Journal(staging / "journal.jsonl")
        self._local_buffers: deque[dict[int, tuple[NDArray[Any], NDArray[np.bool_]]]] = deque()
        self._facts: list[SliceFact] = []
        self._levels: list[_Level] = []
        self._written_bytes = 0

    def run(self) -> PassResult:
        """Build every stored level in the staging directory; go on where a journal ends.

        Raises SourceError, StorageError. Whatever happens, nothing outside of the staging directory changes.
        """
        threads = max(self._memory.load_workers, self._memory.row_workers)
        with ThreadPoolExecutor(threads, thread_name_prefix="wk-assets") as pool:
            self._pool = pool
            try:
                try:
                    first_slab = self._prepare()
                except ShardCorruptError:
                    remove_tree(self._staging)  # what the journal promises is not there: nothing of it can be trusted
                    first_slab = self._prepare()
                self._pass(first_slab)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                for level in self._levels:
                    level.store.close()
        return PassResult(
            shards=tuple(tuple(level.done.values()) for level in self._levels if level.plan.stored),
            facts=tuple(sorted(self._facts, key=lambda fact: fact.z)),
            read_bytes=prod(self._plan.levels[0].box.size)
            * self._plan.levels[0].layout.channels
            * self._plan.levels[0].layout.dtype.itemsize,
            written_bytes=self._written_bytes,
        )

    # ------------------------------------------------------------------ the pass

    def _pass(self, first_slab: int) -> None:
        level = self._levels[0]
        count = len(level.plan.slabs)
        self._since = _SinceCheckpoint(started=time.monotonic())
        spare = self._store_of(0, "next") if self._memory.prefetch and first_slab + 1 < count else None
        loading = self._start_loading(level, first_slab) if first_slab < count else []
        for slab in range(first_slab, count):
            for load in loading:
                self._since.facts.extend(load.result())
            if spare is not None and slab + 1 < count:
                level.store, spare = spare, level.store
                loading = self._start_loading(level, slab + 1)
                level.store, spare = spare, level.store
            level.slab = slab
            self._emit(0)
            self._report(slab)
            if spare is not None:
                level.store, spare = spare, level.store
            elif slab + 1 < count:
                loading = self._start_loading(level, slab + 1)
            waited = time.monotonic() - self._since.started
            last = slab + 1 == count
            if last or self._since.size_bytes >= self._checkpoint_bytes or waited >= CHECKPOINT_SECONDS:
                self._checkpoint(slab + 1)
        if spare is not None:
            spare.close()

    def _start_loading(self, level: _Level, slab: int) -> list[Future[tuple[SliceFact, ...]]]:
        level.begin(slab)
        store = level.store

        def load(task: LoadTask) -> tuple[SliceFact, ...]:
            with self._may_load, store.writable(task.z, task.y) as block:
                return task.fill(block)

        return [self._pool.submit(load, task) for task in self._source.load_tasks(*level.valid_z)]

    def _store_of(self, number: int, purpose: str) -> SlabStore:
        plan = self._plan.levels[number]
        if self._memory.spooled[number]:
            return SpooledSlab(plan, self._staging / f"spool {number} {purpose}")
        return MemorySlab(plan)

    def _report(self, slab: int) -> None:
        if self._listener is not None:
            plan = self._plan.levels[0]
            area = plan.box.size.x * plan.box.size.y
            done = min(plan.slabs[slab][1], plan.box.bottomright.z) - plan.box.topleft.z
            self._listener(Progress(done_voxels=done * area, total_voxels=plan.box.size.z * area))

    def _emit(self, number: int) -> None:
        """Encode the full slab of a level and hand it down to the next one."""
        level = self._levels[number]
        factors = level.plan.factors
        level.store.seal()
        if factors is None:
            self._rows(number, encode=True, block=None)
        else:
            following = self._levels[number + 1]
            start, stop = level.valid_z
            begin, end = start // factors.z, -(-stop // factors.z)
            encode = True
            while begin < end:
                # a slab of this level may reach into two of the next
                until = min(end, following.z_range[1])
                self._rows(number, encode=encode, block=(begin, until))
                if until == following.valid_z[1]:
                    self._emit(number + 1)
                begin, encode = until, False
        self._close_shards(number)
        if number:
            level.begin(level.slab + 1)

    def _rows(self, number: int, *, encode: bool, block: tuple[int, int] | None) -> None:
        """Work on the rows of a slab in parallel; append what comes back in the order of the rows."""
        level = self._levels[number]
        encode = encode and level.plan.stored
        running: deque[Future[list[EncodedRow]]] = deque()
        for row in range(0, level.plan.buffer_shape[2], level.plan.row_step):
            running.append(self._pool.submit(self._row, number, row, encode=encode, block=block))
            if len(running) > 2 * self._memory.row_workers:
                self._append(number, running.popleft().result())
        while running:
            self._append(number, running.popleft().result())

    def _row(self, number: int, first: int, *, encode: bool, block: tuple[int, int] | None) -> list[EncodedRow]:
        level = self._levels[number]
        last = first + level.plan.row_step
        with self._may_work:
            band, band_row = level.store.band(first, last)
            encoded = self._encode_rows(level, number, first, last, band, band_row) if encode else []
            if block is not None:
                self._downsample_rows(number, first, last, block, band, band_row)
        return encoded

    def _encode_rows(
        self, level: _Level, number: int, first: int, last: int, band: NDArray[Any], band_row: int
    ) -> list[EncodedRow]:
        plan, layout = level.plan, level.plan.layout
        cx, cy, cz = layout.chunk_shape
        z0, z1 = (z - level.z_range[0] for z in level.valid_z)
        y0, y1 = plan.box.topleft.y - plan.origin_y, plan.box.bottomright.y - plan.origin_y
        x0, x1 = plan.box.topleft.x - plan.origin_x, plan.box.bottomright.x - plan.origin_x
        chunks_x = plan.buffer_shape[3] // cx
        scratch = self._local_buffers.pop() if self._local_buffers else {}
        if number not in scratch:
            scratch[number] = (
                np.empty((chunks_x, layout.channels, cz, cy, cx), layout.dtype),
                np.empty(chunks_x, np.bool_),
            )
        packed, used = scratch[number]
        valid = (z0, z1), (y0 - band_row, y1 - band_row), (x0, x1)
        rows: list[EncodedRow] = []
        for z in range(z0 // cz * cz, z1, cz):
            for y in range(max(first, y0 // cy * cy), min(last, y1), cy):
                pack_chunk_row(band, (z, y - band_row), valid, (cz, cy, cx), packed, used)
                corner = Vec3Int(plan.origin_x // cx, (y + plan.origin_y) // cy, (z + level.z_range[0]) // cz)
                rows.extend(_grouped(level, corner, packed, used))
        self._local_buffers.append(scratch)
        return rows

    def _downsample_rows(
        self, number: int, first: int, last: int, block: tuple[int, int], band: NDArray[Any], band_row: int
    ) -> None:
        level, following = self._levels[number], self._levels[number + 1]
        plan, target = level.plan, following.plan
        if plan.factors is None:
            return
        fx, fy, fz = plan.factors
        y0 = max(first + plan.origin_y, target.box.topleft.y * fy) // fy
        y1 = min(last + plan.origin_y, target.box.bottomright.y * fy) // fy
        if y0 >= y1:
            return
        x0, x1 = target.box.topleft.x, target.box.bottomright.x
        z0, z1 = block
        source_z, source_y = level.z_range[0], plan.origin_y + band_row
        with following.store.writable((z0, z1), (y0, y1)) as out:
            downsample(
                band[
                    :,
                    z0 * fz - source_z : z1 * fz - source_z,
                    y0 * fy - source_y : y1 * fy - source_y,
                    x0 * fx - plan.origin_x : x1 * fx - plan.origin_x,
                ],
                (fz, fy, fx),
                self._mode,
                out,
            )

    def _append(self, number: int, rows: Iterable[EncodedRow]) -> None:
        level = self._levels[number]
        for cell, positions, chunks in rows:
            key = level.plan.layout.shard_key(cell)
            builder = level.open.get(key)
            if builder is None:
                builder = level.open[key] = ShardBuilder(level.plan.layout, level.directory, key)
            builder.append(positions, chunks)
            noted_positions, noted_sizes = self._since.appended.setdefault((number, key), ([], []))
            noted_positions.extend(positions)
            noted_sizes.extend(len(chunk) for chunk in chunks)
            self._since.size_bytes += sum(len(chunk) for chunk in chunks)

    def _close_shards(self, number: int) -> None:
        """Finish the shards that no later slab reaches."""
        level = self._levels[number]
        reached = level.z_range[1]
        last = level.slab + 1 == len(level.plan.slabs)
        depth = level.plan.layout.shard_shape.z
        for key in list(level.open):
            if last or (level.plan.layout.shard_cell(key).z + 1) * depth <= reached:
                entry = level.open.pop(key).finish()
                if entry is not None:
                    level.done[key] = entry
                    self._since.finished.append((number, entry))

    # ------------------------------------------------------------------ checkpoints

    def _checkpoint(self, slabs: int) -> None:
        """Make everything up to this slab survive: data, then names, then the line that relies on them."""
        since = self._since
        finished = {(number, entry.key): entry for number, entry in since.finished}
        paths: list[Path] = []
        directories: set[Path] = set()
        for number, key in {**dict.fromkeys(since.appended), **dict.fromkeys(finished)}:
            level = self._levels[number]
            path = level.directory / key
            paths.append(path if (number, key) in finished else path.with_name(path.name + ".part"))
            directories.update(parent for parent in path.parents if parent.is_relative_to(level.directory))
        for _ in self._pool.map(sync_file, paths):
            pass
        for directory in sorted(directories, key=lambda one: len(one.parts), reverse=True):
            sync_directory(directory)
        self._journal.append(
            {
                "slabs": slabs,
                "appended": [
                    [number, key, positions, sizes, self._crc(number, key, finished)]
                    for (number, key), (positions, sizes) in since.appended.items()
                ],
                "finished": [[number, entry.key, entry.size_bytes, entry.crc32c] for number, entry in since.finished],
                "facts": [fact.model_dump(exclude_defaults=True) for fact in since.facts],
            }
        )
        self._facts.extend(since.facts)
        self._written_bytes += since.size_bytes
        self._since = _SinceCheckpoint(started=time.monotonic())

    def _crc(self, number: int, key: str, finished: dict[tuple[int, str], ShardEntry]) -> int:
        """Return the crc32c of what is appended to a shard so far; a finished one is checked by its entry instead."""
        return 0 if (number, key) in finished else self._levels[number].open[key].crc32c

    def _prepare(self) -> int:
        """Set up the levels, take up what the journal proves, and return the number of slabs that are done."""
        self._levels = [
            _Level(plan, self._staging / plan.mag.to_layer_name(), self._store_of(number, "slab"))
            for number, plan in enumerate(self._plan.levels)
        ]
        self._facts = []
        slabs = 0
        builders: list[dict[str, ShardBuilder]] = [{} for _ in self._levels]
        for record in self._journal.records():
            slabs = record["slabs"]
            for number, key, positions, sizes, crc in record["appended"]:
                level = self._levels[number]
                if key not in builders[number]:
                    builders[number][key] = ShardBuilder(level.plan.layout, level.directory, key)
                builders[number][key].note(positions, sizes, crc)
            for number, key, size_bytes, crc in record["finished"]:
                self._levels[number].done[key] = ShardEntry(key, size_bytes, crc)
            self._facts.extend(SliceFact.model_validate(fact) for fact in record["facts"])
        for level, built in zip(self._levels, builders, strict=True):
            level.open = {key: builder for key, builder in built.items() if key not in level.done}
            if level.plan.stored:
                write_atomically(level.directory / "zarr.json", level.plan.layout.to_zarr_json())
                self._verify(level)
        self._refill(slabs, builders)
        return slabs

    def _verify(self, level: _Level) -> None:
        """Bring the files of a level back to the last checkpoint. Raises ShardCorruptError if they are not those."""
        for builder in level.open.values():
            builder.cut_back()

        def check(entry: ShardEntry) -> None:
            path = level.directory / entry.key
            if not path.exists() or checksum_of(path) != (entry.size_bytes, entry.crc32c):
                raise ShardCorruptError(f"{path}: its bytes are not those that the journal names")

        for _ in self._pool.map(check, level.done.values()):
            pass
        known = {level.directory / key for key in level.done} | {builder.part_path for builder in level.open.values()}
        for path in (level.directory / "c").rglob("*"):
            if path.is_file() and path not in known:
                path.unlink()

    def _refill(self, slabs: int, builders: list[dict[str, ShardBuilder]]) -> None:
        """Fill the slabs that were half full at the last checkpoint, each from the slabs of the level below it."""
        if slabs == 0:
            return
        reached = self._levels[0].plan.slabs[slabs - 1][1]
        for number in range(1, len(self._levels)):
            below, level = self._levels[number - 1], self._levels[number]
            factors, box = below.plan.factors, level.plan.box
            if factors is None:
                return
            filled = -(-min(reached, below.plan.box.bottomright.z) // factors.z)
            level.begin(sum(min(stop, box.bottomright.z) <= filled for _, stop in level.plan.slabs))
            reached = level.plan.slabs[level.slab - 1][1] if level.slab else 0
            if level.slab < len(level.plan.slabs) and level.valid_z[0] < filled:
                self._refill_level(number, factors.z, filled, builders[number - 1])

    def _refill_level(self, number: int, factor: int, filled: int, below_shards: dict[str, ShardBuilder]) -> None:
        """Make the slices up to `filled` of a level's slab once more, from what the level below has stored."""
        below, level = self._levels[number - 1], self._levels[number]
        resume_at, kept = below.slab, below.store
        below.store = self._store_of(number - 1, "refill")  # its own slab may be half full as well
        begin = level.valid_z[0]
        for slab, (start, stop) in enumerate(below.plan.slabs):
            first = max(begin, max(start, below.plan.box.topleft.z) // factor)
            until = min(filled, -(-min(stop, below.plan.box.bottomright.z) // factor))
            if first >= until:
                continue
            if number == 1:
                for load in self._start_loading(below, slab):
                    load.result()
            else:
                below.begin(slab)
                _read_back(below, below_shards)
            below.store.seal()
            self._rows(number - 1, encode=False, block=(first, until))
        below.store.close()
        below.store, below.slab = kept, resume_at


def _grouped(level: _Level, corner: Vec3Int, packed: NDArray[Any], used: NDArray[np.bool_]) -> Iterable[EncodedRow]:
    """Encode the used chunks of a packed row, grouped by the shard that they belong to. `corner`: first chunk, x, y, z."""
    layout = level.plan.layout
    per_shard = layout.chunks_per_shard
    found: dict[int, tuple[list[int], list[bytes]]] = {}
    for i in np.flatnonzero(used).tolist():
        chunk = Vec3Int(corner.x + i, corner.y, corner.z)
        positions, chunks = found.setdefault(chunk.x // per_shard.x, ([], []))
        inside = (chunk.x % per_shard.x, chunk.y % per_shard.y, chunk.z % per_shard.z)
        a, b, c = layout.index_position(Vec3Int(inside))
        positions.append((a * layout.index_shape[1] + b) * layout.index_shape[2] + c)
        chunks.append(level.codec.encode(packed[i]))
    for x, (positions, chunks) in found.items():
        yield Vec3Int(x, corner.y // per_shard.y, corner.z // per_shard.z), positions, chunks


def _read_back(level: _Level, shards: dict[str, ShardBuilder]) -> None:
    """Fill a level's slab from the shards that are built already (only after a crash)."""
    plan, layout = level.plan, level.plan.layout
    chunk_shape, per_shard = layout.chunk_shape, layout.chunks_per_shard
    box = BoundingBox(
        plan.box.topleft.with_z(level.valid_z[0]), plan.box.size.with_z(level.valid_z[1] - level.valid_z[0])
    )
    top, bottom, step = box.topleft.y, box.bottomright.y, chunk_shape.y
    for rows in pairwise([top, *range((top // step + 1) * step, bottom, step), bottom]):
        part = BoundingBox(box.topleft.with_y(rows[0]), box.size.with_y(rows[1] - rows[0]))
        with level.store.writable(level.valid_z, rows) as out:
            out[...] = 0
            for chunk in chunk_cells(part, chunk_shape):
                builder = shards.get(layout.shard_key(chunk // per_shard))
                place = layout.index_position(chunk % per_shard)
                stored = builder.read(int(np.ravel_multi_index(place, layout.index_shape))) if builder else None
                if builder is None or stored is None:
                    continue
                cell = BoundingBox(chunk * chunk_shape, chunk_shape)
                common = cell.intersected_with(part)
                voxels = level.codec.decode(stored, str(builder.part_path))
                out[box_window(common, part.topleft)] = voxels[box_window(common, cell.topleft)]
