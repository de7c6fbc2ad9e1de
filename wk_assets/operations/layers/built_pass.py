"""What a pass left in staging, and how that is written down, so that a later run can publish what an earlier one built."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from wk_assets.operations.layers.layer_plan import MagPlan
from wk_assets.operations.records.layer_record import SliceFact, SourceRecord
from wk_assets.storage.shard import ShardEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPass:
    """What a pass left in staging, ready to be published."""

    shards: dict[str, tuple[ShardEntry, ...]]  # by name of the mag
    facts: tuple[SliceFact, ...]
    sources: tuple[SourceRecord, ...]
    read_bytes: int
    written_bytes: int


def shards_by_name(
    mags: Iterable[MagPlan], shards: Iterable[tuple[ShardEntry, ...]]
) -> dict[str, tuple[ShardEntry, ...]]:
    """Put the shards of each mag under its name."""
    return {mag.mag.to_layer_name(): entries for mag, entries in zip(mags, shards, strict=True)}


def result_bytes(built: BuiltPass) -> bytes:
    """Write down what was built; `parse_result` reads it."""
    return json.dumps(
        {
            "shards": {
                name: [[e.key, e.size_bytes, e.crc32c] for e in entries] for name, entries in built.shards.items()
            },
            "facts": [fact.model_dump(exclude_defaults=True) for fact in built.facts],
            "sources": [source.model_dump() for source in built.sources],
            "read_bytes": built.read_bytes,
            "written_bytes": built.written_bytes,
        }
    ).encode()


def parse_result(data: bytes) -> BuiltPass:
    """Read what a run before this one built."""
    document = json.loads(data)
    return BuiltPass(
        shards={name: tuple(ShardEntry(*row) for row in rows) for name, rows in document["shards"].items()},
        facts=tuple(SliceFact.model_validate(fact) for fact in document["facts"]),
        sources=tuple(SourceRecord.model_validate(source) for source in document["sources"]),
        read_bytes=document["read_bytes"],
        written_bytes=document["written_bytes"],
    )
