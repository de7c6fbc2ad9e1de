"""The two kinds of layers, by the names that scripts use. Text only."""

from enum import StrEnum
from typing import Final

from wk_assets.errors import PropertiesError
from wk_assets.properties.layer_properties import Category


class LayerCategoryType(StrEnum):
    """Name what a layer's voxels are; equal to the plain text that datasource-properties.json says."""

    COLOR_CATEGORY = "color"
    SEGMENTATION_CATEGORY = "segmentation"


COLOR_CATEGORY: Final[Category] = "color"
SEGMENTATION_CATEGORY: Final[Category] = "segmentation"


def parse_category(category: str) -> Category:
    """Understand `color` or `segmentation`; raises PropertiesError for anything else."""
    if category == "color":
        return "color"
    if category == "segmentation":
        return "segmentation"
    raise PropertiesError(f"layer category {str(category)!r}: write color or segmentation")
