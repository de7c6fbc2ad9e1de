"""A real UI on a home: webserver, daemon, code server and runs as processes of their own, and questions to it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

START_SECONDS = 150.0
STOP_SECONDS = 30.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

ASSETS = """
query { assetNodes {
    id isMaterializable assetKey { path } groupName staleStatus assetMaterializations(limit: 1) { timestamp }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
} }
"""
RUNS = "query { runsOrError(limit: 100) { ... on Runs { results { runId status tags { key value } } } } }"
TICKS = """
query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { ... on Sensor {
    sensorState { ticks(limit: 20) { status skipReason runKeys } } } } }
"""


class RunningUi:
    """Ask the webserver."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a query; return its data."""
        answer = httpx.post(f"{self.address}/graphql", json={"query": query, "variables": variables}, timeout=60)
        document = answer.raise_for_status().json()
        if document.get("errors"):
            raise ValueError(document["errors"])
        data: dict[str, Any] = document["data"]
        return data

    def assets(self) -> dict[str, dict[str, Any]]:
        """Return every asset that the UI shows, by key."""
        return {"/".join(node["assetKey"]["path"]): node for node in self.ask(ASSETS)["assetNodes"]}

    def unmade(self, dataset: str) -> list[str]:
        """Name the assets of a dataset that are visible and not materialized; ["nothing yet"] while none is visible."""
        nodes = {key: node for key, node in self.assets().items() if dataset in key.split("/")}
        return [key for key, node in nodes.items() if not node["assetMaterializations"]] if nodes else ["nothing yet"]

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, newest first."""
        results: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return results

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        """Return the last ticks of a sensor, newest first."""
        selector = {"sensorName": sensor, "repositoryName": "__repository__", "repositoryLocationName": "wk_assets"}
        ticks: list[dict[str, Any]] = self.ask(TICKS, sensor=selector)["sensorOrError"]["sensorState"]["ticks"]
        return ticks


@contextmanager
def running_ui(home: Path) -> Iterator[RunningUi]:
    """Start `wk-assets ui` on a home and a free port; end all of its processes afterwards."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_HOME")}
    command = (
        "from wk_assets.cli.main import run; run()",
        "ui",
        "--home",
        str(home),
        "--port",
        str(port),
        "--no-browser",
    )
    log_file = home / "ui.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            ui = RunningUi(f"http://127.0.0.1:{port}")
            wait_until(lambda: answers(ui, process), START_SECONDS, log_file.read_text)
            yield ui
        finally:
            stop(process)


def answers(ui: RunningUi, process: "subprocess.Popen[bytes]") -> bool:
    """Say whether the code location is loaded. Raises RuntimeError if the processes have ended."""
    if process.poll() is not None:
        raise RuntimeError(f"the UI ended with exit code {process.returncode}")
    try:
        return "catalogue" in ui.assets()
    except (httpx.HTTPError, ValueError):
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the UI to end, and after STOP_SECONDS end every process that it started.

    SIGTERM, not SIGINT: a shell that runs the tests in the background lets its children ignore the latter.
    """
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()


def wait_until(condition: Callable[[], bool], seconds: float, describe: Callable[[], object]) -> None:
    """Wait for a condition. Raises TimeoutError with a description of what is there instead."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {describe()}")
        time.sleep(0.5)


def free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def browser_path() -> str | None:
    """Find a browser that playwright can drive."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)
