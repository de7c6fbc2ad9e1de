"""What changed in an array since its manifest was written: one line of JSON before and one after each replaced shard.

    {"manifest": "1f0c3a55"}                                                 of which manifest this is the log
    {"key": "c/0/0/0/0", "was": null, "becomes": [70301, "8d2e11fa", "…"]}   synced before the shard gets its name
    {"key": "c/0/0/0/0", "is": [70301, "8d2e11fa", "…"]}                     appended after it got its name

[bytes, crc32c, digest] is a shard, null is none: all zero, no file. Between the two lines, and after a crash there, a shard may be
what it was or what it becomes, whole in either case: it is *unsettled*. Pure text to values and back; opens no file
(see `shard_ledger`).
"""

import json
from dataclasses import dataclass, field
from typing import Any

from wk_assets.errors import PropertiesError
from wk_assets.storage.shard import ShardEntry

EDIT_LOG_NAME = ".manifest.log"


@dataclass(slots=True)
class Edits:
    """Gather what the lines of a log say: shards that changed, and shards of which two states are possible."""

    settled: dict[str, ShardEntry | None] = field(default_factory=dict)
    unsettled: dict[str, tuple[ShardEntry | None, ShardEntry | None]] = field(default_factory=dict)
    lines: int = 0

    def __bool__(self) -> bool:
        return bool(self.settled or self.unsettled)

    def states(self, key: str) -> tuple[ShardEntry | None, ...] | None:
        """Return the states in which a shard may be, the newest first; None if the log does not name it."""
        if key in self.unsettled:
            was, becomes = self.unsettled[key]
            return becomes, was
        return (self.settled[key],) if key in self.settled else None

    def take(self, lines: bytes, source: str) -> None:
        """Take in whole lines, all but the first one of a log. Raises PropertiesError, naming `source`."""
        for line in lines.splitlines():
            try:
                record = json.loads(line)
                key = record["key"]
                if "is" in record:
                    self.settled[key] = _shard(key, record["is"])
                    self.unsettled.pop(key, None)
                else:
                    self.unsettled[key] = _shard(key, record["was"]), _shard(key, record["becomes"])
            except (ValueError, KeyError, TypeError) as error:
                raise PropertiesError(f"{source}: {line[:200]!r} is no line of a log of edits ({error!r})") from error
            self.lines += 1


def heading(manifest_id: str) -> bytes:
    """Return the first line of a log."""
    return _line({"manifest": manifest_id})


def beginning(key: str, was: ShardEntry | None, becomes: ShardEntry | None) -> bytes:
    """Return the line that announces a change of a shard."""
    return _line({"key": key, "was": _state(was), "becomes": _state(becomes)})


def ending(key: str, now: ShardEntry | None) -> bytes:
    """Return the line that says what a shard is now."""
    return _line({"key": key, "is": _state(now)})


def split(log: bytes, manifest_id: str) -> tuple[bytes, int]:
    """Return the whole lines of a log behind its heading, and where they end; nothing if it belongs to another manifest.

    A last line that a crash cut off is left out.
    """
    end = log.rfind(b"\n") + 1
    first = heading(manifest_id)
    return (log[len(first) : end], end) if log.startswith(first) else (b"", 0)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _state(shard: ShardEntry | None) -> list[int | str] | None:
    return None if shard is None else [shard.size_bytes, f"{shard.crc32c:08x}", shard.digest]


def _shard(key: str, state: Any) -> ShardEntry | None:
    if state is None:
        return None
    size_bytes, crc32c, digest = state
    return ShardEntry(str(key), int(size_bytes), int(crc32c, 16), str(digest))
