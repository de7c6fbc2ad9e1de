"""Whether two arrays hold the same voxels, chunk by chunk, on any executor. Reads only; ends at the first difference."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from typing import NamedTuple

import numpy as np

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays.map_chunks import map_chunks
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.portable_array import PortableArray
from wk_assets.operations.passes.task_runner import executor_or_threads
from wk_assets.operations.passes.tile_sources import tiles_of
from wk_assets.storage.mag_array import MagArray


class _Pair(NamedTuple):
    first: PortableArray
    first_box: NormalizedBoundingBox
    second: PortableArray
    second_box: NormalizedBoundingBox


def arrays_are_equal(
    first: MagArray,
    first_box: NormalizedBoundingBox,
    second: MagArray,
    second_box: NormalizedBoundingBox,
    *,
    chunk_shape: Vec3Int | None = None,
    executor: Executor | None = None,
    done: Callable[[int], None] | None = None,
) -> bool:
    """Say whether two boxes, each in voxels of its array, hold the same; False if axes, sizes or dtypes differ.

    `chunk_shape`: voxels x, y, z that each thread compares at once (None: a shard of `first`, 256 along an axis at most).
    `done` hears how many voxels were compared. NaN is like NaN. Raises what reading raises.
    """
    same_kind = first.info.voxel_type == second.info.voxel_type and first_box.axes == second_box.axes
    if not same_kind or tuple(first_box.size) != tuple(second_box.size):
        return False
    if first_box.is_empty():
        return True
    shape = first.info.shard_shape.pairmin(256) if chunk_shape is None else chunk_shape
    pairs = _pairs(
        PortableArray.of(first, read_only=True), first_box, PortableArray.of(second, read_only=True), second_box, shape
    )
    with executor_or_threads(executor, Compute.of_this_machine().threads) as pool:
        results = map_chunks(_same, pairs, executor=pool, name=lambda pair: f"box {pair.first_box}")
        with closing(results):  # type: ignore[type-var]  # a generator
            for volume, equal in results:
                if not equal:
                    return False
                if done is not None:
                    done(volume)
    return True


def _pairs(
    first: PortableArray,
    first_box: NormalizedBoundingBox,
    second: PortableArray,
    second_box: NormalizedBoundingBox,
    shape: Vec3Int,
) -> Iterator[_Pair]:
    for tile in tiles_of(first_box, shape):
        moved = tile.with_topleft(tile.topleft - first_box.topleft + second_box.topleft)
        yield _Pair(first, tile, second, moved)


def _same(pair: _Pair) -> tuple[int, bool]:
    one, other = pair.first.read_box(pair.first_box), pair.second.read_box(pair.second_box)
    equal = np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return pair.first_box.volume(), bool(equal)
