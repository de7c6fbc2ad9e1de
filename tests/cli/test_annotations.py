"""The commands about annotations: list, download, upload, merge-fallback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.annotation.test_fallback_merge import annotation_of, dataset_of
from tests.served import Server, no_waiting, server
from wk_assets.annotation.annotation import Annotation
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.main import app
from wk_assets.dataset.dataset import Dataset

__all__ = ["no_waiting", "server"]


def ask(*arguments: object) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(app, [str(one) for one in arguments])
    return outcome.exit_code, outcome.stdout, outcome.stderr


def test_an_annotation_goes_up_is_listed_and_comes_down(server: Server, tmp_path: Path) -> None:
    dataset = server.dataset()
    sent = Annotation("cells", dataset_name="brain", dataset_id=dataset, voxel_size=(4, 4, 40))
    sent.skeleton.add_tree("axon").add_node(position=(1, 2, 3))
    sent.save(tmp_path / "cells.nml")

    would = ask("annotations", "upload", tmp_path / "cells.nml", "--dry-run")
    up = json.loads(ask("annotations", "upload", tmp_path / "cells.nml", "--json")[1])
    (listed,) = json.loads(ask("annotations", "list", "--json")[1])
    table = ask("annotations", "list")[1]
    planned = ask("annotations", "download", up["url"], tmp_path / "got", "--dry-run")
    down = json.loads(ask("annotations", "download", up["url"], tmp_path / "got", "--json")[1])
    again = ask("annotations", "download", up["url"], tmp_path / "got")
    over = ask("annotations", "download", listed["id"], tmp_path / "got", "--overwrite")

    assert would[:2] == (0, f"would put 1 tree and 0 volume layers on dataset brain at {server.url}\n")
    assert (up["trees"], up["volume_layers"]) == (1, [])
    assert (listed["name"], listed["state"], listed["type"]) == ("cells", "Active", "Explorational")
    assert "1 annotation" in table
    assert listed["id"] in table
    assert "would save version 0" in planned[1]
    assert (down["path"], down["trees"], down["version"]) == (str(tmp_path / "got/cells.nml"), 1, 0)
    assert again[0] == ExitCode.CONFIGURATION
    assert "pass --overwrite" in again[2]
    assert over[0] == ExitCode.OK
    assert Annotation.load(tmp_path / "got/cells.nml").skeleton.get_total_node_count() == 1


def test_what_goes_wrong_has_the_exit_code_of_its_kind(server: Server, tmp_path: Path) -> None:
    (tmp_path / "broken.nml").write_text("<things>")

    for code, said, *arguments in (
        (ExitCode.SERVER, "0" * 24, "annotations", "download", "0" * 24, tmp_path / "a.nml"),
        (ExitCode.CONFIGURATION, "broken.nml", "annotations", "upload", tmp_path / "broken.nml"),
        (ExitCode.CONFIGURATION, "a.txt", "annotations", "upload", tmp_path / "a.txt"),
    ):
        outcome = ask(*arguments)
        assert outcome[0] == code, outcome
        assert said in outcome[2]
        assert server.seed.admin not in outcome[1] + outcome[2]
    assert ask("annotations", "download")[0] == ExitCode.USAGE


def test_a_volume_annotation_is_merged_with_its_fallback_layer(tmp_path: Path) -> None:
    source, target = dataset_of(tmp_path / "source"), tmp_path / "target"
    annotation_of().save(tmp_path / "a.zip")

    planned = ask("merge-fallback", tmp_path / "a.zip", source, target, "--dry-run")
    missing = ask("merge-fallback", tmp_path / "a.zip", source, target, "--volume-layer-name", "other")
    made = ask("merge-fallback", tmp_path / "a.zip", source, target, "--json")
    again = ask("merge-fallback", tmp_path / "a.zip", source, target)

    assert planned[1].startswith("would lay volume layer Volume over layer seg")
    assert missing[0] == ExitCode.CONFIGURATION
    assert "no volume layer 'other'; it has 'Volume' (id 0)" in missing[2]
    assert json.loads(made[1]) == {
        "path": str(target), "layer": "seg", "volume_layer": "Volume", "mags": ["1"], "largest_segment_id": 21,
    }  # fmt: skip
    assert again[0] == ExitCode.CONFIGURATION
    assert "there is something at" in again[2]
    assert Dataset.open(target).get_layer("seg").get_mag(1).read()[0][32, 0, 1] == 20


@pytest.mark.parametrize("options", [[], ["--zeros-are-unpainted"]])
def test_zeros_are_erased_unless_it_is_said_otherwise(tmp_path: Path, options: list[str]) -> None:
    source = dataset_of(tmp_path / "source")
    annotation_of().save(tmp_path / "a.zip")

    made = ask("merge-fallback", tmp_path / "a.zip", source, tmp_path / "target", *options)

    found = Dataset.open(tmp_path / "target").get_layer("seg").get_mag(1).read()[0][60, 20, 20]
    assert made[0] == ExitCode.OK
    assert (found != 0) == bool(options)
