"""The door to NML files: `read_nml`, `write_nml`. The model is in `nml_model`, for trees as graphs see `skeleton`."""

import os
from pathlib import Path
from typing import IO

from wk_assets.skeleton.nml_model import Nml
from wk_assets.skeleton.nml_reader import NmlReader
from wk_assets.skeleton.nml_writer import NmlWriter


def read_nml(
    source: IO[bytes] | str | os.PathLike[str], *, name: str | None = None, max_bytes: int | None = None
) -> Nml:
    """Read an NML document as a stream, with no more of the file in memory than a block of it.

    `source`: a binary stream, or the path of a file. `name` stands for the stream in errors (its own name by default).
    `max_bytes` refuses longer streams: give it for what is unpacked from an archive.
    Raises NmlError, with line and element, for anything that is no NML: malformed or truncated XML, a DTD (so no entity is
    ever resolved), values that are no numbers or not finite, ids out of range or twice, edges to nodes that their
    tree does not have. Raises OSError where the file can not be read.
    Source: the files that WEBKNOSSOS and its Python library write.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as stream:
            return NmlReader(name or str(source), max_bytes).read(stream)
    return NmlReader(name or str(getattr(source, "name", "NML")), max_bytes).read(source)


def write_nml(nml: Nml, stream: IO[bytes]) -> None:
    """Write an NML document as a stream, in UTF-8; equal documents give equal bytes, and are read back equal.

    Positions that are integers are written as such; a tree without color stays without. Raises NmlError for text that XML
    can not hold (a NUL) and for numbers that are not finite.
    """
    NmlWriter(stream).write(nml)
