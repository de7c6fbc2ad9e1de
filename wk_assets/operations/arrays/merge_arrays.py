"""Lay one array over another: what the one has stored replaces, shard for shard, what the other has there.

This is how a volume annotation becomes part of the layer it was drawn on: its chunks hold the voxels around the strokes
too, so that zeros in them are voxels that somebody erased.
"""

from collections.abc import Iterable
from concurrent.futures import Executor
from typing import NamedTuple

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays.map_chunks import map_chunks
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.portable_array import PortableArray
from wk_assets.operations.passes.task_runner import executor_or_threads
from wk_assets.operations.passes.tile_sources import tiles_of
from wk_assets.storage.mag_array import MagArray


class _Job(NamedTuple):
    target: PortableArray
    source: PortableArray
    shard: NormalizedBoundingBox
    boxes: tuple[NormalizedBoundingBox, ...]


def merge_arrays(
    target: MagArray, source: MagArray, source_box: NormalizedBoundingBox, *, executor: Executor | None = None
) -> None:
    """Lay every stored shard of `source`, cut to `source_box`, over `target`; both in voxels of one mag.

    Each task changes one shard of the target. Raises what reading and writing raise.
    """
    written, read = PortableArray.of(target, read_only=False), PortableArray.of(source, read_only=True)
    jobs = (
        _Job(written, read, shard, boxes)
        for shard, boxes in _by_shard(source, source_box, target.info.shard_shape).items()
    )
    with executor_or_threads(executor, Compute.of_this_machine().threads) as pool:
        for _ in map_chunks(_merge, jobs, executor=pool, name=lambda job: f"shard {job.shard}"):
            pass


def merge_shard(
    target: MagArray, source: MagArray, shard: NormalizedBoundingBox, boxes: Iterable[NormalizedBoundingBox]
) -> None:
    """Lay boxes of `source`, as far as they lie in `shard`, over `target`; the shard is read and written once."""
    parts = [part for box in boxes if not (part := box.intersected_with(shard, dont_assert=True)).is_empty()]
    if not parts:
        return
    around = parts[0]
    for part in parts[1:]:
        around = around.extended_by(part)
    voxels = target.read_box(around).copy() if len(parts) > 1 else source.read_box(around)
    if len(parts) > 1:
        for part in parts:
            voxels[part.offset(around.topleft * -1).to_slices()] = source.read_box(part)
    target.write_box(around, voxels)


def _by_shard(
    source: MagArray, source_box: NormalizedBoundingBox, shard_shape: Vec3Int
) -> dict[NormalizedBoundingBox, tuple[NormalizedBoundingBox, ...]]:
    found: dict[NormalizedBoundingBox, tuple[NormalizedBoundingBox, ...]] = {}
    for stored in source.stored_boxes():
        inside = stored.intersected_with(source_box, dont_assert=True)
        if inside.is_empty():
            continue
        for part in tiles_of(inside, shard_shape):
            start = part.topleft_xyz // shard_shape * shard_shape
            cell = part.with_topleft_xyz(start).with_size_xyz(shard_shape)
            found[cell] = (*found.get(cell, ()), part)
    return found


def _merge(job: _Job) -> None:
    merge_shard(job.target, job.source, job.shard, job.boxes)
