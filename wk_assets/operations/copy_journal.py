"""Which mags of a copy are finished, and of what: a repeated copy leaves them alone. One JSON file in the copy's bookkeeping."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from wk_assets.operations.export_stage import fingerprint
from wk_assets.operations.layer_record import BOOKKEEPING
from wk_assets.storage.durable import write_atomically


@dataclass(slots=True)
class CopyJournal:
    """Remember finished mags by layer, mag, settings, and the files that they were copied from."""

    path: Path
    finished: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Path) -> "CopyJournal":
        """Read the journal of a copy at `target`; an empty one if there is none."""
        path = target / BOOKKEEPING / "copy.json"
        try:
            document = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return cls(path)
        return cls(path, dict(document) if isinstance(document, dict) else {})

    def has(self, layer: str, mag: str, source: Path, settings: str) -> bool:
        """Say whether this mag was copied from these very files, with these settings."""
        return self.finished.get(f"{layer}/{mag}") == f"{fingerprint(source)} {settings}"

    def note(self, layer: str, mag: str, source: Path, settings: str) -> None:
        """Note that a mag is copied. Raises StorageError."""
        self.finished[f"{layer}/{mag}"] = f"{fingerprint(source)} {settings}"
        write_atomically(self.path, json.dumps(self.finished, indent=1).encode())
