from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.errors import MissingSliceError, UnreadableSliceError
from wk_assets.readers.knossos import CUBE, KnossosSource

CUBES = [(0, 0, 0), (1, 0, 0), (0, 1, 1)]  # one that is missing lies between them


@pytest.fixture(scope="module")
def volume() -> NDArray[Any]:
    """Give voxels x, y, z: random where there is a cube, else 0."""
    rng = np.random.default_rng(3)
    voxels = np.zeros((2 * CUBE, 2 * CUBE, 2 * CUBE), np.uint16)
    for place in CUBES:
        window = tuple(slice(one * CUBE, (one + 1) * CUBE) for one in place)
        voxels[window] = rng.integers(1, 60000, (CUBE, CUBE, CUBE))
    return voxels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, volume: NDArray[Any]) -> Path:
    root = tmp_path_factory.mktemp("knossos")
    (root / "knossos.conf").write_text('experiment name "e";')
    for place in CUBES:
        x, y, z = (slice(one * CUBE, (one + 1) * CUBE) for one in place)
        name = "_".join(f"{axis}{one:04d}" for axis, one in zip("xyz", place, strict=True))
        path = root.joinpath(*name.split("_")) / f"e_mag1_{name}.raw"
        path.parent.mkdir(parents=True)
        volume[x, y, z].astype("<u2").ravel(order="F").tofile(path)
    return root


def test_cubes_become_slices_and_missing_cubes_are_zero(folder: Path, volume: NDArray[Any]) -> None:
    with KnossosSource(root=folder, dtype=np.dtype("u2")).open() as reader:
        assert tuple(reader.description.size) == volume.shape
        assert len(reader.description.files) == len(CUBES)
        out = np.full((1, 2 * CUBE, 2 * CUBE), 7, np.uint16)
        for z in (0, 1, 127, 128, 255):
            reader.read_slice(z, out)
            np.testing.assert_array_equal(out[0], volume[:, :, z].T)


def test_a_window_of_rows_may_cross_cubes(folder: Path, volume: NDArray[Any]) -> None:
    with KnossosSource(root=folder, dtype=np.dtype("u2")).open() as reader:
        window = np.full((1, 20, 2 * CUBE), 7, np.uint16)
        reader.open_rows(130).read(CUBE - 10, window)

    np.testing.assert_array_equal(window[0], volume[:, CUBE - 10 : CUBE + 10, 130].T)


def test_a_damaged_cube_is_named_with_its_size(tmp_path: Path) -> None:
    cube = tmp_path / "x0000" / "y0000" / "z0000" / "e_mag1_x0000_y0000_z0000.raw"
    cube.parent.mkdir(parents=True)
    cube.write_bytes(bytes(CUBE**3 - 1))

    with pytest.raises(
        UnreadableSliceError, match=r"z0000.raw: has 2097151 bytes, a cube of 128x128x128 uint8 has 209"
    ):
        KnossosSource(root=tmp_path, dtype=np.dtype("u1")).open()


def test_a_folder_without_cubes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mag1").mkdir()

    with pytest.raises(MissingSliceError, match=r"holds no KNOSSOS cube"):
        KnossosSource(root=tmp_path, dtype=np.dtype("u1")).open()


def test_two_cubes_for_one_place_are_refused(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    for name in ("a.raw", "b.raw"):
        (place / name).write_bytes(bytes(CUBE**3))

    with pytest.raises(MissingSliceError, match=r"holds 2 cubes \(a.raw, b.raw"):
        KnossosSource(root=tmp_path, dtype=np.dtype("u1")).open()


def test_compressed_cubes_are_refused_with_a_way_out(tmp_path: Path) -> None:
    place = tmp_path / "x0000" / "y0000" / "z0000"
    place.mkdir(parents=True)
    (place / "e.seg.sz.zip").write_bytes(b"PK")

    with pytest.raises(UnreadableSliceError, match=r"compressed KNOSSOS cubes are not read; store them as .raw"):
        KnossosSource(root=tmp_path, dtype=np.dtype("u8")).open()
