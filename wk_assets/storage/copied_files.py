"""Copies of foreign files and folders, and links to them, that have their name once they are whole and on the disk."""

from pathlib import Path

from upath import UPath


def copy_durably(source: UPath, target: Path) -> None:
    """Copy a file or a folder, local or remote, to `target`, which must not exist. Raises InputError, StorageError."""
    raise NotImplementedError


def link_durably(source: Path, target: Path, *, relative: bool) -> None:
    """Make `target`, which must not exist, a link to `source`. Raises InputError, StorageError."""
    raise NotImplementedError
