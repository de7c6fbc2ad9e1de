"""`wk-assets projects`: the projects on the server, how far each is; pause one, let it go on."""

from typing import Annotated

import typer

from wk_assets.cli.options import HomeOption, JsonOption, configuration_of
from wk_assets.cli.quantities import counted, seconds_text
from wk_assets.cli.screen import say, show_json, show_table


def projects(
    home: HomeOption = None,
    pause: Annotated[
        list[str] | None, typer.Option("--pause", help="A project of which no more tasks shall be given out.")
    ] = None,
    resume: Annotated[
        list[str] | None, typer.Option("--resume", help="A project of which tasks shall be given out again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the projects of the server with their open, active and finished work and the time it took."""
    from wk_assets.administration.project_progress import project_progress
    from wk_assets.administration.tasks import Project
    from wk_assets.client.context import server_context
    from wk_assets.errors import InputError
    from wk_assets.facility.publishing_request import server_of

    both = sorted(set(pause or ()) & set(resume or ()))
    if both:
        raise InputError(f"{', '.join(both)} can not be paused and resumed at once; give one of the options")
    configuration = configuration_of(home)
    with server_context(server_of(configuration)):
        # All are looked up before the first one is changed: a wrong name changes nothing
        chosen = [(Project.get_by_name(name), True) for name in pause or ()]
        chosen += [(Project.get_by_name(name), False) for name in resume or ()]
        for project, paused in chosen:
            project.pause() if paused else project.resume()
        found = project_progress()
    campaigns: dict[str, list[str]] = {}
    for campaign in configuration.campaign_list:
        campaigns.setdefault(campaign.project.name, []).append(campaign.name)
    if as_json:
        show_json(
            [
                {
                    "name": one.project.name,
                    "team": one.project.team_name,
                    "priority": one.project.priority,
                    "paused": one.project.paused,
                    "tasks": one.tasks,
                    "open": one.open,
                    "active": one.active,
                    "finished": one.finished,
                    "seconds": one.seconds,
                    "campaigns": campaigns.get(one.project.name, []),
                }
                for one in found
            ]
        )
        return
    numbers = ("priority", "tasks", "open", "active", "finished", "time")
    if found:
        show_table(
            ("project", "team", *numbers, "state", "campaigns"),
            [
                (
                    one.project.name,
                    one.project.team_name,
                    str(one.project.priority),
                    *(
                        "?" if count is None else str(count)
                        for count in (one.tasks, one.open, one.active, one.finished)
                    ),
                    "?" if one.seconds is None else seconds_text(one.seconds),
                    "paused" if one.project.paused else "given out",
                    ", ".join(campaigns.get(one.project.name, [])),
                )
                for one in found
            ],
            numbers=numbers,
        )
    say(f"{counted(len(found), 'project')} that this user sees")
