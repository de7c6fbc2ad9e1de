"""The demo's WEBKNOSSOS: a stand-in inside the demo's home, so that the demo ends with a dataset that a browser shows.

Its address stands in the demo's wk_assets.yaml. The administrator's token is made once per home, lies in a file that its
owner alone may read, and goes to Dagster's processes through the environment; it is printed nowhere.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wk_assets.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from wk_assets.facility.configuration import Configuration

DEMO_TOKEN_VARIABLE = "WK_ASSETS_DEMO_TOKEN"  # noqa: S105  # the variable's name; WK_TOKEN may be that of a real server
# Below the ports that operating systems give to connections that begin here.
_FIRST_PORT, _PORTS, _TRIES = 20000, 10000, 16
_FOLDER = "standin"
_TOKEN_FILE = "token"  # noqa: S105  # the file's name
_ANSWER_SECONDS = 5.0


def choose_port(home: Path) -> int:
    """Choose the port of a new demo's server: one of its own per home, so that two demos do not meet, that is free now."""
    from wk_assets.standin.server import free_port, require_free_port

    digest = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:8])
    for offset in range(_TRIES):
        port = _FIRST_PORT + (digest + offset) % _PORTS
        try:
            require_free_port(port)
        except ConfigurationError:
            continue
        return port
    return free_port()


@contextmanager
def demo_server(configuration: "Configuration") -> Iterator[str | None]:
    """Serve the demo's stand-in while the context lasts; give its address. None: this home is no demo's.

    Another `wk-assets demo` or `wk-assets ui` on this home that serves it already goes on doing so. Raises ConfigurationError
    if something else listens at its port.
    """
    settings, variables = configuration.webknossos, demo_environment(configuration)
    port = None if settings.url is None else urlsplit(settings.url).port
    if not variables or settings.url is None or port is None:
        yield None
        return
    os.environ.update(variables)
    token = variables[DEMO_TOKEN_VARIABLE]
    if _answers(settings.url, token):
        yield settings.url
        return
    from wk_assets.standin.server import require_free_port, running_standin

    try:
        require_free_port(port)
    except ConfigurationError as error:
        problem = Problem(
            "webknossos.url",
            f"another program listens at {settings.url}",
            "End it, or write another port into the file",
        )
        raise ConfigurationError(str(configuration.home / "wk_assets.yaml"), [problem]) from error
    with running_standin(configuration.home / _FOLDER, port=port, admin_token=token):
        yield settings.url


def demo_environment(configuration: "Configuration") -> Mapping[str, str]:
    """Give the variable that holds the token of the demo's server; nothing for a home that is no demo's."""
    settings = configuration.webknossos
    if settings.url is None or settings.token_variable != DEMO_TOKEN_VARIABLE:
        return {}
    return {DEMO_TOKEN_VARIABLE: _token(configuration.home / _FOLDER)}


def _token(folder: Path) -> str:
    """Read the token of this home, or make it: whole or not at all, and for nobody else to read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)  # the server's own database holds it too
    file = folder / _TOKEN_FILE
    if not file.exists():
        partial = folder / f".{_TOKEN_FILE}.{os.getpid()}"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(32))
        try:
            os.link(partial, file)  # another demo that starts at the same moment keeps its own
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return file.read_text().strip()


def _answers(url: str, token: str) -> bool:
    """Say whether the stand-in of this very home answers: no other knows its token."""
    import httpx

    from wk_assets.client.context import TOKEN_HEADER

    try:
        answer = httpx.get(f"{url}/api/user", headers={TOKEN_HEADER: token}, timeout=_ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.is_success
