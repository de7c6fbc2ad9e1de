"""Projects and their tasks: what is handed out to annotators, and how far it is.

Values are what the server said when it was asked; methods ask it again, as the user of the current context
(`client.context`). How many tasks go into a request, and what may come of one, is in `task_request`.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wk_assets.administration.task_bases import AnnotationFile, Base, Result, base_requests
from wk_assets.administration.task_listing import LIST_END, tasks_of_project, tasks_with_keys, visible_tasks
from wk_assets.administration.task_parameters import (
    Named,
    OnServer,
    TaskParameters,
    name_of,
    require_instances,
    task_type_id_of,
)
from wk_assets.administration.task_request import Request, send_requests, task_requests
from wk_assets.administration.task_type import TaskType
from wk_assets.annotation.annotation_info import AnnotationInfo
from wk_assets.client.context import current_context
from wk_assets.client.task_models import (
    ApiBoundingBox,
    ApiExperience,
    ApiNmlTaskParameters,
    ApiProject,
    ApiProjectCreate,
    ApiTask,
    ApiTaskParameters,
)
from wk_assets.errors import InputError, TaskCreationError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int, Vec3IntLike
from wk_assets.people.members import Team, User

_MILLIS_PER_MINUTE = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """Count a task's instances. What is being prepared counts as finished: look at the annotations' states."""

    pending_instance_count: int
    active_instance_count: int
    finished_instance_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExperience:
    """Say how much experience in a domain an annotator needs."""

    domain: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Describe a task. Methods raise ServerError.

    edit_position: a voxel of mag 1; edit_rotation: degrees; bounding_box: in voxels of mag 1.
    creation_info: the key that its creator gave it, or the name of the file that it was made from.
    """

    task_id: str
    project_id: str
    dataset_id: str
    status: TaskStatus
    task_type: TaskType
    experience: TaskExperience
    edit_position: Vec3Int
    edit_rotation: tuple[float, float, float]
    script_id: str | None = None
    bounding_box: BoundingBox | None = None
    creation_info: str | None = None

    @classmethod
    def of(cls, told: ApiTask) -> "Task":
        """Take over what the server tells of a task."""
        return cls(
            task_id=told.id,
            project_id=told.project_id,
            dataset_id=told.dataset_id,
            status=TaskStatus(
                pending_instance_count=told.status.pending,
                active_instance_count=told.status.active,
                finished_instance_count=told.status.finished,
            ),
            task_type=TaskType.of(told.type),
            experience=TaskExperience(domain=told.needed_experience.domain, value=told.needed_experience.value),
            edit_position=Vec3Int(told.edit_position),
            edit_rotation=told.edit_rotation,
            script_id=None if told.script is None else told.script.id,
            bounding_box=None if told.bounding_box is None else told.bounding_box.box,
            creation_info=told.creation_info,
        )

    # ------------------------------------------------------------------ finding

    @classmethod
    def get_by_id(cls, task_id: str) -> "Task":
        """Return a task by its id. Raises NotOnServerError."""
        return cls.of(current_context().client().task_info(task_id=task_id))

    @classmethod
    def get_list(cls) -> "list[Task]":
        """Return all tasks that the current user sees.

        The server ends its list at a thousand tasks without a word; then each project is asked for its own. Warns if that is
        not allowed for some project, because then tasks may be missing.
        """
        found, closed = visible_tasks(current_context().client())
        if closed:
            text = f"tasks of these projects may be missing, because their lists are for managers: {', '.join(closed)}"
            warnings.warn(text, stacklevel=2)
        return [cls.of(told) for told in found]

    # ------------------------------------------------------------------ creating

    @classmethod
    def create(
        cls,
        task_type_id: str | TaskType,
        project_name: str | Named,
        needed_experience_domain: str,
        needed_experience_value: int,
        starting_position: Vec3IntLike,
        dataset_id: str | OnServer,
        starting_rotation: Iterable[float] = (0.0, 0.0, 0.0),
        instances: int = 1,
        script_id: str | None = None,
        bounding_box: BoundingBox | None = None,
        *,
        creation_info: str | None = None,
    ) -> "list[Task]":
        """Make a task with some instances. See TaskParameters for what each means, `create_many` for errors."""
        wanted = TaskParameters(
            task_type_id=task_type_id,
            project_name=project_name,
            needed_experience_domain=needed_experience_domain,
            needed_experience_value=needed_experience_value,
            starting_position=starting_position,
            dataset_id=dataset_id,
            starting_rotation=starting_rotation,
            instances=instances,
            script_id=script_id,
            bounding_box=bounding_box,
            creation_info=creation_info,
        )
        return cls.create_many([wanted])

    @classmethod
    def create_many(cls, parameters: Iterable[TaskParameters]) -> "list[Task]":
        """Make tasks, in as few requests as the server allows, and return them in the order of their parameters.

        Nothing is ever sent twice. Raises TaskCreationError, which says task by task what came of it, if the server refused
        some, if a request failed, or if the project's team may not read the dataset. Raises ServerError alone if the server
        refused the first request as a whole: then nothing was made.
        """
        wanted = {number: one.on_the_wire() for number, one in enumerate(parameters)}
        return list(_sent(task_requests(current_context().client(), wanted)).values())

    @classmethod
    def create_missing(cls, parameters: Iterable[TaskParameters]) -> "list[Task]":
        """Make those tasks whose `creation_info` no task of their project has; return all of them, in order.

        May be repeated after whatever failure: the projects are listed first, so what an earlier call made is found. Two calls
        at the same time do not see one another; let one program at a time create in a project. Of several tasks with one key
        the oldest counts. What the server warned of when a task was made, it does not say again when the task is found.
        Raises InputError for a key that is missing or stands there twice; else as `create_many`.
        """
        wanted = {number: one.on_the_wire() for number, one in enumerate(parameters)}
        client = current_context().client()
        there = {number: cls.of(told) for number, told in tasks_with_keys(client, wanted).items()}
        missing = {number: one for number, one in wanted.items() if number not in there}
        made = there | _sent(task_requests(client, missing))
        return [made[number] for number in wanted]

    @classmethod
    def create_from_annotations(
        cls,
        task_type_id: str | TaskType,
        project_name: str | Named,
        base_annotations: Sequence[AnnotationFile | str | Base],
        needed_experience_domain: str,
        needed_experience_value: int,
        instances: int = 1,
        script_id: str | None = None,
        bounding_box: BoundingBox | None = None,
        *,
        starting_position: Vec3IntLike | None = None,
    ) -> "list[Task]":
        """Make one task per base, which it goes on from; return them in the order of the bases.

        A base is an Annotation, or a file, `(name, bytes)`, `.nml` or `.zip`: its name becomes the task's `creation_info`; or an
        annotation that is on the server, as RemoteAnnotation or by its id; or a Task with one finished instance. What is on the
        server stays there. A task that goes
        on from such a result opens where the result's task did; `starting_position` says another place, and is needed for
        annotations of no task. Errors as `create_many`; InputError for bases of both kinds, file names that are no keys, or
        no base at all.
        """
        require_instances(instances)
        parameters = ApiNmlTaskParameters(
            task_type_id=task_type_id_of(task_type_id),
            needed_experience=ApiExperience(domain=needed_experience_domain, value=needed_experience_value),
            pending_instances=instances,
            project_name=name_of(project_name),
            script_id=script_id,
            bounding_box=None if bounding_box is None else ApiBoundingBox.of(bounding_box),
        )
        bases = [one if isinstance(one, tuple | str) else one.as_base() for one in base_annotations]
        start = None if starting_position is None else Vec3Int(starting_position)
        return list(_sent(base_requests(current_context().client(), parameters, bases, start)).values())

    # ------------------------------------------------------------------ this task

    def get_project(self) -> "Project":
        """Return the project that the task belongs to."""
        return Project.get_by_id(self.project_id)

    def get_annotation_infos(self) -> list[AnnotationInfo]:
        """Describe the instances of the task that somebody has taken and nobody has cancelled."""
        told = current_context().client().annotation_infos_by_task(task_id=self.task_id)
        return [AnnotationInfo.of(one) for one in told]

    def update(self, remaining_instances: int) -> "Task":
        """Say how many instances are still to be taken; nothing else about a task can be changed. Returns it as it is then.

        Raises InputError for fewer than none.
        """
        if remaining_instances < 0:
            raise InputError(f"{remaining_instances} instances can not remain; ask for 0 to have no more taken")
        client = current_context().client()
        now = client.task_info(task_id=self.task_id)
        wanted = ApiTaskParameters(
            task_type_id=now.type.id,
            needed_experience=now.needed_experience,
            pending_instances=remaining_instances,
            project_name=client.project_info_by_id(project_id=now.project_id).name,
            script_id=None if now.script is None else now.script.id,
            bounding_box=now.bounding_box,
            dataset_id=now.dataset_id,
            edit_position=now.edit_position,
            edit_rotation=now.edit_rotation,
            creation_info=now.creation_info,
        )
        return Task.of(client.task_update(task_id=self.task_id, task_parameters=wanted))

    def assign_to(self, user: str | User) -> "Task":
        """Give an instance of the task to a user (or the id of one), whatever experience says; returns the task as it is then.

        Raises RequestRefusedError if no instance is left.
        """
        user_id = user if isinstance(user, str) else user.user_id
        return Task.of(current_context().client().task_assign(task_id=self.task_id, user_id=user_id))

    def delete(self) -> None:
        """Delete the task; work on it is cancelled. There is no way back."""
        current_context().client().task_delete(task_id=self.task_id)

    def as_base(self) -> Result:
        """Say where the work of this task was done, for the next task."""
        return Result(
            base=self.task_id,
            dataset_id=self.dataset_id,
            position=self.edit_position.to_tuple(),
            rotation=self.edit_rotation,
            bounding_box=self.bounding_box,
        )


def _sent(requests: list[Request]) -> dict[int, Task]:
    """Send requests and return the tasks in the order of their numbers. Raises TaskCreationError that carries tasks."""
    try:
        made = send_requests(requests)
    except TaskCreationError as error:
        error.created = {number: Task.of(told) for number, told in sorted(error.created.items())}
        raise
    return {number: Task.of(made[number]) for number in sorted(made)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Describe a project: tasks of one team. Methods raise ServerError. `expected_time`: minutes per task.

    The server keeps milliseconds; what is no whole minute is shown rounded, and stays what it is when something else changes.
    """

    project_id: str
    name: str
    team_id: str
    team_name: str
    owner_id: str | None
    priority: int
    paused: bool
    expected_time: int | None
    is_blacklisted_from_report: bool

    @classmethod
    def of(cls, told: ApiProject) -> "Project":
        """Take over what the server tells of a project."""
        return cls(
            project_id=told.id,
            name=told.name,
            team_id=told.team,
            team_name=told.team_name,
            owner_id=None if told.owner is None else told.owner.id,
            priority=told.priority,
            paused=told.paused,
            expected_time=None if told.expected_time is None else round(told.expected_time / _MILLIS_PER_MINUTE),
            is_blacklisted_from_report=told.is_blacklisted_from_report,
        )

    @classmethod
    def get_by_id(cls, project_id: str) -> "Project":
        """Return a project by its id. Raises NotOnServerError."""
        return cls.of(current_context().client().project_info_by_id(project_id=project_id))

    @classmethod
    def get_by_name(cls, name: str) -> "Project":
        """Return a project by its name. Raises NotOnServerError."""
        return cls.of(current_context().client().project_info_by_name(project_name=name))

    @classmethod
    def get_list(cls) -> "list[Project]":
        """Return the projects of the current user's teams."""
        return [cls.of(told) for told in current_context().client().project_list()]

    @classmethod
    def create(
        cls,
        name: str,
        team: str | Team,
        expected_time: int | None,
        priority: int = 100,
        paused: bool = False,
        is_blacklisted_from_report: bool = False,
        owner: str | User | None = None,
    ) -> "Project":
        """Make a project. `team`: a Team, its name or its id; `expected_time`: minutes per task; `owner` None: who asks.

        Raises UnknownNameError for a team that the current user does not see, RequestRefusedError for a name that is taken.
        """
        client = current_context().client()
        if owner is None:
            owner = client.user_current().id
        wanted = ApiProjectCreate(
            name=name,
            team=Team.meant_by(team).id,
            priority=priority,
            paused=paused,
            is_blacklisted_from_report=is_blacklisted_from_report,
            expected_time=_millis(expected_time),
            owner=owner if isinstance(owner, str) else owner.user_id,
        )
        return cls.of(client.project_create(project=wanted))

    def update(
        self,
        priority: int | None = None,
        expected_time: int | None = None,
        is_blacklisted_from_report: bool | None = None,
    ) -> "Project":
        """Change what is given, leave the rest as it is on the server; returns the project as it is then."""
        client = current_context().client()
        now = client.project_info_by_id(project_id=self.project_id)
        wanted = ApiProjectCreate(
            name=now.name,
            team=now.team,
            priority=now.priority if priority is None else priority,
            paused=now.paused,
            is_blacklisted_from_report=(
                now.is_blacklisted_from_report if is_blacklisted_from_report is None else is_blacklisted_from_report
            ),
            expected_time=now.expected_time if expected_time is None else _millis(expected_time),
            owner=None if now.owner is None else now.owner.id,
        )
        return Project.of(client.project_update(project_id=self.project_id, project=wanted))

    def pause(self) -> "Project":
        """Give no more of its tasks out; what somebody has begun goes on. Returns the project as it is then."""
        return Project.of(current_context().client().project_pause(project_id=self.project_id))

    def resume(self) -> "Project":
        """Give its tasks out again. Returns the project as it is then."""
        return Project.of(current_context().client().project_resume(project_id=self.project_id))

    def delete(self) -> None:
        """Delete the project and its tasks; its owner or an administrator may. There is no way back."""
        current_context().client().project_delete(project_id=self.project_id)

    def get_owner(self) -> User:
        """Return the project's owner. Raises InputError if the server names none."""
        if self.owner_id is None:
            raise InputError(f"project {self.name!r} has no owner that this user may see; ask as an administrator")
        return User.get_by_id(self.owner_id)

    def get_tasks(self, fetch_all: bool = False) -> list[Task]:
        """Return the project's tasks, newest first: at most a thousand, with a warning if there are more, or all of them."""
        client = current_context().client()
        if fetch_all:
            return [Task.of(told) for told in tasks_of_project(client, self.project_id)]
        found, total = client.task_infos_by_project_id_paginated(
            project_id=self.project_id, limit=LIST_END, page_number=0
        )
        if total > len(found):
            text = f"project {self.name!r} has {total} tasks, these are {len(found)}; get_tasks(fetch_all=True) returns all"
            warnings.warn(text, stacklevel=2)
        return [Task.of(told) for told in found]


def _millis(minutes: int | None) -> int | None:
    return None if minutes is None else minutes * _MILLIS_PER_MINUTE
