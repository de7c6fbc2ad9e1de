"""What goes over the wire about work: annotations, tasks, task types and projects. See `models`."""

from typing import Any

from pydantic import Field

from wk_assets.client.models import ApiDataStore, ApiModel, ApiUserCompact
from wk_assets.geometry.bounding_box import BoundingBox


class ApiAnnotationLayer(ApiModel):
    """Name one layer of an annotation. `typ`: Skeleton or Volume."""

    tracing_id: str
    typ: str
    name: str


class ApiAnnotation(ApiModel):
    """Describe an annotation. `modified`, `created`: milliseconds since 1970; `tracing_time`: milliseconds of work."""

    id: str
    typ: str
    owner: ApiUserCompact | None = None
    name: str
    description: str
    state: str
    annotation_layers: tuple[ApiAnnotationLayer, ...] | None = None
    modified: int
    data_store: ApiDataStore | None = None
    tracing_time: int | None = None
    created: int | None = None


class ApiAnnotationIdentifier(ApiModel):
    """Name an annotation."""

    id: str
    typ: str


class ApiAnnotationUploadResult(ApiModel):
    """Say which annotation came of an upload."""

    annotation: ApiAnnotationIdentifier
    messages: tuple[dict[str, str], ...] = ()


class ApiProjectCreate(ApiModel):
    """Ask for a project. `team`, `owner`: ids; `expected_time`: milliseconds on the wire."""

    name: str
    team: str
    priority: int
    paused: bool
    is_blacklisted_from_report: bool
    expected_time: int | None = None
    owner: str | None = None


class ApiProject(ApiModel):
    """Describe a project."""

    id: str
    name: str
    team: str
    team_name: str
    priority: int
    paused: bool
    owner: ApiUserCompact | None = None
    is_blacklisted_from_report: bool
    expected_time: int | None = None


class ApiProjectProgress(ApiModel):
    """Count the work of a project. `billed_milliseconds`: of work."""

    project_name: str
    paused: bool
    priority: int
    total_tasks: int
    total_instances: int
    pending_instances: int
    finished_instances: int
    active_instances: int
    billed_milliseconds: int


class ApiTaskTypeCreate(ApiModel):
    """Ask for a task type. `tracing_type`: skeleton, volume or hybrid."""

    summary: str
    description: str
    team_id: str
    team_name: str
    tracing_type: str
    settings: dict[str, Any] | None = None


class ApiTaskType(ApiModel):
    """Describe a task type."""

    id: str
    summary: str
    description: str
    team_id: str
    team_name: str
    settings: dict[str, Any] | None = None
    tracing_type: str | None = None


class ApiExperience(ApiModel):
    """Name a domain and how much of it is needed."""

    domain: str
    value: int


class ApiTaskStatus(ApiModel):
    """Count the instances of a task. `finished` also counts what is being prepared: confirm it on the annotation."""

    pending: int
    active: int
    finished: int


class ApiBoundingBox(ApiModel):
    """Hold a box in mag-1 voxels."""

    top_left: tuple[int, int, int]
    width: int
    height: int
    depth: int

    @classmethod
    def of(cls, box: BoundingBox) -> "ApiBoundingBox":
        """Describe a box."""
        width, height, depth = box.size
        return cls(top_left=box.topleft.to_tuple(), width=width, height=height, depth=depth)

    @property
    def box(self) -> BoundingBox:
        """Give the box."""
        return BoundingBox(self.top_left, (self.width, self.height, self.depth))


class ApiScript(ApiModel):
    """Name a script that runs in the annotator's browser."""

    id: str
    name: str


class ApiTask(ApiModel):
    """Describe a task. `creation_info`: what its creator noted, or the name of the file that it was made from."""

    id: str
    project_id: str
    dataset_id: str
    status: ApiTaskStatus
    type: ApiTaskType
    needed_experience: ApiExperience
    bounding_box: ApiBoundingBox | None = None
    edit_position: tuple[int, int, int]
    edit_rotation: tuple[float, float, float]
    script: ApiScript | None = None
    creation_info: str | None = None
    created: int | None = None


class ApiBaseAnnotation(ApiModel):
    """Name the annotation, or the task with one finished instance, whose result a new task starts from."""

    base_id: str


class ApiTaskParameters(ApiModel):
    """Ask for a task."""

    task_type_id: str
    needed_experience: ApiExperience
    pending_instances: int
    project_name: str
    script_id: str | None = None
    bounding_box: ApiBoundingBox | None = None
    dataset_id: str
    edit_position: tuple[int, int, int]
    edit_rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    creation_info: str | None = None
    description: str | None = None
    base_annotation: ApiBaseAnnotation | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON object to send; older servers refuse keys that they do not know, so those are left out when unset."""
        body = super().to_body()
        for key in ("creationInfo", "description", "baseAnnotation"):
            if body[key] is None:
                del body[key]
        return body


class ApiNmlTaskParameters(ApiModel):
    """Ask for tasks that start from files."""

    task_type_id: str
    needed_experience: ApiExperience
    pending_instances: int
    project_name: str
    script_id: str | None = None
    bounding_box: ApiBoundingBox | None = None


class ApiCreatedTask(ApiModel):
    """Say what came of one of the tasks that were asked for."""

    status: int | None = None
    success: ApiTask | None = None
    error: str | None = None


class ApiTaskCreationResult(ApiModel):
    """Say what came of each task; a request that succeeds may hold some that did not."""

    tasks: tuple[ApiCreatedTask, ...]
    warnings: tuple[str, ...] = Field(default=())
