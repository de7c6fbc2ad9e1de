"""Find the fastest way through a pass that fits a memory budget, at any width, height and depth. Arithmetic only.

What a pass holds, from the fastest way to the most frugal one:

    two slabs of the finest level     one is loaded while one is worked on
    one slab                          loading and working take turns
    ... worked on by windows          rows of chunks are packed, encoded and handed down a part of their columns at a time
    ... the finest levels in spools   a slab lies in a file; images are loaded whole, or by windows of rows
    ... narrower windows, one thread

The indexes of the shards that are open at once, which is every shard of a slice, go to spools as well when they are much.

Where this ends (the floor): one row of one image with what its format holds for it (`RowAccess.held_bytes`), one chunk's
columns of one row of chunks, and what is noted of open shards and of their new chunks: half a KiB and 12 bytes each, that is
150 MiB for slices of 100,000 x 100,000 voxels. Only beyond that a budget is refused, with the figure and the remedy.
"""

from math import prod

from wk_assets.errors import PlanError
from wk_assets.operations.passes.pyramid_plan import (
    RESIDENT_BYTES,
    STORED_BLOCK_BYTES,
    LevelPlan,
    MemoryPlan,
    PyramidPlan,
)
from wk_assets.readers.volume import RowAccess

_PACKED_BYTES = 1 << 20  # chunks that one worker packs together, and a coder
_NARROW_COLUMNS = 4096  # windows no narrower than this, before more levels are spooled instead
_NARROWER_COLUMNS = (
    1024  # and no narrower than this, before threads are given up: a spool is read in runs of so many voxels
)
_LARGEST_WINDOW_BYTES = 64 << 20  # of rows of an image: larger ones gain nothing
_OPEN_SHARD_BYTES = 600  # a builder, its key, its place in dicts, what is noted of it, beside its index
_INDEXES_PART = 8  # indexes of open shards may take this part of the budget before they are spooled
_NOTED_CHUNK_BYTES = 12  # what is noted of a chunk until the next checkpoint


def fit_memory(plan: PyramidPlan, *, threads: int, budget_bytes: int, access: RowAccess | None = None) -> MemoryPlan:
    """Plan a pass within the budget. `access`: how the images of level 0 are read; None: it is a mag that is stored.

    Raises PlanError if not even the floor fits (see above), with what it needs.
    """
    noted, indexes = _open_shards_bytes(plan)
    spooled_indexes = indexes > budget_bytes // _INDEXES_PART
    room = budget_bytes - RESIDENT_BYTES - noted - (0 if spooled_indexes else indexes)
    index_spool_bytes = indexes if spooled_indexes else 0
    nothing = (False,) * len(plan.levels)
    working = _working(plan, nothing, threads, 0)
    loading = threads * _load_bytes(plan.levels[0], access, 0, spooled=False)
    for prefetch in (True, False):
        needed = _held(plan, nothing, prefetch=prefetch) + (loading + working if prefetch else max(loading, working))
        if needed <= room:
            peak = budget_bytes - room + needed
            return MemoryPlan(
                prefetch=prefetch, spooled=nothing, load_workers=threads, row_workers=threads, peak_bytes=peak,
                spool_bytes=index_spool_bytes, spooled_indexes=spooled_indexes,
            )  # fmt: skip
    for narrowest, fewest in ((_NARROW_COLUMNS, threads), (_NARROWER_COLUMNS, threads), (_NARROWER_COLUMNS, 1), (1, 1)):
        for count in range(len(plan.levels) + 1):  # the finest levels have the largest slabs
            spooled = tuple(number < count for number in range(len(plan.levels)))
            left = room - _held(plan, spooled, prefetch=False)
            found = (
                _fit_loading(plan, access, threads, left, spooled=count > 0),
                _fit_working(plan, spooled, range(threads, fewest - 1, -1), left, narrowest),
            )
            if found[0] is None or found[1] is None:
                continue
            (loaders, load_rows, loading), (workers, columns, working) = found[0], found[1]
            return MemoryPlan(
                prefetch=False,
                spooled=spooled,
                load_workers=loaders,
                row_workers=workers,
                peak_bytes=budget_bytes - left + max(loading, working),
                spool_bytes=index_spool_bytes
                + sum(level.buffer_bytes for level, out in zip(plan.levels, spooled, strict=True) if out),
                load_rows=load_rows,
                columns=columns,
                spooled_indexes=spooled_indexes,
            )
    raise PlanError(_refusal(plan, access, budget_bytes))


def _fit_loading(
    plan: PyramidPlan, access: RowAccess | None, threads: int, room: int, *, spooled: bool
) -> tuple[int, int, int] | None:
    """Return loaders, rows that each loads at a time (0: whole slices), and what they hold; None if nothing fits."""
    level = plan.levels[0]
    whole = _load_bytes(level, access, 0, spooled=spooled)
    if access is None or not spooled:
        loaders = min(threads, room // max(1, whole))
        return (loaders, 0, loaders * whole) if loaders > 0 else None
    if threads * whole <= room // 2:
        return threads, 0, threads * whole
    row_bytes = _row_bytes(level)
    for loaders in range(threads, 0, -1):
        rows = (
            min(room // loaders - access.held_bytes, max(_LARGEST_WINDOW_BYTES, access.unit * row_bytes)) // row_bytes
        )
        if rows >= access.unit or (loaders == 1 and rows > 0):
            # less than a unit is an even part of it: its strips or tiles are decoded once per window
            parts = -(-access.unit // rows)
            rows = rows // access.unit * access.unit if rows >= access.unit else -(-access.unit // parts)
            rows = min(rows, level.box.size.y)
            return loaders, rows, loaders * (rows * row_bytes + access.held_bytes)
    return None


def _fit_working(
    plan: PyramidPlan, spooled: tuple[bool, ...], choices: range, room: int, narrowest: int
) -> tuple[int, int, int] | None:
    """Return workers, columns that each works on (0: all), and what they hold; None if nothing fits."""
    width = plan.levels[0].buffer_shape[3]
    for workers in choices:
        columns = 0
        while True:
            needed = _working(plan, spooled, workers, columns)
            if needed <= room:
                return workers, columns, needed
            columns = (columns or width) // 2
            if columns < narrowest:
                break
    return None


def _held(plan: PyramidPlan, spooled: tuple[bool, ...], *, prefetch: bool) -> int:
    """Return the bytes of the buffers."""
    held = sum(level.buffer_bytes for level, out in zip(plan.levels, spooled, strict=True) if not out)
    return held + (plan.levels[0].buffer_bytes if prefetch else 0)


def _load_bytes(level: LevelPlan, access: RowAccess | None, rows: int, *, spooled: bool) -> int:
    """Return what one thread holds while it loads so many rows of an image (0: a slice), or a block of a stored mag."""
    if access is None:
        return 2 * level.layout.chunk_bytes + (STORED_BLOCK_BYTES if spooled else 0)
    # a slice's file is read whole, and decoded beside the slab if the slab is not in memory
    rows_bytes = (rows or level.box.size.y) * _row_bytes(level)
    return max(rows_bytes, access.held_bytes) + (rows_bytes if spooled else 0)


def _working(plan: PyramidPlan, spooled: tuple[bool, ...], workers: int, columns: int) -> int:
    """Return the most that workers hold: encoded rows, which each level keeps room for, and the bands of one level."""
    encoded = most = 0
    for number, level in enumerate(plan.levels):
        width = max(stop - start for start, stop in level.windows(columns))
        channels, depth, _, _ = level.buffer_shape
        band = channels * width * depth * level.row_step * level.layout.dtype.itemsize
        holds = _PACKED_BYTES + level.layout.chunk_bytes
        if level.stored:
            # what is encoded waits for the rows before it, at most two and a half per worker
            encoded += 3 * band
        if spooled[number]:
            holds += 2 * band
        if number + 1 < len(spooled) and spooled[number + 1]:
            holds += band // 2
        most = max(most, holds)
    return workers * (encoded + most)


def _open_shards_bytes(plan: PyramidPlan) -> tuple[int, int]:
    """Return what is noted of the shards that a slab of each level writes to and of their new chunks; and their indexes."""
    noted = indexes = 0
    for level in plan.levels:
        if not level.stored:
            continue
        layout = level.layout
        _, depth, height, width = level.buffer_shape
        layers = -(-depth // layout.shard_shape.z)
        shards = layers * -(-height // layout.shard_shape.y) * -(-width // layout.shard_shape.x)
        chunks = prod(-(-extent // cut) for extent, cut in zip((width, height, depth), layout.chunk_shape, strict=True))
        noted += shards * _OPEN_SHARD_BYTES + chunks * _NOTED_CHUNK_BYTES
        indexes += shards * 16 * prod(layout.chunks_per_shard)
    return noted, indexes


def _row_bytes(level: LevelPlan) -> int:
    """Return the bytes of one row of one image of the level's box."""
    return level.layout.channels * level.box.size.x * level.layout.dtype.itemsize


def _refusal(plan: PyramidPlan, access: RowAccess | None, budget_bytes: int) -> str:
    level = plan.levels[0]
    all_spooled = (True,) * len(plan.levels)
    image = _load_bytes(level, None, 0, spooled=True) if access is None else _row_bytes(level) + access.held_bytes
    noted, _ = _open_shards_bytes(plan)
    needed = RESIDENT_BYTES + noted + max(image, _working(plan, all_spooled, 1, 1))
    text = (
        f"slices of {level.box.size.x} x {level.box.size.y} voxels ({level.layout.channels} x {level.layout.dtype}) need "
        f"{-(-needed >> 20)} MiB of memory even in the smallest parts, the budget is {budget_bytes >> 20} MiB. "
        "Raise `compute.memory`"
    )
    if access is not None and access.reason and image > noted:
        return f"{text}; {access.reason}"
    if noted > 2 * image:
        return f"{text}, or choose larger shards and chunks: what is noted of those of a slice takes {noted >> 20} MiB"
    return text
