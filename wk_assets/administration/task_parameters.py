"""What a task shall be, before it exists: one value per task, many of which go to the server at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from wk_assets.administration.task_type import TaskType
from wk_assets.client.task_models import ApiBaseAnnotation, ApiBoundingBox, ApiExperience, ApiTaskParameters
from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike


class OnServer(Protocol):
    """Be something that is, or belongs to, a dataset on a server."""

    @property
    def dataset_id(self) -> str:
        """The dataset's id."""
        ...


class Named(Protocol):
    """Be something with a name that means it on the server, like a project."""

    @property
    def name(self) -> str:
        """The name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskParameters:
    """Ask for a task.

    starting_position: a voxel of mag 1, x, y, z; starting_rotation: degrees about x, y, z.
    bounding_box: in voxels of mag 1, half-open; None: the whole dataset.
    creation_info: a key of one's own that comes back with the task; the server does not look at it.
    base: an annotation's id, or the id of a task with one finished instance: the new task goes on from that result, which
    never leaves the server. None: the task begins empty.
    """

    task_type_id: str | TaskType
    project_name: str | Named
    needed_experience_domain: str
    needed_experience_value: int
    starting_position: Vec3IntLike
    dataset_id: str | OnServer
    starting_rotation: Iterable[float] = (0.0, 0.0, 0.0)
    instances: int = 1
    script_id: str | None = None
    bounding_box: BoundingBox | None = None
    creation_info: str | None = None
    description: str | None = None
    base: str | None = None

    def __post_init__(self) -> None:
        require_instances(self.instances)

    def on_the_wire(self) -> ApiTaskParameters:
        """Return what is sent. Raises InputError for a rotation that is not three angles."""
        return ApiTaskParameters(
            task_type_id=task_type_id_of(self.task_type_id),
            needed_experience=ApiExperience(domain=self.needed_experience_domain, value=self.needed_experience_value),
            pending_instances=self.instances,
            project_name=name_of(self.project_name),
            script_id=self.script_id,
            bounding_box=None if self.bounding_box is None else ApiBoundingBox.of(self.bounding_box),
            dataset_id=self.dataset_id if isinstance(self.dataset_id, str) else self.dataset_id.dataset_id,
            edit_position=Vec3Int(self.starting_position).to_tuple(),
            edit_rotation=_rotation(self.starting_rotation),
            creation_info=self.creation_info,
            description=self.description,
            base_annotation=None if self.base is None else ApiBaseAnnotation(base_id=self.base),
        )


def require_instances(instances: int) -> None:
    """Raise InputError for a task that nobody could take."""
    if instances < 1:
        raise InputError(f"a task with {instances} instances can not be worked on; ask for at least one")


def task_type_id_of(task_type: str | TaskType) -> str:
    """Return the id of a task type."""
    return task_type if isinstance(task_type, str) else task_type.task_type_id


def name_of(named: str | Named) -> str:
    """Return the name of a project, or of what else has one."""
    return named if isinstance(named, str) else named.name


def _rotation(angles: Iterable[float]) -> tuple[float, float, float]:
    found = tuple(float(angle) for angle in angles)
    if len(found) != 3:
        raise InputError(f"a rotation is three angles in degrees, about x, y and z; {found} has {len(found)}")
    return found
