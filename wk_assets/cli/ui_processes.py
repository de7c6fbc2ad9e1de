"""Start Dagster's three servers and that of the previews together, wait until the UI answers, and end them together.

Processes and ports only; what the person reads is in `ui`. The code server listens at a socket that this user alone may
open, since it runs code for whoever reaches it; the webserver stands behind the guard of `web_guard`, on the loopback
address.
"""

import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from urllib.parse import urlsplit

from wk_assets.cli.dagster_home import WORKSPACE_NAME, dagster_environment
from wk_assets.cli.preview_server import LOOPBACK, serving_pictures
from wk_assets.errors import InputError
from wk_assets.facility.configuration import Configuration

START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 20.0
POLL_SECONDS = 0.5
LOCATION = "wk_assets.definitions"
LOCATION_NAME = "wk_assets"
SOCKET_NAME = "code.sock"
WORKSPACE = """load_from:
  - grpc_server:
      socket: {socket}
      location_name: {name}
"""


def preview_port(url: str | None) -> int | None:
    """Tell at which port of this machine the pictures are to be served; None if another server does it, or nobody."""
    parts = urlsplit(url or "")
    if parts.scheme == "http" and parts.hostname in (LOOPBACK, "localhost"):
        return parts.port or 80
    return None


class UiProcesses:
    """The processes of one UI. `run` blocks until they end."""

    def __init__(self, configuration: Configuration, port: int, pictures_port: int | None) -> None:
        self._configuration = configuration
        self._port = port
        self._pictures_port = pictures_port

    @property
    def address(self) -> str:
        """Give the address of the UI."""
        return f"http://{LOOPBACK}:{self._port}"

    def commands(self, folder: Path) -> dict[str, tuple[str, ...]]:
        """Give the commands of the servers, by what they are; their socket and workspace lie in `folder`."""
        code = ("dagster", "code-server", "start", "--socket", str(folder / SOCKET_NAME), "--module-name", LOCATION)
        workspace = str(folder / WORKSPACE_NAME)
        return {
            "code server": (
                *(sys.executable, "-m", *code),
                *("--location-name", LOCATION_NAME, "--use-python-environment-entry-point", "--log-level", "warning"),
            ),
            "webserver": (
                *(sys.executable, "-m", "wk_assets.cli.guarded_webserver", "--workspace", workspace),
                *("--listen", LOOPBACK, "--port", str(self._port)),
            ),
            "daemon": (sys.executable, "-m", "dagster._daemon", "run", "-w", workspace, "--log-level", "warning"),
        }

    def require_free_ports(self) -> None:
        """Raise InputError if a port is taken: a second UI on one home would watch its folders twice."""
        for port, option in ((self._port, "--port"), (self._pictures_port, "previews.url in wk_assets.yaml")):
            if port is None:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    raise InputError(
                        f"port {port} of {LOOPBACK} can not be used: {error.strerror}. "
                        f"End the program that has it (another `wk-assets ui`?), or choose another with {option}"
                    ) from error

    def run(self, ready: Callable[[], None]) -> int:
        """Start everything, call `ready` when the UI answers, and wait. Gives 0 after Ctrl-C, 1 if a server ended."""
        environment = {**os.environ, **dagster_environment(self._configuration, f"{LOOPBACK}:{self._port}")}
        # What only makes Python start slower does not belong into servers that start interpreters.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with ExitStack() as stack:
            if self._pictures_port is not None:
                pictures = self._configuration.previews_folder
                pictures.mkdir(parents=True, exist_ok=True)
                stack.enter_context(serving_pictures(pictures, self._pictures_port))
            # Not in the home: the name of a socket has 107 bytes. Nobody else may look into a folder made this way.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="wk-assets-ui-")))
            (folder / WORKSPACE_NAME).write_text(WORKSPACE.format(socket=folder / SOCKET_NAME, name=LOCATION_NAME))
            stack.enter_context(_interruptible())
            running: dict[str, subprocess.Popen[bytes]] = {}
            stack.callback(_end_all, running)
            try:
                for name, command in self.commands(folder).items():
                    # A session of its own: Ctrl-C reaches this process alone, which then ends the others in order.
                    running[name] = subprocess.Popen(  # noqa: S603  # this interpreter, with arguments made above
                        command, cwd=self._configuration.home, env=environment, start_new_session=True
                    )
                    if name == "code server":
                        _wait_for_socket(folder / SOCKET_NAME, running[name])
                threading.Thread(target=self._announce, args=(running["webserver"], ready), daemon=True).start()
                return _wait_for_any(running)
            except KeyboardInterrupt:
                return 0

    def _announce(self, process: "subprocess.Popen[bytes]", ready: Callable[[], None]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=5)
            try:
                connection.request("GET", "/server_info")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.5)
            else:
                ready()
                return
            finally:
                connection.close()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM (a service manager, `kill`) end the command as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _wait_for_socket(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server listens at a socket, or has ended: who asks it earlier reports an error that is none."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                time.sleep(0.1)
            else:
                return


def _wait_for_any(running: Mapping[str, "subprocess.Popen[bytes]"]) -> int:
    """Wait until one of the servers ends: without it the others are of no use, and nobody would notice."""
    while True:
        for name, process in running.items():
            if process.poll() is not None:
                logging.getLogger(__name__).error("the %s ended with exit code %s", name, process.returncode)
                return 1
        time.sleep(POLL_SECONDS)


def _end_all(running: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    """End the daemon before what it asks, and the code server, which holds the runs, last."""
    for process in reversed(list(running.values())):
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the whole session of a process: asked first, then told."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        if number != signal.SIGKILL:
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while time.monotonic() < deadline and _is_alive(process):
                time.sleep(0.1)
    process.wait()


def _is_alive(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
