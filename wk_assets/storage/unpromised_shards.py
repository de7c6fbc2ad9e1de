"""Shards that no manifest promises: those of arrays that others wrote in the way in which we do. What is a file is there.

Stands where `shard_ledger` stands for arrays of our own.
"""

import os
import re
from pathlib import Path

from wk_assets.storage.array_layout import ArrayLayout
from wk_assets.storage.shard import ShardEntry

_SHARD_KEY = re.compile(r"c(/[0-9]+)+")


class UnpromisedShards:
    """Promise nothing, and remember nothing."""

    def __init__(self, array_path: Path, layout: ArrayLayout) -> None:
        self._path = array_path
        self._depth = len(layout.axes)

    def refresh(self) -> None:
        """Nothing is remembered that could be old."""

    def states(self, key: str) -> tuple[ShardEntry | None, ...]:  # noqa: ARG002  # it is the same for all
        """Any shard may be all zero."""
        return (None,)

    def stored_keys(self) -> list[str]:
        """Return the keys of all shards that there are, sorted."""
        return sorted(
            key
            for folder, _, names in os.walk(self._path / "c")
            for name in names
            if _SHARD_KEY.fullmatch(key := (Path(folder) / name).relative_to(self._path).as_posix())
            and key.count("/") == self._depth
        )

    def settle(self, key: str) -> ShardEntry | None:  # noqa: ARG002  # it is the same for all
        """Nothing is known of a shard."""
        return None

    def begin(self, key: str, was: ShardEntry | None, becomes: ShardEntry | None) -> None:
        """Nobody is told."""

    def end(self, key: str, now: ShardEntry | None) -> None:
        """Nobody is told."""

    def compact_if_long(self) -> None:
        """There is no log."""

    def compact(self) -> bool:
        """There is no log."""
        return True
