"""Bring a dataset into object storage, and back: each object once, whatever breaks; the dataset is there when all of it is.

Going there: objects whose content has arrived are left alone, the others are put while their bytes are compared with what the
manifest promises; then everything is looked at once more; then `datasource-properties.json` is put. What it named before stays
until the dataset is put once more, so that who has opened it may go on reading.

Coming back: each object becomes a file of a folder beside the target, compared with the checksum that
was put with it; the folder gets the target's name when all have come. A run that finds such a folder goes on with it.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import google_crc32c

from wk_assets.errors import (
    DatasetExistsError,
    NotADatasetError,
    PropertiesError,
    ShardCorruptError,
    ShardMissingError,
    SourceChangedError,
)
from wk_assets.operations.transfer.store_plan import StoreFile, StorePlan
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.durable import (
    make_directory,
    move_into_place,
    storage_refusals,
    sync_directory,
    sync_file,
    write_atomically,
)
from wk_assets.storage.locks import exclusive
from wk_assets.storage.object_store import ObjectStore, StoredObject
from wk_assets.storage.shard import checksum_of

THREADS = 4
STAGED_SUFFIX = ".arriving"
_One = TypeVar("_One")
_Result = TypeVar("_Result")

StoreListener = Callable[[int, int], None]  # bytes that are there, bytes in all


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCopyResult:
    """Say what a copy did: bytes that went over the line, bytes that were there, objects that were removed."""

    url: str
    copied_bytes: int
    reused_bytes: int
    objects: int
    removed: int = 0


def put_dataset(
    plan: StorePlan, store: ObjectStore, *, threads: int = THREADS, listener: StoreListener | None = None
) -> StoreCopyResult:
    """Put what the plan names; run again, it puts what is missing. Memory: `threads` times 100 MiB at most.

    Raises DatasetExistsError if another dataset is there, StorageError for what the store refuses; ShardCorruptError,
    SourceChangedError for files that are not what they should be: then the store shows what it showed before.
    """
    before = _refuse_another_dataset(plan, store)
    count = _Count(plan.size_bytes, listener)

    def put(one: StoreFile) -> None:
        count.add(one.file.size_bytes, copied=_put(store, one))

    _all(threads, put, plan.files)
    _look_again(plan, store, threads)
    text = plan.properties
    if before != text:
        store.put_bytes(FILE_NAME, text, content=f"{google_crc32c.value(text):08x}")
    count.add(len(text), copied=before != text)
    removed = _remove_superseded(plan, before, store, threads)
    return StoreCopyResult(
        url=store.url,
        copied_bytes=count.copied,
        reused_bytes=count.reused,
        objects=len(plan.files) + 1,
        removed=removed,
    )


def get_dataset(
    store: ObjectStore, target: Path, *, threads: int = THREADS, listener: StoreListener | None = None
) -> StoreCopyResult:
    """Bring a dataset from a store to a directory that does not exist; run again, it brings what is missing.

    Raises DatasetExistsError, NotADatasetError if there is no dataset, ShardMissingError for an object that its manifest promises
    and the store does not have, ShardCorruptError, StorageError.
    """
    if target.exists():
        raise DatasetExistsError(f"there is something at {target} already; name a directory that does not exist")
    text = _bytes_if_there(store, FILE_NAME)
    if text is None:
        raise NotADatasetError(
            f"{store.url} holds no {FILE_NAME}: there is no dataset, or its copy is not finished yet"
        )
    staged = target.with_name(target.name + STAGED_SUFFIX)
    with exclusive(target.with_name(f".{target.name}.lock"), f"copy of {store.url}"):
        make_directory(staged)
        keys = [
            key for folder in _named_folders(text, store.url) for key in (store.keys(folder) or _single(store, folder))
        ]
        found = dict(zip(keys, _all(threads, partial(_existing, store), keys), strict=True))
        count = _Count(sum(known.size_bytes for known in found.values()) + len(text), listener)

        def get(key: str) -> None:
            known = found[key]
            count.add(known.size_bytes, copied=_get(store, key, known, staged / key))

        _all(threads, get, keys)
        _compare_with_promises(staged, found)
        write_atomically(staged / FILE_NAME, text)
        count.add(len(text), copied=True)
        for directory in (*(path for path in staged.rglob("*") if path.is_dir()), staged):
            sync_directory(directory)
        move_into_place(staged, target)
    return StoreCopyResult(url=store.url, copied_bytes=count.copied, reused_bytes=count.reused, objects=len(keys) + 1)


# ---------------------------------------------------------------------- there


def _put(store: ObjectStore, one: StoreFile) -> bool:
    """Put an object if it is not there; say whether it was put."""
    if _is_there(store.find(one.key), one):
        return False
    if one.file.content is not None:
        store.put_bytes(one.key, one.file.content, content=one.content)
        return True
    size, crc32c = checksum_of(one.file.path)
    if one.file.crc32c is not None and crc32c != one.file.crc32c:
        raise ShardCorruptError(
            f"{one.file.path} has other bytes than its manifest promises; nothing of it was sent. "
            "`wk-assets verify --repair` makes it anew"
        )
    if size != one.file.size_bytes:
        raise SourceChangedError(f"{one.file.path} was changed while it was copied; run again when nobody writes to it")
    store.put_file(one.key, one.file.path, content=one.content, crc32c=crc32c)
    return True


def _is_there(found: StoredObject | None, one: StoreFile) -> bool:
    return found is not None and (found.size_bytes, found.content) == (one.file.size_bytes, one.content)


def _look_again(plan: StorePlan, store: ObjectStore, threads: int) -> None:
    def look(one: StoreFile) -> None:
        if not _is_there(store.find(one.key), one):
            raise ShardMissingError(
                f"{store.url_of(one.key)} was put and is not there, or is of another content: somebody else writes to this "
                "folder. Run again when nobody does"
            )

    _all(threads, look, plan.files)


def _refuse_another_dataset(plan: StorePlan, store: ObjectStore) -> bytes | None:
    """Return the text of the dataset that is there, None if there is none. Raises DatasetExistsError if it is not this one."""
    found = store.find(FILE_NAME)
    if found is None:
        return None
    text = store.get_bytes(FILE_NAME)
    ours = DatasetProperties.parse_text(plan.properties.decode()).name
    there = None if found.content is None else DatasetProperties.parse_text(text.decode(), source=store.url).name
    if there != ours:
        whose = "that another program has put there" if there is None else f"called {there!r}, not {ours!r}"
        raise DatasetExistsError(f"{store.url} holds a dataset {whose}; choose a folder of its own for this one")
    return text


def _remove_superseded(plan: StorePlan, before: bytes | None, store: ObjectStore, threads: int) -> int:
    """Remove what we put into the folders of this dataset's layers and neither the dataset nor the one before it names."""
    named = {one.key for one in plan.files}
    kept = () if before is None else tuple(f"{folder}/" for folder in _named_folders(before, store.url))
    layers = {key.split("/")[0] for key in named}
    candidates = [
        key
        for layer in sorted(layers)
        for key in store.keys(layer)
        if key not in named and not f"{key}/".startswith(kept or ("\0",))
    ]

    def remove(key: str) -> bool:
        found = store.find(key)
        if found is None or found.content is None:
            return False  # another program's
        store.delete(key)
        return True

    return sum(_all(threads, remove, candidates))


# ---------------------------------------------------------------------- back


def _named_folders(text: bytes, url: str) -> list[str]:
    properties = DatasetProperties.parse_text(text.decode(), source=f"{url}/{FILE_NAME}")
    paths = [str(view.path) for layer in properties.data_layers for view in layer.mags]
    for layer in properties.data_layers:
        attachments = getattr(layer, "attachments", None)
        for kind in type(attachments).model_fields if attachments is not None else ():
            entries = getattr(attachments, kind)
            paths += [one.path for one in (entries if isinstance(entries, tuple) else (entries,)) if one is not None]
    for path in paths:
        parts = path.removeprefix("./").split("/")
        if path.startswith("/") or "://" in path or ".." in parts:
            raise PropertiesError(
                f"{url}/{FILE_NAME} names {path!r}, which lies outside of the dataset; it can not be copied as a whole"
            )
    return [path.removeprefix("./").rstrip("/") for path in paths]


def _single(store: ObjectStore, key: str) -> list[str]:
    if store.find(key) is None:
        raise ShardMissingError(f"{store.url} names {key}, and holds nothing there")
    return [key]


def _existing(store: ObjectStore, key: str) -> StoredObject:
    found = store.find(key)
    if found is None:
        raise ShardMissingError(f"{store.url_of(key)} was listed and is not there; somebody else removes objects")
    return found


def _get(store: ObjectStore, key: str, known: StoredObject, path: Path) -> bool:
    """Bring an object if it has not come; say whether it was brought."""
    has_size = path.exists() and path.stat().st_size == known.size_bytes
    if has_size and known.crc32c in {None, checksum_of(path)[1]}:
        return False
    make_directory(path.parent)
    partial = path.with_name(path.name + ".partial")
    checksum = 0
    with storage_refusals(path, known.size_bytes), partial.open("wb") as stream:
        for data in store.pieces(key, known.size_bytes):
            checksum = google_crc32c.extend(checksum, data)
            stream.write(data)
    if known.crc32c is not None and checksum != known.crc32c:
        partial.unlink()
        raise ShardCorruptError(f"{store.url_of(key)} came with other bytes than were put there; run again")
    sync_file(partial)
    partial.replace(path)
    return True


def _compare_with_promises(staged: Path, found: dict[str, StoredObject]) -> None:
    """Compare what has come with the manifests among it: a store's list may be short, a manifest is not."""
    from wk_assets.storage.manifest import MANIFEST_NAME, Manifest

    for key in found:
        if not key.endswith(f"/{MANIFEST_NAME}"):
            continue
        folder = key.rsplit("/", 1)[0]
        for shard in Manifest.load(staged / folder).shards:
            known = found.get(f"{folder}/{shard.key}")
            if known is None:
                raise ShardMissingError(
                    f"{folder}/{shard.key} is promised by the manifest, and the store does not have it"
                )
            if known.size_bytes != shard.size_bytes or known.crc32c not in (None, shard.crc32c):
                raise ShardCorruptError(
                    f"{folder}/{shard.key} in the store is not the shard that the manifest promises"
                )


# ---------------------------------------------------------------------- both


class _Count:
    def __init__(self, total: int, listener: StoreListener | None) -> None:
        self._total, self._listener = total, listener
        self._lock = threading.Lock()
        self.copied = self.reused = 0

    def add(self, size_bytes: int, *, copied: bool) -> None:
        with self._lock:
            self.copied += size_bytes * copied
            self.reused += size_bytes * (not copied)
            if self._listener is not None:
                self._listener(self.copied + self.reused, self._total)


def _bytes_if_there(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get_bytes(key)
    except FileNotFoundError:
        return None


def _all(threads: int, call: Callable[[_One], _Result], ones: Iterable[_One]) -> list[_Result]:
    """Make all calls, several at once; the first failure ends the others that have not begun."""
    with ThreadPoolExecutor(threads, thread_name_prefix="wk-assets-store") as pool:
        running = [pool.submit(call, one) for one in ones]
        try:
            return [one.result() for one in running]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
