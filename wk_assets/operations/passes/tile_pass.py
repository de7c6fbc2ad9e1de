"""Fill one mag tile by tile, in any format: whole shards, in bounded memory, on any executor.

    part of a shard ──► tiles ──► source (read, reduce or repeat) ──► voxels of the part ──► one write
    (whole if it fits)   (bounded by what is read for each)

A part is written at once, so that a shard is encoded once. Nobody needs a lock for whole shards; parts of one shard wait
for one another in `MagArray.write_box`. For new Zarr v3 arrays the engine is faster (see `array_pass`); both give the
same voxels.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.portable_array import PortableArray
from wk_assets.operations.passes.pyramid_plan import RESIDENT_BYTES
from wk_assets.operations.passes.task_runner import executor_or_threads, run_tasks, sends_tasks_elsewhere
from wk_assets.operations.passes.tile_sources import TileSource, tiles_of
from wk_assets.operations.records.layer_request import Progress, ProgressListener
from wk_assets.storage.mag_array import ArrayInfo, MagArray

# What is read for one tile, unless the caller says how large a tile is: at most, and however small the budget is.
TILE_BYTES = 32 << 20
LEAST_TILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlan:
    """What a pass will write. Boxes and shapes in voxels of the target's mag; shapes x, y, z.

    `boxes`: disjoint; what is written. `part_shape`: written at once. `tile_shape`: computed at once. `fresh`: the target
    holds nothing there, so that parts of zeros need not be written. `peak_memory_bytes`: of this process, threads included
    (other processes of an executor hold their share of it each).
    """

    boxes: tuple[NormalizedBoundingBox, ...]
    part_shape: Vec3Int
    tile_shape: Vec3Int
    fresh: bool
    workers: int
    parts: int
    raw_bytes: int
    peak_memory_bytes: int

    @property
    def voxels(self) -> int:
        """Voxels that will be written, all channels and additional axes."""
        return sum(box.volume() for box in self.boxes)

    def shards(self, shard_shape: Vec3Int) -> tuple[NormalizedBoundingBox, ...]:
        """List the shards that will be written, cut to the boxes."""
        return tuple(shard for box in self.boxes for shard in tiles_of(box, shard_shape))


@dataclass(frozen=True, slots=True)
class _Part:
    """One task. May be run twice; goes to another process if its arrays do."""

    source: TileSource
    target: MagArray
    box: NormalizedBoundingBox
    tile_shape: Vec3Int
    fresh: bool


def plan_tiles(
    source: TileSource,
    target: ArrayInfo,
    boxes: tuple[NormalizedBoundingBox, ...],
    *,
    compute: Compute | None = None,
    fresh: bool = False,
    buffer_shape: Vec3Int | None = None,
) -> TilePlan:
    """Plan to fill disjoint boxes of a target, given in voxels of its mag.

    `buffer_shape` (x, y, z, target voxels) bounds the tile. Shards that do not fit the memory of `compute` are written in
    parts of whole chunks, which takes longer: each part reads what the shard holds already.
    """
    compute = compute or Compute.of_this_machine()
    voxel_bytes = target.num_channels * target.voxel_type.itemsize
    budget = max(compute.memory_bytes - RESIDENT_BYTES, 0) // compute.threads
    extent = _extent(boxes)
    part = target.shard_shape
    while 3 * prod(part.pairmin(extent)) * voxel_bytes > budget and part != target.chunk_shape:
        part = _halved(part, target.chunk_shape)
    tile = part if buffer_shape is None else part.pairmin(buffer_shape)
    if buffer_shape is None:
        limit = max(min(TILE_BYTES, budget // 4), LEAST_TILE_BYTES)
        while source.read_voxels(tile.pairmin(extent)) * voxel_bytes > limit and max(tile) > 1:
            whole_chunks = any(edge > chunk for edge, chunk in zip(tile, target.chunk_shape, strict=True))
            tile = _halved(tile, target.chunk_shape if whole_chunks else Vec3Int(1, 1, 1))
    # a part, its chunks in the order of the codec, and the encoded shard; beside them a tile that is read
    held = (
        3 * prod(part.pairmin(extent)) + source.read_voxels(tile.pairmin(extent)) + prod(tile.pairmin(extent))
    ) * voxel_bytes
    return TilePlan(
        boxes=boxes,
        part_shape=part,
        tile_shape=tile,
        fresh=fresh,
        workers=compute.threads,
        parts=sum(_count(box, part) for box in boxes),
        raw_bytes=sum(box.volume() for box in boxes) * target.voxel_type.itemsize,
        peak_memory_bytes=RESIDENT_BYTES + compute.threads * held,
    )


def run_tiles(
    plan: TilePlan,
    source: TileSource,
    target: MagArray,
    *,
    executor: Executor | None = None,
    listener: ProgressListener | None = None,
) -> None:
    """Fill the plan's boxes of the target. May be run again: the same voxels give the same bytes.

    `executor` None: threads of our own. Raises what reading and writing raise; parts that were written stay then.
    """
    if sends_tasks_elsewhere(executor):
        source = source.reading(PortableArray.of(source.array, read_only=True))
        target = PortableArray.of(target, read_only=False)
    parts = (
        _Part(source, target, box, plan.tile_shape, plan.fresh)
        for box in chain.from_iterable(tiles_of(box, plan.part_shape) for box in plan.boxes)
    )
    done = 0

    def count(voxels: int) -> None:
        nonlocal done
        done += voxels
        if listener is not None:
            listener(Progress(done_voxels=done, total_voxels=plan.voxels))

    with executor_or_threads(executor, plan.workers) as pool:
        run_tasks(pool, _fill_part, parts, workers=plan.workers, done=count)


def _fill_part(part: _Part) -> int:
    voxels = _voxels_of(part.source, part.box, part.tile_shape)
    if not part.fresh or voxels.any():
        part.target.write_box(part.box, voxels)
    return part.box.volume()


def _voxels_of(source: TileSource, box: NormalizedBoundingBox, tile_shape: Vec3Int) -> NDArray[Any]:
    """Compute a box tile by tile; the result has x fastest."""
    voxels: NDArray[Any] | None = None
    for tile in tiles_of(box, tile_shape):
        read = source.read_tile(tile)
        if tile.size == box.size:
            return read
        if voxels is None:
            voxels = np.zeros(tuple(reversed(tuple(box.size))), read.dtype).T
        window = tile.offset(box.topleft * -1)
        voxels[window.to_slices()] = read
    if voxels is None:
        raise GeometryError(f"box {box} has no voxel to compute")
    return voxels


def _halved(shape: Vec3Int, floor: Vec3Int) -> Vec3Int:
    """Halve the longest of the edges that are longer than `floor` there, to a multiple of it."""
    _, axis = max((length, axis) for axis, length in enumerate(shape) if length > floor[axis])
    halved = list(shape)
    halved[axis] = max(1, shape[axis] // 2 // floor[axis]) * floor[axis]
    return Vec3Int(halved)


def _extent(boxes: tuple[NormalizedBoundingBox, ...]) -> Vec3Int:
    """Return the extent of the largest of the boxes along each axis."""
    extent = Vec3Int(1, 1, 1)
    for box in boxes:
        extent = extent.pairmax(box.size_xyz)
    return extent


def _count(box: NormalizedBoundingBox, shape: Vec3Int) -> int:
    """Count the tiles of a box without making them."""
    if box.is_empty():
        return 0
    cells = prod(box.bottomright_xyz.ceildiv(shape) - box.topleft_xyz // shape)
    return cells * prod(box.get_shape(axis) for axis in box.axes if axis not in ("c", "x", "y", "z"))
