"""The code server tells the webserver of new datasets through the webserver's own guard."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from resources.webserver import WebserverResource
from wk_assets.cli.guarded_webserver import hosts_of
from wk_assets.cli.web_guard import Login, WebGuard

# Dagster's client calls its own library in a way that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:Using variable_values and operation_name:DeprecationWarning")

KNOWN = "correct horse"


@contextmanager
def webserver(login: Login | None) -> Iterator[str]:
    """Answer a reload as Dagster does, behind the guard; give host:port."""

    async def reload(request: Request) -> JSONResponse:
        assert "reloadRepositoryLocation" in (await request.json())["query"]
        entry = {
            "__typename": "WorkspaceLocationEntry",
            "name": "wk_assets",
            "loadStatus": "LOADED",
            "locationOrLoadError": {"__typename": "RepositoryLocation"},
        }
        return JSONResponse({"data": {"reloadRepositoryLocation": entry}})

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = WebGuard(Starlette(routes=[Route("/graphql", reload, methods=["POST"])]), hosts_of(port, ()), login)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


def test_a_webserver_with_a_login_loads_again_for_who_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with webserver(Login(name="facility", password=KNOWN)) as address:
        refused = WebserverResource(address=address).reload()
        monkeypatch.setenv("WK_ASSETS_WEB_PASSWORD", KNOWN)
        done = WebserverResource(address=address).reload()

    assert not refused.done
    assert "401" in refused.sentence
    assert done.done
    assert KNOWN not in repr(WebserverResource(address=address)) + refused.sentence + done.sentence


def test_a_webserver_without_a_login_loads_again() -> None:
    with webserver(None) as address:
        assert WebserverResource(address=address).reload().done
