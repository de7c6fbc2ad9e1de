"""Something new has its name once it is whole and on the disk: folders, files, copies, links.

Built beside the final place under a name that no reader looks at, synced, and renamed. A killed writer leaves that name
behind (`remove_leftovers`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upath import UPath

from wk_assets.errors import InputError, NotADatasetError
from wk_assets.storage.durable import (
    PARTIAL_SUFFIX,
    make_directory,
    move_into_place,
    remove_tree,
    storage_refusals,
    sync_directory,
    sync_file,
)
from wk_assets.storage.local_path import is_local, local_path

_PIECE_BYTES = 4 << 20


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; at the end of the block it, synced, becomes `target`. Removed if the block raises.

    Raises InputError if there is something at `target`, StorageError.
    """
    with _place_for(target) as partial:
        with storage_refusals(target):
            partial.mkdir()
        yield partial
        _sync_tree(partial)
        move_into_place(partial, target)


def copy_durably(source: UPath, target: Path) -> None:
    """Copy a file or a folder, local or remote, to `target`, which must not exist.

    Raises NotADatasetError if there is nothing at `source`, InputError if there is something at `target`, if `target` lies in
    `source`, or if a link within a folder leads out of it; StorageError.
    """
    if not source.exists():
        raise NotADatasetError(f"there is nothing to copy at {source}")
    _refuse_copy_into_itself(source, target)
    with _place_for(target) as partial:
        with storage_refusals(target):
            _copy(source, partial, UPath(source).resolve() if is_local(source) else source)
        if partial.is_dir():
            _sync_tree(partial)
        else:
            sync_file(partial)
        move_into_place(partial, target)


def link_durably(source: Path, target: Path, *, relative: bool) -> None:
    """Make `target`, which must not exist, a link to `source`; `relative`: one that stays right when both move together.

    Raises NotADatasetError if there is nothing at `source`, InputError if there is something at `target`, StorageError.
    """
    if not source.exists():
        raise NotADatasetError(f"there is nothing to link to at {source}")
    make_directory(target.parent)
    _refuse_taken(target)
    leads_to = os.path.relpath(source.resolve(), target.parent.resolve()) if relative else source.resolve()
    with storage_refusals(target):
        target.symlink_to(leads_to)
        sync_directory(target.parent)


@contextmanager
def _place_for(target: Path) -> Iterator[Path]:
    make_directory(target.parent)
    _refuse_taken(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    remove_made(partial)  # of a process of the same number that was killed
    try:
        yield partial
    finally:
        remove_made(partial)


def remove_leftovers(target: Path) -> None:
    """Remove what killed writers of `target` left beside it. The caller holds the lock that all its writers take."""
    for leftover in target.parent.glob(f".{target.name}.*{PARTIAL_SUFFIX}"):
        remove_made(leftover)


def _refuse_taken(target: Path) -> None:
    if os.path.lexists(target):
        raise InputError(f"there is something at {target} already; remove it, or choose another name")


def _refuse_copy_into_itself(source: UPath, target: Path) -> None:
    if is_local(source) and target.parent.resolve().is_relative_to(local_path(source).resolve()):
        raise InputError(f"{target} lies in {source}: a folder can not be copied into itself")


def _copy(source: UPath, target: Path, root: UPath) -> None:
    if is_local(source) and source != root and source.is_symlink():
        leads_to = source.resolve()
        if not leads_to.is_relative_to(root):
            raise InputError(f"{source} is a link that leads out of {root}, to {leads_to}: it is not copied")
    if source.is_dir():
        target.mkdir()
        for child in sorted(source.iterdir(), key=lambda path: path.name):
            _copy(child, target / child.name, root)
    elif source.is_file():
        with source.open("rb") as reading, target.open("xb") as writing:
            shutil.copyfileobj(reading, writing, _PIECE_BYTES)
    else:
        raise InputError(f"{source} is neither a file nor a folder: it is not copied")


def _sync_tree(folder: Path) -> None:
    for current, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync_file(Path(current) / name)
        sync_directory(Path(current))


def remove_made(path: Path) -> None:
    """Remove a file, a folder or a link (not what it leads to) that was made here and is not wanted; gone is fine."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        with storage_refusals(path):
            path.unlink(missing_ok=True)
