"""Each trouble that can be ordered comes, once or as often as was said, and a client sees of it what it would of a real server's."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.contract import Sample
from tests.contract.sample import make_sample
from wk_assets.client.context import current_context, webknossos_context
from wk_assets.client.models import ApiTeamAdd
from wk_assets.client.store_clients import DatastoreApiClient, UploadPiece, UploadSession
from wk_assets.client.transport import Transport
from wk_assets.errors import (
    NoAnswerError,
    NotAuthenticatedError,
    RequestRefusedError,
    ServerBusyError,
    UnexpectedStatusError,
)
from wk_assets.standin.server import RunningStandin, running_standin


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStandin]:
    with running_standin(tmp_path_factory.mktemp("faults") / "standin") as one:
        yield one


@pytest.fixture
def server(running: RunningStandin) -> Iterator[RunningStandin]:
    assert running.seed is not None
    httpx.delete(f"{running.url}/_standin/faults").raise_for_status()
    with webknossos_context(url=running.url, token=running.seed.admin):
        client = current_context().client()
        for one in client.dataset_list(is_active=None, organization_id=None, name="sent", folder_id=None):
            client.dataset_delete(dataset_id=one.id)
        yield running


def _order(server: RunningStandin, **fault: Any) -> None:
    httpx.post(f"{server.url}/_standin/faults", json=fault).raise_for_status()


def _asked(server: RunningStandin, end: str) -> int:
    told = httpx.get(f"{server.url}/_standin/requests").json()
    return sum(1 for one in told if one["path"].endswith(end))


def _sent(server: RunningStandin, sample: Sample) -> tuple[DatastoreApiClient, str]:
    """Send all pieces of a dataset, not its end; returns the store and the upload's id."""
    store, files, upload_id = current_context().datastore_client(server.url), sample.files(), str(uuid.uuid4())
    store.reserve_upload(
        UploadSession(
            upload_id=upload_id,
            dataset_name="sent",
            organization_id="sample_organization",
            file_count=len(files),
            size_bytes=sum(len(data) for _, data in files),
        )
    )
    for path, data in files:
        piece = UploadPiece(
            upload_id=upload_id, relative_path=path, number=1, pieces=1, piece_bytes=len(data), file_bytes=len(data),
            file_count=len(files),
        )  # fmt: skip
        store.send_piece(piece, data)
    return store, upload_id


def _states() -> list[str | None]:
    found = current_context().client().dataset_list(is_active=None, organization_id=None, name="sent", folder_id=None)
    return [one.status for one in found]


def test_an_end_whose_answer_is_lost_has_happened_and_a_second_one_is_refused(
    server: RunningStandin, sample: Sample
) -> None:
    store, upload_id = _sent(server, sample)
    _order(server, path="finishUpload", kind="lost")

    with pytest.raises(UnexpectedStatusError, match="500"):
        store.finish_upload(upload_id)
    assert _states() == [""]
    with pytest.raises(RequestRefusedError, match="noSuchUpload"):
        store.finish_upload(upload_id)


def test_an_end_that_a_proxy_repeats_is_refused_and_has_happened(server: RunningStandin, sample: Sample) -> None:
    store, upload_id = _sent(server, sample)
    _order(server, path="finishUpload", kind="twice")

    with pytest.raises(RequestRefusedError, match="noSuchUpload"):
        store.finish_upload(upload_id)
    assert _states() == [""]


def test_a_slow_end_outlasts_patience_and_happens_all_the_same(server: RunningStandin, sample: Sample) -> None:
    store, upload_id = _sent(server, sample)
    _order(server, path="finishUpload", kind="slow", seconds=0.5)
    assert server.seed is not None
    impatient = Transport(headers={"X-Auth-Token": server.seed.admin}, timeout_seconds=0.1)

    url = f"{server.url}/data/v16/datasets/upload/dataset/finishUpload"
    with pytest.raises(NoAnswerError, match="no answer in time"):
        impatient.request("POST", url, params={"uploadId": upload_id})
    deadline = time.monotonic() + 20
    while _states() != [""] and time.monotonic() < deadline:  # the server is still at it
        time.sleep(0.05)
    assert _states() == [""]
    assert store.unfinished_uploads("sample_organization") == []


def test_a_dataset_whose_end_never_came_is_stuck_until_it_is_given_up(server: RunningStandin, sample: Sample) -> None:
    store, upload_id = _sent(server, sample)
    _order(server, path="finishUpload", kind="status", status=500)

    with pytest.raises(UnexpectedStatusError):
        store.finish_upload(upload_id)
    assert _states() == ["Not yet fully uploaded."]
    store.cancel_upload(upload_id)
    assert _states() == []


def test_a_token_that_expires_on_the_way_opens_nothing_more(server: RunningStandin, sample: Sample) -> None:
    assert server.seed is not None
    with webknossos_context(url=server.url, token=server.seed.manager):
        store, upload_id = _sent(server, sample)
        server.world.database.change("UPDATE tokens SET expires = 1 WHERE token = ?", (server.seed.manager,))

        with pytest.raises(PermissionError):
            store.finish_upload(upload_id)
        with pytest.raises(NotAuthenticatedError):
            current_context().client().team_list()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_a_proxy_says_while_the_server_is_away_is_outwaited_by_those_who_read(
    server: RunningStandin, status: int
) -> None:
    client = current_context().client()
    client.team_list()
    _order(server, path="/teams", kind="status", status=status, html=True, times=2, body="Bad Gateway")
    assert len(client.team_list()) == 2

    _order(server, path="/teams", kind="status", status=status, html=True, times=99, body="Bad Gateway")
    before = _asked(server, "/teams")
    with pytest.raises(ServerBusyError, match="Bad Gateway"):
        client.team_add(team=ApiTeamAdd(name="new"))
    assert _asked(server, "/teams") == before  # a fault is no request that was answered


def test_retry_after_is_told(server: RunningStandin) -> None:
    _order(server, path="/teams", kind="status", status=429, retryAfter=0.01)
    assert len(current_context().client().team_list()) == 2


@pytest.mark.parametrize("kind", ["drop", "truncate"])
def test_a_broken_answer_is_asked_for_again(server: RunningStandin, kind: str) -> None:
    client = current_context().client()
    _order(server, path="/teams", kind=kind)
    assert len(client.team_list()) == 2


def test_a_fault_waits_for_its_turn_and_meets_only_what_fits(server: RunningStandin) -> None:
    client = current_context().client()
    _order(server, path="/teams$", method="GET", kind="status", status=500, skip=1)
    assert len(client.team_list()) == 2
    assert client.user_current().email == "admin@example.org"
    with pytest.raises(UnexpectedStatusError):
        client.team_list()
    assert len(client.team_list()) == 2


def test_tasks_on_a_dataset_that_the_team_may_not_read_come_with_a_warning(server: RunningStandin) -> None:
    from tests.standin.standin_client import StandinClient
    from wk_assets.standin.seed import Seed

    assert server.seed is not None
    asked = StandinClient(server.world, Seed(admin=server.seed.admin, manager="", annotators=()))
    root = asked.as_admin("GET", "/api/v16/folders/root").json()
    asked.as_admin("PUT", f"/api/v16/folders/{root['id']}", json={"name": root["name"], "allowedTeams": []})
    asked.project()
    (warning,) = asked.tasks(1, asked.task_type(), asked.dataset()).json()["warnings"]
    assert "has no read permission" in warning
