"""A finished skeleton comes home: its file, tables, findings; cancelled and reopened ones do as they must."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.facility.campaigns import campaign
from tests.served import Server, no_waiting, server
from wk_assets.administration.task_type import TaskType
from wk_assets.administration.tasks import Project, Task
from wk_assets.client.context import current_context
from wk_assets.errors import InputError, RequestRefusedError
from wk_assets.facility.bring_home import bring_home
from wk_assets.facility.campaign_results import collect_agreement, collect_skeletons, export_training
from wk_assets.facility.kept_annotations import KeptAnnotations, Verdict
from wk_assets.facility.kept_preview import preview_annotation
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.people.members import Team
from wk_assets.storage.durable import write_atomically

__all__ = ["no_waiting", "server"]

BOX = BoundingBox((0, 0, 0), (8, 8, 8))
TREES = """\
<thing id="1" name="dendrite"><nodes>
  <node id="1" radius="2" x="1" y="1" z="1"/><node id="2" radius="2" x="2" y="2.5" z="2"/><node id="3" radius="1" x="9" y="1" z="1"/>
</nodes><edges><edge source="1" target="2"/></edges></thing>
<thing id="2" name="nothing"><nodes/><edges/></thing>
"""


def line(*places: int) -> str:
    """Write a tree with nodes at these x."""
    nodes = "".join(f'<node id="{number}" radius="1" x="{x}" y="1" z="1"/>' for number, x in enumerate(places, 1))
    edges = "".join(f'<edge source="{number}" target="{number + 1}"/>' for number in range(1, len(places)))
    return f'<thing id="1" name="axon"><nodes>{nodes}</nodes><edges>{edges}</edges></thing>'


def task(served: Server, key: str = "seeds/abcdef012345") -> str:
    """Make a task of the campaign `seeds` and let the first annotator take it; returns the annotation's id."""
    kind = TaskType.create("trace", "Trace.", "annotators", "skeleton")
    project = Project.create("p", "annotators", None)
    dataset = served.dataset()
    current_context().client().dataset_update_teams(dataset_id=dataset, team_ids=[Team.meant_by("annotators").id])
    Task.create(kind, project, "sample", 1, (1, 2, 3), dataset, bounding_box=BOX, creation_info=key)
    taken = served.ask("POST", "/api/v16/user/tasks/request", token=served.seed.annotators[0])
    return str(taken["id"])


def trace(served: Server, annotation_id: str, trees: str) -> None:
    start = str(served_text(served, annotation_id)).replace("<branchpoints", f"{trees}<branchpoints", 1)
    body = {"name": "traced.nml", "body": base64.b64encode(start.encode()).decode(), "millis": 120_000}
    served.ask("POST", f"/_standin/annotations/{annotation_id}/work", json=body)


def served_text(served: Server, annotation_id: str) -> str:
    found = served.world.database.row(
        "SELECT body FROM contents WHERE annotation = ? ORDER BY version DESC", (annotation_id,)
    )
    assert found is not None
    return bytes(found["body"]).decode()


def test_a_skeleton_comes_home_with_its_tables_and_what_is_wrong_with_it(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server)
    trace(server, annotation_id, TREES)
    kept = KeptAnnotations(tmp_path, "d", "seeds")
    strict = campaign(checks={"one_component": True})

    record = bring_home(strict, kept, annotation_id)

    assert record is not None
    assert (record.verdict, record.author, record.worked_millis) == (Verdict.ACCEPTED, "Ben Annotator", 120_000)
    assert (record.nodes, record.trees, record.task_box) == (3, 2, BOX)
    assert [(one.check, one.position) for one in record.findings] == [
        ("inside_box", (9, 1, 1)),
        ("one_component", (9, 1, 1)),
        ("not_empty", None),
    ]
    assert kept.file(record, "annotation.nml").is_file()
    nodes = pd.read_csv(kept.file(record, "nodes.csv"))
    assert nodes[["x", "y", "z"]].to_numpy().tolist() == [[1, 1, 1], [2, 2.5, 2], [9, 1, 1]]
    assert bring_home(strict, kept, annotation_id) == record == kept.get(annotation_id)


def test_an_annotation_is_seen_in_pictures_that_lie_beside_its_file(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server)
    trace(server, annotation_id, line(1, 6).replace('name="axon"', 'name="axon" color.r="1" color.g="0" color.b="0"'))
    kept = KeptAnnotations(tmp_path, "d", "seeds")
    record = bring_home(campaign(), kept, annotation_id)
    assert record is not None

    preview = preview_annotation(kept, record)

    assert preview is not None
    assert kept.file(record, "xz.png").read_bytes() == preview.xz
    picture = np.asarray(Image.open(io.BytesIO(preview.xy)))
    rows, columns = np.nonzero((picture == (255, 0, 0)).all(axis=2))
    assert np.median(rows) < picture.shape[0] / 2  # y is 1 of 8
    assert np.ptp(columns) > 2 * np.ptp(rows)  # x goes from 1 to 6
    assert preview_annotation(kept, record.model_copy(update={"verdict": Verdict.WITHDRAWN})) is None


def test_collected_skeletons_say_whose_each_node_is_and_are_made_once(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server)
    trace(server, annotation_id, TREES)
    kept = KeptAnnotations(tmp_path, "d", "seeds")
    bring_home(campaign(), kept, annotation_id)

    first, second = collect_skeletons(kept), collect_skeletons(kept)

    assert first.folder == second.folder
    assert set(first.table["annotation"]) == {annotation_id}
    assert list(first.table["node"]) == [1, 2, 3]
    (row,) = export_training(kept, "d").table.to_dict("records")
    assert (row["annotation"], row["width"]) == (annotation_id, 8)
    assert collect_agreement(kept).table.empty


def test_two_people_who_trace_the_same_place_are_compared_along_their_paths(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server)
    trace(server, annotation_id, line(3, 6))
    kept = KeptAnnotations(tmp_path, "d", "seeds")
    near = campaign(checks={"agreement_nm": 0.1})
    alone = bring_home(near, kept, annotation_id)
    assert alone is not None
    assert (alone.agreement, alone.findings) == ({}, ())
    ada = alone.model_copy(update={"annotation_id": "e" * 24, "author_id": "f" * 24, "author": "Ada"})
    longer = kept.file(alone, "annotation.nml").read_text().replace(line(3, 6), line(0, 3, 6))
    write_atomically(kept.file(ada, "annotation.nml"), longer.encode())
    kept.put(ada)

    record = bring_home(near, kept, annotation_id)

    assert record is not None
    figures = record.skeleton_agreement[ada.annotation_id]
    assert figures.node_f1 == pytest.approx(0.8)  # all of 2 nodes lie on the other's path, and 2 of the other's 3
    assert figures.path_f1 == pytest.approx(2 / 3, abs=5e-3)  # all of 3 voxels, and half of 6
    assert (figures.splits, figures.merges) == (0, 0)
    assert record.agreement == record.as_finished().agreement == {ada.annotation_id: figures.path_f1}
    (row,) = collect_agreement(kept).table.to_dict("records")
    assert (row["author"], row["other"], row["path_f1"]) == ("Ben Annotator", "Ada", figures.path_f1)
    assert pd.isna(row["volume"])


def test_work_that_goes_on_comes_home_later_and_cancelled_work_is_withdrawn(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server)
    kept = KeptAnnotations(tmp_path, "d", "seeds")
    assert bring_home(campaign(), kept, annotation_id) is None
    trace(server, annotation_id, TREES)
    bring_home(campaign(), kept, annotation_id)

    server.ask("DELETE", f"/api/v16/annotations/Task/{annotation_id}")
    record = bring_home(campaign(), kept, annotation_id)

    assert record is not None
    assert record.verdict is Verdict.WITHDRAWN
    assert kept.survey().accepted == ()


def test_cancelled_work_that_never_came_home_is_refused_with_the_server_s_reason(
    server: Server, tmp_path: Path
) -> None:
    annotation_id = task(server)
    server.ask("DELETE", f"/api/v16/annotations/Task/{annotation_id}")

    with pytest.raises(RequestRefusedError, match="cancelled"):
        bring_home(campaign(), KeptAnnotations(tmp_path, "d", "seeds"), annotation_id)


def test_work_of_another_campaign_is_refused(server: Server, tmp_path: Path) -> None:
    annotation_id = task(server, "others/abcdef012345")
    trace(server, annotation_id, TREES)

    with pytest.raises(InputError, match="of no task of campaign 'seeds'"):
        bring_home(campaign(), KeptAnnotations(tmp_path, "d", "seeds"), annotation_id)
