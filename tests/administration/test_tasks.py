"""Projects and tasks, one at a time: what is told of them, what changes, what a result leads to."""

from dataclasses import replace

import pytest

from tests.administration.campaign import campaign
from tests.served import Server
from wk_assets.administration.tasks import Project, Task, TaskExperience, TaskStatus
from wk_assets.annotation.annotation import Annotation
from wk_assets.annotation.annotation_info import AnnotationState, AnnotationType
from wk_assets.client.context import current_context, webknossos_context
from wk_assets.client.task_models import ApiAnnotation
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import (
    ForbiddenError,
    InputError,
    NotOnServerError,
    RequestRefusedError,
    TaskCreationError,
    UnexpectedAnswerError,
    UnknownNameError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.people.members import Team, User

BOX = BoundingBox((1, 2, 3), (4, 5, 6))


def test_a_project_is_made_found_and_deleted(server: Server) -> None:
    me = User.get_current_user()
    made = Project.create("p", "annotators", expected_time=30, priority=7, paused=True)

    assert (made.name, made.priority, made.paused, made.expected_time) == ("p", 7, True, 30)
    assert (made.team_id, made.team_name) == (Team.get_by_name("annotators").id, "annotators")
    assert not made.is_blacklisted_from_report
    assert made.get_owner() == me
    assert Project.get_by_name("p") == made == Project.get_by_id(made.project_id)
    assert Project.get_list() == [made]
    with pytest.raises(RequestRefusedError, match="“p” exists already"):
        Project.create("p", "annotators", expected_time=None)
    made.delete()
    with pytest.raises(NotOnServerError):
        Project.get_by_name("p")


def test_a_project_may_be_anothers_and_its_team_must_be_known(server: Server) -> None:
    mia = next(user for user in User.get_all_managed_users() if user.first_name == "Mia")

    assert Project.create("a", mia.teams[0], None, owner=mia).get_owner() == mia
    assert Project.create("b", mia.teams[0].id, None, owner=mia.user_id).owner_id == mia.user_id
    with pytest.raises(UnknownNameError, match="nobody"):
        Project.create("c", "nobody", None)


def test_expected_times_are_minutes_here_and_milliseconds_there(server: Server) -> None:
    project = Project.create("p", "annotators", expected_time=30)
    path = f"/api/v16/projects/{project.project_id}"

    assert server.ask("GET", path)["expectedTime"] == 1_800_000
    odd = {**server.ask("GET", path), "expectedTime": 90_001, "owner": None}
    server.ask("PUT", path, json=odd)
    updated = project.update(priority=3)
    assert (updated.priority, updated.expected_time) == (3, 2)
    assert server.ask("GET", path)["expectedTime"] == 90_001


def test_an_update_changes_what_is_given(server: Server) -> None:
    project = Project.create("p", "annotators", expected_time=30, paused=True)

    updated = project.update(expected_time=45, is_blacklisted_from_report=True)
    assert (updated.priority, updated.expected_time, updated.is_blacklisted_from_report) == (100, 45, True)
    assert (updated.paused, updated.owner_id) == (True, project.owner_id)
    assert project.expected_time == 30
    assert project.update() == updated


def test_who_manages_no_team_makes_no_project(server: Server) -> None:
    with webknossos_context(token=server.seed.annotators[0]), pytest.raises(ForbiddenError):
        Project.create("p", "annotators", expected_time=None)


def test_a_project_whose_owner_is_hidden_says_so(server: Server) -> None:
    project = replace(Project.create("p", "annotators", expected_time=None), owner_id=None)

    with pytest.raises(InputError, match="'p' has no owner that this user may see"):
        project.get_owner()


# ---------------------------------------------------------------------- tasks


def test_a_task_is_what_was_asked_for(server: Server) -> None:
    here = campaign(server)

    (made,) = Task.create(
        here.task_type,
        here.project,
        "sample",
        2,
        starting_position=(4, 5, 6),
        dataset_id=here.dataset_id,
        starting_rotation=(90.0, 0.5, 0),
        instances=3,
        bounding_box=BOX,
        creation_info="my key",
    )

    assert made == Task(
        task_id=made.task_id,
        project_id=here.project.project_id,
        dataset_id=here.dataset_id,
        status=TaskStatus(pending_instance_count=3, active_instance_count=0, finished_instance_count=0),
        task_type=here.task_type,
        experience=TaskExperience(domain="sample", value=2),
        edit_position=Vec3Int(4, 5, 6),
        edit_rotation=(90.0, 0.5, 0.0),
        script_id=None,
        bounding_box=BOX,
        creation_info="my key",
    )
    assert [made] == Task.get_list() == [Task.get_by_id(made.task_id)] == here.project.get_tasks()
    assert made.get_project() == here.project
    made.delete()
    with pytest.raises(NotOnServerError):
        Task.get_by_id(made.task_id)


def test_names_and_ids_do_where_objects_do(server: Server) -> None:
    here = campaign(server)

    class Remote:
        dataset_id = here.dataset_id

    (plain,) = Task.create(here.task_type.task_type_id, "p", "sample", 1, (1, 2, 3), here.dataset_id)
    (of_objects,) = Task.create(here.task_type, here.project, "sample", 1, Vec3Int(1, 2, 3), Remote())
    assert plain.dataset_id == of_objects.dataset_id == here.dataset_id
    assert plain.creation_info is None


def test_what_can_be_no_task_is_refused_before_it_is_sent(server: Server) -> None:
    here = campaign(server)

    with pytest.raises(InputError, match="0 instances"):
        here.parameters(instances=0)
    with pytest.raises(InputError, match="three angles"):
        Task.create_many([here.parameters(starting_rotation=(1.0, 2.0))])
    assert server.requests("POST", "/tasks") == 0


def test_the_instances_that_remain_are_set_and_nothing_else(server: Server) -> None:
    (task,) = Task.create_many([campaign(server).parameters(instances=2, bounding_box=BOX)])
    server.take()

    updated = task.update(remaining_instances=5)
    assert updated.status == TaskStatus(pending_instance_count=5, active_instance_count=0, finished_instance_count=1)
    assert (updated.bounding_box, updated.edit_position, updated.creation_info) == (BOX, Vec3Int(0, 2, 3), "key-0")
    with pytest.raises(InputError, match="-1 instances"):
        task.update(remaining_instances=-1)


def test_instances_that_were_taken_are_told_with_their_states(server: Server) -> None:
    (task,) = Task.create_many([campaign(server).parameters(instances=3)])
    done, open_one = server.take(0), server.take(1, finish=False)

    infos = {info.id: info for info in task.get_annotation_infos()}
    assert {one: info.state for one, info in infos.items()} == {
        done: AnnotationState.FINISHED,
        open_one: AnnotationState.ACTIVE,
    }
    assert infos[done].type is AnnotationType.TASK
    assert infos[done].duration_in_seconds == 60.0
    assert infos[done].owner_id in {user.user_id for user in User.get_all_managed_users()}


def test_a_project_of_many_tasks_is_listed_in_pages(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand tasks take the stand-in seconds, so here the server's list ends at ten."""
    monkeypatch.setattr("wk_assets.administration.tasks.LIST_END", 10)
    here = campaign(server)
    made = here.tasks(23)

    with pytest.warns(UserWarning, match=r"has 23 tasks, these are 10; get_tasks\(fetch_all=True\)"):
        assert len(here.project.get_tasks()) == 10
    monkeypatch.setattr("wk_assets.administration.task_listing.LIST_END", 10)
    before = server.requests("GET", f"{here.project.project_id}/tasks")
    everything = here.project.get_tasks(fetch_all=True)
    assert [task.task_id for task in everything] == [task.task_id for task in reversed(made)]
    assert server.requests("GET", f"{here.project.project_id}/tasks") == before + 3
    assert {task.task_id for task in Task.get_list()} == {task.task_id for task in made}


def test_a_list_that_ends_early_says_whose_tasks_may_be_missing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wk_assets.administration.task_listing.LIST_END", 2)
    campaign(server, name="closed project").tasks(3)

    with (
        webknossos_context(token=server.seed.annotators[0]),
        pytest.warns(UserWarning, match=r"may be missing, .*: closed project"),
    ):
        assert len(Task.get_list()) == 3


# ---------------------------------------------------------------------- from results and files


def test_a_task_goes_on_from_the_result_of_another(server: Server) -> None:
    here = campaign(server)
    (first,) = Task.create_many([here.parameters(bounding_box=BOX, starting_rotation=(1, 2, 3))])
    finished = server.take()

    for base in (first, finished):
        (review,) = Task.create_from_annotations(here.task_type, here.project, [base], "sample", 2, instances=2)
        assert (review.dataset_id, review.edit_position) == (first.dataset_id, first.edit_position)
        assert (review.edit_rotation, review.bounding_box) == ((1.0, 2.0, 3.0), BOX)
        assert review.status.pending_instance_count == 2
        stored = server.world.database.row("SELECT doc FROM tasks WHERE id = ?", (review.task_id,))
        assert stored is not None
        assert stored["doc"]["base"] == finished


def test_a_task_that_is_not_finished_is_no_base(server: Server) -> None:
    here = campaign(server)
    (first,) = here.tasks(1)

    with pytest.raises(TaskCreationError, match=r"1 refused\n  - task 0: .* has 0 finished instances") as failure:
        Task.create_from_annotations(here.task_type, here.project, [first], "sample", 1)
    assert failure.value.created == {}


def _nml(server: Server, dataset_id: str, *, x: int = 7) -> bytes:
    return (
        f'<things><parameters><experiment name="brain" datasetId="{dataset_id}" wkUrl="{server.url}"/>'
        f'<editPosition x="{x}" y="8" z="9"/></parameters></things>'
    ).encode()


def test_files_become_tasks_that_bear_their_names(server: Server) -> None:
    here = campaign(server)
    files = [(f"{name}.nml", _nml(server, here.dataset_id, x=x)) for x, name in enumerate("abc")]

    made = Task.create_from_annotations(here.task_type, here.project, files, "sample", 1, instances=2, bounding_box=BOX)
    assert [(one.creation_info, one.edit_position) for one in made] == [
        ("a.nml", Vec3Int(0, 8, 9)),
        ("b.nml", Vec3Int(1, 8, 9)),
        ("c.nml", Vec3Int(2, 8, 9)),
    ]
    assert {(one.status.pending_instance_count, one.bounding_box) for one in made} == {(2, BOX)}


def test_annotations_become_tasks_and_those_of_the_server_stay_there(server: Server) -> None:
    here = campaign(server)
    drawn = Annotation("drawn by Ada", dataset_name="brain", dataset_id=here.dataset_id, voxel_size=(4, 4, 40))
    drawn.skeleton.add_tree("axon").add_node(position=(1, 2, 3))
    remote = Annotation.open_remote(drawn.upload())

    (of_file,) = Task.create_from_annotations(here.task_type, here.project, [drawn], "sample", 1)
    (of_server,) = Task.create_from_annotations(
        here.task_type, here.project, [remote], "sample", 1, starting_position=(5, 6, 7)
    )

    assert (of_file.creation_info, of_file.dataset_id) == ("drawn by Ada.nml", here.dataset_id)
    assert of_server.edit_position == Vec3Int(5, 6, 7)
    stored = server.world.database.row("SELECT doc FROM tasks WHERE id = ?", (of_server.task_id,))
    assert stored is not None
    assert stored["doc"]["base"] == remote.annotation_id


def test_bases_that_name_no_task_are_refused_before_anything_is_sent(server: Server) -> None:
    here = campaign(server)
    nml = _nml(server, here.dataset_id)
    mistakes = {
        "no base": [],
        "call twice": [("a.nml", nml), "abc"],
        r"both 'a\.nml'": [("a.nml", nml), ("a.nml", nml)],
        r"'a\.txt': the server reads \.nml": [("a.txt", nml)],
    }
    for said, bases in mistakes.items():
        with pytest.raises(InputError, match=said):
            Task.create_from_annotations(here.task_type, here.project, bases, "sample", 1)  # type: ignore[arg-type]
    assert here.project.get_tasks() == []


def test_an_annotation_of_no_task_needs_a_place_to_begin(server: Server) -> None:
    here = campaign(server)
    uploaded = (
        current_context()
        .client()
        .annotation_upload(file_body=_nml(server, here.dataset_id), filename="a.nml", createGroupForEachFile=False)
    )
    base = uploaded.annotation.id

    with pytest.raises(InputError, match=f"annotation {base} is of no task.*give starting_position"):
        Task.create_from_annotations(here.task_type, here.project, [base], "sample", 1)
    (made,) = Task.create_from_annotations(
        here.task_type, here.project, [base], "sample", 1, starting_position=(3, 2, 1)
    )
    assert (made.edit_position, made.dataset_id) == (Vec3Int(3, 2, 1), here.dataset_id)


def test_a_server_that_names_no_dataset_is_not_guessed_about(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    here = campaign(server)
    here.tasks(1)
    base = server.take()
    told = current_context().client().annotation_info(annotation_id=base)
    bare = ApiAnnotation.model_validate({**told.to_body(), "datasetId": None})
    monkeypatch.setattr(WkApiClient, "annotation_info", lambda self, *, annotation_id: bare)

    with pytest.raises(UnexpectedAnswerError, match=f"annotation {base}: the server does not say of which dataset"):
        Task.create_from_annotations(here.task_type, here.project, [base], "sample", 1)
