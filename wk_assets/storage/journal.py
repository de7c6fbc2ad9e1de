"""What is known to be on the disk: lines of JSON, appended and synced before anybody relies on them.

A record is one line. What is too much for one line is told in parts that stand before it: lines that begin with
`{"more":true`, and count only together with the record that ends them.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wk_assets.storage.durable import make_directory, storage_refusals, sync_directory

_MORE = b'{"more":true'


class Journal:
    """Append records to a file that a crash may cut in the middle of its last record, never before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name_is_synced = False

    def records(self) -> list[dict[str, Any]]:
        """Return all whole records and their parts, oldest first (see `replay`)."""
        return list(self.replay())

    def replay(self) -> Iterator[dict[str, Any]]:
        """Yield all whole records and their parts, oldest first; cut off what follows, so that appending stays possible.

        A power cut may leave a line that lacks its end, or has zeros where its bytes did not reach the disk.
        """
        if not self._path.exists():
            return
        whole = position = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") or not _is_json(line):
                    break
                position += len(line)
                if not line.startswith(_MORE):
                    whole = position
        if whole != self._path.stat().st_size:
            with storage_refusals(self._path):
                os.truncate(self._path, whole)
        with self._path.open("rb") as file:
            for line in file:
                yield json.loads(line)

    def remove(self) -> None:
        """Forget all records, for good."""
        with storage_refusals(self._path):
            self._path.unlink(missing_ok=True)
            self._name_is_synced = False
            if self._path.parent.is_dir():
                sync_directory(self._path.parent)

    def append(self, record: dict[str, Any], parts: Iterable[dict[str, Any]] = ()) -> None:
        """Add one record, behind its parts; all of it is on the disk when this returns."""
        make_directory(self._path.parent)
        with storage_refusals(self._path), self._path.open("ab") as file:
            for part in parts:
                file.write(_line({"more": True, **part}))
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())
        if not self._name_is_synced:  # whoever made the file may have been killed before its name was on the disk
            sync_directory(self._path.parent)
            self._name_is_synced = True


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), allow_nan=True).encode() + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
