"""The server's routes about work: annotations, tasks, task types, projects."""

import json
import time
from collections.abc import Mapping
from email.message import Message
from typing import Any, TypeVar

from wk_assets.client.answers import parsed
from wk_assets.client.api_session import ApiSession, part
from wk_assets.client.models import ApiTracingStore
from wk_assets.client.task_models import (
    ApiAnnotation,
    ApiAnnotationUploadResult,
    ApiNmlTaskParameters,
    ApiProject,
    ApiProjectCreate,
    ApiProjectProgress,
    ApiTask,
    ApiTaskCreationResult,
    ApiTaskParameters,
    ApiTaskType,
    ApiTaskTypeCreate,
)
from wk_assets.errors import UnexpectedAnswerError

T = TypeVar("T")

# How many annotations the server gives at once where nobody says how many; more are on further pages.
_PAGE = 1000


class WorkRoutes(ApiSession):
    """Read and change annotations, tasks and projects. Every method raises ServerError.

    What creates something is never repeated by itself: the server has no key by which it would know the second request.
    """

    def annotation_info(self, *, annotation_id: str) -> ApiAnnotation:
        """Describe an annotation."""
        params = {"timestamp": time.time_ns() // 1_000_000}
        return self._get(f"/annotations/{part(annotation_id)}/info", ApiAnnotation, params)

    def annotation_list(self, *, is_finished: bool | None) -> list[ApiAnnotation]:
        """List the annotations that are of no task and that the user may read, page by page until there are no more."""
        found: dict[str, ApiAnnotation] = {}
        page_number = 0
        while True:
            params = {"isFinished": is_finished, "limit": _PAGE, "pageNumber": page_number}
            page: list[ApiAnnotation] = self._get("/annotations/readable", list[ApiAnnotation], params)
            # what is added meanwhile moves others to the next page, where they come a second time
            found |= {one.id: one for one in page}
            if len(page) < _PAGE:
                return list(found.values())
            page_number += 1

    def annotation_infos_by_task(self, *, task_id: str) -> list[ApiAnnotation]:
        """List the annotations of a task."""
        return self._get(f"/tasks/{part(task_id)}/annotations", list[ApiAnnotation])

    def annotation_edit(self, *, annotation_typ: str, annotation_id: str, annotation: ApiAnnotation) -> None:
        """Change an annotation's name and description."""
        self._call("PATCH", f"/annotations/{part(annotation_typ)}/{part(annotation_id)}/edit", json=annotation)

    def annotation_download(
        self, *, annotation_id: str, skip_volume_data: bool, retry_count: int = 0, version: int | None = None
    ) -> tuple[bytes, str]:
        """Return an annotation's file and its name: `.nml`, or `.zip` with volume data.

        `version` pins a state of the annotation; None: the newest. `retry_count` is of the reference; a download is
        repeated as the transport's policy says.
        """
        del retry_count
        answer = self._call(
            "GET",
            f"/annotations/{part(annotation_id)}/download",
            params={"skipVolumeData": skip_volume_data, "volumeDataZipFormat": "zarr3", "version": version},
        )
        header = Message()
        header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
        name = header.get_filename()
        if name is None:
            raise UnexpectedAnswerError(f"annotation {annotation_id}: the download has no file name in its headers")
        return answer.content, name

    def annotation_upload(
        self,
        *,
        file_body: bytes,
        filename: str,
        createGroupForEachFile: bool,  # noqa: N803  # the reference's name
    ) -> ApiAnnotationUploadResult:
        """Make an annotation (of no task) from a file."""
        return self.post_multipart_with_json_response(
            "/annotations/upload",
            ApiAnnotationUploadResult,
            multipart_data={"createGroupForEachFile": str(createGroupForEachFile).lower()},
            files={filename: (filename, file_body)},
        )

    def tracing_store(self) -> ApiTracingStore:
        """Say where annotations are kept."""
        return self._get("/tracingstore", ApiTracingStore)

    # ------------------------------------------------------------------ projects, task types

    def project_create(self, *, project: ApiProjectCreate) -> ApiProject:
        """Make a project."""
        return self._send("POST", "/projects", ApiProject, json=project)

    def project_list(self) -> list[ApiProject]:
        """List the projects of the user's teams."""
        return self._get("/projects", list[ApiProject])

    def team_project_progress(self, *, team_id: str) -> list[ApiProjectProgress]:
        """Say how far the projects of a team are."""
        return self._get(f"/teams/{part(team_id)}/projectProgressReport", list[ApiProjectProgress])

    def project_pause(self, *, project_id: str) -> ApiProject:
        """Give no more tasks of a project out."""
        return self._send("PATCH", f"/projects/{part(project_id)}/pause", ApiProject)

    def project_resume(self, *, project_id: str) -> ApiProject:
        """Give tasks of a project out again."""
        return self._send("PATCH", f"/projects/{part(project_id)}/resume", ApiProject)

    def project_info_by_name(self, *, project_name: str) -> ApiProject:
        """Describe a project."""
        return self._get(f"/projects/byName/{part(project_name)}", ApiProject)

    def project_info_by_id(self, *, project_id: str) -> ApiProject:
        """Describe a project."""
        return self._get(f"/projects/{part(project_id)}", ApiProject)

    def project_update(self, *, project_id: str, project: ApiProjectCreate) -> ApiProject:
        """Change a project; its name and whether it is paused stay as they are."""
        return self._send("PUT", f"/projects/{part(project_id)}", ApiProject, json=project)

    def project_delete(self, *, project_id: str) -> None:
        """Delete a project and its tasks."""
        self._call("DELETE", f"/projects/{part(project_id)}")

    def task_infos_by_project_id_paginated(
        self, *, project_id: str, limit: int | None, page_number: int | None
    ) -> tuple[list[ApiTask], int]:
        """Return one page of a project's tasks, newest first, and how many tasks there are in all."""
        params = {"limit": limit, "pageNumber": page_number, "includeTotalCount": True}
        answer = self._call("GET", f"/projects/{part(project_id)}/tasks", params=params)
        tasks: list[ApiTask] = parsed(answer, list[ApiTask])
        return tasks, int(answer.headers.get("X-Total-Count", len(tasks)))

    def task_type_list(self) -> list[ApiTaskType]:
        """List the task types."""
        return self._get("/taskTypes", list[ApiTaskType])

    def get_task_type(self, *, task_type_id: str) -> ApiTaskType:
        """Describe a task type."""
        return self._get(f"/taskTypes/{part(task_type_id)}", ApiTaskType)

    def task_type_create(self, *, task_type: ApiTaskTypeCreate) -> ApiTaskType:
        """Make a task type."""
        return self._send("POST", "/taskTypes", ApiTaskType, json=task_type)

    def task_type_delete(self, *, task_type_id: str) -> None:
        """Delete a task type and its tasks."""
        self._call("DELETE", f"/taskTypes/{part(task_type_id)}")

    # ------------------------------------------------------------------ tasks

    def tasks_create(self, *, task_parameters: list[ApiTaskParameters]) -> ApiTaskCreationResult:
        """Make tasks: at most 1000 of a skeleton, 100 of a volume task type at once. Look at each one's outcome."""
        body = [one.to_body() for one in task_parameters]
        return self._send("POST", "/tasks", ApiTaskCreationResult, json=body)

    def tasks_create_from_files(
        self, *, nml_task_parameters: ApiNmlTaskParameters, annotation_files: list[tuple[str, bytes]]
    ) -> ApiTaskCreationResult:
        """Make one task per file, named after it (`ApiTask.creation_info`)."""
        return self.post_multipart_with_json_response(
            "/tasks/createFromFiles",
            ApiTaskCreationResult,
            multipart_data={"formJSON": json.dumps(nml_task_parameters.to_body())},
            files=[(name, (name, body)) for name, body in annotation_files],
        )

    def task_info(self, *, task_id: str) -> ApiTask:
        """Describe a task."""
        return self._get(f"/tasks/{part(task_id)}", ApiTask)

    def task_list(self) -> list[ApiTask]:
        """List tasks; the server stops at 1000 without a word, so ask by project where there may be more."""
        return self._send("POST", "/tasks/list", list[ApiTask], json={}, repeatable=True)

    def task_update(self, *, task_id: str, task_parameters: ApiTaskParameters) -> ApiTask:
        """Change how many instances of a task are pending. Absolute, but not repeated: work may have gone on meanwhile."""
        return self._send("PUT", f"/tasks/{part(task_id)}", ApiTask, json=task_parameters, repeatable=False)

    def task_assign(self, *, task_id: str, user_id: str) -> ApiTask:
        """Give an instance of a task to a user, whatever experience and priorities say."""
        return self._send("POST", f"/tasks/{part(task_id)}/assign", ApiTask, params={"userId": user_id})

    def task_delete(self, *, task_id: str) -> None:
        """Delete a task."""
        self._call("DELETE", f"/tasks/{part(task_id)}")

    def post_multipart_with_json_response(
        self,
        route: str,
        response_type: type[T],
        multipart_data: Mapping[str, Any] | None = None,
        files: Any = None,
    ) -> T:
        """Send a form with files and return the answer as a model; sent once."""
        answer: T = parsed(self._call("POST", route, data=multipart_data, files=files), response_type)
        return answer
