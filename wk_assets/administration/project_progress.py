"""How far projects are: what is open, what is being worked on, what is done, and how long it took."""

from dataclasses import dataclass

from wk_assets.administration.tasks import Project
from wk_assets.client.context import current_context
from wk_assets.errors import ForbiddenError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectProgress:
    """Count a project's instances; None where only its team's managers may know, or reports leave it out. `seconds`: of work."""

    project: Project
    tasks: int | None = None
    open: int | None = None
    active: int | None = None
    finished: int | None = None
    seconds: float | None = None


def project_progress() -> list[ProjectProgress]:
    """Say how far all projects of the current user's teams are, sorted by name; one request per team. Raises ServerError."""
    client = current_context().client()
    projects = {told.name: Project.of(told) for told in client.project_list()}
    found = {name: ProjectProgress(project=project) for name, project in projects.items()}
    for team_id in dict.fromkeys(project.team_id for project in projects.values()):
        try:
            told = client.team_project_progress(team_id=team_id)
        except ForbiddenError:
            continue  # the report is for managers; their projects stay, without numbers
        for one in told:
            if one.project_name in projects:
                found[one.project_name] = ProjectProgress(
                    project=projects[one.project_name],
                    tasks=one.total_tasks,
                    open=one.pending_instances,
                    active=one.active_instances,
                    finished=one.finished_instances,
                    seconds=one.billed_milliseconds / 1000,
                )
    return [found[name] for name in sorted(found)]
