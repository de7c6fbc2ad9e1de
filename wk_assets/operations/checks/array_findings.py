"""What the stored voxels of a layer show when they are read back: numbers, for `layer_checks` to put into sentences.

Each function holds a few megabytes at a time, however large the layer is, and raises what reading raises: a lost or
damaged shard is never taken for zeros.
"""

from dataclasses import dataclass
from itertools import islice, pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.border import symmetric_indices
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.slice_suspicions import longest_zero_run
from wk_assets.operations.layers.chunk_blocks import boxes_around
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.shard import ABSENT, ShardFile
from wk_assets.storage.stored_array import StoredArray
from wk_assets.storage.voxel_array import VoxelArray

# A block of the finer mag, and a band of a slice, are at most this large in memory.
BLOCK_BYTES = 32 << 20
COARSE_EDGE = 32
# Of more shards than this at the border of the box, an evenly spread part is looked at.
BORDER_SHARDS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is stored outside of the box: a first voxel that is not zero, or a shard that no box voxel lies in."""

    voxel: tuple[int, int, int] | None
    shards: tuple[str, ...]
    complete: bool  # False: only an evenly spread part was looked at


def find_outside(array: StoredArray, box_in_mag: BoundingBox) -> Outside:
    """Look for voxels that the box leaves out: below its top left, or in padding that the array's shape allows.

    Chunks that are not stored are all zero, and those inside of the box are not looked at: what is left are the chunks
    that the border of the box cuts, and strangers.
    """
    layout = array.array_layout
    extent = BoundingBox(Vec3Int(0, 0, 0), array.size)
    strangers: list[str] = []
    border: list[str] = []
    for shard in array.manifest.shards:
        cell = layout.shard_cell(shard.key)
        shard_box = BoundingBox(cell * array.shard_shape, array.shard_shape)
        if not _overlap(shard_box, box_in_mag):
            strangers.append(shard.key)
        elif not box_in_mag.contains_bbox(shard_box.intersected_with(extent)):
            border.append(shard.key)
    stride = -(-len(border) // BORDER_SHARDS) or 1
    voxels = (_voxel_outside(array, key, box_in_mag, extent) for key in border[::stride])
    return Outside(
        voxel=next((voxel for voxel in voxels if voxel is not None), None),
        shards=tuple(strangers),
        complete=stride == 1,
    )


def _voxel_outside(array: StoredArray, key: str, box: BoundingBox, extent: BoundingBox) -> tuple[int, int, int] | None:
    """Return a voxel of a shard that is not zero and lies outside of the box, but inside of the array."""
    layout = array.array_layout
    cell, array = layout.shard_cell(key), array.at(layout.shard_leading(key))
    index = ShardFile(layout, array.path / key).index
    for position in np.flatnonzero(index[:, 0] != ABSENT):
        place = np.unravel_index(int(position), layout.index_shape)
        inside_shard = Vec3Int(*(int(part) for part in (place if layout.layout is Layout.WEBKNOSSOS else place[::-1])))
        chunk = BoundingBox((cell * layout.chunks_per_shard + inside_shard) * array.chunk_shape, array.chunk_shape)
        reachable = chunk.intersected_with(extent, dont_assert=True)
        if reachable.is_empty() or box.contains_bbox(reachable):
            continue
        for part in boxes_around(reachable, reachable.intersected_with(box, dont_assert=True)):
            places = np.argwhere(array.read(part).any(axis=0))
            if places.size:
                x, y, z = (int(start + offset) for start, offset in zip(part.topleft, places[0], strict=True))
                return x, y, z
    return None


def _overlap(first: BoundingBox, second: BoundingBox) -> bool:
    return not first.intersected_with(second, dont_assert=True).is_empty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One mag as the comparison needs it."""

    mag: Mag
    array: VoxelArray
    box_in_mag: BoundingBox


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of recomputing blocks of a coarser mag. `first` is the place (voxel of the coarser mag) and both values."""

    blocks: int
    voxels: int
    differing: int
    first: str | None


def compare_mags(finer: Level, coarser: Level, mode: DownsamplingMode, *, blocks: int, seed: int) -> Comparison:
    """Make blocks of the coarser mag again from the finer one, and compare every voxel exactly (NaN equals NaN).

    The first and the last block are always among them, because errors live at borders; the others are drawn by
    `seed`, those that hold anything before those that are all zero.
    """
    factors = Vec3Int(*(b // a for a, b in zip(finer.mag.to_tuple(), coarser.mag.to_tuple(), strict=True)))
    edge = COARSE_EDGE
    voxel_bytes = finer.array.channels * finer.array.dtype.itemsize * prod(factors)
    while edge > 1 and voxel_bytes * edge**3 > BLOCK_BYTES:
        edge //= 2
    compared = voxels = differing = empty = 0
    first: str | None = None
    for block in _drawn_blocks(coarser.box_in_mag, edge, 4 * blocks, (seed, *coarser.mag.to_tuple())):
        if compared == blocks:
            break
        stored = coarser.array.read(block)
        if not stored.any() and compared >= 2:
            if empty >= blocks // 4:
                continue
            empty += 1
        expected = _recompute(finer, block, factors, mode)
        unequal = stored != expected
        if stored.dtype.kind == "f":
            unequal &= ~(np.isnan(stored) & np.isnan(expected))
        compared += 1
        voxels += stored.size
        differing += int(np.count_nonzero(unequal))
        if first is None and unequal.any():
            c, x, y, z = (int(place) for place in np.argwhere(unequal)[0])
            position = tuple(start + place for start, place in zip(block.topleft, (x, y, z), strict=True))
            first = f"{position}: stored {stored[c, x, y, z]}, recomputed {expected[c, x, y, z]}"
    return Comparison(blocks=compared, voxels=voxels, differing=differing, first=first)


def _drawn_blocks(box: BoundingBox, edge: int, at_most: int, seed: tuple[int, ...]) -> list[BoundingBox]:
    """Draw distinct cells of a grid over the box without listing the grid: the first, the last, then random ones."""
    first = box.topleft // edge
    cells = box.bottomright.ceildiv(edge) - first
    total = prod(cells)
    numbers = dict.fromkeys([0, total - 1])
    if total <= at_most:
        numbers |= dict.fromkeys(range(total))
    else:
        random = np.random.default_rng(seed)
        draws = (int(number) for number in random.integers(0, total, size=2 * at_most))
        numbers |= dict.fromkeys(islice(draws, at_most))
    blocks = []
    for number in numbers:
        z, rest = divmod(number, cells[0] * cells[1])
        y, x = divmod(rest, cells[0])
        cell = BoundingBox((first + Vec3Int(x, y, z)) * edge, Vec3Int.full(edge))
        blocks.append(cell.intersected_with(box))
    return blocks


def _recompute(finer: Level, block: BoundingBox, factors: Vec3Int, mode: DownsamplingMode) -> NDArray[Any]:
    """Downsample what lies under `block`; voxels outside of the finer box are its mirror image."""
    places = [
        symmetric_indices(start * factor, stop * factor, low, high)
        for start, stop, factor, low, high in zip(
            block.topleft,
            block.bottomright,
            factors,
            finer.box_in_mag.topleft,
            finer.box_in_mag.bottomright,
            strict=True,
        )
    ]
    low = [int(place.min()) for place in places]
    size = [int(place.max()) - start + 1 for place, start in zip(places, low, strict=True)]
    voxels = finer.array.read(BoundingBox(Vec3Int(low), Vec3Int(size))).transpose(0, 3, 2, 1)
    for axis, (place, start) in enumerate(zip(places, low, strict=True)):
        if place.size != size[axis]:  # some voxels stand twice: the block reaches over the border
            voxels = voxels.take(place - start, axis=3 - axis)
    factors_zyx = (factors[2], factors[1], factors[0])
    return downsample(np.ascontiguousarray(voxels), factors_zyx, mode).transpose(0, 3, 2, 1)


def slice_maximum(array: VoxelArray, box_in_mag: BoundingBox, z: int) -> int:
    """Return the greatest value of slice `z` (array coordinates) as an exact integer."""
    return max(int(array.read(band).max()) for band in _bands(array, box_in_mag, z))


def slice_zero_run(array: VoxelArray, box_in_mag: BoundingBox, z: int) -> int:
    """Return the longest run of zeros of slice `z` in raster order, over all of its channels' worst."""
    longest, carried = 0, [0] * array.channels
    for band in _bands(array, box_in_mag, z):
        voxels = array.read(band)
        for channel in range(array.channels):
            run, carried[channel] = longest_zero_run(voxels[channel, :, :, 0].T, carried[channel])
            longest = max(longest, run)
    return longest


def _bands(array: VoxelArray, box: BoundingBox, z: int) -> list[BoundingBox]:
    """Cut slice `z` into bands of whole rows, each a whole number of chunks high."""
    rows = max(1, BLOCK_BYTES // (box.size.x * array.channels * array.dtype.itemsize))
    high = max(1, rows // array.chunk_shape.y) * array.chunk_shape.y
    start, stop = box.topleft.y, box.bottomright.y
    cuts = [start, *range((start // high + 1) * high, stop, high), stop]
    return [
        BoundingBox(Vec3Int(box.topleft.x, low, z), Vec3Int(box.size.x, top - low, 1)) for low, top in pairwise(cuts)
    ]
