"""What a published array promises: its content key, and every shard with size and checksum.

Zarr can not tell a shard that is all zero from one that was lost; the manifest can. It lies inside the array's
directory (`.manifest.json`), so that one rename makes array and promise visible together. What was edited afterwards
stands in a log beside it (`edit_log`): the two together are the promise, and whoever loads a manifest gets both.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import google_crc32c

from wk_assets.errors import NotADatasetError, PropertiesError
from wk_assets.storage.edit_log import EDIT_LOG_NAME, Edits, split
from wk_assets.storage.shard import ShardEntry, checksum_of

MANIFEST_NAME = ".manifest.json"
CREATED_KEY = "created"  # the content key of an array that was made empty, to be written by whoever made it
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """List the shards of one array, sorted by key; a shard that is not listed is all zero.

    `edited_from`: the content key before the first edit; None: the array is as it was published.
    """

    content_key: str
    shards: tuple[ShardEntry, ...]
    edited_from: str | None = None

    @property
    def stored_bytes(self) -> int:
        """Sum of the sizes of all shards."""
        return sum(shard.size_bytes for shard in self.shards)

    @property
    def is_of_a_person(self) -> bool:
        """Say whether the array was made empty and written box by box, so that no run can make it again."""
        return CREATED_KEY in (self.content_key, self.edited_from)

    def to_bytes(self) -> bytes:
        """Return the JSON document; the same manifest gives the same bytes."""
        shards = sorted(self.shards, key=lambda shard: shard.key)
        lines = ",\n".join(
            json.dumps({"key": shard.key, "bytes": shard.size_bytes, "crc32c": f"{shard.crc32c:08x}"})
            for shard in shards
        )
        edited = "" if self.edited_from is None else f'"edited_from": {json.dumps(self.edited_from)}, '
        head = f'{{"format": {_FORMAT}, "content_key": {json.dumps(self.content_key)}, {edited}"shards": ['
        return f"{head}\n{lines}\n]}}\n".encode()

    @classmethod
    def load(cls, array_path: Path) -> "Manifest":
        """Return what the array at `array_path` promises now: its manifest with all edits.

        An edit that was not seen through is taken for what the shard's file is. Raises NotADatasetError, PropertiesError.
        """
        found = read_promises(array_path)
        states = {key: settled_state(array_path, key, found.edits) for key in found.edits.unsettled}
        return found.base.edited(found.edits.settled | states)

    def edited(self, changes: Mapping[str, ShardEntry | None]) -> "Manifest":
        """Return the manifest with some shards replaced or (None) removed; its content key says so, whoever computes it."""
        if not changes:
            return self
        shards = {shard.key: shard for shard in self.shards}
        identity: list[object] = [self.content_key]
        for key, shard in sorted(changes.items()):
            shards.pop(key, None)
            if shard is not None:
                shards[key] = shard
            identity.append([key, None if shard is None else [shard.size_bytes, shard.crc32c, shard.digest]])
        digest = hashlib.sha256(json.dumps(identity, separators=(",", ":")).encode()).hexdigest()
        return Manifest(
            content_key=digest[:32],
            shards=tuple(shards[key] for key in sorted(shards)),
            edited_from=self.edited_from or self.content_key,
        )

    @classmethod
    def parse(cls, data: bytes, source: str) -> "Manifest":
        """Read a manifest without the log of edits beside it. Raises PropertiesError, naming `source`."""
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise PropertiesError(f"{source}: format {document['format']!r}; this version reads {_FORMAT}")
            shards = tuple(ShardEntry(row["key"], row["bytes"], int(row["crc32c"], 16)) for row in document["shards"])
            return cls(content_key=document["content_key"], shards=shards, edited_from=document.get("edited_from"))
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, PropertiesError):
                raise
            raise PropertiesError(f"{source}: not a manifest ({error!r})") from error


class FileStamp(NamedTuple):
    """Tell one state of a file from another without reading it."""

    inode: int
    mtime_ns: int
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> "FileStamp | None":
        """Look at a file; None if there is none."""
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """A manifest and the edits since then, as they stood together on disk. `log_end`: bytes of the log that are read."""

    base: Manifest
    base_id: str
    base_stamp: FileStamp
    edits: Edits
    log_end: int


def read_promises(array_path: Path) -> Promises:
    """Read manifest and log of edits, even while others write. Raises NotADatasetError, PropertiesError."""
    path, log_path = array_path / MANIFEST_NAME, array_path / EDIT_LOG_NAME
    while True:
        stamp = FileStamp.of(path)
        if stamp is None:
            raise NotADatasetError(f"{array_path} is not an array that wk-assets published: it has no {MANIFEST_NAME}")
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        try:
            log = log_path.read_bytes()
        except FileNotFoundError:
            log = b""
        if FileStamp.of(path) != stamp:
            continue  # somebody has just put the log's edits into the manifest
        base_id = manifest_id(data)
        lines, end = split(log, base_id)
        edits = Edits()
        edits.take(lines, str(log_path))
        base = Manifest.parse(data, str(path))
        return Promises(base=base, base_id=base_id, base_stamp=stamp, edits=edits, log_end=end)


def manifest_id(data: bytes) -> str:
    """Return what a log of edits calls the manifest with these bytes."""
    return f"{google_crc32c.value(data):08x}-{len(data)}"


def settled_state(array_path: Path, key: str, edits: Edits) -> ShardEntry | None:
    """Return which of its possible states an unsettled shard is in, by its file; the newest shard if it is in none."""
    states = edits.states(key) or ()
    path = array_path / key
    stamp = FileStamp.of(path)
    fitting = [state for state in states if stamp is not None and state and state.size_bytes == stamp.size_bytes]
    if len(fitting) > 1:
        try:
            found = checksum_of(path)
        except FileNotFoundError:  # removed in this moment
            return settled_state(array_path, key, edits)
        fitting = [state for state in fitting if found == (state.size_bytes, state.crc32c)]
    if fitting:
        return fitting[0]
    if stamp is None and None in states:
        return None
    return next((state for state in states if state is not None), None)  # whoever compares will find the damage


class PromisesNow:
    """Answer what an array promises of single shards at this moment; reads its manifest again only if something changed."""

    def __init__(self, array_path: Path) -> None:
        self._path = array_path
        self._loading = Lock()
        self._stamps: tuple[FileStamp | None, FileStamp | None] | None = None
        self._shards: dict[str, ShardEntry] = {}

    def of(self, key: str) -> ShardEntry | None:
        """Return the promise of a shard; None: it is all zero. Raises what `Manifest.load` raises."""
        with self._loading:
            stamps = (FileStamp.of(self._path / MANIFEST_NAME), FileStamp.of(self._path / EDIT_LOG_NAME))
            if stamps != self._stamps:
                self._shards = {shard.key: shard for shard in Manifest.load(self._path).shards}
                # an edit that is under way changes a file before it changes the log again
                self._stamps = None if read_promises(self._path).edits.unsettled else stamps
            return self._shards.get(key)


def damaged_shards(array_path: Path, manifest: Manifest) -> list[str]:
    """Return a sentence per shard that is gone or of another size (reads no voxel; see `verify` for checksums).

    What others edit meanwhile is no damage: it is compared with what the array promises by then.
    """
    findings = []
    promises = PromisesNow(array_path)
    for shard in manifest.shards:
        finding = _size_finding(array_path, shard)
        while finding is not None and (now := promises.of(shard.key)) != shard:
            if now is None:
                finding = None
                break
            shard = now  # noqa: PLW2901  # it was replaced since the manifest was loaded
            finding = _size_finding(array_path, shard)
        if finding is not None:
            findings.append(finding)
    return findings


def _size_finding(array_path: Path, shard: ShardEntry) -> str | None:
    try:
        size = (array_path / shard.key).stat().st_size
    except FileNotFoundError:
        return f"{shard.key} is missing"
    return None if size == shard.size_bytes else f"{shard.key} has {size} bytes, the manifest says {shard.size_bytes}"
