"""A dataset on disk as an object, for notebooks and scripts: `Dataset.open("path").get_layer("em").get_finest_mag().read(...)`.

A snapshot: what was committed when it was opened. Writing is done by the operations, which commit datasets as a whole.
"""

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.errors import GeometryError, NotInDatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import SegmentationLayerProperties
from wk_assets.properties.view_configuration import DatasetViewConfiguration
from wk_assets.storage.properties_file import read_properties


class Dataset:
    """Offer the layers of one dataset. Use `Dataset.open`."""

    def __init__(self, path: Path, properties: DatasetProperties) -> None:
        self._path = path
        self._properties = properties

    @classmethod
    def open(cls, dataset_path: str | PathLike[str]) -> "Dataset":
        """Open the dataset in a directory. Raises NotADatasetError, or PropertiesError for its metadata."""
        path = Path(dataset_path)
        return cls(path, read_properties(path))

    @property
    def path(self) -> Path:
        """The dataset's directory."""
        return self._path

    @property
    def resolved_path(self) -> Path:
        """The same with links followed."""
        return self._path.resolve()

    @property
    def name(self) -> str:
        """The dataset's name; its directory's if the metadata says none."""
        return self._properties.name or self.resolved_path.name

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths x, y, z of a mag-1 voxel in nanometers."""
        return self._properties.scale.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """Edge lengths x, y, z of a mag-1 voxel in the unit that was given."""
        return self._properties.scale

    @property
    def default_view_configuration(self) -> DatasetViewConfiguration | None:
        """How WEBKNOSSOS shows the dataset at first."""
        return self._properties.default_view_configuration

    @property
    def read_only(self) -> bool:
        """Whether writing is refused; always so."""
        return True

    @cached_property
    def layers(self) -> Mapping[str, Layer]:
        """All layers by name, in the order in which WEBKNOSSOS lists them."""
        return MappingProxyType(
            {
                layer.name: SegmentationLayer(self, layer)
                if isinstance(layer, SegmentationLayerProperties)
                else Layer(self, layer)
                for layer in self._properties.data_layers
            }
        )

    def get_layer(self, layer_name: str) -> Layer:
        """Give one layer. Raises NotInDatasetError, naming those that there are."""
        if layer_name not in self.layers:
            there = ", ".join(self.layers) or "none"
            raise NotInDatasetError(f"dataset {self.name!r} has no layer {layer_name!r}; it has {there}")
        return self.layers[layer_name]

    def get_segmentation_layer(self, layer_name: str) -> SegmentationLayer:
        """Give one layer that is a segmentation. Raises NotInDatasetError, PropertiesError."""
        return self.get_layer(layer_name).as_segmentation_layer()

    def get_segmentation_layers(self) -> list[SegmentationLayer]:
        """Give all segmentations."""
        return [layer for layer in self.layers.values() if isinstance(layer, SegmentationLayer)]

    def get_color_layers(self) -> list[Layer]:
        """Give all image layers."""
        return [layer for layer in self.layers.values() if not isinstance(layer, SegmentationLayer)]

    def calculate_bounding_box(self) -> NDBoundingBox:
        """Give the smallest box that holds all layers, in mag-1 voxels.

        Raises PropertiesError if there is no layer, GeometryError if layers have different axes.
        """
        boxes = [layer.bounding_box for layer in self.layers.values()]
        if not boxes:
            raise PropertiesError(f"dataset {self.name!r} has no layers, so it has no bounding box")
        if len({box.axes for box in boxes}) > 1:
            raise GeometryError(
                f"the layers of dataset {self.name!r} have different axes; ask each for its bounding box"
            )
        whole = boxes[0]
        for box in boxes[1:]:
            whole = whole.extended_by(box)
        return whole

    def __repr__(self) -> str:
        return f"Dataset(name={self.name!r}, path={str(self.path)!r}, layers={list(self.layers)})"
