"""The dataset on a WEBKNOSSOS server: sent or put there, and said by whom it may be seen and how it is shown."""

import hashlib

import dagster as dg

from resources.facility import FacilityResource
from resources.storage import StorageResource
from resources.webknossos import WebknossosResource
from wk_assets.assets.automation import refresh_when_ready
from wk_assets.assets.datasets import refuse_failed_checks, stored_layers
from wk_assets.assets.failures import failures
from wk_assets.assets.keys import POOL_PUBLISH, DatasetAsset, PublishedAsset, build, group_name, op_name
from wk_assets.assets.layers import CODE_VERSION
from wk_assets.assets.metadata import published_metadata
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.facility.publishing_request import publish_entry
from wk_assets.facility.publishing_settings import PublishSettings


def published_spec(entry: CatalogueEntry, settings: PublishSettings) -> dg.AssetSpec:
    """Declare a published dataset. Its code version follows the settings: changed ones show it as out of date."""
    digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:8]
    return dg.AssetSpec(
        build(PublishedAsset(entry.dataset)),
        deps=[build(DatasetAsset(entry.dataset))],
        group_name=group_name(entry.dataset),
        description="The dataset on the WEBKNOSSOS server. Only layers whose content changed are sent.",
        kinds={"webknossos"},
        code_version=f"{CODE_VERSION}-{digest}",
        automation_condition=refresh_when_ready(entry.dataset),
    )


def published_asset(entry: CatalogueEntry, settings: PublishSettings) -> dg.AssetsDefinition:
    """Build the step that publishes a dataset."""

    # A multi_asset of one, for the reason given in `dataset_asset`.
    @dg.multi_asset(
        name=op_name(PublishedAsset(entry.dataset)), specs=[published_spec(entry, settings)], pool=POOL_PUBLISH
    )
    def publish_dataset(
        context: dg.AssetExecutionContext,
        facility: FacilityResource,
        storage: StorageResource,
        webknossos: WebknossosResource,
    ) -> dg.MaterializeResult[None]:
        with failures(context):
            request = storage.place_dataset(facility.dataset_request(entry.dataset))
            refuse_failed_checks(context, stored_layers(request), request.dataset_path)
            publication = publish_entry(facility.configuration(), facility.entry(entry.dataset), webknossos.server())
            return dg.MaterializeResult(
                metadata=published_metadata(publication, settings.folder),
                data_version=dg.DataVersion(publication.published.fingerprint),
            )

    return publish_dataset
