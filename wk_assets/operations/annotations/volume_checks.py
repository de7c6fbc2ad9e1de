"""What a painted volume is, measured block by block, and whether that is what its task asked for.

`measure_volume` reads; `judge_volume` is pure: rules and facts in, findings out. Segments of skeletons are judged in
`skeleton_checks`; what follows from a finding is decided in `wk_assets.assets.annotation_checks`.

One block of voxels is held at a time, the faces of the blocks before it (about the area of one slice of the box), and 32
bytes for each component that touches a face. A component inside of one block is counted and forgotten.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.components import components, connected
from wk_assets.operations.layers.chunk_blocks import chunk_blocks
from wk_assets.storage.mag_array import MagArray

BLOCK_EDGE: Final = 128
SHOWN_SEGMENTS: Final = 5
SMALLEST_SEGMENT: Final = 10  # voxels: what is smaller was a slip of the brush more often than a thing


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """Count a segment's voxels, its connected components (6-connectivity), those that are islands, voxels out of the box."""

    segment_id: int
    voxels: int
    components: int
    islands: int
    outside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """Describe a painted volume. `box_in_mag`: the task's box, None if it has none; `covered`: painted voxels in it.

    island_voxels: components with fewer voxels were counted as islands.
    """

    segments: Mapping[int, SegmentFacts]
    box_in_mag: BoundingBox | None
    covered: int
    island_voxels: int

    @property
    def painted(self) -> int:
        """Number of voxels that are not background, inside and outside of the box."""
        return sum(one.voxels for one in self.segments.values())

    @property
    def coverage(self) -> float | None:
        """Part of the box that is painted, 0 to 1; None without a box."""
        if self.box_in_mag is None:
            return None
        return self.covered / prod(self.box_in_mag.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRules:
    """Say what a volume must be; None or False: that is not looked at. least_coverage: part of the box, 0 to 1."""

    inside_box: bool = True
    one_component: bool = True
    no_islands: bool = True
    least_coverage: float | None = None
    not_empty: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Say how one rule fared: its name, whether it is kept, a sentence with the numbers, what it was found about."""

    rule: str
    passed: bool
    sentence: str
    segment_ids: tuple[int, ...] = ()


@dataclass(slots=True)
class _Count:
    """Sum what was seen of a segment."""

    voxels: int = 0
    components: int = 0
    islands: int = 0
    outside: int = 0


@dataclass(slots=True)
class _Open:
    """Keep the components that touch faces: label and voxels by number, and which of them are one."""

    labels: list[NDArray[np.uint64]] = field(default_factory=list)
    voxels: list[NDArray[np.int64]] = field(default_factory=list)
    edges: list[NDArray[np.int64]] = field(default_factory=list)
    count: int = 0

    def add(self, labels: NDArray[np.uint64], voxels: NDArray[np.int64]) -> int:
        first = self.count
        self.labels.append(labels)
        self.voxels.append(voxels)
        self.count += labels.size
        return first

    def join(self, edges: NDArray[np.int64]) -> None:
        if edges.size:
            self.edges.append(np.unique(edges, axis=0))


_Face = tuple[NDArray[Any], NDArray[np.int64]]  # labels and numbers of open components on a block's last plane


def measure_volume(
    array: MagArray,
    *,
    task_box_in_mag: BoundingBox | None,
    island_voxels: int = SMALLEST_SEGMENT,
    block_edge: int = BLOCK_EDGE,
) -> VolumeFacts:
    """Read what is stored of a mag, once, and count. Boxes in voxels of the mag.

    island_voxels: components with fewer voxels are islands. Raises GeometryError for an array of several channels or with
    axes beside x, y, z, and what reading raises.
    """
    check_labels(array)
    counts: dict[int, _Count] = {}
    waiting = _Open()
    faces: dict[tuple[int, int, int, int], _Face] = {}
    covered = 0
    for block in stored_blocks(array, block_edge):
        labels = read_labels(array, block)
        _join_before(faces, block, labels, _measure_block(labels, counts, waiting, island_voxels), waiting)
        if task_box_in_mag is not None:
            covered += _look_at_box(labels, block, task_box_in_mag, counts)
    _close(waiting, counts, island_voxels)
    segments = {
        segment_id: SegmentFacts(
            segment_id=segment_id,
            voxels=count.voxels,
            components=count.components,
            islands=count.islands,
            outside=count.outside,
        )
        for segment_id, count in sorted(counts.items())
    }
    return VolumeFacts(segments=segments, box_in_mag=task_box_in_mag, covered=covered, island_voxels=island_voxels)


def check_labels(array: MagArray) -> None:
    """Raise GeometryError unless the array holds one channel of integers along x, y, z."""
    info = array.info
    if info.num_channels != 1 or set(info.box.axes) != {"c", "x", "y", "z"} or info.voxel_type.kind not in "iu":
        raise GeometryError(
            f"{array.path}: axes {info.dimension_names}, {info.num_channels} channels of {info.voxel_type}: segments are one "
            "channel of integers along x, y, z. Choose the volume layer of the annotation"
        )


def read_labels(array: MagArray, block: BoundingBox) -> NDArray[Any]:
    """Read a block as `(x, y, z)`."""
    voxels: NDArray[Any] = array.read_box(normalized(block))[0]
    return voxels


def normalized(box: BoundingBox) -> NormalizedBoundingBox:
    """Give a box its single channel."""
    return box.normalize_axes(1)


def stored_blocks(array: MagArray, block_edge: int = BLOCK_EDGE) -> Iterator[BoundingBox]:
    """Yield disjoint blocks that hold all that is stored, at most `block_edge` voxels or one chunk along an axis, z slowest.

    Blocks lie on one grid, whatever shards there are, so that two blocks that touch share a whole face of the grid.
    """
    step = Vec3Int([edge * max(1, block_edge // edge) for edge in array.info.chunk_shape])
    cells: set[tuple[int, int, int]] = set()
    for stored in array.stored_boxes():
        box = BoundingBox(stored.topleft_xyz, stored.size_xyz)
        for block in chunk_blocks(box, step, 1):
            cells.add((block.topleft // step).to_tuple())
    end = Vec3Int(array.info.box.bottomright_xyz)
    for cell in sorted(cells, key=lambda one: one[::-1]):
        topleft = Vec3Int(cell) * step
        yield BoundingBox(topleft, (topleft + step).pairmin(end) - topleft)


def _measure_block(
    labels: NDArray[Any], counts: dict[int, _Count], waiting: _Open, island_voxels: int
) -> NDArray[np.int64]:
    """Count what ends in this block; return, for each voxel, the number of its open component, or -1."""
    numbers, count = components(labels)
    if not count:
        return np.full(labels.shape, -1, np.int64)
    flat = numbers.reshape(-1)
    sizes = np.bincount(flat, minlength=count + 1)
    names = np.zeros(count + 1, np.uint64)
    names[flat] = labels.reshape(-1).astype(np.uint64)
    touching = np.zeros(count + 1, bool)
    for axis in range(3):
        for place in (0, -1):
            touching[np.take(numbers, place, axis)] = True
    touching[0] = False
    inside = ~touching
    inside[0] = False
    _note(names[inside], sizes[inside], counts, island_voxels)
    first = waiting.add(names[touching], sizes[touching])
    opened = np.full(count + 1, -1, np.int64)
    opened[touching] = np.arange(first, first + int(touching.sum()))
    return opened[numbers]


def _note(names: NDArray[np.uint64], sizes: NDArray[np.int64], counts: dict[int, _Count], island_voxels: int) -> None:
    """Count whole components."""
    known, places = np.unique(names, return_inverse=True)
    voxels = np.zeros(known.size, np.int64)
    np.add.at(voxels, places, sizes)
    number = np.bincount(places, minlength=known.size)
    islands = np.bincount(places, weights=sizes < island_voxels, minlength=known.size)
    for name, voxel_count, component_count, island_count in zip(known, voxels, number, islands, strict=True):
        count = counts.setdefault(int(name), _Count())
        count.voxels += int(voxel_count)
        count.components += int(component_count)
        count.islands += int(island_count)


def _join_before(
    faces: dict[tuple[int, int, int, int], _Face],
    block: BoundingBox,
    labels: NDArray[Any],
    opened: NDArray[np.int64],
    waiting: _Open,
) -> None:
    """Join open components with those of the three blocks before this one, and leave this one's faces for the next."""
    for axis in range(3):
        before = faces.pop((axis, *block.topleft.to_tuple()), None)
        if before is not None:
            mine, numbers = np.take(labels, 0, axis), np.take(opened, 0, axis)
            same = (mine == before[0]) & (mine != 0)
            waiting.join(np.stack([before[1][same], numbers[same]], axis=1))
        beyond = list(block.topleft.to_tuple())
        beyond[axis] = block.bottomright[axis]
        faces[axis, beyond[0], beyond[1], beyond[2]] = (
            np.take(labels, -1, axis).copy(),
            np.take(opened, -1, axis).copy(),
        )
    # Blocks come with z slowest: nothing will ask for the faces of blocks that lie below the layer before this one.
    passed = [key for key in faces if key[3] < block.topleft.z]
    for key in passed:
        del faces[key]


def _look_at_box(labels: NDArray[Any], block: BoundingBox, box: BoundingBox, counts: dict[int, _Count]) -> int:
    """Count painted voxels in the box, and note those outside of it per segment."""
    painted = labels != 0
    inside = block.intersected_with(box, dont_assert=True)
    if inside.is_empty():
        covered, outside = 0, painted
    else:
        window = tuple(
            slice(a - o, b - o) for a, b, o in zip(inside.topleft, inside.bottomright, block.topleft, strict=True)
        )
        covered = int(painted[window].sum())
        outside = painted.copy()
        outside[window] = False
    names, voxels = np.unique(labels[outside], return_counts=True)
    for name, count in zip(names, voxels, strict=True):
        counts.setdefault(int(name), _Count()).outside += int(count)
    return covered


def _close(waiting: _Open, counts: dict[int, _Count], island_voxels: int) -> None:
    """Count the components that reach over blocks."""
    if not waiting.count:
        return
    names, voxels = np.concatenate(waiting.labels), np.concatenate(waiting.voxels)
    edges = np.concatenate(waiting.edges) if waiting.edges else np.empty((0, 2), np.int64)
    roots, places = np.unique(connected(waiting.count, edges), return_inverse=True)
    sizes = np.zeros(roots.size, np.int64)
    np.add.at(sizes, places, voxels)
    _note(names[roots], sizes, counts, island_voxels)


def judge_volume(facts: VolumeFacts, rules: VolumeRules) -> tuple[Finding, ...]:
    """Say of every rule that is asked for whether the volume keeps it. Pure."""
    segments = facts.segments.values()
    findings = []
    if rules.not_empty:
        findings.append(
            Finding(
                rule="not_empty",
                passed=facts.painted > 0,
                sentence=f"{facts.painted} voxels of {len(facts.segments)} segments are painted.",
            )
        )
    if rules.inside_box and facts.box_in_mag is not None:
        out = tuple(one.segment_id for one in segments if one.outside)
        total = sum(one.outside for one in segments)
        findings.append(
            Finding(
                rule="inside_box",
                passed=not out,
                segment_ids=out,
                sentence=f"{total} voxels lie outside of the task's box {facts.box_in_mag}{_of(out)}."
                if out
                else f"Everything lies inside of the task's box {facts.box_in_mag}.",
            )
        )
    if rules.one_component:
        torn = tuple(one.segment_id for one in segments if one.components > 1)
        findings.append(
            Finding(
                rule="one_component",
                passed=not torn,
                segment_ids=torn,
                sentence=f"{len(torn)} segments are in several pieces{_of(torn)}."
                if torn
                else "Every segment is one piece.",
            )
        )
    if rules.no_islands:
        islands = tuple(one.segment_id for one in segments if one.islands)
        total = sum(one.islands for one in segments)
        findings.append(
            Finding(
                rule="no_islands",
                passed=not islands,
                segment_ids=islands,
                sentence=f"{total} pieces have fewer than {facts.island_voxels} voxels{_of(islands)}."
                if islands
                else f"No piece has fewer than {facts.island_voxels} voxels.",
            )
        )
    if rules.least_coverage is not None and facts.coverage is not None:
        findings.append(
            Finding(
                rule="coverage",
                passed=facts.coverage >= rules.least_coverage,
                sentence=f"{facts.coverage:.1%} of the task's box is painted; {rules.least_coverage:.1%} are asked for.",
            )
        )
    return tuple(findings)


def _of(segment_ids: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, segment_ids[:SHOWN_SEGMENTS]))
    more = f" and {len(segment_ids) - SHOWN_SEGMENTS} more" if len(segment_ids) > SHOWN_SEGMENTS else ""
    return f" (segments {shown}{more})"
