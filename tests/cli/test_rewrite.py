"""`wk-assets compress` and `copy-dataset`: the same voxels, stored once more."""

import json
from pathlib import Path

import numpy as np

from tests.cli.conftest import Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.storage.stored_array import StoredArray

VOXEL_SIZE = ("--voxel-size", "10,10,30")


def finest(dataset: Path) -> StoredArray:
    record = read_layer_record(dataset, "color")
    assert record is not None
    return StoredArray.open(dataset / record.mags[0].path)


def everything(array: StoredArray) -> bytes:
    return np.ascontiguousarray(array.read(BoundingBox((0, 0, 0), array.size))).tobytes()


def test_another_compression_keeps_every_voxel(command: Command, stack: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    command("convert", stack, dataset, *VOXEL_SIZE, "--axes", "yx", "--compression", "fast")
    before = everything(finest(dataset))

    planned = command("compress", dataset, "--compression", "compact", "--dry-run", "--json")
    unchanged = finest(dataset).array_layout.zstd_level
    outcome = command("compress", dataset, "--compression", "compact", "--chunk", "16", "--shard", "64")

    assert planned.code == outcome.code == ExitCode.OK
    assert unchanged == 1
    assert finest(dataset).array_layout.zstd_level == 9
    assert tuple(finest(dataset).chunk_shape) == (16, 16, 16)
    assert everything(finest(dataset)) == before
    assert command("verify", dataset).code == ExitCode.OK


def test_a_copy_keeps_voxels_bytes_and_what_is_said_of_them(command: Command, stack: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    command("convert", stack, source, *VOXEL_SIZE, "--axes", "yx")
    properties = json.loads((source / "datasource-properties.json").read_text())
    properties["dataLayers"][0]["somethingNew"] = {"kept": True}
    properties["dataLayers"][0]["defaultViewConfiguration"]["color"] = [255, 0, 0]
    (source / "datasource-properties.json").write_text(json.dumps(properties))

    outcome = command("copy-dataset", source, target)

    copied = json.loads((target / "datasource-properties.json").read_text())
    assert outcome.code == ExitCode.OK
    assert copied["id"]["name"] == "target"
    assert copied["dataLayers"] == properties["dataLayers"]
    assert finest(target).manifest == finest(source).manifest


def test_a_setting_that_needs_a_source_is_refused(command: Command, stack: Path, tmp_path: Path) -> None:
    command("convert", stack, tmp_path / "dataset", *VOXEL_SIZE, "--axes", "yx")
    outcome = command("compress", tmp_path / "dataset", "--compression", "auto")
    assert outcome.code == ExitCode.CONFIGURATION
    assert "preset" in outcome.err


def test_a_folder_that_is_no_dataset_is_named(command: Command, tmp_path: Path) -> None:
    outcome = command("copy-dataset", tmp_path, tmp_path / "target")
    assert outcome.code == ExitCode.STORAGE
    assert str(tmp_path) in outcome.err
    assert not (tmp_path / "target").exists()
