"""What gives a dataset on a server layers and mags, and takes them away.

The server lets mags be added to virtual datasets only; for others its refusal is passed on. Everything that is sent can be
asked for again after a crash: what has arrived is not sent a second time.
"""

from os import PathLike
from typing import Any, TypeVar

from numpy.typing import DTypeLike
from upath import UPath

from wk_assets.client.models import ApiDatasetComposeLayer, ApiDatasetComposeMag
from wk_assets.dataset.layer import Layer
from wk_assets.dataset.layer_adding import DEFAULT_DATA_FORMAT, parse_data_format, without_files
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.remote_attachments import RemoteAttachments
from wk_assets.dataset.remote_foreign import foreign_layer as found_layer
from wk_assets.dataset.remote_foreign import foreign_mag, is_on_server, on_same_server
from wk_assets.dataset.remote_owners import RemoteDatasetOwner, RemoteLayerOwner
from wk_assets.dataset.remote_sending import (
    check_same_voxels,
    copy_voxels,
    extend_remote_box,
    refuse_links,
    send_mag,
    stored_layer,
    temporary_dataset,
    temporary_layer,
)
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import AlreadyThereError, InputError, PropertiesError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag, MagLike
from wk_assets.operations.datasets.layer_box import with_box_around
from wk_assets.operations.transfer.upload_mag import remove_remote_mag
from wk_assets.properties.category import parse_category
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.element_class import check_layer_dtype
from wk_assets.properties.layer_properties import (
    DataFormat,
    LayerProperties,
    SegmentationLayerProperties,
    new_layer_properties,
)
from wk_assets.properties.names import check_layer_name

_Layer = TypeVar("_Layer")
_View = TypeVar("_View")
Place = str | PathLike[str] | UPath


class RemoteLayerAdding:
    """Add layers to a dataset on a server, and delete them. Base of `RemoteDataset`.

    Common parameters. `transfer_mode`: HTTP sends through the server; the others put files where the server keeps them, on disks
    that both reach, `common_storage_path_prefix` chooses among them. `overwrite_pending`: unfinished uploads to the same
    place are forgotten.
    """

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
        """Add a layer without mags; parameters as of `Dataset.add_layer`.

        Servers refuse a layer with an empty box: give `bounding_box` (mag-1 voxels). Raises AlreadyThereError,
        InvalidNameError, PropertiesError, ReadOnlyError, RequestRefusedError.
        """
        kind, given = parse_category(category), _one_dtype(dtype, dtype_per_channel)
        largest = kwargs.pop("largest_segment_id", None)
        if kwargs:
            raise InputError(f"add_layer of a remote dataset does not know {', '.join(kwargs)}")
        _add(
            self,
            new_layer_properties(
                name=check_layer_name(layer_name),
                category=kind,
                box=BoundingBox.empty() if bounding_box is None else bounding_box,
                dtype=check_layer_dtype(kind, "uint8" if given is None else given),
                mags=(),
                channels=1 if num_channels is None else num_channels,
                data_format=parse_data_format(data_format),
                largest_segment_id=largest if kind == "segmentation" else None,
            ),
        )
        return self.get_layer(layer_name)

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
        """Give a layer, or add it as `add_layer` does. Raises PropertiesError if it is there and is of another kind."""
        given = _one_dtype(dtype, dtype_per_channel)
        if layer_name not in self.layers:
            return RemoteLayerAdding.add_layer(
                self, layer_name, category, dtype=given, num_channels=num_channels, data_format=data_format, **kwargs
            )
        layer: Any = self.get_layer(layer_name)
        wanted: dict[str, Any] = {"category": parse_category(category)}
        if num_channels is not None:
            wanted["num_channels"] = num_channels
        if given is not None:
            wanted["dtype_np"] = check_layer_dtype(parse_category(category), given)
        for what, value in wanted.items():
            there = getattr(layer.properties, what)
            if there != value:
                raise PropertiesError(f"layer {layer_name!r} is there already, with {what} {there}, not {value}")
        return self.get_layer(layer_name)

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
        """Send a layer with all its mags, and a segmentation's attachments.

        `foreign_layer`: a `Layer`, its directory, or a layer on a server, whose voxels are read and sent. `data_format`: the
        files are written anew, in a temporary folder. `exists_ok`: a layer that is there gets the mags, over those that it
        has; this also goes on with a copy that broke off. Raises AlreadyThereError, PropertiesError, InputError for
        attachments that lie on a server, ReadOnlyError, ServerError, StorageError.
        """
        if self.read_only:
            raise ReadOnlyError(f"{self!r} was opened for reading; open it without read_only to add layers")
        foreign = found_layer(foreign_layer)
        name = check_layer_name(new_layer_name or foreign.name)
        if name in self.layers and not exists_ok:
            raise AlreadyThereError(
                f"{self!r} has a layer {name!r} already; choose another name, or pass exists_ok=True"
            )
        wanted = None if data_format is None else parse_data_format(data_format)
        sending = _Sending(self, transfer_mode, common_storage_path_prefix, overwrite_pending, with_attachments)
        if not isinstance(foreign, Layer):
            sending.refuse_attachments(foreign)
            refuse_links(transfer_mode, f"the copy of layer {foreign.name!r}")
            with temporary_layer(self, foreign.properties, wanted or DEFAULT_DATA_FORMAT) as local:
                copy_voxels(tuple(foreign.mags.values()), local)
                like = foreign.properties.model_copy(update={"data_format": local.data_format})
                sending.send(local, name, like)
        elif wanted is not None and wanted is not foreign.data_format:
            refuse_links(transfer_mode, f"layer {foreign.name!r} as {wanted.value}")
            with temporary_dataset(self) as dataset:
                copied = dataset.add_layer_as_copy(foreign, data_format=wanted, with_attachments=with_attachments)
                sending.send(copied, name, copied.properties)
        else:
            sending.send(foreign, name, foreign.properties)
        return self.get_layer(name)

    def add_layer_as_ref(
        self: RemoteDatasetOwner[_Layer], foreign_layer: Any, *, new_layer_name: str | None = None
    ) -> _Layer:
        """Refer to a layer of another dataset of the same server; nothing is copied.

        What changes there in the metadata afterwards does not change here. Raises AlreadyThereError, InputError for a layer of
        this very dataset or one that is not on this server, ReadOnlyError, RequestRefusedError.
        """
        source = on_same_server(self, foreign_layer)
        if source.dataset.dataset_id == self.dataset_id:
            raise InputError(f"layer {source.name!r} is in this dataset already; a reference leads to another one")
        name = check_layer_name(new_layer_name or source.name)
        _check_may_change(self, f"layer {name!r}")
        if name in self.layers:
            raise AlreadyThereError(f"{self!r} has a layer {name!r} already; choose another name")
        self.server.client().dataset_add_layer_as_ref(
            dataset_id=self.dataset_id,
            compose_layer=ApiDatasetComposeLayer(
                source_dataset_id=source.dataset.dataset_id, source_layer_name=source.name, target_layer_name=name
            ),
        )
        self.reload()
        return self.get_layer(name)

    def delete_layer(self: RemoteDatasetOwner[Any], layer_name: str) -> None:
        """Take a layer out of the dataset; the server removes files that no other dataset refers to.

        Raises NotInDatasetError, ReadOnlyError, ServerError.
        """
        if layer_name not in self.layers:
            self.reload()
        self.get_layer(layer_name)
        self.change(f"deletion of layer {layer_name}", lambda stored: stored.without_layer(layer_name))


class RemoteMagAdding:
    """Add mags to a layer on a server, and delete them. Base of `RemoteLayer`. Parameters: see `RemoteLayerAdding`."""

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
        """Send a mag of any dataset; a mag on a server is read and sent. The same call again goes on where it broke off.

        Raises AlreadyThereError, PropertiesError for other voxels or another format, ReadOnlyError; RequestRefusedError for
        a dataset that is not virtual; UnsupportedApiVersionError for HTTP on servers before version 14; ServerError, StorageError.
        """
        view = foreign_mag(self, foreign_mag_view_or_path)
        _check_may_change(self.dataset, f"mag {view.name} of layer {self.name!r}")
        if not is_on_server(view.layer):
            send_mag(
                self,
                view,
                transfer_mode,
                path_prefix=common_storage_path_prefix,
                overwrite_pending=overwrite_pending,
                extend_box=extend_layer_bounding_box,
            )
            return self.get_mag(view.mag)
        refuse_links(transfer_mode, f"the copy of mag {view.name}")
        stored = stored_layer(self)
        check_same_voxels(stored, view)
        with temporary_layer(self.dataset, view.layer.properties, stored.data_format) as local:
            copy_voxels((view,), local)
            send_mag(
                self,
                local.get_mag(view.mag),
                transfer_mode,
                path_prefix=common_storage_path_prefix,
                overwrite_pending=overwrite_pending,
                extend_box=extend_layer_bounding_box,
            )
        return self.get_mag(view.mag)

    def add_mag_as_ref(
        self: RemoteLayerOwner[_View],
        foreign_mag_view_or_path: Any,
        *,
        mag: MagLike | None = None,
        extend_layer_bounding_box: bool = True,
    ) -> _View:
        """Refer to a mag of another dataset of the same server, here under `mag`; nothing is copied.

        Raises AlreadyThereError, InputError for a mag that is not on this server, PropertiesError, ReadOnlyError,
        RequestRefusedError.
        """
        if not isinstance(foreign_mag_view_or_path, MagView):
            raise InputError(f"{foreign_mag_view_or_path!r} is no mag on the server; take it from RemoteLayer.get_mag")
        view: MagView[Any] = foreign_mag_view_or_path
        source = on_same_server(self.dataset, view.layer)
        wanted = view.mag if mag is None else Mag(mag)
        _check_may_change(self.dataset, f"mag {wanted} of layer {self.name!r}")
        check_same_voxels(self.properties, view)
        if wanted in self.mags:
            raise AlreadyThereError(f"layer {self.name!r} has a mag {wanted} already; delete it first")
        self.dataset.server.client().dataset_add_mag_as_ref(
            dataset_id=self.dataset.dataset_id,
            compose_mag=ApiDatasetComposeMag(
                source_dataset_id=source.dataset.dataset_id,
                source_layer_name=source.name,
                target_layer_name=self.name,
                source_mag=view.mag.to_tuple(),
                target_mag=wanted.to_tuple(),
            ),
        )
        box = view.layer.normalized_bounding_box
        if extend_layer_bounding_box and not box.is_empty():
            if wanted != view.mag:
                box = box.align_with_mag(view.mag, ceil=True).in_mag(view.mag).from_mag_to_mag1(wanted)
            extend_remote_box(self, lambda known: with_box_around(known, box.denormalize()))
        self.dataset.reload()
        return self.get_mag(wanted)

    def delete_mag(self: RemoteLayerOwner[Any], mag: MagLike) -> None:
        """Take a mag out of the layer; the server removes files that no other dataset refers to.

        Raises NotInDatasetError, ReadOnlyError, ServerError.
        """
        wanted = Mag(mag)
        self.get_mag(wanted)
        _check_may_change(self.dataset, f"mag {wanted} of layer {self.name!r}")
        remove_remote_mag(self.dataset.server.client(), self.dataset.dataset_id, self.name, wanted)
        self.dataset.reload()


# ---------------------------------------------------------------------- within


class _Sending:
    """Send local layers to one dataset, in one way."""

    def __init__(
        self,
        dataset: RemoteDatasetOwner[Any],
        transfer_mode: TransferMode,
        path_prefix: str | None,
        overwrite_pending: bool,  # noqa: FBT001  # private
        with_attachments: bool,  # noqa: FBT001  # private
    ) -> None:
        self._dataset, self._mode, self._prefix = dataset, transfer_mode, path_prefix
        self._overwrite_pending, self._with_attachments = overwrite_pending, with_attachments

    def send(self, layer: Layer, name: str, like: LayerProperties) -> None:
        """Send a layer under a name, described as `like`; mags that it has there are replaced, unless they are these very ones."""
        if name not in self._dataset.layers:
            _add(self._dataset, without_files(like, name))
        target = self._dataset.get_layer(name)
        for view in layer.mags.values():
            send_mag(
                target,
                view,
                self._mode,
                path_prefix=self._prefix,
                overwrite_pending=self._overwrite_pending,
                extend_box=True,
                replace=True,
            )
        if self._with_attachments and isinstance(layer.properties, SegmentationLayerProperties):
            attachments = RemoteAttachments(target)
            for attachment in layer.as_segmentation_layer().attachments:
                attachments.send(
                    attachment,
                    transfer_mode=self._mode,
                    path_prefix=self._prefix,
                    overwrite_pending=self._overwrite_pending,
                    replace=True,
                )

    def refuse_attachments(self, layer: RemoteLayerOwner[Any]) -> None:
        if not self._with_attachments or not isinstance(layer.properties, SegmentationLayerProperties):
            return
        names = ", ".join(repr(attachment.name) for attachment in RemoteAttachments(layer))
        if names:
            raise InputError(
                f"layer {layer.name!r} is on a server and has the attachments {names}, which can not be read from there; pass "
                "with_attachments=False, and refer to them with attachments.add_attachment_as_ref"
            )


def _add(dataset: RemoteDatasetOwner[Any], layer: LayerProperties) -> None:
    def added(stored: DatasetProperties) -> DatasetProperties:
        if any(one.name == layer.name for one in stored.data_layers):
            raise AlreadyThereError(f"{dataset!r} has a layer {layer.name!r} already; delete it first")
        return stored.with_layer(layer)

    dataset.change(f"adding of layer {layer.name}", added)


def _check_may_change(dataset: RemoteDatasetOwner[Any], what: str) -> None:
    if dataset.read_only:
        raise ReadOnlyError(f"{dataset!r} was opened for reading; open it without read_only to change {what}")


def _one_dtype(dtype: DTypeLike | None, dtype_per_channel: DTypeLike | None) -> Any:
    if dtype is not None and dtype_per_channel is not None:
        raise PropertiesError("dtype and dtype_per_channel are given; they mean the same, give dtype")
    return dtype if dtype is not None else dtype_per_channel
