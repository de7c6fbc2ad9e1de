"""The attachments of a segmentation layer: look at them, add, copy, link, rename, forget them.

Everything goes through the layer, which reads and replaces what datasource-properties.json says (`AttachmentsLayer`).
Files come first, the entry that names them last: a crash leaves at most a copy that nothing names. Source: the API
reference (`Attachments`), the names of folders from the datasets that WEBKNOSSOS reads.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import numpy as np
from upath import UPath

from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    AnyPath,
    Attachment,
    ConnectomeAttachment,
    ContainerName,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
    attachment_location,
    check_attachment_name,
    stated_path,
)
from wk_assets.errors import InputError, NotInDatasetError, ReadOnlyError
from wk_assets.operations.agglomerate_graph import AgglomerateGraph
from wk_assets.properties.layer_properties import (
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
)
from wk_assets.storage.copied_files import copy_durably, link_durably

_Kind = TypeVar("_Kind", bound=Attachment)

KINDS: dict[str, type[Attachment]] = {
    kind.container_name: kind
    for kind in (
        MeshAttachment,
        AgglomerateAttachment,
        SegmentIndexAttachment,
        CumsumAttachment,
        ConnectomeAttachment,
    )
}
# A layer has one of these at most.
_SINGLE: frozenset[ContainerName] = frozenset({"segment_index", "cumsum"})


class DatasetDirectory(Protocol):
    """What attachments need of a dataset."""

    @property
    def path(self) -> Path:
        """The dataset's directory."""
        ...


class AttachmentsLayer(Protocol):
    """What attachments need of a `SegmentationLayer`.

    `_attachments_properties` gives what datasource-properties.json says now; `_save_attachments` replaces it there, durably, keeping
    everything else in the file. Both are called anew for each access: an `Attachments` remembers nothing.
    """

    @property
    def dataset(self) -> DatasetDirectory:
        """The dataset that the layer is in."""
        ...

    @property
    def name(self) -> str:
        """The layer's name."""
        ...

    @property
    def path(self) -> Path:
        """The layer's directory; copies go into folders of it."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a segment id."""
        ...

    def _attachments_properties(self) -> AttachmentsProperties: ...

    def _save_attachments(self, properties: AttachmentsProperties) -> None: ...


class Attachments:
    """Offer the attachments of one segmentation layer (`SegmentationLayer.attachments`)."""

    def __init__(self, layer: AttachmentsLayer) -> None:
        self._layer = layer

    # ------------------------------------------------------------------ looking

    @property
    def meshes(self) -> tuple[MeshAttachment, ...]:
        """All files of meshes."""
        return self._all_of(MeshAttachment)

    @property
    def agglomerates(self) -> tuple[AgglomerateAttachment, ...]:
        """All files of agglomerates."""
        return self._all_of(AgglomerateAttachment)

    @property
    def connectomes(self) -> tuple[ConnectomeAttachment, ...]:
        """All connectomes."""
        return self._all_of(ConnectomeAttachment)

    @property
    def segment_index(self) -> SegmentIndexAttachment | None:
        """The index of segments, if there is one."""
        return next(iter(self._all_of(SegmentIndexAttachment)), None)

    @property
    def cumsum(self) -> CumsumAttachment | None:
        """The table of cumulated sums, if there is one."""
        return next(iter(self._all_of(CumsumAttachment)), None)

    @property
    def is_empty(self) -> bool:
        """Whether the layer has no attachments."""
        return not list(self)

    def __iter__(self) -> Iterator[Attachment]:
        for kind in KINDS.values():
            yield from self._all_of(kind)

    def __repr__(self) -> str:
        return f"Attachments({list(self)!r})"

    # ------------------------------------------------------------------ naming what is somewhere

    def add_mesh(self, path: AnyPath, *, name: str, data_format: AttachmentDataFormat) -> MeshAttachment:
        """Register a file of meshes where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(MeshAttachment, path, name, data_format)

    def add_agglomerate(self, path: AnyPath, *, name: str, data_format: AttachmentDataFormat) -> AgglomerateAttachment:
        """Register a file of agglomerates where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(AgglomerateAttachment, path, name, data_format)

    def add_connectome(self, path: AnyPath, *, name: str, data_format: AttachmentDataFormat) -> ConnectomeAttachment:
        """Register a connectome where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(ConnectomeAttachment, path, name, data_format)

    def set_segment_index(
        self, path: AnyPath, *, name: str, data_format: AttachmentDataFormat
    ) -> SegmentIndexAttachment:
        """Register the layer's index of segments where it is, in place of the one before. `path` relative: to the dataset."""
        return self._add_at(SegmentIndexAttachment, path, name, data_format)

    def set_cumsum(self, path: AnyPath, *, name: str, data_format: AttachmentDataFormat) -> CumsumAttachment:
        """Register the layer's cumulated sums where they are, in place of those before. `path` relative: to the dataset."""
        return self._add_at(CumsumAttachment, path, name, data_format)

    def add_attachment_as_ref(self, attachment: Attachment, *, new_name: str | None = None) -> Attachment:
        """Register another layer's, or any, attachment where it is; nothing is copied.

        A segment index and a cumsum take the place of the one before. Raises InputError if the name is taken,
        InvalidNameError, ReadOnlyError.
        """
        (added,) = self._register([self._named(attachment, new_name or attachment.name, attachment.path)])
        return added

    def add_attachments(self, *other: Attachment) -> list[Attachment]:
        """Register all where they are, or none; see `add_attachment_as_ref`."""
        return self._register([self._named(one, one.name, one.path) for one in other])

    # ------------------------------------------------------------------ copies and links

    def add_attachment_as_copy(self, attachment: Attachment) -> Attachment:
        """Copy the file or folder into `<layer>/<kind>/<name>` and register the copy.

        The copy has its name once it is whole and on the disk. Raises what `add_attachment_as_ref` raises, InputError if there is something
        at that place already or if a link in a folder leads out of it, FileNotFoundError, StorageError.
        """
        (added,) = self.add_copy_attachments(attachment)
        return added

    def add_copy_attachments(self, *other: Attachment) -> list[Attachment]:
        """Copy and register all; see `add_attachment_as_copy`. Copies made before one fails are removed."""
        raise NotImplementedError

    def add_symlink_attachments(self, *other: Attachment, make_relative: bool = False) -> list[Attachment]:
        """Link to all from `<layer>/<kind>/<name>` and register what the links lead to, as the reference does.

        `make_relative`: links that stay right when both ends move together. Raises what `add_attachment_as_copy` raises.
        """
        raise NotImplementedError

    def create_agglomerate(self, name: str, graph: AgglomerateGraph) -> AgglomerateAttachment:
        """Write a graph as `<layer>/agglomerates/<name>` (Zarr v3) and register it. Raises as `add_attachment_as_copy`."""
        raise NotImplementedError

    # ------------------------------------------------------------------ changing and forgetting

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> Attachment:
        """Give an attachment another name; its file stays where it is. Raises InputError, NotInDatasetError, ReadOnlyError."""
        raise NotImplementedError

    def delete_attachment(self, attachment: Attachment) -> None:
        """Forget an attachment; its file stays where it is. Raises NotInDatasetError, ReadOnlyError."""
        raise NotImplementedError

    def detect_legacy_attachments(self) -> None:
        """Register what lies in the layer's folders and is not registered yet, as datasets did before there were entries.

        HDF5 files in `meshes`, `agglomerates`, `connectomes`, `segmentIndex`, and `agglomerates/cumsum.json`.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ within

    def _all_of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        entries = _entries(self._layer._attachments_properties(), kind.container_name)  # noqa: SLF001 - see AttachmentsLayer
        return tuple(kind(entry, self._location(entry.path, entry.name)) for entry in entries)

    def _location(self, path: AnyPath, name: str) -> UPath:
        return attachment_location(path, UPath(self._layer.dataset.path), name=name)

    def _add_at(self, kind: type[_Kind], path: AnyPath, name: str, data_format: AttachmentDataFormat) -> _Kind:
        raise NotImplementedError

    def _named(self, attachment: Attachment, name: str, location: UPath) -> Attachment:
        raise NotImplementedError

    def _register(self, new: Sequence[Attachment]) -> list[Attachment]:
        raise NotImplementedError


def _entries(properties: AttachmentsProperties, container: ContainerName) -> tuple[AttachmentProperties, ...]:
    found: tuple[AttachmentProperties, ...] | AttachmentProperties | None = getattr(properties, container)
    if found is None:
        return ()
    return (found,) if isinstance(found, AttachmentProperties) else found


_ = (
    os,
    get_args,
    check_attachment_name,
    stated_path,
    InputError,
    NotInDatasetError,
    ReadOnlyError,
    copy_durably,
    link_durably,
)
