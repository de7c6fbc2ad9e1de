"""How far projects are, pausing them, and giving a task to somebody by hand."""

import pytest

from tests.administration.campaign import campaign
from tests.served import Server
from wk_assets.administration.project_progress import project_progress
from wk_assets.administration.tasks import Project
from wk_assets.client.context import webknossos_context
from wk_assets.errors import ForbiddenError, RequestRefusedError
from wk_assets.people.members import User


def test_progress_counts_what_is_open_worked_on_and_done_and_how_long_it_took(server: Server) -> None:
    here = campaign(server)
    here.tasks(3)
    server.take(0)
    server.take(1, finish=False)
    (progress,) = project_progress()

    assert progress.project.name == "p"
    assert (progress.tasks, progress.open, progress.active, progress.finished) == (3, 1, 1, 1)
    assert progress.seconds is not None
    assert progress.seconds >= 60


def test_projects_are_sorted_and_one_without_tasks_is_told_too(server: Server) -> None:
    for name in ("z", "a"):
        Project.create(name, "Default", expected_time=None)

    assert [(one.project.name, one.tasks, one.seconds) for one in project_progress()] == [("a", 0, 0.0), ("z", 0, 0.0)]


def test_who_manages_no_team_sees_projects_without_numbers(server: Server) -> None:
    campaign(server)
    with webknossos_context(url=server.url, token=server.seed.annotators[0]):
        (progress,) = project_progress()

    assert (progress.project.name, progress.open, progress.seconds) == ("p", None, None)


def test_of_a_paused_project_nothing_is_given_out_until_it_is_resumed(server: Server) -> None:
    here = campaign(server)
    here.tasks(1)
    assert here.project.pause().paused
    with pytest.raises(AssertionError, match="no task available"):
        server.take(0)

    assert not here.project.resume().paused
    assert server.take(0)


def test_pausing_is_for_managers(server: Server) -> None:
    here = campaign(server)
    with webknossos_context(url=server.url, token=server.seed.annotators[0]), pytest.raises(ForbiddenError):
        here.project.pause()


def test_a_task_is_given_to_somebody_whatever_experience_says(server: Server) -> None:
    here = campaign(server)
    (task,) = here.tasks(1)
    dan = next(user for user in User.get_all_managed_users() if user.email == "dan@example.org")
    assigned = task.assign_to(dan)

    assert assigned.status.pending_instance_count == 0
    assert [info.owner_id for info in task.get_annotation_infos()] == [dan.user_id]
    with pytest.raises(RequestRefusedError, match="no pending instances"):
        task.assign_to(dan.user_id)
