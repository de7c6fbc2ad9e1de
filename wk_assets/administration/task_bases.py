"""What a task goes on from, instead of an empty start: files, or results of earlier work that are on the server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wk_assets.administration.task_request import Request, file_groups, request_size, task_requests
from wk_assets.client.task_models import (
    ApiBaseAnnotation,
    ApiBoundingBox,
    ApiNmlTaskParameters,
    ApiTaskCreationResult,
    ApiTaskParameters,
)
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import InputError, UnexpectedAnswerError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int

AnnotationFile = tuple[str, bytes]
_ENDINGS = (".nml", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Say where earlier work was done. `position` (a voxel of mag 1) None: nobody knows where to look at it."""

    base: str
    dataset_id: str
    position: tuple[int, int, int] | None
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bounding_box: BoundingBox | None = None


class Base(Protocol):
    """Be what a task can go on from: a Task, an Annotation, a RemoteAnnotation."""

    def as_base(self) -> AnnotationFile | str | Result:
        """Return a file, the id of an annotation on the server, or where earlier work was done."""
        ...


def result_of_annotation(client: WkApiClient, annotation_id: str) -> Result:
    """Ask where an annotation was made. Raises NotOnServerError, UnexpectedAnswerError if the server names no dataset."""
    told = client.annotation_info(annotation_id=annotation_id).model_extra or {}
    dataset_id, task = told.get("datasetId"), told.get("task")
    if not isinstance(dataset_id, str):
        raise UnexpectedAnswerError(f"annotation {annotation_id}: the server does not say of which dataset it is")
    if not isinstance(task, dict):
        return Result(base=annotation_id, dataset_id=dataset_id, position=None)
    return Result(
        base=annotation_id,
        dataset_id=dataset_id,
        position=_three(task["editPosition"]),
        rotation=_three(task["editRotation"]),
        bounding_box=ApiBoundingBox.model_validate(task["boundingBox"]).box if task.get("boundingBox") else None,
    )


def _three(values: Any) -> Any:
    x, y, z = values
    return (x, y, z)


def base_requests(
    client: WkApiClient,
    parameters: ApiNmlTaskParameters,
    bases: Sequence[AnnotationFile | str | Result],
    start: Vec3Int | None,
) -> list[Request]:
    """Divide bases into requests, one task per base. `start`: where tasks begin, instead of where the results say.

    Raises InputError if there is no base, or bases of both kinds, for a result without a place to begin, and for file names
    that the server would not take, or that would not tell the tasks apart.
    """
    if not bases:
        raise InputError("there is no base to make a task from; give files, ids of annotations, or tasks")
    files = [one for one in bases if isinstance(one, tuple)]
    if files and len(files) != len(bases):
        raise InputError("files, and results that are on the server, go in requests of their own; call twice")
    if files:
        return _file_requests(client, parameters, files)
    results = [
        result_of_annotation(client, one) if isinstance(one, str) else one
        for one in bases
        if not isinstance(one, tuple)
    ]
    wanted = {number: _going_on(parameters, result, start) for number, result in enumerate(results)}
    return task_requests(client, wanted)


def _going_on(parameters: ApiNmlTaskParameters, result: Result, start: Vec3Int | None) -> ApiTaskParameters:
    position = result.position if start is None else start.to_tuple()
    if position is None:
        raise InputError(
            f"annotation {result.base} is of no task, which would say where to begin; give starting_position"
        )
    box = None if result.bounding_box is None else ApiBoundingBox.of(result.bounding_box)
    return ApiTaskParameters(
        task_type_id=parameters.task_type_id,
        needed_experience=parameters.needed_experience,
        pending_instances=parameters.pending_instances,
        project_name=parameters.project_name,
        script_id=parameters.script_id,
        bounding_box=parameters.bounding_box or box,
        dataset_id=result.dataset_id,
        edit_position=position,
        edit_rotation=result.rotation,
        base_annotation=ApiBaseAnnotation(base_id=result.base),
    )


def _file_requests(
    client: WkApiClient, parameters: ApiNmlTaskParameters, files: Sequence[AnnotationFile]
) -> list[Request]:
    names: dict[str, int] = {}
    for number, (name, _) in enumerate(files):
        if not name.endswith(_ENDINGS):
            raise InputError(f"file {number}, {name!r}: the server reads .nml, and .zip with one; name it so")
        if names.setdefault(name, number) != number:
            raise InputError(f"files {names[name]} and {number} are both {name!r}; the name is the task's key")
    most = request_size(client, parameters.task_type_id)
    return [
        Request(
            numbers=tuple(group),
            keys=tuple(files[number][0] for number in group),
            send=_sender(client, parameters, [files[number] for number in group]),
        )
        for group in file_groups(files, most)
    ]


def _sender(
    client: WkApiClient, parameters: ApiNmlTaskParameters, files: list[AnnotationFile]
) -> Callable[[], ApiTaskCreationResult]:
    return lambda: client.tasks_create_from_files(nml_task_parameters=parameters, annotation_files=files)
