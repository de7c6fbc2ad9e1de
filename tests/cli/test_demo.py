import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.cli.conftest import Command
from wk_assets.cli.demo_home import MARKER, lay_out_demo, sample_images
from wk_assets.cli.demo_server import DEMO_TOKEN_VARIABLE, demo_server
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset
from wk_assets.facility.acquisitions import scan_instrument
from wk_assets.facility.configuration import load_configuration
from wk_assets.geometry.bounding_box import BoundingBox

PROGRAM = (sys.executable, "-c", "from wk_assets.cli.main import run; run()")


def test_the_inbox_looks_as_two_instruments_would_leave_it(tmp_path: Path) -> None:
    lay_out_demo(tmp_path)

    configuration = load_configuration(tmp_path)
    seen = {one.name: scan_instrument(one) for one in configuration.instruments.values()}
    assert {name: [acquisition.name for acquisition in found] for name, found in seen.items()} == {
        "confocal": ["nuclei_3d"],
        "cryo_tem": ["tomogram"],
    }
    planes = [
        tifffile.imread(tmp_path / "inbox" / "confocal" / "nuclei_3d" / f"nuclei_z{z:03d}.tif") for z in range(60)
    ]
    np.testing.assert_array_equal(np.stack(planes), tifffile.imread(sample_images() / "nuclei.tif"))


def test_the_marker_is_written_last(tmp_path: Path) -> None:
    lay_out_demo(tmp_path)

    for acquisition in (tmp_path / "inbox").glob("*/*"):
        times = {path.name: path.stat().st_mtime_ns for path in acquisition.iterdir()}
        assert times[MARKER] == max(times.values())


def test_laying_out_again_touches_nothing(tmp_path: Path) -> None:
    """Another mtime would make the acquisition a changed one, and the demo would import it again."""
    first = lay_out_demo(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    second = lay_out_demo(tmp_path)

    assert (first.created, second.created) == (True, False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_layout_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    lay_out_demo(tmp_path)
    (tmp_path / "inbox" / "cryo_tem" / "tomogram" / MARKER).unlink()
    (tmp_path / "inbox" / "cryo_tem" / "tomogram" / "tomogram.tif").write_bytes(b"half")

    assert lay_out_demo(tmp_path).created
    assert (tmp_path / "inbox" / "cryo_tem" / "tomogram" / "tomogram.tif").stat().st_size > 1 << 20


def test_a_dry_run_of_the_demo_writes_nothing(command: Command, tmp_path: Path) -> None:
    outcome = command("demo", "--home", tmp_path / "demo", "--dry-run")

    assert outcome.code == ExitCode.OK
    assert not (tmp_path / "demo").exists()


def _demo(home: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return subprocess.run(
        [*PROGRAM, "demo", "--home", str(home), "--json"], capture_output=True, text=True, check=False, env=environment
    )


def _assert_a_page_shows_it(home: Path, link: str) -> None:
    """Follow the link while the demo's server runs, as `wk-assets ui` runs it: a page with a picture of each layer."""
    with demo_server(load_configuration(home)):
        page = httpx.get(link, trust_env=False).text
        pictures = re.findall("<img alt='[^']*' src='([^']*)'", page)
        assert len(pictures) == 2
        base = link.partition("/datasets/")[0]
        assert all(httpx.get(f"{base}{one}", trust_env=False).content.startswith(b"\x89PNG") for one in pictures)


def _assert_the_loop_was_closed(campaign: dict[str, Any]) -> None:
    """Two boxes were painted, somebody went over each, and the result has the voxels of the labels that were painted."""
    figures = ("tasks", "open", "annotations", "reviews", "minutes")
    assert {name: campaign[name] for name in figures} == {
        "tasks": 4,
        "open": 0,
        "annotations": 4,
        "reviews": 2,
        "minutes": 10.0,
    }
    merged = Dataset.open(campaign["merged"]).get_layer("merged")
    painted = Dataset.open(Path(campaign["merged"]).parents[6] / "nuclei_3d").get_layer("nuclei_labels")
    place = BoundingBox((64, 96, 8), (128, 64, 32))
    drawn, labels = (one.get_finest_mag().read(absolute_bounding_box=place) for one in (merged, painted))
    np.testing.assert_array_equal(drawn > 0, labels > 0)
    assert drawn.max() > 0
    assert len(np.unique(drawn)) - 1 == campaign["segments"]


@pytest.mark.slow
def test_the_demo_makes_datasets_and_a_second_one_does_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sentence of the README, with real processes."""
    monkeypatch.setenv(DEMO_TOKEN_VARIABLE, "of another demo")
    home = tmp_path / "demo"

    first = _demo(home)
    made = {path: path.stat().st_mtime_ns for path in (home / "datasets").rglob("*") if path.is_file()}
    second = _demo(home)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    story, rest = json.loads(first.stdout), json.loads(second.stdout)
    assert (story["worked"], rest["worked"]) == (True, False)
    assert story["links"] == rest["links"]
    assert list(story["links"]) == ["nuclei_3d"]
    _assert_a_page_shows_it(home, story["links"]["nuclei_3d"])
    layers = {layer["name"]: layer for dataset in story["datasets"] for layer in dataset["layers"]}
    assert {name: layer["category"] for name, layer in layers.items()} == {
        "nuclei": "color",
        "nuclei_labels": "segmentation",
        "tomogram": "color",
    }
    assert layers["nuclei"]["size"] == [256, 256, 60]
    assert layers["nuclei_labels"]["largest_segment_id"] == 20
    assert all(len(layer["mags"]) >= 3 for layer in layers.values())
    assert rest["datasets"] == story["datasets"]
    _assert_the_loop_was_closed(story["campaign"])
    assert rest["campaign"] == story["campaign"]
    token = (home / "standin" / "token").read_text()
    assert not [one for one in (first, second) if token in one.stdout + one.stderr]
    assert {path: path.stat().st_mtime_ns for path in (home / "datasets").rglob("*") if path.is_file()} == made


@pytest.mark.slow
def test_a_demo_whose_source_is_corrupt_fails_with_the_files_name(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    lay_out_demo(home)
    broken = home / "inbox" / "confocal" / "nuclei_3d" / "nuclei_z030.tif"
    broken.write_bytes(broken.read_bytes()[:1000])

    failed = _demo(home)

    assert failed.returncode == ExitCode.FINDINGS
    assert "nuclei_z030.tif" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (home / "datasets" / "nuclei_3d" / "datasource-properties.json").exists()
