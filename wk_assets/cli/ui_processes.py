"""Start `dagster dev` and the preview server together, wait until the UI answers, and end both together.

Processes and ports only; what the person reads is in `ui`. Everything listens on the loopback address: the webserver
has no login, and its API starts runs for whoever reaches it.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from urllib.parse import urlsplit

from wk_assets.cli.dagster_home import WORKSPACE_NAME, dagster_environment, deployment_file
from wk_assets.cli.preview_server import LOOPBACK, serving_pictures
from wk_assets.errors import InputError
from wk_assets.facility.configuration import Configuration

START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 20.0


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

    @property
    def command(self) -> tuple[str, ...]:
        """Give the command that starts the webserver, the daemon and the code server."""
        workspace = str(deployment_file(WORKSPACE_NAME))
        options = ("-w", workspace, "-h", LOOPBACK, "-p", str(self._port), "--log-level", "warning")
        return (sys.executable, "-m", "dagster", "dev", *options)

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
        """Start everything, call `ready` when the UI answers, and wait. Gives 0 after Ctrl-C, else Dagster's exit code."""
        environment = {**os.environ, **dagster_environment(self._configuration, f"{LOOPBACK}:{self._port}")}
        # What only makes Python start slower does not belong into servers that start interpreters.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        # `dagster dev` recommends its successor for scaffolding at every start; it is not for facilities.
        environment["PYTHONWARNINGS"] = "ignore:Function `dev_command` is superseded"
        with ExitStack() as stack:
            if self._pictures_port is not None:
                pictures = self._configuration.previews_folder
                pictures.mkdir(parents=True, exist_ok=True)
                stack.enter_context(serving_pictures(pictures, self._pictures_port))
            stack.enter_context(_interruptible())
            # A session of its own: Ctrl-C reaches this process alone, which then ends the others in order.
            process = subprocess.Popen(  # noqa: S603  # this interpreter, with fixed arguments
                self.command, cwd=self._configuration.home, env=environment, start_new_session=True
            )
            threading.Thread(target=self._announce, args=(process, ready), daemon=True).start()
            try:
                return process.wait()
            except KeyboardInterrupt:
                return 0
            finally:
                _end(process)

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
