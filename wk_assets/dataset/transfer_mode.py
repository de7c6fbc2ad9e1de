"""How files get to another place: copied, linked, or moved with a link left behind. Local places; see `TransferMode`."""

import os
from enum import StrEnum
from pathlib import Path

from wk_assets.errors import RemoteLocationError, StorageError
from wk_assets.operations.arrays.copy_files import copy_tree
from wk_assets.storage.durable import make_directory, storage_refusals
from wk_assets.storage.local_path import Location, local_path


class TransferMode(StrEnum):
    """Name how mags and attachments get to their storage. `HTTP`: through a server, for uploads only."""

    COPY = "copy"
    HTTP = "http"
    MOVE_AND_SYMLINK = "move+symlink"
    SYMLINK = "symlink"

    def transfer(self, src_path: Location, dst_path: Location, progress_desc_label: str | None = None) -> None:
        """Bring a file or a directory to `dst_path`, which must not exist, in this mode.

        Raises RemoteLocationError for HTTP and for URLs, FileNotFoundError, StorageError.
        """
        if self is TransferMode.COPY:
            self.copy(src_path, dst_path, progress_desc_label)
        elif self is TransferMode.SYMLINK:
            self.symlink(src_path, dst_path)
        elif self is TransferMode.MOVE_AND_SYMLINK:
            self.move_and_symlink(src_path, dst_path)
        else:
            raise RemoteLocationError(
                f"transfer mode {self.value} goes through a server; choose copy, symlink or move+symlink"
            )

    @staticmethod
    def copy(src_path: Location, dst_path: Location, progress_desc_label: str | None = None) -> None:  # noqa: ARG004 - files are copied faster than a bar is drawn
        """Copy a file or a directory; the copy has its name once it is whole."""
        copy_tree(_there(src_path), _free(dst_path))

    @staticmethod
    def symlink(src_path: Location, dst_path: Location) -> None:
        """Make `dst_path` a link to the absolute path of `src_path`."""
        source, target = _there(src_path), _free(dst_path)
        make_directory(target.parent)
        with storage_refusals(target):
            target.symlink_to(source.resolve(), target_is_directory=source.is_dir())

    @staticmethod
    def move_and_symlink(src_path: Location, dst_path: Location) -> None:
        """Move a file or a directory, and leave a link to it where it was.

        Across file systems it is copied first: what was there is removed when the copy is whole.
        """
        source, target = _there(src_path), _free(dst_path)
        copy_tree(source, target, move=True)
        with storage_refusals(source):
            source.symlink_to(target.resolve(), target_is_directory=target.is_dir())


def _there(location: Location) -> Path:
    path = local_path(location)
    if not path.exists():
        raise FileNotFoundError(f"there is nothing at {path}")
    return path


def _free(location: Location) -> Path:
    path = local_path(location)
    if os.path.lexists(path):
        raise StorageError(f"there is something at {path} already; remove it, or choose another place")
    return path
