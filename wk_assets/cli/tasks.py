"""`wk-assets tasks plan|create|status CAMPAIGN`: the tasks of a campaign before they exist, making them, how far they are."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, HomeOption, JsonOption, configuration_of
from wk_assets.cli.quantities import counted
from wk_assets.cli.screen import complain, headline, say, show_json, show_table, warn

if TYPE_CHECKING:
    from wk_assets.facility.campaign_plan import CampaignPlan
    from wk_assets.facility.campaign_run import Creation
    from wk_assets.facility.configuration import Configuration

tasks = typer.Typer(
    name="tasks", help="The tasks of a campaign: plan them, make them, see how far they are.", no_args_is_help=True
)
_SHOWN = 20

CampaignArgument = Annotated[str, typer.Argument(help="The campaign's name in wk_assets.yaml.")]


@tasks.command("plan")
def plan_tasks(
    campaign: CampaignArgument,
    home: HomeOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the server which tasks are there already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a campaign's tasks before they exist: where each is, and which are on the server already. Makes nothing."""
    from wk_assets.client.context import server_context
    from wk_assets.facility.campaign_run import tasks_there
    from wk_assets.facility.publishing_request import server_of

    configuration = configuration_of(home)
    planned = _planned(configuration, campaign)
    asked = not offline and planned.dataset_id is not None and configuration.webknossos.url is not None
    if asked:
        with server_context(server_of(configuration)):
            planned = planned.compared(tasks_there(planned.campaign))
    _show_plan(planned, asked=asked, as_json=as_json)


@tasks.command("create")
def create_tasks(
    campaign: CampaignArgument, home: HomeOption = None, as_json: JsonOption = False, dry_run: DryRunOption = False
) -> None:
    """Make a campaign's tasks that are not on the server yet, with project and task type. Run again, it makes nothing twice."""
    from wk_assets.client.context import server_context
    from wk_assets.facility.campaign_run import create_planned_tasks, tasks_there
    from wk_assets.facility.publishing_request import server_of

    configuration = configuration_of(home)
    planned = _planned(configuration, campaign)
    with server_context(server_of(configuration)):
        if dry_run:
            _show_plan(planned.compared(tasks_there(planned.campaign)), asked=True, as_json=as_json)
            return
        creation = create_planned_tasks(planned, configuration.home / "locks")
    _show_creation(planned, creation, as_json=as_json)
    if creation.complete:
        return
    raise typer.Exit(ExitCode.SERVER if creation.unsure or creation.unsent else ExitCode.FINDINGS)


@tasks.command("status")
def status_of_tasks(campaign: CampaignArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Count a campaign's instances on the server, stage by stage: open, being worked on, finished."""
    from wk_assets.client.context import server_context
    from wk_assets.facility.campaign_run import campaign_status
    from wk_assets.facility.publishing_request import server_of

    configuration = configuration_of(home)
    chosen = configuration.campaign(campaign)
    with server_context(server_of(configuration)):
        stages = campaign_status(chosen)
    if as_json:
        show_json({"campaign": chosen.name, "project": chosen.project.name, "stages": [asdict(one) for one in stages]})
        return
    if not stages:
        say(f"campaign {chosen.name} has no tasks on the server; 'wk-assets tasks create {chosen.name}' makes them")
        return
    numbers = ("tasks", "open", "active", "finished")
    rows = [(one.stage, str(one.tasks), str(one.open), str(one.active), str(one.finished)) for one in stages]
    show_table(("stage", *numbers), rows, numbers=numbers)
    open_count = sum(one.open + one.active for one in stages)
    say(
        f"{counted(sum(one.tasks for one in stages), 'task')} of project {chosen.project.name}, {open_count} instances to do"
    )


def _planned(configuration: "Configuration", name: str) -> "CampaignPlan":
    """Plan a campaign; the data of one whose dataset is known by its id alone are on the server."""
    from contextlib import nullcontext

    from wk_assets.client.context import server_context
    from wk_assets.facility.campaign_data import planned_campaign
    from wk_assets.facility.publishing_request import server_of

    campaign = configuration.campaign(name)
    with server_context(server_of(configuration)) if campaign.on_server else nullcontext():
        return planned_campaign(configuration, campaign)


def _show_plan(planned: "CampaignPlan", *, asked: bool, as_json: bool) -> None:
    from wk_assets.administration.task_request import TASKS_PER_REQUEST

    campaign, missing = planned.campaign, planned.missing
    requests = -(-len(missing) // TASKS_PER_REQUEST[campaign.task_type.kind])
    if as_json:
        show_json(
            {
                "campaign": campaign.name,
                "dataset": campaign.dataset,
                "dataset_id": planned.dataset_id,
                "project": campaign.project.name,
                "task_type": campaign.task_type.name,
                "server_asked": asked,
                "tasks": len(planned.tasks),
                "instances": sum(task.instances for task in planned.tasks),
                "existing": len(planned.existing) if asked else None,
                "requests": requests,
                "planned": [_task_document(planned, task) for task in planned.tasks],
            }
        )
        return
    headline(
        f"{campaign.name}: {counted(len(planned.tasks), 'task')} on {campaign.dataset}, project {campaign.project.name}"
    )
    rows = [
        (
            document["key"],
            ", ".join(map(str, document["position"])),
            document["box"] or "",
            document["about"],
            "" if document["exists"] is None or not asked else ("yes" if document["exists"] else "no"),
        )
        for document in (_task_document(planned, task) for task in planned.tasks[:_SHOWN])
    ]
    if rows:
        show_table(("key", "position", "box", "where", "on the server"), rows)
    if len(planned.tasks) > _SHOWN:
        say(f"… and {len(planned.tasks) - _SHOWN} more; --json shows all")
    if asked:
        say(
            f"{len(planned.existing)} are on the server, {len(missing)} would be made in {counted(requests, 'request')}"
        )
    else:
        say(f"the server was not asked; at most {counted(requests, 'request')} would be made")
    if planned.dataset_id is None:
        warn(f"dataset {campaign.dataset} is not on the server yet; publish it before the tasks are made")


def _task_document(planned: "CampaignPlan", task: Any) -> dict[str, Any]:
    return {
        "key": task.key,
        "position": task.place.position.to_tuple(),
        "box": None if task.place.box is None else task.place.box.to_csv(),
        "about": task.place.about,
        "instances": task.instances,
        "experience": {"domain": task.experience.domain, "value": task.experience.value},
        "exists": task.key in planned.existing,
    }


def _show_creation(planned: "CampaignPlan", creation: "Creation", *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "campaign": planned.campaign.name,
                "complete": creation.complete,
                "created": creation.created,
                "existing": len(creation.existing),
                "refused": [{"key": one.key, "message": one.message} for one in creation.refused],
                "unsure": creation.unsure,
                "unsent": creation.unsent,
                "warnings": creation.warnings,
                "problems": creation.problems,
                "cause": None if creation.cause is None else str(creation.cause),
            }
        )
        return
    headline(f"{planned.campaign.name}: {len(creation.created)} made, {len(creation.existing)} were there")
    for text in creation.warnings:
        warn(text)
    for text in creation.problems:
        complain(text)
    for refused in creation.refused:
        complain(f"{refused.key}: {refused.message}")
    if creation.cause is not None:
        complain(str(creation.cause))
    if creation.unsure:
        complain(f"{counted(len(creation.unsure), 'task')} may have been made or not: the request failed")
    if creation.unsent:
        complain(f"{counted(len(creation.unsent), 'task')} were not asked for any more")
    if creation.unsure or creation.unsent:
        say("Run the same command again: it looks first, and makes only what is missing.")
