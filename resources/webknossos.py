"""The WEBKNOSSOS server that a facility publishes on. Configuration in, the context of its clients out; nothing is asked here."""

import dagster as dg
from pydantic import Field

from wk_assets.client.context import DEFAULT_TIMEOUT_SECONDS, ServerContext
from wk_assets.client.transport import ServerAddress
from wk_assets.errors import ConfigurationError, Problem
from wk_assets.facility.configuration import FILE_NAME, Configuration


class WebknossosResource(dg.ConfigurableResource[None]):
    """Name the server, and the environment variable that holds its token."""

    url: str = Field(default="", description="The server's address; empty: there is none.")
    token: str = Field(default="", repr=False, description="The token, as dg.EnvVar: the UI shows the variable's name.")
    timeout_seconds: float = Field(default=DEFAULT_TIMEOUT_SECONDS, description="How long a single answer may take.")

    @classmethod
    def of(cls, configuration: Configuration) -> "WebknossosResource":
        """Build the resource that a configuration asks for."""
        settings = configuration.webknossos
        if settings.url is None:
            return cls()
        return cls(url=settings.url, token=dg.EnvVar(settings.token_variable))

    def server(self) -> ServerContext:
        """Build the context. Raises ConfigurationError if no server is named; what lacks a token raises when it is asked."""
        if not self.url:
            problem = Problem("webknossos.url", "no server is named", "Set it, e.g. to https://webknossos.example.org")
            raise ConfigurationError(FILE_NAME, [problem])
        return ServerContext(
            ServerAddress(url=self.url, token=self.token or None, timeout_seconds=self.timeout_seconds)
        )
