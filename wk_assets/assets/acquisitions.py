"""The raw acquisition of a dataset: an external asset. Nobody makes it here; its registration reports what was seen."""

import dagster as dg

from wk_assets.assets.keys import AcquisitionAsset, build, group_name
from wk_assets.assets.metadata import acquisition_metadata
from wk_assets.facility.acquisitions import Acquisition
from wk_assets.facility.catalogue_entry import CatalogueEntry

DATA_VERSION_TAG = "dagster/data_version"


def acquisition_spec(entry: CatalogueEntry) -> dg.AssetSpec:
    """Declare the acquisition that a dataset is made from."""
    return dg.AssetSpec(
        build(AcquisitionAsset(entry.dataset)),
        group_name=group_name(entry.dataset),
        description=f"What {entry.instrument} left in `{entry.folder}`. Never changed by us.",
        kinds={"file"},
    )


def report_acquisition(context: dg.AssetExecutionContext, entry: CatalogueEntry, acquisition: Acquisition) -> bool:
    """Report an acquisition with its signature as data version, unless that is what was reported last.

    A materialization, not an observation: Dagster compares what lies below with the latest of the former.
    """
    key = build(AcquisitionAsset(entry.dataset))
    latest = context.instance.get_latest_materialization_event(key)
    reported = latest.asset_materialization if latest is not None else None
    if reported is not None and (reported.tags or {}).get(DATA_VERSION_TAG) == entry.signature:
        return False
    context.log_event(
        dg.AssetMaterialization(
            asset_key=key, metadata=acquisition_metadata(acquisition), tags={DATA_VERSION_TAG: entry.signature}
        )
    )
    return True
