"""Carry out the plan of a campaign on the server: project, task type, access, then the tasks that are missing.

May be repeated after whatever failure: what is there is found by name, tasks by their keys. The server has no keys of its
own, so one program at a time creates the tasks of a campaign: `create_planned_tasks` holds a lock of the facility's home.
Everything asks as the user of the current context (`client.context`), who must manage the project's team.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wk_assets.administration.task_listing import tasks_of_project
from wk_assets.administration.task_parameters import TaskParameters
from wk_assets.administration.task_type import DEFAULT_SETTINGS, TaskType
from wk_assets.administration.tasks import Project, Task
from wk_assets.client.context import current_context
from wk_assets.errors import (
    InputError,
    NotOnServerError,
    RefusedTask,
    RequestRefusedError,
    TaskCreationError,
    UnknownNameError,
)
from wk_assets.facility.campaign import Campaign, TaskTypeSettings
from wk_assets.facility.campaign_plan import CampaignPlan, PlannedTask, TaskKey, keys_of
from wk_assets.facility.campaign_rules import Experience
from wk_assets.people.members import Team, User
from wk_assets.storage.locks import exclusive

LOCK_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Hold what tasks are made with. `warnings`: what keeps annotators from getting them, without being a mistake."""

    project: Project
    task_type: TaskType
    team: Team
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Say, by key, what came of each planned task.

    refused: those that the server refused, with its reason; unsure: those whose request failed, which may be there or not;
    unsent: those that were not asked for any more. Creating again makes what is missing, and nothing twice.
    warnings: what keeps annotators from working on tasks that are there. cause: the failure that ended the sending.
    """

    created: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()
    refused: tuple[RefusedTask, ...] = ()
    unsure: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    cause: BaseException | None = field(default=None, compare=False)

    @property
    def complete(self) -> bool:
        """Say whether every planned task is on the server, and can be worked on as far as the server says."""
        return not (self.refused or self.unsure or self.unsent or self.problems)


def create_planned_tasks(plan: CampaignPlan, locks: Path) -> Creation:
    """Make the planned tasks that are not on the server yet, in as few requests as it takes.

    `locks`: the folder of the facility's locks. Raises InputError if the dataset is not published, or the server has project
    or task type otherwise; LockedError while another program creates tasks of the campaign; ServerError if nothing was made.
    """
    with exclusive(locks / f"campaign-{plan.campaign.name}.lock", f"tasks of {plan.campaign.name}", LOCK_WAIT_SECONDS):
        prepared = prepare(plan.campaign, plan.dataset_id)
        there = campaign_tasks(plan.campaign, prepared.project)
        made = make_missing(prepared, plan.tasks, there)
        return replace(made, warnings=(*made.warnings, *_on_another_dataset(plan, there)))


def _on_another_dataset(plan: CampaignPlan, there: Mapping[str, Task]) -> list[str]:
    """Say which tasks are on a dataset that is not the campaign's any more, e.g. because it was published anew."""
    others = {there[task.key].dataset_id for task in plan.tasks if task.key in there} - {plan.dataset_id}
    return [
        f"tasks of campaign {plan.campaign.name!r} are on dataset {other}, not on {plan.dataset_id}; they stay, with the work "
        "on them. To have it all done anew, give the campaign another name"
        for other in sorted(others)
    ]


def make_missing(prepared: Prepared, planned: Sequence[PlannedTask], there: Mapping[str, Task]) -> Creation:
    """Make those of some planned tasks of one campaign whose keys are not among those that are `there`."""
    existing = tuple(task.key for task in planned if task.key in there)
    missing = [task for task in planned if task.key not in there]
    if not missing:
        return Creation(existing=existing, warnings=prepared.warnings)
    try:
        Task.create_many(_parameters(prepared, task) for task in missing)
    except TaskCreationError as error:
        return failed_creation(error, [task.key for task in missing], existing, prepared.warnings)
    return Creation(created=tuple(task.key for task in missing), existing=existing, warnings=prepared.warnings)


def failed_creation(
    error: TaskCreationError, keys: Sequence[str], existing: tuple[str, ...], warnings: tuple[str, ...]
) -> Creation:
    """Say by key what an error says by number."""
    return Creation(
        created=tuple(keys[number] for number in sorted(error.created)),
        existing=existing,
        refused=tuple(
            RefusedTask(number=one.number, key=keys[one.number], message=one.message) for one in error.refused
        ),
        unsure=tuple(keys[number] for number in error.unsure),
        unsent=tuple(keys[number] for number in error.unsent),
        warnings=warnings,
        problems=error.warnings,
        cause=error.__cause__,
    )


def campaign_tasks(campaign: Campaign, project: Project) -> dict[str, Task]:
    """Find the tasks of a campaign among those of its project, by their keys; of several with one key the oldest."""
    told = tasks_of_project(current_context().client(), project.project_id)  # the oldest comes last
    return {
        key: Task.of(told[number])
        for key, number in keys_of([one.creation_info for one in told], campaign.name).items()
    }


def prepare(campaign: Campaign, dataset_id: str | None) -> Prepared:
    """Make sure of everything that a task needs, and create it where the campaign says so.

    Raises InputError if the campaign is not active or its dataset not published, or if project or task type are there and are
    not what the campaign says; UnknownNameError for a team, project or task type that is not there and not to be created.
    """
    if not campaign.active:
        raise InputError(f"campaign {campaign.name!r} is not active, so it makes no tasks; write 'active: true'")
    if dataset_id is None:
        raise InputError(
            f"campaign {campaign.name!r}: dataset {campaign.dataset!r} is not on the server yet; publish it with 'wk-assets publish'"
        )
    team = Team.meant_by(campaign.project.team)
    task_type = _task_type(campaign, team)
    project = _project(campaign, team)
    _let_see(campaign, team, dataset_id)
    return Prepared(
        project=project, task_type=task_type, team=team, warnings=tuple(nobody_can(team, campaign.experience))
    )


def nobody_can(team: Team, needed: Experience) -> list[str]:
    """Say that nobody in a team has the experience that a task needs, if it is so."""
    members = members_of(team)
    if any(experienced(user, needed) for user in members):
        return []
    names = ", ".join(sorted(user.email for user in members)) or "nobody"
    told = (
        f"nobody of team {team.name!r} has experience {needed.domain!r} of {needed.value} or more, so nobody will be given "
        f"these tasks; give it to somebody of the team ({names})"
    )
    return [told]


def members_of(team: Team) -> list[User]:
    """List the active users of a team whom the current user manages."""
    users = User.get_all_managed_users()
    return [user for user in users if user.is_active and any(one.id == team.id for one in user.teams)]


def experienced(user: User, needed: Experience) -> bool:
    """Say whether a user has enough experience; who has none of a domain has less than 0."""
    return user.experiences.get(needed.domain, -1) >= needed.value


# ---------------------------------------------------------------------- project, task type, access


def _project(campaign: Campaign, team: Team) -> Project:
    wanted = campaign.project
    try:
        found = Project.get_by_name(wanted.name)
    except NotOnServerError as error:
        if not wanted.create:
            raise UnknownNameError(
                f"campaign {campaign.name!r}: there is no project {wanted.name!r}; make it, or write 'create: true'"
            ) from error
        try:
            return Project.create(wanted.name, team, wanted.minutes_per_task, wanted.priority)
        except RequestRefusedError:
            # Somebody else may have made it meanwhile; if not, the refusal was about something else
            made_meanwhile = _only_if_there(wanted.name)
            if made_meanwhile is None:
                raise
            found = made_meanwhile
    if found.team_id != team.id:
        raise InputError(
            f"campaign {campaign.name!r}: project {found.name!r} is of team {found.team_name!r}, not of {team.name!r}; correct "
            "the team, or give the project another name"
        )
    if found.priority == wanted.priority and wanted.minutes_per_task in (None, found.expected_time):
        return found
    return found.update(priority=wanted.priority, expected_time=wanted.minutes_per_task)


def _only_if_there(name: str) -> Project | None:
    try:
        return Project.get_by_name(name)
    except NotOnServerError:
        return None


def _task_type(campaign: Campaign, team: Team) -> TaskType:
    wanted = campaign.task_type
    known = {one.name: one for one in TaskType.get_list()}
    if wanted.name not in known:
        if not wanted.create:
            there = ", ".join(sorted(known)) or "none"
            raise UnknownNameError(
                f"campaign {campaign.name!r}: there is no task type {wanted.name!r} that this user sees (there are: {there}); make "
                "it, or write 'create: true'"
            )
        try:
            return TaskType.create(wanted.name, wanted.description, team, wanted.kind, settings_of(wanted))
        except RequestRefusedError:
            known = {one.name: one for one in TaskType.get_list()}
            if wanted.name not in known:
                raise
    found = known[wanted.name]
    remedy = "neither can be changed on the server, so give the task type another name"
    if found.tracingType is not None and found.tracingType != wanted.kind:
        raise InputError(
            f"campaign {campaign.name!r}: task type {wanted.name!r} is for {found.tracingType}, not for {wanted.kind}; {remedy}"
        )
    mags, there_mags = settings_of(wanted)["magRestrictions"], (found.settings or {}).get("magRestrictions") or {}
    if wanted.create and {key: value for key, value in there_mags.items() if value is not None} != mags:
        raise InputError(
            f"campaign {campaign.name!r}: task type {wanted.name!r} has mags {there_mags}, not {mags}; {remedy}"
        )
    return found


def settings_of(wanted: TaskTypeSettings) -> dict[str, Any]:
    """Give the settings of a task type as the server takes them; without `mags` every mag is allowed."""
    mags = {key: value for key, value in (("min", wanted.mags.min), ("max", wanted.mags.max)) if value is not None}
    return {**DEFAULT_SETTINGS, **wanted.settings, "allowedModes": list(wanted.modes), "magRestrictions": mags}


def _let_see(campaign: Campaign, team: Team, dataset_id: str) -> None:
    """Let the team see the dataset, if it does not and the campaign says so.

    Raises InputError if it may not: nobody could open the tasks.
    """
    client = current_context().client()
    told = client.dataset_info(dataset_id=dataset_id)
    through_folders = (told.model_extra or {}).get("allowedTeamsCumulative") or []
    seen_by = {one.id for one in told.allowed_teams} | {str(one.get("id")) for one in through_folders}
    if team.id in seen_by or told.is_public:
        return
    if not campaign.project.share:
        raise InputError(
            f"campaign {campaign.name!r}: team {team.name!r} may not see dataset {told.name!r} ({dataset_id}), so nobody could "
            "open the tasks; let it see the dataset, or write 'share: true' in 'project'"
        )
    client.dataset_update_teams(dataset_id=dataset_id, team_ids=[*(one.id for one in told.allowed_teams), team.id])


def _parameters(prepared: Prepared, task: PlannedTask) -> TaskParameters:
    if task.dataset_id is None:
        raise InputError(f"task {task.key}: its dataset is not on the server yet; publish it first")
    return TaskParameters(
        task_type_id=prepared.task_type,
        project_name=prepared.project,
        needed_experience_domain=task.experience.domain,
        needed_experience_value=task.experience.value,
        starting_position=task.place.position,
        dataset_id=task.dataset_id,
        instances=task.instances,
        bounding_box=task.place.box,
        creation_info=task.key,
        description=task.description or None,
        base=task.base,
    )


# ---------------------------------------------------------------------- looking


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """Count the work of a campaign that came by one rule; `stage`: the rule's name, `first` for planned work."""

    stage: str
    tasks: int
    open: int
    active: int
    finished: int


def tasks_there(campaign: Campaign) -> dict[str, Task]:
    """Find the campaign's tasks on the server, by key; none while its project is not there. Changes nothing."""
    project = _only_if_there(campaign.project.name)
    return {} if project is None else campaign_tasks(campaign, project)


def campaign_status(campaign: Campaign) -> list[StageStatus]:
    """Count the instances of a campaign's tasks, stage by stage: planned work first, then each rule's by name.

    What is being prepared counts as finished for a moment: that is how the server counts.
    """
    stages: dict[str, list[Task]] = {}
    for key, task in tasks_there(campaign).items():
        stages.setdefault(TaskKey.parse(key).rule or "first", []).append(task)
    return [
        StageStatus(
            stage=stage,
            tasks=len(tasks),
            open=sum(task.status.pending_instance_count for task in tasks),
            active=sum(task.status.active_instance_count for task in tasks),
            finished=sum(task.status.finished_instance_count for task in tasks),
        )
        for stage, tasks in sorted(stages.items(), key=lambda pair: (pair[0] != "first", pair[0]))
    ]
