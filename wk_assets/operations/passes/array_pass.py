"""Make whole mags in one pass of the engine, from a stored mag of any format into new Zarr v3 arrays of ours.

Faster than tiles (`tile_pass`), since every voxel is read once whatever the number of mags, and equal to them voxel by voxel
and byte by byte. The arrays are built beside the empty ones and take their names when they are whole.
"""

import glob
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wk_assets.errors import PlanError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.engine import Engine
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import MemoryPlan, PyramidPlan, plan_pyramid
from wk_assets.operations.passes.tile_sources import CopiedTiles, TileSource, UpsampledTiles
from wk_assets.operations.passes.tiled_source import TiledSource
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.durable import remove_tree, sync_directory, write_atomically
from wk_assets.storage.exchange import exchange
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import ShardEntry
from wk_assets.storage.sharded_array import ShardedArray

_STAGING = ".made-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayPassPlan:
    """One pass. `tiles`: what level 0 is filled with; `targets`: the empty arrays of the stored levels, in their order."""

    pyramid: PyramidPlan
    memory: MemoryPlan
    tiles: TileSource
    box_in_mag: NormalizedBoundingBox
    block_shape: Vec3Int
    mode: DownsamplingMode
    targets: tuple[ShardedArray, ...]


def plan_downsampling_pass(
    source: MagArray,
    targets: Sequence[tuple[Mag, MagArray]],
    *,
    source_mag: Mag,
    layer_box: NormalizedBoundingBox,
    mode: DownsamplingMode,
    compute: Compute,
) -> ArrayPassPlan | None:
    """Plan to make mags, finest first, each from the one before; None where only tiles can do it.

    `targets`: empty arrays. `layer_box`: mag 1. Only arrays with a manifest that are all cut and encoded alike can be made
    in one pass, and only if it fits the memory of `compute`.
    """
    arrays = [array for _, array in targets if isinstance(array, ShardedArray)]
    if not arrays or len(arrays) != len(targets) or layer_box.is_empty():
        return None
    mags = [source_mag, *(mag for mag, _ in targets)]
    pyramid = _pyramid(mags, [False, *(True for _ in arrays)], arrays[0].layout, layer_box)
    if pyramid is None:
        return None
    return _plan(pyramid, CopiedTiles(array=source), source.info.chunk_shape, mode, arrays, layer_box, compute)


def plan_upsampling_pass(
    source: MagArray,
    target: MagArray,
    *,
    source_mag: Mag,
    target_mag: Mag,
    layer_box: NormalizedBoundingBox,
    compute: Compute,
) -> ArrayPassPlan | None:
    """Plan to make a finer mag; None where only tiles can do it. See `plan_downsampling_pass`."""
    if not isinstance(target, ShardedArray) or layer_box.is_empty():
        return None
    pyramid = _pyramid([target_mag], [True], target.layout, layer_box)
    if pyramid is None:
        return None
    factors = source_mag.to_vec3_int() // target_mag.to_vec3_int()
    tiles = UpsampledTiles(array=source, factors=factors)
    block = source.info.chunk_shape * factors
    return _plan(pyramid, tiles, block, DownsamplingMode.NEAREST, [target], layer_box, compute)


def run_array_pass(plan: ArrayPassPlan, *, listener: ProgressListener | None = None) -> None:
    """Build the arrays and let them take the places of the empty ones; nothing is visible before it is whole.

    Raises StorageError, and what reading raises; the empty arrays stay then.
    """
    first = plan.targets[0].path
    staging = first.parent / f".{first.name}{_STAGING}{socket.gethostname()}-{os.getpid()}"
    remove_leftovers(first)
    remove_tree(staging)
    shards: list[list[ShardEntry]] = [[] for _ in plan.targets]
    positions = plan.pyramid.positions()
    try:
        for number, leading in enumerate(positions):
            result = Engine(
                plan=plan.pyramid,
                mode=plan.mode,
                source=TiledSource(plan.tiles, plan.box_in_mag, block_shape=plan.block_shape, leading=leading),
                staging=staging,
                memory=plan.memory,
                listener=_part_of(listener, number, len(positions)),
                leading=leading,
            ).run()
            for made, entries in zip(shards, result.shards, strict=True):
                made.extend(entries)
        stored = [level for level in plan.pyramid.levels if level.stored]
        for level, target, whole in zip(stored, plan.targets, shards, strict=True):
            _publish(staging / level.mag.to_layer_name(), target.path, whole)
    finally:
        remove_tree(staging)


def remove_leftovers(array_path: Path) -> None:
    """Remove what passes left beside an array that were killed on this machine."""
    start = f".{array_path.name}{_STAGING}{socket.gethostname()}-"
    for leftover in array_path.parent.glob(f"{glob.escape(start)}*"):
        pid = leftover.name.removeprefix(start)
        if pid.isdigit() and not _lives(int(pid)):
            remove_tree(leftover)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _publish(built: Path, place: Path, shards: Sequence[ShardEntry]) -> None:
    """Exchange an array that is whole with the empty one. Its key says what it holds, as that of an edited array does."""
    empty = Manifest.load(place)
    manifest = empty.edited({shard.key: shard for shard in shards})
    write_atomically(built / MANIFEST_NAME, manifest.to_bytes())
    sync_directory(built)
    exchange(built, place)


def _pyramid(
    mags: Sequence[Mag], stored: Sequence[bool], layout: ArrayLayout, layer_box: NormalizedBoundingBox
) -> PyramidPlan | None:
    extra = layer_box.axes[:-4]
    if any(layer_box.get_bounds(axis)[0] for axis in (*extra, "c")):
        return None  # the engine makes every position from 0 on
    return plan_pyramid(
        box=BoundingBox.from_ndbbox(layer_box),
        mags=mags,
        stored=stored,
        layout=layout.layout,
        channels=layout.channels,
        dtype=layout.dtype,
        chunk_shape=layout.chunk_shape,
        shard_shape=layout.shard_shape,
        zstd_level=layout.zstd_level,
        additional=tuple((axis, layer_box.get_bounds(axis)[1]) for axis in extra),
    )


def _plan(
    pyramid: PyramidPlan,
    tiles: TileSource,
    block_shape: Vec3Int,
    mode: DownsamplingMode,
    targets: Sequence[ShardedArray],
    layer_box: NormalizedBoundingBox,
    compute: Compute,
) -> ArrayPassPlan | None:
    stored = [level.layout for level in pyramid.levels if level.stored]
    if any(made.to_zarr_json() != array.layout.to_zarr_json() for made, array in zip(stored, targets, strict=True)):
        return None  # cut otherwise than the first, or not where the layer's box ends
    try:
        memory = fit_memory(pyramid, threads=compute.threads, budget_bytes=compute.memory_bytes)
    except PlanError:
        return None  # tiles need less
    box = pyramid.levels[0].box
    return ArrayPassPlan(
        pyramid=pyramid,
        memory=memory,
        tiles=tiles,
        box_in_mag=layer_box.with_topleft_xyz(box.topleft).with_size_xyz(box.size),
        block_shape=block_shape,
        mode=mode,
        targets=tuple(targets),
    )


def _part_of(listener: ProgressListener | None, number: int, count: int) -> ProgressListener | None:
    """Report a pass as one of several."""
    if listener is None:
        return None
    return lambda progress: listener(
        replace(
            progress,
            done_voxels=number * progress.total_voxels + progress.done_voxels,
            total_voxels=count * progress.total_voxels,
        )
    )
