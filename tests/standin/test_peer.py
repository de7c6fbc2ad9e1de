"""WEBKNOSSOS' own Python library takes the stand-in for a server, in every version of the API that it speaks.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from wk_assets.standin.server import running_standin
from wk_assets.standin.world import Settings

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(900)]

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER_PYTHON = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_FLOWS = Path(__file__).with_name("peer_flows.py")
# The peer itself refuses the first two below version 14, and the third needs the mag of the first.
_SINCE_14 = {"mag_upload", "attachment_upload", "mag_to_path"}
# Routes that the peer calls in flows that are not driven: meshes of annotations, proofreading, weights of networks, short links,
# preliminary datasets, files of attachments through the proxy; and those of versions up to 13, driven by that version.
_NOT_DRIVEN = {
    "GET /aiModels/:", "GET /datasets/disambiguate/:/:/toId", "GET /tracingstore", "GET /health",
    "GET /datasets/:/proxy/layers/:/attachments/:/:/*",
    "GET /mapping/:/agglomerateGraph/:", "GET /shortLinks/byKey/:", "PATCH /users/:", "POST /aiModels/:/finishUploadToPath",
    "POST /aiModels/reserveUploadToPath", "POST /datasetConfigurations/:",
    "POST /datasets/:/reserveUploadToPathsForPreliminary",
    "POST /triggers/reload/:/:", "POST /volume/:/fullMesh.stl", "PUT /tasks/:",
    "POST /datasets/reserveUpload", "POST /datasets/finishUpload", "POST /datasets",
}  # fmt: skip


@pytest.mark.parametrize("version", [13, 14, 15, 16])
def test_every_flow_of_the_peer_works_and_every_route_it_calls_is_known(
    version: int, tmp_path: Path, shared_spec: Path
) -> None:
    if not _PEER_PYTHON.exists():
        pytest.skip(
            f"the peer library is not at {_PEER_PYTHON}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one"
        )
    with running_standin(tmp_path / "standin", settings=Settings(current_version=version)) as standin:
        assert standin.seed is not None
        finished = subprocess.run(
            [_PEER_PYTHON, _FLOWS, standin.url, standin.seed.admin, str(tmp_path / "local")],
            capture_output=True,
            text=True,
            check=False,
        )
        called = standin.world.database.rows("SELECT DISTINCT method, path, route FROM requests")
    assert finished.returncode == 0, finished.stderr[-4000:]
    (line,) = [one for one in finished.stdout.splitlines() if one.startswith("RESULT ")]
    told = json.loads(line.removeprefix("RESULT "))
    failed = {name: said for name, said in told.items() if said != "ok" and not (version < 14 and name in _SINCE_14)}

    assert failed == {}
    assert [one for one in called if one["route"] is None] == []
    if version == 16:
        routes = json.loads((shared_spec / "webknossos-server-routes.json").read_text())["routes"]
        used = {_plain(one["method"], one["path"]) for one in routes if one["used_by_pypi_client_4_3_3"]}
        answered = {_plain(one["method"].replace("HEAD", "GET"), one["route"]) for one in called}
        assert used - answered == _NOT_DRIVEN


def _plain(method: str, path: str) -> str:
    """Return a route without what names its server and its parts."""
    path = re.sub(r"^/(api|data|tracings)(/v(\{N\}|\d+))?(?=/)", "", path)
    path = re.sub(r"/zarr/.*", "/zarr/*", re.sub(r"\*+\w*", "*", re.sub(r":\w+", ":", path)))
    return f"{method} {path}"
