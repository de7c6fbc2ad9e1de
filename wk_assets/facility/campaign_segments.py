"""Segments of a layer as places of work: one pass over the layer, block by block.

Memory holds one block and the segments that are wanted, never the layer and never all of its segments.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wk_assets.dataset.view import View
from wk_assets.errors import InputError
from wk_assets.facility.campaign_plan import Place
from wk_assets.facility.campaign_random import BLOCK_VOXELS
from wk_assets.facility.campaign_work import SegmentsWork
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

Ids = NDArray[np.uint64]
_SHOWN = 20


@dataclass(slots=True)
class _Seen:
    """Remember of a segment: its box so far, and a voxel from the block that has most of it. All in mag-1 voxels."""

    box: BoundingBox
    voxel: Vec3Int
    most: int


def segment_places(work: SegmentsWork, view: View, inside: BoundingBox) -> list[Place]:
    """Find a voxel in each wanted segment, and its box. `view`: read-only, of the part of the layer to look at.

    The segments are those of `work.ids`, in that order, or as many as `work.count` says, drawn by the seed, in the order of
    their ids: which are drawn depends on seed and ids alone, not on where they lie. Raises InputError, naming all ids that
    are not there, or if there are fewer than wanted.
    """
    wanted = _Wanted(work)
    mag = view.mag.to_vec3_int()
    for block in view.chunk(mag * BLOCK_VOXELS, chunk_border_alignments=mag * BLOCK_VOXELS):
        topleft = block.bounding_box.topleft_xyz
        labels = block.read_cxyz()[0]
        for segment, voxels in _voxels_of(labels, wanted):
            wanted.note(segment, voxels, topleft, mag)
    found = wanted.found()
    return [
        Place(position=_in(inside, seen.voxel), box=_padded(work, seen.box, inside), about=f"segment {segment}")
        for segment, seen in found
    ]


class _Wanted:
    """Decide which segments are wanted while they come by, and keep what was seen of them."""

    def __init__(self, work: SegmentsWork) -> None:
        self._work = work
        self._ids = None if work.ids is None else np.array(sorted(work.ids), np.uint64)
        self._seen: dict[int, _Seen] = {}
        self._drawn = np.array([], np.uint64)

    def among(self, present: Ids) -> Ids:
        """Choose from the segments of a block. Drawn are those with the lowest ranks so far.

        A segment that was passed over once never comes back: the highest rank that is still drawn only falls.
        """
        if self._ids is not None:
            return present[np.isin(present, self._ids)]
        drawn = np.union1d(self._drawn, present)
        drawn = np.sort(drawn[np.argsort(segment_ranks(drawn, self._work.seed))[: self._work.count]])
        for gone in np.setdiff1d(self._drawn, drawn).tolist():
            self._seen.pop(gone, None)
        self._drawn = drawn
        return np.intersect1d(present, drawn)

    def note(self, segment: int, voxels: NDArray[np.int64], topleft: Vec3Int, mag: Vec3Int) -> None:
        """Take in where a segment is in a block. `voxels`: (n, 3), counted from the block's corner, in the view's mag."""
        first, last = voxels.min(axis=0), voxels.max(axis=0)
        box = BoundingBox(topleft + Vec3Int(first.tolist()) * mag, Vec3Int((last - first + 1).tolist()) * mag)
        known = self._seen.get(segment)
        if known is not None and known.most >= len(voxels):
            known.box = known.box.extended_by(box)
            return
        nearest = int(np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)))
        voxel = topleft + Vec3Int(voxels[nearest].tolist()) * mag + mag // 2
        self._seen[segment] = _Seen(box if known is None else known.box.extended_by(box), voxel, len(voxels))

    def found(self) -> list[tuple[int, _Seen]]:
        """List what was found. Raises InputError if something is missing."""
        work = self._work
        if work.ids is None:
            if len(self._seen) < (work.count or 0):
                raise InputError(
                    f"layer {work.layer!r} has {len(self._seen)} segments where the work is, and {work.count} are wanted; "
                    "lower 'count'"
                )
            return sorted(self._seen.items())
        missing = [str(one) for one in work.ids if one not in self._seen]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (
                f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            )
            raise InputError(
                f"layer {work.layer!r} has no segments {shown} where the work is; correct 'ids', or look at a finer 'mag'"
            )
        return [(one, self._seen[one]) for one in work.ids]


def segment_ranks(ids: Ids, seed: int) -> Ids:
    """Mix ids with a seed to numbers without pattern; equal ids and seed give equal numbers everywhere.

    Source: SplitMix64 (Steele, Lea, Flood 2014), its output function.
    """
    with np.errstate(over="ignore"):
        mixed = ids + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def _voxels_of(labels: NDArray[np.generic], wanted: _Wanted) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Give the voxels, (n, 3), of each wanted segment in a block of labels (x, y, z)."""
    there = np.flatnonzero(labels)
    if not len(there):
        return
    values = labels.reshape(-1)[there].astype(np.uint64)
    chosen = wanted.among(np.unique(values))
    if not len(chosen):
        return
    kept = np.isin(values, chosen)
    values, there = values[kept], there[kept]
    order = np.argsort(values, kind="stable")
    values, there = values[order], there[order]
    starts = np.searchsorted(values, chosen)
    for segment, start, end in zip(chosen.tolist(), starts, [*starts[1:], len(values)], strict=True):
        yield segment, np.stack(np.unravel_index(there[start:end], labels.shape), axis=1).astype(np.int64)


def _in(inside: BoundingBox, voxel: Vec3Int) -> Vec3Int:
    """Keep the middle of a coarse voxel, which may reach over the edge of the layer, inside."""
    return voxel.pairmax(inside.topleft).pairmin(inside.bottomright - 1)


def _padded(work: SegmentsWork, box: BoundingBox, inside: BoundingBox) -> BoundingBox | None:
    if work.padding is None:
        return None
    padding = Vec3Int(work.padding)
    return box.padded_with_margins(padding, padding).intersected_with(inside)
