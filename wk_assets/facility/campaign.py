"""A campaign: tasks on a WEBKNOSSOS server, as a person configures them in the section `campaigns` of wk_assets.yaml.

Models only. Mistakes that only several campaigns together show are found in `campaign_mistakes`; the tasks are planned
in `campaign_plan`, made in `campaign_run`, and followed in `follow_up`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from wk_assets.errors import InvalidNameError
from wk_assets.facility.campaign_checks import CheckSettings
from wk_assets.facility.campaign_rules import Experience, FollowUpRule, Rule, StopRule, label
from wk_assets.facility.campaign_work import Work
from wk_assets.facility.section import Section, mistake
from wk_assets.properties.names import check_layer_name

CAMPAIGN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
SERVER_ID = re.compile(r"[0-9a-f]{24}")
Kind = Literal["skeleton", "volume", "hybrid"]


class ProjectSettings(Section):
    """The project that the tasks are of. What it says is used where the project is created, and kept current after."""

    name: str = Field(min_length=1, description="the project's name, which is unique on the server, e.g. nuclei")
    team: str = Field(min_length=1, description="the team that works on it, a name or an id, e.g. Annotators")
    priority: int = Field(default=100, ge=0, description="tasks of a higher priority are given out first, e.g. 100")
    minutes_per_task: int | None = Field(default=None, ge=1, description="how long a task is expected to take, e.g. 15")
    create: bool = Field(default=True, description="true: make the project if it is not there")
    share: bool = Field(default=True, description="true: let the team see the dataset if it does not")


class MagRange(Section):
    """Between which mags annotators may work."""

    min: int | None = Field(default=None, ge=1, description="the finest mag, a power of two, e.g. 1")
    max: int | None = Field(default=None, ge=1, description="the coarsest mag, a power of two, e.g. 4")

    @model_validator(mode="after")
    def _powers_in_order(self) -> "MagRange":
        for value in (self.min, self.max):
            if value is not None and value & (value - 1):
                raise mistake(f"{value} is not a mag", "Write a power of two: 1, 2, 4, 8 …")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise mistake(f"the finest mag {self.min} is coarser than the coarsest, {self.max}", "Exchange min and max")
        return self


class TaskTypeSettings(Section):
    """What annotators do. Kind and mags can not be changed on the server later."""

    name: str = Field(
        min_length=1, description="the task type's name, which is unique on the server, e.g. trace nuclei"
    )
    kind: Kind = Field(description="skeleton, volume or hybrid")
    description: str = Field(default="", description="what annotators read, e.g. 'Place one node in each nucleus.'")
    create: bool = Field(default=True, description="true: make the task type if it is not there")
    modes: tuple[Literal["orthogonal", "oblique", "flight"], ...] = Field(
        default=("orthogonal", "oblique", "flight"), min_length=1, description="a list of orthogonal, oblique, flight"
    )
    mags: MagRange = Field(default_factory=dict, validate_default=True, description="e.g. {min: 1, max: 4}")
    settings: Mapping[str, Any] = Field(
        default_factory=dict, description="further settings of the tool, as the server names them, e.g. {brushSize: 30}"
    )

    @field_validator("settings")
    @classmethod
    def _only_what_has_no_key_here(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        for key, ours in (("allowedModes", "modes"), ("magRestrictions", "mags")):
            if key in settings:
                raise mistake(f"{key!r} stands among the settings", f"Write it as {ours!r} of the task type")
        return MappingProxyType(dict(settings))


class Campaign(Section):
    """A campaign. `work` None: its tasks come from rules of other campaigns alone."""

    name: str = Field(description="the campaign's name: letters, digits, '-', '_', '.', e.g. nuclei-seeds")
    dataset: str = Field(min_length=1, description="a dataset of the catalogue, or the id of one on the server")
    layers: tuple[str, ...] = Field(
        min_length=1, description="the layers that are looked at, e.g. [nuclei]; work lies inside all of them"
    )
    project: ProjectSettings = Field(description="the project, e.g. {name: nuclei, team: Annotators}")
    task_type: TaskTypeSettings = Field(description="the task type, e.g. {name: trace nuclei, kind: skeleton}")
    experience: Experience = Field(description="what annotators need, e.g. {domain: nuclei, value: 1}")
    instances: int = Field(default=1, ge=1, description="how many annotators do each task, e.g. 2")
    work: Work | None = Field(default=None, description="where the work is, e.g. {rule: grid, size: 512}")
    then: tuple[Rule, ...] = Field(default=(), description="what follows, a list like '- {rule: review}'")
    checks: CheckSettings = Field(
        default_factory=dict, validate_default=True, description="what is looked at, e.g. {one_component: true}"
    )
    active: bool = Field(default=True, description="false: keep it in the file, and do nothing")

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        if not CAMPAIGN_NAME.fullmatch(name):
            raise mistake(
                f"{name!r} is no name for a campaign",
                "Use up to 100 letters, digits, '-', '_' and '.', beginning with a letter or digit",
            )
        return name

    @field_validator("layers", mode="before")
    @classmethod
    def _one_or_many(cls, layers: Any) -> Any:
        return (layers,) if isinstance(layers, str) else layers

    @field_validator("layers")
    @classmethod
    def _legal_layers(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        for name in layers:
            try:
                check_layer_name(name)
            except InvalidNameError as error:
                raise mistake(str(error), "Name layers as the dataset does") from error
        return layers

    @property
    def on_server(self) -> bool:
        """Say whether `dataset` is the id of a dataset on the server, instead of a name in the catalogue."""
        return SERVER_ID.fullmatch(self.dataset) is not None

    @property
    def stop(self) -> StopRule | None:
        """Give the rule that says when annotators agree, if there is one (two are a mistake)."""
        return next((rule for rule in self.then if isinstance(rule, StopRule)), None)

    @property
    def follow_up_rules(self) -> Mapping[str, FollowUpRule]:
        """Give the rules that lead to tasks, by their label, in the file's order."""
        return MappingProxyType({label(rule): rule for rule in self.then if not isinstance(rule, StopRule)})
