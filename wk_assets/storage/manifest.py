"""What a published array promises: its content key, and every shard with size and checksum.

Zarr can not tell a shard that is all zero from one that was lost; the manifest can. It lies inside the array's
directory (`.manifest.json`), so that one rename makes array and promise visible together.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from wk_assets.errors import NotADatasetError, PropertiesError
from wk_assets.storage.shard import ShardEntry

MANIFEST_NAME = ".manifest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """List the shards of one array, sorted by key; a shard that is not listed is all zero."""

    content_key: str
    shards: tuple[ShardEntry, ...]

    @property
    def stored_bytes(self) -> int:
        """Sum of the sizes of all shards."""
        return sum(shard.size_bytes for shard in self.shards)

    def to_bytes(self) -> bytes:
        """Return the JSON document; the same manifest gives the same bytes."""
        shards = sorted(self.shards, key=lambda shard: shard.key)
        lines = ",\n".join(
            json.dumps({"key": shard.key, "bytes": shard.size_bytes, "crc32c": f"{shard.crc32c:08x}"})
            for shard in shards
        )
        head = f'{{"format": {_FORMAT}, "content_key": {json.dumps(self.content_key)}, "shards": ['
        return f"{head}\n{lines}\n]}}\n".encode()

    @classmethod
    def load(cls, array_path: Path) -> "Manifest":
        """Read the manifest of the array at `array_path`. Raises NotADatasetError, PropertiesError."""
        path = array_path / MANIFEST_NAME
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != _FORMAT:
                raise PropertiesError(f"{path}: format {document['format']!r}; this version reads {_FORMAT}")
            shards = tuple(ShardEntry(row["key"], row["bytes"], int(row["crc32c"], 16)) for row in document["shards"])
            return cls(content_key=document["content_key"], shards=shards)
        except FileNotFoundError as error:
            raise NotADatasetError(
                f"{array_path} is not an array that wk-assets published: it has no {MANIFEST_NAME}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, PropertiesError):
                raise
            raise PropertiesError(f"{path}: not a manifest ({error!r})") from error


def damaged_shards(array_path: Path, manifest: Manifest) -> list[str]:
    """Return a sentence per shard that is gone or of another size (reads no voxel; see `verify` for checksums)."""
    findings = []
    for shard in manifest.shards:
        try:
            size = (array_path / shard.key).stat().st_size
        except FileNotFoundError:
            findings.append(f"{shard.key} is missing")
            continue
        if size != shard.size_bytes:
            findings.append(f"{shard.key} has {size} bytes, the manifest says {shard.size_bytes}")
    return findings
