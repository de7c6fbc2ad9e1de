"""From a catalogue entry to the requests that operations understand.

Joins the entry (what was registered) with the configuration (how it is cut and encoded). Lists the layer's files
again and refuses to go on if they are not the registered ones; opens none.
"""

from collections.abc import Collection
from pathlib import Path

from wk_assets.errors import SourceChangedError
from wk_assets.facility.acquisitions import scan_acquisition, signature_of
from wk_assets.facility.catalogue_entry import CatalogueEntry, CatalogueLayer
from wk_assets.facility.configuration import Configuration
from wk_assets.facility.instrument import ArrayFormSettings, Instrument
from wk_assets.facility.layer_files import files_of_layer, source_selection
from wk_assets.geometry.mag import Mag
from wk_assets.operations.datasets.commit_dataset import DatasetRequest
from wk_assets.operations.layers.compression import FALLBACK_LEVEL
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.array_layout import Layout


def dataset_path(configuration: Configuration, entry: CatalogueEntry) -> Path:
    """Say where the dataset lies."""
    return configuration.storage_root / entry.dataset


def source_folder(configuration: Configuration, entry: CatalogueEntry) -> Path:
    """Say where the acquisition lies, absolute."""
    return configuration.home / entry.folder


def layer_request(
    configuration: Configuration, entry: CatalogueEntry, layer_name: str, wanted: Collection[Mag] | None = None
) -> LayerRequest:
    """Build the request of one layer.

    `wanted`: the mags that will be made (None: all). Without the finest one among them the source is not looked at:
    coarser mags are made from what is stored, also when the raw images are gone. Raises SourceChangedError if the
    layer's files are not those that were registered, WatchFolderError if their folder is gone, CatalogueError for an
    unknown layer, ConfigurationError if its instrument or layer is no longer configured.
    """
    layer = entry.layer(layer_name)
    instrument = configuration.instrument(entry.instrument)
    mags = layer.mag_values
    importing = wanted is None or mags[0] in wanted
    return LayerRequest(
        dataset_path=dataset_path(configuration, entry),
        layer_name=layer.name,
        category=layer.category,
        source=_source(configuration, instrument, entry, layer) if importing else None,
        voxel_size=entry.voxel_size.value,
        mags=mags,
        mode=layer.mode,
        array=array_settings(instrument.array, configuration.storage.layout, zstd_level(instrument.array, layer)),
    )


def dataset_request(configuration: Configuration, entry: CatalogueEntry) -> DatasetRequest:
    """Build the request of the dataset's commit: its layers in the entry's order."""
    return DatasetRequest(
        dataset_path=dataset_path(configuration, entry),
        name=entry.dataset,
        voxel_size=entry.voxel_size.value,
        layer_names=tuple(layer.name for layer in entry.layers),
        layout=configuration.storage.layout,
    )


def array_settings(form: ArrayFormSettings, layout: Layout, level: int | None) -> ArraySettings:
    """Say how arrays are cut and encoded, as operations take it."""
    return ArraySettings(layout=layout, chunk_shape=form.chunk_shape, shard_shape=form.shard_shape, zstd_level=level)


def zstd_level(form: ArrayFormSettings, layer: CatalogueLayer) -> int | None:
    """Decide the level of a layer: the configured one; if a sample is to decide, what it decided at registration."""
    if not form.chosen_compression.automatic:
        return form.chosen_compression.zstd_level
    return FALLBACK_LEVEL if layer.compression is None else layer.compression.zstd_level


def _source(
    configuration: Configuration, instrument: Instrument, entry: CatalogueEntry, layer: CatalogueLayer
) -> SourceSelection:
    settings = instrument.layer(layer.name)
    scanned = scan_acquisition(instrument, source_folder(configuration, entry))
    files = files_of_layer(settings, scanned.files)
    if signature_of(files) != layer.signature:
        raise SourceChangedError(
            f"dataset {entry.dataset!r}: the files of layer {layer.name!r} in {scanned.folder} are not those that were "
            f"registered ({len(files)} files now, {layer.files} then; or their sizes, times or patterns changed). "
            "Register the acquisition again (the sensor does it, or 'wk-assets ingest') and repeat"
        )
    return source_selection(settings, scanned.folder, files, entry.voxel_size.measured())
