"""The attachments of a segmentation layer on a server: look at them, send, refer to, rename, forget them.

Nothing is remembered: each access asks the server. An attachment's `path` is where the server keeps it, which this machine may
not reach.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upath import UPath

from wk_assets.client.models import ApiDatasetComposeAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    check_attachment_name,
)
from wk_assets.dataset.attachments import KINDS
from wk_assets.dataset.attachments_by_kind import AttachmentsByKind
from wk_assets.dataset.remote_owners import RemoteLayerOwner
from wk_assets.dataset.remote_sending import send_part, stored_layer
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import AlreadyThereError, InputError, NotInDatasetError, ReadOnlyError
from wk_assets.operations.transfer.upload_attachment import (
    AttachmentUpload,
    entries_of,
    remove_remote_attachment,
    segmentation,
)
from wk_assets.storage.local_path import local_path


class RemoteAttachments(AttachmentsByKind):
    """Offer the attachments of one segmentation layer on a server (`RemoteSegmentationLayer.attachments`).

    Common parameters. `transfer_mode`: HTTP sends through the server; the others put files where the server keeps them, on disks
    that both reach, `common_storage_prefix` chooses among them. All members raise ServerError.
    """

    __slots__ = ("_layer",)

    def __init__(self, layer: RemoteLayerOwner[Any]) -> None:
        self._layer = layer

    def __iter__(self) -> Iterator[Attachment]:
        properties = segmentation(stored_layer(self._layer)).attachments
        for kind in KINDS:
            for entry in entries_of(properties, kind.type_name):
                yield kind(entry, UPath(entry.path))

    # ------------------------------------------------------------------ sending

    def add_attachment_as_copy(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_prefix: str | None = None,
        overwrite_pending: bool = True,
    ) -> Attachment:
        """Send an attachment; the same call again goes on where it broke off. Returns it as the server has it.

        `overwrite_pending`: an unfinished upload to the same place is forgotten. Raises AlreadyThereError, InvalidNameError,
        NotADatasetError if there is no file, RemoteLocationError for what lies behind a URL, ReadOnlyError; RequestRefusedError for
        a dataset that is not virtual; UnsupportedApiVersionError for HTTP on servers before version 14; StorageError.
        """
        return self.send(
            attachment,
            transfer_mode=transfer_mode,
            path_prefix=common_storage_prefix,
            overwrite_pending=overwrite_pending,
        )

    def add_copy_attachments(self, *other: Attachment) -> list[Attachment]:
        """Send all, one after another, to the place where the server keeps its files; see `add_attachment_as_copy`."""
        return [self.add_attachment_as_copy(one) for one in other]

    def upload_attachment(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_prefix: str | None = None,
    ) -> Attachment:
        """Send an attachment; see `add_attachment_as_copy`."""
        return self.add_attachment_as_copy(
            attachment, transfer_mode=transfer_mode, common_storage_prefix=common_storage_prefix
        )

    def send(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode,
        path_prefix: str | None = None,
        overwrite_pending: bool = True,
        replace: bool = False,
    ) -> Attachment:
        """Send an attachment; `replace`: over one of the same name. See `add_attachment_as_copy`."""
        check_attachment_name(attachment.name)
        part = AttachmentUpload(
            dataset_id=self._layer.dataset.dataset_id,
            layer_name=self._layer.name,
            source=Path(local_path(attachment.path)),
            name=attachment.name,
            kind=attachment.type_name,
            data_format=attachment.data_format,
        )
        send_part(
            part,
            self._layer.dataset,
            transfer_mode,
            path_prefix=path_prefix,
            overwrite_pending=overwrite_pending,
            replace=replace,
        )
        self._layer.dataset.reload()
        return self._named(type(attachment), attachment.name)

    # ------------------------------------------------------------------ what is on the server already

    def add_attachment_as_ref(
        self, attachment: Attachment, *, foreign_layer: RemoteLayerOwner[Any], new_name: str | None
    ) -> Attachment:
        """Refer to an attachment of another layer on the same server; nothing is copied. `new_name` None: its own.

        Raises AlreadyThereError, InputError for a layer that is not on this server, InvalidNameError, ReadOnlyError,
        RequestRefusedError.
        """
        name = check_attachment_name(attachment.name if new_name is None else new_name)
        dataset = self._layer.dataset
        foreign_url = getattr(getattr(foreign_layer.dataset, "server", None), "address", None)
        if foreign_url is None or foreign_url.url != dataset.server.address.url:
            raise InputError(
                f"layer {foreign_layer.name!r} is not on {dataset.server.address.url}; only what is on the same server can be "
                "referred to, send a copy"
            )
        self._refuse_taken(type(attachment), name)
        dataset.server.client().dataset_add_attachment_as_ref(
            dataset_id=dataset.dataset_id,
            compose_attachment=ApiDatasetComposeAttachment(
                source_dataset_id=foreign_layer.dataset.dataset_id,
                source_layer_name=foreign_layer.name,
                target_layer_name=self._layer.name,
                attachment_type=attachment.type_name,
                source_attachment_name=attachment.name,
                target_attachment_name=name,
            ),
        )
        dataset.reload()
        return self._named(type(attachment), name)

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> Attachment:
        """Give an attachment another name; its file keeps its own. Raises NotInDatasetError, AlreadyThereError, ReadOnlyError."""
        name = check_attachment_name(new_name)
        self._named(type(attachment), attachment.name)
        if name != attachment.name:
            self._refuse_taken(type(attachment), name)
            renaming = {
                "layerName": self._layer.name,
                "attachmentType": attachment.type_name,
                "oldName": attachment.name,
                "newName": name,
            }
            dataset = self._layer.dataset
            dataset.server.client().dataset_update(
                dataset_id=dataset.dataset_id, dataset_updates={"attachmentRenamings": [renaming]}
            )
            dataset.reload()
        return self._named(type(attachment), name)

    def delete_attachment(self, attachment: Attachment) -> None:
        """Take an attachment out of the layer; the server removes files that no other dataset refers to.

        Raises NotInDatasetError, ReadOnlyError.
        """
        self._check_may_change(attachment.name)
        self._named(type(attachment), attachment.name)
        dataset = self._layer.dataset
        remove_remote_attachment(
            dataset.server.client(), dataset.dataset_id, self._layer.name, attachment.type_name, attachment.name
        )
        dataset.reload()

    # ------------------------------------------------------------------ within

    def _named(self, kind: type[Attachment], name: str) -> Attachment:
        there = [one for one in self if isinstance(one, kind)]
        for one in there:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in there) or "none"
        raise NotInDatasetError(
            f"layer {self._layer.name!r} on the server has no {kind.type_name} {name!r}; its {kind.container_name} are: {names}"
        )

    def _refuse_taken(self, kind: type[Attachment], name: str) -> None:
        self._check_may_change(name)
        if any(isinstance(one, kind) and one.name == name for one in self):
            raise AlreadyThereError(
                f"layer {self._layer.name!r} on the server has a {kind.type_name} {name!r} already; choose another name"
            )

    def _check_may_change(self, name: str) -> None:
        if self._layer.read_only:
            raise ReadOnlyError(
                f"layer {self._layer.name!r} was opened for reading; open the dataset without read_only to change attachment "
                f"{name!r}"
            )
