"""The attachments of a segmentation layer on a server: look at them, send, refer to, rename, forget them."""

from collections.abc import Iterator
from typing import Any

from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    ConnectomeAttachment,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
)
from wk_assets.dataset.remote_owners import RemoteLayerOwner
from wk_assets.dataset.transfer_mode import TransferMode


class RemoteAttachments:
    """Offer the attachments of one segmentation layer on a server (`RemoteSegmentationLayer.attachments`)."""

    __slots__ = ("_layer",)

    def __init__(self, layer: RemoteLayerOwner[Any]) -> None:
        self._layer = layer

    @property
    def meshes(self) -> tuple[MeshAttachment, ...]:
        """All files of meshes."""
        raise NotImplementedError

    @property
    def agglomerates(self) -> tuple[AgglomerateAttachment, ...]:
        """All files of agglomerates."""
        raise NotImplementedError

    @property
    def connectomes(self) -> tuple[ConnectomeAttachment, ...]:
        """All connectomes."""
        raise NotImplementedError

    @property
    def segment_index(self) -> SegmentIndexAttachment | None:
        """The index of segments, if there is one."""
        raise NotImplementedError

    @property
    def cumsum(self) -> CumsumAttachment | None:
        """The table of cumulated sums, if there is one."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        """Whether the layer has no attachments."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Attachment]:
        raise NotImplementedError

    def add_attachment_as_copy(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_prefix: str | None = None,
        overwrite_pending: bool = True,
    ) -> Attachment:
        """Send an attachment."""
        raise NotImplementedError

    def add_copy_attachments(self, *other: Attachment) -> list[Attachment]:
        """Send all."""
        raise NotImplementedError

    def upload_attachment(
        self,
        attachment: Attachment,
        *,
        transfer_mode: TransferMode = TransferMode.COPY,
        common_storage_prefix: str | None = None,
    ) -> Attachment:
        """Send an attachment."""
        raise NotImplementedError

    def add_attachment_as_ref(
        self, attachment: Attachment, *, foreign_layer: RemoteLayerOwner[Any], new_name: str | None
    ) -> Attachment:
        """Refer to an attachment of another layer on the same server."""
        raise NotImplementedError

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> Attachment:
        """Give an attachment another name."""
        raise NotImplementedError

    def delete_attachment(self, attachment: Attachment) -> None:
        """Take an attachment out of the layer."""
        raise NotImplementedError
