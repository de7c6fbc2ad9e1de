"""What the whole stand-in shares: the database, the folder of files, the clock, the settings of a test."""

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.standin.database import Database, Row, document

ORGANIZATION = "sample_organization"
DATA_STORE = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Say which server the stand-in plays. `quota_bytes` None: no limit. `initializing_millis`: how long a new annotation of
    a task is `Initializing`, which the real server counts as finished."""  # noqa: D205, D209

    current_version: int = 16
    oldest_version: int = 10
    max_open_tasks: int = 5
    quota_bytes: int | None = None
    initializing_millis: int = 0
    delete_datasets: bool = True
    reopen_seconds: int = 30
    upload_to_paths: bool = True


class World:
    """Hold the state of one stand-in. Everything that must survive a restart is in the database or in files."""

    def __init__(self, folder: Path, base_url: str, settings: Settings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base_url = base_url.rstrip("/")
        self.settings = settings
        self.database = Database(folder / "standin.sqlite")
        self.uploading = threading.RLock()

    @property
    def binary_data(self) -> Path:
        """The folder that holds the datasets' directories."""
        return self.folder / "binaryData" / ORGANIZATION

    @property
    def uploads(self) -> Path:
        """The folder that holds what is being sent."""
        return self.folder / "uploading"

    @property
    def paths_prefix(self) -> Path:
        """The folder that clients with access to the disk put files into."""
        return self.folder / "paths"

    def now(self) -> int:
        """Return milliseconds since 1970, by a clock that tests may put forward."""
        return time.time_ns() // 1_000_000 + int(self.database.setting("clock", "0"))

    def advance(self, millis: int) -> None:
        """Put the clock forward."""
        self.database.set("clock", str(int(self.database.setting("clock", "0")) + millis))

    def new_id(self) -> str:
        """Return a fresh id: 24 hexadecimal digits, the first eight of them the time in seconds."""
        return f"{self.now() // 1000:08x}{secrets.token_hex(8)}"

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        """Return a stored object by its id."""
        found = self.database.row(f"SELECT doc FROM {table} WHERE id = ?", (key,))  # noqa: S608  # our own tables' names
        return None if found is None else found["doc"]

    def all(self, table: str) -> list[dict[str, Any]]:
        """Return all objects of a table in the order in which they were stored."""
        return [row["doc"] for row in self.database.rows(f"SELECT doc FROM {table} ORDER BY rowid")]  # noqa: S608  # as above

    def save(self, table: str, key: str, value: object) -> None:
        """Replace a stored object."""
        self.database.change(f"UPDATE {table} SET doc = ? WHERE id = ?", (document(value), key))  # noqa: S608  # as above

    def close(self) -> None:
        """Close the database."""
        self.database.close()


__all__ = ["DATA_STORE", "ORGANIZATION", "Row", "Settings", "World"]
