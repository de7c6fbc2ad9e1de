"""The commands say what they did, and what to do about a store that refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.object_storage.fault_proxy import FaultProxy
from tests.object_storage.seaweed import BUCKET, SECRET
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.main import app
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0))
    layer = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
    layer.add_mag(1)
    return tmp_path / "local"


def test_there_and_back_again(dataset: Path, s3: FaultProxy, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/{tmp_path.name}"

    planned = CliRunner().invoke(app, ["push", str(dataset), url, "--dry-run"])
    assert (planned.exit_code, s3.puts()) == (0, 0)
    pushed = CliRunner().invoke(app, ["push", str(dataset), url, "--json"])
    again = CliRunner().invoke(app, ["push", str(dataset), url])
    pulled = CliRunner().invoke(app, ["pull", url, str(tmp_path / "back")])

    assert json.loads(pushed.stdout)["objects"] >= 3
    assert "0 B copied" in again.stdout
    assert "wk-assets info" in pulled.stdout
    assert Dataset.open(tmp_path / "back").voxel_size == (11.0, 11.0, 25.0)


def test_a_store_that_refuses_is_a_storage_error_without_the_secret(
    dataset: Path, s3: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-wrong")

    refused = CliRunner().invoke(app, ["push", str(dataset), f"s3://{BUCKET}/elsewhere"])

    assert refused.exit_code == ExitCode.STORAGE
    assert SECRET not in refused.output
    assert "AWS_SECRET_ACCESS_KEY" in refused.output
