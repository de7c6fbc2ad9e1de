"""Let two directories change their names with one another: a reader sees the one or the other, never neither.

Source: renameat2(2), RENAME_EXCHANGE; Linux since 3.15. Where the kernel or the file system has no such thing, the names
change one after the other.
"""

import ctypes
import errno
import os
from pathlib import Path

from wk_assets.storage.durable import storage_refusals, sync_directory

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange(first: Path, second: Path) -> None:
    """Exchange two names, durably; both must exist, on one file system. Raises StorageError."""
    with storage_refusals(second):
        if not _at_once(first, second):
            aside = first.with_name(f"{first.name}.aside")
            second.rename(aside)
            first.rename(second)
            aside.rename(first)
        sync_directory(second.parent)
        if first.parent != second.parent:
            sync_directory(first.parent)


def _at_once(first: Path, second: Path) -> bool:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return False
    names = (os.fsencode(first), os.fsencode(second))
    if library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number), str(second))
