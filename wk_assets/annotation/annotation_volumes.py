"""The volume layers of an annotation: which there are, and what can be done with their voxels.

A layer is named by its name or its id; neither is needed where there is one layer only.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from os import PathLike

import numpy as np
from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.annotation.annotation_document import AnnotationDocument
from wk_assets.annotation.fallback_merge import fallback_layer_of, merge_with_fallback
from wk_assets.annotation.segment_information import SegmentInformation
from wk_assets.annotation.volume_layer import VolumeLayer
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.remote_layer import RemoteLayer, RemoteSegmentationLayer
from wk_assets.errors import AlreadyThereError, InputError, NotInDatasetError
from wk_assets.properties.element_class import check_layer_dtype
from wk_assets.storage.local_path import local_path

Location = str | PathLike[str] | UPath


class AnnotationVolumes(AnnotationDocument):
    """Offer the volume layers of an annotation."""

    def add_volume_layer(
        self,
        name: str,
        dtype: DTypeLike,
        fallback_layer: "Layer | RemoteLayer | str | None" = None,
        volume_layer_id: int | None = None,
    ) -> VolumeLayer:
        """Add a volume layer in which nothing is drawn yet; `VolumeLayer.edit` draws.

        `fallback_layer`: a segmentation of the dataset, or its name, that shows where nothing is drawn. `volume_layer_id`: by
        default the next. Raises AlreadyThereError for an id or name that is taken, InputError for a fallback layer that is no
        segmentation, PropertiesError for a type that segment ids do not have.
        """
        taken = {layer.id for layer in self._volume_layers}
        if volume_layer_id is None:
            volume_layer_id = max(taken, default=-1) + 1
        elif volume_layer_id in taken:
            raise AlreadyThereError(f"annotation {self.name!r} has a volume layer with id {volume_layer_id} already")
        if name in self.get_volume_layer_names():
            raise AlreadyThereError(
                f"annotation {self.name!r} has a volume layer {name!r} already; choose another name"
            )
        largest = None
        if isinstance(fallback_layer, Layer | RemoteLayer):
            if not isinstance(fallback_layer, SegmentationLayer | RemoteSegmentationLayer):
                raise InputError(
                    f"layer {fallback_layer.name!r} is a {fallback_layer.category} layer; only a segmentation can be a fallback"
                )
            largest, fallback_layer = fallback_layer.largest_segment_id, fallback_layer.name
        layer = VolumeLayer(
            id=volume_layer_id,
            name=name,
            voxel_size=self.voxel_size_with_unit,
            fallback_layer_name=fallback_layer,
            largest_segment_id=largest,
            _dtype=check_layer_dtype("segmentation", np.dtype(dtype)),
        )
        self._volume_layers.append(layer)
        return layer

    def delete_volume_layer(self, volume_layer_name: str | None = None, volume_layer_id: int | None = None) -> None:
        """Remove a volume layer and its voxels. Raises what `get_volume_layer` raises."""
        self._volume_layers.remove(self.get_volume_layer(volume_layer_name, volume_layer_id))

    @property
    def volume_layers(self) -> tuple[VolumeLayer, ...]:
        """All volume layers, in the order of the file."""
        return tuple(self._volume_layers)

    def get_volume_layer_names(self) -> list[str]:
        """Return the names of all volume layers, in the order of the file."""
        return [layer.name for layer in self._volume_layers]

    def get_volume_layer(self, volume_layer_name: str | None = None, volume_layer_id: int | None = None) -> VolumeLayer:
        """Give one volume layer. Raises NotInDatasetError if there is none such, InputError if several are meant."""
        found = [
            layer
            for layer in self._volume_layers
            if volume_layer_name in (None, layer.name) and volume_layer_id in (None, layer.id)
        ]
        if len(found) == 1:
            return found[0]
        there = ", ".join(f"{layer.name!r} (id {layer.id})" for layer in self._volume_layers) or "none"
        if not found:
            asked = [repr(one) for one in (volume_layer_name, volume_layer_id) if one is not None]
            wanted = f"volume layer {' with id '.join(asked)}" if asked else "volume layer"
            raise NotInDatasetError(f"annotation {self.name!r} has no {wanted}; it has {there}")
        raise InputError(
            f"annotation {self.name!r} has several such volume layers: {there}; say which by volume_layer_id"
        )

    def get_volume_layer_segments(
        self, volume_layer_name: str | None = None, volume_layer_id: int | None = None
    ) -> dict[int, SegmentInformation]:
        """Return what is known of segments, by id; what is changed in it is saved. Raises what `get_volume_layer` raises."""
        return self.get_volume_layer(volume_layer_name, volume_layer_id).segments

    @contextmanager
    def temporary_volume_layer_copy(
        self,
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
        read_only: bool = True,
    ) -> Iterator[SegmentationLayer]:
        """Offer a volume layer as a layer of a temporary dataset; without `read_only` its changes become the annotation's.

        See `VolumeLayer.opened` and `VolumeLayer.edit`, which raise what this raises.
        """
        layer = self.get_volume_layer(volume_layer_name, volume_layer_id)
        with layer.opened() if read_only else layer.edit() as copy:
            yield copy

    def export_volume_layer_to_dataset(
        self,
        dataset: Dataset,
        layer_name: str = "volume_layer",
        volume_layer_name: str | None = None,
        volume_layer_id: int | None = None,
        *,
        executor: Executor | None = None,
    ) -> SegmentationLayer:
        """Copy the voxels of a volume layer into a new layer of a dataset; the fallback layer is not in it.

        Raises what `get_volume_layer` and `VolumeLayer.export_to_dataset` raise.
        """
        layer = self.get_volume_layer(volume_layer_name, volume_layer_id)
        return layer.export_to_dataset(dataset, layer_name, executor=executor)

    def merge_fallback_layer(
        self,
        target: Location,
        dataset_directory: Location,
        volume_layer_name: str | None = None,
        executor: Executor | None = None,
        *,
        volume_layer_id: int | None = None,
        zeros_are_unpainted: bool = False,
    ) -> None:
        """Make a dataset at `target` of the fallback layer with what was drawn over it.

        `dataset_directory`: the dataset that was annotated, or the folder that holds it under the annotation's `dataset_name`.
        What counts as drawn, and what `zeros_are_unpainted` changes, says `fallback_merge`. Raises what `get_volume_layer`,
        `fallback_layer_of` and `merge_with_fallback` raise.
        """
        volume = self.get_volume_layer(volume_layer_name, volume_layer_id)
        fallback = fallback_layer_of(volume, local_path(dataset_directory), self.dataset_name)
        merge_with_fallback(
            volume, fallback, local_path(target), zeros_are_unpainted=zeros_are_unpainted, executor=executor
        )
