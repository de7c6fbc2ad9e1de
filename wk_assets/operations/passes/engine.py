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

Slices too wide for that go the same way in parts, as the `MemoryPlan` says: images are loaded by windows of rows into a
slab that lies in a spool file, and each row of chunks is worked on window by window of its columns. The order of chunks
in a shard, and so every byte, stays the same.

The order in which chunks are appended to a shard is fixed by the plan, never by the threads: the same input gives the
same bytes. After some output has gathered, a *checkpoint* syncs the open and finished shards and then appends a line
to the journal. A run that finds a journal cuts its shards back to the last checkpoint, fills the half-full slabs again
from the level below, and goes on: it ends with the bytes of a run that nobody disturbed.

What lives elsewhere: which levels and slabs there are (`pyramid_plan`) and what fits the memory (`memory_plan`), what
happens to a window of rows (`pyramid_level`), what a checkpoint says (`checkpoint`), where a slab is held (`slab_stores`)
and its voxels come from (`slab_sources`), how a shard is laid out (`storage.shard`), who may run and how the result becomes
visible (`run_layer`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path
from threading import BoundedSemaphore

from wk_assets.errors import ShardCorruptError
from wk_assets.kernels.loading import expect
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.passes.checkpoint import CHECKPOINT_BYTES, Checkpoint, replay
from wk_assets.operations.passes.pyramid_level import EncodedWindow, PyramidLevel
from wk_assets.operations.passes.pyramid_plan import MemoryPlan, PyramidPlan
from wk_assets.operations.passes.slab_sources import LoadTask, SlabSource
from wk_assets.operations.passes.slab_stores import MemorySlab, SlabStore, SpooledSlab
from wk_assets.operations.records.layer_record import SliceFact
from wk_assets.operations.records.layer_request import Progress, ProgressListener
from wk_assets.storage.durable import remove_tree, write_atomically
from wk_assets.storage.journal import Journal
from wk_assets.storage.shard import ShardEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """Say what a pass built: the shards of each stored level (in the order of the plan), and facts about each slice."""

    shards: tuple[tuple[ShardEntry, ...], ...]
    facts: tuple[SliceFact, ...]
    read_bytes: int
    written_bytes: int

    @classmethod
    def joined(cls, results: Sequence["PassResult"]) -> "PassResult":
        """Put together what passes at several positions of one plan built."""
        return cls(
            shards=tuple(
                tuple(chain.from_iterable(entries)) for entries in zip(*(r.shards for r in results), strict=True)
            ),
            facts=tuple(fact for result in results for fact in result.facts),
            read_bytes=sum(result.read_bytes for result in results),
            written_bytes=sum(result.written_bytes for result in results),
        )


class Engine:
    """Run one pass into a staging directory, one sub-directory per stored level. One use per object.

    Of a plan with additional axes it makes one position, `leading`: passes for the others go to the same directory, one
    after another, each with a journal of its own.
    """

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
        leading: tuple[int, ...] = (),
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
        self._leading = leading
        self._journal = Journal(staging / ("journal" + "".join(f".{index}" for index in leading) + ".jsonl"))
        self._facts: list[SliceFact] = []
        self._levels: list[PyramidLevel] = []
        self._written_bytes = 0

    def run(self) -> PassResult:
        """Build every stored level in the staging directory; go on where a journal ends.

        Raises SourceError, StorageError. Whatever happens, nothing outside of the staging directory changes.
        """
        finest = self._plan.levels[0]
        read_bytes = prod(finest.box.size) * finest.layout.channels * finest.layout.dtype.itemsize
        expect(read_bytes)
        threads = max(self._memory.load_workers, self._memory.row_workers)
        with ThreadPoolExecutor(threads, thread_name_prefix="wk-assets") as pool:
            self._pool = pool
            try:
                try:
                    first_slab = self._prepare()
                except ShardCorruptError:
                    self._forget()  # what the journal promises is not there: nothing of it can be trusted
                    first_slab = self._prepare()
                self._pass(first_slab)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                for level in self._levels:
                    level.close()
        return PassResult(
            shards=tuple(level.built() for level in self._levels if level.plan.stored),
            facts=tuple(sorted(self._facts, key=lambda fact: fact.z)),
            read_bytes=read_bytes,
            written_bytes=self._written_bytes,
        )

    # ------------------------------------------------------------------ the pass

    def _pass(self, first_slab: int) -> None:
        level = self._levels[0]
        count = len(level.plan.slabs)
        self._since = Checkpoint()
        spare = self._store_of(0, "next") if self._memory.prefetch and first_slab + 1 < count else None
        loading = self._start_loading(level, first_slab) if first_slab < count else []
        for slab in range(first_slab, count):
            self._since.facts.extend(_by_slice(fact for load in loading for fact in load.result()))
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
            if slab + 1 == count or self._since.is_due(self._checkpoint_bytes):
                self._checkpoint(slab + 1)
        if spare is not None:
            spare.close()

    def _start_loading(self, level: PyramidLevel, slab: int) -> list[Future[tuple[SliceFact, ...]]]:
        level.begin(slab)
        store = level.store

        def load(task: LoadTask) -> tuple[SliceFact, ...]:
            facts: list[SliceFact] = []
            following: LoadTask | None = task
            with self._may_load:
                while following is not None:
                    with store.writable(following.z, following.y, following.x) as block:
                        facts.extend(following.fill(block))
                    following = following.then
            return tuple(facts)

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
        """Work on the rows of a slab in parallel, window by window; append what comes back in the order of the plan."""
        level = self._levels[number]
        encode = encode and level.plan.stored
        running: deque[Future[EncodedWindow | None]] = deque()
        for row in range(0, level.plan.buffer_shape[2], level.plan.row_step):
            for columns in level.plan.windows(self._memory.columns):
                running.append(self._pool.submit(self._row, number, row, columns, encode=encode, block=block))
                if len(running) > 2 * self._memory.row_workers:
                    self._append(number, running.popleft().result())
        while running:
            self._append(number, running.popleft().result())

    def _row(
        self, number: int, first: int, columns: tuple[int, int], *, encode: bool, block: tuple[int, int] | None
    ) -> EncodedWindow | None:
        level = self._levels[number]
        rows = (first, first + level.plan.row_step)
        with self._may_work:
            band = level.store.band(rows, columns)
            encoded = level.encode_rows(rows, columns, band) if encode else None
            if block is not None:
                level.downsample_rows(self._levels[number + 1], rows, columns, block, band, self._mode)
        return encoded

    def _append(self, number: int, window: EncodedWindow | None) -> None:
        if window is None:
            return
        level = self._levels[number]
        for cell, positions, sizes, data in window.rows:
            key = level.shard_key(cell)
            level.shard(key).append(positions, sizes, data)
            self._since.note(number, key, positions, sizes)
        level.reuse(window.memory)

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
                    self._since.finished[number, key] = entry

    # ------------------------------------------------------------------ checkpoints

    def _checkpoint(self, slabs: int) -> None:
        """Make everything up to this slab survive."""
        since = self._since
        since.write(self._journal, slabs, self._levels, self._pool)
        self._facts.extend(since.facts)
        self._written_bytes += since.size_bytes
        self._since = Checkpoint()

    def _prepare(self) -> int:
        """Set up the levels, take up what the journal proves, and return the number of slabs that are done."""
        self._levels = [
            PyramidLevel(
                plan,
                self._staging / plan.mag.to_layer_name(),
                self._store_of(number, "slab"),
                self._leading,
                spool_indexes=self._memory.spooled_indexes,
            )
            for number, plan in enumerate(self._plan.levels)
        ]
        slabs, self._facts = replay(self._journal, self._levels)
        for level in self._levels:
            if level.plan.stored:
                write_atomically(level.directory / "zarr.json", level.plan.layout.to_zarr_json())
                self._verify(level)
        self._refill(slabs)
        return slabs

    def _forget(self) -> None:
        """Remove what this pass has built so far; what others built at other positions stays."""
        levels, self._levels = self._levels, []
        for level in levels:
            level.close()
        self._journal.remove()
        for level in levels:
            remove_tree(level.shards_directory)

    def _verify(self, level: PyramidLevel) -> None:
        """Bring the files of a level back to the last checkpoint. Raises ShardCorruptError if they are not those."""
        for builder in level.open.values():
            builder.cut_back()
        for _ in self._pool.map(level.check_finished, level.done.values()):
            pass
        level.remove_unknown()

    def _refill(self, slabs: int) -> None:
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
                self._refill_level(number, factors.z, filled)

    def _refill_level(self, number: int, factor: int, filled: int) -> None:
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
                below.read_back()
            below.store.seal()
            self._rows(number - 1, encode=False, block=(first, until))
        below.store.close()
        below.store, below.slab = kept, resume_at


def _by_slice(facts: Iterable[SliceFact]) -> list[SliceFact]:
    """Put together what was seen of the parts of each slice."""
    slices: dict[int, SliceFact] = {}
    for fact in facts:
        slices[fact.z] = slices[fact.z].joined(fact) if fact.z in slices else fact
    return list(slices.values())
