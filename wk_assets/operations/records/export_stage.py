"""Where an export grows until it is whole: a hidden folder beside the target, a journal in it, a mark left at the end.

An export is a fixed list of steps, each of which may be done twice. The journal counts those that are on the disk, so a
repeated export goes on where the one before was killed; the mark says what a finished export was made from, so that the
next one finds everything there. Knows files, no voxels.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wk_assets.errors import TargetNotWritableError
from wk_assets.storage.durable import (
    make_directory,
    move_into_place,
    remove_tree,
    storage_refusals,
    sync_directory,
    write_atomically,
)
from wk_assets.storage.locks import exclusive

_JOURNAL, _MARK = "journal.json", ".wk-assets-export.json"


class ExportStage:
    """Hold the growing product of one export. `identity` names what it is made from and how."""

    def __init__(self, target: Path, identity: str) -> None:
        self.target = target
        self._identity = identity
        self.folder = target.with_name(f".{target.name}.exporting")
        self.product = self.folder / "product"
        self._state: dict[str, Any] = {}
        self._done = 0

    @property
    def is_finished(self) -> bool:
        """Say whether the target is there and was made from the same, unchanged since."""
        try:
            mark = json.loads(self._mark(self.target).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        return self.target.exists() and mark == {"export": self._identity, "file": _stamp(self.target)}

    def require_place(self, *, overwrite: bool) -> None:
        """Raise TargetNotWritableError if something else is at the target, unless it may be replaced."""
        if not self.target.exists() or overwrite:
            return
        if self.target.is_dir() and not any(self.target.iterdir()):
            return
        raise TargetNotWritableError(
            f"{self.target} is there already and is not this export; choose another target, or say to overwrite it"
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the stage for this process. Raises LockedError."""
        make_directory(self.target.parent)
        lock = self.target.with_name(f".{self.target.name}.export.lock")
        with exclusive(lock, f"export to {self.target}"):
            yield
            lock.unlink(missing_ok=True)  # whoever opened it before finds the export finished

    @property
    def state(self) -> Mapping[str, Any]:
        """What was noted when the product was prepared; empty before that."""
        return self._state

    @property
    def done(self) -> int:
        """How many steps are on the disk."""
        return self._done

    def prepared(self, state: Mapping[str, Any]) -> None:
        """Note that the empty product is there."""
        self._state = dict(state)
        self.note(0)

    def note(self, done: int) -> None:
        """Note that so many steps are on the disk; the caller has synced them."""
        self._done = done
        document = {"export": self._identity, "state": self._state, "done": done}
        write_atomically(self.folder / _JOURNAL, json.dumps(document).encode())

    def publish(self) -> None:
        """Give the product its name, replacing what is there, and remove the stage."""
        if self.product.is_dir():
            write_atomically(self._mark(self.product), self._mark_bytes(None))
        else:
            write_atomically(self._mark(self.target), self._mark_bytes(_stamp(self.product)))
        if self.target.exists() and (self.target.is_dir() or self.product.is_dir()):
            replaced = self.folder / "replaced"
            remove_tree(replaced)
            move_into_place(self.target, replaced)
        with storage_refusals(self.target):
            self.product.replace(self.target)
            sync_directory(self.target.parent)
        remove_tree(self.folder)

    def begin(self) -> None:
        """Go on with what an export of the same left here; what another one left is removed."""
        try:
            document = json.loads((self.folder / _JOURNAL).read_bytes())
        except (FileNotFoundError, ValueError):
            document = {}
        if document.get("export") == self._identity and self.product.exists():
            self._state, self._done = document["state"], document["done"]
            return
        remove_tree(self.folder)
        make_directory(self.folder)

    def _mark(self, product: Path) -> Path:
        if product.is_dir():
            return product / _MARK
        return product.with_name(f".{product.name}{_MARK}")

    def _mark_bytes(self, stamp: list[int] | None) -> bytes:
        return json.dumps({"export": self._identity, "file": stamp}).encode()


def _stamp(path: Path) -> list[int] | None:
    """Size and time of a file; None for a folder, whose mark lies in it and is removed with it."""
    if path.is_dir():
        return None
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def fingerprint(folder: Path) -> str:
    """Digest the names, sizes and times of all files below a folder: another one after any change to an array."""
    digest = hashlib.sha256()
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.endswith((".lock", ".holder")):
                continue
            path = Path(root, name)
            status = path.stat()
            digest.update(f"{path.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
