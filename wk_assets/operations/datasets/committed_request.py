"""What a dataset directory says of itself, as the request that would commit it again: for operations that add to one."""

from pathlib import Path

from wk_assets.operations.datasets.commit_dataset import DatasetRequest
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.properties_file import read_properties


def committed_request(dataset_path: Path) -> DatasetRequest:
    """Build the request of a dataset that is there: the layers that have a ledger, in the file's order.

    Layers of others stay in the file as they are when it is committed again. Raises NotADatasetError, PropertiesError.
    """
    properties = read_properties(dataset_path)
    records = [
        record
        for layer in properties.data_layers
        if (record := read_layer_record(dataset_path, layer.name)) is not None
    ]
    return DatasetRequest(
        dataset_path=dataset_path,
        name=properties.name or dataset_path.name,
        voxel_size=properties.scale,
        layer_names=tuple(record.layer_name for record in records),
        layout=records[0].layout if records else Layout.OME,
    )
