"""The NML inside of a .zip file: one at the top level. Volume data beside it belongs to `annotation`.

Nothing is unpacked to a disk, and no more bytes are read than an NML of that compressed length can have.
"""

import zipfile
from pathlib import Path
from typing import IO, Final

from wk_assets.errors import NmlError
from wk_assets.skeleton.nml import read_nml, write_nml
from wk_assets.skeleton.nml_model import Nml

_ALWAYS_ALLOWED_BYTES: Final = 1 << 26
_LARGEST_RATIO: Final = 200
"""Deflate shrinks NMLs to a tenth or a twentieth; a bomb reaches a thousandth."""
_EARLIEST_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""Zip has none before; a date of the day would make equal skeletons different bytes."""


def read_archived_nml(path: Path) -> Nml:
    """Read the only .nml at the top level of an archive.

    Raises NmlError for a file that is no zip archive, one with no such member or several, encrypted or broken members,
    and members that unpack to far more than an NML does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if "/" not in one.filename and one.filename.endswith(".nml")]
            if len(members) != 1:
                raise NmlError(
                    f"holds {len(members)} .nml files at its top level",
                    remedy="An annotation has exactly one there.",
                    source=str(path),
                )
            allowed = max(_ALWAYS_ALLOWED_BYTES, members[0].compress_size * _LARGEST_RATIO)
            with archive.open(members[0]) as stream:
                return read_nml(stream, name=f"{path}/{members[0].filename}", max_bytes=allowed)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # RuntimeError: encrypted
        raise NmlError(
            f"can not be unpacked: {error}", remedy="Fetch or pack the archive again.", source=str(path)
        ) from error


def write_archived_nml(nml: Nml, stream: IO[bytes], name: str) -> None:
    """Write an archive that holds an NML under that name; equal documents give equal bytes."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(name, _EARLIEST_DATE)
        member.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(member, "w", force_zip64=True) as target:  # its length is not known before
            write_nml(nml, target)
