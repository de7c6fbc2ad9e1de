"""One writer at a time: kernel locks that die with their holder, and a note that says who the holder is.

The lock is the operating system's (flock through `filelock`), so a killed process never leaves it behind. The note
beside it is only for people: it is written after the lock is held and may outlive a crash.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from wk_assets.errors import LockedError
from wk_assets.storage.durable import make_directory, storage_refusals


@contextmanager
def exclusive(lock_path: Path, purpose: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold `lock_path` for the time of the block; `purpose` tells others what is going on ("import of color/1").

    Raises LockedError, naming the holder, when another process or thread holds it for longer than `wait_seconds`.
    """
    make_directory(lock_path.parent)
    lock = FileLock(lock_path, thread_local=False)
    with storage_refusals(lock_path):
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout as error:
            raise LockedError(
                f"{lock_path.stem} is being written by {_holder(lock_path)}. Wait for it to end, or stop it, and run again"
            ) from error
    note = _note_path(lock_path)
    try:
        with storage_refusals(note):
            note.write_text(
                json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose}), encoding="utf-8"
            )
        yield
    finally:
        try:
            with storage_refusals(note):
                note.unlink(missing_ok=True)
        finally:
            lock.release()  # also when the disk refuses: who waits must not wait for this process's end


def _note_path(lock_path: Path) -> Path:
    return lock_path.with_suffix(".holder")


def _holder(lock_path: Path) -> str:
    try:
        note = json.loads(_note_path(lock_path).read_text(encoding="utf-8"))
        return f"process {note['pid']} on {note['host']} ({note['purpose']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process, which left no note about itself"
