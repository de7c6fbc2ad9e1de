"""Versions, rights, datasets, uploads, faults: what a client may rely on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.standin.standin_client import StandinClient
from wk_assets.client.context import current_context, webknossos_context
from wk_assets.client.store_clients import DatastoreApiClient, UploadPiece, UploadSession
from wk_assets.errors import (
    ForbiddenError,
    NoAnswerError,
    NotAuthenticatedError,
    RequestRefusedError,
    ServerBusyError,
    UnexpectedStatusError,
)
from wk_assets.standin.data_sources import zarr2_mistakes, zarr3_mistakes
from wk_assets.standin.server import RunningStandin, running_standin
from wk_assets.standin.world import Settings

V = "/api/v16"
GOOD = {
    "zarr_format": 3, "node_type": "array", "shape": [1, 64, 64, 64], "data_type": "uint8", "fill_value": 0,
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 32, 32, 32]}},
    "chunk_key_encoding": {"name": "default"},
    "codecs": [
        {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}}, {"name": "bytes"},
        {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("version", [9, 17])
def test_a_version_that_is_not_served_is_answered_with_those_that_are(standin: StandinClient, version: int) -> None:
    answer = standin.as_admin("GET", f"/api/v{version}/user")

    assert answer.status_code == 404
    assert "at least 10 and at most 16" in answer.json()["messages"][0]["error"]


def test_each_request_has_a_version_of_its_own(standin: StandinClient) -> None:
    standin.dataset()
    assert "dataStore" in standin.as_admin("GET", "/api/v15/datasets").json()[0]
    assert "dataStore" not in standin.as_admin("GET", "/api/v15/datasets", params={"compact": "true"}).json()[0]
    assert "dataStore" not in standin.as_admin("GET", "/api/v16/datasets").json()[0]
    assert standin.as_admin("GET", "/api/datasets").json() == standin.as_admin("GET", "/api/v16/datasets").json()


def test_nobody_and_somebody_without_rights_are_told_apart(standin: StandinClient) -> None:
    nobody = standin.request(None, "GET", f"{V}/user")
    assert (nobody.status_code, nobody.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    forbidden = standin.as_annotator(0, "POST", f"{V}/teams", json={"name": "mine"})
    assert forbidden.status_code == 403
    hidden = standin.request(None, "GET", f"{V}/datasets/{standin.dataset()}")
    assert hidden.status_code == 404


def test_teams_come_and_go_unless_something_refers_to_them(standin: StandinClient) -> None:
    made = standin.as_admin("POST", f"{V}/teams", json={"name": "tracers"}).json()
    assert standin.as_admin("POST", f"{V}/teams", json={"name": "tracers"}).status_code == 400
    project = standin.project(team=made["id"])

    assert standin.as_admin("DELETE", f"{V}/teams/{made['id']}").status_code == 403
    standin.as_admin("DELETE", f"{V}/projects/{project['id']}")
    assert standin.as_admin("DELETE", f"{V}/teams/{made['id']}").status_code == 200
    assert made["id"] not in {team["id"] for team in standin.as_admin("GET", f"{V}/teams").json()}


def test_folders_hold_one_another_but_never_themselves(standin: StandinClient) -> None:
    root = standin.as_admin("GET", f"{V}/folders/root").json()["id"]

    def create(name: str, parent: str) -> str:
        made = standin.as_admin("POST", f"{V}/folders/create", params={"parentId": parent, "name": name})
        return str(made.json()["id"])

    outer = create("outer", root)
    inner = create("inner", outer)
    move = f"{V}/folders/{outer}/move"
    assert standin.as_admin("PUT", move, params={"newParentId": inner}).status_code == 400
    assert standin.as_admin("DELETE", f"{V}/folders/{outer}").status_code == 400
    assert standin.as_admin("DELETE", f"{V}/folders/{root}").status_code == 400
    assert standin.as_admin("DELETE", f"{V}/folders/{inner}").status_code == 200
    assert standin.as_admin("DELETE", f"{V}/folders/{outer}").status_code == 200


def test_a_sharing_token_opens_one_dataset(standin: StandinClient) -> None:
    first, second = standin.dataset("first"), standin.dataset("second")
    token = standin.as_admin("GET", f"{V}/datasets/{first}/sharingToken").json()["sharingToken"]

    assert standin.request(None, "GET", f"{V}/datasets/{first}", params={"sharingToken": token}).status_code == 200
    assert standin.request(None, "GET", f"{V}/datasets/{second}", params={"sharingToken": token}).status_code == 404


def test_a_body_without_what_is_needed_gets_the_form_of_the_framework(standin: StandinClient) -> None:
    refused = standin.as_admin("POST", f"{V}/projects", json={"name": "p"})

    assert refused.status_code == 400
    assert refused.json()["obj.team"] == [{"msg": ["error.path.missing"], "args": []}]


@pytest.mark.parametrize(("version", "shown"), [(14, 7), (16, {"customJsonEncoding": "bigint", "value": "7"})])
def test_ids_are_in_an_envelope_from_version_fifteen_on(standin: StandinClient, version: int, shown: object) -> None:
    dataset = standin.dataset()
    stored = standin.world.get("datasets", dataset)
    assert stored is not None
    layer = stored["source"]["dataLayers"][0]
    layer.update(category="segmentation", largestSegmentId=7, elementClass="uint32")
    standin.world.save("datasets", dataset, stored)

    told = standin.as_admin("GET", f"/api/v{version}/datasets/{dataset}").json()["dataSource"]["dataLayers"][0]
    assert told["largestSegmentId"] == shown


def test_an_update_changes_what_it_names_and_null_resets(standin: StandinClient) -> None:
    path = f"{V}/datasets/{standin.dataset()}"
    standin.as_admin("PATCH", f"{path}/updatePartial", json={"description": "x", "tags": ["a"]})
    told = standin.as_admin("PATCH", f"{path}/updatePartial", json={"description": None}).json()

    assert (told["description"], told["tags"]) == (None, ["a"])
    twice = {"metadata": [{"key": "k", "type": "string", "value": "v"}] * 2}
    assert standin.as_admin("PATCH", f"{path}/updatePartial", json=twice).status_code == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data_type": "bool"}, "data_type"),
        ({"chunk_grid": {"name": "rectilinear"}}, "chunk_grid"),
        ({"chunk_key_encoding": {"name": "default", "configuration": {"separator": "-"}}}, "separator"),
        ({"fill_value": False}, "fill_value"),
        ({"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]}, "big endian"),
        ({"codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 3}}]}, "checksum is missing"),
        ({"codecs": [{"name": "bytes"}, {"name": "lz4"}]}, "'lz4' is not read"),
        ({"codecs": [{"name": "transpose", "configuration": {"order": [0, 2, 1, 3]}}]}, "read as C"),
        ({"node_type": "group"}, "no Zarr v3 array"),
    ],
)
def test_what_the_real_reader_would_misread_is_refused(change: dict[str, Any], said: str) -> None:
    assert list(zarr3_mistakes(GOOD)) == []
    (mistake,) = zarr3_mistakes({**GOOD, **change})
    assert said in mistake


def test_nested_shards_and_odd_index_codecs_are_refused() -> None:
    index = [{"name": "bytes"}, {"name": "crc32c"}]
    shard = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [1], "codecs": GOOD["codecs"], "index_codecs": index},
    }
    assert list(zarr3_mistakes({**GOOD, "codecs": [shard]})) == []
    nested = {**shard, "configuration": {**shard["configuration"], "codecs": [shard]}}  # type: ignore[dict-item]
    assert any("more than one level" in one for one in zarr3_mistakes({**GOOD, "codecs": [nested]}))
    odd = {**shard, "configuration": {**shard["configuration"], "index_codecs": [{"name": "zstd"}]}}  # type: ignore[dict-item]
    assert any("index codecs" in one for one in zarr3_mistakes({**GOOD, "codecs": [odd]}))


@pytest.mark.parametrize(
    ("compressor", "said"),
    [(None, None), ({"id": "blosc"}, None), ({"id": "gzip"}, "gzip"), ({"id": "zstd", "level": "3"}, "integer level")],
)
def test_zarr_v2_is_as_strict(compressor: object, said: str | None) -> None:
    found = list(zarr2_mistakes({"zarr_format": 2, "dtype": "<u2", "compressor": compressor}))
    assert (found == []) if said is None else (said in found[0])


# ---------------------------------------------------------------------- over a real socket


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running_standin(tmp_path / "standin", settings=Settings(quota_bytes=1 << 20)) as running:
        yield running


def _session(files: int, size_bytes: int, upload_id: str = "u1", **changes: Any) -> UploadSession:
    values: dict[str, Any] = {
        "upload_id": upload_id, "dataset_name": "sent", "organization_id": "sample_organization", "file_count": files,
        "size_bytes": size_bytes, **changes,
    }  # fmt: skip
    return UploadSession(**values)


def _store(server: RunningStandin) -> DatastoreApiClient:
    return current_context().datastore_client(server.url)


def _piece(path: str, data: bytes, files: int = 1) -> UploadPiece:
    return UploadPiece(
        upload_id="u1",
        relative_path=path,
        number=1,
        pieces=1,
        piece_bytes=len(data),
        file_bytes=len(data),
        file_count=files,
    )


def test_an_upload_that_lacks_something_stays_and_one_that_is_wrong_goes(server: RunningStandin) -> None:
    assert server.seed is not None
    with webknossos_context(url=server.url, token=server.seed.admin):
        store, client = _store(server), current_context().client()
        store.reserve_upload(_session(2, 100))
        store.reserve_upload(_session(2, 100))  # the same once more is the same upload
        assert [one["uploadId"] for one in store.unfinished_uploads("sample_organization")] == ["u1"]
        store.send_piece(_piece("datasource-properties.json", b"{}"), b"{}")
        with pytest.raises(RequestRefusedError, match="Reserved file count does not match"):
            store.finish_upload("u1")
        (reserved,) = client.dataset_list(is_active=None, organization_id=None, name="sent", folder_id=None)
        assert reserved.status == "Not yet fully uploaded."
        store.send_piece(_piece("color/zarr.json", b"{}"), b"{}")
        with pytest.raises(RequestRefusedError, match="data source is not valid"):
            store.finish_upload("u1")
        assert client.dataset_list(is_active=None, organization_id=None, name="sent", folder_id=None) == []
        with pytest.raises(RequestRefusedError, match="noSuchUpload"):
            store.finish_upload("u1")


def test_an_upload_beyond_the_quota_or_out_of_its_folder_is_refused(server: RunningStandin) -> None:
    assert server.seed is not None
    with webknossos_context(url=server.url, token=server.seed.admin):
        store = _store(server)
        with pytest.raises(ForbiddenError, match="storage quota"):
            store.reserve_upload(_session(1, 2 << 20))
        store.reserve_upload(_session(1, 100))
        with pytest.raises(RequestRefusedError, match="leaves the upload"):
            store.send_piece(_piece("../escaped", b"x"), b"x")
        assert not (server.world.folder / "escaped").exists()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503, "times": 99}, ServerBusyError),
        ({"kind": "drop", "times": 99}, NoAnswerError),
        ({"kind": "truncate", "times": 99}, NoAnswerError),
        ({"kind": "status", "status": 401, "html": True}, NotAuthenticatedError),
    ],
)
def test_trouble_comes_when_it_is_ordered(
    server: RunningStandin, fault: dict[str, Any], error: type[Exception]
) -> None:
    import httpx

    assert server.seed is not None
    with webknossos_context(url=server.url, token=server.seed.admin):
        client = current_context().client()
        client.team_list()
        httpx.post(f"{server.url}/_standin/faults", json={"path": "/teams", **fault})
        with pytest.raises(error):
            client.team_list()
        httpx.delete(f"{server.url}/_standin/faults")
        assert len(client.team_list()) == 2


def test_a_lost_answer_is_an_error_of_something_that_happened(server: RunningStandin) -> None:
    import httpx

    assert server.seed is not None
    httpx.post(f"{server.url}/_standin/faults", json={"path": "/folders/create", "kind": "lost"})
    with webknossos_context(url=server.url, token=server.seed.admin):
        client = current_context().client()
        with pytest.raises(UnexpectedStatusError, match="a fault on order"):
            client.folder_add(folder_name="new", parent_id=client.folder_root().id)
        assert "new" in {folder.name for folder in client.folder_tree()}


def test_a_stand_in_remembers_after_a_restart(tmp_path: Path) -> None:
    with running_standin(tmp_path / "s") as first:
        assert first.seed is not None
        token = first.seed.admin
        with webknossos_context(url=first.url, token=token):
            client = current_context().client()
            client.folder_add(folder_name="kept", parent_id=client.folder_root().id)
    with running_standin(tmp_path / "s") as second:
        assert second.seed is None
        with webknossos_context(url=second.url, token=token):
            assert "kept" in {folder.name for folder in current_context().client().folder_tree()}


def test_a_person_sees_pages(standin: StandinClient) -> None:
    dataset = standin.dataset()
    page = standin.request(None, "GET", "/")
    assert "stand-in" in page.text
    assert f"/datasets/brain-{dataset}/view" in page.text
    shown = standin.request(None, "GET", f"/datasets/brain-{dataset}/view")
    assert "8 x 8 x 8" in shown.text
    assert standin.request(None, "GET", "/datasets/nothing/view").status_code == 404


def test_concurrent_requests_never_give_an_instance_twice(server: RunningStandin) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import httpx

    assert server.seed is not None
    from wk_assets.standin.seed import Seed

    client = StandinClient(server.world, Seed(admin=server.seed.admin, manager="", annotators=server.seed.annotators))
    client.project()
    client.tasks(1, client.task_type(), client.dataset(), neededExperience={"domain": "sample", "value": 0})
    tokens = [*server.seed.annotators[:2], server.seed.manager, server.seed.admin] * 3
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda token: (
                    httpx.post(f"{server.url}{V}/user/tasks/request", headers={"X-Auth-Token": token}).status_code
                ),
                tokens,
            )
        )
    assert answers.count(200) == 1
    assert np.all(np.isin(answers, [200, 400]))
