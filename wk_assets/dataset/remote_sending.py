"""How mags and attachments get to a layer on a server, and copies of what can not be sent as it is."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wk_assets.dataset.layer import Layer
from wk_assets.dataset.layer_copying import LayerCopying
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import InputError, PropertiesError, ReadOnlyError
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.datasets.layer_box import with_box_around
from wk_assets.operations.transfer.place_files import Placement
from wk_assets.operations.transfer.remote_properties import remote_layer
from wk_assets.operations.transfer.upload_mag import MagUpload
from wk_assets.operations.transfer.upload_part import LayerPart, PartResult, PartSettings, run_part_upload
from wk_assets.operations.transfer.upload_part_to_path import PartToPathSettings, run_part_upload_to_path
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import DataFormat, LayerProperties


def send_part(
    part: LayerPart,
    dataset: RemoteDatasetOwner[Any],
    transfer_mode: TransferMode,
    *,
    path_prefix: str | None,
    overwrite_pending: bool,
    replace: bool = False,
) -> PartResult:
    """Bring a mag or an attachment to its layer, through the server or to the place that it names.

    Raises ReadOnlyError, and what `run_part_upload` and `run_part_upload_to_path` raise.
    """
    if dataset.read_only:
        raise ReadOnlyError(f"{dataset!r} was opened for reading; open it without read_only to send {part.title}")
    if transfer_mode is TransferMode.HTTP:
        settings = PartSettings(overwrite_pending=overwrite_pending, replace=replace)
        return run_part_upload(part, dataset.server, settings)
    return run_part_upload_to_path(
        part,
        dataset.server,
        PartToPathSettings(
            placement=Placement(transfer_mode.value),
            path_prefix=path_prefix,
            overwrite_pending=overwrite_pending,
            replace=replace,
        ),
    )


def send_mag(
    layer: RemoteLayerOwner[Any],
    view: MagView[Any],
    transfer_mode: TransferMode,
    *,
    path_prefix: str | None,
    overwrite_pending: bool,
    extend_box: bool = False,
    replace: bool = False,
) -> None:
    """Send a mag that is stored on this machine in the layer's format; the layer's handle knows it afterwards.

    Raises PropertiesError for other voxels or another format than the layer's, and what `send_part` raises.
    """
    stored = stored_layer(layer)
    check_same_voxels(stored, view)
    if view.data_format is not stored.data_format:
        raise PropertiesError(
            f"layer {layer.name!r} on the server is stored as {stored.data_format.value}, mag {view.name} here as "
            f"{view.data_format.value}; a layer has one format. Send a copy: add_layer_as_copy(…, data_format=…)"
        )
    part = MagUpload(
        dataset_id=layer.dataset.dataset_id, layer_name=layer.name, source=Path(view.path), entry=view.properties
    )
    send_part(
        part,
        layer.dataset,
        transfer_mode,
        path_prefix=path_prefix,
        overwrite_pending=overwrite_pending,
        replace=replace,
    )
    box = view.layer.bounding_box
    if extend_box and not view.layer.normalized_bounding_box.is_empty():
        extend_remote_box(layer, lambda known: with_box_around(known, box))
    layer.dataset.reload()


def extend_remote_box(layer: RemoteLayerOwner[Any], change: Callable[[LayerProperties], LayerProperties]) -> None:
    """Change a layer's properties on the server, if `change` (from properties to properties) changes them."""
    name = layer.name

    def changed(stored: DatasetProperties) -> DatasetProperties:
        before = stored.layer(name)
        after = change(before)
        return stored if after == before else stored.with_layer(after)

    layer.dataset.change(f"bounding box of layer {name}", changed)


def stored_layer(layer: RemoteLayerOwner[Any]) -> LayerProperties:
    """Ask for a layer as the server stores it: its own format, its own paths; a streamed view shows others."""
    return remote_layer(layer.dataset.server.client(), layer.dataset.dataset_id, layer.name)


def check_same_voxels(stored: LayerProperties, view: MagView[Any]) -> None:
    """Raise PropertiesError unless a mag holds a layer's voxels."""
    if (view.get_dtype(), view.num_channels) != (stored.dtype_np, stored.num_channels):
        raise PropertiesError(
            f"mag {view.name} holds {view.num_channels} x {view.get_dtype()}, layer {stored.name!r} on the server "
            f"{stored.num_channels} x {stored.dtype_np}: a mag of a layer holds the layer's voxels"
        )


# ---------------------------------------------------------------------- copies that go away


def refuse_links(transfer_mode: TransferMode, what: str) -> None:
    """Raise InputError if the server would get links to temporary files, which lead nowhere once those are gone."""
    if transfer_mode is TransferMode.SYMLINK:
        raise InputError(
            f"{what} is made in a temporary folder, so links to it would lead nowhere; choose transfer mode copy, move+symlink "
            "(a move without a copy) or http"
        )


@contextmanager
def temporary_layer(
    dataset: RemoteDatasetOwner[Any], like: LayerProperties, data_format: DataFormat
) -> Iterator[Layer]:
    """Give an empty local layer like one on a server, in a folder that goes away after the block.

    The folder is made where the environment wants temporary files (TMPDIR). Raises StorageError.
    """
    with temporary_dataset(dataset) as local:
        yield local.add_layer(
            like.name,
            like.category,
            dtype=like.dtype_np,
            num_channels=like.num_channels,
            data_format=data_format,
            bounding_box=like.bounding_box.denormalize(),
        )


@contextmanager
def temporary_dataset(dataset: RemoteDatasetOwner[Any]) -> Iterator[LayerCopying]:
    """Give an empty local dataset of a remote one's voxel size, in a folder that goes away after the block."""
    with tempfile.TemporaryDirectory(prefix="wk-assets-") as folder:
        yield LayerCopying(Path(folder) / "dataset", voxel_size_with_unit=dataset.voxel_size_with_unit)


def copy_voxels(views: Sequence[MagView[Any]], layer: Layer) -> None:
    """Read mags, e.g. from a server, into a local layer, as the layer's format cuts and compresses by default."""
    for view in views:
        copied = layer.add_mag(view.mag)
        copy_mag(view.array, copied.array, copied.box_in_mag)
