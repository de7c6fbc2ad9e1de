"""A file that belongs to a segmentation: its kinds, where it lies, and how datasource-properties.json says so.

Values only: nothing is copied, linked or registered here (see `attachments`); what an agglomerate file holds has
`agglomerate_attachment`. Source: the API reference (`webknossos.dataset`) and the paths that WEBKNOSSOS reads: inside of
the dataset `./layer/meshes/name.hdf5`, elsewhere absolute or a URL.
"""

import os.path
import re
from pathlib import Path
from typing import ClassVar, Literal, Self

from upath import UPath

from wk_assets.errors import InvalidNameError, PropertiesError
from wk_assets.properties.layer_properties import AttachmentDataFormat, AttachmentProperties
from wk_assets.storage.local_path import Location, is_local, local_path
from wk_assets.storage.properties_file import stated_location

ContainerName = Literal["agglomerates", "meshes", "segment_index", "cumsum", "connectomes"]
TypeName = Literal["mesh", "agglomerate", "segmentIndex", "connectome", "cumsum"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
_SUFFIXES = {AttachmentDataFormat.HDF5: ".hdf5", AttachmentDataFormat.JSON: ".json"}


class Attachment:
    """Name one attachment: what it is called, the format of its file or folder, and where that lies.

    `properties.path` is what datasource-properties.json says, `path` where that is. Two attachments are equal when kind,
    name, format and place are. Raises PropertiesError for a format that this kind does not come in.
    """

    container_name: ClassVar[ContainerName]
    type_name: ClassVar[TypeName]
    data_formats: ClassVar[tuple[AttachmentDataFormat, ...]] = (AttachmentDataFormat.Zarr3, AttachmentDataFormat.HDF5)

    def __init__(self, properties: AttachmentProperties, path: UPath) -> None:
        if properties.data_format not in self.data_formats:
            allowed = ", ".join(self.data_formats)
            raise PropertiesError(
                f"attachment {properties.name!r}: a {self.type_name} does not come as {properties.data_format.value!r}; "
                f"it comes as {allowed}"
            )
        self._properties = properties
        self.name: str = properties.name
        self.path: UPath = path
        self.data_format: AttachmentDataFormat = properties.data_format

    @classmethod
    def from_path_and_name(
        cls,
        path: Location,
        name: str,
        *,
        data_format: AttachmentDataFormat,
        dataset_path: Location | None = None,
    ) -> Self:
        """Name what lies at `path`: absolute, a URL, or relative to `dataset_path` (without one: to the working directory).

        Raises InvalidNameError for a name that can not be a file's, PropertiesError for a format that this kind does not
        come in, and for a relative path that leaves the dataset.
        """
        check_attachment_name(name)
        known = AttachmentDataFormat(data_format)
        if dataset_path is not None:
            root = local_path(dataset_path)
            location = attachment_location(path, root, name=name)
            stated = stated_path(location, root)
        else:
            location = UPath(path)
            location = UPath(local_path(location).absolute()) if is_local(location) else location
            stated = str(location)
        return cls(AttachmentProperties(name=name, path=stated, data_format=known), location)

    @classmethod
    def folder_name(cls) -> str:
        """Name the folder of the layer that holds attachments of this kind: `meshes`, `segmentIndex`."""
        first, *others = cls.container_name.split("_")
        return first + "".join(word.title() for word in others)

    def file_name(self) -> str:
        """Name the file, or for Zarr v3 and precomputed the folder, of a copy."""
        return self.name + _SUFFIXES.get(self.data_format, "")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attachment):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str, str, str]:
        return self.container_name, self.name, self.data_format.value, str(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={str(self.path)!r}, name={self.name!r}, data_format={self.data_format.value!r})"


class MeshAttachment(Attachment):
    """Name a file of meshes, one per segment."""

    container_name = "meshes"
    type_name = "mesh"
    data_formats = (*Attachment.data_formats, AttachmentDataFormat.NeuroglancerPrecomputed)


class SegmentIndexAttachment(Attachment):
    """Name an index that tells in which chunks of the layer a segment lies."""

    container_name = "segment_index"
    type_name = "segmentIndex"


class CumsumAttachment(Attachment):
    """Name a table of cumulated sums over agglomerates."""

    container_name = "cumsum"
    type_name = "cumsum"
    data_formats = (AttachmentDataFormat.Zarr3, AttachmentDataFormat.JSON)


class ConnectomeAttachment(Attachment):
    """Name a file of synapses between agglomerates."""

    container_name = "connectomes"
    type_name = "connectome"


def is_attachment_name(name: str) -> bool:
    """Say whether an attachment may have this name; see `check_attachment_name`."""
    return _NAME.fullmatch(name) is not None


def check_attachment_name(name: str) -> str:
    """Give the name back if an attachment may have it: letters, digits, `_ - .`, no dot first. Raises InvalidNameError."""
    if not is_attachment_name(name):
        raise InvalidNameError(
            f"attachment name {name!r} can not be a file's name everywhere; allowed are letters, digits, '_', '-', '.', "
            "no dot at the start, 200 characters at most"
        )
    return name


def attachment_location(path: Location, dataset_path: Path, *, name: str) -> UPath:
    """Find what `path` means for a dataset: an absolute path and a URL as they are, others within the dataset.

    `..` is resolved as text. Raises PropertiesError, naming the attachment, for a relative path that leaves the dataset:
    whoever means a place elsewhere names it absolutely, so that a foreign datasource-properties.json can not point at its
    surroundings.
    """
    location = UPath(path)
    if not is_local(location):
        return location
    inside = os.path.normpath(location.path)
    if os.path.isabs(inside):  # noqa: PTH117 - a text, not a path
        return UPath(inside)
    if inside == ".." or inside.startswith("../"):
        raise PropertiesError(
            f"attachment {name!r}: path {str(path)!r} leaves the dataset {dataset_path}; name a place elsewhere absolutely"
        )
    return UPath(os.path.join(dataset_path, inside))  # noqa: PTH118 - of a Path, UPath would not make one for places


def stated_path(location: UPath, dataset_path: Path) -> str:
    """Say where an attachment lies, as datasource-properties.json does: `./…` inside of the dataset, else in full."""
    return stated_location(dataset_path, local_path(location)) if is_local(location) else str(location)
