"""Our client and the stand-in keep the contract, in every version; with `-m live`, WK_URL and WK_TOKEN a real server, too."""

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.contract import dataset_operations, work_operations
from tests.contract.contract import OPERATIONS, Contract, Sample, run_contract
from tests.contract.sample import make_sample
from tests.contract.shapes import shapes
from wk_assets.client.wk_api_client import WkApiClient
from wk_assets.standin.server import running_standin
from wk_assets.standin.world import Settings

# read here: a test's environment has none of a person's own settings
_LIVE_URL, _LIVE_TOKEN = os.environ.get("WK_URL"), os.environ.get("WK_TOKEN")
_MODULES = (dataset_operations, work_operations)  # importing them registers their operations
_PEER_FLOWS = Path(__file__).parents[1] / "standin" / "peer_flows.py"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.mark.parametrize("version", WkApiClient.spoken_versions)
def test_client_and_standin_keep_the_contract(version: int, sample: Sample, tmp_path: Path) -> None:
    with running_standin(tmp_path / "standin", settings=Settings(current_version=version)) as standin:
        assert standin.seed is not None
        contract = Contract(
            url=standin.url,
            token=standin.seed.admin,
            version=version,
            sample=sample,
            annotator=standin.seed.annotators[0],
        )
        told = run_contract(contract)
        left = standin.world.database.count("SELECT COUNT(*) FROM projects")

    assert {name: said for name, said in told.items() if said != "ok" and not said.startswith("- ")} == {}
    skipped = {name for name, said in told.items() if said.startswith("- ")}
    assert skipped == ({"mag_upload", "attachment_upload", "upload_given_up", "preliminary"} if version < 14 else set())
    assert left == 0
    # a shape that no answer is held to proves nothing
    if version == max(WkApiClient.spoken_versions):
        assert set(shapes().routes) - contract.recorder.routes == {
            "POST /data/datasets/reserveUpload", "POST /data/datasets", "POST /data/datasets/finishUpload",
        }  # fmt: skip


def test_every_operation_of_the_list_has_a_shape_that_answers_are_held_to(shared_spec: Path) -> None:
    listed = json.loads((shared_spec / "endpoints.json").read_text())
    paths = {
        one["op"]: (one["method"].replace("HEAD", "GET"), re.sub(r"\{\w+\}", "x", one["path"].replace("/v{N}", "")))
        for one in listed
    }

    unknown = {name for name, (method, path) in paths.items() if shapes().of_route(method, path) is None}
    # tested where there is something painted, or an agglomerate: tests/standin/test_painted.py
    assert unknown == {"mesh_download_annotation", "agglomerate_graph"}


@pytest.mark.live
def test_a_real_server_keeps_the_contract(sample: Sample) -> None:
    if not (_LIVE_URL and _LIVE_TOKEN):
        pytest.skip("WK_URL and WK_TOKEN name the server and the administrator or team manager to test with")
    version = WkApiClient(
        base_wk_url=_LIVE_URL, timeout_seconds=60, headers={"X-Auth-Token": _LIVE_TOKEN}
    ).webknossos_api_version
    contract = Contract(url=_LIVE_URL.rstrip("/"), token=_LIVE_TOKEN, version=version, sample=sample, control=False)
    told = run_contract(contract)

    assert {name: said for name, said in told.items() if said != "ok" and not said.startswith("- ")} == {}


def test_every_flow_of_the_peer_has_an_operation_beside_it() -> None:
    tree = ast.parse(_PEER_FLOWS.read_text())
    flows = {
        one.name
        for one in tree.body
        if isinstance(one, ast.FunctionDef) and any(getattr(mark, "id", "") == "flow" for mark in one.decorator_list)
    }

    assert {flow for _, peers in OPERATIONS.values() for flow in peers} == flows


@pytest.mark.parametrize(
    ("value", "shape", "said"),
    [
        ({"id": "0" * 24}, {"id": "id"}, None),
        ({"id": "0" * 23}, {"id": "id"}, ".id is str"),
        ({}, {"id?": "id"}, None),
        ({}, {"id": "id"}, ".id is missing"),
        ({"more": 1}, {}, ".more is documented nowhere"),
        ({"more": 1}, {"*": "integer"}, None),
        ({"more": "x"}, {"*": "integer"}, ".more is str"),
        (True, "integer", "bool"),
        ([1, None], ["integer"], "[1] is null"),
        (None, "Box|null", None),
        ({"topLeft": [1]}, "Box|null", ".width is missing"),
        ({"customJsonEncoding": "bigint", "value": "7"}, "SegmentId", None),
        (7, "SegmentId", "an object is due"),
        (1_700_000_000, "milliseconds", "milliseconds is due"),
        ({"status": 400, "error": 7}, "Outcome", ".error is int"),
    ],
)
def test_what_has_another_shape_is_told_apart(value: object, shape: object, said: str | None) -> None:
    found = list(shapes().differences(value, shape, version=16, closed=True))

    assert (found == []) if said is None else (said in found[0])


def test_a_key_that_is_documented_nowhere_is_let_pass_where_servers_may_be_newer() -> None:
    assert list(shapes().differences({"newer": 1}, {}, version=16, closed=False)) == []
