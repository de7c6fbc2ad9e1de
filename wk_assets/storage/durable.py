"""Bytes that stay: atomic replacement, fsync of data before names, and what the operating system's refusals mean.

Knows files and directories, nothing of arrays. Source of the rules: a rename is only durable once the directory that
holds the name is synced, and a name must never become durable before the data that it names (ext4 and xfs both bring
back names with empty files otherwise).
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wk_assets.errors import DiskFullError, StorageError, TargetNotWritableError

PARTIAL_SUFFIX = ".partial"


@contextmanager
def storage_refusals(path: Path, needed_bytes: int | None = None) -> Iterator[None]:
    """Turn what the operating system says about `path` into an error that says what to do.

    Raises DiskFullError (ENOSPC, EDQUOT, EFBIG), TargetNotWritableError (EACCES, EPERM, EROFS), StorageError (other
    failures of writing, such as EIO). FileNotFoundError and the like pass unchanged: they are the caller's to judge.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(
                f"disk full at {path}: {_needs(needed_bytes)}{free_bytes(path)} bytes are free ({error.strerror}). "
                "Free some space or choose another storage root, then run again: what is done is kept"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise TargetNotWritableError(
                f"can not write to {path}: {error.strerror}. Give this user write permission, or choose another target"
            ) from error
        if error.errno in (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise StorageError(f"writing to {path} failed: {error.strerror}") from error
        raise


def _needs(needed_bytes: int | None) -> str:
    return "" if needed_bytes is None else f"{needed_bytes} bytes are needed, "


def free_bytes(path: Path) -> int:
    """Return the bytes that this user can still write on the file system of `path` (or of its nearest existing parent)."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def sync_file(path: Path) -> None:
    """Wait until the bytes of the file are on the disk. Raises DiskFullError, StorageError; FileNotFoundError."""
    with storage_refusals(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Wait until the names in the directory are on the disk."""
    sync_file(path)


def make_directory(path: Path) -> None:
    """Create the directory and its missing parents, durably: each new name is synced into its parent."""
    missing: list[Path] = []
    current = path
    while not current.exists():
        missing.append(current)
        current = current.parent
    with storage_refusals(path):
        for directory in reversed(missing):
            directory.mkdir(exist_ok=True)
            sync_directory(directory.parent)


def sync_names(path: Path, root: Path) -> None:
    """Wait until every name on the way to `path` is on the disk, from that of `root` (a parent of it) on, whoever made it.

    `make_directory` does so for what it makes; but what a killed process made exists, and may still vanish.
    """
    for directory in (path, *path.parents):
        if os.access(directory.parent, os.R_OK):  # else another user made the name there
            sync_directory(directory.parent)
        if directory == root:
            return


def write_atomically(path: Path, data: bytes) -> bool:
    """Make `path` hold exactly `data`: a reader sees the old bytes or the new ones, whatever crashes when.

    Returns False when the file had these bytes already (nothing is written). Creates the parent directory.
    """
    try:
        if path.read_bytes() == data:
            sync_directory(path.parent)  # whoever wrote it may have been killed before the name was on the disk
            return False
    except FileNotFoundError:
        pass
    make_directory(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    with storage_refusals(path, len(data)):
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    return True


def remove_partials(directory: Path, name: str = "") -> None:
    """Remove what killed writers left behind directly in `directory`: of the file `name`, or of every file ("").

    The caller holds the lock of the only writer of what is removed.
    """
    if directory.is_dir():
        for leftover in directory.glob(f".{name}*{PARTIAL_SUFFIX}"):
            with storage_refusals(leftover):
                leftover.unlink(missing_ok=True)


def move_into_place(staged: Path, final: Path) -> None:
    """Rename a whole, synced directory to its final name on the same file system, durably."""
    make_directory(final.parent)
    with storage_refusals(final):
        staged.rename(final)
        sync_directory(final.parent)
        sync_directory(staged.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory that no reader can reach any more; one that is gone already is fine."""
    with storage_refusals(path):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
