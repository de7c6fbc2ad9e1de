"""Make the tasks that follow from finished annotations, and withdraw what is not needed any more.

May be repeated after whatever failure, like `campaign_run`: what a key names is made once. A result goes on from the server,
or is downloaded and sent again as a file that is named after the key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wk_assets.administration.tasks import Task
from wk_assets.client.context import current_context
from wk_assets.errors import (
    InputError,
    NotOnServerError,
    RefusedTask,
    RequestRefusedError,
    ServerError,
    TaskCreationError,
)
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_plan import PlannedTask, file_name
from wk_assets.facility.campaign_run import (
    LOCK_WAIT_SECONDS,
    Creation,
    Prepared,
    campaign_tasks,
    experienced,
    failed_creation,
    make_missing,
    members_of,
    prepare,
)
from wk_assets.facility.follow_up import FollowUps
from wk_assets.people.members import User
from wk_assets.storage.locks import exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpRun:
    """Say what came of follow-ups: of the tasks by campaign, and which tasks were withdrawn (by id).

    waiting: tasks (by key) that are not made, because nobody but those who may not do them could.
    """

    creations: Mapping[str, Creation]
    withdrawn: tuple[str, ...] = ()
    waiting: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Say whether everything that follows is on the server."""
        return not self.waiting and all(creation.complete for creation in self.creations.values())


def run_follow_ups(
    campaign: Campaign, planned: FollowUps, campaigns: Mapping[str, Campaign], locks: Path
) -> FollowUpRun:
    """Make what follows from a campaign's annotations. `campaigns`: by name, all that rules lead to.

    What goes wrong with a task or a campaign is told in the result, and hinders no other. Raises LockedError while another
    program makes the campaign's tasks, ServerError if withdrawing fails.
    """
    by_campaign: dict[str, list[PlannedTask]] = {}
    for task in planned.tasks:
        by_campaign.setdefault(task.campaign, []).append(task)
    creations: dict[str, Creation] = {}
    waiting: dict[str, str] = {}
    with exclusive(locks / f"campaign-{campaign.name}.lock", f"follow-ups of {campaign.name}", LOCK_WAIT_SECONDS):
        for name, tasks in by_campaign.items():
            try:
                creations[name], held_back = _make(campaigns.get(name, campaign), tasks)
            except (InputError, ServerError) as error:
                # One campaign that can not go on keeps no other one from it; what was made is found by the next run
                creations[name] = Creation(
                    unsure=tuple(task.key for task in tasks), problems=(str(error),), cause=error
                )
                continue
            waiting.update(held_back)
        withdrawn = tuple(task_id for task_id in planned.withdrawn if _withdraw(task_id))
    return FollowUpRun(creations=creations, withdrawn=withdrawn, waiting=waiting)


def _make(campaign: Campaign, planned: Sequence[PlannedTask]) -> tuple[Creation, dict[str, str]]:
    prepared = prepare(campaign, planned[0].dataset_id)
    there = campaign_tasks(campaign, prepared.project)
    people = _People(prepared)
    waiting = {
        task.key: people.why_nobody(task) for task in planned if task.key not in there and not people.who_may(task)
    }
    able = [task for task in planned if task.key not in waiting]
    made = make_missing(prepared, [task for task in able if not task.from_file], there)
    from_files = [_make_from_file(prepared, task, there) for task in able if task.from_file]
    creation = _together([made, *from_files])
    if any(task.not_by for task in able):
        now = campaign_tasks(campaign, prepared.project) if creation.created else there
        creation = replace(creation, problems=(*creation.problems, *_given(people, able, now)))
    return creation, waiting


def _given(people: "_People", planned: Sequence[PlannedTask], there: Mapping[str, Task]) -> list[str]:
    """Give out what not everybody may do; returns what went wrong, task by task."""
    problems: list[str] = []
    for task in planned:
        if task.not_by and task.key in there:
            try:
                people.give(there[task.key], task)
            except ServerError as error:
                problems.append(f"{task.key} is there, but was not given to anybody: {error}")
    return problems


def _make_from_file(prepared: Prepared, task: PlannedTask, there: Mapping[str, Task]) -> Creation:
    """Download the result that a task goes on from, and make the task of the file; one at a time, for files are large."""
    if task.key in there:
        return Creation(existing=(task.key,))
    body, name = current_context().client().annotation_download(annotation_id=task.base or "", skip_volume_data=False)
    try:
        Task.create_from_annotations(
            prepared.task_type,
            prepared.project,
            [(file_name(task, Path(name).suffix), body)],
            task.experience.domain,
            task.experience.value,
            instances=task.instances,
            bounding_box=task.place.box,
        )
    except TaskCreationError as error:
        return failed_creation(error, [task.key], (), ())
    except RequestRefusedError as error:
        return Creation(refused=(RefusedTask(number=0, key=task.key, message=str(error)),), cause=error)
    return Creation(created=(task.key,))


def _together(creations: Sequence[Creation]) -> Creation:
    first, *others = creations
    for other in others:
        first = replace(
            first,
            created=first.created + other.created,
            existing=first.existing + other.existing,
            refused=first.refused + other.refused,
            unsure=first.unsure + other.unsure,
            unsent=first.unsent + other.unsent,
            problems=first.problems + other.problems,
            cause=first.cause or other.cause,
        )
    return first


class _People:
    """Know who may do which task. The server's own giving out knows no `not this one`, so such tasks are given by hand."""

    def __init__(self, prepared: Prepared) -> None:
        self._team = prepared.team
        self._members: list[User] | None = None
        self._given: dict[str, int] = {}

    def who_may(self, task: PlannedTask) -> bool:
        """Say whether anybody may do a task; without `not_by` the server sees to that."""
        return not task.not_by or bool(self._able(task))

    def why_nobody(self, task: PlannedTask) -> str:
        """Say why nobody may."""
        needed = task.experience
        return (
            f"nobody of team {self._team.name!r} but those whose work it is about has experience {needed.domain!r} of "
            f"{needed.value} or more; give it to somebody else, and the task is made"
        )

    def give(self, task: Task, planned: PlannedTask) -> None:
        """Give the instances that nobody has taken to those of the able who got the least so far; by e-mail if equal."""
        if task.status.pending_instance_count < 1:
            return
        taken = {info.owner_id for info in task.get_annotation_infos()}
        able = [user for user in self._able(planned) if user.user_id not in taken]
        able.sort(key=lambda user: (self._given.get(user.user_id, 0), user.email))
        for user in able[: task.status.pending_instance_count]:
            task.assign_to(user)
            self._given[user.user_id] = self._given.get(user.user_id, 0) + 1

    def _able(self, task: PlannedTask) -> list[User]:
        if self._members is None:
            self._members = members_of(self._team)
        return [
            user for user in self._members if user.user_id not in task.not_by and experienced(user, task.experience)
        ]


def _withdraw(task_id: str) -> bool:
    """Let nobody begin a task any more; says whether anything was left to begin."""
    try:
        task = Task.get_by_id(task_id)
    except NotOnServerError:
        return False  # somebody deleted it, and so nobody begins it
    if task.status.pending_instance_count == 0:
        return False
    task.update(remaining_instances=0)
    return True
