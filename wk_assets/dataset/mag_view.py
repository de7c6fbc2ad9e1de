"""One layer at one mag: a view of all of it that also knows where it lies."""

from pathlib import Path
from typing import Generic, TypeVar

from wk_assets.dataset.view import View
from wk_assets.errors import NotADatasetError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.properties.layer_properties import MagViewProperties
from wk_assets.storage.open_array import open_array
from wk_assets.storage.properties_file import array_location
from wk_assets.storage.voxel_array import VoxelArray

LayerT = TypeVar("LayerT")


class MagView(View, Generic[LayerT]):
    """Show one layer at one mag. Its bounding box is the layer's, rounded outward to whole voxels of the mag."""

    def __init__(
        self,
        layer: LayerT,
        properties: MagViewProperties,
        *,
        dataset_path: Path,
        layer_name: str,
        layer_box: NDBoundingBox,
    ) -> None:
        self._layer = layer
        self._properties = properties
        self._location = array_location(dataset_path, layer_name, properties.mag, properties.path)
        self._dataset_path = dataset_path
        super().__init__(
            open_array=self._open,
            bounding_box=layer_box.align_with_mag(properties.mag, ceil=True),
            mag=properties.mag,
        )

    @property
    def layer(self) -> LayerT:
        """The layer that this is a mag of."""
        return self._layer

    @property
    def name(self) -> str:
        """The mag in short: `2`, `4-4-2`."""
        return self._mag.to_layer_name()

    @property
    def path(self) -> Path:
        """The array's directory. Raises NotADatasetError for an array that lies behind a URL."""
        if self._location is None:
            raise NotADatasetError(f"mag {self.name} lies at {self._properties.path}; only local arrays are read")
        return self._location

    @property
    def is_foreign(self) -> bool:
        """Whether the array lies outside of the dataset's directory."""
        return self._location is None or not self._location.resolve().is_relative_to(self._dataset_path.resolve())

    def __repr__(self) -> str:
        return f"MagView(name={self.name!r}, bounding_box={self.bounding_box})"

    def _open(self) -> VoxelArray:
        return open_array(self.path, self._properties.axis_order)
