"""Many tasks at once: sizes of requests, the outcome of each task, and what a failure leaves behind."""

from typing import Any

import pytest

from tests.administration.campaign import campaign
from tests.served import Server
from wk_assets.administration import task_request
from wk_assets.administration.task_listing import tasks_of_project
from wk_assets.administration.task_request import file_groups
from wk_assets.administration.task_type import TaskType
from wk_assets.administration.tasks import Project, Task
from wk_assets.client.context import current_context
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import (
    InputError,
    NoAnswerError,
    NotOnServerError,
    TaskCreationError,
    UnexpectedAnswerError,
    UnexpectedStatusError,
)


def _keys(project: Project) -> set[str | None]:
    return {task.creation_info for task in project.get_tasks(fetch_all=True)}


def test_requests_are_no_larger_than_the_server_takes(server: Server) -> None:
    assert dict(task_request.TASKS_PER_REQUEST) == {"skeleton": 1000, "volume": 100, "hybrid": 100}
    here = campaign(server, "volume")

    made = here.tasks(101)
    assert server.requests("POST", "/tasks") == 2
    assert [task.creation_info for task in made] == [f"key-{number}" for number in range(101)]
    assert [task.edit_position.x for task in made] == list(range(101))


def test_the_limit_of_a_request_is_that_of_the_tracing_type(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_request, "TASKS_PER_REQUEST", {"skeleton": 4})

    made = campaign(server).tasks(10)
    assert server.requests("POST", "/tasks") == 3
    assert [task.edit_position.x for task in made] == list(range(10))


def test_a_request_is_of_one_task_type_and_one_dataset(server: Server) -> None:
    here = campaign(server)
    other_type = TaskType.create("other", "", "Default", "volume")
    other_dataset = server.dataset("other")
    wanted = [
        here.parameters(0),
        here.parameters(1, task_type_id=other_type),
        here.parameters(2, dataset_id=other_dataset),
        here.parameters(3),
    ]

    made = Task.create_many(wanted)
    assert [task.creation_info for task in made] == ["key-0", "key-1", "key-2", "key-3"]
    assert [task.task_type.name for task in made] == ["trace p", "other", "trace p", "trace p"]
    assert [task.dataset_id for task in made] == [here.dataset_id, here.dataset_id, other_dataset, here.dataset_id]
    assert server.requests("POST", "/tasks") == 3


def test_no_tasks_are_no_request(server: Server) -> None:
    assert Task.create_many([]) == []
    assert Task.create_missing([]) == []
    assert server.requests("POST", "/tasks") == 0


def test_tasks_that_are_refused_are_told_one_by_one_and_hinder_no_other(server: Server) -> None:
    here = campaign(server)
    wanted = [here.parameters(number) for number in range(5)]
    wanted[1] = here.parameters(1, script_id="0" * 24)
    wanted[3] = here.parameters(3, project_name="nowhere", creation_info=None)

    with pytest.raises(TaskCreationError, match="3 created, 2 refused") as failure:
        Task.create_many(wanted)

    error = failure.value
    assert {number: task.creation_info for number, task in error.created.items()} == {
        0: "key-0",
        2: "key-2",
        4: "key-4",
    }
    assert all(isinstance(task, Task) for task in error.created.values())
    assert [(one.number, one.key) for one in error.refused] == [(1, "key-1"), (3, None)]
    assert "Script" in error.refused[0].message
    assert str(error.refused[0]) in str(error)
    assert "task 3: " in str(error)
    assert (error.unsure, error.unsent, error.warnings, error.transient) == ((), (), (), False)
    assert _keys(here.project) == {"key-0", "key-2", "key-4"}


def test_tasks_that_their_team_can_not_open_are_an_error_and_end_the_sending(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_request, "TASKS_PER_REQUEST", {"skeleton": 2})
    here = campaign(server, team="annotators")

    with pytest.raises(TaskCreationError, match="“annotators” has no read permission to dataset “brain”") as failure:
        here.tasks(5)
    error = failure.value
    assert (sorted(error.created), error.refused, error.unsent) == ([0, 1], (), (2, 3, 4))
    assert len(error.warnings) == 1
    assert _keys(here.project) == {"key-0", "key-1"}


def test_what_the_server_refuses_as_a_whole_made_nothing(server: Server) -> None:
    here = campaign(server)

    with pytest.raises(NotOnServerError, match="Dataset"):
        Task.create_many([here.parameters(dataset_id="0" * 24)])
    with pytest.raises(NotOnServerError, match="Task type"):
        Task.create_many([here.parameters(task_type_id="0" * 24)])
    assert here.project.get_tasks() == []


@pytest.mark.parametrize(
    ("fault", "cause", "done"),
    [
        ({"kind": "lost"}, UnexpectedStatusError, True),
        ({"kind": "drop"}, NoAnswerError, False),
        ({"kind": "status", "status": 503}, UnexpectedStatusError, False),
    ],
)
def test_a_request_whose_answer_is_lost_is_never_sent_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], cause: type[Exception], done: bool
) -> None:
    monkeypatch.setattr(task_request, "TASKS_PER_REQUEST", {"skeleton": 2})
    here = campaign(server)
    server.fault(method="POST", path="/tasks$", skip=1, **fault)

    with pytest.raises(TaskCreationError, match=r"2 created, 0 refused, 2 perhaps created.*, 1 not made") as failure:
        here.tasks(5)
    error = failure.value
    assert (sorted(error.created), error.unsure, error.unsent) == ([0, 1], (2, 3), (4,))
    assert isinstance(error.__cause__, cause)
    assert server.requests("POST", "/tasks") == (2 if done else 1)  # what a fault keeps from being done is not listed
    assert _keys(here.project) == {"key-0", "key-1"} | ({"key-2", "key-3"} if done else set())

    made = Task.create_missing(here.parameters(number) for number in range(5))
    assert [task.creation_info for task in made] == [f"key-{number}" for number in range(5)]
    assert [task.task_id for task in made[:2]] == [error.created[0].task_id, error.created[1].task_id]
    assert len(here.project.get_tasks()) == 5


def test_a_refusal_after_a_success_tells_of_both(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_request, "TASKS_PER_REQUEST", {"skeleton": 2})
    here = campaign(server)
    server.fault(method="POST", path="/tasks$", kind="status", status=401, skip=1)

    with pytest.raises(TaskCreationError, match="2 created, 0 refused, 3 not made") as failure:
        here.tasks(5)
    assert (sorted(failure.value.created), failure.value.unsure) == ([0, 1], ())
    assert failure.value.unsent == (2, 3, 4)


def test_outcomes_that_the_server_keeps_to_itself_are_unsure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    here = campaign(server)
    whole = WkApiClient.tasks_create

    def backwards_and_short(self: WkApiClient, **content: Any) -> Any:
        told = whole(self, **content)
        return told.model_copy(update={"tasks": tuple(reversed(told.tasks))[:2]})

    monkeypatch.setattr(WkApiClient, "tasks_create", backwards_and_short)
    with pytest.raises(TaskCreationError) as failure:
        here.tasks(3)
    assert {number: task.creation_info for number, task in failure.value.created.items()} == {1: "key-1", 2: "key-2"}
    assert failure.value.unsure == (0,)


def test_tasks_that_are_there_are_found_by_their_keys_in_their_project_only(server: Server) -> None:
    here = campaign(server)
    other = Project.create("other", "Default", expected_time=None)
    first = here.tasks(2)

    made = Task.create_missing([here.parameters(1), here.parameters(1, project_name=other), here.parameters(2)])
    assert made[0] == first[1]
    assert [task.project_id for task in made] == [here.project.project_id, other.project_id, here.project.project_id]
    assert _keys(here.project) == {"key-0", "key-1", "key-2"}
    assert Task.create_missing([here.parameters(2)]) == [made[2]]


def test_of_two_tasks_with_one_key_the_oldest_counts(server: Server) -> None:
    here = campaign(server)
    older, _newer = here.tasks(1)[0], here.tasks(1)[0]

    assert Task.create_missing([here.parameters(0)]) == [older]


def test_keys_that_would_not_tell_tasks_apart_are_refused(server: Server) -> None:
    here = campaign(server)

    with pytest.raises(InputError, match="task 1 has no creation_info"):
        Task.create_missing([here.parameters(0), here.parameters(1, creation_info=None)])
    with pytest.raises(InputError, match="tasks 0 and 1 have one creation_info, 'key-0'"):
        Task.create_missing([here.parameters(0), here.parameters(0)])
    assert server.requests("POST", "/tasks") == 0


def test_a_project_that_changes_while_it_is_listed_is_listed_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wk_assets.administration.task_listing.LIST_END", 2)
    here = campaign(server)
    here.tasks(4)
    project = here.project.project_id
    page, changes = WkApiClient.task_infos_by_project_id_paginated, [1, 2, 3]

    def disturbed(self: WkApiClient, **content: Any) -> Any:
        told = page(self, **content)
        if content["page_number"] == 0 and changes:
            changes.pop()
            Task.create_many([here.parameters(9)])
        return told

    monkeypatch.setattr(WkApiClient, "task_infos_by_project_id_paginated", disturbed)
    with pytest.raises(UnexpectedAnswerError, match="its tasks are changing"):
        tasks_of_project(current_context().client(), project)
    changes.append(1)
    assert len(tasks_of_project(current_context().client(), project)) == 8


def test_files_are_divided_by_number_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_request, "FILE_BYTES_PER_REQUEST", 10)
    sizes = [4, 4, 4, 11, 1, 1, 1, 1]

    groups = list(file_groups([("a.nml", b"x" * size) for size in sizes], 3))
    assert groups == [[0, 1], [2], [3], [4, 5, 6], [7]]
    assert list(file_groups([], 3)) == []
