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

    def records(self) -> list[dict[str, Any]]:
        """Return all whole records, oldest first, and cut off a torn last line so that appending stays possible."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) != len(data):
            with storage_refusals(self._path):
                os.truncate(self._path, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def remove(self) -> None:
        """Forget all records, for good."""
        with storage_refusals(self._path):
            self._path.unlink(missing_ok=True)
            if self._path.parent.is_dir():
                sync_directory(self._path.parent)

    def append(self, record: dict[str, Any]) -> None:
        """Add one record; it is on the disk when this returns."""
        make_directory(self._path.parent)
        line = json.dumps(record, separators=(",", ":"), allow_nan=True).encode() + b"\n"
        created = not self._path.exists()
        with storage_refusals(self._path, len(line)), self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if created:
            sync_directory(self._path.parent)
