"""What brings layers of other datasets into a dataset: as copies, or as references to where they are."""

from collections.abc import Iterable
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path

from upath import UPath

from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.layer_adding import DEFAULT_DATA_FORMAT, LayerAdding, parse_data_format, without_files
from wk_assets.dataset.layer_handle import LayerHandle
from wk_assets.dataset.view_region import Shape
from wk_assets.errors import AlreadyThereError, InputError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.layer_properties import (
    AttachmentsProperties,
    DataFormat,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wk_assets.properties.names import check_layer_name
from wk_assets.storage.local_path import local_path
from wk_assets.storage.mag_array import Zarr3Config
from wk_assets.storage.properties_file import relative_location

ForeignLayer = str | PathLike[str] | UPath | Layer


class LayerCopying(LayerAdding):
    """Copy layers and refer to them."""

    def add_layer_as_copy(
        self,
        foreign_layer: ForeignLayer | LayerHandle,
        new_layer_name: str | None = None,
        *,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        data_format: str | DataFormat | None = None,
        compress: bool | Zarr3Config | None = None,
        exists_ok: bool = False,
        executor: Executor | None = None,
        with_attachments: bool = True,
    ) -> Layer:
        """Copy a layer with all its mags; what is not given stays as it is there. See `Layer.add_mag_as_copy`.

        `exists_ok`: a layer that is there gets the mags, over those that it has. `foreign_layer`: a layer or its directory; of
        a layer on a server voxels are copied, no attachments, by default as zarr3 (`RemoteDataset.download` goes on when it was
        interrupted, this begins anew).
        Raises AlreadyThereError, PropertiesError for types that the format does not have, StorageError.
        """
        foreign = foreign_layer if isinstance(foreign_layer, LayerHandle) else self._foreign_layer(foreign_layer)
        name = check_layer_name(new_layer_name or foreign.name)
        if name not in self.layers:
            kept = foreign.data_format if isinstance(foreign, Layer) else DEFAULT_DATA_FORMAT
            wanted = kept if data_format is None else parse_data_format(data_format)
            properties = without_files(foreign.properties, name).model_copy(update={"data_format": wanted})
            layer = self._add(properties)
        elif exists_ok:
            layer = self.get_layer(name)
        else:
            raise AlreadyThereError(
                f"dataset {self.name!r} has a layer {name!r} already; choose another name, or pass exists_ok=True"
            )
        for view in foreign.mags.values():
            layer.add_mag_as_copy(
                view,
                extend_layer_bounding_box=exists_ok,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
                exists_ok=exists_ok,
                executor=executor,
            )
        if not with_attachments or not isinstance(foreign, Layer):
            return layer
        if _has_attachments(foreign) and isinstance(layer, SegmentationLayer):
            layer.attachments.add_copy_attachments(*foreign.as_segmentation_layer().attachments)
        return layer

    def add_layer_as_ref(self, foreign_layer: ForeignLayer, new_layer_name: str | None = None) -> Layer:
        """Add a layer of another dataset by reference: its mags and attachments stay where they are, and are only read.

        What changes there in the metadata afterwards does not change here. Raises AlreadyThereError, InputError for a layer
        of this very dataset.
        """
        foreign = self._foreign_layer(foreign_layer)
        if Path(foreign.dataset.path).resolve() == self._path.resolve():
            raise InputError(f"layer {foreign.name!r} is in this dataset already; a reference leads to another one")
        return self._refer(foreign, check_layer_name(new_layer_name or foreign.name), relative=False)

    def copy_dataset(
        self,
        new_dataset_path: str | PathLike[str] | UPath,
        *,
        voxel_size: tuple[float, float, float] | None = None,
        chunk_shape: Shape | None = None,
        shard_shape: Shape | None = None,
        chunks_per_shard: Shape | None = None,
        data_format: str | DataFormat | None = None,
        compress: bool | None = None,
        exists_ok: bool = False,
        executor: Executor | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layers_to_ignore: Iterable[str] | None = None,
    ) -> "LayerCopying":
        """Copy all layers into a new dataset; see `add_layer_as_copy`. Raises DatasetExistsError and what that raises."""
        if voxel_size is None and voxel_size_with_unit is None:
            voxel_size_with_unit = self.voxel_size_with_unit
        copied = type(self)(
            local_path(new_dataset_path),
            voxel_size,
            exist_ok=exists_ok,
            voxel_size_with_unit=voxel_size_with_unit,
        )
        ignored = set(layers_to_ignore or ())
        for name, layer in self.layers.items():
            if name not in ignored:
                copied.add_layer_as_copy(
                    layer,
                    chunk_shape=chunk_shape,
                    shard_shape=shard_shape,
                    chunks_per_shard=chunks_per_shard,
                    data_format=data_format,
                    compress=compress,
                    exists_ok=exists_ok,
                    executor=executor,
                )
        if self.default_view_configuration is not None:
            copied.default_view_configuration = self.default_view_configuration
        return copied

    def shallow_copy_dataset(
        self,
        new_dataset_path: str | PathLike[str] | UPath,
        *,
        name: str | None = None,
        layers_to_ignore: Iterable[str] | None = None,
        make_relative: bool | None = None,
    ) -> "LayerCopying":
        """Make a dataset whose layers are references to those of this one; nothing is copied.

        `name`: by default this one's. `make_relative`: name places relative to the new dataset, so that both can move
        together. Raises DatasetExistsError, StorageError.
        """
        copied = type(self)(
            local_path(new_dataset_path), name=name or self.name, voxel_size_with_unit=self.voxel_size_with_unit
        )
        ignored = set(layers_to_ignore or ())
        for layer in self.layers.values():
            if layer.name not in ignored:
                copied._refer(layer, layer.name, relative=bool(make_relative))  # noqa: SLF001 - of this very class
        if self.default_view_configuration is not None:
            copied.default_view_configuration = self.default_view_configuration
        return copied

    # ------------------------------------------------------------------ within

    def _foreign_layer(self, layer_or_path: ForeignLayer) -> Layer:
        if isinstance(layer_or_path, Layer):
            return layer_or_path
        path = local_path(layer_or_path)
        dataset = self if path.parent.resolve() == self._path.resolve() else type(self).open(path.parent)
        return dataset.get_layer(path.name)

    def _refer(self, foreign: Layer, name: str, *, relative: bool) -> Layer:
        mags = tuple(self._referring(view.properties, view.path, relative=relative) for view in foreign.mags.values())
        box = foreign.properties.box_properties
        layer = self._add(
            without_files(foreign.properties, name).model_copy(update={"mags": mags, "box_properties": box})
        )
        if _has_attachments(foreign) and isinstance(layer, SegmentationLayer):
            layer.attachments.add_attachments(*foreign.as_segmentation_layer().attachments)
        return layer

    def _referring(self, entry: MagViewProperties, location: Path, *, relative: bool) -> MagViewProperties:
        absolute = location.resolve()
        path = relative_location(self._path, absolute) if relative else absolute.as_posix()
        return entry.model_copy(update={"path": path})


def _has_attachments(layer: Layer) -> bool:
    properties = layer.properties
    return isinstance(properties, SegmentationLayerProperties) and properties.attachments != AttachmentsProperties()
