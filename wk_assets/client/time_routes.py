"""The server's routes about time that was worked: the cheapest way to notice finished work.

Only annotations with logged time are counted there; what nobody worked on is found by asking for tasks.
"""

import time
from collections.abc import Iterable

from wk_assets.client.api_session import ApiSession, part
from wk_assets.client.models import ApiModel, ApiUserCompact
from wk_assets.client.task_models import ApiTask


class ApiWorker(ApiModel):
    """Name a user whose work is counted."""

    id: str
    first_name: str
    last_name: str


class ApiTimeOverview(ApiModel):
    """Sum one user's work: on how many annotations, for how many milliseconds."""

    user: ApiWorker
    time_millis: float
    annotation_count: int


class ApiAnnotationTime(ApiModel):
    """Sum one user's work on one annotation. `task`: the task's id, None for annotations of no task."""

    annotation: str
    task: str | None = None
    project_name: str | None = None
    time_millis: float


class ApiWork(ApiModel):
    """Describe an annotation of a task together with its task. `modified`, `tracing_time`: milliseconds."""

    id: str
    state: str
    modified: int
    tracing_time: float | None = None
    owner: ApiUserCompact | None = None
    task: ApiTask | None = None


class TimeRoutes(ApiSession):
    """Ask who worked on what. Every method raises ServerError."""

    def finished_work(self, *, project_ids: Iterable[str], until_millis: int) -> list[ApiTimeOverview]:
        """Sum, per user, the work on finished annotations of tasks of these projects. One query on the server."""
        return self._get("/time/overview", list[ApiTimeOverview], _finished(project_ids, until_millis))

    def finished_work_of(
        self, *, user_id: str, project_ids: Iterable[str], until_millis: int
    ) -> list[ApiAnnotationTime]:
        """List a user's finished annotations of tasks of these projects, with the time worked on each."""
        route = f"/time/user/{part(user_id)}/summedByAnnotation"
        return self._get(route, list[ApiAnnotationTime], _finished(project_ids, until_millis))

    def work_info(self, *, annotation_id: str) -> ApiWork:
        """Describe an annotation and its task. The server refuses this for cancelled ones (RequestRefusedError)."""
        return self._get(
            f"/annotations/{part(annotation_id)}/info", ApiWork, {"timestamp": time.time_ns() // 1_000_000}
        )

    def annotation_reopen(self, *, annotation_id: str) -> None:
        """Let work on a finished annotation of a task go on. Not repeated by itself: the second time is refused."""
        self._call("PATCH", f"/annotations/Task/{part(annotation_id)}/reopen", repeatable=False)


def _finished(project_ids: Iterable[str], until_millis: int) -> dict[str, str | int]:
    return {
        "start": 0,
        "end": until_millis,
        "annotationTypes": "Task",
        "annotationStates": "Finished",
        "projectIds": ",".join(project_ids),
    }
