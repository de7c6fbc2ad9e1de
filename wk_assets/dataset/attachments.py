"""The attachments of a segmentation layer: look at them, add, copy, link, rename, forget them.

Everything goes through the layer, which reads and replaces what datasource-properties.json says (`AttachmentsLayer`).
Files come first, the entry that names them last: a crash leaves at most a copy that nothing names. Source: the API
reference (`Attachments`), the names of folders from the datasets that WEBKNOSSOS reads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from upath import UPath

from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.attachment import (
    Attachment,
    ConnectomeAttachment,
    ContainerName,
    CumsumAttachment,
    MeshAttachment,
    SegmentIndexAttachment,
    attachment_location,
    check_attachment_name,
    is_attachment_name,
    stated_path,
)
from wk_assets.dataset.attachments_by_kind import AttachmentsByKind
from wk_assets.errors import AlreadyThereError, NotInDatasetError, ReadOnlyError
from wk_assets.operations.arrays.agglomerate_graph import AgglomerateGraph, agglomerate_arrays
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.properties.layer_properties import AttachmentDataFormat, AttachmentProperties, AttachmentsProperties
from wk_assets.storage.agglomerate_file import write_agglomerates
from wk_assets.storage.local_path import Location, local_path
from wk_assets.storage.locks import exclusive
from wk_assets.storage.new_path import copy_durably, link_durably, remove_leftovers, remove_made

_Kind = TypeVar("_Kind", bound=Attachment)

KINDS: tuple[type[Attachment], ...] = (
    MeshAttachment,
    AgglomerateAttachment,
    SegmentIndexAttachment,
    CumsumAttachment,
    ConnectomeAttachment,
)
# A layer has one of these at most.
_SINGLE: frozenset[ContainerName] = frozenset({"segment_index", "cumsum"})
_PATIENCE_SECONDS = 60.0


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


class Attachments(AttachmentsByKind):
    """Offer the attachments of one segmentation layer (`SegmentationLayer.attachments`)."""

    def __init__(self, layer: AttachmentsLayer) -> None:
        self._layer = layer

    def __iter__(self) -> Iterator[Attachment]:
        for kind in KINDS:
            yield from self._all_of(kind)

    # ------------------------------------------------------------------ naming what is somewhere

    def add_mesh(self, path: Location, *, name: str, data_format: AttachmentDataFormat) -> MeshAttachment:
        """Register a file of meshes where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(MeshAttachment, path, name, data_format)

    def add_agglomerate(self, path: Location, *, name: str, data_format: AttachmentDataFormat) -> AgglomerateAttachment:
        """Register a file of agglomerates where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(AgglomerateAttachment, path, name, data_format)

    def add_connectome(self, path: Location, *, name: str, data_format: AttachmentDataFormat) -> ConnectomeAttachment:
        """Register a connectome where it is; see `add_attachment_as_ref`. `path` relative: to the dataset."""
        return self._add_at(ConnectomeAttachment, path, name, data_format)

    def set_segment_index(
        self, path: Location, *, name: str, data_format: AttachmentDataFormat
    ) -> SegmentIndexAttachment:
        """Register the layer's index of segments where it is, in place of the one before. `path` relative: to the dataset."""
        return self._add_at(SegmentIndexAttachment, path, name, data_format)

    def set_cumsum(self, path: Location, *, name: str, data_format: AttachmentDataFormat) -> CumsumAttachment:
        """Register the layer's cumulated sums where they are, in place of those before. `path` relative: to the dataset."""
        return self._add_at(CumsumAttachment, path, name, data_format)

    def add_attachment_as_ref(self, attachment: Attachment, *, new_name: str | None = None) -> Attachment:
        """Register another layer's, or any, attachment where it is; nothing is copied.

        A segment index and a cumsum take the place of the one before. Raises InputError if the name is taken,
        InvalidNameError, ReadOnlyError.
        """
        name = attachment.name if new_name is None else new_name
        (added,) = self._register([_named(attachment, name)])
        return added

    def add_attachments(self, *other: Attachment) -> list[Attachment]:
        """Register all where they are, or none; see `add_attachment_as_ref`."""
        return self._register([_named(one, one.name) for one in other])

    # ------------------------------------------------------------------ copies and links

    def add_attachment_as_copy(self, attachment: Attachment) -> Attachment:
        """Copy the file or folder into `<layer>/<kind>/<name>` and register the copy.

        The copy has its name once it is whole and on the disk. Raises what `add_attachment_as_ref` raises, InputError if there is something
        at that place already or if a link in a folder leads out of it, FileNotFoundError, StorageError.
        """
        (added,) = self.add_copy_attachments(attachment)
        return added

    def add_copy_attachments(self, *other: Attachment) -> list[Attachment]:
        """Copy and register all; see `add_attachment_as_copy`. If one can not be, copies made before it are removed."""
        return self._made([(one, self._place_of(one)) for one in other], copy_durably)

    def add_symlink_attachments(self, *other: Attachment, make_relative: bool = False) -> list[Attachment]:
        """Link to all from `<layer>/<kind>/<name>` and register the links, which lead to the files themselves.

        `make_relative`: links that stay right when both ends move together. Raises what `add_attachment_as_copy` raises,
        RemoteLocationError for what lies behind a URL.
        """

        def link(source: UPath, target: Path) -> None:
            link_durably(local_path(source), target, relative=make_relative)

        return self._made([(one, self._place_of(one)) for one in other], link)

    def create_agglomerate(self, name: str, graph: AgglomerateGraph) -> AgglomerateAttachment:
        """Write a graph as `<layer>/agglomerates/<name>` (Zarr v3) and register it.

        Raises what `AgglomerateAttachment.create` and `add_attachment_as_copy` raise.
        """
        planned = AgglomerateAttachment.from_path_and_name(
            self._layer.path / AgglomerateAttachment.folder_name() / name, name, data_format=AttachmentDataFormat.Zarr3
        )
        arrays = agglomerate_arrays(graph, self._layer.dtype)

        def write(_source: UPath, target: Path) -> None:
            write_agglomerates(target, arrays)

        self._made([(planned, self._place_of(planned))], write)
        return next(one for one in self.agglomerates if one.name == name)

    # ------------------------------------------------------------------ changing and forgetting

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> Attachment:
        """Give an attachment another name; its file stays where it is.

        Raises NotInDatasetError if the layer does not have it, AlreadyThereError if the name is taken, InvalidNameError,
        ReadOnlyError.
        """
        with self._changing() as there:
            entry = self._entry_of(there, attachment)
            renamed = entry.model_copy(update={"name": check_attachment_name(new_name)})
            if new_name != attachment.name:
                _refuse_taken(there, type(attachment), new_name, self._layer.name)
            entries = tuple(renamed if one == entry else one for one in _entries(there, attachment.container_name))
            self._save(_with_entries(there, attachment.container_name, entries))
        return type(attachment)(renamed, attachment.path)

    def delete_attachment(self, attachment: Attachment) -> None:
        """Forget an attachment; its file stays where it is. Raises NotInDatasetError, ReadOnlyError."""
        with self._changing() as there:
            entry = self._entry_of(there, attachment)
            entries = tuple(one for one in _entries(there, attachment.container_name) if one != entry)
            self._save(_with_entries(there, attachment.container_name, entries))

    def detect_legacy_attachments(self) -> None:
        """Register what lies in the layer's folders and is not registered yet, as datasets did before there were entries.

        HDF5 files in `meshes`, `agglomerates` and `connectomes`; the first by name in `segmentIndex`; `agglomerates/cumsum.json`.
        Links are registered by what they lead to. Files whose names are taken, or can not be an attachment's, are left
        alone. Raises ReadOnlyError.
        """
        with self._changing() as there:
            properties = there
            for found in self._legacy():
                before = _entries(properties, found.container_name)
                if found.name in {entry.name for entry in before} or (before and found.container_name in _SINGLE):
                    continue
                properties = _with_entries(properties, found.container_name, (*before, self._entry(found)))
            if properties != there:
                self._save(properties)

    # ------------------------------------------------------------------ within

    def _all_of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        entries = _entries(self._layer._attachments_properties(), kind.container_name)  # noqa: SLF001 - see AttachmentsLayer
        return tuple(kind(entry, self._location(entry.path, entry.name)) for entry in entries)

    def _location(self, path: Location, name: str) -> UPath:
        return attachment_location(path, self._root, name=name)

    @property
    def _root(self) -> Path:
        return local_path(self._layer.dataset.path)

    def _place_of(self, attachment: Attachment) -> Path:
        check_attachment_name(attachment.name)
        return local_path(self._layer.path) / attachment.folder_name() / attachment.file_name()

    def _add_at(self, kind: type[_Kind], path: Location, name: str, data_format: AttachmentDataFormat) -> _Kind:
        added = kind.from_path_and_name(path, name, data_format=data_format, dataset_path=self._root)
        self.add_attachment_as_ref(added)
        return added

    def _entry(self, attachment: Attachment) -> AttachmentProperties:
        return AttachmentProperties(
            name=check_attachment_name(attachment.name),
            path=stated_path(attachment.path, self._root),
            data_format=attachment.data_format,
        )

    def _entry_of(self, there: AttachmentsProperties, attachment: Attachment) -> AttachmentProperties:
        for entry in _entries(there, attachment.container_name):
            if type(attachment)(entry, self._location(entry.path, entry.name)) == attachment:
                return entry
        names = ", ".join(entry.name for entry in _entries(there, attachment.container_name)) or "none"
        raise NotInDatasetError(
            f"layer {self._layer.name!r} has no {attachment!r}; its {attachment.container_name} are: {names}"
        )

    def _made(
        self, planned: Sequence[tuple[Attachment, Path]], make: Callable[[UPath, Path], None]
    ) -> list[Attachment]:
        """Make a file or folder at the place of each, then register all; what was made goes away if that fails."""
        made: list[Path] = []
        with self._changing() as there:
            named = [
                type(one).from_path_and_name(place, one.name, data_format=one.data_format) for one, place in planned
            ]
            added = self._added(there, named)  # so that nothing is copied in vain
            try:
                for one, place in planned:
                    remove_leftovers(place)
                    make(one.path, place)
                    made.append(place)
                self._save(added)
            except BaseException:
                for place in made:
                    remove_made(place)
                raise
        return list(named)

    def _register(self, new: Sequence[Attachment]) -> list[Attachment]:
        with self._changing() as there:
            self._save(self._added(there, new))
        return list(new)

    def _added(self, there: AttachmentsProperties, new: Sequence[Attachment]) -> AttachmentsProperties:
        for one in new:
            before = _entries(there, one.container_name)
            if one.container_name in _SINGLE:
                before = ()
            else:
                _refuse_taken(there, type(one), one.name, self._layer.name)
            there = _with_entries(there, one.container_name, (*before, self._entry(one)))
        return there

    @contextmanager
    def _changing(self) -> Iterator[AttachmentsProperties]:
        """Give the entries as they are now; nobody else changes them until the end of the block."""
        if self._layer.read_only:
            raise ReadOnlyError(
                f"layer {self._layer.name!r} of {self._root} was opened for reading: its attachments can not be changed"
            )
        lock = self._root / BOOKKEEPING / "locks" / self._layer.name / "attachments.lock"
        with exclusive(lock, f"attachments of layer {self._layer.name}", _PATIENCE_SECONDS):
            yield self._layer._attachments_properties()  # noqa: SLF001 - see AttachmentsLayer

    def _save(self, properties: AttachmentsProperties) -> None:
        self._layer._save_attachments(properties)  # noqa: SLF001 - see AttachmentsLayer

    def _legacy(self) -> Iterator[Attachment]:
        folder = local_path(self._layer.path)
        for kind in (MeshAttachment, AgglomerateAttachment, SegmentIndexAttachment, ConnectomeAttachment):
            for path in sorted((folder / kind.folder_name()).glob("*.hdf5")):
                if path.is_file() and is_attachment_name(path.stem):
                    yield kind.from_path_and_name(_followed(path), path.stem, data_format=AttachmentDataFormat.HDF5)
        sums = folder / AgglomerateAttachment.folder_name() / "cumsum.json"
        if sums.is_file():
            yield CumsumAttachment.from_path_and_name(_followed(sums), "cumsum", data_format=AttachmentDataFormat.JSON)


def _entries(properties: AttachmentsProperties, container: ContainerName) -> tuple[AttachmentProperties, ...]:
    found: tuple[AttachmentProperties, ...] | AttachmentProperties | None = getattr(properties, container)
    if found is None:
        return ()
    return (found,) if isinstance(found, AttachmentProperties) else found


def _with_entries(
    properties: AttachmentsProperties, container: ContainerName, entries: tuple[AttachmentProperties, ...]
) -> AttachmentsProperties:
    """Replace what stands under one name; a container without entries is left out of the file."""
    value = (entries or None) if container not in _SINGLE else next(iter(entries), None)
    return properties.model_copy(update={container: value})


def _refuse_taken(there: AttachmentsProperties, kind: type[Attachment], name: str, layer_name: str) -> None:
    if any(entry.name == name for entry in _entries(there, kind.container_name)):
        raise AlreadyThereError(f"layer {layer_name!r} has a {kind.type_name} {name!r} already; choose another name")


def _followed(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path


def _named(attachment: Attachment, name: str) -> Attachment:
    return type(attachment).from_path_and_name(attachment.path, name, data_format=attachment.data_format)
