"""What a pass has to say at a checkpoint, so that it survives: data, then names, then the lines that rely on them.

A line of the journal: `slabs` of the finest level that are done; `appended` [level, shard, positions, sizes, crc32c so far]
for each shard that grew; `finished` [level, shard, bytes, crc32c]; `facts` of slices. A wide slab's shards are told in
several lines: as one text they would not fit the memory.
"""

import time
from array import array
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wk_assets.operations.passes.pyramid_level import PyramidLevel
from wk_assets.operations.records.layer_record import SliceFact
from wk_assets.storage.durable import sync_directory, sync_file
from wk_assets.storage.journal import Journal
from wk_assets.storage.shard import ShardEntry

# Between two checkpoints: how much output may be lost to a crash, and how long a slow source may go unsaved.
CHECKPOINT_BYTES = 256 << 20
CHECKPOINT_SECONDS = 20.0
_SHARDS_PER_LINE = 1000

_Grown = tuple["array[int]", "array[int]"]  # positions in the shard's index, and sizes, of its new chunks


@dataclass(slots=True)
class Checkpoint:
    """Collect what happens until the next checkpoint. Shards are named by the number of their level and their key."""

    started: float = field(default_factory=time.monotonic)
    appended: dict[tuple[int, str], _Grown] = field(default_factory=dict)
    finished: dict[tuple[int, str], ShardEntry] = field(default_factory=dict)
    facts: list[SliceFact] = field(default_factory=list)
    size_bytes: int = 0

    def note(self, number: int, key: str, positions: Sequence[int], sizes: Sequence[int]) -> None:
        """Take note of chunks that were appended to a shard."""
        known_positions, known_sizes = self.appended.setdefault((number, key), (array("I"), array("I")))
        known_positions.extend(positions)
        known_sizes.extend(sizes)
        self.size_bytes += sum(sizes)

    def is_due(self, checkpoint_bytes: int) -> bool:
        """Say whether enough was done to make it survive."""
        return self.size_bytes >= checkpoint_bytes or time.monotonic() - self.started >= CHECKPOINT_SECONDS

    def write(self, journal: Journal, slabs: int, levels: Sequence[PyramidLevel], pool: Executor) -> None:
        """Make everything up to this slab survive."""
        paths: list[Path] = []
        directories: set[Path] = set()
        for number, key in {**dict.fromkeys(self.appended), **dict.fromkeys(self.finished)}:
            level = levels[number]
            path = level.directory / key
            paths.append(path if (number, key) in self.finished else path.with_name(path.name + ".part"))
            directories.update(parent for parent in path.parents if parent.is_relative_to(level.directory))
        for _ in pool.map(sync_file, paths):
            pass
        for directory in sorted(directories, key=lambda one: len(one.parts), reverse=True):
            sync_directory(directory)
        shards = list(self.appended)
        last = max(0, len(shards) - 1) // _SHARDS_PER_LINE * _SHARDS_PER_LINE
        journal.append(
            {
                "slabs": slabs,
                "appended": self._told(shards[last:], levels),
                "finished": [[number, *_entry(entry)] for (number, _), entry in self.finished.items()],
                "facts": [fact.model_dump(exclude_defaults=True) for fact in self.facts],
            },
            parts=(
                {"appended": self._told(shards[start : start + _SHARDS_PER_LINE], levels)}
                for start in range(0, last, _SHARDS_PER_LINE)
            ),
        )

    def _told(self, shards: Iterable[tuple[int, str]], levels: Sequence[PyramidLevel]) -> list[list[Any]]:
        told: list[list[Any]] = []
        for number, key in shards:
            positions, sizes = self.appended[number, key]
            # a finished shard is checked by its entry instead
            crc = 0 if (number, key) in self.finished else levels[number].open[key].crc32c
            told.append([number, key, positions.tolist(), sizes.tolist(), crc])
        return told


def _entry(entry: ShardEntry) -> tuple[str, int, int]:
    return entry.key, entry.size_bytes, entry.crc32c


def replay(journal: Journal, levels: Sequence[PyramidLevel]) -> tuple[int, list[SliceFact]]:
    """Set up the shards of the levels as the journal tells; return how many slabs are done, and the facts."""
    slabs = 0
    facts: list[SliceFact] = []
    for record in journal.replay():
        slabs = record.get("slabs", slabs)
        for number, key, positions, sizes, crc in record["appended"]:
            levels[number].shard(key).note(positions, sizes, crc)
        for number, key, size_bytes, crc in record.get("finished", ()):
            levels[number].forget(key)
            levels[number].done[key] = ShardEntry(key, size_bytes, crc)
        facts.extend(SliceFact.model_validate(fact) for fact in record.get("facts", ()))
    return slabs, facts
