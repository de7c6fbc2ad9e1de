"""One volume of a dataset, with its mags. Thin: what it says stands in datasource-properties.json."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import NotInDatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.layer_properties import Category, DataFormat, LayerProperties, SegmentationLayerProperties
from wk_assets.properties.view_configuration import LayerViewConfiguration


class LayerOwner(Protocol):
    """What a layer knows of its dataset (which knows its layers: this protocol keeps the imports from going round)."""

    @property
    def path(self) -> Path:
        """The dataset's directory."""
        ...

    @property
    def name(self) -> str:
        """The dataset's name."""
        ...

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The dataset's voxel size."""
        ...


class Layer:
    """Offer one layer: its type, its box, its mags. Made by `Dataset`, read-only."""

    def __init__(self, dataset: LayerOwner, properties: LayerProperties) -> None:
        self._dataset = dataset
        self._properties = properties

    @property
    def dataset(self) -> LayerOwner:
        """The dataset that this is a layer of."""
        return self._dataset

    @property
    def name(self) -> str:
        """The layer's name."""
        return self._properties.name

    @property
    def category(self) -> Category:
        """`color` or `segmentation`."""
        return self._properties.category

    @property
    def path(self) -> Path:
        """The directory for this layer's data; mags may lie elsewhere (see `MagView.path`)."""
        return self._dataset.path / self.name

    @property
    def resolved_path(self) -> Path:
        """The same with links followed."""
        return self.path.resolve()

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The layer's box in mag-1 voxels; a `BoundingBox` unless there are more axes than x, y, z."""
        return self._properties.bounding_box.denormalize()

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The layer's box with its channel axis."""
        return self._properties.bounding_box

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one channel of a voxel."""
        return self._properties.dtype_np

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self._properties.num_channels

    @property
    def data_format(self) -> DataFormat:
        """The format of the arrays."""
        return self._properties.data_format

    @property
    def voxel_size(self) -> VoxelSize:
        """Edge lengths of a mag-1 voxel, with their unit: those of the dataset."""
        return self._dataset.voxel_size_with_unit

    @property
    def default_view_configuration(self) -> LayerViewConfiguration | None:
        """How WEBKNOSSOS shows the layer at first."""
        return self._properties.default_view_configuration

    @property
    def read_only(self) -> bool:
        """Whether writing is refused; always so."""
        return True

    @cached_property
    def mags(self) -> Mapping[Mag, MagView["Layer"]]:
        """All mags, finest first."""
        ordered = sorted(self._properties.mags, key=lambda entry: (entry.mag.max_dim, entry.mag.to_tuple()))
        return MappingProxyType(
            {
                entry.mag: MagView(
                    self,
                    entry,
                    dataset_path=self._dataset.path,
                    layer_name=self.name,
                    layer_box=self.bounding_box,
                )
                for entry in ordered
            }
        )

    def get_mag(self, mag: MagLike) -> MagView["Layer"]:
        """Give one mag: `layer.get_mag("4-4-2")`. Raises NotInDatasetError, naming those that there are."""
        found = self.mags.get(Mag(mag))
        if found is None:
            there = ", ".join(view.name for view in self.mags.values()) or "none"
            raise NotInDatasetError(f"layer {self.name!r} has no mag {Mag(mag)}; it has {there}")
        return found

    def get_finest_mag(self) -> MagView["Layer"]:
        """Give the mag with the most voxels. Raises NotInDatasetError if there is none."""
        if not self.mags:
            raise NotInDatasetError(f"layer {self.name!r} has no mags yet")
        return next(iter(self.mags.values()))

    def as_segmentation_layer(self) -> "SegmentationLayer":
        """Give it as what it is, for the type checker. Raises PropertiesError if it is no segmentation."""
        if isinstance(self, SegmentationLayer):
            return self
        raise PropertiesError(f"layer {self.name!r} is a {self.category} layer, not a segmentation")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, category={self.category!r}, dtype={self.dtype.name}, "
            f"num_channels={self.num_channels}, bounding_box={self.bounding_box})"
        )


class SegmentationLayer(Layer):
    """Offer a layer whose voxels are segment ids; 0 is background."""

    def __init__(self, dataset: LayerOwner, properties: SegmentationLayerProperties) -> None:
        super().__init__(dataset, properties)
        self._largest_segment_id = properties.largest_segment_id

    @property
    def largest_segment_id(self) -> int | None:
        """The greatest id in the layer; None: unknown, not 0."""
        return self._largest_segment_id
