"""Make damaged mags of a dataset anew: the coarser from what is stored, the finest from the source that it came from.

Whatever is whole stays; the same source and settings give the same bytes at the same place.
"""

from collections.abc import Iterable
from pathlib import Path

from wk_assets.cli.committed_dataset import committed, layer_record
from wk_assets.errors import StorageError
from wk_assets.facility.catalogue import Catalogue
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.configuration import FILE_NAME, Configuration, configuration_path, load_configuration
from wk_assets.facility.requests import dataset_path, layer_request
from wk_assets.geometry.mag import Mag
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.redo_plan import stored_layer_request
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import LayerRequest, ProgressListener


def repair_dataset(
    dataset: Path,
    damaged: Iterable[tuple[str, Mag]],
    home: Path | None,
    compute: Compute,
    listener: ProgressListener | None = None,
) -> list[str]:
    """Make each damaged mag anew and commit the dataset; return their names, e.g. "em/2-2-1".

    `home`: where the catalogue is that may know the dataset (None: the configuration of this folder, if there is one).
    Raises StorageError for a damaged finest mag whose source nobody knows, SourceError if the source has changed.
    """
    mags_of: dict[str, list[Mag]] = {}
    for layer, mag in damaged:
        mags_of.setdefault(layer, []).append(mag)
    known = _known(dataset, home)
    repaired = []
    for layer, mags in mags_of.items():
        request = _request(dataset, layer, mags, known)
        plan = plan_layer(request, compute, mags, read_checksums=True)
        run_layer(plan, compute, listener)
        repaired += [f"{layer}/{mag.mag.to_layer_name()}" for mag in plan.mags if not mag.up_to_date]
    commit_dataset(committed(dataset))
    return repaired


def _known(dataset: Path, home: Path | None) -> tuple[Configuration, CatalogueEntry] | None:
    """Find a dataset in the catalogue of a home."""
    file = configuration_path() if home is None else home if home.is_file() else home / FILE_NAME
    if home is None and not file.exists():
        return None
    configuration = load_configuration(file)
    entry = Catalogue(configuration.catalogue_folder).get(dataset.absolute().name)
    if entry is None or dataset_path(configuration, entry).resolve() != dataset.resolve():
        return None
    return configuration, entry


def _request(
    dataset: Path, layer: str, mags: list[Mag], known: tuple[Configuration, CatalogueEntry] | None
) -> LayerRequest:
    if known is not None:
        configuration, entry = known
        return layer_request(configuration, entry, layer, mags)
    record = layer_record(dataset, layer)
    if record.mags[0].to_mag() in mags:
        raise StorageError(
            f"{dataset / record.mags[0].path} is damaged, and no catalogue knows its source; name the home with --home, "
            "or remove that directory and convert the images again with `wk-assets convert`"
        )
    return stored_layer_request(dataset, layer)
