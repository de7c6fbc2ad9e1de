"""A token is in no log, no error, no trace, no repr, no event and no file: everything fails here on purpose, and is searched."""

import copy
import logging
import os
import pickle  # noqa: S403  # what is pickled here was made here
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import numpy as np
import pytest
import stamina
from typer.testing import CliRunner

from resources.webknossos import WebknossosResource
from tests.client.scripted_server import ScriptedServer
from wk_assets.cli.main import app
from wk_assets.client.context import ServerContext, current_context, webknossos_context
from wk_assets.client.models import ApiDatasetExploreAndAddRemote, ApiSharingToken, ApiTeamAdd
from wk_assets.client.transport import ServerAddress
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import ServerError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
from wk_assets.operations.transfer.upload_plan import plan_upload
from wk_assets.standin.server import RunningStandin, running_standin

TOKEN = "wkst_n0b0dy-may-ever-read-this-t0ken-x"  # noqa: S105  # of nobody
SHARING = "wkst_n0r-this-one-that-opens-a-dataset"
TEAMS = "/api/v16/teams"


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[RunningStandin]:
    with running_standin(tmp_path / "standin", admin_token=TOKEN) as running:
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    made = Dataset(tmp_path / "local", voxel_size=(1.0, 1.0, 1.0), name="sent")
    layer = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (32, 32, 32)))
    layer.add_mag(1).write(np.ones((1, 32, 32, 32), np.uint8), allow_unaligned=True)
    return tmp_path / "local"


def _nowhere(*texts: str) -> None:
    for text in texts:
        for secret in (TOKEN, SHARING):
            assert secret not in text


def _told_by(error: BaseException) -> str:
    """Return all that an error shows: its text, its repr, its trace with everything that led to it, its attributes."""
    shown = "".join(traceback.format_exception(error))
    return "\n".join([str(error), repr(error), shown, repr(vars(error)), repr(error.args)])


ECHO = f"the headers were X-Auth-Token: {TOKEN}, Authorization: Bearer {TOKEN}"
TROUBLE: list[httpx.Response | Exception] = [
    *[
        httpx.Response(status, json={"messages": [{"error": ECHO}, {"chain": f"<~ token={SHARING}"}]})
        for status in (400, 401, 403, 404, 409, 429, 500, 502, 503)
    ],
    httpx.Response(
        502, headers={"Content-Type": "text/html"}, text=f"<html><h1>Bad gateway</h1><pre>{ECHO}</pre></html>"
    ),
    httpx.Response(401, text=ECHO),
    httpx.Response(400, json={"obj.token": [{"msg": [TOKEN], "args": [TOKEN]}]}),
    httpx.Response(400, json={"whatever": TOKEN}),
    httpx.Response(200, json={"not": ["what", "is", "due"], "token": TOKEN}),
    httpx.Response(200, text=TOKEN),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("broken"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_no_failure_of_a_call_tells_the_token(
    trouble: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    from wk_assets.client.wk_api_client import WkApiClient

    server = ScriptedServer().on("GET", TEAMS, trouble).on("POST", TEAMS, trouble)
    server.on("GET", "/api/v16/datasets/d", trouble)
    client = WkApiClient(
        base_wk_url="http://wk.example",
        timeout_seconds=5,
        headers={"X-Auth-Token": TOKEN},
        connector=httpx.MockTransport(server),
    )
    calls: list[Callable[[], Any]] = [
        client.team_list,
        lambda: client.dataset_info(dataset_id="d", sharing_token=SHARING),
    ]
    if isinstance(trouble, Exception) or not trouble.is_success:
        calls.append(lambda: client.team_add(team=ApiTeamAdd(name="n")))
    for call in calls:
        with pytest.raises(ServerError) as raised:
            call()
        _nowhere(_told_by(raised.value))
    assert len(caplog.records) > 0
    _nowhere(caplog.text, *(repr(vars(record)) for record in caplog.records))


def test_nothing_that_holds_a_token_shows_it() -> None:
    address = ServerAddress(url="http://wk.example", token=TOKEN)
    context = ServerContext(address, 16)
    with webknossos_context(url="http://wk.example", token=TOKEN, api_version=16) as entered:
        held: list[object] = [
            address,
            context,
            entered,
            current_context(),
            current_context().client(),
            current_context().datastore_client("http://store.example"),
            current_context().tracingstore_client("http://store.example"),
            current_context().client()._transport,
            ApiSharingToken(sharing_token=SHARING),
            ApiDatasetExploreAndAddRemote(remote_uri="s3://b", dataset_name="n", credential_secret=SHARING),
            WebknossosResource(url="http://wk.example", token=TOKEN),
        ]
    for one in held:
        _nowhere(repr(one), str(one), f"{one}", f"{one!r}")
    assert copy.copy(address) == address
    assert pickle.loads(pickle.dumps(address)) == address  # noqa: S301  # as above; other processes get it this way


def test_a_token_in_an_address_is_not_shown_either(caplog: pytest.LogCaptureFixture) -> None:
    with webknossos_context(url=f"http://user:{TOKEN}@127.0.0.1:9"):
        with pytest.raises(ServerError) as raised:
            current_context().anonymous_client().team_list()
        _nowhere(_told_by(raised.value), caplog.text)


FAULTS: list[dict[str, Any]] = [
    {"path": "/datasets/upload/dataset$", "kind": "drop", "times": 2},
    {"path": "/datasets/upload/dataset$", "kind": "status", "status": 502, "html": True, "times": 2},
    {"path": "finishUpload", "kind": "lost"},
    {"path": "reserveUpload", "kind": "status", "status": 401, "html": True},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['path']} {fault['kind']}")
def test_an_upload_in_trouble_keeps_the_token_out_of_logs_and_files(
    fault: dict[str, Any],
    standin: RunningStandin,
    dataset: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    context = ServerContext(ServerAddress(url=standin.url, token=TOKEN))
    httpx.post(f"{standin.url}/_standin/faults", json=fault).raise_for_status()
    try:
        run_upload(plan_upload(dataset), context, UploadSettings(piece_bytes=4096, threads=2, patience_seconds=0.0))
    except ServerError as error:
        _nowhere(_told_by(error))
    _nowhere(caplog.text, *capfd.readouterr())
    _no_file_under(tmp_path / "local")


def _no_file_under(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert TOKEN.encode() not in content, path
        assert TOKEN not in str(path)


def test_a_token_that_expires_on_the_way_is_not_told(
    standin: RunningStandin, dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = ServerContext(ServerAddress(url=standin.url, token=TOKEN))
    context.client().team_list()
    standin.world.database.change("UPDATE tokens SET expires = 1 WHERE token = ?", (TOKEN,))
    with pytest.raises(ServerError) as raised:
        run_upload(plan_upload(dataset), context, UploadSettings(patience_seconds=0.0))
    _nowhere(_told_by(raised.value), caplog.text)


@pytest.mark.parametrize("command", [["upload"], ["upload", "--json"], ["upload", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize("status", [None, 401, 500])
def test_no_command_prints_the_token(
    command: list[str],
    status: int | None,
    standin: RunningStandin,
    dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("WK_URL", standin.url)
    monkeypatch.setenv("WK_TOKEN", TOKEN)
    if status is not None:
        fault = {"path": "/user|/datasets", "kind": "status", "status": status, "body": ECHO, "times": 99}
        httpx.post(f"{standin.url}/_standin/faults", json=fault)
    name, *options = command
    result = CliRunner().invoke(app, [name, str(dataset), *options])

    assert result.exit_code == 0 or (status is not None and "--dry-run" not in options)
    _nowhere(result.output, result.stderr, caplog.text)
    if result.exception is not None:
        _nowhere(_told_by(result.exception))


def test_no_event_of_a_run_holds_the_token(
    standin: RunningStandin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WK_TOKEN", TOKEN)
    fault = {"path": "/teams", "kind": "status", "status": 403, "body": ECHO}
    httpx.post(f"{standin.url}/_standin/faults", json=fault)

    @dg.asset
    def teams(context: dg.AssetExecutionContext, server: WebknossosResource) -> None:
        context.log.info("asking %s as %s", server, server.server())
        server.server().client().team_list()

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [teams],
            instance=instance,
            resources={"server": WebknossosResource(url=standin.url, token=dg.EnvVar("WK_TOKEN"))},
            raise_on_error=False,
        )
        events = instance.all_logs(result.run_id)
    assert not result.success
    assert any("403" in str(event) for event in events)
    serialized = [event.to_json() for event in events]  # type: ignore[no-untyped-call]  # dagster's own has no types
    _nowhere(caplog.text, *serialized, *(str(event) for event in events))
    _nowhere(repr({name: value for name, value in os.environ.items() if name != "WK_TOKEN"}))
