"""Is a layer what it claims to be? Each question becomes one outcome: a sentence for a person, evidence as numbers.

Reads what is published, never writes, and knows nothing of Dagster (see `assets.checks`). Here questions are put and
answers worded; the numbers come from `array_findings` (voxels read back) and `slice_suspicions` (statistics of slices).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal

from wk_assets.errors import PropertiesError, WkAssetsError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.checks.array_findings import Level, compare_mags, find_outside, slice_maximum, slice_zero_run
from wk_assets.operations.checks.slice_suspicions import (
    blank_slices,
    contrast_jumps,
    dark_slices,
    name_slices,
    partly_black_candidates,
)
from wk_assets.operations.datasets.declared_segment_id import declared_segment_id
from wk_assets.operations.records.layer_record import LayerRecord, LayerStatistics, MagRecord, SliceFact
from wk_assets.operations.records.layer_request import Category
from wk_assets.readers.volume import BadSlicePolicy
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.manifest import damaged_shards
from wk_assets.storage.stored_array import StoredArray

Evidence = dict[str, int | float | str | bool]
Severity = Literal["error", "warn"]

# So many slices that may be partly black are looked at voxel by voxel.
EXAMINED_SLICES = 16
# Zeros in a row that a half-copied file leaves, at least; and how much more than in the neighbour they must be.
ZERO_RUN = 256
ZERO_RUN_RATIO = 4
EXACT_IN_DOUBLE = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """Answer one question about a layer. Ids in `evidence` are text: they may exceed 2**53."""

    name: str
    passed: bool
    severity: Severity
    sentence: str
    evidence: Evidence = field(default_factory=dict)

    @property
    def blocks_publication(self) -> bool:
        """Whether this outcome keeps the dataset from being published."""
        return not self.passed and self.severity == "error"


@dataclass(frozen=True, slots=True)
class _Answer:
    passed: bool
    sentence: str
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The layer that is asked about; arrays are opened once."""

    record: LayerRecord
    dataset_path: Path
    sampled_blocks: int
    seed: int

    @cached_property
    def arrays(self) -> tuple[tuple[MagRecord, StoredArray], ...]:
        if not self.record.mags:
            raise PropertiesError(f"layer {self.record.layer_name!r} has no mag yet; import it first")
        return tuple((mag, StoredArray.open(self.dataset_path / mag.path)) for mag in self.record.mags)

    @property
    def statistics(self) -> LayerStatistics:
        if self.record.statistics is None or not self.record.statistics.slices:
            raise PropertiesError(
                f"layer {self.record.layer_name!r} has no statistics of its slices; import its finest mag again"
            )
        return self.record.statistics

    @property
    def rows(self) -> tuple[SliceFact, ...]:
        """One row of statistics per slice; of a layer with additional axes those of the first position of each."""
        slices = self.statistics.slices
        return tuple(row for row in slices if row.at == slices[0].at)

    @property
    def filled(self) -> frozenset[int]:
        """Slices that the import filled; they are named by `missing_slices`, and by no other check."""
        return frozenset(problem.z for problem in self.record.problems if problem.at == self.rows[0].at)


def check_names(category: Category) -> tuple[str, ...]:
    """Name the checks that `run_layer_checks` answers for a layer of this category, in its order."""
    return tuple(name for name, (_, _, categories) in _CHECKS.items() if category in categories)


def check_severity(name: str) -> Severity:
    """Return how severe it is when the check of this name fails. Raises KeyError for a name that is no check's."""
    return _CHECKS[name][1]


def run_layer_checks(
    record: LayerRecord, dataset_path: Path, *, sampled_blocks: int = 12, seed: int = 0
) -> tuple[CheckOutcome, ...]:
    """Answer every check of `check_names(record.category)`, in that order.

    Never raises for a bad layer: a shard that can not be read fails the checks that needed it, with the reason as their
    sentence. Reads a bounded sample of the voxels, drawn by `seed`; the same layer gives the same answers.
    """
    subject = _Subject(record=record, dataset_path=dataset_path, sampled_blocks=sampled_blocks, seed=seed)
    return tuple(_answer(name, subject) for name in check_names(record.category))


def _answer(name: str, subject: _Subject) -> CheckOutcome:
    question, severity, _ = _CHECKS[name]
    try:
        answer = question(subject)
    except WkAssetsError as error:
        answer = _Answer(
            passed=False, sentence=f"could not be checked: {error}", evidence={"error": type(error).__name__}
        )
    return CheckOutcome(
        name=name, passed=answer.passed, severity=severity, sentence=answer.sentence, evidence=answer.evidence
    )


def _shards_present(subject: _Subject) -> _Answer:
    damaged: list[str] = []
    shards = stored_bytes = 0
    for mag, array in subject.arrays:
        damaged += [f"mag {mag.mag}: {sentence}" for sentence in damaged_shards(array.path, array.manifest)]
        shards += len(array.manifest.shards)
        stored_bytes += array.manifest.stored_bytes
    evidence: Evidence = {"shards": shards, "stored_bytes": stored_bytes, "damaged_shards": len(damaged)}
    if not damaged:
        return _Answer(True, f"all {shards} shards of {len(subject.arrays)} mags are there with their size", evidence)
    listing = "; ".join(damaged[:5]) + ("; …" if len(damaged) > 5 else "")
    return _Answer(False, f"{len(damaged)} of {shards} shards are damaged: {listing}. Import the layer again", evidence)


def _bounding_box_covers_data(subject: _Subject) -> _Answer:
    faults: list[str] = []
    complete = True
    for mag, array in subject.arrays:
        expected = subject.record.box.align_with_mag(mag.to_mag(), ceil=True).in_mag(mag.to_mag())
        box = mag.box_in_mag.to_box()
        far = box.bottomright
        if array.layout is Layout.WEBKNOSSOS:
            far = far.ceildiv(array.shard_shape) * array.shard_shape
        if box != expected:
            faults.append(f"mag {mag.mag}: its box is {_box(box)}, the layer's in this mag {_box(expected)}")
        if array.size != far:
            faults.append(f"mag {mag.mag}: the array ends at {tuple(array.size)}, its box at {tuple(far)}")
            continue
        outside = find_outside(array, box)
        complete = complete and outside.complete
        if outside.voxel is not None:
            faults.append(f"mag {mag.mag}: voxel {outside.voxel} lies outside of the box and is not 0")
        if outside.shards:
            faults.append(
                f"mag {mag.mag}: {len(outside.shards)} shards lie outside of the box, e.g. {outside.shards[0]}"
            )
    evidence: Evidence = {"box": _box(subject.record.box), "mags": len(subject.arrays), "complete": complete}
    if faults:
        return _Answer(False, "; ".join(faults), evidence)
    return _Answer(
        True, f"all {len(subject.arrays)} mags fill the box {_box(subject.record.box)} and nothing else", evidence
    )


def _box(box: BoundingBox) -> str:
    return f"{tuple(box.topleft)}..{tuple(box.bottomright)}"


def _mags_agree(subject: _Subject) -> _Answer:
    levels = [Level(mag=mag.to_mag(), array=array, box_in_mag=mag.box_in_mag.to_box()) for mag, array in subject.arrays]
    faults: list[str] = []
    blocks = voxels = differing = 0
    for ((parent, _), (mag, _)), (finer, coarser) in zip(pairwise(subject.arrays), pairwise(levels), strict=True):
        if mag.parent_key != parent.voxels_key:
            faults.append(f"mag {mag.mag} was made from another version of mag {parent.mag} than the stored one")
            continue
        if finer.array.dtype != coarser.array.dtype or finer.array.channels != coarser.array.channels:
            faults.append(f"mag {mag.mag} holds {coarser.array.channels} x {coarser.array.dtype}")
            continue
        found = compare_mags(finer, coarser, subject.record.mode, blocks=subject.sampled_blocks, seed=subject.seed)
        blocks, voxels, differing = blocks + found.blocks, voxels + found.voxels, differing + found.differing
        if found.differing:
            faults.append(
                f"mag {mag.mag} is not the {subject.record.mode} of mag {finer.mag}: {found.differing} of {found.voxels} "
                f"voxels differ, first at {found.first}"
            )
    evidence: Evidence = {"compared_blocks": blocks, "compared_voxels": voxels, "differing_voxels": differing}
    if faults:
        return _Answer(False, "; ".join(faults) + ". Downsample the layer again", evidence)
    if len(levels) < 2:
        return _Answer(True, "there is one mag only, nothing to disagree with", evidence)
    return _Answer(
        True,
        f"{voxels} voxels in {blocks} blocks of {len(levels) - 1} coarser mags are exactly as recomputed",
        evidence,
    )


def _largest_segment_id(subject: _Subject) -> _Answer:
    rows = subject.statistics.slices
    greatest = subject.statistics.maximum
    declared = declared_segment_id(subject.record, subject.dataset_path)
    evidence: Evidence = {
        "declared": str(declared),
        "in_data": str(greatest),
        "beyond_2_53": greatest > EXACT_IN_DOUBLE,
    }
    if not isinstance(greatest, int) or not isinstance(declared, int):
        return _Answer(
            False, f"segment ids must be whole numbers: declared {declared!r}, in the data {greatest!r}", evidence
        )
    if declared != greatest:
        return _Answer(
            False, f"the largest segment id is declared as {declared}, but the data's is {greatest}", evidence
        )
    place, at = next((row.z, row.at) for row in rows if row.maximum == greatest)
    mag, array = subject.arrays[0]
    box = mag.box_in_mag.to_box()
    read_back = slice_maximum(array.at(at), box, box.topleft[2] + place - rows[0].z)
    evidence |= {"slice": place, "read_back": str(read_back)}
    if read_back != greatest:
        return _Answer(
            False, f"slice {place} should hold segment {greatest}, but its largest id is {read_back}", evidence
        )
    return _Answer(True, f"the largest segment id is {greatest}, read back from slice {place}", evidence)


def _missing_slices(subject: _Subject) -> _Answer:
    problems = subject.record.problems
    total = len(subject.statistics.slices)
    evidence: Evidence = {"slices": total, "filled_slices": len(problems)}
    if not problems:
        return _Answer(True, f"all {total} slices were read as they are", evidence)
    words = {BadSlicePolicy.BLACK: "filled with black", BadSlicePolicy.REPEAT: "filled with a neighbour"}
    parts = [
        f"{word}: {name_slices(chosen)}"
        for policy, word in words.items()
        if (chosen := [problem.z for problem in problems if problem.filled_with == policy])
    ]
    evidence |= {f"slice_{problem.z}": f"{problem.file}: {problem.reason}" for problem in problems[:20]}
    sentence = (
        f"{len(problems)} of {total} slices {'was' if len(problems) == 1 else 'were'} missing or unreadable "
        f"and {'; '.join(parts)} ({problems[0].file}: {problems[0].reason})"
    )
    return _Answer(False, sentence, evidence)


def _dark_slices(subject: _Subject) -> _Answer:
    rows = [row for row in subject.rows if row.z not in subject.filled]
    total = len(subject.rows)
    dark = dark_slices(rows)
    partly, examined_all = _partly_black(subject)
    evidence: Evidence = {
        "slices": total,
        "dark_slices": len(dark),
        "partly_black_slices": len(partly),
        "all_candidates_examined": examined_all,
    }
    parts = []
    if dark and len(dark) == len(rows):
        parts.append(f"all {total} slices are blank")
    elif dark:
        parts.append(f"{len(dark)} of {total} slices {_are(dark)} dark: {name_slices(dark)}")
    if partly:
        verb = "slice ends or breaks off" if len(partly) == 1 else "slices end or break off"
        parts.append(f"{len(partly)} {verb} in zeros, as half-copied files do: {name_slices(partly)}")
    if parts:
        return _Answer(False, "; ".join(parts), evidence)
    return _Answer(True, f"none of {total} slices is darker than its neighbours let expect", evidence)


def _are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"


def _partly_black(subject: _Subject) -> tuple[tuple[int, ...], bool]:
    """Find the slices whose zeros became suddenly more, and stand in one long row (and whether all were looked at)."""
    rows = subject.rows
    kept = [row for row in rows if row.z not in subject.filled]
    candidates = partly_black_candidates(kept, EXAMINED_SLICES + 1)
    avoided = {*candidates, *blank_slices(kept)}
    sound = [row.z for row in kept if row.z not in avoided]
    mag, array = subject.arrays[0]
    box = mag.box_in_mag.to_box()
    offset = box.topleft[2] - rows[0].z
    found = []
    for z in candidates[:EXAMINED_SLICES]:
        run = slice_zero_run(array, box, z + offset)
        usual = 0
        if sound:
            usual = slice_zero_run(array, box, min(sound, key=lambda other: abs(other - z)) + offset)
        if run >= max(ZERO_RUN, ZERO_RUN_RATIO * usual):
            found.append(z)
    return tuple(sorted(found)), len(candidates) <= EXAMINED_SLICES


def _contrast_jumps(subject: _Subject) -> _Answer:
    rows = [row for row in subject.rows if row.z not in subject.filled]
    total = len(subject.rows)
    jumps = contrast_jumps(rows, frozenset(blank_slices(rows)))
    evidence: Evidence = {"slices": total, "jumps": len(jumps)}
    if not jumps:
        return _Answer(True, f"the brightness of {total} slices has no jump", evidence)
    worst = max(jumps, key=lambda jump: abs(jump.mean - jump.expected))
    evidence |= {"worst_slice": worst.z, "worst_mean": worst.mean, "worst_expected": worst.expected}
    return _Answer(
        False,
        f"{len(jumps)} of {total} slices {_are(jumps)} brighter or darker than the neighbours: {name_slices([j.z for j in jumps])} "
        f"(worst: slice {worst.z} has mean {worst.mean:.4g}, expected {worst.expected:.4g})",
        evidence,
    )


_BOTH: tuple[Category, ...] = ("color", "segmentation")
_CHECKS: dict[str, tuple[Callable[[_Subject], _Answer], Severity, tuple[Category, ...]]] = {
    "shards_present": (_shards_present, "error", _BOTH),
    "bounding_box_covers_data": (_bounding_box_covers_data, "error", _BOTH),
    "mags_agree": (_mags_agree, "error", _BOTH),
    "largest_segment_id": (_largest_segment_id, "error", ("segmentation",)),
    "missing_slices": (_missing_slices, "warn", _BOTH),
    "dark_slices": (_dark_slices, "warn", _BOTH),
    "contrast_jumps": (_contrast_jumps, "warn", ("color",)),
}
