"""`wk-assets upsample` and `wk-assets downsample` on layers of any origin: what they say, what they make, what they leave."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli.conftest import Command
from tests.operations import crash_lab
from tests.operations.layer_on_disk import pyramid
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.properties.layer_properties import DataFormat

SIZE = (40, 30, 20)
CHANGED = BoundingBox((3, 5, 7), (6, 4, 5))


def made(folder: Path, mag: str = "1", data_format: DataFormat = DataFormat.Zarr3) -> NDArray[np.uint8]:
    """Make a dataset with the layers `em` and `labels` through the object interface; return the voxels of each."""
    dataset = Dataset(folder, voxel_size=(4, 4, 20))
    box = BoundingBox((0, 0, 0), SIZE).align_with_mag(Mag(mag), ceil=True)
    voxels = np.random.default_rng(1).integers(0, 5, (1, *box.in_mag(Mag(mag)).size)).astype("uint8")
    for name, category in (("em", "color"), ("labels", "segmentation")):
        layer = dataset.add_layer(name, category, dtype="uint8", bounding_box=box, data_format=data_format)
        layer.add_mag(mag, shard_shape=32 if data_format is not DataFormat.Zarr3 else None).write(voxels)
    return voxels


def read(folder: Path, layer: str, mag: str) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = Dataset.open(folder).get_layer(layer).get_mag(mag).read()
    return found


def mags(folder: Path, layer: str) -> list[str]:
    return [view.name for view in Dataset.open(folder).get_layer(layer).mags.values()]


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.WKW])
def test_every_layer_gets_its_usual_mags(command: Command, tmp_path: Path, data_format: DataFormat) -> None:
    target = tmp_path / "dataset"
    voxels = made(target, data_format=data_format)

    planned = command("downsample", target, "--coarsest-mag", "4", "--dry-run", "--json")
    assert mags(target, "em") == ["1"]
    outcome = command("downsample", target, "--coarsest-mag", "4", "--json")
    again = command("downsample", target, "--coarsest-mag", "4")

    assert (planned.code, outcome.code, again.code) == (0, 0, 0), outcome.err
    assert [one["mag"] for one in planned.document["layers"][0]["mags"]] == ["2-2-1", "4-4-1"]
    assert planned.document["mags"] == 4
    assert planned.document["layers"] == outcome.document["layers"]
    for layer, mode in (("em", DownsamplingMode.MEDIAN), ("labels", DownsamplingMode.MODE)):
        for mag, expected in pyramid(voxels, ("1", "2-2-1", "4-4-1"), mode).items():
            np.testing.assert_array_equal(read(target, layer, mag), expected)
    assert "nothing to do" in again.out


def test_options_choose_layer_mags_and_mode(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    voxels = made(target)
    first = command(
        "downsample", target, "--layer-name", "em", "--mag", "4", "--mag", "2", "--interpolation-mode", "max"
    )
    second = command(
        "downsample", target, "em", "--from-mag", "2", "--coarsest-mag", "8", "--sampling-mode", "isotropic"
    )
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (mags(target, "em"), mags(target, "labels")) == (["1", "2", "4", "8"], ["1"])
    np.testing.assert_array_equal(read(target, "em", "4"), pyramid(voxels, ("1", "2", "4"), DownsamplingMode.MAX)["4"])


@pytest.mark.parametrize("options", [["--redo"], ["--region", CHANGED.to_csv()]])
def test_mags_of_edited_layers_are_made_anew_on_demand(command: Command, tmp_path: Path, options: list[str]) -> None:
    target = tmp_path / "dataset"
    made(target)
    command("downsample", target, "em", "--coarsest-mag", "4")
    painted = np.full((1, *CHANGED.size), 9, "uint8")
    Dataset.open(target).get_layer("em").get_mag(1).write(painted, absolute_bounding_box=CHANGED, allow_unaligned=True)

    planned = command("downsample", target, "em", *options, "--dry-run")
    outcome = command("downsample", target, "em", *options)

    assert outcome.code == 0, outcome.err
    assert ("in part" in outcome.out) == (options[0] == "--region")
    assert "to do" in planned.out
    expected = pyramid(read(target, "em", "1"), ("1", "2-2-1", "4-4-1"), DownsamplingMode.MEDIAN)
    for mag in ("2-2-1", "4-4-1"):
        np.testing.assert_array_equal(read(target, "em", mag), expected[mag])
    refused = command("downsample", target, "em", *options, "--mag", "2-2-1")
    assert refused.code == ExitCode.CONFIGURATION
    assert "leave out --mag" in refused.err


def test_an_imported_layer_that_was_edited_is_found_to_be_stale(command: Command, tmp_path: Path) -> None:
    crash_lab.write_slices(tmp_path / "inbox", 40)
    target = tmp_path / "dataset"
    crash_lab.make_dataset(tmp_path / "inbox", target)
    fresh = command("downsample", target, "--dry-run", "--json", "--mag", "2", "--mag", "4")
    Dataset.open(target).get_layer("color").get_mag(1).write(
        np.full((1, *CHANGED.size), 250, "uint8"), absolute_bounding_box=CHANGED, allow_unaligned=True
    )

    stale = command("downsample", target, "--dry-run", "--json", "--mag", "2", "--mag", "4")
    redone = command("downsample", target, "--region", CHANGED.to_csv())
    after = command("downsample", target, "--dry-run", "--json", "--mag", "2", "--mag", "4")

    assert redone.code == 0, redone.err
    assert [one.document["up_to_date"] for one in (fresh, stale, after)] == [True, False, True]
    expected = pyramid(read(target, "color", "1"), ("1", "2", "4"), DownsamplingMode.MEDIAN)
    for mag in ("2", "4"):
        np.testing.assert_array_equal(read(target, "color", mag), expected[mag])
    assert command("verify", target).code == 0


@pytest.mark.parametrize("region", ["1,2,3", "900,900,900,5,5,5"])
def test_a_region_that_is_none_is_refused(command: Command, tmp_path: Path, region: str) -> None:
    crash_lab.write_slices(tmp_path / "inbox", 20)
    crash_lab.make_dataset(tmp_path / "inbox", tmp_path / "dataset")
    outcome = command("downsample", tmp_path / "dataset", "color", "--region", region)
    assert outcome.code == ExitCode.CONFIGURATION
    assert region in outcome.err


def test_finer_mags_repeat_voxels(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    voxels = made(target, mag="4-4-1")

    planned = command("upsample", target, "--from-mag", "4-4-1", "--layer-name", "em", "--dry-run", "--json")
    outcome = command("upsample", target, "--from-mag", "4-4-1", "--layer-name", "em")
    again = command("upsample", target, "--from-mag", "4-4-1", "--layer-name", "em")

    assert (planned.code, outcome.code, again.code) == (0, 0, 0), outcome.err
    assert [one["mag"] for one in planned.document["layers"][0]["mags"]] == ["2-2-1", "1"]
    assert (mags(target, "em"), mags(target, "labels")) == (["1", "2-2-1", "4-4-1"], ["4-4-1"])
    repeated = np.repeat(np.repeat(voxels, 4, axis=1), 4, axis=2)
    np.testing.assert_array_equal(read(target, "em", "1"), repeated[:, :, : read(target, "em", "1").shape[2]])
    assert "nothing to do" in again.out


def test_a_mag_that_is_there_is_left_alone_and_the_others_are_made(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    made(target, mag="4-4-1")
    assert command("upsample", target, "--from-mag", "4-4-1", "--finest-mag", "2-2-1").code == 0
    outcome = command("upsample", target, "--from-mag", "4-4-1")
    assert outcome.code == 0, outcome.err
    assert mags(target, "em") == mags(target, "labels") == ["1", "2-2-1", "4-4-1"]


@pytest.mark.parametrize(("from_mag", "says"), [("2", "no mag 2"), ("4-4-1", "multiple")])
def test_what_can_not_be_repeated_is_refused(command: Command, tmp_path: Path, from_mag: str, says: str) -> None:
    target = tmp_path / "dataset"
    made(target, mag="4-4-1")
    outcome = command("upsample", target, "--from-mag", from_mag, "--finest-mag", "1" if from_mag == "2" else "2")
    assert outcome.code == ExitCode.CONFIGURATION
    assert says in outcome.err


def test_layers_of_others_are_compressed_mag_by_mag(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    made(target)
    layer = Dataset.open(target).get_layer("em")
    layer.downsample(coarsest_mag=Mag(4), compress=False)
    before = {mag: read(target, "em", mag) for mag in ("1", "2-2-1", "4-4-1")}

    planned = command("compress", target, "--mag", "2-2-1", "--dry-run", "--json")
    one = command("compress", target, "--layer-name", "em", "--mag", "2-2-1")
    rest = command("compress", target, "--json")
    again = command("compress", target, "--json")

    assert (planned.code, one.code, rest.code, again.code) == (0, 0, 0, 0), one.err + rest.err
    todo = [
        [(mag["layer"], mag["mag"]) for mag in outcome.document["other_mags"] if not mag["up_to_date"]]
        for outcome in (planned, rest, again)
    ]
    assert todo == [[("em", "2-2-1")], [("em", "4-4-1")], []]
    for mag, voxels in before.items():
        np.testing.assert_array_equal(read(target, "em", mag), voxels)
    refused = command("compress", target, "--compression", "compact")
    assert refused.code == ExitCode.CONFIGURATION
    assert "was not imported" in refused.err


def test_chosen_mags_of_an_imported_layer_are_compressed(command: Command, tmp_path: Path) -> None:
    crash_lab.write_slices(tmp_path / "inbox", 20)
    crash_lab.make_dataset(tmp_path / "inbox", tmp_path / "dataset")
    outcome = command("compress", tmp_path / "dataset", "--mag", "2", "--compression", "none", "--json")
    assert outcome.code == 0, outcome.err
    layer = Dataset.open(tmp_path / "dataset").get_layer("color")
    assert [bool(view.info.compression_mode) for view in layer.mags.values()] == [True, False, True]
