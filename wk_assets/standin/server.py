"""Run a stand-in: in the foreground for a person, in a thread for tests and the demo. Loopback by default."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from wk_assets.errors import ConfigurationError, Problem
from wk_assets.standin.app import build_app, open_world
from wk_assets.standin.seed import Seed, seed
from wk_assets.standin.world import Settings, World

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStandin:
    """Name a running stand-in. `seed`: the first users' tokens, None if it had users before."""

    url: str
    world: World
    seed: Seed | None


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def require_free_port(port: int) -> None:
    """Raise ConfigurationError if something listens on a port already."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            what = f"nothing can listen on {port} ({error.strerror})"
            raise ConfigurationError(
                f"http://{LOOPBACK}:{port}", [Problem("port", what, "Choose another port")]
            ) from error


@contextmanager
def running_standin(
    folder: Path, *, port: int = 0, settings: Settings | None = None, admin_token: str | None = None
) -> Iterator[RunningStandin]:
    """Run a stand-in on a thread while the context lasts. `port` 0: any free one.

    Raises ConfigurationError if the port is taken.
    """
    number = port or free_port()
    require_free_port(number)
    url = f"http://{LOOPBACK}:{number}"
    world = open_world(folder, url, settings)
    first = seed(world, admin_token=admin_token)
    server = uvicorn.Server(_configuration(world, number))
    thread = threading.Thread(target=server.run, name="standin", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise ConfigurationError(
                    url, [Problem("port", f"nothing can listen on {number}", "Choose another port")]
                )
            time.sleep(0.01)
        yield RunningStandin(url=url, world=world, seed=first)
    finally:
        server.should_exit = True
        thread.join(timeout=_START_SECONDS)
        world.close()


def serve(world: World, port: int) -> None:
    """Run a stand-in in the foreground until Ctrl-C."""
    uvicorn.Server(_configuration(world, port)).run()


def _configuration(world: World, port: int) -> uvicorn.Config:
    # no access log: addresses may hold tokens; and a connection that is dropped on order is no error
    return uvicorn.Config(
        build_app(world), host=LOOPBACK, port=port, log_level="critical", access_log=False, lifespan="off", ws="none"
    )
