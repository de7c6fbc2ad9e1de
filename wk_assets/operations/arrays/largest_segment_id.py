"""The greatest label of a mag: looked for in what is stored, a chunk at a time. 64-bit ids stay exact."""

from collections.abc import Iterator
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


class _Part(NamedTuple):
    array: PortableArray
    box: NormalizedBoundingBox


def find_largest_segment_id(
    array: MagArray,
    box_in_mag: NormalizedBoundingBox,
    *,
    chunk_shape: Vec3Int | None = None,
    executor: Executor | None = None,
) -> int | None:
    """Return the greatest voxel of a box; None if nothing is stored there but zeros. What is not stored is not read.

    `chunk_shape`: voxels x, y, z that each thread reads at once (None: a shard, 256 along an axis at most).
    """
    shape = array.info.shard_shape.pairmin(256) if chunk_shape is None else chunk_shape
    parts = _parts(array, PortableArray.of(array, read_only=True), box_in_mag, shape)
    with executor_or_threads(executor, Compute.of_this_machine().threads) as pool:
        largest = max(map_chunks(_greatest, parts, executor=pool, name=lambda part: f"box {part.box}"), default=0)
    return largest if largest > 0 else None


def _parts(array: MagArray, portable: PortableArray, box: NormalizedBoundingBox, shape: Vec3Int) -> Iterator[_Part]:
    for stored in array.stored_boxes():
        inside = stored.intersected_with(box, dont_assert=True)
        if not inside.is_empty():
            for tile in tiles_of(inside, shape):
                yield _Part(portable, tile)


def _greatest(part: _Part) -> int:
    return int(part.array.read_box(part.box).max())
