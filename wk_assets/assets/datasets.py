"""The dataset: the commit that makes its layers visible, once every one of them is what it claims to be."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from resources.facility import FacilityResource
from resources.storage import Pictures, StorageResource
from wk_assets.assets.automation import refresh_when_ready
from wk_assets.assets.failures import failures, forbid_run_retry
from wk_assets.assets.keys import POOL_COMMIT, DatasetAsset, LayerAsset, build, group_name, op_name
from wk_assets.assets.layers import CODE_VERSION, finest_mag, layer_version
from wk_assets.assets.metadata import dataset_metadata
from wk_assets.errors import NotADatasetError
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.operations.checks.layer_checks import run_layer_checks
from wk_assets.operations.checks.preview import preview_layer
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record


def dataset_spec(entry: CatalogueEntry) -> dg.AssetSpec:
    """Declare a dataset, made from its layers. It names their finest mags too, for the reason given in `layer_specs`."""
    layers = [LayerAsset(entry.dataset, layer.name) for layer in entry.layers]
    finest = [finest_mag(entry, layer) for layer in entry.layers]
    return dg.AssetSpec(
        build(DatasetAsset(entry.dataset)),
        deps=[*map(build, layers), *map(build, finest)],
        group_name=group_name(entry.dataset),
        description=f"The WEBKNOSSOS dataset, made from {entry.acquisition} of {entry.instrument}. From its commit on it exists.",
        kinds={"webknossos", "zarr"},
        code_version=CODE_VERSION,
        automation_condition=refresh_when_ready(entry.dataset),
    )


def dataset_asset(entry: CatalogueEntry) -> dg.AssetsDefinition:
    """Build the step that commits a dataset."""
    name = DatasetAsset(entry.dataset)

    # A multi_asset of one: `dg.asset` names its op after the key, and 'a-b' and 'a_b' would share it.
    @dg.multi_asset(name=op_name(name), specs=[dataset_spec(entry)], pool=POOL_COMMIT)
    def make_dataset(
        context: dg.AssetExecutionContext, facility: FacilityResource, storage: StorageResource
    ) -> dg.MaterializeResult[None]:
        with failures(context):
            request = storage.place_dataset(facility.dataset_request(entry.dataset))
            layers = stored_layers(request)
            refuse_failed_checks(context, layers, request.dataset_path)
            result = commit_dataset(request)
            pictures = draw_layers(storage, entry.dataset, layers, request.dataset_path)
            metadata = dataset_metadata(entry, layers, request.dataset_path, pictures)
            return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(result.key))

    return make_dataset


def stored_layers(request: DatasetRequest) -> list[LayerRecord]:
    """Read what is published of every layer. Raises NotADatasetError naming the layers that have nothing."""
    records = {name: read_layer_record(request.dataset_path, name) for name in request.layer_names}
    if absent := [name for name, record in records.items() if record is None]:
        raise NotADatasetError(
            f"{request.dataset_path}: nothing is stored of {', '.join(absent)}. Materialize these layers first"
        )
    return [record for record in records.values() if record is not None]


def refuse_failed_checks(context: dg.AssetExecutionContext, layers: Sequence[LayerRecord], dataset_path: Path) -> None:
    """Raise Failure if a check of severity error fails now.

    Within one run Dagster itself stops at a blocking check. It does not when a person materializes the dataset alone.
    """
    failed = [
        f"{layer.layer_name}: {outcome.sentence}"
        for layer in layers
        for outcome in run_layer_checks(layer, dataset_path)
        if outcome.blocks_publication
    ]
    if failed:
        forbid_run_retry(context)
        raise dg.Failure(
            description="Not published, because checks fail:\n"
            + "\n".join(failed)
            + "\nRemove the cause and materialize the layer again.",
            metadata={"failed_checks": dg.MetadataValue.int(len(failed))},
            allow_retries=False,
        )


def draw_layers(
    storage: StorageResource, dataset: str, layers: Sequence[LayerRecord], dataset_path: Path
) -> dict[str, Pictures]:
    """Draw every layer of a dataset."""
    return {
        layer.layer_name: storage.keep_pictures(
            dataset, layer.layer_name, layer_version(layer), preview_layer(layer, dataset_path)
        )
        for layer in layers
    }
