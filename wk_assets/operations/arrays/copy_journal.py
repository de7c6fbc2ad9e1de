"""Which mags of a copy are finished, and of what: a repeated copy leaves them alone. One JSON file in the copy's bookkeeping."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from wk_assets.operations.records.export_stage import fingerprint
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.storage.durable import write_atomically


@dataclass(slots=True)
class CopyJournal:
    """Remember finished mags by layer and mag, and the files that they were copied from. `copy_of`: source and settings."""

    path: Path
    copy_of: str
    finished: dict[str, str] = field(default_factory=dict)
    is_begun: bool = False  # there is such a copy already, whole or not

    @classmethod
    def of(cls, target: Path, copy_of: str) -> "CopyJournal":
        """Read the journal of a copy at `target`; an empty one if there is none, or it is a copy of something else."""
        path = target / BOOKKEEPING / "copy.json"
        try:
            document = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return cls(path, copy_of)
        if not isinstance(document, dict) or document.get("copy_of") != copy_of:
            return cls(path, copy_of)
        return cls(path, copy_of, dict(document["finished"]), is_begun=True)

    def has(self, layer: str, mag: str, source: Path) -> bool:
        """Say whether this mag was copied from these very files."""
        return self.finished.get(f"{layer}/{mag}") == fingerprint(source)

    def note(self, layer: str, mag: str, source: Path) -> None:
        """Note that a mag is copied. Raises StorageError."""
        self.finished[f"{layer}/{mag}"] = fingerprint(source)
        self.save()

    def save(self) -> None:
        """Write the journal. Raises StorageError."""
        document = {"copy_of": self.copy_of, "finished": self.finished}
        write_atomically(self.path, json.dumps(document, indent=1).encode())
