"""What lies in an instrument's watch folder: one acquisition per sub-folder, seen by polling.

Lists and stats, read-only; no image is opened. The only files that are read are those by which the instrument's rule
speaks (a manifest, a log: `rule_text`). Whether an acquisition is finished is judged in `finished`.
No inotify: shares send no events, restarts lose them.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import xxhash

from wk_assets.errors import WatchFolderError
from wk_assets.facility.finish_rules import TEMPORARY_PATTERNS, RenameRule, spoken_file
from wk_assets.facility.instrument import Instrument
from wk_assets.facility.patterns import matches, matches_any
from wk_assets.readers.natural_order import natural_key
from wk_assets.readers.volume import SourceFile

NEVER_DATA = (".*", "*~", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
"""What operating systems and editors leave in folders: no part of any acquisition."""

LARGEST_RULE_TEXT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One folder that an instrument filled (or is filling), as one scan saw it.

    `name` is the folder's path below the watch folder. `files` are sorted by relative path. `signature` is a digest
    over their (relative path, size, mtime_ns): equal signatures mean that nothing changed. `in_transfer` are files
    that still carry a temporary name, `unreadable` are sentences about what could not be listed. `rule_text` is the
    text of the manifest or log of the finish rule, None if there is none (yet).
    """

    instrument: str
    name: str
    folder: Path
    files: tuple[SourceFile, ...]
    signature: str
    in_transfer: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    rule_text: str | None = None

    @property
    def size_bytes(self) -> int:
        """Give the sum of the files' sizes."""
        return sum(file.size_bytes for file in self.files)


def signature_of(files: Iterable[SourceFile]) -> str:
    """Digest what a listing says of files: `xxh3_128:<hex>` over the sorted (relative path, size, mtime_ns)."""
    digest = xxhash.xxh3_128()
    for file in sorted(files, key=lambda file: file.relative_path):
        digest.update(f"{file.relative_path}\0{file.size_bytes}\0{file.mtime_ns}\n".encode())
    return f"xxh3_128:{digest.hexdigest()}"


def scan_instrument(instrument: Instrument) -> tuple[Acquisition, ...]:
    """List every acquisition in the watch folder, in natural order of their names.

    A folder that vanishes during the scan is left out; what can not be listed inside of an acquisition is told in its
    `unreadable`. Raises WatchFolderError if the watch folder itself is missing or can not be listed.
    """
    levels = instrument.acquisitions.count("/")
    folders = [
        folder
        for folder in _folders(instrument.watch, instrument, levels)
        if matches(instrument.acquisitions, folder.relative_to(instrument.watch).as_posix())
    ]
    names = sorted((folder.relative_to(instrument.watch).as_posix() for folder in folders), key=natural_key)
    return tuple(_scan(instrument, instrument.watch / name, name) for name in names)


def scan_acquisition(instrument: Instrument, folder: Path) -> Acquisition:
    """List one folder as an acquisition of the instrument, wherever it lies.

    Raises WatchFolderError if the folder is missing, no folder, or can not be listed.
    """
    absolute = folder.absolute()
    try:
        with os.scandir(absolute):
            pass
    except OSError as error:
        raise WatchFolderError(
            f"{absolute} can not be listed as an acquisition of {instrument.name!r}: {error.strerror}. "
            "Name a folder that exists and that this user may read"
        ) from error
    inside = absolute.is_relative_to(instrument.watch) and absolute != instrument.watch
    return _scan(instrument, absolute, absolute.relative_to(instrument.watch).as_posix() if inside else absolute.name)


def _folders(parent: Path, instrument: Instrument, levels: int) -> Iterator[Path]:
    """Yield the folders that lie exactly `levels` folders below a parent: those that may be acquisitions."""
    try:
        with os.scandir(parent) as entries:
            found = [entry for entry in entries if entry.is_dir()]
    except OSError as error:
        if parent != instrument.watch and isinstance(error, FileNotFoundError | PermissionError):
            return
        raise WatchFolderError(
            f"instrument {instrument.name!r}: the watch folder {parent} can not be listed: {error.strerror}. "
            "Create it, mount its share, or correct 'watch' in wk_assets.yaml"
        ) from error
    sieve = _Sieve.of(instrument)
    for entry in found:
        if sieve.ignores(entry.name, entry.name) or sieve.is_temporary(entry.name):
            continue
        if levels:
            yield from _folders(Path(entry.path), instrument, levels - 1)
        else:
            yield Path(entry.path)


def _scan(instrument: Instrument, folder: Path, name: str) -> Acquisition:
    listing = _Listing(_Sieve.of(instrument))
    listing.collect(folder, "")
    files = sorted(listing.files, key=lambda file: file.relative_path)
    rule_text = _rule_text(instrument, files, listing.unreadable)
    return Acquisition(
        instrument=instrument.name,
        name=name,
        folder=folder,
        files=tuple(files),
        signature=signature_of(files),
        in_transfer=tuple(sorted(listing.in_transfer)),
        unreadable=tuple(sorted(listing.unreadable)),
        rule_text=rule_text,
    )


@dataclass(frozen=True, slots=True)
class _Sieve:
    """Tell data from what is in transfer and from what never counts. Temporary names are looked for first."""

    temporary: tuple[str, ...]
    ignored_names: tuple[str, ...]  # at any depth
    ignored_paths: tuple[str, ...]  # from the acquisition's folder

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        rule = instrument.finished
        return cls(
            temporary=rule.temporary if isinstance(rule, RenameRule) else TEMPORARY_PATTERNS,
            ignored_names=(*NEVER_DATA, *(pattern for pattern in instrument.ignore if "/" not in pattern)),
            ignored_paths=tuple(pattern for pattern in instrument.ignore if "/" in pattern),
        )

    def is_temporary(self, name: str) -> bool:
        return matches_any(self.temporary, name)

    def ignores(self, name: str, relative_path: str) -> bool:
        return matches_any(self.ignored_names, name) or matches_any(self.ignored_paths, relative_path)


class _Listing:
    """Walk one acquisition's folder and sort what is found."""

    def __init__(self, sieve: _Sieve) -> None:
        self._sieve = sieve
        self.files: list[SourceFile] = []
        self.in_transfer: list[str] = []
        self.unreadable: list[str] = []

    def collect(self, folder: Path, prefix: str) -> None:
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except FileNotFoundError:
            return  # vanished since its parent was listed: the next scan sees what became of it
        except OSError as error:
            self.unreadable.append(f"folder {prefix or '.'} can not be listed ({error.strerror})")
            return
        for entry in found:
            relative = f"{prefix}{entry.name}"
            if self._sieve.is_temporary(entry.name):
                self.in_transfer.append(relative)
            elif self._sieve.ignores(entry.name, relative):
                continue
            elif not _is_text(entry.name):
                self.unreadable.append(f"the file name {relative!r} is not readable text; rename it")
            else:
                self._collect_entry(entry, relative)

    def _collect_entry(self, entry: "os.DirEntry[str]", relative: str) -> None:
        try:
            # Links to folders are not followed: they may lead in circles, or to everything on the share.
            if entry.is_dir(follow_symlinks=False):
                self.collect(Path(entry.path), f"{relative}/")
            elif entry.is_file():
                path = Path(entry.path)
                status = path.stat()  # not the entry's own: on some shares a listing carries stale sizes
                self.files.append(
                    SourceFile(
                        path=path, relative_path=relative, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns
                    )
                )
        except FileNotFoundError:
            return
        except OSError as error:
            self.unreadable.append(f"{relative} can not be looked at ({error.strerror})")


def _is_text(name: str) -> bool:
    """Say whether a name survives JSON and a terminal: bytes that are no UTF-8 arrive here as lone surrogates."""
    if name.isascii() and name.isprintable():
        return True
    return not any(character < " " or "\ud800" <= character <= "\udfff" for character in name)


def _rule_text(instrument: Instrument, files: list[SourceFile], unreadable: list[str]) -> str | None:
    """Read the files by which the finish rule speaks; several are joined in natural order."""
    pattern = spoken_file(instrument.finished)
    if pattern is None:
        return None
    spoken = [file for file in files if matches(pattern, file.relative_path)]
    texts = []
    for file in sorted(spoken, key=lambda file: natural_key(file.relative_path)):
        try:
            if file.size_bytes > LARGEST_RULE_TEXT_BYTES:
                unreadable.append(f"{file.relative_path} is too large for a manifest or log ({file.size_bytes} bytes)")
            else:
                texts.append(file.path.read_bytes().decode("utf-8-sig", errors="replace"))
        except OSError as error:
            unreadable.append(f"{file.relative_path} can not be read ({error.strerror})")
    return "\n".join(texts) if texts else None
