"""One layer: its mags and the layer itself, made by one step that can make any subset of them.

A person reruns one mag, and a whole pyramid still comes out of one pass over the voxels. What is read and written is
decided by `operations.layers.layer_plan`; what the UI shows is in `metadata`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import dagster as dg
from pydantic import Field

from resources.compute import ComputeResource
from resources.facility import FacilityResource
from resources.storage import Pictures, StorageResource
from wk_assets.assets.automation import refresh_when_ready
from wk_assets.assets.failures import failures, forbid_run_retry
from wk_assets.assets.keys import (
    POOL_IMPORT,
    AcquisitionAsset,
    AssetName,
    LayerAsset,
    MagAsset,
    build,
    group_name,
    op_name,
    parse,
)
from wk_assets.assets.metadata import HISTOGRAM_BINS, check_result, layer_metadata, mag_metadata, run_metadata
from wk_assets.assets.progress import log_progress
from wk_assets.errors import StorageError
from wk_assets.facility.catalogue_entry import CatalogueEntry, CatalogueLayer
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.checks.histogram import layer_histogram
from wk_assets.operations.checks.layer_checks import check_names, check_severity, run_layer_checks
from wk_assets.operations.checks.preview import preview_layer
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.redo_plan import plan_redo
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.operations.records.layer_request import LayerRequest, LayerResult

CODE_VERSION: Final = "1"  # raised when the same source gives other voxels: everything becomes stale then

LayerEvent = dg.MaterializeResult[None] | dg.AssetCheckResult


class LayerConfig(dg.Config):
    """Say what changed of a layer's finest mag since the coarser ones were made."""

    region: str | None = Field(
        default=None,
        description="x,y,z,width,height,depth in mag-1 voxels: nothing changed elsewhere, so of the coarser mags only the "
        "shards above it are made anew. Select coarser mags alone. Default: mags are made as a whole where they are stale.",
    )


def layer_specs(entry: CatalogueEntry, layer: CatalogueLayer) -> list[dg.AssetSpec]:
    """Declare a layer's mags, each made from the one before it, and the layer, made from all of them.

    Every coarser mag names the finest too: Dagster compares direct dependencies alone, and a finest mag that was
    imported again shall make all of them stale at once, not one after the other.
    """
    finest = finest_mag(entry, layer)
    specs = [_spec(entry, finest, [AcquisitionAsset(entry.dataset)], "Imported from the acquisition.", {"zarr"})]
    for finer, mag in pairwise(layer.mag_values):
        parent = MagAsset(entry.dataset, layer.name, finer)
        made_by = f"Each block of mag {finer} becomes one voxel: its {layer.mode}."
        specs.append(_spec(entry, MagAsset(entry.dataset, layer.name, mag), {parent, finest}, made_by, {"zarr"}))
    size = " x ".join(map(str, layer.size))
    description = f"{layer.category.capitalize()} layer, {layer.dtype}, {size} voxels, from {layer.files} files."
    mags = [MagAsset(entry.dataset, layer.name, mag) for mag in layer.mag_values]
    whole = LayerAsset(entry.dataset, layer.name)
    return [*specs, _spec(entry, whole, mags, description, {"zarr", layer.category})]


def finest_mag(entry: CatalogueEntry, layer: CatalogueLayer) -> MagAsset:
    """Name the mag that a layer's import makes."""
    return MagAsset(entry.dataset, layer.name, layer.mag_values[0])


def layer_check_specs(entry: CatalogueEntry, layer: CatalogueLayer) -> list[dg.AssetCheckSpec]:
    """Declare the checks of a layer. One of severity error stops what would be made from the layer."""
    key = build(LayerAsset(entry.dataset, layer.name))
    return [
        dg.AssetCheckSpec(
            name, asset=key, blocking=check_severity(name) == "error", description=name.replace("_", " ").capitalize()
        )
        for name in check_names(layer.category)
    ]


def layer_assets(entry: CatalogueEntry, layer: CatalogueLayer) -> dg.AssetsDefinition:
    """Build the step that makes any subset of a layer's mags, the layer, and its checks."""
    dataset, name = entry.dataset, LayerAsset(entry.dataset, layer.name)

    @dg.multi_asset(
        name=op_name(name),
        specs=layer_specs(entry, layer),
        check_specs=layer_check_specs(entry, layer),
        can_subset=True,
        pool=POOL_IMPORT,
    )
    def make_layer(
        context: dg.AssetExecutionContext,
        config: LayerConfig,
        facility: FacilityResource,
        storage: StorageResource,
        compute: ComputeResource,
    ) -> Iterator[LayerEvent]:
        with failures(context):
            request = storage.place_layer(facility.layer_request(dataset, layer.name))
            plan = planned(request, compute.compute(), selected_mags(context), config)
            result = run_layer(plan, compute.compute(), log_progress(context.log.info))
            record = published(request)
            preview = preview_layer(record, request.dataset_path)
            pictures = storage.keep_pictures(dataset, layer.name, layer_version(record), preview)
            yield from report_mags(name, result, record, request.dataset_path, pictures)
            yield from report_layer(context, name, result, record, request.dataset_path, pictures)

    return make_layer


def planned(request: LayerRequest, compute: Compute, wanted: tuple[Mag, ...], config: LayerConfig) -> LayerPlan:
    """Plan the selected mags, as a whole or above the region that the run's configuration names. Raises PlanError."""
    if config.region is None:
        # Reads the bytes of what is there: materializing a mag is how a person repairs it.
        return plan_layer(request, compute, wanted=wanted, read_checksums=True)
    return plan_redo(request, compute, BoundingBox.from_csv(config.region), wanted=wanted)


def selected_mags(context: dg.AssetExecutionContext) -> tuple[Mag, ...]:
    """List the mags that the run asks for."""
    names = [parse(key) for key in context.selected_asset_keys]
    return tuple(name.mag for name in names if isinstance(name, MagAsset))


def published(request: LayerRequest) -> LayerRecord:
    """Read what is published of a layer. Raises StorageError if nothing is."""
    record = read_layer_record(request.dataset_path, request.layer_name)
    if record is None:
        raise StorageError(f"layer {request.layer_name!r} of {request.dataset_path} has no ledger after it was made")
    return record


def layer_version(record: LayerRecord) -> str:
    """Identify what a layer holds: the same mags with the same content give the same version."""
    parts = [
        record.category,
        *map(str, record.voxel_size.factor),
        record.voxel_size.unit.value,
        *(m.key for m in record.mags),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def report_mags(
    name: LayerAsset, result: LayerResult, record: LayerRecord, dataset_path: Path, pictures: Pictures
) -> Iterator[LayerEvent]:
    """Report each mag that the run made or found up to date, with its key as data version."""
    for made in result.mags:
        stored = record.mag(made.mag)
        if stored is not None:
            yield dg.MaterializeResult(
                asset_key=build(MagAsset(name.dataset, name.layer, made.mag)),
                metadata={
                    **mag_metadata(stored, record, dataset_path, pictures),
                    **({} if made.reused else run_metadata(result)),
                    "reused": made.reused,
                },
                data_version=dg.DataVersion(made.key),
            )


def report_layer(
    context: dg.AssetExecutionContext,
    name: LayerAsset,
    result: LayerResult,
    record: LayerRecord,
    dataset_path: Path,
    pictures: Pictures,
) -> Iterator[LayerEvent]:
    """Report the layer, and the checks that the run asks for: alone, or together with the layer."""
    key = build(name)
    checks = _checks(context, key, record, dataset_path)
    if key not in context.selected_asset_keys:
        yield from checks
        return
    histogram = layer_histogram(record, dataset_path, bins=HISTOGRAM_BINS) if record.category == "color" else None
    metadata = layer_metadata(record, dataset_path, pictures, histogram)
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={**metadata, **run_metadata(result)},
        data_version=dg.DataVersion(layer_version(record)),
        check_results=checks,
    )


def _checks(
    context: dg.AssetExecutionContext, key: dg.AssetKey, record: LayerRecord, dataset_path: Path
) -> Sequence[dg.AssetCheckResult]:
    wanted = {check.name for check in context.selected_asset_check_keys}
    outcomes = (
        [outcome for outcome in run_layer_checks(record, dataset_path) if outcome.name in wanted] if wanted else []
    )
    if any(outcome.blocks_publication for outcome in outcomes):
        forbid_run_retry(context)
    return [check_result(key, outcome) for outcome in outcomes]


def _spec(
    entry: CatalogueEntry, name: LayerAsset | MagAsset, deps: Iterable[AssetName], description: str, kinds: set[str]
) -> dg.AssetSpec:
    return dg.AssetSpec(
        build(name),
        deps=sorted(build(dep) for dep in deps),
        description=description,
        group_name=group_name(entry.dataset),
        kinds=kinds,
        code_version=CODE_VERSION,
        skippable=True,
        automation_condition=refresh_when_ready(entry.dataset),
    )
