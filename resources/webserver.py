"""The Dagster webserver, asked to load the definitions again after the catalogue changed."""

import os
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

WEBSERVER_VARIABLE = "WK_ASSETS_WEBSERVER"
# The login of the guard before the webserver (`wk_assets.cli.guarded_webserver`): never in a configuration.
PASSWORD_VARIABLE = "WK_ASSETS_WEB_PASSWORD"  # noqa: S105 - a variable's name
USER_VARIABLE = "WK_ASSETS_WEB_USER"
DEFAULT_USER = "facility"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Reload:
    """Say whether the code location was loaded again, in a sentence for the asset's metadata."""

    done: bool
    sentence: str


class WebserverResource(dg.ConfigurableResource[None]):
    """Name the webserver as host:port; empty: there is none to tell."""

    address: str = Field(default="", description="host:port of the Dagster webserver, from WK_ASSETS_WEBSERVER.")
    location: str = Field(default="wk_assets", description="The code location's name in the workspace.")

    def reload(self) -> Reload:
        """Ask the webserver to load the code location again. A webserver that can not be asked is told, not raised.

        The entry is in the catalogue already: the next load of the location, whoever asks for it, shows it.
        """
        # Imported here: it takes half a second, which every other run would pay for.
        from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError, ReloadRepositoryLocationStatus

        host, _, port = self.address.rpartition(":")
        if not host or not port.isdecimal():
            return Reload(
                done=False,
                sentence="not asked: WK_ASSETS_WEBSERVER does not name host:port. Reload the code location in the UI (Deployment)",
            )
        try:
            client = DagsterGraphQLClient(host, port_number=int(port), timeout=TIMEOUT_SECONDS, auth=_login())
            info = client.reload_repository_location(self.location)
        except (DagsterGraphQLClientError, OSError) as error:
            return Reload(
                done=False,
                sentence=f"{self.address} did not answer ({error.__cause__ or error}). Reload the code location in the UI (Deployment)",
            )
        if info.status is not ReloadRepositoryLocationStatus.SUCCESS:
            return Reload(done=False, sentence=f"{self.address} could not load {self.location!r}: {info.message}")
        return Reload(done=True, sentence=f"{self.address} has loaded {self.location!r} again")


def _login() -> Any:
    from requests.auth import HTTPBasicAuth

    password = os.environ.get(PASSWORD_VARIABLE)
    return None if password is None else HTTPBasicAuth(os.environ.get(USER_VARIABLE, DEFAULT_USER), password)
