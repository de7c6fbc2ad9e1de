"""What every reader must do, whatever the format: inherit a suite and say how a source is written.

    class TestMyFormat(ReaderConformance):  # or SequenceConformance: one file per slice
        dtype = "uint16"

        def write(self, folder: Path, voxels: NDArray[Any]) -> None: ...

`write` puts `voxels`, (z, y, x) or (z, y, x, 3), into `folder`. Set `lossy` where the format does not keep
every bit, `settings` for a selection that must say more than which files.
"""

import shutil
import stat
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest
import xxhash
from numpy.typing import NDArray

from tests.readers.sources import read_all, select, smooth_volume, volume
from wk_assets.errors import (
    GeometryError,
    MissingSliceError,
    SourceChangedError,
    SourceError,
    UnreadableSliceError,
)
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.readers import tiff_rows
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import BadSlicePolicy, MeasuredVoxelSize


class ReaderConformance(ABC):
    """Test a reader by the protocol of `wk_assets.readers.volume`."""

    dtype: ClassVar[str] = "uint8"
    rgb: ClassVar[bool] = False
    lossy: ClassVar[bool] = False
    ends_in_padding: ClassVar[bool] = False  # the last bytes mean nothing: to lose them is to lose nothing
    settings: ClassVar[dict[str, Any]] = {}

    @abstractmethod
    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        """Write `voxels` as the format's source into `folder`."""

    def voxels(self) -> NDArray[Any]:
        if self.lossy:
            made = smooth_volume()
            return np.stack([made, made // 2, 255 - made], axis=-1) if self.rgb else made
        return volume(self.dtype, (5, 37, 53, 3) if self.rgb else (5, 37, 53))

    def expected(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Give voxels as (c, z, y, x)."""
        return np.moveaxis(voxels, -1, 0) if self.rgb else voxels[None]

    def assert_same(self, read: NDArray[Any], expected: NDArray[Any]) -> None:
        if self.lossy:
            assert np.abs(read.astype(int) - expected.astype(int)).mean() < 6
        else:
            np.testing.assert_array_equal(read, expected)

    @pytest.fixture
    def written(self, tmp_path: Path) -> tuple[Path, NDArray[Any]]:
        folder = tmp_path / "acquisition"
        folder.mkdir()
        voxels = self.voxels()
        self.write(folder, voxels)
        return folder, voxels

    def in_order(self, folder: Path) -> list[Path]:
        """Give the slices' files in the order of z."""
        return sorted(path for path in folder.iterdir())

    # what is read

    def test_the_voxels_are_those_that_were_written(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        with open_volume(select(folder, **self.settings)) as reader:
            self.assert_same(read_all(reader), self.expected(voxels))

    def test_the_description_is_true(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        with open_volume(select(folder, **self.settings)) as reader:
            described = reader.description
        assert tuple(described.size) == voxels.shape[2::-1]
        assert described.channels == (3 if self.rgb else 1)
        assert described.dtype == np.dtype(self.dtype)
        assert described.dtype.isnative
        assert described.problems == ()
        assert {file.path for file in described.files} == set(folder.iterdir())
        assert all(file.size_bytes == file.path.stat().st_size for file in described.files)
        assert all(file.relative_path == file.path.name for file in described.files)

    def test_the_order_of_the_selection_does_not_matter(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        with open_volume(select(folder, reversed(self.in_order(folder)), **self.settings)) as reader:
            self.assert_same(read_all(reader), self.expected(voxels))

    def test_a_window_of_a_bigger_slab_is_filled_and_nothing_beside_it(
        self, written: tuple[Path, NDArray[Any]]
    ) -> None:
        folder, voxels = written
        expected = self.expected(voxels)
        channels, depth, height, width = expected.shape
        with open_volume(select(folder, **self.settings)) as reader:
            slab = np.full((channels, depth, height + 9, width + 11), 99, reader.description.dtype)
            window = slab[:, :, 4 : 4 + height, 5 : 5 + width]
            for z in range(depth):
                reader.read_slice(z, window[:, z])
        self.assert_same(window, expected)
        slab[:, :, 4 : 4 + height, 5 : 5 + width] = 99
        assert (slab == 99).all()

    @pytest.mark.parametrize("long_pieces", [False, True])
    def test_windows_of_rows_give_what_whole_slices_give(
        self, written: tuple[Path, NDArray[Any]], monkeypatch: pytest.MonkeyPatch, *, long_pieces: bool
    ) -> None:
        """Whatever the windows; also where a strip or tile is too long to be decoded once per window."""
        if long_pieces:
            monkeypatch.setattr(tiff_rows, "LARGEST_SEGMENT_BYTES", 0)
        folder, _ = written
        random = np.random.default_rng(5)
        with open_volume(select(folder, **self.settings)) as reader:
            described = reader.description
            height = described.size.y
            assert 1 <= described.rows.unit <= height
            whole = np.empty((described.channels, height, described.size.x), described.dtype)
            for z in range(described.size.z):
                record = reader.read_slice(z, whole)
                cuts = sorted({0, *random.integers(1, height, 4).tolist(), height})
                rows = reader.open_rows(z)
                parts = np.zeros_like(whole)
                for first, last in pairwise(cuts):
                    part = rows.read(first, parts[:, first:last])
                    assert part == (record if first == 0 else replace(record, file=None, digest=None))
                np.testing.assert_array_equal(parts, whole)
                back = np.zeros_like(whole[:, :3])
                rows.read(1, back)  # before the end of what was read: starts anew
                np.testing.assert_array_equal(back, whole[:, 1:4])

    def test_a_window_that_does_not_fit_is_refused(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        channels, _, height, width = self.expected(voxels).shape
        with open_volume(select(folder, **self.settings)) as reader:
            with pytest.raises(GeometryError, match="leave slice 1"):
                reader.open_rows(1).read(height - 1, np.empty((channels, 2, width), self.dtype))
            with pytest.raises(GeometryError, match="needs an array"):
                reader.open_rows(1).read(0, np.empty((channels, 2, width + 1), self.dtype))
            with pytest.raises(GeometryError, match="does not exist"):
                reader.open_rows(len(voxels))
            with pytest.raises(GeometryError, match="position"):
                reader.open_rows(0, (1,))

    def test_many_threads_read_what_one_reads(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        with open_volume(select(folder, **self.settings)) as reader:
            alone = read_all(reader)
            shape = (alone.shape[0], *alone.shape[2:])
            barrier = threading.Barrier(6)

            def read(number: int) -> bool:
                barrier.wait()
                for z in np.random.default_rng(number).permutation(alone.shape[1]):
                    out = np.empty(shape, alone.dtype)
                    reader.read_slice(int(z), out)
                    if not np.array_equal(out, alone[:, z]):
                        return False
                return True

            with ThreadPoolExecutor(6) as pool:
                assert all(pool.map(read, range(6)))

    def test_each_file_has_a_digest_of_its_bytes(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        with open_volume(select(folder, **self.settings)) as reader:
            described = reader.description
            out = np.empty((described.channels, described.size.y, described.size.x), described.dtype)
            digests = reader.digests()
            for z in range(len(voxels)):
                record = reader.read_slice(z, out)
                assert record.problem is None
                assert (record.file is None) == (record.digest is None)
                if record.file is not None and record.digest is not None:
                    digests[record.file] = record.digest
        assert digests == {
            path.name: f"xxh3_128:{xxhash.xxh3_128_hexdigest(path.read_bytes())}" for path in folder.iterdir()
        }

    # how it behaves

    def test_no_file_stays_open(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        reader = open_volume(select(folder, **self.settings))
        read_all(reader)
        reader.close()
        opened = [file.path for file in psutil.Process().open_files()]
        assert not [path for path in opened if path.startswith(str(folder))]

    def test_the_source_is_untouched_and_may_be_read_only(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        for path in folder.iterdir():
            path.chmod(stat.S_IRUSR)
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
        with open_volume(select(folder, **self.settings)) as reader:
            read_all(reader)
            reader.digests()
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before

    def test_a_file_that_changed_since_the_listing_is_not_read(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        reader = open_volume(select(folder, **self.settings))
        changed = self.in_order(folder)[0]
        with changed.open("ab") as stream:
            stream.write(b"more")
        out = np.empty(self.expected(voxels)[:, 0].shape, self.dtype)
        with pytest.raises(SourceChangedError, match=changed.name):
            reader.read_slice(0, out)

    def test_a_file_that_vanished_since_the_listing_is_said_to_have_changed(
        self, written: tuple[Path, NDArray[Any]]
    ) -> None:
        folder, voxels = written
        reader = open_volume(select(folder, on_bad_slice=BadSlicePolicy.BLACK, **self.settings))
        gone = self.in_order(folder)[0]
        gone.unlink()
        with pytest.raises(SourceChangedError, match=gone.name):
            reader.read_slice(0, np.empty(self.expected(voxels)[:, 0].shape, self.dtype))

    def test_a_target_that_does_not_fit_is_refused(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, voxels = written
        shape = self.expected(voxels)[:, 0].shape
        with open_volume(select(folder, **self.settings)) as reader:
            with pytest.raises(GeometryError, match="needs an array"):
                reader.read_slice(0, np.empty((shape[0], shape[1] + 1, shape[2]), self.dtype))
            with pytest.raises(GeometryError, match="needs an array"):
                reader.read_slice(0, np.empty(shape, "complex128"))
            with pytest.raises(GeometryError, match="does not exist"):
                reader.read_slice(len(voxels), np.empty(shape, self.dtype))

    def test_the_voxel_size_of_the_settings_wins(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        given = MeasuredVoxelSize(voxel_size=VoxelSize((4, 4, 35), LengthUnit.NANOMETER), source="settings")
        with open_volume(select(folder, voxel_size=given, **self.settings)) as reader:
            assert reader.description.voxel_size == given

    def test_no_voxel_size_is_invented(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        with open_volume(select(folder, **self.settings)) as reader:
            assert reader.description.voxel_size is None

    # what it refuses

    def test_no_file_at_all_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(MissingSliceError, match="no file"):
            open_volume(select(tmp_path))

    def test_a_file_listed_twice_is_an_error(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        first = self.in_order(folder)[0]
        with pytest.raises(MissingSliceError, match=first.name):
            open_volume(select(folder, [*self.in_order(folder), first], **self.settings))

    @pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.9999])
    def test_a_cut_file_is_named(self, written: tuple[Path, NDArray[Any]], kept: float) -> None:
        folder, voxels = written
        cut = self.in_order(folder)[-1]
        whole = cut.read_bytes()
        cut.write_bytes(whole[: min(int(len(whole) * kept), len(whole) - 1)])
        if self.ends_in_padding and kept > 0.99:
            with open_volume(select(folder, **self.settings)) as reader:
                self.assert_same(read_all(reader), self.expected(voxels))
            return
        with pytest.raises(SourceError, match=cut.name), open_volume(select(folder, **self.settings)) as reader:
            read_all(reader)

    def test_a_file_of_another_kind_is_named(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        other = self.in_order(folder)[-1]
        other.write_bytes(b"<html>not found</html>" * 100)
        with pytest.raises(UnreadableSliceError, match=other.name):
            open_volume(select(folder, **self.settings))

    def test_a_count_other_than_expected_is_an_error(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        for count in (4, 6):
            with pytest.raises(MissingSliceError, match=f"expected_slices` is {count}"):
                open_volume(select(folder, expected_slices=count, **self.settings))


class SequenceConformance(ReaderConformance):
    """Test a reader of formats that keep one slice per file, named `…0000`, `…0001`, in the order of z."""

    def test_a_missing_slice_is_an_error_that_names_its_number(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        self.in_order(folder)[2].unlink()
        with pytest.raises(MissingSliceError, match=r"missing z 2 "):
            open_volume(select(folder, **self.settings))

    @pytest.mark.parametrize("policy", [BadSlicePolicy.BLACK, BadSlicePolicy.REPEAT])
    def test_a_missing_slice_is_filled_and_reported(
        self, written: tuple[Path, NDArray[Any]], policy: BadSlicePolicy
    ) -> None:
        folder, voxels = written
        absent = self.in_order(folder)[2]
        absent.unlink()
        with open_volume(select(folder, on_bad_slice=policy, **self.settings)) as reader:
            read = read_all(reader)
            (problem,) = reader.description.problems
            assert reader.read_slice(2, np.empty_like(read[:, 2])).problem == problem
        assert (problem.z, problem.file, problem.filled_with) == (2, absent.name, policy)
        expected = self.expected(voxels).copy()
        expected[:, 2] = 0 if policy is BadSlicePolicy.BLACK else expected[:, 1]
        self.assert_same(read, expected)

    @pytest.mark.parametrize("policy", [BadSlicePolicy.BLACK, BadSlicePolicy.REPEAT])
    def test_a_cut_slice_is_filled_and_reported_even_if_it_is_the_first(
        self, written: tuple[Path, NDArray[Any]], policy: BadSlicePolicy
    ) -> None:
        folder, voxels = written
        files = self.in_order(folder)
        for path in files[:2]:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
        with open_volume(select(folder, on_bad_slice=policy, **self.settings)) as reader:
            read = read_all(reader)
            records = [reader.read_slice(z, np.empty_like(read[:, z])) for z in range(len(voxels))]
            assert reader.description.rows.in_order
            for z, record in enumerate(records):
                rows, parts = reader.open_rows(z), np.empty_like(read[:, z])
                found = [rows.read(first, parts[:, first : first + 20]) for first in range(0, parts.shape[1], 20)]
                assert found[0] == record
                assert found[-1].problem == record.problem
                np.testing.assert_array_equal(parts, read[:, z])
        assert [record.problem.file if record.problem else None for record in records] == [
            files[0].name, files[1].name, None, None, None,
        ]  # fmt: skip
        expected = self.expected(voxels).copy()
        expected[:, :2] = 0 if policy is BadSlicePolicy.BLACK else expected[:, 2:3]
        self.assert_same(read, expected)

    def test_the_same_slice_under_two_names_is_an_error(self, written: tuple[Path, NDArray[Any]]) -> None:
        folder, _ = written
        original = self.in_order(folder)[1]
        twin = original.with_name(original.name.replace("0001", "1"))
        shutil.copyfile(original, twin)
        with pytest.raises(MissingSliceError, match="stand for the same slice") as caught:
            open_volume(select(folder, on_bad_slice=BadSlicePolicy.BLACK, **self.settings))
        assert original.name in str(caught.value)
        assert twin.name in str(caught.value)

    def test_a_slice_of_another_shape_is_named_before_any_voxel_is_read(
        self, written: tuple[Path, NDArray[Any]], tmp_path: Path
    ) -> None:
        folder, voxels = written
        (tmp_path / "other").mkdir()
        self.write(tmp_path / "other", voxels[:, :-1])
        for index in (2, 4):
            name = self.in_order(folder)[index].name
            shutil.copyfile(tmp_path / "other" / name, folder / name)
        with pytest.raises(UnreadableSliceError, match=self.in_order(folder)[2].name) as caught:
            open_volume(select(folder, **self.settings))
        height = voxels.shape[1]
        assert f"{height - 1}" in str(caught.value)
        assert f"{height}" in str(caught.value)
