"""convert-raw, convert-zarr, convert-knossos: voxels, exit codes, what is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from tests.cli.conftest import Command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset
from wk_assets.readers.knossos import CUBE

SHAPE = (50, 40, 30)
RAW = ("--shape", "50,40,30", "--dtype", "uint16", "--voxel-size", "4,4,40")


def voxels() -> NDArray[Any]:
    return np.random.default_rng(8).integers(1, 60000, SHAPE).astype("<u2")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    voxels().ravel(order="F").tofile(tmp_path / "f.raw")
    voxels().ravel(order="C").tofile(tmp_path / "c.raw")
    return tmp_path / "f.raw"


def read(dataset: Path, layer: str = "color") -> NDArray[Any]:
    found: NDArray[Any] = Dataset.open(dataset).get_layer(layer).get_mag(1).read()[0]
    return found


@pytest.mark.parametrize("order", ["F", "C"])
def test_raw_voxels_become_a_dataset_in_either_order(command: Command, raw: Path, tmp_path: Path, order: str) -> None:
    source, target = raw.with_name(f"{order.lower()}.raw"), tmp_path / "ds"

    outcome = command("convert-raw", source, target, *RAW, "--order", order)

    assert outcome.code == ExitCode.OK, outcome.err
    np.testing.assert_array_equal(read(target), voxels())
    assert [str(mag) for mag in Dataset.open(target).get_layer("color").mags] == ["1", "2-2-1", "4-4-1"]
    again = command("convert-raw", source, target, *RAW, "--order", order)
    assert "everything was up to date" in again.out


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_raw_voxels_are_rescaled_and_turned_as_a_whole(
    command: Command, raw: Path, tmp_path: Path, data_format: str
) -> None:
    options = ("--source-dtype", "uint16", "--rescale-min-max", "1000,50000", "--flip-axes", "x,z")
    given = ("--shape", "50,40,30", "--dtype", "uint8", "--voxel-size", "4,4,40", "--data-format", data_format)

    outcome = command("convert-raw", raw, tmp_path / "ds", *given, *options)

    assert outcome.code == ExitCode.OK, outcome.err
    scaled = (np.clip(voxels().astype(float), 1000, 50000) - 1000) * (255 / 49000)
    np.testing.assert_array_equal(read(tmp_path / "ds"), scaled.astype(np.uint8)[::-1, :, ::-1])


@pytest.mark.parametrize(
    ("changed", "code", "sentence"),
    [
        ({"--shape": "50,40,31"}, ExitCode.SOURCE, "has 120000 bytes, but 50 x 40 x 31 voxels of uint16 are 124000"),
        ({"--shape": "50,40"}, ExitCode.CONFIGURATION, "--shape '50,40': write x,y,z like 256,256,64"),
        ({"--shape": "a,b,c"}, ExitCode.CONFIGURATION, "is not whole numbers"),
        ({"--dtype": "uint7"}, ExitCode.CONFIGURATION, "--dtype 'uint7' is no type of voxels"),
        ({"--voxel-size": "4,4"}, ExitCode.SOURCE, "write x,y,z like"),
        ({"--flip-axes": "x,t"}, ExitCode.CONFIGURATION, "--flip-axes 'x,t': write axes out of x, y, z"),
        ({"--rescale-min-max": "5,1"}, ExitCode.CONFIGURATION, "give the smaller value first"),
        ({"--rescale-min-max": "5"}, ExitCode.CONFIGURATION, "write low,high like 0.2,0.8"),
        ({"--chunk-shape": "24"}, ExitCode.CONFIGURATION, "every edge must be a power of two"),
        ({"--shard-shape": "16"}, ExitCode.CONFIGURATION, "is not a multiple of --chunk-shape"),
        ({"--order": "K"}, ExitCode.USAGE, "'F', 'C'"),
    ],
)
def test_an_option_that_is_wrong_is_named_and_nothing_is_written(
    command: Command, raw: Path, tmp_path: Path, changed: dict[str, str], code: ExitCode, sentence: str
) -> None:
    options = dict(zip(RAW[::2], RAW[1::2], strict=True)) | changed

    outcome = command("convert-raw", raw, tmp_path / "ds", *(part for pair in options.items() for part in pair))

    assert outcome.code == code
    assert sentence in outcome.err
    assert not (tmp_path / "ds").exists()


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_a_dry_run_writes_nothing(command: Command, raw: Path, tmp_path: Path, data_format: str) -> None:
    outcome = command("convert-raw", raw, tmp_path / "ds", *RAW, "--data-format", data_format, "--dry-run")

    assert outcome.code == ExitCode.OK
    assert "50 x 40 x 30" in outcome.out
    assert not (tmp_path / "ds").exists()


def test_an_array_becomes_a_dataset(command: Command, tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "array"), data=voxels().T, chunks=(16, 16, 16))
    without = command("convert-zarr", tmp_path / "array", tmp_path / "ds", "--voxel-size", "4,4,40")

    outcome = command(
        *("convert-zarr", tmp_path / "array", tmp_path / "ds", "--voxel-size", "4,4,40", "--axes", "zyx"),
        *("--is-segmentation-layer", "--layer-name", "ids", "--flip-axes", "y", "--no-downsample", "--name", "my_set"),
    )

    assert without.code == ExitCode.SOURCE
    assert "like `--axes zyx`" in without.err
    assert outcome.code == ExitCode.OK, outcome.err
    np.testing.assert_array_equal(read(tmp_path / "ds", "ids"), voxels()[:, ::-1])
    dataset = Dataset.open(tmp_path / "ds")
    assert (dataset.name, dataset.get_layer("ids").category) == ("my_set", "segmentation")


def test_cubes_become_a_dataset(command: Command, tmp_path: Path) -> None:
    cube = np.random.default_rng(2).integers(1, 255, (CUBE,) * 3).astype(np.uint8)
    place = tmp_path / "mag1" / "x0001" / "y0000" / "z0000"
    place.mkdir(parents=True)
    cube.ravel(order="F").tofile(place / "k_mag1_x0001_y0000_z0000.raw")

    outcome = command(
        "convert-knossos", tmp_path / "mag1", tmp_path / "ds", "--voxel-size", "4,4,40", "--no-downsample"
    )

    assert outcome.code == ExitCode.OK, outcome.err
    stored = read(tmp_path / "ds")
    np.testing.assert_array_equal(stored[CUBE:], cube)
    assert not stored[:CUBE].any()
    (place / "k_mag1_x0001_y0000_z0000.raw").write_bytes(b"short")
    damaged = command("convert-knossos", tmp_path / "mag1", tmp_path / "other", "--voxel-size", "4,4,40")
    assert damaged.code == ExitCode.SOURCE
    assert "has 5 bytes, a cube of 128x128x128 uint8 has 2097152" in damaged.err


def test_images_are_converted_with_shapes_formats_and_turns(command: Command, stack: Path, tmp_path: Path) -> None:
    outcome = command(
        *("convert", stack, tmp_path / "ds", "--voxel-size", "10,10,30", "--axes", "yx", "--data-format", "wkw"),
        *("--chunk-shape", "32", "--shard-shape", "64", "--flip-axes", "z", "--swap-xy", "--max-mag", "2"),
    )

    assert outcome.code == ExitCode.OK, outcome.err
    layer = Dataset.open(tmp_path / "ds").get_layer("color")
    assert (layer.data_format.value, [str(mag) for mag in layer.mags]) == ("wkw", ["1", "2-2-1"])
    planes = np.stack([tifffile.imread(stack / f"slice_{z}.tif") for z in range(5)])
    np.testing.assert_array_equal(read(tmp_path / "ds"), planes[::-1].transpose(1, 2, 0))
    again = command(
        "convert", stack, tmp_path / "ds", "--voxel-size", "10,10,30", "--axes", "yx", "--data-format", "wkw"
    )
    assert again.code == ExitCode.OK


def test_the_category_is_decided_unless_it_is_said(command: Command, tmp_path: Path) -> None:
    ids = np.kron(np.arange(12).reshape(1, 3, 4), np.ones((4, 8, 9))).astype(np.uint32)
    tifffile.imwrite(tmp_path / "volume.tif", ids, metadata={"axes": "ZYX"}, photometric="minisblack")

    command("convert", tmp_path / "volume.tif", tmp_path / "ds", "--voxel-size", "10,10,30")
    command("convert", tmp_path / "volume.tif", tmp_path / "ds", "--voxel-size", "10,10,30", "--category", "color")

    layers = {layer.name: layer.category for layer in Dataset.open(tmp_path / "ds").layers.values()}
    assert layers == {"segmentation": "segmentation", "color": "color"}


def test_what_is_there_is_replaced_only_if_it_is_a_dataset(command: Command, raw: Path, tmp_path: Path) -> None:
    command("convert-raw", raw, tmp_path / "ds", *RAW, "--layer-name", "old")

    outcome = command("convert-raw", raw, tmp_path / "ds", *RAW, "--overwrite-existing")

    assert outcome.code == ExitCode.OK
    assert list(Dataset.open(tmp_path / "ds").layers) == ["color"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").touch()
    refused = command("convert-raw", raw, tmp_path / "photos", *RAW, "--overwrite-existing")
    assert refused.code == ExitCode.STORAGE
    assert (tmp_path / "photos" / "one.jpg").exists()
