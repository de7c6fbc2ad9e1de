"""From a catalogue entry to the requests that operations understand.

Joins the entry (what was registered) with the configuration (how it is cut and encoded). Lists the layer's files
again and refuses to go on if they are not the registered ones; opens none.
"""

from pathlib import Path

from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import Configuration
from wk_assets.operations.commit_dataset import DatasetRequest
from wk_assets.operations.layer_request import LayerRequest


def dataset_path(configuration: Configuration, entry: CatalogueEntry) -> Path:
    """Say where the dataset lies."""
    return configuration.storage_root / entry.dataset


def source_folder(configuration: Configuration, entry: CatalogueEntry) -> Path:
    """Say where the acquisition lies, absolute."""
    return configuration.home / entry.folder


def layer_request(configuration: Configuration, entry: CatalogueEntry, layer_name: str) -> LayerRequest:
    """Build the request of one layer.

    Raises SourceChangedError if the layer's files are not those that were registered, CatalogueError for an unknown
    layer, ConfigurationError if its instrument or layer is no longer configured.
    """
    raise NotImplementedError


def dataset_request(configuration: Configuration, entry: CatalogueEntry) -> DatasetRequest:
    """Build the request of the dataset's commit: its layers in the entry's order."""
    raise NotImplementedError
