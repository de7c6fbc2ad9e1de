"""Stand before Dagster's webserver: who may ask, from where, and how.

The webserver has no login, and executes GraphQL mutations that come by GET, from any page, under any host name: a page
that is open in a browser of the lab could start and delete runs, also on the loopback address. This ASGI middleware lets
through what names a host that was meant (else DNS rebinding), comes from no other page (else cross-site requests), asks
GraphQL by POST with JSON (what a foreign form can not send), and, if there is a password, knows it.
"""

import base64
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_GRAPHQL = "/graphql"
_JSON = "application/json"
_POLICY_VIOLATION = 1008  # a WebSocket's close code: RFC 6455, section 7.4.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Hold the one name and password that open the door (HTTP Basic, RFC 7617): behind TLS, or on one machine, only."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"

    def knows(self, header: str) -> bool:
        """Tell whether an Authorization header carries the name and the password."""
        wanted = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return hmac.compare_digest(header.encode(), f"Basic {wanted}".encode())


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    reason: str


class WebGuard:
    """Wrap an ASGI application. `hosts`: the values of the Host header that are meant, like `wk-assets.lab.org` or `127.0.0.1:3000`."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], login: Login | None = None) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it: 401, 403, 405, 415 or 421, with the reason as text."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.reason})
        else:
            await _answer(send, refusal)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            meant = ", ".join(sorted(self._hosts))
            return _Refusal(421, f"this server is not {host!r}; it answers as {meant} (--host-name adds a name)")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host:
            return _Refusal(403, f"a page of {origin!r} may not ask here")
        if headers.get("sec-fetch-site") == "cross-site" and scope.get("method") != "GET":
            return _Refusal(403, "another site's page may not ask here")
        if self._login is not None and not self._login.knows(headers.get("authorization", "")):
            return _Refusal(401, "name and password are needed")
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_GRAPHQL):
            return _graphql_refusal(scope, headers)
        return None


def _graphql_refusal(scope: Scope, headers: dict[str, str]) -> _Refusal | None:
    if scope["method"] == "GET":
        # Without a query it is the page where people write queries.
        return _Refusal(405, "GraphQL is asked by POST here") if b"query=" in scope["query_string"] else None
    if scope["method"] == "POST" and headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
        return _Refusal(415, f"GraphQL takes {_JSON} here")
    return None


async def _answer(send: Send, refusal: _Refusal) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="wk-assets", charset="UTF-8"'))
    if refusal.status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.reason.encode()})
