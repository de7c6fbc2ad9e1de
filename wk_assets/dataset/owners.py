"""What a mag knows of its layer, and a layer of its dataset: protocols, so that the imports do not go round."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat, LayerProperties


class MagOwner(Protocol):
    """What a mag knows of its layer."""

    @property
    def name(self) -> str:
        """The layer's name."""
        ...

    @property
    def dataset(self) -> "LayerOwner":
        """The layer's dataset."""
        ...

    @property
    def properties(self) -> LayerProperties:
        """What the metadata says of the layer."""
        ...

    @property
    def data_format(self) -> DataFormat:
        """The format of the arrays."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one channel of a voxel."""
        ...

    @property
    def additional_axes(self) -> tuple[AdditionalAxisProperties, ...]:
        """The axes beside x, y, z and channels."""
        ...

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The layer's box in mag-1 voxels."""
        ...

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The layer's box with its channel axis."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def mags(self) -> Mapping[Mag, Any]:
        """All mags of the layer."""
        ...

    def get_mag(self, mag: MagLike) -> Any:
        """Give one mag."""
        ...

    def extend_box(self, box: NDBoundingBox) -> None:
        """Let the layer's box hold another box too."""
        ...

    def reload(self) -> None:
        """Take note of what others changed."""
        ...


class LayerOwner(Protocol):
    """What a layer knows of its dataset."""

    @property
    def path(self) -> Path:
        """The dataset's directory."""
        ...

    @property
    def name(self) -> str:
        """The dataset's name."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """The dataset's voxel size in nanometers."""
        ...

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The dataset's voxel size."""
        ...

    @property
    def layers(self) -> Mapping[str, Any]:
        """All layers of the dataset."""
        ...

    def at_path(self, path: Path) -> Any:
        """Open the dataset at another path, or make it there with the same voxel size."""
        ...

    def change(self, purpose: str, change: Callable[[DatasetProperties], DatasetProperties]) -> None:
        """Change what the dataset's metadata says, through the one door."""
        ...

    def follow_renaming(self, old_name: str, new_name: str, layer: Any) -> None:
        """Take note of a layer's new name."""
        ...

    def reload(self) -> None:
        """Read the dataset's metadata anew."""
        ...


class LayerWithMags(Protocol):
    """What another layer must offer so that this one's mags can be aligned with it."""

    @property
    def mags(self) -> Mapping[Mag, object]:
        """Its mags."""
        ...


class DatasetWithLayers(Protocol):
    """What another dataset must offer so that the mags of this one's layers can be aligned with it."""

    @property
    def layers(self) -> Mapping[str, LayerWithMags]:
        """Its layers by name."""
        ...
