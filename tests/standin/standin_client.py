"""Ask a stand-in in short words: `client.as_admin("GET", "/api/v16/user")`."""

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx

from wk_assets.standin.app import build_app
from wk_assets.standin.seed import Seed
from wk_assets.standin.world import World


class StandinClient:
    """Send requests as one of the first users."""

    def __init__(self, world: World, seed: Seed) -> None:
        self.world, self.seed = world, seed
        self._app = build_app(world)

    def request(self, token: str | None, method: str, path: str, **content: Any) -> httpx.Response:
        headers = {"X-Auth-Token": token} if token else {}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://standin.example") as client:
                return await client.request(method, path, headers=headers, **content)

        return asyncio.run(send())

    def as_admin(self, method: str, path: str, **content: Any) -> httpx.Response:
        return self.request(self.seed.admin, method, path, **content)

    def as_annotator(self, number: int, method: str, path: str, **content: Any) -> httpx.Response:
        return self.request(self.seed.annotators[number], method, path, **content)

    def dataset(self, name: str = "brain") -> str:
        """Add a dataset that the annotators may see; returns its id."""
        source = {
            "id": {"name": name, "team": ""},
            "scale": {"factor": [4, 4, 40], "unit": "nanometer"},
            "version": 1,
            "dataLayers": [
                {
                    "name": "color", "category": "color", "dataFormat": "zarr3", "numChannels": 1, "elementClass": "uint8",
                    "boundingBox": {"topLeft": [0, 0, 0], "width": 8, "height": 8, "depth": 8},
                    "mags": [{"mag": [1, 1, 1], "path": "./color/1", "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}],
                }
            ],
        }  # fmt: skip
        added = self.as_admin("POST", f"/api/v16/datasets/addVirtualDataset/{name}", json={"dataSource": source})
        return str(added.json()["newDatasetId"])

    def team(self, name: str) -> str:
        teams = self.as_admin("GET", "/api/v16/teams").json()
        return next(str(team["id"]) for team in teams if team["name"] == name)

    def project(self, name: str = "p", **changes: Any) -> dict[str, Any]:
        me = self.as_admin("GET", "/api/v16/user").json()
        body = {
            "name": name, "team": self.team("annotators"), "priority": 100, "paused": False, "owner": me["id"],
            "isBlacklistedFromReport": False, "expectedTime": None, **changes,
        }  # fmt: skip
        made: dict[str, Any] = self.as_admin("POST", "/api/v16/projects", json=body).json()
        return made

    def task_type(self, kind: str = "skeleton", summary: str = "trace") -> str:
        body = {"summary": summary, "description": "", "teamId": self.team("annotators"), "tracingType": kind}
        return str(self.as_admin("POST", "/api/v16/taskTypes", json=body).json()["id"])

    def tasks(self, amount: int, task_type: str, dataset: str, project: str = "p", **changes: Any) -> httpx.Response:
        body = {
            "taskTypeId": task_type, "neededExperience": {"domain": "sample", "value": 1}, "pendingInstances": 1,
            "projectName": project, "datasetId": dataset, "editPosition": [1, 2, 3], "editRotation": [0, 0, 0], **changes,
        }  # fmt: skip
        return self.as_admin("POST", "/api/v16/tasks", json=[body] * amount)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.close()
