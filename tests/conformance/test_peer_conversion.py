"""Our conversions beside those of WEBKNOSSOS' own library (the peer): the same images, raw voxels and arrays, the same datasets.

The peer runs in an environment of its own (`make peer`); `make oracle` runs these tests with it.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from tests.cli.conftest import Command, command
from wk_assets.cli.exit_codes import ExitCode
from wk_assets.dataset.dataset import Dataset

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(900)]
__all__ = ["command"]  # a fixture of the command line's tests

_REPOSITORY = Path(__file__).resolve().parents[2]
# read here: a test's environment has none of a person's own settings
_PEER = Path(os.environ.get("WK_ASSETS_PEER_PYTHON", _REPOSITORY / ".venv-peer" / "bin" / "python"))
_VOXEL_SIZE = ("--voxel-size", "10,10,30")


def peer(*arguments: str | Path) -> None:
    """Run the peer's command line; skips where there is no peer."""
    if not _PEER.exists():
        pytest.skip(f"the peer library is not at {_PEER}; `make peer` installs it, WK_ASSETS_PEER_PYTHON names one")
    finished = subprocess.run(
        [_PEER.with_name("webknossos"), *arguments, "--distribution-strategy", "sequential"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "WEBKNOSSOS_SKIP_VERSION_CHECK": "1"},
    )
    assert finished.returncode == 0, finished.stderr[-4000:]


def voxels(shape: tuple[int, int, int] = (120, 90, 20)) -> NDArray[Any]:
    """Give voxels x, y, z that are no noise: medians of them are telling."""
    x, y, z = np.indices(shape)
    return np.asarray((x * 3 + y * 5 + z * 11) % 251 + (x // 16 + y // 16) % 5, np.uint8)


def require_equal(command: Command, ours: Path, theirs: Path) -> None:
    outcome = command("check-equality", ours, theirs)
    assert outcome.code == ExitCode.OK, outcome.out + outcome.err


def test_a_stack_of_images_becomes_the_same_dataset(command: Command, tmp_path: Path) -> None:
    (tmp_path / "color").mkdir()
    for z, plane in enumerate(voxels().transpose(2, 1, 0)):
        tifffile.imwrite(tmp_path / "color" / f"slice_{z}.tif", plane, metadata=None)

    peer(
        "convert", tmp_path / "color", tmp_path / "theirs", *_VOXEL_SIZE, "--layer-name", "color", "--category", "color"
    )
    command("convert", tmp_path / "color", tmp_path / "ours", *_VOXEL_SIZE, "--layer-name", "color", "--axes", "yx")

    require_equal(command, tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("order", ["F", "C"])
def test_raw_voxels_become_the_same_dataset(command: Command, tmp_path: Path, order: Any) -> None:
    source = tmp_path / "voxels.raw"
    voxels().ravel(order=order).tofile(source)
    options = ("--shape", "120,90,20", "--dtype", "uint8", "--order", order, "--layer-name", "color", *_VOXEL_SIZE)

    peer("convert-raw", source, tmp_path / "theirs", *options)
    ours = command("convert-raw", source, tmp_path / "ours", *options)

    assert ours.code == ExitCode.OK, ours.err
    require_equal(command, tmp_path / "ours", tmp_path / "theirs")


def test_an_array_becomes_the_same_dataset(command: Command, tmp_path: Path) -> None:
    zarr.create_array(
        str(tmp_path / "array"), data=voxels(), chunks=(32, 32, 32), dimension_names=["x", "y", "z"], zarr_format=3
    )
    options = ("--layer-name", "color", *_VOXEL_SIZE)

    peer("convert-zarr", tmp_path / "array", tmp_path / "theirs", *options)
    ours = command("convert-zarr", tmp_path / "array", tmp_path / "ours", *options)

    assert ours.code == ExitCode.OK, ours.err
    require_equal(command, tmp_path / "ours", tmp_path / "theirs")


def test_cubes_become_the_same_voxels(command: Command, tmp_path: Path) -> None:
    cube = np.random.default_rng(3).integers(0, 255, (128, 128, 128)).astype(np.uint8)
    place = tmp_path / "mag1" / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    cube.ravel(order="F").tofile(place / "e_mag1_x0000_y0000_z0000.raw")

    peer("convert-knossos", tmp_path / "mag1", tmp_path / "theirs", "--layer-name", "color", *_VOXEL_SIZE)
    command(
        *("convert-knossos", tmp_path / "mag1", tmp_path / "ours", "--layer-name", "color", *_VOXEL_SIZE),
        "--no-downsample",
    )

    require_equal(command, tmp_path / "ours", tmp_path / "theirs")


def test_slices_are_exported_under_the_same_names_with_the_same_pixels(command: Command, tmp_path: Path) -> None:
    Dataset(tmp_path / "ds", (10, 10, 30)).write_layer("color", "color", voxels(), absolute_offset=(3, 4, 5))
    options = ("--name", "em", "--mag", "1", "--bbox", "10,12,7,64,48,9")

    peer("export-as-tiff", tmp_path / "ds", tmp_path / "theirs", *options)
    command("export-as-tiff", tmp_path / "ds", tmp_path / "ours", *options)

    ours, theirs = (sorted((tmp_path / name).glob("*.tiff")) for name in ("ours", "theirs"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    np.testing.assert_array_equal(tifffile.imread(ours), tifffile.imread(theirs))
