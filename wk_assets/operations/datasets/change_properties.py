"""The one door through which datasource-properties.json changes: lock, read afresh, change, write at once.

Several processes may add layers and mags at the same time and nothing is lost: each change is made to what the file
says then, not to what somebody remembers. The commit of an import holds the same lock (`commit_dataset`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from wk_assets.operations.datasets.zarr_groups import write_groups
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.storage.durable import remove_partials, write_atomically
from wk_assets.storage.locks import exclusive
from wk_assets.storage.properties_file import read_properties

_PATIENCE_SECONDS = 60.0


def properties_lock(dataset_path: Path, purpose: str) -> AbstractContextManager[None]:
    """Exclude everybody else who changes the dataset's metadata, for a short step. Raises LockedError.

    Not to be taken twice by one thread: it would wait for itself.
    """
    return exclusive(dataset_path / BOOKKEEPING / "commit.lock", purpose, _PATIENCE_SECONDS)


def change_properties(
    dataset_path: Path, purpose: str, change: Callable[[DatasetProperties], DatasetProperties]
) -> DatasetProperties:
    """Replace what a dataset's metadata says by what `change` makes of it, and give that back.

    `change` sees the file as it is now and may make or resize arrays before it answers; if it raises, nothing changes.
    `purpose` tells others what goes on. Raises LockedError, NotADatasetError, PropertiesError, StorageError.
    """
    with properties_lock(dataset_path, purpose):
        stored = read_properties(dataset_path)
        changed = change(stored)
        if changed is not stored:
            write_properties(dataset_path, changed)
            write_groups(dataset_path, stored, changed)
    return changed


def write_properties(dataset_path: Path, properties: DatasetProperties) -> None:
    """Write the metadata at once. The caller holds the lock. Raises StorageError."""
    path = dataset_path / FILE_NAME
    remove_partials(path.parent, path.name)
    write_atomically(path, properties.to_text().encode())
