"""What a dataset directory says of itself, as the request that would commit it again: for commands that add to one."""

from pathlib import Path

from wk_assets.errors import InvalidNameError, NotADatasetError
from wk_assets.operations.datasets.commit_dataset import DatasetRequest
from wk_assets.operations.datasets.committed_request import committed_request
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.storage.properties_file import read_properties


def committed(dataset_path: Path) -> DatasetRequest:
    """Build the request of a dataset that is there: the layers that wk-assets wrote, in the file's order.

    Layers of others stay in the file as they are when it is committed again. Raises NotADatasetError, PropertiesError.
    """
    return committed_request(dataset_path)


def layer_record(dataset_path: Path, layer_name: str) -> LayerRecord:
    """Read the ledger of a layer. Raises InvalidNameError naming the layers that there are, NotADatasetError."""
    record = read_layer_record(dataset_path, layer_name)
    if record is not None:
        return record
    names = [layer.name for layer in read_properties(dataset_path).data_layers]
    if layer_name in names:
        raise NotADatasetError(
            f"layer {layer_name!r} of {dataset_path} was not written by wk-assets, which therefore does not touch it; "
            "convert its source with `wk-assets convert`"
        )
    raise InvalidNameError(f"{dataset_path} has no layer {layer_name!r}; there are {', '.join(names) or 'none'}")


def written_by_us(dataset_path: Path) -> bool:
    """Say whether every layer of the dataset was written by the import pipeline. Raises NotADatasetError, PropertiesError."""
    return all(
        read_layer_record(dataset_path, layer.name) is not None for layer in read_properties(dataset_path).data_layers
    )
