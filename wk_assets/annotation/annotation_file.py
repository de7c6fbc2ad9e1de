"""An annotation's file: an `.nml`, or a `.zip` of one NML and a zip of voxels per volume layer (`formats` §3.3).

Reads into the NML's model and zips of voxels in a scratch folder; writes at once, and the same annotation as the same bytes.
What the NML means is in `annotation_document`, what is in the zips of voxels in `volume_data`.
"""

import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wk_assets.annotation.checked_archive import DEFAULT_LIMITS, ArchiveLimits, CheckedArchive
from wk_assets.annotation.volume_data import Scratch, VolumeData
from wk_assets.annotation.volume_packing import copy_file_to_zip
from wk_assets.errors import AnnotationFileError
from wk_assets.skeleton.nml import read_nml, write_nml
from wk_assets.skeleton.nml_model import Nml
from wk_assets.storage.durable import PARTIAL_SUFFIX, make_directory, storage_refusals, sync_directory

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_NO_FILE_NAME = re.compile(r'[\x00-\x1f/\\:*?"<>|]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFile:
    """Hold what was in a file. `name`: of the NML, without its ending; `volumes`: zips of voxels by `location`."""

    name: str
    nml: Nml
    volumes: Mapping[str, VolumeData]
    source: str


def read_annotation_file(
    path: Path, *, limits: ArchiveLimits = DEFAULT_LIMITS, source: str | None = None
) -> AnnotationFile:
    """Read a file, whichever of the two it is; nothing is written but into a scratch folder of the file's own names.

    Raises AnnotationFileError for what is neither, for a zip without or with several NML files, without the voxels that its
    NML names, or hostile; NmlError for an NML that can not be understood; FileNotFoundError.
    """
    source = source or str(path)
    with path.open("rb") as file:
        if not file.read(4).startswith(_ZIP_STARTS):
            file.seek(0)
            return AnnotationFile(name=path.stem, nml=read_nml(file, name=source), volumes={}, source=source)
    with CheckedArchive(path, source=source, limits=limits) as archive:
        name = _nml_name(archive)
        scratch = Scratch()
        unpacked = scratch.path / "annotation.nml"
        _unpack(archive, name, unpacked)
        with unpacked.open("rb") as file:
            nml = read_nml(file, name=f"{source}, {name}")
        unpacked.unlink()
        volumes = {
            volume.location: _volume_data(archive, volume.location, scratch, number, limits)
            for number, volume in enumerate(nml.volumes)
            if volume.location is not None
        }
    return AnnotationFile(name=name.rpartition(".")[0], nml=nml, volumes=volumes, source=source)


def write_annotation_file(path: Path, nml: Nml, volumes: Sequence[tuple[str, VolumeData]], *, name: str) -> None:
    """Write a file, replacing what is there at once; `.zip` or `.nml` by the end of `path`.

    `volumes`: location and voxels of each layer that has some; `name`: of the NML inside. Raises AnnotationFileError for
    another ending, and for voxels in an `.nml`, which can not hold them; StorageError.
    """
    if path.suffix not in (".nml", ".zip"):
        raise AnnotationFileError(f"{path}: annotations are saved as .nml or .zip; choose such a name")
    if path.suffix == ".nml" and volumes:
        raise AnnotationFileError(f"{path}: an .nml can not hold the voxels of volume layers; save it as .zip")
    with _replaced_at_once(path) as file:
        if path.suffix == ".nml":
            write_nml(nml, file)
        else:
            _write_zip(file, nml, volumes, name)


def annotation_bytes(nml: Nml, volumes: Sequence[tuple[str, VolumeData]], *, name: str) -> tuple[str, bytes]:
    """Return name and bytes of the file to send: an `.nml`, or a `.zip` if there are volume layers."""
    stem = file_stem(name)
    buffer = io.BytesIO()
    if not nml.volumes:
        write_nml(nml, buffer)
        return f"{stem}.nml", buffer.getvalue()
    _write_zip(buffer, nml, volumes, name)
    return f"{stem}.zip", buffer.getvalue()


def file_stem(name: str) -> str:
    """Return a name that files may have: without slashes, colons and the like, and not too long."""
    return _NO_FILE_NAME.sub("_", name).strip("._ ")[:60] or "annotation"


# ---------------------------------------------------------------------- within


def _nml_name(archive: CheckedArchive) -> str:
    found = [name for name in archive.entries if name.lower().endswith(".nml") and "/" not in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise AnnotationFileError(
            f"{archive.source} holds {len(found)} NML files ({', '.join(found[:3])}{', …' if len(found) > 3 else ''}): these are "
            "several annotations; unpack it and load each"
        )
    inner = [name for name in archive.entries if name.lower().endswith((".zip", ".nml"))]
    hint = f"; it holds {inner[0]}: unpack it and load what is inside" if inner else "; this is no annotation"
    raise AnnotationFileError(f"{archive.source} holds no NML file at its top{hint}")


def _volume_data(
    archive: CheckedArchive, location: str, scratch: Scratch, number: int, limits: ArchiveLimits
) -> VolumeData:
    target = scratch.path / f"volume_{number}.zip"
    folder = f"{location.rstrip('/')}/"
    source = f"{archive.source}, {location}"
    if location in archive.entries:
        _unpack(archive, location, target)
        packed = archive.packed_bytes(location)
    elif any(name.startswith(folder) for name in archive.entries):
        packed = _zip_folder(archive, folder, target)
    else:
        raise AnnotationFileError(
            f"{archive.source}: the NML says that the voxels of a volume layer are in {location!r}, and there is no such entry; "
            "get the file again, or take the attribute 'location' away to load it without them"
        )
    return VolumeData(path=target, scratch=scratch, source=source, packed_bytes=packed, limits=limits)


def _unpack(archive: CheckedArchive, name: str, target: Path) -> None:
    with storage_refusals(target), target.open("xb") as file:
        archive.unpack(name, file)


def _zip_folder(archive: CheckedArchive, folder: str, target: Path) -> int:
    """Make of a folder in the zip what others send as a zip in the zip; returns what it takes there."""
    packed = 0
    with storage_refusals(target), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as inner:
        for name in archive.entries:
            if name.startswith(folder):
                packed += archive.packed_bytes(name)
                with inner.open(zipfile.ZipInfo(name.removeprefix(folder)), "w", force_zip64=True) as file:
                    for piece in archive.pieces(name):
                        file.write(piece)
    return packed


def _write_zip(file: IO[bytes], nml: Nml, volumes: Sequence[tuple[str, VolumeData]], name: str) -> None:
    scratch = Scratch()
    written = scratch.path / "annotation.nml"
    with written.open("wb") as stream:
        write_nml(nml, stream)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        copy_file_to_zip(archive, f"{file_stem(name)}.nml", written, method=zipfile.ZIP_DEFLATED)
        for location, data in volumes:
            copy_file_to_zip(archive, location, data.path)


@contextmanager
def _replaced_at_once(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; at the end of the block it is, whole and on the disk, `path`."""
    make_directory(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    with storage_refusals(path):
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
