"""What the world is told about the largest segment id of a layer."""

from pathlib import Path, PurePosixPath

from wk_assets.errors import NotADatasetError
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.properties.layer_properties import SegmentationLayerProperties
from wk_assets.storage.properties_file import read_properties


def declared_segment_id(record: LayerRecord, dataset_path: Path) -> int | None:
    """Return the id that the dataset declares for this version of the layer; before its commit, the ledger's.

    A committed dataset may still name the version before: it speaks for `record` only if it names the same array.
    Raises PropertiesError for a datasource-properties.json with mistakes.
    """
    try:
        layers = read_properties(dataset_path).data_layers
    except NotADatasetError:
        return record.largest_segment_id
    for layer in layers:
        if layer.name != record.layer_name or not isinstance(layer, SegmentationLayerProperties):
            continue
        named = {PurePosixPath(mag.path) for mag in layer.mags if mag.path is not None}
        if record.mags and PurePosixPath(record.mags[0].path) in named:
            return layer.largest_segment_id
    return record.largest_segment_id
