"""Boxes at random places: the same ones for the same seed, on every machine and in every version.

Of Python's generator only `random()` is used, the one method whose sequence Python promises to keep. A mask is read in
two passes of blocks, so memory does not grow with it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, product
from random import Random

import numpy as np
from numpy.typing import NDArray

from wk_assets.dataset.view import View
from wk_assets.errors import InputError
from wk_assets.facility.campaign_plan import Place
from wk_assets.facility.campaign_work import RandomWork, Triple
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

# Voxels per edge of what is read at once. It orders the voxels of a mask, so other blocks would give other places.
BLOCK_VOXELS = 128
_TRIES_PER_BOX = 200
# Always whole batches, so that more boxes keep the places of fewer
_BATCH = 512


class MaskBlocks:
    """Read a mask block by block, in a fixed order. `view`: read-only; only its first channel counts."""

    def __init__(self, view: View) -> None:
        self._mag = view.mag.to_vec3_int()
        self._views = list(view.chunk(self._mag * BLOCK_VOXELS, chunk_border_alignments=self._mag * BLOCK_VOXELS))
        self._ends = list(accumulate(int(np.count_nonzero(_voxels(one))) for one in self._views))

    @property
    def size(self) -> int:
        """Count the voxels of the mask, in its mag."""
        return self._ends[-1] if self._ends else 0

    def voxels(self, numbers: list[int]) -> list[Vec3Int]:
        """Give the corner (in mag-1 voxels) of each of the mask's voxels by its number; each block is read once."""
        by_block: dict[int, list[int]] = {}
        for number in dict.fromkeys(numbers):
            by_block.setdefault(bisect_right(self._ends, number), []).append(number)
        corners: dict[int, Vec3Int] = {}
        for block, inside in by_block.items():
            start = self._ends[block - 1] if block else 0
            at = np.argwhere(_voxels(self._views[block]))
            topleft = self._views[block].bounding_box.topleft_xyz
            for number in inside:
                corners[number] = topleft + Vec3Int([int(one) for one in at[number - start]]) * self._mag
        return [corners[number] for number in numbers]

    def within(self, corner: Vec3Int, random: Random) -> Vec3Int:
        """Choose one of the mag-1 voxels that a voxel of the mask is made of."""
        return corner + Vec3Int([_below(random, edge) for edge in self._mag])


def _voxels(view: View) -> NDArray[np.bool_]:
    return np.asarray(view.read_cxyz()[0] != 0)


def _below(random: Random, end: int) -> int:
    return int(random.random() * end)


def random_places(work: RandomWork, inside: BoundingBox, mask: MaskBlocks | None = None) -> list[Place]:
    """Choose boxes inside of a box, whose middles are in the mask if there is one; positions are the middles.

    Raises InputError if the boxes are larger than `inside`, if the mask is empty there, or if not as many fit.
    """
    size = Vec3Int(work.size)
    room = inside.size - size + 1
    if not room.is_positive(strictly_positive=True):
        raise InputError(f"boxes of {list(work.size)} do not fit into {inside.to_csv()}; give a smaller 'size'")
    if mask is not None and not mask.size:
        raise InputError(f"the mask {work.mask!r} is empty inside {inside.to_csv()}, so there is no place to choose")
    taken = _Taken(work.size) if work.apart else None
    chosen: list[Place] = []
    for topleft in _candidates(work, inside, room, mask):
        if taken is not None and not taken.add(topleft.to_tuple()):
            continue
        box = BoundingBox(topleft, size)
        chosen.append(Place(position=topleft + size // 2, box=box, about=f"box {len(chosen) + 1} of {work.count}"))
        if len(chosen) == work.count:
            return chosen
    where = f"into {inside.to_csv()}" if mask is None else f"with their middle in the mask {work.mask!r}"
    raise InputError(
        f"only {len(chosen)} of {work.count} boxes of {list(work.size)} were found a place {where}; ask for fewer or smaller "
        "ones, or write 'apart: false'"
    )


def _candidates(work: RandomWork, inside: BoundingBox, room: Vec3Int, mask: MaskBlocks | None) -> Iterator[Vec3Int]:
    random = Random(work.seed)  # noqa: S311  # places, no secrets
    tries = work.count * _TRIES_PER_BOX
    if mask is None:
        for _ in range(tries):
            yield inside.topleft + Vec3Int([_below(random, edge) for edge in room])
        return
    half, last = Vec3Int(work.size) // 2, inside.topleft + room
    for _ in range(-(-tries // _BATCH)):
        # Many at once: voxels are found by reading blocks of the mask, and each is read once per batch
        numbers = [_below(random, mask.size) for _ in range(_BATCH)]
        for corner in mask.voxels(numbers):
            topleft = mask.within(corner, random) - half
            if all(first <= at < end for first, at, end in zip(inside.topleft, topleft, last, strict=True)):
                yield topleft


class _Taken:
    """Remember boxes of one size, by the cell of a grid of that size: two that share a voxel are in neighbouring cells."""

    def __init__(self, size: Triple) -> None:
        self._size = size
        self._cells: dict[Triple, list[Triple]] = {}

    def add(self, topleft: tuple[int, ...]) -> bool:
        """Take a box unless it shares a voxel with one that is taken; says which."""
        x, y, z = (at // edge for at, edge in zip(topleft, self._size, strict=True))
        for dx, dy, dz in product((-1, 0, 1), repeat=3):
            for other in self._cells.get((x + dx, y + dy, z + dz), ()):
                if all(abs(a - b) < edge for a, b, edge in zip(topleft, other, self._size, strict=True)):
                    return False
        a, b, c = topleft
        self._cells.setdefault((x, y, z), []).append((a, b, c))
        return True
