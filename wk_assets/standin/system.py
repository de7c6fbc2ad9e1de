"""What the server says of itself."""

from typing import Any

from wk_assets.standin.call import Call, Routes
from wk_assets.standin.people import asker
from wk_assets.standin.replies import not_found
from wk_assets.version import __version__

routes = Routes()


@routes.on("api", "GET", "/buildinfo", secured=False)
def build_info(call: Call) -> Any:
    """Describe the software and the versions of its API."""
    settings = call.world.settings
    return {
        "webknossos": {"name": "webknossos", "version": f"standin-{__version__}", "commitHash": "0" * 40,
                       "scalaVersion": "", "sbtVersion": "", "commitDate": "", "ciBuild": "", "ciTag": ""},
        "schemaVersion": 1,
        "httpApiVersioning": {
            "currentApiVersion": settings.current_version, "oldestSupportedApiVersion": settings.oldest_version
        },
        "localDataStoreEnabled": True, "localTracingStoreEnabled": True,
    }  # fmt: skip


@routes.on("api", "GET", "/features", secured=False)
def features(call: Call) -> Any:
    """Say what is switched on."""
    settings = call.world.settings
    return {
        "jobsEnabled": False, "voxelyticsEnabled": False, "allowDeleteDatasets": settings.delete_datasets,
        "taskReopenAllowedInSeconds": settings.reopen_seconds, "isWkorgInstance": False,
        "openIdConnectEnabled": False,
    }  # fmt: skip


@routes.on("api", "GET", "/health", secured=False)
@routes.on("data", "GET", "/health", secured=False)
@routes.on("tracings", "GET", "/health", secured=False)
def health(call: Call) -> Any:
    """Be well."""
    del call


@routes.on("api", "GET", "/shortLinks/byKey/:key", secured=False)
def short_link(call: Call) -> Any:
    """Say where a short link leads."""
    found = call.world.database.row("SELECT link FROM short_links WHERE key = ?", (call.parts["key"],))
    if found is None:
        raise not_found("Short link", call.parts["key"])
    return {"key": call.parts["key"], "longLink": found["link"]}


@routes.on("data", "POST", "/triggers/checkInboxBlocking", secured=False)
def check_inbox(call: Call) -> Any:
    """Look for datasets that were put on the disk: the stand-in has none, everything is in its database."""
    asker(call)
