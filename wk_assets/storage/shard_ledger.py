"""Which shards an array has at this moment, for handles that live long: manifest and log of edits, read again when changed.

A shard is replaced in three steps, so that a crash between any two leaves one that is whole and known: the log says what
it was and what it becomes (synced), the file gets its name (`shard_draft`), the log says that it did.
"""

import os
from pathlib import Path
from threading import Lock

from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.durable import storage_refusals, sync_directory, write_atomically
from wk_assets.storage.edit_log import EDIT_LOG_NAME, beginning, ending, heading
from wk_assets.storage.manifest import MANIFEST_NAME, FileStamp, Manifest, read_promises, settled_state
from wk_assets.storage.shard import ShardEntry
from wk_assets.storage.shard_draft import PART_SUFFIX

# A log of so many lines is put into the manifest: reading it takes some 20 ms by then.
_LONG_LOG_LINES = 4096


class ShardLedger:
    """Answer which states a shard may be in; take note of changes. Safe to share between threads and processes."""

    def __init__(self, array_path: Path, locks: ArrayLocks) -> None:
        self._path = array_path
        self._manifest_path = array_path / MANIFEST_NAME
        self._log_path = array_path / EDIT_LOG_NAME
        self._locks = locks
        self._loading = Lock()
        self._stamps: tuple[FileStamp | None, FileStamp | None] | None = None
        self._read_all()

    def refresh(self) -> None:
        """Take in what others wrote since the last look. Raises NotADatasetError, PropertiesError."""
        with self._loading:
            stamps = (FileStamp.of(self._manifest_path), FileStamp.of(self._log_path))
            if stamps == self._stamps:
                return
            if self._stamps is None or stamps[0] != self._stamps[0] or not self._read_on(stamps[1]):
                self._read_all()

    def states(self, key: str) -> tuple[ShardEntry | None, ...]:
        """Return the states in which a shard may be, the newest first; None is a shard that is all zero and not stored."""
        with self._loading:
            return self._edits.states(key) or (self._shards.get(key),)

    def stored_keys(self) -> list[str]:
        """Return the keys of all shards that may be stored, sorted."""
        with self._loading:
            keys = (
                dict.fromkeys(self._shards) | dict.fromkeys(self._edits.settled) | dict.fromkeys(self._edits.unsettled)
            )
            return sorted(key for key in keys if any(self._edits.states(key) or (self._shards.get(key),)))

    def settle(self, key: str) -> ShardEntry | None:
        """Return the state of a shard after a look at its file, if it needs one. The caller holds the shard's lock."""
        self.refresh()
        states = self.states(key)
        if len(states) == 1:
            return states[0]
        with self._loading:
            return settled_state(self._path, key, self._edits)

    def begin(self, key: str, was: ShardEntry | None, becomes: ShardEntry | None) -> None:
        """Announce a change, durably. The caller holds the shard's lock. Raises StorageError."""
        self._append(beginning(key, was, becomes), durable=True)

    def end(self, key: str, now: ShardEntry | None) -> None:
        """Say that a shard got its name. The caller holds the shard's lock.

        Not waited for: should the power fail before the line is on the disk, the shard has both its states again.
        """
        self._append(ending(key, now), durable=False)

    def compact_if_long(self) -> None:
        """Put a long log into the manifest, unless others are writing just now: then a later write will."""
        self.refresh()
        if self._edits.lines > _LONG_LOG_LINES:
            self.compact()

    def compact(self) -> bool:
        """Put the log's edits into the manifest; return False if others are writing just now. Holds no lock before.

        What killed writers left of shards that nobody wrote again goes away, too.
        """
        with self._locks.everything() as ours:
            if not ours:
                return False
            manifest = Manifest.load(self._path)
            write_atomically(self._manifest_path, manifest.to_bytes())
            with storage_refusals(self._log_path):
                for part in (self._path / "c").rglob(f"*{PART_SUFFIX}"):
                    part.unlink()
                self._log_path.unlink(missing_ok=True)
                sync_directory(self._path)
            return True

    def _append(self, line: bytes, *, durable: bool) -> None:
        with storage_refusals(self._log_path, len(line)):
            created = not self._log_path.exists()
            log = os.open(self._log_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                with self._locks.bookkeeping():
                    self.refresh()
                    first = heading(self._base_id)
                    size = os.fstat(log).st_size
                    if os.pread(log, len(first), 0) != first:
                        os.ftruncate(log, 0)  # of an older manifest, which has it all
                        line = first + line
                    elif os.pread(log, 1, size - 1) != b"\n":
                        os.ftruncate(log, os.pread(log, size, 0).rfind(b"\n") + 1)  # a crash cut its last line off
                    rest = memoryview(line)
                    while rest:
                        rest = rest[os.write(log, rest) :]
                if durable:
                    os.fsync(log)
            finally:
                os.close(log)
            if created and durable:
                sync_directory(self._path)

    def _read_all(self) -> None:
        stamp = FileStamp.of(self._log_path)  # before reading: what comes later is read next time
        found = read_promises(self._path)
        self._shards = {shard.key: shard for shard in found.base.shards}
        self._edits = found.edits
        self._base_id = found.base_id
        self._log_end = found.log_end
        self._stamps = (found.base_stamp, stamp)

    def _read_on(self, stamp: FileStamp | None) -> bool:
        """Read the lines that a log got since it was read; False if it is not the same log any more."""
        known = self._stamps[1] if self._stamps else None
        if known is None or stamp is None or stamp.inode != known.inode or not 0 < self._log_end <= stamp.size_bytes:
            return False
        try:
            with self._log_path.open("rb") as log:
                if os.fstat(log.fileno()).st_ino != known.inode:
                    return False
                log.seek(self._log_end)
                data = log.read()
        except FileNotFoundError:
            return False
        lines = data[: data.rfind(b"\n") + 1]
        self._edits.take(lines, str(self._log_path))
        self._log_end += len(lines)
        self._stamps = (self._stamps[0] if self._stamps else None, stamp)
        return True
