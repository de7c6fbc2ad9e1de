"""What the contract says of projects, task types, tasks, annotations and time."""

import base64
import io
import time
import zipfile
from typing import Any

import numpy as np
import pytest

from tests.contract.contract import Contract, NotHere, operation
from tests.contract.dataset_operations import streamed
from wk_assets.client.task_models import (
    ApiBoundingBox,
    ApiExperience,
    ApiNmlTaskParameters,
    ApiProjectCreate,
    ApiTask,
    ApiTaskParameters,
    ApiTaskTypeCreate,
)
from wk_assets.errors import NotOnServerError, RequestRefusedError
from wk_assets.geometry.bounding_box import BoundingBox

_NEEDED = ApiExperience(domain="sample", value=1)
_DRAWN = [(1, 2, 3), (4, 5, 6)]


def _nml(contract: Contract, *nodes: tuple[int, int, int]) -> bytes:
    dataset = contract.client.dataset_info(dataset_id=contract.made["dataset"])
    drawn = "".join(
        f'<node id="{number}" x="{x}" y="{y}" z="{z}" radius="1"/>' for number, (x, y, z) in enumerate(nodes, 1)
    )
    return (
        f'<things><parameters><experiment name="{dataset.directory_name}" organization="{dataset.owning_organization}" '
        f'datasetId="{dataset.id}" wkUrl="{contract.url}"/><scale x="11" y="11" z="25" unit="nanometer"/>'
        f'<editPosition x="1" y="2" z="3"/><editRotation xRot="0" yRot="0" zRot="0"/></parameters>'
        f'<thing id="1" name="tree" color.r="1" color.g="0" color.b="0" color.a="1"><nodes>{drawn}</nodes>'
        f'<edges><edge source="1" target="2"/></edges></thing><branchpoints/><comments/><groups/></things>'
    ).encode()


@operation("projects")
def projects(contract: Contract) -> None:
    client = contract.client
    team = next(one for one in client.user_current().teams if one.is_team_manager)
    wanted = ApiProjectCreate(
        name=contract.name("project"), team=team.id, priority=100, paused=False, is_blacklisted_from_report=False,
        expected_time=60_000, owner=contract.made["me"].id,
    )  # fmt: skip
    project = client.project_create(project=wanted)
    contract.later(lambda: client.project_delete(project_id=project.id))
    changed = wanted.model_copy(update={"priority": 7})
    assert client.project_update(project_id=project.id, project=changed).priority == 7
    assert client.project_info_by_name(project_name=project.name).id == project.id
    assert client.project_info_by_id(project_id=project.id).expected_time == 60_000
    assert project.id in {one.id for one in client.project_list()}
    assert project.id in {one["id"] for one in contract.ask("GET", "/projects/withStatus")}
    with pytest.raises(RequestRefusedError):
        client.project_create(project=wanted)
    assert contract.ask("PATCH", f"/projects/{project.id}/pause")["paused"]
    assert not contract.ask("PATCH", f"/projects/{project.id}/resume")["paused"]
    contract.made |= {"project": project, "work_team": team}


@operation("task_types")
def task_types(contract: Contract) -> None:
    client, team = contract.client, contract.made["work_team"]
    kind = client.task_type_create(
        task_type=ApiTaskTypeCreate(
            summary=contract.name("kind"), description="trace it", team_id=team.id, team_name=team.name,
            tracing_type="skeleton", settings={
                "allowedModes": ["orthogonal"], "branchPointsAllowed": True, "somaClickingAllowed": False,
                "volumeInterpolationAllowed": False, "mergerMode": False, "magRestrictions": {"min": 1, "max": 4},
            },
        )
    )  # fmt: skip
    contract.later(lambda: client.task_type_delete(task_type_id=kind.id))
    told = client.get_task_type(task_type_id=kind.id)
    assert (told.summary, told.tracing_type) == (kind.summary, "skeleton")
    assert (told.settings or {})["magRestrictions"] == {"min": 1, "max": 4}
    assert kind.id in {one.id for one in client.task_type_list()}
    contract.made["kind"] = kind


def _parameters(contract: Contract, **changes: Any) -> ApiTaskParameters:
    values: dict[str, Any] = {
        "task_type_id": contract.made["kind"].id, "needed_experience": _NEEDED, "pending_instances": 1,
        "project_name": contract.made["project"].name, "dataset_id": contract.made["dataset"], "edit_position": (1, 2, 3),
        "bounding_box": ApiBoundingBox.of(BoundingBox((0, 0, 0), (8, 8, 8))), "creation_info": contract.name("task"), **changes,
    }  # fmt: skip
    return ApiTaskParameters(**values)


def _only(outcome: Any) -> ApiTask:
    (made,) = outcome.tasks
    assert made.error is None
    assert made.success is not None
    task: ApiTask = made.success
    return task


@operation("tasks")
def tasks(contract: Contract) -> None:
    client = contract.client
    task = _only(client.tasks_create(task_parameters=[_parameters(contract, pending_instances=2)]))
    told = client.task_info(task_id=task.id)
    assert (told.status.pending, told.status.active, told.status.finished) == (2, 0, 0)
    assert told.creation_info == contract.name("task")
    assert told.bounding_box is not None
    assert told.bounding_box.box == BoundingBox((0, 0, 0), (8, 8, 8))
    changed = client.task_update(task_id=task.id, task_parameters=_parameters(contract, pending_instances=3))
    assert changed.status.pending == 3
    assert client.annotation_infos_by_task(task_id=task.id) == []
    contract.made["task"] = task


@operation("tasks")
def listing_tasks(contract: Contract) -> None:
    client, project = contract.client, contract.made["project"]
    more = client.tasks_create(task_parameters=[_parameters(contract, creation_info=str(n)) for n in range(3)])
    ids = [one.success.id for one in more.tasks if one.success is not None]
    pages: list[str] = []
    for number in range(2):
        found, total = client.task_infos_by_project_id_paginated(project_id=project.id, limit=2, page_number=number)
        assert total == 4
        pages += [one.id for one in found]
    assert sorted(pages) == sorted([contract.made["task"].id, *ids])
    assert pages[-1] == contract.made["task"].id  # the newest come first
    assert set(ids) <= {one.id for one in client.task_list()} or len(client.task_list()) == 1000
    for task_id in ids:
        client.task_delete(task_id=task_id)
    with pytest.raises(NotOnServerError):
        client.task_info(task_id=ids[0])


@operation()
def tasks_that_fail_in_part(contract: Contract) -> None:
    good, bad = _parameters(contract), _parameters(contract, project_name=contract.name("nowhere"))
    result = contract.client.tasks_create(task_parameters=[good, bad])
    assert [one.error is None for one in result.tasks] == [True, False]
    assert result.tasks[0].success is not None
    contract.client.task_delete(task_id=result.tasks[0].success.id)
    with pytest.raises(RequestRefusedError):
        contract.client.tasks_create(task_parameters=[])
    with pytest.raises(RequestRefusedError):
        contract.client.tasks_create(task_parameters=[good] * 1001)


@operation("tasks_from_annotations")
def tasks_from_files(contract: Contract) -> None:
    parameters = ApiNmlTaskParameters(
        task_type_id=contract.made["kind"].id,
        needed_experience=_NEEDED,
        pending_instances=1,
        project_name=contract.made["project"].name,
    )
    name = f"{contract.name('file')}.nml"
    outcome = contract.client.tasks_create_from_files(
        nml_task_parameters=parameters, annotation_files=[(name, _nml(contract, *_DRAWN))]
    )
    task = _only(outcome)
    assert task.creation_info is not None
    assert task.creation_info.removesuffix(".nml") == contract.name("file")
    assert task.edit_position == (1, 2, 3)
    contract.client.task_delete(task_id=task.id)


def _change(contract: Contract, verb: str, annotation_id: str, what: str, **query: Any) -> Any:
    path = f"/annotations/Task/{annotation_id}" + (f"/{what}" if what else "")
    return contract.ask(verb, path, params=query)


@operation()
def work_on_a_task(contract: Contract) -> None:
    client, task, me = contract.client, contract.made["task"], contract.made["me"]
    contract.ask("POST", f"/tasks/{task.id}/assign", params={"userId": me.id})
    (given,) = client.annotation_infos_by_task(task_id=task.id)
    assert (given.typ, given.state) == ("Task", "Active")
    assert client.annotation_info(annotation_id=given.id).state == "Active"
    for _ in range(2):  # once more is no mistake
        now = time.time_ns() // 1_000_000
        assert _change(contract, "PATCH", given.id, "finish", timestamp=now)["state"] == "Finished"
    assert client.task_info(task_id=task.id).status.finished == 1
    body, name = client.annotation_download(annotation_id=given.id, skip_volume_data=True)
    assert name.endswith(".nml")
    assert task.id.encode() in body
    contract.made["finished"] = given
    assert _change(contract, "PATCH", given.id, "reopen")["state"] == "Active"
    _change(contract, "DELETE", given.id, "")
    status = client.task_info(task_id=task.id).status
    assert (status.pending, status.active, status.finished) == (3, 0, 0)


@operation()
def work_that_is_handed_out(contract: Contract) -> None:
    if contract.annotator is None:
        raise NotHere("a request could hand out somebody's real work")
    contract.client.dataset_update_teams(dataset_id=contract.made["dataset"], team_ids=[contract.made["work_team"].id])
    given = contract.ask("POST", "/user/tasks/request", token=contract.annotator)
    assert given["task"]["id"] == contract.made["task"].id
    with pytest.raises(RequestRefusedError):  # nobody gets a task twice
        contract.ask("POST", "/user/tasks/request", token=contract.annotator)
    drawn = {"name": "drawn.nml", "body": base64.b64encode(_nml(contract, *_DRAWN)).decode(), "millis": 90_500}
    contract.control_plane("POST", f"/annotations/{given['id']}/work", json=drawn)
    contract.made["worked"] = given


@operation()
def time_spent(contract: Contract) -> None:
    if "worked" not in contract.made:
        raise NotHere("nobody worked")
    query = {
        "start": 0, "end": 2**52, "annotationTypes": "Task", "annotationStates": "Finished",
        "projectIds": contract.made["project"].id,
    }  # fmt: skip
    (entry,) = contract.ask("GET", "/time/overview", params=query)
    assert (entry["annotationCount"], entry["timeMillis"]) == (1, 90_500)
    (summed,) = contract.ask("GET", f"/time/user/{entry['user']['id']}/summedByAnnotation", params=query)
    assert summed["annotation"] == contract.made["worked"]["id"]
    assert summed["task"] == contract.made["task"].id
    logged = contract.client.user_logged_time(user_id=entry["user"]["id"])
    assert int(sum(one.duration_in_seconds for one in logged.logged_time)) == 90
    report = contract.ask("GET", f"/teams/{contract.made['work_team'].id}/projectProgressReport")
    (told,) = [one for one in report if one["projectName"] == contract.made["project"].name]
    assert told["finishedInstances"] == 1


@operation("annotations")
def annotations(contract: Contract) -> None:
    client = contract.client
    made = client.annotation_upload(
        file_body=_nml(contract, *_DRAWN), filename="drawn.nml", createGroupForEachFile=False
    )
    annotation_id = made.annotation.id
    contract.later(lambda: contract.ask("DELETE", f"/annotations/{made.annotation.typ}/{annotation_id}"))
    assert annotation_id in {one.id for one in client.annotation_list(is_finished=False)}
    told = client.annotation_info(annotation_id=annotation_id)
    assert (told.state, told.typ) == ("Active", "Explorational")
    body, name = client.annotation_download(annotation_id=annotation_id, skip_volume_data=False)
    nml = body if name.endswith(".nml") else zipfile.ZipFile(io.BytesIO(body)).read("drawn.nml")
    assert all(f'x="{x}"'.encode() in nml for x, _, _ in _DRAWN)
    contract.made["annotation"] = annotation_id


@operation("remote_annotation")
def annotation_edited(contract: Contract) -> None:
    client, annotation_id = contract.client, contract.made["annotation"]
    told = client.annotation_info(annotation_id=annotation_id)
    client.annotation_edit(
        annotation_typ=told.typ, annotation_id=told.id, annotation=told.model_copy(update={"name": "other"})
    )
    assert client.annotation_info(annotation_id=annotation_id).name == "other"


@operation()
def versions_of_an_annotation(contract: Contract) -> None:
    if "worked" not in contract.made:
        raise NotHere("nobody worked")
    key = contract.made["worked"]["id"]
    newest = contract.tracing_store().newest_version(key)
    assert newest >= 1
    after, _ = contract.client.annotation_download(annotation_id=key, skip_volume_data=True, version=newest)
    before, _ = contract.client.annotation_download(annotation_id=key, skip_volume_data=True, version=0)
    assert b"<node " in after
    assert b"<node " not in before


@operation("annotation_as_dataset")
def annotation_streamed(contract: Contract) -> None:
    shown = streamed(contract, contract.made["annotation"], "color", annotation=True)
    np.testing.assert_array_equal(shown, contract.sample.voxels)


@operation("delete")
def deleting_work(contract: Contract) -> None:
    client = contract.client
    client.task_delete(task_id=contract.made["task"].id)
    client.project_delete(project_id=contract.made["project"].id)
    client.task_type_delete(task_type_id=contract.made["kind"].id)
    with pytest.raises(NotOnServerError):
        client.project_info_by_id(project_id=contract.made["project"].id)
