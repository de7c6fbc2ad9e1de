"""A server that only knows who worked on what, in memory, and counts what it is asked."""

from dataclasses import dataclass, field
from typing import Any

from wk_assets.client.models import ApiUserCompact
from wk_assets.client.task_models import ApiAnnotation, ApiTask
from wk_assets.client.time_routes import ApiAnnotationTime, ApiTimeOverview, ApiWork
from wk_assets.errors import NotOnServerError, RequestRefusedError
from wk_assets.facility.campaign_plan import TaskKey

PROJECT = "f" * 24


def hex_id(kind: str, number: int) -> str:
    return f"{kind}{number:x}".rjust(24, "0")


@dataclass
class Work:
    """One annotation: `millis` of 0 is seen by no overview of time."""

    annotation_id: str
    task_id: str
    user: str
    state: str = "Finished"
    modified: int = 1000
    millis: float = 60_000


@dataclass
class WorkingServer:
    """Answer as `client.WkApiClient` does; `asked` counts."""

    tasks: list[str] = field(default_factory=list)
    work: dict[str, Work] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    by_task: dict[str, list[str]] = field(default_factory=dict)

    def add_task(self, number: int, campaign: str = "paint") -> str:
        task_id = hex_id("a", number)
        self.tasks.append(task_id)
        self.keys[task_id] = str(TaskKey(campaign=campaign, place=f"{number:012x}"))
        return task_id

    def finish(self, number: int, user: str = "ben", **changes: Any) -> Work:
        """Let somebody finish the task of a number (made if it is not there)."""
        task_id = hex_id("a", number)
        if task_id not in self.keys:
            self.add_task(number)
        work = Work(annotation_id=hex_id("b", number), task_id=task_id, user=user, **changes)
        self.work[work.annotation_id] = work
        self.by_task.setdefault(task_id, []).append(work.annotation_id)
        return work

    # ------------------------------------------------------------------ what is asked

    def finished_work(self, *, project_ids: Any, until_millis: int) -> list[ApiTimeOverview]:
        self._count("overview", project_ids, until_millis)
        sums: dict[str, list[float]] = {}
        for one in self._counted():
            sums.setdefault(one.user, []).append(one.millis)
        return [
            ApiTimeOverview.model_validate(
                {
                    "user": {"id": user, "firstName": user, "lastName": "A"},
                    "timeMillis": sum(all_millis),
                    "annotationCount": len(all_millis),
                }
            )
            for user, all_millis in sums.items()
        ]

    def finished_work_of(self, *, user_id: str, project_ids: Any, until_millis: int) -> list[ApiAnnotationTime]:
        self._count("user", project_ids, until_millis)
        return [
            ApiAnnotationTime(annotation=one.annotation_id, task=one.task_id, project_name="p", time_millis=one.millis)
            for one in self._counted()
            if one.user == user_id
        ]

    def work_info(self, *, annotation_id: str) -> ApiWork:
        self._count("info")
        one = self.work[annotation_id]
        if one.state == "Cancelled":
            raise RequestRefusedError(method="GET", route="info", status=400, messages=["it was cancelled"])
        owner = ApiUserCompact(id=one.user, first_name=one.user, last_name="A")
        return ApiWork(
            id=one.annotation_id, state=one.state, modified=one.modified, owner=owner, task=self._task(one.task_id)
        )

    def task_infos_by_project_id_paginated(
        self, *, project_id: str, limit: int | None, page_number: int | None
    ) -> tuple[list[ApiTask], int]:
        self._count("page", [project_id])
        start = (limit or 0) * (page_number or 0)
        return [self._task(one) for one in self.tasks[start : start + (limit or 0)]], len(self.tasks)

    def annotation_infos_by_task(self, *, task_id: str) -> list[ApiAnnotation]:
        self._count("task")
        if task_id not in self.keys:
            raise NotOnServerError(method="GET", route="task", status=404, messages=["gone"])
        found = [self.work[one] for one in self.by_task.get(task_id, [])]
        return [
            ApiAnnotation(
                id=one.annotation_id, typ="Task", name="", description="", state=one.state, modified=one.modified
            )
            for one in found
            if one.state != "Cancelled"
        ]

    def _count(self, what: str, projects: Any = (PROJECT,), until: int = 0) -> None:
        assert list(projects) == [PROJECT]
        assert until >= 0
        self.asked.append(what)

    def _counted(self) -> list[Work]:
        return [one for one in self.work.values() if one.state == "Finished" and one.millis > 0]

    def _task(self, task_id: str) -> ApiTask:
        works = [self.work[one] for one in self.by_task.get(task_id, [])]
        kind = {"id": "1", "summary": "s", "description": "", "teamId": "t", "teamName": "t"}
        told = {
            "id": task_id, "projectId": PROJECT, "datasetId": "d", "type": kind,
            "status": {
                "pending": 0 if works else 1, "active": sum(one.state == "Active" for one in works),
                "finished": sum(one.state == "Finished" for one in works),
            },
            "neededExperience": {"domain": "d", "value": 1}, "editPosition": [0, 0, 0], "editRotation": [0, 0, 0],
            "creationInfo": self.keys[task_id],
        }  # fmt: skip
        return ApiTask.model_validate(told)
