"""The skeletons of annotations that are home: checked, and compared with those of others on the same place.

The measuring is in `operations.annotations`; here it is brought together with what a campaign asks for. Volumes: `kept_volumes`.
"""

from typing import Final

from wk_assets.annotation.annotation_file import read_annotation_file
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, KeptFinding, SkeletonFigures
from wk_assets.facility.kept_volumes import same_place
from wk_assets.operations.annotations.skeleton_agreement import skeleton_agreement
from wk_assets.operations.annotations.skeleton_checks import (
    CONNECTED,
    INSIDE_BOX,
    NO_EMPTY_TREE,
    SkeletonFinding,
    check_skeleton,
)
from wk_assets.skeleton.nml_model import Nml
from wk_assets.skeleton.skeleton import Skeleton

# What a campaign calls a check is the same for volumes and skeletons.
_NAMES: Final = {INSIDE_BOX: "inside_box", NO_EMPTY_TREE: "not_empty", CONNECTED: "one_component"}
_VOXELS_APART: Final = 10
_DIGITS: Final = 6


def check_skeletons(campaign: Campaign, nml: Nml, record: KeptAnnotation) -> tuple[KeptFinding, ...]:
    """Look at all trees as far as the campaign asks; an empty tree beside nothing else is how every annotation begins.

    Raises NmlError for trees that contradict one another.
    """
    checks = campaign.checks
    if not record.nodes:
        missing = checks.not_empty and campaign.task_type.kind == "skeleton"
        return (KeptFinding(check="not_empty", what="no node was placed"),) if missing else ()
    skeleton = Skeleton.from_nml(nml)
    found = check_skeleton(
        skeleton,
        box=record.task_box if checks.inside_box else None,
        empty_trees_allowed=not checks.not_empty,
        connected=checks.one_component,
    )
    return tuple(
        KeptFinding(check=_NAMES[one.check], what=one.message, position=_position(skeleton, one)) for one in found
    )


def _position(skeleton: Skeleton, finding: SkeletonFinding) -> tuple[int, int, int] | None:
    """Say where to look: at the first node outside, or at the second of a tree's parts, which hangs together with nothing."""
    if not finding.node_ids:
        return None
    node_id = finding.node_ids[1 if finding.check == CONNECTED else 0]
    x, y, z = skeleton.get_tree_by_id(finding.tree_id).get_node_by_id(node_id).position
    return int(x), int(y), int(z)


def skeleton_agreements(
    campaign: Campaign, kept: KeptAnnotations, record: KeptAnnotation, nml: Nml
) -> dict[str, SkeletonFigures]:
    """Say how far others who traced the same place agree, by annotation id; without a node on either side there is no figure.

    Paths agree that are at most `checks.agreement_nm` apart, or ten times the longest edge of a voxel.
    """
    if campaign.task_type.kind == "volume":
        return {}
    figures: dict[str, SkeletonFigures] = {}
    others = [one for one in same_place(record, kept.survey().annotations.values()) if one.nodes or record.nodes]
    if not others:
        return figures
    mine = Skeleton.from_nml(nml)
    distance = campaign.checks.agreement_nm or _VOXELS_APART * max(mine.voxel_size)
    for other in others:
        theirs = Skeleton.from_nml(read_annotation_file(kept.file(other, other.files[0])).nml)
        found = skeleton_agreement(mine, theirs, distance_nm=distance)
        figures[other.annotation_id] = SkeletonFigures(
            distance_nm=distance,
            node_f1=round(found.node_f1, _DIGITS),
            path_f1=round(found.path_f1, _DIGITS),
            splits=found.splits,
            merges=found.merges,
        )
    return figures
