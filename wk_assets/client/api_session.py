"""What the three API clients share: an address, one transport, a version, and calls that return models."""

from collections.abc import Mapping
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from wk_assets.client.answers import parsed
from wk_assets.client.models import ApiModel
from wk_assets.client.transport import Transport

T = TypeVar("T")


class ApiSession:
    """Build URLs and turn answers into models. Subclasses know the routes."""

    def __init__(self, *, base_url: str, transport: Transport) -> None:
        self._base_url = base_url.rstrip("/")
        self._transport = transport

    @property
    def url_prefix(self) -> str:
        """The address before every route."""
        return self._base_url

    def url_from_route(self, route: str) -> str:
        """Return the address of a route, which starts with "/"."""
        return f"{self.url_prefix}{route}"

    def _call(self, method: str, route: str, **content: Any) -> httpx.Response:
        body = content.get("json")
        if isinstance(body, ApiModel):
            content["json"] = body.to_body()
        return self._transport.request(method, self.url_from_route(route), **content)

    def _get(self, route: str, form: type[T] | Any, params: Mapping[str, Any] | None = None, **content: Any) -> T:
        answer: T = parsed(self._call("GET", route, params=params, **content), form)
        return answer

    def _send(self, method: str, route: str, form: type[T] | Any, **content: Any) -> T:
        answer: T = parsed(self._call(method, route, **content), form)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def part(text: str) -> str:
    """Return a name or id as one part of a path: a slash or a question mark in it stays inside."""
    return quote(text, safe="")
