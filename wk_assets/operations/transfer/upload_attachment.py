"""An attachment as what is sent to a layer on a server: over the network in pieces, or to the place that the server names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wk_assets.client.store_clients import DatastoreApiClient, UploadDomain
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import NotADatasetError, PlanError
from wk_assets.operations.transfer.remote_properties import change_remote_properties
from wk_assets.operations.transfer.upload_plan import UploadFile, attachment_files
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
    LayerProperties,
    SegmentationLayerProperties,
)

AttachmentType = Literal["mesh", "agglomerate", "segmentIndex", "segmentStatistics", "cumsum", "connectome"]

# What the server calls a kind, and where datasource-properties.json has it.
FIELDS: dict[AttachmentType, str] = {
    "mesh": "meshes",
    "agglomerate": "agglomerates",
    "segmentIndex": "segment_index",
    "segmentStatistics": "segment_statistics",
    "cumsum": "cumsum",
    "connectome": "connectomes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentUpload:
    """Name a file or folder and the segmentation that it becomes an attachment of."""

    dataset_id: str
    layer_name: str
    source: Path
    name: str
    kind: AttachmentType
    data_format: AttachmentDataFormat

    @property
    def domain(self) -> UploadDomain:
        """Attachments have routes of their own."""
        return "attachment"

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.kind} {self.name!r} of layer {self.layer_name!r}"

    def files(self) -> tuple[UploadFile, ...]:
        """Name the file, or the files of the folder. Raises NotADatasetError if there is nothing."""
        if not self.source.exists():
            raise NotADatasetError(f"{self.title}: there is nothing at {self.source}")
        return tuple(attachment_files(self.source, self.source.name if self.source.is_file() else ""))

    def is_in(self, layer: LayerProperties) -> bool:
        """Say whether a layer has an attachment of this kind and name."""
        return any(entry.name == self.name for entry in entries_of(segmentation(layer).attachments, self.kind))

    def remove(self, client: WkApiClient) -> None:
        """Take the attachment out of the layer on the server."""
        remove_remote_attachment(client, self.dataset_id, self.layer_name, self.kind, self.name)

    def reserve(
        self, store: DatastoreApiClient, *, upload_id: str, file_count: int, size_bytes: int, overwrite_pending: bool
    ) -> None:
        """Begin to send it; the server chooses the path, the one that is told says nothing."""
        store.reserve_attachment_upload(
            upload_id=upload_id,
            file_count=file_count,
            size_bytes=size_bytes,
            dataset_id=self.dataset_id,
            layer_name=self.layer_name,
            attachment_type=self.kind,
            attachment={"name": self.name, "path": self.source.name, "dataFormat": self.data_format.value},
            overwrite_pending=overwrite_pending,
        )

    def reserve_path(self, client: WkApiClient, prefix: str | None, *, overwrite_pending: bool) -> str:
        """Ask where to put it."""
        return client.reserve_attachment_upload_to_path(
            self.dataset_id, self.layer_name, self.name, self.kind, self.data_format.value, prefix, overwrite_pending
        )

    def finish_path(
        self,
        client: WkApiClient,
        prefix: str | None,
        *,
        overwrite_pending: bool,  # noqa: ARG002  # the end does not take it, that of a mag does
    ) -> None:
        """Say that it is in its place."""
        client.finish_attachment_upload_to_path(
            self.dataset_id, self.layer_name, self.name, self.kind, self.data_format.value, prefix
        )


def segmentation(layer: LayerProperties) -> SegmentationLayerProperties:
    """Take a layer for a segmentation. Raises PlanError if it is none: others have no attachments."""
    if not isinstance(layer, SegmentationLayerProperties):
        raise PlanError(f"layer {layer.name!r} is no segmentation; only segmentations have attachments")
    return layer


def entries_of(attachments: AttachmentsProperties, kind: AttachmentType) -> tuple[AttachmentProperties, ...]:
    """Give all attachments of a kind."""
    found: Any = getattr(attachments, FIELDS[kind])
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)


def remove_remote_attachment(
    client: WkApiClient, dataset_id: str, layer_name: str, kind: AttachmentType, name: str
) -> None:
    """Take an attachment out of a layer on a server; one that is not there is fine."""

    def without(stored: DatasetProperties) -> DatasetProperties:
        layer = segmentation(stored.layer(layer_name))
        kept = tuple(entry for entry in entries_of(layer.attachments, kind) if entry.name != name)
        several = isinstance(getattr(layer.attachments, FIELDS[kind]), tuple)
        value = (kept or None) if several else next(iter(kept), None)
        attachments = layer.attachments.model_copy(update={FIELDS[kind]: value})
        return stored.with_layer(layer.model_copy(update={"attachments": attachments}))

    change_remote_properties(client, dataset_id, without)
