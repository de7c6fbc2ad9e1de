"""What the server tells of an annotation without its contents: whose it is, and how far it is."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wk_assets.client.context import current_context
from wk_assets.client.task_models import ApiAnnotation

if TYPE_CHECKING:
    from wk_assets.annotation.annotation import Annotation


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

    @classmethod
    def get_remote_annotations(
        cls, is_finished: bool | None = False, owner: str | None = None
    ) -> "list[AnnotationInfo]":
        """List annotations of no task: those of the current user, or of the user with the id `owner`, newest first.

        `is_finished` None: finished ones and others. Lists what the current user may read. Raises NotAuthenticatedError,
        ServerError.
        """
        client = current_context().client()
        wanted = client.user_current().id if owner is None else owner
        told = [cls.of(one) for one in client.annotation_list(is_finished=is_finished)]
        return [one for one in told if one.owner_id == wanted]

    def download_annotation(self, *, skip_volume_data: bool = False, version: int | None = None) -> "Annotation":
        """Download the annotation from the current server; parameters and errors as of `Annotation.download`."""
        # here, not above: whoever lists annotations does not need what reads voxels
        from wk_assets.annotation.annotation import Annotation

        return Annotation.download(self.id, skip_volume_data=skip_volume_data, version=version)
