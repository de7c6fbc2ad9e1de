"""A stand-in on a socket of its own, asked as its administrator; and what a campaign needs to begin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina

from wk_assets.client.context import webknossos_context
from wk_assets.standin.server import RunningStandin, running_standin


class Server:
    """Do to the stand-in what nobody can do through the library: give work out, order faults, read the list of requests."""

    def __init__(self, running: RunningStandin) -> None:
        assert running.seed is not None
        self.url, self.world, self.seed = running.url, running.world, running.seed

    def ask(self, method: str, path: str, *, token: str | None = None, **content: Any) -> Any:
        headers = {"X-Auth-Token": token or self.seed.admin}
        answer = httpx.request(method, f"{self.url}{path}", headers=headers, **content)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def fault(self, **fault: Any) -> None:
        self.ask("POST", "/_standin/faults", json=fault)

    def requests(self, method: str, end: str) -> int:
        """Count the requests so far whose path ends in `end`."""
        told = self.ask("GET", "/_standin/requests")
        return sum(1 for one in told if one["method"] == method and one["path"].endswith(end))

    def dataset(self, name: str = "brain", *, folder: str | None = None) -> str:
        layer = {
            "name": "color", "category": "color", "dataFormat": "zarr3", "numChannels": 1, "elementClass": "uint8",
            "boundingBox": {"topLeft": [0, 0, 0], "width": 8, "height": 8, "depth": 8},
            "mags": [{"mag": [1, 1, 1], "path": "./color/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
        }  # fmt: skip
        source = {
            "id": {"name": name, "team": ""}, "scale": {"factor": [4, 4, 40], "unit": "nanometer"}, "version": 1,
            "dataLayers": [layer],
        }  # fmt: skip
        path = f"/api/v16/datasets/addVirtualDataset/{name}"
        return str(self.ask("POST", path, json={"dataSource": source, "folderId": folder})["newDatasetId"])

    def take(self, annotator: int = 0, *, finish: bool = True) -> str:
        """Let an annotator take the next task, and work on it for a minute; returns the annotation's id."""
        taken = self.ask("POST", "/api/v16/user/tasks/request", token=self.seed.annotators[annotator])
        self.ask("POST", f"/_standin/annotations/{taken['id']}/work", json={"finish": finish})
        return str(taken["id"])


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_standin(tmp_path / "standin") as running:
        served = Server(running)
        with webknossos_context(url=served.url, token=served.seed.admin):
            yield served


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStandin]:
    """Start one stand-in for all tests of a module, where they do not mind what the others left there."""
    with running_standin(tmp_path_factory.mktemp("standin")) as started:
        yield started


@pytest.fixture
def kept_server(running: RunningStandin) -> Iterator[Server]:
    """Ask the module's stand-in as its administrator; faults that were ordered are gone afterwards."""
    served = Server(running)
    with webknossos_context(url=served.url, token=served.seed.admin):
        yield served
    served.ask("DELETE", "/_standin/faults")
