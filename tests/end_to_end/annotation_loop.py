"""The loop of annotations in one process: a facility, a stand-in server, annotators who paint, ticks of the sensor, runs."""

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import numpy as np
from dagster._core.execution.build_resources import wrap_resources_for_execution
from dagster._core.instance.ref import InstanceRef

from tests.annotation.volumes import files_of, zipped
from tests.assets.facility_home import CONFIGURATION
from tests.assets.runs import QUIET
from wk_assets.dataset.dataset import Dataset
from wk_assets.definitions import defs
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.standin.server import RunningStandin

KILLED = "killed here"

CAMPAIGN = """\
campaigns:
  - name: paint
    dataset: brain-7
    layers: [nuclei]
    project: {name: nuclei, team: annotators}
    task_type: {name: paint nuclei, kind: volume}
    experience: {domain: sample, value: 1}
    work: {rule: grid, size: [45, 70, 12]}
    then: [{rule: review, when: finished}]
"""


def configure(home: Path, server: RunningStandin, campaign: str = CAMPAIGN) -> None:
    """Let a facility publish on a stand-in, and have a campaign there."""
    address = f'webknossos: {{url: "{server.url}", token_variable: WK_LOOP_TOKEN}}\n'
    publish = "    publish: {teams: [annotators]}\n"
    (home / "wk_assets.yaml").write_text(f"{address}{campaign}{CONFIGURATION}{publish}")


@dataclass
class Annotators:
    """Take tasks, paint a brick of segment 5 in the middle of each task's box, finish."""

    server: RunningStandin
    scratch: Path
    painted: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, token: str, **content: Any) -> httpx.Response:
        return httpx.request(method, f"{self.server.url}{path}", headers={"X-Auth-Token": token}, **content)

    @property
    def tokens(self) -> tuple[str, ...]:
        assert self.server.seed is not None
        return self.server.seed.annotators

    def take(self) -> None:
        """Let annotators take all tasks that they are given."""
        for token in self.tokens:
            while self.ask("POST", "/api/v16/user/tasks/request", token).is_success:
                pass

    def open_work(self, token: str) -> list[str]:
        """List what a user has to do, taken or given by hand."""
        rows = self.server.world.database.rows(
            "SELECT annotations.id AS id FROM annotations JOIN tokens ON tokens.user_id = annotations.owner "
            "WHERE tokens.token = ? AND annotations.state = 'Active' AND annotations.typ = 'Task' ORDER BY annotations.seq",
            (token,),
        )
        return [row["id"] for row in rows]

    def work(self) -> int:
        """Let annotators take all tasks, and everybody paint and finish what is theirs; returns how many were finished."""
        seed = self.server.seed
        assert seed is not None
        before = len(self.painted)
        self.take()
        for token in (*seed.annotators, seed.manager, seed.admin):  # reviews are given by hand, to managers too
            for annotation_id in self.open_work(token):
                self.paint(annotation_id)
        return len(self.painted) - before

    def paint(self, annotation_id: str, *, outside: bool = False) -> None:
        assert self.server.seed is not None
        told = self.ask("GET", f"/api/v16/annotations/{annotation_id}/info", self.server.seed.admin).json()
        box = told["task"]["boundingBox"]
        corner = np.array(box["topLeft"])
        size = np.array([box["width"], box["height"], box["depth"]])
        start, edges = corner + size // 4, size // 2
        if outside:
            start, edges = np.array([0, 0, 0]), np.array([90, 70, 12])
        body = self.ask("GET", f"/api/v16/annotations/{annotation_id}/download", self.server.seed.admin).content
        painted = self.with_brick(body, BoundingBox(tuple(map(int, start)), tuple(map(int, edges))))
        work = {"name": "painted.zip", "body": base64.b64encode(painted).decode(), "millis": 90_000}
        answer = httpx.post(f"{self.server.url}/_standin/annotations/{annotation_id}/work", json=work)
        assert answer.is_success, answer.text
        self.painted.append(annotation_id)

    def with_brick(self, start: bytes, brick: BoundingBox) -> bytes:
        """Give a task's file voxels as WEBKNOSSOS sends them: a zip in the zip, named by the NML."""
        folder = self.scratch / f"brick-{len(self.painted)}"
        dataset = Dataset(folder, voxel_size=(260, 260, 520))
        layer = dataset.add_layer(
            "volumeAnnotationData", "segmentation", dtype="uint32", bounding_box=brick, largest_segment_id=5
        )
        layer.add_mag(1, chunk_shape=32, shard_shape=32).write(
            np.full(tuple(brick.size), 5, np.uint32), absolute_offset=brick.topleft
        )
        data = {
            name: body for name, body in files_of(folder).items() if "lock" not in name and ".wk-assets" not in name
        }
        with zipfile.ZipFile(io.BytesIO(start)) as archive:
            (nml,) = [archive.read(name) for name in archive.namelist() if name.endswith(".nml")]
        if b"location=" not in nml:
            nml = nml.replace(b'<volume id="0"', b'<volume id="0" location="data_0_Volume.zip" largestSegmentId="5"')
        assert b"data_0_Volume.zip" in nml
        return zipped({"task.nml": nml, "data_0_Volume.zip": zipped(data)})


def was_killed(result: dg.ExecuteInProcessResult) -> bool:
    """Say whether a run failed because a test killed it."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return any(data.error is not None and KILLED in data.error.to_string() for data in failures)


@dataclass
class Loop:
    """Evaluate the sensor as the daemon does, and run what it asks for: a run key once, partitions first, the cursor last."""

    instance: dg.DagsterInstance
    reference: InstanceRef
    cursor: str | None = None
    runs: dict[str, bool] = field(default_factory=dict)
    definitions: dg.Definitions = field(default_factory=defs)  # loaded once: no dataset is added meanwhile

    def __post_init__(self) -> None:
        self.repository = self.definitions.get_repository_def()
        self.job = self.definitions.resolve_implicit_global_asset_job_def()

    def tick(self, *, stop: Callable[[str], None] = lambda _: None) -> int:
        """Evaluate once; returns how many runs were made. `stop` may raise at each step boundary, as a crash would."""
        definitions = self.definitions
        sensor = definitions.resolve_sensor_def("annotations")
        stop("before the tick")
        # As the daemon builds it: only a sensor that could open its instance anew may ask for partitions that it adds itself.
        with dg.SensorEvaluationContext(
            instance_ref=self.reference,
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.repository,
            resources=wrap_resources_for_execution(
                {name: (definitions.resources or {})[name] for name in ("facility", "webknossos")}
            ),
        ) as context:
            data = sensor.evaluate_tick(context)
        stop("after the tick")
        for wanted in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(wanted.partitions_def_name, list(wanted.partition_keys))
        stop("after the partitions")
        made = 0
        for request in data.run_requests or []:
            if request.run_key is None or request.run_key in self.runs:
                continue
            stop(f"before {request.run_key.split(':')[0]}")
            self.runs[request.run_key] = self.run(request)
            made += 1
            stop(f"after {request.run_key.split(':')[0]}")
        self.cursor = data.cursor
        return made

    def run(self, request: dg.RunRequest) -> bool:
        """Run a request; a run whose process was killed is made anew, as the daemon does."""
        for _ in range(12):
            result = self.job.execute_in_process(
                instance=self.instance,
                asset_selection=list(request.asset_selection or []),
                partition_key=request.partition_key,
                tags=dict(request.tags),
                run_config=QUIET,
                raise_on_error=False,
            )
            if result.success or not was_killed(result):
                break
        return result.success

    def until_quiet(self, most: int = 12) -> None:
        """Tick until nothing is asked for any more."""
        for _ in range(most):
            if not self.tick():
                return
        raise AssertionError(f"after {most} ticks there is still something to do: {list(self.runs)[-5:]}")
