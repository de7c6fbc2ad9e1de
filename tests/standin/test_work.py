"""The rules of tasks and annotations hold, whatever is done in whatever order."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.standin.standin_client import StandinClient
from wk_assets.standin.app import open_world
from wk_assets.standin.seed import seed
from wk_assets.standin.world import Settings

V = "/api/v16"


def _finish(client: StandinClient, token: str, annotation_id: str) -> Any:
    path = f"{V}/annotations/Task/{annotation_id}/finish"
    return client.request(token, "PATCH", path, params={"timestamp": client.world.now()})


def test_a_task_goes_its_way(standin: StandinClient) -> None:
    dataset = standin.dataset()
    standin.project()
    (made,) = standin.tasks(1, standin.task_type(), dataset, creationInfo="our-key").json()["tasks"]
    task = made["success"]
    assert task["status"] == {"pending": 1, "active": 0, "finished": 0}
    assert task["creationInfo"] == "our-key"

    given = standin.as_annotator(0, "POST", f"{V}/user/tasks/request").json()
    assert given["messages"] == [{"success": "You have been assigned a new task."}]
    assert given["task"]["status"] == {"pending": 0, "active": 1, "finished": 0}
    token = standin.seed.annotators[0]
    for _ in range(2):  # once more is no mistake
        finished = _finish(standin, token, given["id"])
        assert (finished.status_code, finished.json()["state"]) == (200, "Finished")
    assert standin.as_admin("GET", f"{V}/tasks/{task['id']}").json()["status"] == {
        "pending": 0, "active": 0, "finished": 1
    }  # fmt: skip
    overview = standin.as_admin("GET", f"{V}/time/overview", params={"annotationStates": "Finished"}).json()
    assert [one["annotationCount"] for one in overview] == [1]


def test_what_is_being_prepared_is_counted_as_finished_for_a_moment(tmp_path: Path) -> None:
    world = open_world(tmp_path / "s", "http://standin.example", Settings(initializing_millis=10_000))
    first = seed(world)
    assert first is not None
    with StandinClient(world, first) as client:
        client.project()
        (made,) = client.tasks(1, client.task_type(), client.dataset()).json()["tasks"]
        given = client.as_annotator(0, "POST", f"{V}/user/tasks/request").json()
        assert given["state"] == "Initializing"
        path = f"{V}/tasks/{made['success']['id']}"
        assert client.as_admin("GET", path).json()["status"]["finished"] == 1
        refused = _finish(client, first.annotators[0], given["id"])
        assert refused.status_code == 400
        assert refused.json()["messages"][1]["chain"].endswith("Annotation is not active")
        world.advance(10_000)
        assert client.as_admin("GET", path).json()["status"] == {"pending": 0, "active": 1, "finished": 0}


@pytest.mark.parametrize(
    ("number", "said"),
    [(2, "no task available"), (1, "no task available")],
    ids=["no experience in the domain", "too little experience"],
)
def test_tasks_go_to_those_with_experience(standin: StandinClient, number: int, said: str) -> None:
    standin.project()
    standin.tasks(1, standin.task_type(), standin.dataset(), neededExperience={"domain": "sample", "value": 2})

    refused = standin.as_annotator(number, "POST", f"{V}/user/tasks/request")
    assert refused.status_code == 400
    assert said in refused.json()["messages"][0]["error"]


def test_nobody_gets_more_than_five_open_tasks(standin: StandinClient) -> None:
    standin.project()
    standin.tasks(7, standin.task_type(), standin.dataset())
    answers = [standin.as_annotator(0, "POST", f"{V}/user/tasks/request") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [400]
    assert "too many open tasks" in answers[-1].json()["messages"][0]["error"]


def test_a_higher_priority_goes_first_and_a_paused_project_not_at_all(standin: StandinClient) -> None:
    dataset, kind = standin.dataset(), standin.task_type()
    for name, priority in (("low", 1), ("high", 9), ("paused", 99)):
        project = standin.project(name, priority=priority)
        standin.tasks(1, kind, dataset, name)
        if name == "paused":
            standin.as_admin("PATCH", f"{V}/projects/{project['id']}/pause")

    names = [standin.as_annotator(0, "POST", f"{V}/user/tasks/request").json()["task"]["projectName"] for _ in range(2)]
    assert names == ["high", "low"]


@pytest.mark.parametrize(("kind", "limit"), [("skeleton", 1000), ("volume", 100), ("hybrid", 100)])
def test_no_more_than_the_limit_is_made_at_once(standin: StandinClient, kind: str, limit: int) -> None:
    standin.project()
    refused = standin.tasks(limit + 1, standin.task_type(kind), standin.dataset())

    assert refused.status_code == 400
    assert f"more than {limit}" in refused.json()["messages"][0]["error"]


def test_some_tasks_may_fail_inside_a_success(standin: StandinClient) -> None:
    standin.project()
    body = {
        "taskTypeId": standin.task_type(), "neededExperience": {"domain": "sample", "value": 1}, "pendingInstances": 1,
        "datasetId": standin.dataset(), "editPosition": [1, 2, 3], "editRotation": [0, 0, 0],
    }  # fmt: skip
    answer = standin.as_admin("POST", f"{V}/tasks", json=[{**body, "projectName": name} for name in ("p", "nowhere")])

    assert answer.status_code == 200
    assert [sorted(one) for one in answer.json()["tasks"]] == [["status", "success"], ["error", "status"]]


def test_a_team_that_can_not_read_the_dataset_is_warned_of(standin: StandinClient) -> None:
    root = standin.as_admin("GET", f"{V}/folders/root").json()
    standin.as_admin("PUT", f"{V}/folders/{root['id']}", json={"name": root["name"], "allowedTeams": []})
    standin.project()

    warnings = standin.tasks(1, standin.task_type(), standin.dataset()).json()["warnings"]
    assert warnings == ["Project team “annotators” has no read permission to dataset “brain”."]


def test_a_follow_up_starts_from_the_result_of_a_task(standin: StandinClient) -> None:
    standin.project()
    kind, dataset = standin.task_type(), standin.dataset()
    (made,) = standin.tasks(1, kind, dataset).json()["tasks"]
    given = standin.as_annotator(0, "POST", f"{V}/user/tasks/request").json()
    drawn = b"<things><parameters/><thing id='1'><nodes><node id='1' x='7' y='8' z='9'/></nodes></thing></things>"
    from base64 import b64encode

    body = {"name": "drawn.nml", "body": b64encode(drawn).decode()}
    assert standin.as_admin("POST", f"/_standin/annotations/{given['id']}/work", json=body).json()["version"] == 1

    base = {"baseId": made["success"]["id"]}
    standin.tasks(1, kind, dataset, baseAnnotation=base)
    follow_up = standin.as_annotator(1, "POST", f"{V}/user/tasks/request").json()
    nml = standin.as_annotator(1, "GET", f"{V}/annotations/{follow_up['id']}/download").content
    assert b'x="7"' in nml


def test_a_version_can_be_pinned(standin: StandinClient) -> None:
    standin.project()
    standin.tasks(1, standin.task_type(), standin.dataset())
    given = standin.as_annotator(0, "POST", f"{V}/user/tasks/request").json()
    from base64 import b64encode

    for x in (1, 2):
        drawn = f"<things><parameters/><thing id='1'><nodes><node id='1' x='{x}'/></nodes></thing></things>".encode()
        body = {"name": "drawn.nml", "body": b64encode(drawn).decode(), "finish": False}
        standin.as_admin("POST", f"/_standin/annotations/{given['id']}/work", json=body)

    path = f"{V}/annotations/{given['id']}/download"
    assert b'x="1"' in standin.as_admin("GET", path, params={"version": 1}).content
    assert b'x="2"' in standin.as_admin("GET", path).content
    assert standin.as_admin("GET", f"/tracings/annotation/{given['id']}/newestVersion").json() == {"version": 2}
    assert standin.as_admin("GET", path, params={"version": 3}).status_code == 400


class WorkMachine(RuleBasedStateMachine):
    """Do anything that people do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = open_world(self.folder / "s", "http://standin.example", Settings())
        first = seed(self.world)
        assert first is not None
        self.client = StandinClient(self.world, first)
        self.client.project()
        self.kind, self.dataset = self.client.task_type(), self.client.dataset()
        self.tasks: list[str] = []
        self.annotations: list[tuple[str, str]] = []

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)

    @rule(instances=st.integers(1, 3))
    def create(self, instances: int) -> None:
        made = self.client.tasks(1, self.kind, self.dataset, pendingInstances=instances).json()["tasks"]
        self.tasks.append(made[0]["success"]["id"])

    @rule(number=st.integers(0, 2))
    def request(self, number: int) -> None:
        user = self.client.as_annotator(number, "GET", f"{V}/user").json()
        open_before = self.world.database.count(
            "SELECT COUNT(*) FROM annotations WHERE owner = ? AND state = 'Active'", (user["id"],)
        )
        answer = self.client.as_annotator(number, "POST", f"{V}/user/tasks/request")
        if answer.status_code == 200:
            assert open_before < 5
            assert answer.json()["task"]["status"]["pending"] >= 0
            self.annotations.append((answer.json()["id"], self.client.seed.annotators[number]))

    @precondition(lambda self: self.annotations)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        annotation, token = data.draw(st.sampled_from(self.annotations))
        assert _finish(self.client, token, annotation).status_code in {200, 400}

    @precondition(lambda self: self.annotations)
    @rule(data=st.data(), verb=st.sampled_from(["reopen", "cancel"]))
    def supervise(self, data: st.DataObject, verb: str) -> None:
        annotation, _ = data.draw(st.sampled_from(self.annotations))
        path = f"{V}/annotations/Task/{annotation}"
        method, path = ("DELETE", path) if verb == "cancel" else ("PATCH", f"{path}/reopen")
        assert self.client.as_admin(method, path).status_code in {200, 400}

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), pending=st.integers(0, 3))
    def update(self, data: st.DataObject, pending: int) -> None:
        task = data.draw(st.sampled_from(self.tasks))
        self.client.as_admin("PUT", f"{V}/tasks/{task}", json={"pendingInstances": pending})

    @rule()
    def pause_and_resume(self) -> None:
        project = self.client.as_admin("GET", f"{V}/projects/byName/p").json()
        self.client.as_admin("PATCH", f"{V}/projects/{project['id']}/pause")
        assert self.client.as_annotator(0, "POST", f"{V}/user/tasks/request").status_code == 400
        self.client.as_admin("PATCH", f"{V}/projects/{project['id']}/resume")

    @invariant()
    def instances_add_up(self) -> None:
        for task in self.tasks:
            row = self.world.database.row("SELECT instances FROM tasks WHERE id = ?", (task,))
            status = self.client.as_admin("GET", f"{V}/tasks/{task}").json()["status"]
            states = [
                one["state"]
                for one in self.world.database.rows("SELECT state FROM annotations WHERE task = ?", (task,))
            ]
            assert row is not None
            assert status["pending"] >= 0
            assert sum(status.values()) == row["instances"]
            assert status["finished"] == states.count("Finished") + states.count("Initializing")
            assert status["active"] == states.count("Active")

    @invariant()
    def nobody_has_a_task_twice(self) -> None:
        twice = self.world.database.rows(
            "SELECT task, owner FROM annotations WHERE typ = 'Task' GROUP BY task, owner HAVING COUNT(*) > 1"
        )
        assert not twice


TestWork = WorkMachine.TestCase
TestWork.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
