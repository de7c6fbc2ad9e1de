"""What is made of a campaign's finished annotations: one merged segmentation, all skeletons in one file, tables, agreement.

Every result lies in a folder of its own, named by what it was made from: built beside it, renamed when it is whole, never
changed. The same annotations give the same folder, and nothing is done twice. Asks no server (see `publishing_request`).
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pandas as pd

from wk_assets.annotation.annotation_file import read_annotation_file
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import InputError, PlanError
from wk_assets.facility.campaign_plan import TaskKey
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, Survey
from wk_assets.facility.kept_volumes import Painted, painted_volumes
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.annotations.merge_volumes import MergePlan, VolumeSource, plan_merge, run_merge
from wk_assets.storage.durable import make_directory, move_into_place, remove_tree, write_atomically
from wk_assets.storage.locks import exclusive

MERGED_LAYER: Final = "merged"
SEGMENTS_FILE: Final = "segments.csv"
NODES_FILE: Final = "nodes.csv"
AGREEMENT_FILE: Final = "agreement.csv"
TRAINING_FILE: Final = "training.csv"
_LOCK_SECONDS: Final = 600.0
_AGREEMENT: Final = [
    *("place", "author", "other", "annotation", "other_annotation", "agreement", "volume"),
    *("node_f1", "path_f1", "splits", "merges", "distance_nm"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Say where a result lies, what it was made from (its version), and its rows as a table."""

    folder: Path
    version: str
    table: pd.DataFrame


def final_annotations(survey: Survey) -> tuple[KeptAnnotation, ...]:
    """Choose the annotations that count in results, one per place, in the order of the places' digests.

    The rule: what another accepted annotation went on from is replaced by it; of what is left on a place the one with the
    greatest mean agreement with the others counts, then the one finished first, then the smaller id.
    """
    replaced = {TaskKey.parse(one.task_key).parent for one in survey.accepted}
    places: dict[str, list[KeptAnnotation]] = {}
    for one in survey.accepted:
        if one.annotation_id not in replaced:
            places.setdefault(TaskKey.parse(one.task_key).place, []).append(one)
    return tuple(min(places[place], key=_rank) for place in sorted(places))


def _rank(one: KeptAnnotation) -> tuple[float, int, str]:
    agreement = sum(one.agreement.values()) / len(one.agreement) if one.agreement else 0.0
    return -agreement, one.modified, one.annotation_id


def version_of(annotations: Iterable[KeptAnnotation]) -> str:
    """Identify what a result is made from: annotations and their versions, in their order."""
    text = "\n".join(f"{one.annotation_id} v{one.version}" for one in annotations)
    return sha256(text.encode()).hexdigest()[:16]


def merge_campaign_volumes(kept: KeptAnnotations, dataset_name: str) -> Result:
    """Merge the painted volumes of the annotations that count into a dataset with one segmentation layer and its pyramid.

    Of each annotation the first painted layer, inside of its task's box. Raises InputError if nothing was painted, PlanError for
    volumes of different mags or voxel sizes, StorageError.
    """
    chosen = final_annotations(kept.survey())

    def build(folder: Path) -> pd.DataFrame:
        with ExitStack() as opened:
            volumes = [
                (one, painted[0])
                for one in chosen
                if (
                    painted := opened.enter_context(painted_volumes(read_annotation_file(kept.file(one, one.files[0]))))
                )
            ]
            return _merge(volumes, folder / dataset_name, kept.folder)

    return _result(kept, "volume", chosen, SEGMENTS_FILE, build)


def _merge(volumes: Sequence[tuple[KeptAnnotation, Painted]], target: Path, campaign: Path) -> pd.DataFrame:
    if len({(volume.mag, volume.voxel_size) for _, volume in volumes}) > 1:
        told = ", ".join(f"{one.annotation_id} in {volume.mag}" for one, volume in volumes[:5])
        raise PlanError(f"{campaign}: volumes of different mags or voxel sizes can not be merged ({told})")
    plan = plan_merge(
        [
            VolumeSource(annotation_id=one.annotation_id, array=volume.array, box_in_mag=volume.in_mag(one.task_box))
            for one, volume in volumes
        ]
    )
    if plan.box_in_mag.is_empty():
        raise InputError(f"{campaign}: nobody painted anything yet; the volumes of all accepted annotations are empty")
    _, first = volumes[0]
    dataset = Dataset(target, voxel_size_with_unit=first.voxel_size)
    layer = dataset.add_layer(
        MERGED_LAYER,
        "segmentation",
        dtype="uint32",
        bounding_box=_mag_1(plan, first),
        largest_segment_id=plan.largest_segment_id,
    )
    merged = run_merge(plan, layer.add_mag(first.mag).array)
    layer.downsample()
    return pd.DataFrame(
        [(one.segment_id, one.annotation_id, one.original_id, one.voxels) for one in merged],
        columns=["segment", "annotation", "original_segment", "voxels"],
    )


def _mag_1(plan: MergePlan, volume: Painted) -> BoundingBox:
    return plan.box_in_mag.from_mag_to_mag1(volume.mag)


def collect_skeletons(kept: KeptAnnotations) -> Result:
    """Put the nodes of all annotations that count into one table, with the annotation and author of each."""
    chosen = final_annotations(kept.survey())

    def build(_: Path) -> pd.DataFrame:
        tables = [
            pd.read_csv(kept.file(one, NODES_FILE)).assign(annotation=one.annotation_id, author=one.author)
            for one in chosen
        ]
        return (
            pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["annotation", "author", "node"])
        )

    return _result(kept, "skeletons", chosen, NODES_FILE, build)


def export_training(kept: KeptAnnotations, dataset: str) -> Result:
    """List what a network is trained with: per annotation that counts the dataset, the box, and the file with the labels."""
    chosen = final_annotations(kept.survey())

    def build(_: Path) -> pd.DataFrame:
        return pd.DataFrame(
            [
                (dataset, one.annotation_id, one.version, *(one.box or (None,) * 6), str(kept.file(one, one.files[0])))
                for one in chosen
            ],
            columns=["dataset", "annotation", "version", "x", "y", "z", "width", "height", "depth", "labels"],
        )

    return _result(kept, "training", chosen, TRAINING_FILE, build)


def collect_agreement(kept: KeptAnnotations) -> Result:
    """List how far annotators of the same place agree, one row per pair; what was not compared stays empty."""
    accepted = kept.survey().accepted
    authors = {one.annotation_id: one.author for one in accepted}

    def build(_: Path) -> pd.DataFrame:
        return pd.DataFrame(
            [
                (
                    TaskKey.parse(one.task_key).place,
                    *(one.author, authors[other], one.annotation_id, other, figure),
                    one.volume_agreement.get(other),
                    *_skeleton_figures(one, other),
                )
                for one in accepted
                for other, figure in sorted(one.agreement.items())
                if other in authors
            ],
            columns=_AGREEMENT,
        )

    return _result(kept, "agreement", accepted, AGREEMENT_FILE, build)


def _skeleton_figures(one: KeptAnnotation, other: str) -> tuple[float | None, ...]:
    found = one.skeleton_agreement.get(other)
    if found is None:
        return None, None, None, None, None
    return found.node_f1, found.path_f1, found.splits, found.merges, found.distance_nm


def _result(
    kept: KeptAnnotations,
    part: str,
    made_of: Sequence[KeptAnnotation],
    table: str,
    build: Callable[[Path], pd.DataFrame],
) -> Result:
    """Give a result that is there, or build it: whole in a folder beside, then renamed."""
    version = version_of(made_of)
    parent = kept.folder / "results" / part
    final, partial = parent / version, parent / f".{version}.partial"
    make_directory(parent)
    with exclusive(parent / f"{version}.lock", f"result {part}", _LOCK_SECONDS):
        if not final.is_dir():
            remove_tree(partial)
            make_directory(partial)
            rows = build(partial)
            write_atomically(partial / table, rows.to_csv(index=False).encode())
            move_into_place(partial, final)
    return Result(folder=final, version=version, table=pd.read_csv(final / table))
