import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.cli.conftest import Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.storage.stored_array import StoredArray

VOXEL_SIZE = ("--voxel-size", "10,10,30")


def test_a_folder_of_slices_becomes_a_dataset_voxel_by_voxel(command: Command, stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"

    outcome = command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx", "--json")

    assert outcome.code == ExitCode.OK
    assert outcome.document["published"] is True
    array = StoredArray.open(target / "color" / "1")
    stored = array.read(BoundingBox((0, 0, 0), array.size))
    planes = [tifffile.imread(stack / f"slice_{z}.tif") for z in range(5)]
    np.testing.assert_array_equal(stored[0].transpose(2, 1, 0), np.stack(planes))
    properties = json.loads((target / "datasource-properties.json").read_text())
    assert properties["scale"] == {"factor": [10.0, 10.0, 30.0], "unit": "nanometer"}


def test_a_second_source_becomes_one_more_layer(command: Command, stack: Path, tmp_path: Path) -> None:
    target, labels = tmp_path / "dataset", tmp_path / "labels.tif"
    tifffile.imwrite(labels, np.full((5, 30, 34), 9, np.uint32), metadata={"axes": "ZYX"})
    command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx")

    outcome = command("convert", labels, target, *VOXEL_SIZE, "--category", "segmentation")

    layers = command("info", target, "--json").document["layers"]
    assert outcome.code == ExitCode.OK
    assert [(layer["name"], layer["category"]) for layer in layers] == [
        ("color", "color"),
        ("segmentation", "segmentation"),
    ]
    assert layers[1]["largest_segment_id"] == 9


def test_another_voxel_size_is_refused_before_the_dataset_changes(
    command: Command, stack: Path, tmp_path: Path
) -> None:
    target = tmp_path / "dataset"
    command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx")
    before = (target / "datasource-properties.json").read_bytes()

    outcome = command("convert", stack, target, "--voxel-size", "4,4,4", "--axes", "yx", "--layer-name", "other")

    assert outcome.code == ExitCode.CONFIGURATION
    assert "voxel size" in outcome.err
    assert (target / "datasource-properties.json").read_bytes() == before


def test_a_dry_run_of_convert_writes_nothing(command: Command, stack: Path, tmp_path: Path) -> None:
    outcome = command("convert", stack, tmp_path / "dataset", *VOXEL_SIZE, "--axes", "yx", "--dry-run", "--json")

    assert outcome.code == ExitCode.OK
    assert outcome.document["layers"][0]["size"] == [34, 30, 5]
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("options", "mags"),
    [
        (["--no-downsample"], ["1"]),
        (["--mags", "2-2-1, 4-4-2"], ["1", "2-2-1", "4-4-2"]),
        ([], ["1", "2-2-1", "4-4-1"]),
        (["--sampling", "isotropic"], ["1", "2", "4"]),
    ],
)
def test_the_mags_are_those_that_were_asked_for(
    command: Command, stack: Path, tmp_path: Path, options: list[str], mags: list[str]
) -> None:
    arguments = (stack, tmp_path / "dataset", *VOXEL_SIZE, "--axes", "yx", *options)

    document = command("convert", *arguments, "--dry-run", "--json").document

    assert [mag["mag"] for mag in document["layers"][0]["mags"]] == mags


@pytest.mark.parametrize("layout", ["ome", "webknossos"])
@pytest.mark.parametrize(("asked", "level"), [("none", None), ("compact", 9), ("zstd:7", 7), ("auto", 1)])
def test_layout_and_compression_are_written_as_asked(
    command: Command, stack: Path, tmp_path: Path, layout: str, asked: str, level: int | None
) -> None:
    target = tmp_path / "dataset"

    outcome = command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx", "--layout", layout, "--compression", asked)

    array = StoredArray.open(target / "color" / "1")
    assert outcome.code == ExitCode.OK
    assert array.layout == layout
    assert array.array_layout.zstd_level == level


def test_a_compression_that_nobody_knows_is_a_mistake(command: Command, stack: Path, tmp_path: Path) -> None:
    outcome = command("convert", stack, tmp_path / "dataset", *VOXEL_SIZE, "--axes", "yx", "--compression", "lz4")

    assert outcome.code == ExitCode.CONFIGURATION
    assert "'lz4'" in outcome.err
    assert "zstd:LEVEL" in outcome.err


def test_the_choice_of_auto_is_made_once(command: Command, stack: Path, tmp_path: Path) -> None:
    """A rerun takes the level that the images have already, and finds nothing to do."""
    target = tmp_path / "dataset"
    options = (stack, target, *VOXEL_SIZE, "--axes", "yx")
    assert command("convert", *options, "--compression", "zstd:5").code == ExitCode.OK

    again = command("convert", *options, "--json")

    assert again.code == ExitCode.OK
    assert all(mag["reused"] for mag in again.document["layers"][0]["mags"])


def test_a_dry_run_estimates_bytes_and_seconds(command: Command, stack: Path, tmp_path: Path) -> None:
    options = (stack, tmp_path / "dataset", *VOXEL_SIZE, "--axes", "yx", "--dry-run")

    document = command("convert", *options, "--json").document
    text = command("convert", *options).out

    (layer,) = document["layers"]
    assert layer["compression"] == "zstd 1"
    assert 0 < layer["estimate"]["stored_bytes"] < layer["written_bytes_at_most"] * 7
    assert layer["estimate"]["seconds"] >= 0
    assert document["estimated_bytes"] == layer["estimate"]["stored_bytes"]
    assert "estimate for color: zstd 1" in text
    assert "judged by a sample of 1 chunk" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--axes", "yx"], ExitCode.SOURCE, "--voxel-size"),
        ([*VOXEL_SIZE, "--files", "*.png"], ExitCode.SOURCE, "*.png"),
        (["--voxel-size", "10,10", "--axes", "yx"], ExitCode.SOURCE, "x,y,z"),
        (["--voxel-size", "10,10,-1", "--axes", "yx"], ExitCode.SOURCE, "greater than zero"),
        ([*VOXEL_SIZE, "--category", "colour"], ExitCode.CONFIGURATION, "segmentation"),
        ([*VOXEL_SIZE, "--axes", "yx", "--layer-name", "a/b"], ExitCode.CONFIGURATION, "a/b"),
        ([*VOXEL_SIZE, "--axes", "yx", "--mags", "3"], ExitCode.CONFIGURATION, "power of two"),
        ([*VOXEL_SIZE, "--axes", "yx", "--memory", "much"], ExitCode.CONFIGURATION, "512 MiB"),
        ([*VOXEL_SIZE, "--layout", "tower"], ExitCode.USAGE, "tower"),
    ],
)
def test_a_wrong_option_is_one_message_and_nothing_is_written(
    command: Command, stack: Path, tmp_path: Path, arguments: list[str], code: ExitCode, words: str
) -> None:
    outcome = command("convert", stack, tmp_path / "dataset", *arguments)

    assert outcome.code == code
    assert words in outcome.err
    assert not (tmp_path / "dataset").exists()


def test_a_source_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    outcome = command("convert", tmp_path / "nowhere", tmp_path / "dataset", *VOXEL_SIZE)

    assert outcome.code == ExitCode.SOURCE
    assert "nowhere does not exist" in outcome.err


def test_a_target_that_is_a_file_is_refused(command: Command, stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.write_text("mine")

    outcome = command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx")

    assert outcome.code == ExitCode.STORAGE
    assert "taken" in outcome.err
    assert target.read_text() == "mine"


def test_a_folder_with_other_things_is_no_target(command: Command, stack: Path) -> None:
    """`convert stack .` typed in the wrong folder would fill it with arrays."""
    outcome = command("convert", stack, stack.parent, *VOXEL_SIZE, "--axes", "yx")

    assert outcome.code == ExitCode.STORAGE
    assert "holds other things (stack)" in outcome.err
    assert [path.name for path in stack.parent.iterdir()] == ["stack"]


def test_a_coarser_mag_is_made_from_what_is_stored(command: Command, stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx", "--no-downsample")

    planned = command("downsample", target, "color", "--mag", "2-2-1", "--mag", "4-4-1", "--dry-run", "--json")
    made = command("downsample", target, "color", "--mag", "2-2-1", "--mag", "4-4-1")
    again = command("downsample", target, "color", "--mag", "2-2-1", "--mag", "4-4-1")

    whole = tmp_path / "whole"
    command("convert", stack, whole, *VOXEL_SIZE, "--axes", "yx")
    assert planned.document["mags"] == 2
    assert (made.code, again.code) == (ExitCode.OK, ExitCode.OK)
    assert "everything was up to date" in again.out
    assert [mag["mag"] for mag in command("info", target, "--json").document["layers"][0]["mags"]] == [
        "1",
        "2-2-1",
        "4-4-1",
    ]
    for shard in ("2-2-1/c/0/0/0/0", "4-4-1/c/0/0/0/0"):
        assert (target / "color" / shard).read_bytes() == (whole / "color" / shard).read_bytes()


def test_without_mags_the_usual_ones_are_made(command: Command, stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx", "--no-downsample")

    outcome = command("downsample", target, "color", "--json")

    assert [mag["mag"] for mag in outcome.document["layers"][0]["mags"]] == ["2-2-1", "4-4-1"]


def test_an_unknown_layer_is_refused_with_those_that_there_are(command: Command, stack: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    command("convert", stack, target, *VOXEL_SIZE, "--axes", "yx")

    outcome = command("downsample", target, "colour")

    assert outcome.code == ExitCode.CONFIGURATION
    assert "it has color" in outcome.err


def test_what_is_no_dataset_is_not_downsampled(command: Command, tmp_path: Path) -> None:
    outcome = command("downsample", tmp_path, "color")

    assert outcome.code == ExitCode.STORAGE
    assert "datasource-properties.json" in outcome.err
