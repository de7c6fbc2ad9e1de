"""Who makes one mag of a layer now: one run, one copy or one rewriting at a time, and where it works meanwhile."""

from contextlib import AbstractContextManager
from pathlib import Path

from wk_assets.geometry.mag import Mag
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.storage.locks import exclusive


def mag_lock(dataset_path: Path, layer_name: str, mag: Mag, purpose: str) -> AbstractContextManager[None]:
    """Exclude everybody else who makes this mag. Raises LockedError at once, naming who does."""
    return exclusive(mag_lock_path(dataset_path, layer_name, mag), f"{purpose} of layer {layer_name}, mag {mag}")


def mag_lock_path(dataset_path: Path, layer_name: str, mag: Mag) -> Path:
    """Return the lock of a mag; runs of the import pipeline take it too."""
    return dataset_path / BOOKKEEPING / "locks" / layer_name / f"mag {mag.to_layer_name()}.lock"


def work_place(dataset_path: Path, layer_name: str, mag: Mag, purpose: str) -> Path:
    """Return where an array is made before it has its name, on the same file system. Who works there holds the lock."""
    return dataset_path / BOOKKEEPING / "staging" / layer_name / f"{purpose} of {mag.to_layer_name()}"
