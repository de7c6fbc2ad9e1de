from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.readers.sources import read_all
from wk_assets.errors import GeometryError, SourceChangedError, UnreadableSliceError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.readers import raw_array
from wk_assets.readers.raw_array import RawSource

VOXELS = hnp.arrays(
    dtype=st.sampled_from(["<u1", "<u2", ">u2", "<u8", "<i4", "<f4"]),
    shape=st.tuples(*(st.integers(1, 6),) * 3),
    elements=st.integers(0, 100),
)


def write(folder: Path, voxels: NDArray[Any], order: Literal["F", "C"]) -> RawSource:
    path = folder / f"voxels_{order}.raw"
    voxels.ravel(order=order).tofile(path)
    return RawSource(path=path, shape=Vec3Int(voxels.shape), dtype=voxels.dtype, order=order)


@given(voxels=VOXELS, order=st.sampled_from(["F", "C"]))
@settings(max_examples=30, deadline=None)
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, voxels: NDArray[Any], order: Literal["F", "C"]
) -> None:
    source = write(tmp_path_factory.mktemp("raw"), voxels, order)

    with source.open() as reader:
        read = read_all(reader)

    assert reader.description.dtype.isnative
    np.testing.assert_array_equal(read[0], voxels.transpose(2, 1, 0))


@pytest.mark.parametrize("order", ["F", "C"])
def test_windows_of_rows_are_the_rows_of_the_slice(tmp_path: Path, order: Literal["F", "C"]) -> None:
    voxels = np.arange(7 * 5 * 4, dtype=np.uint16).reshape(7, 5, 4)

    with write(tmp_path, voxels, order).open() as reader:
        rows = reader.open_rows(2)
        window = np.empty((1, 2, 7), np.uint16)
        rows.read(3, window)

    np.testing.assert_array_equal(window[0], voxels[:, 3:5, 2].T)


def test_a_scattered_file_is_gone_through_once_per_group_of_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order C each slice lies all over the file: without the groups, n slices would read it n times."""
    monkeypatch.setattr(raw_array, "_KEPT_BYTES", 3 * 7 * 5)
    voxels = np.arange(7 * 5 * 9, dtype=np.uint8).reshape(7, 5, 9) % 251

    with write(tmp_path, voxels, "C").open() as reader:
        assert reader.description.rows.held_bytes == 2 * 3 * 7 * 5
        np.testing.assert_array_equal(read_all(reader)[0], voxels.transpose(2, 1, 0))


def test_a_file_of_another_size_is_refused_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "short.raw").write_bytes(bytes(23))
    source = RawSource(path=tmp_path / "short.raw", shape=Vec3Int(2, 3, 4), dtype=np.dtype("u1"))

    with pytest.raises(UnreadableSliceError, match=r"short.raw: has 23 bytes, but 2 x 3 x 4 voxels of uint8 are 24"):
        source.open()


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    source = write(tmp_path, np.ones((3, 3, 3), np.uint8), "F")

    with source.open() as reader:
        source.path.write_bytes(bytes(26))
        with pytest.raises(SourceChangedError, match=r"changed since it was listed"):
            read_all(reader)


def test_a_slice_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with write(tmp_path, np.ones((3, 3, 3), np.uint8), "F").open() as reader, pytest.raises(GeometryError):
        reader.read_slice(3, np.empty((1, 3, 3), np.uint8))
