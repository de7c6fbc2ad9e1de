"""Zip files from elsewhere, read with care: nothing is taken that could be written outside, or grow without end.

Refused as a whole, before anything is unpacked: names that lead out of a folder, names that stand twice, links and devices,
encrypted entries, entries that share bytes. Counted while they are unpacked: bytes, because what a zip says of its sizes may
be a lie. Writes no file (see `volume_data`) and knows no annotation.
"""

import errno
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wk_assets.errors import AnnotationFileError

_PIECE_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Say how much may come out of a zip.

    `entries`: files in it; `total_bytes`: of all of them; `ratio`: bytes that come out per byte of the zip, from
    `always_allowed_bytes` on (chunks of one segment id are compressed a thousandfold, but there are not many such bytes).
    """

    entries: int = 2_000_000
    total_bytes: int = 1 << 40
    ratio: int = 250
    always_allowed_bytes: int = 256 << 20

    def allowed_bytes(self, zip_bytes: int) -> int:
        """Say how many bytes may come out of a zip of `zip_bytes`."""
        return min(self.total_bytes, max(self.always_allowed_bytes, self.ratio * zip_bytes))


DEFAULT_LIMITS = ArchiveLimits()


class CheckedArchive:
    """Offer the files in a zip by name, in the order of the zip. A context manager.

    `source`: how errors call the zip; `zip_bytes`: what the limits count from, by default the size of the zip (that of a zip
    inside of a zip is what it takes there). Raises AnnotationFileError for what is no zip or is refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: str | None = None,
        limits: ArchiveLimits = DEFAULT_LIMITS,
        zip_bytes: int | None = None,
    ) -> None:
        self.source = source or str(path)
        self._limits = limits
        self._left_bytes = limits.allowed_bytes(path.stat().st_size if zip_bytes is None else zip_bytes)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a seek to before the beginning
                raise
            raise AnnotationFileError(
                f"{self.source} is no zip file that can be read ({error}); get it again"
            ) from error
        try:
            self.entries = self._checked_entries(path.stat().st_size)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def packed_bytes(self, name: str) -> int:
        """Say how many bytes of the zip an entry takes."""
        return self.entries[name].compress_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an entry, a piece at a time.

        Raises AnnotationFileError for damage, and as soon as more comes out of the zip than its limits allow.
        """
        with self._translated(name), self._zip.open(self.entries[name]) as stream:
            while piece := stream.read(_PIECE_BYTES):
                self._left_bytes -= len(piece)
                if self._left_bytes < 0:
                    raise self._refused(
                        name, "more comes out of the zip than it can honestly hold: it looks like a zip bomb"
                    )
                yield piece

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry that is small. Raises what `pieces` raises."""
        return b"".join(self.pieces(name))

    def unpack(self, name: str, target: IO[bytes]) -> None:
        """Write an entry to an open file. Raises what `pieces` raises."""
        for piece in self.pieces(name):
            target.write(piece)

    # ------------------------------------------------------------------ within

    def _checked_entries(self, size_bytes: int) -> dict[str, zipfile.ZipInfo]:
        found: dict[str, zipfile.ZipInfo] = {}
        infos = self._zip.infolist()
        if len(infos) > self._limits.entries:
            raise AnnotationFileError(
                f"{self.source} holds {len(infos)} entries, more than the {self._limits.entries} that are read; "
                "raise the limit if you trust it"
            )
        for info in infos:
            name = self._checked_name(info)
            if not 0 <= info.header_offset < size_bytes:
                raise self._refused(name, "it is said to lie outside of the zip")
            if name in found:
                raise self._refused(name, "the name stands twice, and readers disagree which one counts")
            found[name] = info
        files = {name: info for name, info in found.items() if not info.is_dir()}
        for name in found:
            parent = name
            while "/" in parent:
                parent = parent.rpartition("/")[0]
                if parent in files:
                    raise self._refused(name, f"{parent!r} is a file, so nothing can be in it")
        if sum(info.compress_size for info in infos) > size_bytes:
            raise AnnotationFileError(
                f"{self.source}: the entries take more bytes than the zip has, so they overlap: it looks like a zip bomb"
            )
        return files

    def _checked_name(self, info: zipfile.ZipInfo) -> str:
        name = info.filename.removesuffix("/") if info.is_dir() else info.filename
        parts = name.split("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if "\\" in info.orig_filename or "\0" in info.orig_filename or any(ord(letter) < 32 for letter in name):
            raise self._refused(info.orig_filename, "the name has characters that no name of a file has")
        if name.startswith("/") or (len(parts[0]) == 2 and parts[0][1] == ":"):
            raise self._refused(name, "the name is absolute; only names within the zip are unpacked")
        if ".." in parts or "." in parts or "" in parts:
            raise self._refused(name, "the name leads out of the folder that it is unpacked into, or into itself")
        if len(name) > _LONGEST_NAME or any(len(part.encode()) > 255 for part in parts):
            raise self._refused(f"{name[:60]}…", "the name is longer than file systems allow")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self._refused(name, "it is a link or a device, not a file")
        if info.flag_bits & _ENCRYPTED:
            raise self._refused(name, "it is encrypted; save the zip without a password")
        if info.compress_type not in _METHODS:
            raise self._refused(name, f"compression method {info.compress_type} is none of stored and deflated")
        return name

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise self._refused(name, f"it is damaged ({error}); get the file again") from error

    def _refused(self, entry: str, reason: str) -> AnnotationFileError:
        return AnnotationFileError(f"{self.source}: entry {entry!r} is refused: {reason}. Nothing was unpacked from it")
