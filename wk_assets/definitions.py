"""The Dagster code location: everything composed into one `Definitions`. No logic, and nothing read at import.

Loaded as the module `wk_assets.definitions` (see workspace.yaml). The environment variables WK_ASSETS_CONFIG (the
configuration, default ./wk_assets.yaml) and WK_ASSETS_WEBSERVER (host:port to tell about new datasets) are read when
the definitions are loaded. A configuration with mistakes fails the load with all of them in one message.
"""

import os

import dagster as dg

from resources.compute import ComputeResource
from resources.facility import FacilityResource
from resources.notification import NotificationResource
from resources.storage import StorageResource
from resources.webknossos import WebknossosResource
from resources.webserver import WEBSERVER_VARIABLE, WebserverResource
from sensors.acquisitions import acquisitions
from sensors.annotations import active_campaigns, annotation_sensor, hourly_progress
from sensors.automation import automation
from sensors.inbox_scan import hourly_inbox_scan, nightly_inbox_scan
from sensors.integrity import integrity_schedules
from wk_assets.assets.graph import asset_graph, campaign_graph
from wk_assets.assets.integrity import integrity_checks
from wk_assets.facility.configuration import configuration_path
from wk_assets.facility.publishing_request import publishing_by_dataset


@dg.definitions
def defs() -> dg.Definitions:
    """Compose the assets of every active dataset with what they are made with, and when."""
    facility = FacilityResource(config_path=str(configuration_path()))
    configuration = facility.configuration()
    compute = configuration.compute()
    entries = facility.catalogue().survey().entries.values()
    publishing = publishing_by_dataset(configuration, entries)
    integrity = integrity_checks(entries)
    campaigns = active_campaigns(configuration)
    return dg.Definitions(
        assets=[*asset_graph(entries, publishing), *campaign_graph(campaigns, publishing)],
        asset_checks=integrity,
        sensors=[acquisitions, automation, *([annotation_sensor(campaigns)] if campaigns else [])],
        schedules=[
            hourly_inbox_scan,
            nightly_inbox_scan,
            *integrity_schedules(integrity),
            *([hourly_progress] if campaigns else []),
        ],
        resources={
            "facility": facility,
            "storage": StorageResource(
                root=str(configuration.storage_root),
                previews_folder=str(configuration.previews_folder),
                previews_url=configuration.previews.url or "",
            ),
            "compute": ComputeResource(threads=compute.threads, memory_bytes=compute.memory_bytes),
            "webserver": WebserverResource(address=os.environ.get(WEBSERVER_VARIABLE, "")),
            **({"notification": NotificationResource()} if campaigns else {}),
            **({"webknossos": WebknossosResource.of(configuration)} if configuration.webknossos.url else {}),
        },
        # One process per run, and threads in it: a process per step would pay for a new interpreter each time.
        executor=dg.in_process_executor,
    )
