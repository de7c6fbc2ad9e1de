"""What lies in an instrument's watch folder: one acquisition per sub-folder, seen by polling.

Lists and stats, read-only; no image is opened. The only files that are read are those by which the instrument's rule
speaks (a manifest, a log: `rule_text`). Whether an acquisition is finished is judged in `finished`.
No inotify: shares send no events, restarts lose them.
"""

from dataclasses import dataclass
from pathlib import Path

from wk_assets.facility.instrument import Instrument
from wk_assets.readers.volume import SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One folder that an instrument filled (or is filling), as one scan saw it.

    `files` are sorted by relative path. `signature` is a digest over their (relative path, size, mtime_ns): equal
    signatures mean that nothing changed. `in_transfer` are files that still carry a temporary name, `unreadable`
    are sentences about what could not be listed. `rule_text` is the text of the manifest or log of the finish rule.
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


def scan_instrument(instrument: Instrument) -> tuple[Acquisition, ...]:
    """List every acquisition in the watch folder, in natural order of their names.

    Raises WatchFolderError if the watch folder is missing or can not be listed.
    """
    raise NotImplementedError


def scan_acquisition(instrument: Instrument, folder: Path) -> Acquisition:
    """List one folder as an acquisition of the instrument, wherever it lies.

    Raises WatchFolderError if the folder is missing, no folder, or can not be listed.
    """
    raise NotImplementedError
