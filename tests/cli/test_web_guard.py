"""The guard lets through what a person's browser asks, and nothing that another page or machine makes it ask."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from typer.testing import CliRunner

from wk_assets.cli import guarded_webserver
from wk_assets.cli.web_guard import Login, WebGuard
from wk_assets.errors import InputError

HOST = "127.0.0.1:3000"
KNOWN = "correct horse"


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("let through")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("let through")
    await socket.close()


def guarded(login: Login | None = None) -> WebGuard:
    inner = Starlette(
        routes=[
            Route("/graphql", answer, methods=["GET", "POST"]),
            Route("/graphql/", answer, methods=["GET", "POST"]),
            Route("/assets", answer),
            WebSocketRoute("/graphql", talk),
        ]
    )
    return WebGuard(inner, [HOST, "wk.lab.org"], login)


def ask(method: str, path: str, headers: dict[str, str], login: Login | None = None) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(guarded(login)), base_url=f"http://{HOST}"
        ) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def connect(origin: str) -> list[dict[str, Any]]:
    """Open a WebSocket, as a page of `origin` makes a browser do; give what the server says."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(dict(message))

    headers = [(b"host", HOST.encode()), (b"origin", origin.encode())]
    scope = {"type": "websocket", "path": "/graphql", "query_string": b"", "headers": headers, "subprotocols": []}
    asyncio.run(guarded()(scope, receive, send))
    return said


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/assets", {}),
        ("GET", "/assets", {"host": "WK.lab.org"}),
        ("GET", "/assets", {"sec-fetch-site": "cross-site"}),  # a link in a mail
        ("GET", "/graphql", {}),  # the page where people write queries
        ("POST", "/graphql", {"content-type": "application/json; charset=utf-8", "origin": f"http://{HOST}"}),
        ("POST", "/graphql", {"content-type": "application/json"}),  # a script on this machine
    ],
)
def test_what_a_person_asks_is_let_through(method: str, path: str, headers: dict[str, str]) -> None:
    assert ask(method, path, headers).text == "let through"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/assets", {"host": "evil.example"}, 421),
        ("GET", "/assets", {"host": "127.0.0.1:3001"}, 421),
        ("GET", "/assets", {"origin": "http://evil.example"}, 403),
        ("GET", "/assets", {"origin": "null"}, 403),
        ("POST", "/graphql", {"content-type": "application/json", "origin": "http://127.0.0.1:8000"}, 403),
        ("POST", "/graphql", {"content-type": "application/json", "sec-fetch-site": "cross-site"}, 403),
        ("GET", "/graphql?query=mutation", {}, 405),
        ("GET", "/graphql/?query=mutation", {}, 405),
        ("POST", "/graphql", {"content-type": "text/plain"}, 415),
        ("POST", "/graphql", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_what_another_page_makes_a_browser_ask_is_refused_with_the_reason(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answered = ask(method, path, headers)

    assert answered.status_code == status
    assert "let through" not in answered.text
    assert answered.text


def test_a_websocket_of_another_page_is_closed() -> None:
    assert {"type": "websocket.send", "text": "let through"} in connect(f"http://{HOST}")

    (closed,) = connect("http://evil.example")

    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


def test_a_login_is_asked_for_where_there_is_one() -> None:
    login = Login(name="lab", password=KNOWN)

    def basic(text: str) -> dict[str, str]:
        return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    refused = ask("GET", "/assets", {}, login)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert ask("GET", "/assets", basic("lab:battery staple"), login).status_code == 401
    assert ask("GET", "/assets", basic(f"lab:{KNOWN}"), login).text == "let through"
    assert KNOWN not in repr(login)


def test_the_login_comes_from_the_environment_and_is_not_empty() -> None:
    with pytest.raises(InputError, match="WK_ASSETS_WEB_PASSWORD is set and empty"):
        guarded_webserver.login_of({"WK_ASSETS_WEB_PASSWORD": " "})
    assert guarded_webserver.login_of({}) is None
    assert guarded_webserver.login_of({"WK_ASSETS_WEB_PASSWORD": KNOWN}) == Login(name="facility", password=KNOWN)


def test_listening_to_other_machines_needs_a_password(repository: Path) -> None:
    app = typer.Typer()
    app.command()(guarded_webserver.serve)
    everywhere = "0.0.0.0"  # noqa: S104 - what is refused

    result = CliRunner().invoke(app, ["--workspace", f"{repository}/workspace.yaml", "--listen", everywhere])

    assert isinstance(result.exception, InputError)
    assert "WK_ASSETS_WEB_PASSWORD" in str(result.exception)
