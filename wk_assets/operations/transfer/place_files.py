"""Put files and directories where a server wants them, on disks that both reach; a killed run is gone on from.

Before something is placed it is noted what it consists of, so that the next run can tell a whole copy from something else, and
half of a move from a loss:

    source, target, its files, their dates ──► copy, link or move ──► a link back, after a move

A copy, and a move to another file system, has its name once it is whole (`copy_files`), so what is at `target` is whole
if it consists of what was noted.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from wk_assets.errors import NotADatasetError, RemoteLocationError, StorageError
from wk_assets.operations.arrays.copy_files import copy_tree
from wk_assets.storage.durable import PARTIAL_SUFFIX, make_directory, remove_tree, storage_refusals, sync_directory
from wk_assets.storage.journal import Journal
from wk_assets.storage.local_path import is_url, local_path
from wk_assets.storage.new_path import link_durably, remove_leftovers, remove_made


class Placement(StrEnum):
    """Say how files get to their place: copied, linked to, or moved with a link left where they were."""

    COPY = "copy"
    SYMLINK = "symlink"
    MOVE_AND_SYMLINK = "move+symlink"


# Of writers that were killed; `copy_tree` leaves them out.
_UNFINISHED = (PARTIAL_SUFFIX, ".lock", ".holder")

Content = dict[str, list[int]]  # names of files within, with their sizes and dates (nanoseconds); "" is a file itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """What was noted of one thing that was to be placed."""

    source: Path
    target: Path
    placement: Placement
    content: Content

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> dict[Path, Self]:
        """Read the records of a journal: by target, the last note of each."""
        found: dict[Path, Self] = {}
        for record in records:
            if "placing" in record:
                target = Path(record["placing"])
                found[target] = cls(
                    source=Path(record["source"]),
                    target=target,
                    placement=Placement(record["placement"]),
                    content=record["content"],
                )
        return found


def place(source: Path, target: Path, placement: Placement, journal: Journal, noted: Placing | None) -> int:
    """Put a file or directory at `target`, unless it is there; `noted`: what an earlier run noted. Returns bytes placed.

    A copy of another state of `source`, made by an earlier run, is replaced. What is a link already is not moved, but linked
    to. Raises NotADatasetError if there is nothing at `source`, StorageError for something else at `target`: nothing of
    others is ever removed.
    """
    make_directory(target.parent)
    remove_leftovers(target)
    if placement is Placement.MOVE_AND_SYMLINK:
        if source.is_symlink() and target.exists() and source.resolve() == target.resolve():
            return 0  # it was moved there before
        if source.is_symlink():
            placement = Placement.SYMLINK  # its data lie elsewhere, perhaps in another dataset: they stay there
    if noted is not None and noted.placement is placement and is_unchanged(noted, source) and _is_whole(noted):
        _leave_link(noted)
        return 0
    if not source.exists():
        raise NotADatasetError(f"there is nothing at {source}")
    _make_room(source, target, noted)
    content = content_of(source)
    size = 0 if placement is Placement.SYMLINK else sum(size for size, _ in content.values())
    journal.append({"placing": str(target), "source": str(source), "placement": placement.value, "content": content})
    if placement is Placement.SYMLINK:
        link_durably(source.resolve(), target, relative=False)
    else:
        copy_tree(source, target, move=placement is Placement.MOVE_AND_SYMLINK)
    _leave_link(Placing(source=source, target=target, placement=placement, content=content))
    return size


def content_of(path: Path) -> Content:
    """Say what a file or directory consists of: names, sizes and dates, links followed."""
    return dict(sorted(_files(path)))


def is_unchanged(noted: Placing, source: Path) -> bool:
    """Say whether what was noted is what is at `source` now, or was there before it was moved."""
    if noted.placement is Placement.COPY:
        return noted.source == source and content_of(source) == noted.content
    return source == noted.source or source.resolve() in {noted.source.resolve(), noted.target.resolve()}


def local_target(stated: str, what: str) -> Path:
    """Take what the server named for a path of this machine. Raises RemoteLocationError for object storage."""
    if is_url(stated) or not local_path(stated).is_absolute():
        raise RemoteLocationError(
            f"{what}: the server wants it at {stated}, which is not a path of this machine; choose another storage "
            "(common storage path prefix), or transfer mode http"
        )
    return local_path(stated)


def _files(path: Path) -> Iterator[tuple[str, list[int]]]:
    if path.is_file():
        yield "", _size_and_date(path)
        return
    for folder, _, names in os.walk(path, followlinks=True):
        for name in names:
            if name.endswith(_UNFINISHED):
                continue
            file = Path(folder) / name
            yield file.relative_to(path).as_posix(), _size_and_date(file)


def _size_and_date(path: Path) -> list[int]:
    told = path.stat()
    return [told.st_size, told.st_mtime_ns]


def _is_whole(noted: Placing) -> bool:
    """Say whether what was to be placed is there: a link to it, or files of the same names and sizes."""
    if not noted.target.exists():
        return False
    if noted.placement is Placement.SYMLINK:
        return noted.target.is_symlink() and noted.target.resolve() == noted.source.resolve()
    if noted.target.is_symlink():
        return False
    return _sizes(content_of(noted.target)) == _sizes(noted.content)


def _sizes(content: Content) -> dict[str, int]:
    return {name: size for name, (size, _) in content.items()}


def _leave_link(noted: Placing) -> None:
    """End a move: what is left of the source goes away, and a link to the new place comes there."""
    if noted.placement is not Placement.MOVE_AND_SYMLINK or noted.source.is_symlink():
        return
    if noted.source.is_dir():
        remove_tree(noted.source)
    with storage_refusals(noted.source):
        noted.source.unlink(missing_ok=True)
        noted.source.symlink_to(noted.target.resolve(), target_is_directory=noted.target.is_dir())
        sync_directory(noted.source.parent)


def _make_room(source: Path, target: Path, noted: Placing | None) -> None:
    """Remove an outdated copy that an earlier run made of this very source; anything else at `target` is an error."""
    if not os.path.lexists(target):
        return
    ours = noted is not None and noted.placement is not Placement.MOVE_AND_SYMLINK and noted.source == source
    if not ours or source.resolve() == target.resolve():
        raise StorageError(
            f"the server wants {source} at {target}, but there is something else already; if it is of an upload that was "
            "given up, remove it"
        )
    remove_made(target)
