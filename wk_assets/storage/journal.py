"""What is known to be on the disk: lines of JSON, each appended and synced before anybody relies on it."""

import json
import os
from pathlib import Path
from typing import Any

from wk_assets.storage.durable import make_directory, storage_refusals, sync_directory


class Journal:
    """Append records to a file that a crash may cut in the middle of its last line, never before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name_is_synced = False

    def records(self) -> list[dict[str, Any]]:
        """Return all whole records, oldest first, and cut off what follows them so that appending stays possible.

        A power cut may leave a line that lacks its end, or has zeros where its bytes did not reach the disk.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        records: list[dict[str, Any]] = []
        whole = 0
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            try:
                records.append(json.loads(line))
            except ValueError:
                break
            whole += len(line)
        if whole != len(data):
            with storage_refusals(self._path):
                os.truncate(self._path, whole)
        return records

    def remove(self) -> None:
        """Forget all records, for good."""
        with storage_refusals(self._path):
            self._path.unlink(missing_ok=True)
            self._name_is_synced = False
            if self._path.parent.is_dir():
                sync_directory(self._path.parent)

    def append(self, record: dict[str, Any]) -> None:
        """Add one record; it is on the disk when this returns."""
        make_directory(self._path.parent)
        line = json.dumps(record, separators=(",", ":"), allow_nan=True).encode() + b"\n"
        with storage_refusals(self._path, len(line)), self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if not self._name_is_synced:  # whoever made the file may have been killed before its name was on the disk
            sync_directory(self._path.parent)
            self._name_is_synced = True
