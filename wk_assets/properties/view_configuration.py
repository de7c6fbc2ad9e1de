"""How WEBKNOSSOS shows a dataset and its layers by default. Source: `defaultViewConfiguration` in datasource-properties.json."""

from typing import Any

from pydantic import model_validator
from pydantic.alias_generators import to_camel

from wk_assets.properties.json_model import JsonModel, Number, Text, Truth


class LayerViewConfiguration(JsonModel):
    """Say how one layer is shown.

    `color` is RGB from 0 to 255, `alpha` a percentage, `intensity_range` the values shown black and white; `min` and `max`
    limit the histogram; `mapping` is {"name": ..., "type": "HDF5"}.
    """

    color: tuple[Number, Number, Number] | None = None
    alpha: Number | None = None
    intensity_range: tuple[Number, Number] | None = None
    min: Number | None = None
    max: Number | None = None
    is_disabled: Truth | None = None
    is_inverted: Truth | None = None
    is_in_edit_mode: Truth | None = None
    mapping: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _understand_snake_case(cls, value: Any) -> Any:
        # WEBKNOSSOS' Python library writes these keys in snake_case within a dataset's view; WEBKNOSSOS reads camelCase.
        if not isinstance(value, dict):
            return value
        names = {name: to_camel(name) for name in cls.model_fields}
        return {
            names[key] if key in names and names[key] not in value else key: content for key, content in value.items()
        }


class DatasetViewConfiguration(JsonModel):
    """Say how a dataset is shown: where the camera stands, and how each layer is shown."""

    four_bit: Truth | None = None
    interpolation: Truth | None = None
    render_missing_data_black: Truth | None = None
    loading_strategy: Text | None = None
    segmentation_pattern_opacity: Number | None = None
    zoom: Number | None = None
    position: tuple[Number, Number, Number] | None = None
    rotation: tuple[Number, Number, Number] | None = None
    layers: dict[str, LayerViewConfiguration] | None = None
    color_layer_order: tuple[Text, ...] | None = None
    blend_mode: Text | None = None
    natively_rendered_layer_name: Text | None = None
