"""The painted volumes of annotations that are home: opened from their files, checked, compared with one another.

The measuring is in `operations.annotations`; here it is brought together with records and files. A volume is unpacked into a
scratch folder for as long as somebody looks at it.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from wk_assets.annotation.annotation_file import AnnotationFile, read_annotation_file
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import TaskKey
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, KeptFinding, Verdict
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.annotations.volume_agreement import compare_volumes, painted_agreement
from wk_assets.operations.annotations.volume_checks import VolumeRules, judge_volume, measure_volume
from wk_assets.storage.mag_array import MagArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """Hold a painted volume at its finest mag. `name`: of the layer in the annotation."""

    name: str
    mag: Mag
    array: MagArray
    voxel_size: VoxelSize

    def in_mag(self, box: BoundingBox | None) -> BoundingBox | None:
        """Give a box in voxels of the mag, rounded outward."""
        return None if box is None else box.align_with_mag(self.mag, ceil=True).in_mag(self.mag)


@contextmanager
def painted_volumes(contents: AnnotationFile) -> Iterator[tuple[Painted, ...]]:
    """Open the volume layers of an annotation's file on which something was painted, in the order of the file.

    Raises AnnotationFileError, PropertiesError, StorageError.
    """
    with tempfile.TemporaryDirectory(prefix="wk-assets-") as scratch:
        found = []
        for number, volume in enumerate(contents.nml.volumes):
            data = contents.volumes.get(volume.location or "")
            if data is None:
                continue
            scale = contents.nml.parameters.scale
            dataset = data.unpack(
                Path(scratch) / str(number), voxel_size=scale, largest_segment_id=volume.largest_segment_id
            )
            for layer in dataset.layers.values():
                if layer.mags:
                    finest = layer.get_finest_mag()
                    name = volume.name or f"volume {volume.id}"
                    found.append(Painted(name=name, mag=finest.mag, array=finest.array, voxel_size=scale))
        yield tuple(found)


def check_volumes(campaign: Campaign, contents: AnnotationFile, box: BoundingBox | None) -> tuple[KeptFinding, ...]:
    """Look at all painted volumes as far as the campaign asks; what keeps the rules is not told."""
    checks = campaign.checks
    rules = VolumeRules(
        inside_box=checks.inside_box,
        one_component=checks.one_component,
        no_islands=checks.smallest_piece is not None,
        least_coverage=checks.least_coverage,
        not_empty=False,  # one of several layers may be empty: what counts is that something was painted at all
    )
    found = []
    painted = 0
    with painted_volumes(contents) as volumes:
        for volume in volumes:
            facts = measure_volume(
                volume.array, task_box_in_mag=volume.in_mag(box), island_voxels=checks.smallest_piece or 0
            )
            painted += facts.painted
            found += [
                KeptFinding(check=one.rule, what=f"layer {volume.name}: {one.sentence}")
                for one in judge_volume(facts, rules)
                if not one.passed
            ]
    if checks.not_empty and campaign.task_type.kind == "volume" and not painted:
        found.append(KeptFinding(check="not_empty", what="no voxel was painted"))
    return tuple(found)


def same_place(record: KeptAnnotation, others: Iterable[KeptAnnotation]) -> tuple[KeptAnnotation, ...]:
    """List accepted annotations of the same place by other people."""
    place = TaskKey.parse(record.task_key).place
    return tuple(
        one
        for one in others
        if one.verdict is Verdict.ACCEPTED
        and one.annotation_id != record.annotation_id
        and one.author_id != record.author_id
        and TaskKey.parse(one.task_key).place == place
    )


def volume_agreements(kept: KeptAnnotations, record: KeptAnnotation, contents: AnnotationFile) -> dict[str, float]:
    """Say how far others who painted the same place agree, 0 to 1 by annotation id; their first volumes are compared.

    The task's box is compared; without a box, or without volumes of one mag on both sides, there is no figure.
    """
    figures = {}
    for other in same_place(record, kept.survey().annotations.values()):
        with ExitStack() as opened:
            mine = opened.enter_context(painted_volumes(contents))
            theirs = opened.enter_context(painted_volumes(read_annotation_file(kept.file(other, other.files[0]))))
            if (
                mine
                and theirs
                and mine[0].mag == theirs[0].mag
                and (box := mine[0].in_mag(record.task_box)) is not None
            ):
                table = compare_volumes(mine[0].array, theirs[0].array, box)
                figures[other.annotation_id] = round(painted_agreement(table), 6)
    return figures
