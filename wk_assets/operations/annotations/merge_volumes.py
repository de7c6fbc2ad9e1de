"""Finished volumes of many boxes become one segmentation: every segment gets an id of its own, which tells whose it was.

`plan_merge` reads the volumes once and gives out ids; `run_merge` writes, each task one shard of the target. The coarser mags
are made from the result like those of any layer.

The rule for overlaps: sources are laid down in the order in which they are given, and a voxel that one of them painted stays
as it is (`Overlap.FIRST`), or is painted over by later ones (`Overlap.LAST`). Background never covers anything.
Ids are given out from 1 in the order of the sources, and within a source in the order of its ids: the same sources in the
same order give the same ids and bytes. A segment of which no voxel is left keeps its row in the table, with 0 voxels.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, PlanError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.annotations.volume_checks import check_labels, normalized, read_labels, stored_blocks
from wk_assets.operations.arrays.map_chunks import map_chunks
from wk_assets.operations.layers.chunk_blocks import chunk_blocks
from wk_assets.operations.passes.portable_array import PortableArray
from wk_assets.storage.mag_array import MagArray


class Overlap(StrEnum):
    """Say which source keeps a voxel that several painted."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSource:
    """Name one finished volume. `box_in_mag`: what of it counts, None for all; boxes in voxels of the merged mag."""

    annotation_id: str
    array: MagArray
    box_in_mag: BoundingBox | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSegment:
    """Say whose a segment of the merged layer was. `voxels`: of it in the merged layer."""

    segment_id: int
    annotation_id: str
    original_id: int
    voxels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """What a merge will do. `segments`: one row per id, ascending; `box_in_mag`: all that is painted and counts."""

    sources: tuple[VolumeSource, ...]
    segments: tuple[MergedSegment, ...]
    box_in_mag: BoundingBox
    overlap: Overlap

    @property
    def largest_segment_id(self) -> int:
        """The greatest id that is given out; 0 if nothing is painted."""
        return len(self.segments)


def plan_merge(sources: Sequence[VolumeSource], *, overlap: Overlap = Overlap.FIRST) -> MergePlan:
    """Look at what is painted, and give out ids. Raises GeometryError for arrays that are no labels, PlanError for twins."""
    names = [source.annotation_id for source in sources]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise PlanError(f"annotations {', '.join(twins)} stand there twice; give each once")
    segments: list[MergedSegment] = []
    box = BoundingBox.empty()
    for source in sources:
        ids, painted = _painted(source)
        box = painted if box.is_empty() else box if painted.is_empty() else box.extended_by(painted)
        segments += [
            MergedSegment(segment_id=len(segments) + number, annotation_id=source.annotation_id, original_id=one)
            for number, one in enumerate(ids, 1)
        ]
    return MergePlan(sources=tuple(sources), segments=tuple(segments), box_in_mag=box, overlap=overlap)


def _painted(source: VolumeSource) -> tuple[list[int], BoundingBox]:
    """Return the ids of a source, ascending, and the box around its painted voxels."""
    check_labels(source.array)
    ids: set[int] = set()
    box = BoundingBox.empty()
    for block in _blocks_that_count(source):
        labels = read_labels(source.array, block)
        found = np.argwhere(labels)
        if found.size:
            ids.update(int(one) for one in np.unique(labels))
            low, high = found.min(axis=0), found.max(axis=0) + 1
            part = BoundingBox(block.topleft + tuple(map(int, low)), tuple(map(int, high - low)))
            box = part if box.is_empty() else box.extended_by(part)
    return sorted(ids - {0}), box


def _blocks_that_count(source: VolumeSource) -> Iterator[BoundingBox]:
    for block in stored_blocks(source.array):
        inside = block if source.box_in_mag is None else block.intersected_with(source.box_in_mag, dont_assert=True)
        if not inside.is_empty():
            yield inside


class _Part(NamedTuple):
    array: PortableArray
    box: BoundingBox
    originals: NDArray[np.uint64]  # ascending; the first gets the id `first`
    first: int


class _Job(NamedTuple):
    target: PortableArray
    parts: tuple[_Part, ...]
    box: BoundingBox


def run_merge(plan: MergePlan, target: MagArray, *, executor: Executor | None = None) -> tuple[MergedSegment, ...]:
    """Write the merged voxels into `target`, a new array, shard by shard; return the table with what is left of each segment.

    May be repeated: a shard is written whole, from the sources alone. Without an executor one shard after the other. Raises
    GeometryError if the target does not reach as far as the plan's box or can not hold its ids.
    """
    check_labels(target)
    end = BoundingBox((0, 0, 0), target.info.box.bottomright_xyz)
    if not plan.box_in_mag.is_empty() and not end.contains_bbox(plan.box_in_mag):
        raise GeometryError(f"{target.path} ends at {end.bottomright}, before {plan.box_in_mag}. Make the layer larger")
    if plan.largest_segment_id > int(np.iinfo(target.info.voxel_type).max):
        raise GeometryError(
            f"{target.path} holds {target.info.voxel_type}, too small for {plan.largest_segment_id} segments. Use uint32"
        )
    voxels = np.zeros(plan.largest_segment_id + 1, np.int64)
    for ids, counts in map_chunks(_write, _jobs(plan, target), executor=executor, name=lambda job: f"shard {job.box}"):
        voxels[ids] += counts
    return tuple(replace(one, voxels=int(voxels[one.segment_id])) for one in plan.segments)


def _jobs(plan: MergePlan, target: MagArray) -> Iterator[_Job]:
    shape = target.info.shard_shape
    originals: Mapping[str, list[MergedSegment]] = {source.annotation_id: [] for source in plan.sources}
    for segment in plan.segments:
        originals[segment.annotation_id].append(segment)
    written = PortableArray.of(target, read_only=False)
    shards: dict[BoundingBox, list[_Part]] = {}
    # the one laid down last is what is seen
    for source in plan.sources if plan.overlap is Overlap.LAST else plan.sources[::-1]:
        segments = originals[source.annotation_id]
        if not segments:
            continue
        array = PortableArray.of(source.array, read_only=True)
        ids = np.array([one.original_id for one in segments], np.uint64)
        for block in _blocks_that_count(source):
            for part in chunk_blocks(block.intersected_with(plan.box_in_mag, dont_assert=True), shape, 1):
                cell = BoundingBox(part.topleft // shape * shape, shape).intersected_with(plan.box_in_mag)
                shards.setdefault(cell, []).append(_Part(array, part, ids, segments[0].segment_id))
    for cell, parts in shards.items():
        yield _Job(written, tuple(parts), cell)


def _write(job: _Job) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay the sources over one another in one shard; return which ids are in it and how many voxels of each."""
    merged = np.zeros(tuple(job.box.size), job.target.info.voxel_type)
    for array, part, originals, first in job.parts:
        labels = array.read_box(normalized(part))[0].astype(np.uint64)
        painted = labels != 0
        window = tuple(
            slice(low - start, high - start)
            for low, high, start in zip(part.topleft, part.bottomright, job.box.topleft, strict=True)
        )
        merged[window][painted] = np.searchsorted(originals, labels[painted]) + first
    ids, counts = np.unique(merged, return_counts=True)
    job.target.write_box(normalized(job.box), merged[np.newaxis])
    return ids.astype(np.int64), counts.astype(np.int64)
