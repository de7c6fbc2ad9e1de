"""The upload command: what it says, and that the token is said nowhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.main import app
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.standin.server import running_standin


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    made = Dataset(tmp_path / "local", voxel_size=(1.0, 1.0, 1.0), name="sent")
    layer = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (32, 32, 32)))
    layer.add_mag(1).write(np.ones((1, 32, 32, 32), np.uint8), allow_unaligned=True)
    return tmp_path / "local"


def test_a_dataset_is_sent_and_linked(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_standin(tmp_path / "standin") as standin:
        assert standin.seed is not None
        monkeypatch.setenv("WK_URL", standin.url)
        monkeypatch.setenv("WK_TOKEN", standin.seed.admin)
        planned = CliRunner().invoke(app, ["upload", str(dataset), "--dry-run"])
        first = CliRunner().invoke(app, ["upload", str(dataset), "--json"])
        second = CliRunner().invoke(app, ["upload", str(dataset)])

    assert (planned.exit_code, first.exit_code, second.exit_code) == (0, 0, 0)
    assert "would send 3 files" in planned.stdout
    told = json.loads(first.stdout)
    assert told["url"] == f"{standin.url}/datasets/sent-{told['dataset_id']}"
    assert "the server has it already" in second.stdout
    assert standin.seed.admin not in planned.output + first.output + second.output


def test_a_dataset_is_placed_into_a_folder_with_a_layer_that_the_server_has(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Dataset(tmp_path / "other", voxel_size=(1.0, 1.0, 1.0), name="other")
    other.add_layer("labels", "segmentation", bounding_box=BoundingBox((0, 0, 0), (32, 32, 32))).add_mag(1)
    with running_standin(tmp_path / "standin") as standin:
        assert standin.seed is not None
        monkeypatch.setenv("WK_URL", standin.url)
        monkeypatch.setenv("WK_TOKEN", standin.seed.admin)
        sent = CliRunner().invoke(app, ["upload", str(dataset), "--json"])
        link = f"{json.loads(sent.stdout)['dataset_id']}/color=raw"
        place = ["upload", str(other.path), "--transfer-mode", "symlink", "--link-layer", link]
        planned = CliRunner().invoke(app, [*place, "--dry-run"])
        nowhere = CliRunner().invoke(app, [*place, "--folder", "no/such/folder"])
        placed = CliRunner().invoke(app, [*place, "--json"])
        stored = [row["doc"] for row in standin.world.database.rows("SELECT doc FROM datasets WHERE name = 'other'")]

    assert (sent.exit_code, planned.exit_code, placed.exit_code) == (0, 0, 0), placed.output
    assert "would place 1 mags and attachments (symlink)" in planned.stdout.replace("\n", " ")
    assert nowhere.exit_code != 0
    assert "no/such/folder" in nowhere.output
    (made,) = stored
    assert made["id"] == json.loads(placed.stdout)["dataset_id"]
    assert [layer["name"] for layer in made["source"]["dataLayers"]] == ["labels", "raw"]
    assert Path(made["source"]["dataLayers"][0]["mags"][0]["path"]).resolve() == (tmp_path / "other/labels/1").resolve()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--link-layer", "color"], "write DATASET-ID/LAYER"),
        (["--path-prefix", "/x"], "with --transfer-mode http the server chooses"),
    ],
)
def test_options_that_say_nothing_are_refused(dataset: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["upload", str(dataset), *options])

    assert result.exit_code == ExitCode.CONFIGURATION
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WK_URL": "http://127.0.0.1:9"}, "Set WK_TOKEN"),
        ({"WK_URL": "http://127.0.0.1:9", "WK_TOKEN": "s3cr3t"}, "the server was not reached"),
    ],
)
def test_a_server_that_can_not_be_asked_is_exit_code_eight(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    import stamina

    monkeypatch.delenv("WK_TOKEN", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with stamina.set_testing(True, attempts=2, cap=True):
        result = CliRunner().invoke(app, ["upload", str(dataset)])

    assert result.exit_code == ExitCode.SERVER
    assert said in result.output.replace("\n", " ")
    assert "s3cr3t" not in result.output
