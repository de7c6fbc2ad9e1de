"""Task types: what annotators are asked to do, and what the annotation tool lets them do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from wk_assets.client.context import current_context
from wk_assets.client.task_models import ApiTaskType, ApiTaskTypeCreate
from wk_assets.errors import UnknownNameError
from wk_assets.people.members import Team

TracingType = Literal["skeleton", "volume", "hybrid"]

# Source: the reference's default. `magRestrictions` keeps annotators at mag 1.
DEFAULT_SETTINGS: Mapping[str, Any] = MappingProxyType({
    "mergerMode": False, "magRestrictions": {"min": 1, "max": 1}, "somaClickingAllowed": True,
    "volumeInterpolationAllowed": False, "allowedModes": [], "preferredMode": None, "branchPointsAllowed": True,
    "clippingDistance": 80, "moveValue": 500, "displayScalebars": False, "newNodeNewTree": False, "centerNewNode": True,
    "tdViewDisplayPlanes": "WIREFRAME", "tdViewDisplayDatasetBorders": True, "tdViewDisplayLayerBorders": False,
    "dynamicSpaceDirection": True, "highlightCommentedNodes": False, "overrideNodeRadius": True, "particleSize": 5,
    "keyboardDelay": 0, "displayCrosshair": True, "useLegacyBindings": False, "fourBit": False, "interpolation": True,
    "segmentationOpacity": 0, "segmentationPatternOpacity": 40, "zoom": 0.8, "renderMissingDataBlack": False,
    "loadingStrategy": "BEST_QUALITY_FIRST", "clippingDistanceArbitrary": 60, "moveValue3d": 600,
    "mouseRotateValue": 0.001, "rotateValue": 0.01, "sphericalCapRadius": 500, "brushSize": 50,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """Describe a task type. `name` is what people see as its summary. Methods raise ServerError."""

    task_type_id: str
    name: str
    description: str
    team_id: str
    team_name: str
    settings: dict[str, Any] | None = field(default=None, hash=False)
    tracingType: str | None = None  # noqa: N815  # the reference's name

    @classmethod
    def of(cls, told: ApiTaskType) -> "TaskType":
        """Take over what the server tells of a task type."""
        return cls(
            task_type_id=told.id,
            name=told.summary,
            description=told.description,
            team_id=told.team_id,
            team_name=told.team_name,
            settings=told.settings,
            tracingType=told.tracing_type,
        )

    @classmethod
    def get_by_id(cls, task_type_id: str) -> "TaskType":
        """Return a task type by its id. Raises NotOnServerError."""
        return cls.of(current_context().client().get_task_type(task_type_id=task_type_id))

    @classmethod
    def get_by_name(cls, name: str) -> "TaskType":
        """Return a task type by its name. Raises UnknownNameError if the current user sees none."""
        types = cls.get_list()
        for one in types:
            if one.name == name:
                return one
        seen = ", ".join(sorted(one.name for one in types)) or "none"
        raise UnknownNameError(f"there is no task type {name!r} that this user sees; the user sees {seen}")

    @classmethod
    def get_list(cls) -> "list[TaskType]":
        """Return the task types of the current user's teams."""
        return [cls.of(told) for told in current_context().client().task_type_list()]

    @classmethod
    def create(
        cls,
        name: str,
        description: str,
        team: str | Team,
        tracing_type: TracingType = "skeleton",
        settings: Mapping[str, Any] = DEFAULT_SETTINGS,
    ) -> "TaskType":
        """Make a task type. `team`: a Team, its name or its id.

        `settings` say what the tool allows (`allowedModes` is needed) and how it starts; the tracing type and
        `magRestrictions` can not be changed later. Raises UnknownNameError for a team that the current user does not see,
        RequestRefusedError for a name that is taken.
        """
        meant = Team.meant_by(team)
        wanted = ApiTaskTypeCreate(
            summary=name,
            description=description,
            team_id=meant.id,
            team_name=meant.name,
            tracing_type=tracing_type,
            settings=dict(settings),
        )
        return cls.of(current_context().client().task_type_create(task_type=wanted))

    def delete(self) -> None:
        """Delete the task type and all its tasks. There is no way back."""
        current_context().client().task_type_delete(task_type_id=self.task_type_id)
