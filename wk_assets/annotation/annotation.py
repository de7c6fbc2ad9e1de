"""What somebody drew on a dataset, as an object: a skeleton, volume layers, boxes; on disk, and to and from a server.

    annotation = Annotation.download("https://webknossos.org/annotations/5f7d3a…")
    with annotation.temporary_volume_layer_copy() as layer:
        voxels = layer.get_finest_mag().read()
    annotation.save("annotation.zip")

Names are those of the WEBKNOSSOS Python library's reference. Its parts: `annotation_document`, `annotation_volumes`,
`annotation_file`, `server_annotation`; an annotation that stays on the server is a `RemoteAnnotation`.
"""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upath import UPath

from wk_assets.annotation.annotation_file import (
    AnnotationFile,
    annotation_bytes,
    read_annotation_file,
    write_annotation_file,
)
from wk_assets.annotation.annotation_volumes import AnnotationVolumes
from wk_assets.annotation.checked_archive import DEFAULT_LIMITS, ArchiveLimits
from wk_assets.annotation.server_annotation import ServerAnnotation, send_annotation
from wk_assets.annotation.volume_data import Scratch
from wk_assets.client.context import current_context
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.errors import AnnotationFileError, InputError
from wk_assets.skeleton.nml_model import Nml
from wk_assets.storage.local_path import local_path

if TYPE_CHECKING:
    from wk_assets.annotation.remote_annotation import RemoteAnnotation

Location = str | PathLike[str] | UPath


class Annotation(AnnotationVolumes):
    """Make an annotation, or get one with `load`, `download` or `open_remote` (parameters: see `AnnotationDocument`)."""

    # ------------------------------------------------------------------ on disk

    @classmethod
    def load(cls, annotation_path: Location, *, limits: ArchiveLimits = DEFAULT_LIMITS) -> "Annotation":
        """Load an annotation from an `.nml` or a `.zip`; voxels are unpacked when somebody asks for them.

        `limits`: how much may come out of a zip. The voxels that an `.nml` names lie in another file: it is loaded without.
        Raises AnnotationFileError, NmlError, FileNotFoundError.
        """
        path = local_path(annotation_path)
        if path.suffix.lower() not in (".nml", ".zip"):
            raise AnnotationFileError(f"{path}: annotations are files that end in .nml or .zip; name one of these")
        return _of_file(read_annotation_file(path, limits=limits))

    def save(self, path: Location) -> None:
        """Save the annotation as `.nml`, or with its volume layers as `.zip`, in the place of what is there, at once.

        The same annotation gives the same bytes. Raises AnnotationFileError for another ending, and for volume layers with
        voxels in an `.nml`; NmlError for texts and numbers that XML does not hold; StorageError.
        """
        target = local_path(path)
        nml, volumes = self.to_nml()
        write_annotation_file(target, nml, volumes, name=self.name)

    def to_file(self) -> tuple[str, bytes]:
        """Return name and bytes of the file that a server takes: `.zip` if there are volume layers, else `.nml`."""
        nml, volumes = self.to_nml()
        return annotation_bytes(nml, volumes, name=self.name)

    def as_base(self) -> tuple[str, bytes] | str:
        """Return what a task goes on from: here the file (see `Task.create_from_annotations`)."""
        return self.to_file()

    # ------------------------------------------------------------------ on a server

    @classmethod
    def download(
        cls,
        annotation_id_or_url: str,
        webknossos_url: str | None = None,
        *,
        skip_volume_data: bool = False,
        retry_count: int = 5,
        version: int | None = None,
    ) -> "Annotation":
        """Download an annotation by its id or address.

        `webknossos_url`: the server, by default the current one; the token at hand only goes to the server that it is for.
        `version` pins a state of the annotation (see `newest_version`), None: the newest. Raises InputError for an address of
        something else, NotOnServerError, ServerError, AnnotationFileError, NmlError.
        """
        place = ServerAnnotation.find(annotation_id_or_url, webknossos_url)
        body, name = place.download(skip_volume_data=skip_volume_data, version=version, retry_count=retry_count)
        scratch = Scratch()
        path = scratch.path / "download"
        path.write_bytes(body)
        read = read_annotation_file(path, source=f"annotation {place.annotation_id} of {place.server.address.url}")
        annotation = _of_file(replace(read, name=Path(name).stem))
        annotation.annotation_id = annotation.annotation_id or place.annotation_id
        return annotation

    @staticmethod
    def newest_version(annotation_id_or_url: str, webknossos_url: str | None = None) -> int:
        """Return the number of an annotation's newest state, which `download(…, version=…)` takes. Raises ServerError."""
        return ServerAnnotation.find(annotation_id_or_url, webknossos_url).newest_version()

    def upload(self) -> str:
        """Make an annotation of no task of this on the current server and return its address.

        What says that it came from another server (its address, the dataset's id there) is left out: the dataset is found by
        its name then. Raises NotAuthenticatedError, RequestRefusedError, e.g. for a dataset that is not there.
        """
        nml, volumes = self.to_nml()
        name, body = annotation_bytes(_at_home(nml, current_context().address.url), volumes, name=self.name)
        return send_annotation(name, body)

    @classmethod
    def open_as_remote_dataset(cls, annotation_id_or_url: str, webknossos_url: str | None = None) -> RemoteDataset:
        """Open the dataset of an annotation as the annotation shows it, without downloading it. Raises ServerError."""
        return RemoteDataset.open(annotation_id_or_url=annotation_id_or_url, webknossos_url=webknossos_url)

    @classmethod
    def open_remote(cls, annotation_id_or_url: str, webknossos_url: str | None = None) -> "RemoteAnnotation":
        """Open an annotation that stays on the server. Raises ServerError."""
        # here, not above: each of the two classes needs the other
        from wk_assets.annotation.remote_annotation import RemoteAnnotation

        return RemoteAnnotation.at(ServerAnnotation.find(annotation_id_or_url, webknossos_url))

    def get_remote_annotation_dataset(self) -> RemoteDataset:
        """Open the dataset as the annotation shows it on the current server: with what is drawn over its fallback layers.

        Raises InputError if the annotation is on no server, ServerError.
        """
        if self.annotation_id is None:
            raise InputError(f"annotation {self.name!r} has no annotation_id, so it is on no server; upload it first")
        return RemoteDataset.open(annotation_id_or_url=self.annotation_id)

    def get_remote_base_dataset(
        self, sharing_token: str | None = None, webknossos_url: str | None = None
    ) -> RemoteDataset:
        """Open the dataset that the annotation is of, by its id, or by name and organization. Raises ServerError."""
        if self.dataset_id is not None:
            return RemoteDataset.open(
                dataset_id=self.dataset_id, sharing_token=sharing_token, webknossos_url=webknossos_url
            )
        return RemoteDataset.open(
            self.dataset_name,
            organization_id=self.organization_id,
            sharing_token=sharing_token,
            webknossos_url=webknossos_url,
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, annotation_id={self.annotation_id!r}, "
            f"dataset_name={self.dataset_name!r}, volume_layers={self.get_volume_layer_names()})"
        )


def _of_file(read: AnnotationFile) -> Annotation:
    return Annotation.of_nml(read.nml, read.name, read.volumes, read.source)


def _at_home(nml: Nml, server_url: str) -> Nml:
    """Leave out what is true on another server only."""
    told = nml.parameters
    if told.wk_url is None or urlsplit(told.wk_url).netloc == urlsplit(server_url).netloc:
        return nml
    return replace(nml, parameters=replace(told, wk_url=None, dataset_id=None))
