"""The download command: what it fetches, that it goes on, and that the token is said nowhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import stamina
from typer.testing import CliRunner

from tests.served import Server
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.main import app
from wk_assets.client.context import webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.standin.server import running_standin

VOXELS = np.random.default_rng(1).integers(1, 255, (1, 40, 40, 40), dtype=np.uint8)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    made = Dataset(tmp_path / "there", voxel_size=(1.0, 1.0, 1.0), name="there")
    layer = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (40, 40, 40)))
    layer.add_mag(1).write(VOXELS, allow_unaligned=True)
    layer.downsample()
    with running_standin(tmp_path / "standin") as standin, stamina.set_testing(True, attempts=2, cap=True):
        server = Server(standin)
        monkeypatch.setenv("WK_URL", server.url)
        monkeypatch.setenv("WK_TOKEN", server.seed.admin)
        with webknossos_context(url=server.url, token=server.seed.admin):
            url = RemoteDataset.explore_and_add_remote(tmp_path / "there", "there").url
        yield server, f"{url}/view#1,2,3"


def test_a_dataset_is_fetched_by_its_address_and_a_second_time_is_here(
    address: tuple[Server, str], tmp_path: Path
) -> None:
    server, url = address
    planned = CliRunner().invoke(app, ["download", url, str(tmp_path / "here"), "--dry-run"])
    assert not (tmp_path / "here").exists()
    first = CliRunner().invoke(app, ["download", url, str(tmp_path / "here"), "--json"])
    second = CliRunner().invoke(app, ["download", url, str(tmp_path / "here")])

    assert (planned.exit_code, first.exit_code, second.exit_code) == (0, 0, 0), first.output
    assert "would fetch" in planned.stdout
    told = json.loads(first.stdout)
    assert told["fetched_bytes"] >= VOXELS.nbytes
    assert not told["reused"]
    assert "it is here already" in second.stdout
    here = Dataset.open(tmp_path / "here").get_layer("color")
    assert len(here.mags) > 1
    np.testing.assert_array_equal(here.get_mag(1).read(), VOXELS)
    assert server.seed.admin not in planned.output + first.output + second.output


def test_a_part_is_fetched_in_another_format(address: tuple[Server, str], tmp_path: Path) -> None:
    chosen = ["--layer", "color", "--mag", "1", "--bbox", "10,0,5,20,40,8", "--data-format", "wkw", "--memory", "1 GiB"]

    outcome = CliRunner().invoke(app, ["download", address[1], str(tmp_path / "here"), *chosen])

    assert outcome.exit_code == ExitCode.OK, outcome.output
    layer = Dataset.open(tmp_path / "here").get_layer("color")
    assert ([str(mag) for mag in layer.mags], layer.data_format) == (["1"], "wkw")
    np.testing.assert_array_equal(layer.get_mag(1).read(), VOXELS[:, 10:30, :, 5:13])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--layer", "other"], ExitCode.CONFIGURATION, "has no layer other; it has color"),
        (["--data-format", "n5"], ExitCode.CONFIGURATION, "choose zarr3, zarr, wkw"),
        (["--memory", "much"], ExitCode.CONFIGURATION, "is not a size"),
    ],
)
def test_what_can_not_be_fetched_is_said(
    address: tuple[Server, str], tmp_path: Path, arguments: list[str], code: ExitCode, said: str
) -> None:
    outcome = CliRunner().invoke(app, ["download", address[1], str(tmp_path / "here"), *arguments])

    assert outcome.exit_code == code
    assert said in " ".join(outcome.output.split())


def test_a_server_that_refuses_is_exit_code_eight_and_leaves_no_dataset(
    address: tuple[Server, str], tmp_path: Path
) -> None:
    server, url = address
    server.fault(path="/data$", kind="status", status=503, times=20)

    outcome = CliRunner().invoke(app, ["download", url, str(tmp_path / "here")])

    assert outcome.exit_code == ExitCode.SERVER
    assert "503" in outcome.output
    assert server.seed.admin not in outcome.output
    assert not (tmp_path / "here" / "datasource-properties.json").exists()
