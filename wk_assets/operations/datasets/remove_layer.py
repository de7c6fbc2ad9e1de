"""Remove what is left of a layer that the metadata does not name any more: its ledger, its directory, its locks."""

from pathlib import Path

from wk_assets.operations.datasets.add_mag import discard
from wk_assets.operations.records.layer_record import layer_record_path, ledger_lock


def remove_layer(dataset_path: Path, layer_name: str) -> None:
    """Remove the ledger of imports first, then the layer's directory; links are removed, what they lead to stays.

    Raises StorageError.
    """
    with ledger_lock(dataset_path, layer_name):
        layer_record_path(dataset_path, layer_name).unlink(missing_ok=True)
    discard(dataset_path, dataset_path / layer_name)
