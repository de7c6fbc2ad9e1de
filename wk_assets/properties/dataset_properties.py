"""The file `datasource-properties.json`: what a WEBKNOSSOS dataset is. Pure text <-> model.

Opens no file (see `storage`), looks at no voxel. Source: what WEBKNOSSOS and its tools read and write; keys that they write
and this model does not know survive a round trip at every level.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from wk_assets.errors import Problem, PropertiesError
from wk_assets.geometry.length_unit import DEFAULT_LENGTH_UNIT, LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.json_model import JsonModel, Number, mistake
from wk_assets.properties.layer_properties import LayerProperties, SegmentationLayerProperties
from wk_assets.properties.view_configuration import DatasetViewConfiguration

FILE_NAME = "datasource-properties.json"


class ScaleProperties(JsonModel):
    """Hold the edge lengths x, y, z of a mag-1 voxel and their unit. Old files write a plain list, in nanometers."""

    always_written: ClassVar[frozenset[str]] = frozenset({"unit"})

    factor: tuple[Number, Number, Number]
    unit: LengthUnit = DEFAULT_LENGTH_UNIT

    @model_validator(mode="before")
    @classmethod
    def _understand_old_forms(cls, value: Any) -> Any:
        if isinstance(value, VoxelSize):
            return {"factor": value.factor, "unit": value.unit}
        return {"factor": value} if isinstance(value, list) else value

    @field_validator("factor")
    @classmethod
    def _greater_than_zero(cls, factor: tuple[float, float, float]) -> tuple[float, float, float]:
        VoxelSize(factor)
        return factor

    @property
    def voxel_size(self) -> VoxelSize:
        """Give the voxel size."""
        return VoxelSize(self.factor, self.unit)


def _layer_kind(layer: Any) -> str:
    category = layer.get("category") if isinstance(layer, dict) else getattr(layer, "category", None)
    return "segmentation" if category == "segmentation" else "color"


AnyLayerProperties = Annotated[
    Annotated[SegmentationLayerProperties, Tag("segmentation")] | Annotated[LayerProperties, Tag("color")],
    Discriminator(_layer_kind),
]


class DatasetProperties(JsonModel):
    """Hold a dataset: its voxel size and its layers. `id` is written for old readers; WEBKNOSSOS ignores it."""

    always_written: ClassVar[frozenset[str]] = frozenset({"id", "version"})

    id: dict[str, Any] = Field(default_factory=lambda: {"name": "", "team": ""})
    scale_properties: ScaleProperties = Field(alias="scale")
    data_layers: tuple[AnyLayerProperties, ...]
    version: Literal[1] = 1
    default_view_configuration: DatasetViewConfiguration | None = None

    @classmethod
    def new(
        cls,
        *,
        name: str,
        voxel_size: VoxelSize,
        layers: Sequence[LayerProperties],
        default_view_configuration: DatasetViewConfiguration | None = None,
    ) -> Self:
        """Describe a dataset; layers in the order in which WEBKNOSSOS lists them."""
        return cls(
            id={"name": name, "team": ""},
            scale_properties=ScaleProperties(factor=voxel_size.factor, unit=voxel_size.unit),
            data_layers=tuple(layers),
            default_view_configuration=default_view_configuration,
        )

    @classmethod
    def parse_text(cls, text: str, *, source: str = FILE_NAME) -> Self:
        """Read the file's text; `source` names the file in errors.

        Raises InvalidPropertiesError with every problem at once, each with its path like `dataLayers.0.mags.1.mag`.
        """
        return super().parse_text(text, source=source)

    @property
    def scale(self) -> VoxelSize:
        """Give the voxel size."""
        return self.scale_properties.voxel_size

    @property
    def name(self) -> str:
        """Give the name that the file says; WEBKNOSSOS takes the folder's instead."""
        return str(self.id.get("name", ""))

    def layer(self, name: str) -> LayerProperties:
        """Give a layer by its name; raises PropertiesError, naming those that there are."""
        for layer in self.data_layers:
            if layer.name == name:
                return layer
        there = ", ".join(layer.name for layer in self.data_layers) or "none"
        raise PropertiesError(f"no layer {name!r} in dataset {self.name!r}; it has {there}")

    def with_layer(self, layer: LayerProperties) -> Self:
        """Put a layer in the place of the one of the same name, else after the others."""
        names = [present.name for present in self.data_layers]
        layers = list(self.data_layers)
        if layer.name in names:
            layers[names.index(layer.name)] = layer
        else:
            layers.append(layer)
        return self.model_copy(update={"data_layers": tuple(layers)})

    def without_layer(self, name: str) -> Self:
        """Take a layer away; raises PropertiesError if it is not there."""
        self.layer(name)
        return self.model_copy(update={"data_layers": tuple(layer for layer in self.data_layers if layer.name != name)})

    @classmethod
    def contradictions(cls, value: Any) -> list[Problem]:
        """Find layers, and mags of a layer, that stand in the file twice."""
        return list(_repeated(value))

    @field_validator("version", mode="before")
    @classmethod
    def _known_version(cls, version: Any) -> Any:
        if isinstance(version, bool) or version != 1:
            raise mistake("is a version of the file that is not known")
        return int(version)


def _repeated(content: Any) -> Iterator[Problem]:
    layers = content.get("dataLayers") if isinstance(content, dict) else None
    names: list[Any] = []
    for position, layer in enumerate(layers if isinstance(layers, list) else ()):
        if not isinstance(layer, dict):
            continue
        where = f"dataLayers.{position}"
        name = layer.get("name")
        if name is not None and name in names:
            yield Problem(f"{where}.name", f"{name!r} is the name of another layer too", "Rename one of them")
        names.append(name)
        entries = layer.get("mags")
        mags = [entry.get("mag") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        for mag in {str(mag): mag for mag in mags if mag is not None and mags.count(mag) > 1}.values():
            yield Problem(f"{where}.mags", f"mag {mag} stands there twice", "Remove one of them")
