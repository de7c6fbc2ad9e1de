"""One layer as an object: what it is called, what it holds, where it lies. What adds mags to it is in `layer_mags`.

Thin: what it says stands in datasource-properties.json and is changed there through the dataset's one door. A handle
follows the changes of its dataset's handle; another process' changes show after the next change, or `Dataset.open`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from upath import UPath

from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.owners import LayerOwner
from wk_assets.dataset.view_region import in_words
from wk_assets.errors import GeometryError, NotInDatasetError, ReadOnlyError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets.layer_box import check_layer_box, resize_arrays, with_box_around, with_layer_box
from wk_assets.operations.datasets.rename_layer import rename_layer
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AdditionalAxisProperties,
    Category,
    CoordinateTransformationProperties,
    DataFormat,
    LayerProperties,
    MagViewProperties,
)
from wk_assets.properties.view_configuration import LayerViewConfiguration


class LayerHandle:
    """Offer one layer: its type, its box, its mags. Made by `Dataset`."""

    def __init__(self, dataset: LayerOwner, properties: LayerProperties, read_only: bool = False) -> None:
        self._dataset = dataset
        self._properties = properties
        self._read_only = read_only
        self._mags: dict[Mag, MagView[Self]] = {}

    # ------------------------------------------------------------------ what it is

    @property
    def dataset(self) -> LayerOwner:
        """The dataset that this is a layer of."""
        return self._dataset

    @property
    def name(self) -> str:
        """The layer's name. Setting it renames the layer's directory too, if the dataset has one for it.

        Raises InvalidNameError, AlreadyThereError, ReadOnlyError.
        """
        return self._properties.name

    @name.setter
    def name(self, layer_name: str) -> None:
        old_name = self.name
        if layer_name != old_name:
            self._dataset.change(
                f"renaming of layer {old_name}",
                lambda stored: rename_layer(Path(self._dataset.path), stored, old_name, layer_name),
            )
            self._dataset.follow_renaming(old_name, layer_name, self)

    @property
    def category(self) -> Category:
        """`color` or `segmentation`."""
        return self._properties.category

    @property
    def path(self) -> Path:
        """The directory for this layer's data (a `UPath` that is a `Path`); mags may lie elsewhere (see `MagView.path`)."""
        found: Path = UPath(self._dataset.path) / self.name  # type: ignore[assignment]  # local UPaths are Paths
        return found

    @property
    def resolved_path(self) -> Path:
        """The same with links followed."""
        return self.path.resolve()

    @property
    def is_foreign(self) -> bool:
        """Whether the layer's directory, links followed, lies outside of its dataset."""
        return self.resolved_path.parent != self._dataset.path.resolve()

    @property
    def is_remote_to_dataset(self) -> bool:
        """Whether the layer's directory lies outside of its dataset, as `is_foreign`."""
        return self.is_foreign

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
    def additional_axes(self) -> tuple[AdditionalAxisProperties, ...]:
        """The axes beside x, y, z and channels, with their bounds."""
        return self._properties.additional_axes or ()

    @property
    def voxel_size(self) -> VoxelSize:
        """Edge lengths of a mag-1 voxel, with their unit: those of the dataset."""
        return self._dataset.voxel_size_with_unit

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only or self._dataset.read_only

    # ------------------------------------------------------------------ what can be set

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The layer's box in mag-1 voxels; a `BoundingBox` unless there are more axes than x, y, z.

        Setting it makes all arrays of the layer end where the box does; no voxel is touched, those beyond are hidden.
        Raises GeometryError for a box with other axes, or below the origin, ReadOnlyError.
        """
        return self._properties.bounding_box.denormalize()

    @bounding_box.setter
    def bounding_box(self, bbox: NDBoundingBox) -> None:
        self._set_box(lambda _: bbox)

    @property
    def normalized_bounding_box(self) -> NormalizedBoundingBox:
        """The layer's box with its channel axis."""
        return self._properties.bounding_box

    @property
    def default_view_configuration(self) -> LayerViewConfiguration | None:
        """How WEBKNOSSOS shows the layer at first; can be set. Raises ReadOnlyError."""
        return self._properties.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, view_configuration: LayerViewConfiguration | None) -> None:
        self._update("view configuration", default_view_configuration=view_configuration)

    @property
    def coordinate_transformations(self) -> tuple[CoordinateTransformationProperties, ...]:
        """How the layer is moved before it is shown, first to last; can be set to any sequence. Raises ReadOnlyError."""
        return self._properties.coordinate_transformations or ()

    @coordinate_transformations.setter
    def coordinate_transformations(self, transformations: Sequence[CoordinateTransformationProperties]) -> None:
        self._update("coordinate transformations", coordinate_transformations=tuple(transformations) or None)

    # ------------------------------------------------------------------ mags

    @property
    def mags(self) -> Mapping[Mag, MagView[Self]]:
        """All mags, finest first."""
        ordered = sorted(self._properties.mags, key=lambda entry: (entry.mag.max_dim, entry.mag.to_tuple()))
        known = self._mags
        self._mags = {}
        for entry in ordered:
            self._mags[entry.mag] = known.get(entry.mag) or self._mag_view(entry)
            self._mags[entry.mag].adopt(entry)
        return MappingProxyType(self._mags)

    def get_mag(self, mag: MagLike) -> MagView[Self]:
        """Give one mag: `layer.get_mag("4-4-2")`. Raises NotInDatasetError, naming those that there are."""
        found = self.mags.get(Mag(mag))
        if found is None:
            there = ", ".join(view.name for view in self.mags.values()) or "none"
            raise NotInDatasetError(f"layer {self.name!r} has no mag {Mag(mag)}; it has {there}")
        return found

    def get_finest_mag(self) -> MagView[Self]:
        """Give the mag with the most voxels. Raises NotInDatasetError if there is none."""
        if not self.mags:
            raise NotInDatasetError(f"layer {self.name!r} has no mags yet")
        return next(iter(self.mags.values()))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, category={self.category!r}, dtype={self.dtype.name}, "
            f"num_channels={self.num_channels}, {in_words(self.normalized_bounding_box)})"
        )

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _layer_of, (self._dataset, self.name)

    # ------------------------------------------------------------------ for the dataset, its mags and other floors' doors

    @property
    def properties(self) -> LayerProperties:
        """What datasource-properties.json says of the layer."""
        return self._properties

    def adopt(self, properties: LayerProperties) -> None:
        """Take note of what the dataset's metadata says now."""
        resized = properties.bounding_box != self._properties.bounding_box
        self._properties = properties
        for entry in properties.mags:
            if entry.mag in self._mags:
                self._mags[entry.mag].adopt(entry, resized=resized)

    def reload(self) -> None:
        """Take note of what others changed in the dataset's metadata meanwhile."""
        self._dataset.reload()

    def change(self, purpose: str, change: Callable[[LayerProperties], LayerProperties]) -> None:
        """Change what the metadata says of this layer as it is now; nothing else of the file. Raises ReadOnlyError."""
        name = self.name

        def changed(stored: DatasetProperties) -> DatasetProperties:
            return stored.with_layer(change(stored.layer(name)))

        self._dataset.change(f"{purpose} of layer {name}", changed)

    def check_may_change(self) -> None:
        """Raise ReadOnlyError if this layer, or its dataset, was opened for reading."""
        if self.read_only:
            raise ReadOnlyError(
                f"layer {self.name!r} is only for reading; open the dataset without read_only to change it"
            )

    def extend_box(self, box: NDBoundingBox) -> None:
        """Let the layer's box hold another box (mag 1) too, and the arrays of all its mags with it."""
        self._set_box(lambda stored: with_box_around(stored, box).bounding_box)

    def _set_box(self, new_box: Callable[[LayerProperties], NDBoundingBox]) -> None:
        def changed(stored: LayerProperties) -> LayerProperties:
            box = check_layer_box(new_box(stored), stored)
            if box == stored.bounding_box:
                return stored
            resized = with_layer_box(stored, box)
            resize_arrays(Path(self._dataset.path), resized)
            return resized

        self.change("bounding box", changed)

    def _update(self, purpose: str, **fields: object) -> None:
        self.change(purpose, lambda stored: stored.model_copy(update=fields))

    def _mag_view(self, entry: MagViewProperties) -> MagView[Self]:
        return MagView.of_entry(self, entry)


def _layer_of(dataset: LayerOwner, name: str) -> object:
    """Give the layer again in another process."""
    if name not in dataset.layers:
        raise GeometryError(f"dataset {dataset.name!r} has no layer {name!r} any more")
    return dataset.layers[name]
