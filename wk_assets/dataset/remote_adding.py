"""What gives a dataset on a server layers and mags, and takes them away."""

from os import PathLike
from typing import Any, TypeVar

from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.dataset.layer_adding import DEFAULT_DATA_FORMAT
from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import MagLike
from wk_assets.properties.layer_properties import DataFormat

_Layer = TypeVar("_Layer")
_View = TypeVar("_View")
Place = str | PathLike[str] | UPath


class RemoteLayerAdding:
    """Add layers to a dataset on a server, and delete them. Base of `RemoteDataset`."""

    __slots__ = ()

    def add_layer(
        self: RemoteDatasetOwner[_Layer],
        layer_name: str,
        category: str,
        *,
        dtype: DTypeLike | None = None,
        dtype_per_channel: DTypeLike | None = None,
        num_channels: int | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        bounding_box: NDBoundingBox | None = None,
        **kwargs: Any,
    ) -> _Layer:
        """Add a layer without mags; see `Dataset.add_layer`."""
        raise NotImplementedError

    def get_or_add_layer(
        self: RemoteDatasetOwner[_Layer],
        layer_name: str,
        category: str,
        *,
        dtype: DTypeLike | None = None,
        dtype_per_channel: DTypeLike | None = None,
        num_channels: int | None = None,
        data_format: str | DataFormat = DEFAULT_DATA_FORMAT,
        **kwargs: Any,
    ) -> _Layer:
        """Give a layer, or add it."""
        raise NotImplementedError

    def add_layer_as_copy(
        self: RemoteDatasetOwner[_Layer],
        foreign_layer: Any,
        new_layer_name: str | None = None,
        *,
        data_format: str | DataFormat | None = None,
        exists_ok: bool = False,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
        with_attachments: bool = True,
    ) -> _Layer:
        """Send a layer: its mags, and its attachments."""
        raise NotImplementedError

    def add_layer_as_ref(
        self: RemoteDatasetOwner[_Layer], foreign_layer: Any, *, new_layer_name: str | None = None
    ) -> _Layer:
        """Refer to a layer of another dataset of the same server."""
        raise NotImplementedError

    def delete_layer(self: RemoteDatasetOwner[Any], layer_name: str) -> None:
        """Take a layer out of the dataset."""
        raise NotImplementedError


class RemoteMagAdding:
    """Add mags to a layer on a server, and delete them. Base of `RemoteLayer`."""

    __slots__ = ()

    def add_mag_as_copy(
        self: RemoteLayerOwner[_View],
        foreign_mag_view_or_path: Any,
        *,
        extend_layer_bounding_box: bool = True,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_path_prefix: str | None = None,
        overwrite_pending: bool = True,
    ) -> _View:
        """Send a mag."""
        raise NotImplementedError

    def add_mag_as_ref(
        self: RemoteLayerOwner[_View],
        foreign_mag_view_or_path: Any,
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> _View:
        """Refer to a mag of another dataset of the same server."""
        raise NotImplementedError

    def delete_mag(self: RemoteLayerOwner[Any], mag: MagLike) -> None:
        """Take a mag out of the layer."""
        raise NotImplementedError
