"""What belongs to another dataset and is to be added to one on a server: found by path or handle, here or there."""

from os import PathLike
from pathlib import Path
from typing import Any

from upath import UPath

from wk_assets.dataset.layer import Layer
from wk_assets.dataset.layer_copying import LayerCopying
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.errors import InputError, NotInDatasetError
from wk_assets.storage.local_path import local_path


def foreign_layer(layer_or_path: Any) -> Any:
    """Give the layer that is meant: a `Layer`, a `RemoteLayer`, or the directory of one. Raises InputError, NotInDatasetError."""
    if isinstance(layer_or_path, Layer) or is_on_server(layer_or_path):
        return layer_or_path
    if not isinstance(layer_or_path, str | PathLike | UPath):
        raise InputError(f"{layer_or_path!r} is no layer; pass a Layer, a RemoteLayer, or a layer's directory")
    path = local_path(layer_or_path)
    return LayerCopying.open(path.parent).get_layer(path.name)


def foreign_mag(layer: RemoteLayerOwner[Any], mag_view_or_path: Any) -> MagView[Any]:
    """Give the mag that is meant: a view, or the directory of one. Raises NotInDatasetError, NotADatasetError."""
    if isinstance(mag_view_or_path, MagView):
        return mag_view_or_path
    path: Path = local_path(mag_view_or_path)
    dataset = LayerCopying.open(path.parent.parent)
    if path.parent.name not in dataset.layers:
        raise NotInDatasetError(
            f"{path} is no mag to add to {layer.name!r}: {dataset!r} has no layer {path.parent.name!r}"
        )
    view: MagView[Any] = dataset.get_layer(path.parent.name).get_mag(path.name)
    return view


def is_on_server(layer: Any) -> bool:
    """Say whether a layer is one of a remote dataset."""
    return hasattr(getattr(layer, "dataset", None), "dataset_id")


def on_same_server(dataset: RemoteDatasetOwner[Any], layer: Any) -> RemoteLayerOwner[Any]:
    """Give a layer that a dataset can refer to. Raises InputError for one of this machine, or of another server."""
    if not is_on_server(layer):
        raise InputError(
            f"{layer!r} is not on a server; only what is on the same server can be referred to, send a copy"
        )
    found: RemoteLayerOwner[Any] = layer
    if found.dataset.server.address.url != dataset.server.address.url:
        raise InputError(
            f"layer {found.name!r} is on {found.dataset.server.address.url}, the dataset on {dataset.server.address.url}: "
            "only what is on the same server can be referred to, send a copy"
        )
    return found
