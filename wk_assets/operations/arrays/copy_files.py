"""Copy what others stored, byte for byte: files and directories that have their name once they are whole and on the disk.

Arrays that are cut and encoded alike are copied so, and not decoded; where a manifest says what the bytes must be, the
copy is compared with it.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wk_assets.errors import ShardCorruptError, ShardMissingError, StorageError
from wk_assets.operations.compute import Compute
from wk_assets.storage.durable import (
    PARTIAL_SUFFIX,
    make_directory,
    move_into_place,
    remove_tree,
    storage_refusals,
    sync_directory,
    sync_file,
)
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import checksum_of


def copy_tree(source: Path, target: Path, *, move: bool = False) -> None:
    """Copy a file or a directory, links followed, to `target`, which must not exist.

    `move`: the original is gone afterwards; on one file system it is only renamed. Raises StorageError,
    ShardMissingError and ShardCorruptError for an array that is not what its manifest promises.
    """
    if os.path.lexists(target):
        raise StorageError(f"there is something at {target} already; remove it, or choose another place")
    if move and _renamed(source, target):
        return
    staged = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    if staged.is_dir():
        remove_tree(staged)
    make_directory(target.parent)
    try:
        if source.is_dir():
            _copy_directory(source, staged)
        else:
            _copy_file(source, staged)
        with storage_refusals(target):
            move_into_place(staged, target)
    except BaseException:
        if staged.is_dir():
            remove_tree(staged)
        else:
            staged.unlink(missing_ok=True)
        raise
    if move:
        if source.is_dir():
            remove_tree(source)
        else:
            source.unlink()


def _renamed(source: Path, target: Path) -> bool:
    make_directory(target.parent)
    try:
        move_into_place(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _copy_directory(source: Path, target: Path) -> None:
    manifest = Manifest.load(source) if (source / MANIFEST_NAME).exists() else None
    files = list(_files(source))
    for directory in sorted({target / file.parent for file in files} | {target}):
        make_directory(directory)
    with ThreadPoolExecutor(Compute.of_this_machine().threads) as pool:
        for _ in pool.map(lambda file: _copy_file(source / file, target / file), files):
            pass
        if manifest is not None:
            for _ in pool.map(lambda shard: _check(target, shard.key, shard.size_bytes, shard.crc32c), manifest.shards):
                pass
    for directory in sorted({target / file.parent for file in files} | {target}, reverse=True):
        sync_directory(directory)


def _files(directory: Path) -> Iterator[Path]:
    """Yield the files below a directory, relative to it, but for those that a writer has not finished."""
    for folder, _, names in os.walk(directory, followlinks=True):
        for name in names:
            if not name.endswith((PARTIAL_SUFFIX, ".lock", ".holder")):
                yield (Path(folder) / name).relative_to(directory)


def _copy_file(source: Path, target: Path) -> None:
    with storage_refusals(target, source.stat().st_size):
        shutil.copyfile(source, target)
        sync_file(target)


def _check(array_path: Path, key: str, size_bytes: int, crc32c: int) -> None:
    path = array_path / key
    if not path.exists():
        raise ShardMissingError(
            f"{path} was not copied: the array that it comes from has lost it, its manifest names it"
        )
    if checksum_of(path) != (size_bytes, crc32c):
        raise ShardCorruptError(f"{path} is not what the manifest promises; run `wk-assets verify` on the original")
