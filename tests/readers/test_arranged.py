from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.readers.sources import read_all
from wk_assets.errors import InputError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers import arranged as module
from wk_assets.readers.arranged import ArrangedSource, Arrangement, arranged
from wk_assets.readers.raw_array import RawSource
from wk_assets.readers.volume import MeasuredVoxelSize, SourceSelection

SHAPE = (5, 4, 3)


def source(folder: Path, voxels: NDArray[Any]) -> RawSource:
    path = folder / "voxels.raw"
    voxels.ravel(order="F").tofile(path)
    return RawSource(path=path, shape=Vec3Int(voxels.shape), dtype=voxels.dtype)


def expected(voxels: NDArray[Any], arrangement: Arrangement) -> NDArray[Any]:
    """Arrange voxels x, y, z by numpy alone, and give them as z, y, x."""
    turned = voxels.swapaxes(0, 1) if arrangement.swap_xy else voxels
    turned = np.flip(turned, tuple("xyz".index(axis) for axis in arrangement.flip)) if arrangement.flip else turned
    return turned.transpose(2, 1, 0)


@given(
    flip=st.sets(st.sampled_from("xyz")).map("".join),
    swap_xy=st.booleans(),
    rows=st.integers(1, 5),
    limits=st.sampled_from([(0, 1), (0, 30), (1 << 20, 1), (1 << 20, 1 << 20)]),
)
@settings(max_examples=30, deadline=None)
def test_slices_and_windows_are_those_of_the_turned_volume(
    tmp_path_factory: pytest.TempPathFactory, flip: str, swap_xy: bool, rows: int, limits: tuple[int, int]
) -> None:
    """Whether slices are read whole or a row at a time is a matter of memory alone."""
    voxels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    arrangement = Arrangement(flip=flip, swap_xy=swap_xy)

    raw = source(tmp_path_factory.mktemp("a"), voxels)
    with pytest.MonkeyPatch.context() as patch, ArrangedSource(source=raw, arrangement=arrangement).open() as reader:
        patch.setattr(module, "_WHOLE_BYTES", limits[0])
        patch.setattr(module, "_PIECE_BYTES", limits[1])
        wanted = expected(voxels, arrangement)
        np.testing.assert_array_equal(read_all(reader)[0], wanted)
        for z in range(SHAPE[2]):
            window = reader.open_rows(z)
            for first in range(0, wanted.shape[1], rows):
                out = np.empty((1, min(rows, wanted.shape[1] - first), wanted.shape[2]), np.uint16)
                window.read(first, out)
                np.testing.assert_array_equal(out[0], wanted[z, first : first + rows])


def test_what_changes_nothing_is_the_source_itself(tmp_path: Path) -> None:
    raw = source(tmp_path, np.ones((2, 2, 2), np.uint8))

    assert arranged(raw, Arrangement()) is raw


@pytest.mark.parametrize(
    ("stored", "wanted", "values", "converted"),
    [
        ("u2", "u1", [0, 255, 256, 60000], [0, 255, 255, 255]),
        ("i2", "u1", [-5, 3, 300, 0], [0, 3, 255, 0]),
        ("f4", "u1", [1.9, -3.5, np.nan, np.inf], [1, 0, 0, 255]),
        ("u8", "i8", [2**64 - 1, 2**63 - 1, 5, 0], [2**63 - 1, 2**63 - 1, 5, 0]),
        ("u8", "u8", [2**64 - 1, 2**53 + 1, 5, 0], [2**64 - 1, 2**53 + 1, 5, 0]),
        ("f8", "u8", [1e30, 2.0**63, -1.0, 0.5], [2**64 - 1, 2**63, 0, 0]),
        ("u1", "f4", [0, 1, 2, 255], [0.0, 1.0, 2.0, 255.0]),
    ],
)
def test_numbers_of_another_type_are_clipped_not_wrapped(
    tmp_path: Path, stored: str, wanted: str, values: list[float], converted: list[float]
) -> None:
    voxels = np.array(values, stored).reshape(2, 2, 1)

    with ArrangedSource(
        source=source(tmp_path, voxels), arrangement=Arrangement(dtype=np.dtype(wanted))
    ).open() as reader:
        read = read_all(reader)

    assert read.dtype == np.dtype(wanted)
    np.testing.assert_array_equal(read[0, 0].T.ravel(), np.array(converted, wanted))


def test_rescaling_maps_the_range_and_cuts_what_is_outside(tmp_path: Path) -> None:
    voxels = np.array([-1.0, 0.2, 0.5, 0.8, 7.0, 0.2], "f4").reshape(3, 2, 1)
    arrangement = Arrangement(dtype=np.dtype("u1"), rescale=(0.2, 0.8))

    with ArrangedSource(source=source(tmp_path, voxels), arrangement=arrangement).open() as reader:
        read = read_all(reader)[0, 0].T.ravel()

    np.testing.assert_array_equal(read, [0, 0, 127, 255, 255, 0])


def test_a_voxel_size_of_the_file_turns_with_its_axes_and_that_of_a_person_does_not(tmp_path: Path) -> None:
    size = VoxelSize((1, 2, 3), LengthUnit.NANOMETER)
    for said, expected_factor in (("OME-XML of a.tif", (2, 1, 3)), ("option --voxel-size", (1, 2, 3))):
        raw = RawSource(
            path=source(tmp_path, np.ones((2, 3, 1), np.uint8)).path,
            shape=Vec3Int(2, 3, 1),
            dtype=np.dtype("u1"),
            voxel_size=MeasuredVoxelSize(voxel_size=size, source=said),
        )
        with ArrangedSource(source=raw, arrangement=Arrangement(swap_xy=True)).open() as reader:
            measured = reader.description.voxel_size
            assert measured is not None
            assert measured.voxel_size.factor == expected_factor


def test_one_position_of_a_time_series_is_a_volume(tmp_path: Path) -> None:
    voxels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    tifffile.imwrite(tmp_path / "t.ome.tif", voxels, metadata={"axes": "TZYX"})
    selection = SourceSelection(root=tmp_path, files=(tmp_path / "t.ome.tif",))

    with ArrangedSource(source=selection, arrangement=Arrangement(at=(1,))).open() as reader:
        assert reader.description.additional == ()
        np.testing.assert_array_equal(read_all(reader)[0], voxels[1])


def test_a_position_that_is_not_there_is_refused(tmp_path: Path) -> None:
    raw = source(tmp_path, np.ones((2, 2, 2), np.uint8))

    with pytest.raises(InputError, match=r"position \(1,\): the images have no axis beside c, x, y, z"):
        ArrangedSource(source=raw, arrangement=Arrangement(at=(1,))).open()


@pytest.mark.parametrize("wrong", [{"flip": "xw"}, {"rescale": (0.8, 0.2)}])
def test_a_wrong_arrangement_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Arrangement(**wrong)
