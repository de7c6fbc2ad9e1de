"""What the server tells of an annotation without its contents: whose it is, and how far it is."""

from dataclasses import dataclass
from enum import Enum

from wk_assets.client.task_models import ApiAnnotation


class AnnotationState(Enum):
    """Say how far an annotation is. A task counts instances as finished that are `INITIALIZING`: trust the state."""

    ACTIVE = "Active"
    CANCELLED = "Cancelled"
    FINISHED = "Finished"
    INITIALIZING = "Initializing"


class AnnotationType(Enum):
    """Say where an annotation comes from: a task, or somebody's own start. The others are views of many at once."""

    TASK = "Task"
    EXPLORATIONAL = "Explorational"
    COMPOUND_TASK = "CompoundTask"
    COMPOUND_PROJECT = "CompoundProject"
    COMPOUND_TASK_TYPE = "CompoundTaskType"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationInfo:
    """Describe an annotation. `modified`: milliseconds since 1970; `duration_in_seconds`: of work, None if unknown."""

    id: str
    name: str
    description: str
    owner_id: str | None
    type: AnnotationType
    state: AnnotationState
    modified: int | None
    duration_in_seconds: float | None

    @classmethod
    def of(cls, told: ApiAnnotation) -> "AnnotationInfo":
        """Take over what the server tells of an annotation. Raises ValueError for a state or type of another kind."""
        return cls(
            id=told.id,
            name=told.name,
            description=told.description,
            owner_id=None if told.owner is None else told.owner.id,
            type=AnnotationType(told.typ),
            state=AnnotationState(told.state),
            modified=told.modified,
            duration_in_seconds=None if told.tracing_time is None else told.tracing_time / 1000,
        )
