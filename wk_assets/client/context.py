"""Which server calls go to, and as whom: `with webknossos_context(url=…, token=…):`, or WK_URL, WK_TOKEN, WK_TIMEOUT.

The environment is read when a client is first needed, never at import. A token that is missing is an error that says so;
nobody is asked for it at a terminal, because jobs have none.
"""

from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from functools import lru_cache
from types import TracebackType
from typing import Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wk_assets.client.store_clients import DatastoreApiClient, TracingstoreApiClient
from wk_assets.client.transport import ServerAddress, Transport
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.errors import ConfigurationError, NotAuthenticatedError, Problem

DEFAULT_URL = "https://webknossos.org"
DEFAULT_TIMEOUT_SECONDS = 1800
TOKEN_HEADER = "X-Auth-Token"  # noqa: S105  # a header's name


class _Environment(BaseSettings):
    """Read WK_URL, WK_TOKEN, WK_TIMEOUT."""

    model_config = SettingsConfigDict(env_prefix="WK_")

    url: str = DEFAULT_URL
    token: SecretStr | None = None
    timeout: float = Field(default=DEFAULT_TIMEOUT_SECONDS, gt=0)


class ServerContext:
    """Hold an address and the clients that were made for it."""

    def __init__(self, address: ServerAddress, api_version: int | None = None) -> None:
        self.address = address
        self.api_version = api_version

    def client(self) -> WkApiClient:
        """Return the client that speaks for the token's user. Raises NotAuthenticatedError if there is no token."""
        if self.address.token is None:
            raise NotAuthenticatedError(
                method="any call",
                route=self.address.url,
                status=401,
                messages=["there is no token"],
                hint="Set WK_TOKEN, or use `with webknossos_context(url=…, token=…):`",
            )
        return _client(self.address, self.api_version)

    def anonymous_client(self) -> WkApiClient:
        """Return a client that sends the token if there is one; enough for what is public."""
        return _client(self.address, self.api_version)

    def datastore_client(self, url: str) -> DatastoreApiClient:
        """Return the client of a data store."""
        version = self.anonymous_client().webknossos_api_version
        return DatastoreApiClient(datastore_base_url=url, api_version=version, transport=_transport(self.address))

    def tracingstore_client(self, url: str) -> TracingstoreApiClient:
        """Return the client of the tracing store."""
        return TracingstoreApiClient(base_url=url, transport=_transport(self.address))


_current: ContextVar[ServerContext | None] = ContextVar("wk_assets_server", default=None)


def current_context() -> ServerContext:
    """Return the context of the innermost `with webknossos_context(...)`, else that of the environment.

    Raises ConfigurationError if WK_TIMEOUT is no positive number.
    """
    context = _current.get()
    return context if context is not None else ServerContext(_address_of_environment())


class webknossos_context(ContextDecorator):  # noqa: N801  # the reference's name
    """Send calls to a server, as a user: a context manager or a decorator.

    `url` and `timeout` (seconds) are those of the surrounding context, or of the environment, if they are not given. The
    token is never taken over: without one, calls are those of nobody. `api_version` None: the newest that both sides know.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        timeout: int | None = None,
        api_version: int | None = None,
    ) -> None:
        self._url, self._token, self._timeout, self._api_version = url, token, timeout, api_version
        self._entered: list[Token[ServerContext | None]] = []

    def __enter__(self) -> Self:
        before = current_context()
        address = ServerAddress(
            url=(self._url or before.address.url).rstrip("/"),
            token=self._token,
            timeout_seconds=self._timeout or before.address.timeout_seconds,
        )
        version = self._api_version
        if version is None and address.url == before.address.url:
            version = before.api_version
        self._entered.append(_current.set(ServerContext(address, version)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._entered.pop())


@contextmanager
def server_context(context: ServerContext) -> Iterator[ServerContext]:
    """Use a context that was made elsewhere, e.g. by a resource or in another thread."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def _address_of_environment() -> ServerAddress:
    try:
        found = _Environment()
    except ValidationError as error:
        raise ConfigurationError(
            "the environment",
            [
                Problem(f"WK_{str(one['loc'][0]).upper()}", one["msg"], "Correct the variable or unset it")
                for one in error.errors(include_url=False, include_input=False)
            ],
        ) from None  # the original would show the values
    token = found.token.get_secret_value() if found.token and found.token.get_secret_value() else None
    return ServerAddress(url=found.url.rstrip("/"), token=token, timeout_seconds=found.timeout)


@lru_cache(maxsize=16)
def _client(address: ServerAddress, api_version: int | None) -> WkApiClient:
    """Return one client per address and user: connections and the version that was agreed on are kept."""
    return WkApiClient(
        base_wk_url=address.url,
        timeout_seconds=address.timeout_seconds,
        headers=_headers(address),
        webknossos_api_version=api_version,
    )


@lru_cache(maxsize=16)
def _transport(address: ServerAddress) -> Transport:
    return Transport(headers=_headers(address), timeout_seconds=address.timeout_seconds)


def _headers(address: ServerAddress) -> dict[str, str]:
    return {} if address.token is None else {TOKEN_HEADER: address.token}
