"""A campaign on a server: everything is there once, whatever crashes or repeats, and what keeps people from work is said."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.facility.campaigns import campaign, finished, found
from tests.served import Server, no_waiting, server
from wk_assets.administration import task_request
from wk_assets.administration.task_type import TaskType
from wk_assets.administration.tasks import Project, Task
from wk_assets.client.context import current_context, webknossos_context
from wk_assets.errors import InputError, LockedError, NoAnswerError, NotOnServerError, UnknownNameError
from wk_assets.facility import campaign_run
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_places import grid_places
from wk_assets.facility.campaign_plan import CampaignPlan, TaskKey, plan_campaign
from wk_assets.facility.campaign_run import campaign_status, create_planned_tasks, tasks_there
from wk_assets.facility.campaign_work import GridWork
from wk_assets.facility.follow_up import FinishedAnnotation, FollowUps, follow_ups
from wk_assets.facility.follow_up_run import run_follow_ups
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.locks import exclusive

__all__ = ["no_waiting", "server"]
VOLUME = {"name": "paint", "kind": "volume"}
REVIEW = {"rule": "review", "experience": {"domain": "sample", "value": 1}}


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def planned(server: Server, amount: int = 3, **changes: Any) -> CampaignPlan:
    places = grid_places(GridWork(rule="grid", size=(4, 4, 4)), BoundingBox((0, 0, 0), (4 * amount, 4, 4)))
    return plan_campaign(campaign(**changes), server.dataset(), places)


def keys_on_server(plan: CampaignPlan) -> Counter[str | None]:
    project = Project.get_by_name(plan.campaign.project.name)
    return Counter(task.creation_info for task in project.get_tasks(fetch_all=True))


def once_each(plan: CampaignPlan) -> Counter[str | None]:
    return Counter(task.key for task in plan.tasks)


def test_project_task_type_and_tasks_are_made_as_the_campaign_says(server: Server, locks: Path) -> None:
    project = {"name": "p", "team": "annotators", "priority": 7, "minutes_per_task": 15}
    kind = {
        **VOLUME,
        "mags": {"min": 2},
        "settings": {"brushSize": 30},
        "modes": ["orthogonal"],
        "description": "Paint.",
    }
    plan = planned(server, instances=2, project=project, task_type=kind)
    made = create_planned_tasks(plan, locks)

    assert (made.created, made.existing, made.complete) == (tuple(task.key for task in plan.tasks), (), True)
    there = Project.get_by_name("p")
    assert (there.priority, there.expected_time, there.team_name) == (7, 15, "annotators")
    task_type = TaskType.get_by_name("paint")
    assert (task_type.tracingType, task_type.description) == ("volume", "Paint.")
    settings = task_type.settings or {}
    assert (settings["magRestrictions"], settings["brushSize"], settings["allowedModes"]) == (
        {"min": 2},
        30,
        ["orthogonal"],
    )
    first = tasks_there(plan.campaign)[plan.tasks[0].key]
    assert (first.bounding_box, first.edit_position, first.dataset_id) == (
        plan.tasks[0].place.box, plan.tasks[0].place.position, plan.dataset_id,
    )  # fmt: skip
    assert (first.status.pending_instance_count, first.experience.value) == (2, 1)


def test_two_hundred_and_fifty_volume_tasks_are_three_requests_and_none_when_they_are_there(
    server: Server, locks: Path
) -> None:
    plan = planned(server, 250, task_type=VOLUME)
    made = create_planned_tasks(plan, locks)
    again = create_planned_tasks(plan, locks)

    assert len(made.created) == 250
    assert (again.created, len(again.existing)) == ((), 250)
    assert server.requests("POST", "/tasks") == 3
    assert keys_on_server(plan) == once_each(plan)


@pytest.mark.parametrize("kind", ["status", "lost", "drop"])
def test_creation_that_breaks_half_way_is_completed_by_the_next_one_with_each_task_once(
    server: Server, locks: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_request, "TASKS_PER_REQUEST", {"volume": 10})
    plan = planned(server, 25, task_type=VOLUME)
    server.fault(kind=kind, method="POST", path="/tasks$", skip=1, times=1)
    broken = create_planned_tasks(plan, locks)

    assert not broken.complete
    assert (len(broken.created), len(broken.unsure), len(broken.unsent)) == (10, 10, 5)
    assert broken.cause is not None
    completed = create_planned_tasks(plan, locks)
    assert completed.complete
    assert len(completed.created) == (5 if kind == "lost" else 15)
    assert keys_on_server(plan) == once_each(plan)


@pytest.mark.parametrize("step", ["/projects$", "/taskTypes$"])
def test_a_lost_answer_to_making_project_or_task_type_does_not_make_a_second_one(
    server: Server, locks: Path, step: str
) -> None:
    plan = planned(server)
    server.fault(kind="drop", method="POST", path=step)
    with pytest.raises(NoAnswerError):
        create_planned_tasks(plan, locks)
    server.fault(kind="lost", method="POST", path=step)
    with pytest.raises(Exception, match="500"):
        create_planned_tasks(plan, locks)

    assert create_planned_tasks(plan, locks).complete
    assert keys_on_server(plan) == once_each(plan)
    assert len([one for one in Project.get_list() if one.name == "p"]) == 1


def test_tasks_that_the_server_refuses_are_told_one_by_one(server: Server, locks: Path) -> None:
    plan = planned(server)
    tasks = list(plan.tasks)
    tasks[1] = replace(tasks[1], base="f" * 24)
    made = create_planned_tasks(replace(plan, tasks=tuple(tasks)), locks)

    assert not made.complete
    assert [(one.key, "f" * 24 in one.message) for one in made.refused] == [(tasks[1].key, True)]
    assert made.created == (tasks[0].key, tasks[2].key)


def test_the_team_is_let_see_the_dataset_unless_the_campaign_forbids(server: Server, locks: Path) -> None:
    plan = planned(server, project={"name": "p", "team": "annotators", "share": False})
    with pytest.raises(InputError, match="'annotators' may not see dataset 'brain'"):
        create_planned_tasks(plan, locks)
    shared = planned(server)

    assert create_planned_tasks(shared, locks).problems == ()
    told = current_context().client().dataset_info(dataset_id=shared.dataset_id or "")
    assert "annotators" in {team.name for team in told.allowed_teams}


def test_that_nobody_can_do_the_tasks_is_a_warning_with_the_names_of_the_team(server: Server, locks: Path) -> None:
    made = create_planned_tasks(planned(server, experience={"domain": "nuclei", "value": 2}), locks)

    assert made.complete
    assert len(made.warnings) == 1
    assert "nobody of team 'annotators' has experience 'nuclei' of 2 or more" in made.warnings[0]
    assert "ben@example.org" in made.warnings[0]


def test_what_is_on_the_server_otherwise_than_the_campaign_says_is_refused(server: Server, locks: Path) -> None:
    create_planned_tasks(planned(server), locks)

    with pytest.raises(InputError, match="is for skeleton, not for volume"):
        create_planned_tasks(planned(server, task_type={"name": "trace", "kind": "volume"}), locks)
    with pytest.raises(InputError, match=r"has mags \{\}, not \{'max': 4\}"):
        create_planned_tasks(
            planned(server, task_type={"name": "trace", "kind": "skeleton", "mags": {"max": 4}}), locks
        )
    with pytest.raises(InputError, match="is of team 'annotators', not of 'Default'"):
        create_planned_tasks(planned(server, project={"name": "p", "team": "Default"}), locks)
    create_planned_tasks(planned(server, project={"name": "p", "team": "annotators", "priority": 3}), locks)
    assert Project.get_by_name("p").priority == 3


def test_what_shall_not_be_made_is_not(server: Server, locks: Path) -> None:
    with pytest.raises(UnknownNameError, match="no task type 'trace'"):
        create_planned_tasks(planned(server, task_type={"name": "trace", "kind": "skeleton", "create": False}), locks)
    with pytest.raises(UnknownNameError, match="no project 'p'"):
        create_planned_tasks(planned(server, project={"name": "p", "team": "annotators", "create": False}), locks)
    with pytest.raises(UnknownNameError, match="'nobody'"):
        create_planned_tasks(planned(server, project={"name": "p", "team": "nobody"}), locks)
    with pytest.raises(InputError, match="is not on the server yet"):
        create_planned_tasks(plan_campaign(campaign(), None, ()), locks)
    with pytest.raises(InputError, match="is not active"):
        create_planned_tasks(planned(server, active=False), locks)
    with pytest.raises(NotOnServerError):
        Project.get_by_name("p")


def test_tasks_on_a_dataset_that_was_published_anew_stay_and_are_told(server: Server, locks: Path) -> None:
    first = planned(server)
    create_planned_tasks(first, locks)
    again = create_planned_tasks(planned(server), locks)

    assert (again.created, len(again.existing), again.complete) == ((), 3, True)
    assert f"are on dataset {first.dataset_id}, not on" in again.warnings[0]


def test_one_program_at_a_time_makes_the_tasks_of_a_campaign(
    server: Server, locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_run, "LOCK_WAIT_SECONDS", 0.0)
    with exclusive(locks / "campaign-seeds.lock", "a test"), pytest.raises(LockedError, match="a test"):
        create_planned_tasks(planned(server), locks)


def test_a_manager_of_the_team_can_do_all_of_it(server: Server, locks: Path) -> None:
    plan = planned(server, project={"name": "p", "team": "annotators", "share": False})
    current_context().client().dataset_update_teams(
        dataset_id=plan.dataset_id or "", team_ids=[team.id for team in current_context().client().team_list()]
    )
    with webknossos_context(url=server.url, token=server.seed.manager):
        assert create_planned_tasks(plan, locks).complete


# ---------------------------------------------------------------------- what follows


class Work:
    """Let the stand-in's annotators work on a campaign, and follow what they did."""

    def __init__(self, server: Server, locks: Path) -> None:
        self.server, self.locks = server, locks

    def begin(self, *rules: dict[str, Any], **changes: Any) -> Campaign:
        self.plan = planned(self.server, 1, then=list(rules), **changes)
        assert create_planned_tasks(self.plan, self.locks).complete
        return self.plan.campaign

    def finished(self, annotation_id: str, **changes: Any) -> FinishedAnnotation:
        told = current_context().client().annotation_info(annotation_id=annotation_id)
        task = (told.model_extra or {})["task"]
        owner = "" if told.owner is None else told.owner.id
        return finished(
            annotation_id, modified=told.modified, task_id=task["id"], key=task["creationInfo"], author=owner,
            dataset_id=self.plan.dataset_id, position=self.plan.tasks[0].place.position, **changes,
        )  # fmt: skip

    def follow(self, campaign: Campaign, *done: FinishedAnnotation) -> tuple[FollowUps, Any]:
        told = follow_ups(campaign, done, {})
        return told, run_follow_ups(campaign, told, {campaign.name: campaign}, self.locks)


@pytest.fixture
def worked(server: Server, locks: Path) -> Work:
    return Work(server, locks)


def test_a_review_goes_on_from_the_result_and_is_given_to_somebody_else_once(worked: Work) -> None:
    here = worked.begin(REVIEW)
    one = worked.finished(worked.server.take(0))
    told, run = worked.follow(here, one)
    _, again = worked.follow(here, one)

    assert run.complete
    assert run.creations["seeds"].created == (told.tasks[0].key,)
    assert (again.creations["seeds"].created, again.creations["seeds"].existing) == ((), (told.tasks[0].key,))
    there = tasks_there(here)
    assert set(there) == {worked.plan.tasks[0].key, told.tasks[0].key}
    infos = there[told.tasks[0].key].get_annotation_infos()
    assert len(infos) == 1
    assert infos[0].owner_id != one.author_id
    assert {one.stage: (one.open, one.active, one.finished) for one in campaign_status(here)} == {
        "first": (0, 0, 1), "review": (0, 1, 0),
    }  # fmt: skip


def test_a_review_that_only_its_author_could_do_waits_until_somebody_else_can(worked: Work) -> None:
    here = worked.begin({"rule": "review", "experience": {"domain": "sample", "value": 10}})
    one = worked.finished(worked.server.take(0))
    admin = current_context().client().user_current().id
    told, run = worked.follow(here, replace(one, author_id=admin))

    assert not run.complete
    assert list(run.waiting) == [told.tasks[0].key]
    assert "give it to somebody else" in run.waiting[told.tasks[0].key]
    assert len(tasks_there(here)) == 1


def test_a_follow_up_whose_giving_out_broke_is_given_out_by_the_next_run(worked: Work) -> None:
    here = worked.begin(REVIEW)
    one = worked.finished(worked.server.take(0))
    worked.server.fault(kind="status", status=500, method="POST", path="/assign$")
    _, broken = worked.follow(here, one)
    told, healed = worked.follow(here, one)
    assert "was not given to anybody" in broken.creations["seeds"].problems[0]
    assert (broken.complete, healed.complete) == (False, True)
    task = tasks_there(here)[told.tasks[0].key]

    assert (task.status.pending_instance_count, task.status.active_instance_count) == (0, 1)


@pytest.mark.parametrize(("chain", "route"), [("server", "/tasks$"), ("file", "/createFromFiles$")])
@pytest.mark.parametrize("kind", ["lost", "drop"])
def test_a_follow_up_whose_creation_broke_is_made_once(worked: Work, chain: str, route: str, kind: str) -> None:
    here = worked.begin({**REVIEW, "chain": chain})
    one = worked.finished(worked.server.take(0))
    worked.server.fault(kind=kind, method="POST", path=route)
    _, broken = worked.follow(here, one)
    told, healed = worked.follow(here, one)
    listed = [task.creation_info or "" for task in Project.get_by_name("p").get_tasks()]

    assert (broken.complete, healed.complete) == (False, True)
    assert broken.creations["seeds"].unsure == (told.tasks[0].key,)
    assert Counter(str(TaskKey.parse(name)) for name in listed) == Counter(
        [here.name + "/" + told.tasks[0].key.split("/")[1], told.tasks[0].key]
    )


def test_a_campaign_that_can_not_go_on_keeps_no_other_one_from_it(worked: Work) -> None:
    onward = [{"rule": "next", "campaign": name, "name": name} for name in ("asleep", "awake")]
    here = worked.begin(*onward)
    others = {"asleep": campaign(name="asleep", active=False), "awake": campaign(name="awake")}
    told = follow_ups(here, [worked.finished(worked.server.take(0))], others)
    run = run_follow_ups(here, told, others, worked.locks)

    assert not run.complete
    assert "is not active" in run.creations["asleep"].problems[0]
    assert run.creations["awake"].complete
    assert len(tasks_there(others["awake"])) == 1


def test_a_result_that_is_sent_as_a_file_is_named_after_its_key(worked: Work) -> None:
    here = worked.begin({**REVIEW, "chain": "file"})
    one = worked.finished(worked.server.take(0))
    told, run = worked.follow(here, one)
    worked.follow(here, one)

    assert run.complete
    assert worked.server.requests("POST", "/createFromFiles") == 1
    task = tasks_there(here)[told.tasks[0].key]
    assert task.creation_info == told.tasks[0].key.replace("/", "~") + ".nml"


def test_a_repair_begins_where_the_finding_is_and_may_be_done_by_its_author(worked: Work) -> None:
    here = worked.begin({"rule": "repair"})
    one = worked.finished(worked.server.take(0), findings=(found(position=Vec3Int(3, 1, 2)),))
    told, run = worked.follow(here, one)
    task = tasks_there(here)[told.tasks[0].key]

    assert run.complete
    assert (task.edit_position.to_tuple(), task.status.pending_instance_count) == ((3, 1, 2), 1)


def test_what_annotators_agree_on_is_withdrawn_from_the_rest(worked: Work) -> None:
    here = worked.begin({"rule": "stop", "agree": 2, "threshold": 0.9}, instances=3)
    names = [worked.server.take(0), worked.server.take(1)]
    done = [
        worked.finished(name, agreement={other: 0.95 for other in names if other != name}, open_instances=1)
        for name in names
    ]
    _, run = worked.follow(here, *done)
    _, again = worked.follow(here, *done)

    assert run.withdrawn == (done[0].task_id,)
    assert again.withdrawn == ()
    assert Task.get_by_id(done[0].task_id).status.pending_instance_count == 0
