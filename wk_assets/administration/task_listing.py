"""List all tasks, although the server ends its lists early, and find those that are there already by their keys."""

from collections.abc import Mapping

from wk_assets.client.task_models import ApiTask, ApiTaskParameters
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import ForbiddenError, InputError, UnexpectedAnswerError

# Where the server ends a list of tasks without a word; also the size of the pages that are asked for.
LIST_END = 1000
_TRIES = 3


def tasks_of_project(client: WkApiClient, project_id: str) -> list[ApiTask]:
    """Return all tasks of a project, newest first, page by page; again if tasks came or went between the pages.

    Raises UnexpectedAnswerError if they keep coming and going.
    """
    for _ in range(_TRIES):
        found: dict[str, ApiTask] = {}
        page, total = 0, 1
        while page * LIST_END < total:
            tasks, total = client.task_infos_by_project_id_paginated(
                project_id=project_id, limit=LIST_END, page_number=page
            )
            found.update((one.id, one) for one in tasks)
            page += 1
        if len(found) == total:
            return list(found.values())
    raise UnexpectedAnswerError(
        f"project {project_id}: {len(found)} of {total} tasks were listed, {_TRIES} times over; its tasks are changing, "
        "so ask again when they are at rest"
    )


def visible_tasks(client: WkApiClient) -> tuple[list[ApiTask], list[str]]:
    """Return the tasks that the user sees, and the names of projects of which some may be missing.

    Where the server's list ends early, each project is asked for its tasks; that is for its managers.
    """
    found = {told.id: told for told in client.task_list()}
    closed: list[str] = []
    if len(found) >= LIST_END:
        for project in client.project_list():
            try:
                found.update((told.id, told) for told in tasks_of_project(client, project.id))
            except ForbiddenError:
                closed.append(project.name)
    return list(found.values()), closed


def tasks_with_keys(client: WkApiClient, wanted: Mapping[int, ApiTaskParameters]) -> dict[int, ApiTask]:
    """Return, by number, the tasks whose `creation_info` is one of those wanted in the same project; of several the oldest.

    Raises InputError for a key that is missing or stands there twice, NotOnServerError for a project that is not there.
    """
    numbers: dict[tuple[str, str], int] = {}
    for number, one in wanted.items():
        if not one.creation_info:
            raise InputError(f"task {number} has no creation_info, by which it would be found again; give it one")
        other = numbers.setdefault((one.project_name, one.creation_info), number)
        if other != number:
            raise InputError(f"tasks {other} and {number} have one creation_info, {one.creation_info!r}; it is a key")
    found: dict[int, ApiTask] = {}
    for name in dict.fromkeys(one.project_name for one in wanted.values()):
        for task in tasks_of_project(client, client.project_info_by_name(project_name=name).id):
            if (name, task.creation_info or "") in numbers:
                found[numbers[name, task.creation_info or ""]] = task  # the oldest comes last
    return found
