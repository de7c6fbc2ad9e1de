"""One finished annotation is brought home: its file, pinned to a version, tables, what checks find, how far others agree.

    bring_home(campaign, kept, annotation_id) -> KeptAnnotation | None

May be repeated after whatever failure: files of a version are written before the record that names them, and the same
version gives the same record. Asks as the user of the current context (`client.context`), who must manage the team.
"""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from wk_assets.annotation.annotation_file import AnnotationFile, read_annotation_file
from wk_assets.client.context import current_context
from wk_assets.client.time_routes import ApiWork
from wk_assets.errors import InputError, NotOnServerError, RequestRefusedError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import TaskKey
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, Verdict
from wk_assets.facility.kept_skeletons import check_skeletons, skeleton_agreements
from wk_assets.facility.kept_volumes import check_volumes, volume_agreements
from wk_assets.skeleton.nml_model import Nml
from wk_assets.storage.durable import write_atomically

FINISHED: Final = "Finished"
NODES_FILE: Final = "nodes.csv"
SEGMENTS_FILE: Final = "segments.csv"


def bring_home(campaign: Campaign, kept: KeptAnnotations, annotation_id: str) -> KeptAnnotation | None:
    """Bring an annotation home as it is now, and return its record; None: it is being worked on, and comes home later.

    A cancelled one keeps its record, which says so. Work that fails a check goes back to its annotator if the campaign says
    so. Raises InputError for an annotation that is of no task of this campaign, ServerError, StorageError, AnnotationFileError,
    NmlError.
    """
    before = kept.get(annotation_id)
    client = current_context().client()
    try:
        told = client.work_info(annotation_id=annotation_id)
    except (RequestRefusedError, NotOnServerError):
        if before is None or _still_there(before):
            raise
        return _put(kept, before.model_copy(update={"verdict": Verdict.WITHDRAWN}))
    if told.state != FINISHED:
        return _sent_back_before(before, told)
    version = current_context().tracingstore_client(client.tracing_store().url).newest_version(annotation_id)
    body, name = client.annotation_download(annotation_id=annotation_id, skip_volume_data=False, version=version)
    folder = kept.version_folder(annotation_id, version)
    file = folder / f"annotation{Path(name).suffix}"
    write_atomically(file, body)
    contents = read_annotation_file(file)
    _write_tables(folder, contents.nml)
    record = _record(campaign, told, version, contents, (file.name, NODES_FILE, SEGMENTS_FILE))
    findings = (
        *check_skeletons(campaign, contents.nml, record),
        *check_volumes(campaign, contents, record.task_box),
    )
    record = record.model_copy(update={"findings": findings, "verdict": Verdict.ACCEPTED})
    record = record.model_copy(update=_agreements(campaign, kept, record, contents))
    if findings and campaign.checks.send_back:
        record = _put(kept, record.model_copy(update={"verdict": Verdict.SENT_BACK}))
        _reopen(annotation_id)
        return record
    return _put(kept, record)


def _put(kept: KeptAnnotations, record: KeptAnnotation) -> KeptAnnotation:
    kept.put(record)
    return record


def _sent_back_before(before: KeptAnnotation | None, told: ApiWork) -> KeptAnnotation | None:
    """Return the record of work that an earlier try sent back and could not report any more."""
    sent_back = before is not None and before.verdict is Verdict.SENT_BACK and told.state == "Active"
    return before if sent_back else None


def _still_there(record: KeptAnnotation) -> bool:
    """Say whether the server still counts an annotation among those of its task: then a refusal has another reason."""
    try:
        told = current_context().client().annotation_infos_by_task(task_id=record.task_id)
    except NotOnServerError:
        return False
    return any(one.id == record.annotation_id for one in told)


def _reopen(annotation_id: str) -> None:
    """Let its annotator have the work again; if that was done already, all is well."""
    client = current_context().client()
    try:
        client.annotation_reopen(annotation_id=annotation_id)
    except RequestRefusedError:
        if client.work_info(annotation_id=annotation_id).state == FINISHED:
            raise


def _record(
    campaign: Campaign, told: ApiWork, version: int, contents: AnnotationFile, files: tuple[str, ...]
) -> KeptAnnotation:
    task, owner = told.task, told.owner
    key = "" if task is None or task.creation_info is None else task.creation_info
    if task is None or owner is None or TaskKey.parse(key).campaign != campaign.name:
        raise InputError(
            f"annotation {told.id} is of no task of campaign {campaign.name!r} (its task's key is {key!r})"
        )
    nml = contents.nml
    return KeptAnnotation(
        annotation_id=told.id,
        campaign=campaign.name,
        dataset_id=task.dataset_id,
        task_id=task.id,
        task_key=key,
        author_id=owner.id,
        author=f"{owner.first_name} {owner.last_name}",
        verdict=Verdict.ACCEPTED,
        modified=told.modified,
        version=version,
        worked_millis=round(told.tracing_time or 0),
        position=task.edit_position,
        box=None if task.bounding_box is None else task.bounding_box.box.to_tuple6(),
        files=files,
        nodes=sum(len(tree.nodes) for tree in nml.trees),
        trees=len(nml.trees),
        segments=sum(len(volume.segments) for volume in nml.volumes),
    )


def _agreements(
    campaign: Campaign, kept: KeptAnnotations, record: KeptAnnotation, contents: AnnotationFile
) -> dict[str, Any]:
    """Give what a record holds of how far others agree: in voxels, in paths, and as the smaller of both."""
    volumes = volume_agreements(kept, record, contents)
    skeletons = skeleton_agreements(campaign, kept, record, contents.nml)
    figures = {other: one.figure for other, one in skeletons.items()}
    return {
        "agreement": {
            other: min(volumes.get(other, 1.0), figures.get(other, 1.0)) for other in sorted({*volumes, *figures})
        },
        "volume_agreement": volumes,
        "skeleton_agreement": skeletons,
    }


def _write_tables(folder: Path, nml: Nml) -> None:
    """Write all nodes, and what is known of segments, as tables."""
    nodes = [
        pd.DataFrame(
            {
                "tree": tree.id,
                "tree_name": tree.name,
                "node": tree.nodes.ids,
                "x": tree.nodes.positions[:, 0],
                "y": tree.nodes.positions[:, 1],
                "z": tree.nodes.positions[:, 2],
                "radius": tree.nodes.radii,
            }
        )
        for tree in nml.trees
    ]
    columns = ["tree", "tree_name", "node", "x", "y", "z", "radius"]
    table = pd.concat(nodes, ignore_index=True) if nodes else pd.DataFrame(columns=columns)
    write_atomically(folder / NODES_FILE, table.to_csv(index=False).encode())
    segments = pd.DataFrame(
        [
            (volume.name or str(volume.id), segment.id, segment.name, *(segment.anchor_position or (None, None, None)))
            for volume in nml.volumes
            for segment in volume.segments
        ],
        columns=["layer", "segment", "name", "x", "y", "z"],
    )
    write_atomically(folder / SEGMENTS_FILE, segments.to_csv(index=False).encode())
