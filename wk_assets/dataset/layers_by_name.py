"""What a dataset tells of its layers, wherever they are: each by its name, those of a kind, the box around all."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from wk_assets.errors import GeometryError, NotInDatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.properties.category import SEGMENTATION_CATEGORY

_Layer = TypeVar("_Layer", bound=Any)
_Segmentation = TypeVar("_Segmentation", bound=Any)


class LayersByName(ABC, Generic[_Layer, _Segmentation]):
    """Offer the layers of a dataset. `_Segmentation` is what layers of category `segmentation` are."""

    @property
    @abstractmethod
    def layers(self) -> Mapping[str, _Layer]:
        """All layers by name."""

    @property
    @abstractmethod
    def _shown_name(self) -> str:
        """What errors call the dataset."""

    def get_layer(self, layer_name: str) -> _Layer:
        """Give one layer. Raises NotInDatasetError, naming those that there are."""
        layers = self.layers
        if layer_name not in layers:
            there = ", ".join(layers) or "none"
            raise NotInDatasetError(f"dataset {self._shown_name} has no layer {layer_name!r}; it has {there}")
        return layers[layer_name]

    def get_segmentation_layer(self, layer_name: str) -> _Segmentation:
        """Give one layer that is a segmentation. Raises NotInDatasetError, PropertiesError."""
        return cast("_Segmentation", self.get_layer(layer_name).as_segmentation_layer())

    def get_segmentation_layers(self) -> list[_Segmentation]:
        """Give all segmentations."""
        return [layer for layer in self.layers.values() if layer.category == SEGMENTATION_CATEGORY]

    def get_color_layers(self) -> list[_Layer]:
        """Give all image layers."""
        return [layer for layer in self.layers.values() if layer.category != SEGMENTATION_CATEGORY]

    def calculate_bounding_box(self) -> NDBoundingBox:
        """Give the smallest box that holds all layers, in mag-1 voxels.

        Raises PropertiesError if there is no layer, GeometryError if layers have different axes.
        """
        boxes: list[NDBoundingBox] = [layer.bounding_box for layer in self.layers.values()]
        if not boxes:
            raise PropertiesError(f"dataset {self._shown_name} has no layers, so it has no bounding box")
        if len({box.axes for box in boxes}) > 1:
            raise GeometryError(
                f"the layers of dataset {self._shown_name} have different axes; ask each for its bounding box"
            )
        whole = boxes[0]
        for box in boxes[1:]:
            whole = whole.extended_by(box)
        return whole
