"""One round of a campaign: the tasks that are missing are made, what follows from finished work too, and all is counted.

May be repeated after whatever failure, and in any order with others: tasks are known by their keys. Asks as the user of the
current context. Which annotations are finished is what is home (`kept_annotations`); the server is not asked for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wk_assets.administration.tasks import Project, Task
from wk_assets.errors import InputError, WkAssetsError
from wk_assets.facility.campaign import Campaign
from wk_assets.facility.campaign_data import planned_campaign
from wk_assets.facility.campaign_run import Creation, campaign_tasks, create_planned_tasks
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.follow_up import FollowUps, follow_ups
from wk_assets.facility.follow_up_run import run_follow_ups
from wk_assets.facility.kept_annotations import KeptAnnotations, KeptTasks, Survey, made_from
from wk_assets.facility.publishing import Publications

LOCKS_FOLDER = "locks"
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Say how a campaign is after a round. `tasks`: by key, as the server has them; `home`: what was finished before."""

    kept: KeptTasks
    tasks: Mapping[str, Task]
    home: Survey
    followed: FollowUps
    created: int
    waiting: Mapping[str, str]
    warnings: tuple[str, ...]


def published_content(configuration: Configuration, campaign: Campaign) -> str | None:
    """Identify the published content that a campaign works on; None: it is not published yet. Raises CatalogueError."""
    if campaign.on_server:
        return campaign.dataset
    published = Publications(configuration.publications_folder).get(campaign.dataset)
    return None if published is None else published.fingerprint


def run_round(configuration: Configuration, campaign: Campaign, kept: KeptAnnotations) -> Round:
    """Make all tasks of a campaign that are missing, and note how far it is.

    Raises InputError if the dataset is not published or the server refused tasks, what `planned_campaign` and
    `create_planned_tasks` raise, and the transient error that ended the sending, if there was one: another round makes the rest.
    """
    home = kept.survey()
    content = published_content(configuration, campaign)
    plan = planned_campaign(configuration, campaign)
    locks = configuration.home / LOCKS_FOLDER
    creation = create_planned_tasks(plan, locks)
    _check(campaign.name, creation)
    project = Project.get_by_name(campaign.project.name)
    before = {task.task_id: task for task in campaign_tasks(campaign, project).values()}
    finished = [
        replace(one.as_finished(), open_instances=_open(before[one.task_id]))
        for one in home.accepted
        if one.task_id in before
    ]
    followed = follow_ups(campaign, finished, configuration.campaigns)
    ran = run_follow_ups(campaign, followed, configuration.campaigns, locks)
    for name, one in ran.creations.items():
        _check(name, one)
    tasks = campaign_tasks(campaign, project)
    states = [task.status for task in tasks.values()]
    noted = KeptTasks(
        project_id=project.project_id,
        project_name=project.name,
        made_from=made_from(campaign, content or "", home.annotations.values()),
        tasks=len(tasks),
        pending=sum(one.pending_instance_count for one in states),
        active=sum(one.active_instance_count for one in states),
        finished=sum(one.finished_instance_count for one in states),
    )
    kept.put_tasks(noted)
    created = len(creation.created) + sum(len(one.created) for one in ran.creations.values())
    return Round(
        kept=noted,
        tasks=tasks,
        home=home,
        followed=followed,
        created=created,
        waiting=ran.waiting,
        warnings=creation.warnings,
    )


def _open(task: Task) -> int:
    return task.status.pending_instance_count + task.status.active_instance_count


def _check(campaign: str, creation: Creation) -> None:
    """Raise what kept tasks from being made."""
    if creation.complete:
        return
    if isinstance(creation.cause, WkAssetsError) and creation.cause.transient:
        raise creation.cause
    told = [*map(str, creation.refused[:_SHOWN]), *creation.problems[:_SHOWN]]
    missing = len(creation.refused) + len(creation.unsure) + len(creation.unsent)
    raise InputError(f"campaign {campaign!r}: {missing} tasks were not made: {'; '.join(told) or creation.cause}")
