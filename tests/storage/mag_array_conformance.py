"""What every array of a mag must do, whatever the format: inherit the suite and say how an array is made and opened.

    class TestMyArray(MagArrayConformance):
        data_format = DataFormat.Zarr3

        def create(self, path: Path, info: ArrayInfo) -> MagArray: ...
        def open(self, path, *, axis_order, additional_axes, read_only) -> MagArray: ...

The class must stand in a module that a new process can import (`tests.storage.test_…`): writers in other processes, and
writers that are killed, are real. The flags say what a format can not do; the tests about it are then left out. Arrays are
small: boxes of some thousand voxels, chunks of 4 voxels.
"""

import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.mag_array_disturbances import DisturbedArrays
from tests.storage.mag_array_suite import boxes_inside, expected_voxels, few, leftovers, values
from wk_assets.errors import GeometryError, InputError, ReadOnlyError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.mag_array import ArrayInfo


class MagArrayConformance(DisturbedArrays):
    """Test an array by the protocol of `wk_assets.storage.mag_array`."""

    @few
    @given(data=st.data())
    def test_what_was_written_last_is_read_and_its_neighbours_are_kept(self, data: st.DataObject) -> None:
        info = self._drawn_info(data)
        steps = data.draw(st.lists(st.tuples(boxes_inside(info.box), st.integers(0, 99)), min_size=1, max_size=3))
        asked = data.draw(st.lists(boxes_inside(info.box, margin=6), min_size=1, max_size=2))
        model = np.zeros(info.shape, info.voxel_type)

        with tempfile.TemporaryDirectory() as folder:
            array = self.create(Path(folder) / "1", info)
            for box, seed in steps:
                voxels = values(info.voxel_type, box.size, seed)
                model[box.to_slices()] = voxels
                array.write_box(box, voxels)

            for reader in (array, self.reopened(array), self.reopened(array, read_only=True)):
                for box in (info.box, *asked):
                    found = reader.read_box(box)
                    assert found.dtype == info.voxel_type
                    np.testing.assert_array_equal(found, expected_voxels(model, box))
            self.check_stored_boxes(array, model)
            assert not leftovers(Path(folder))

    def _drawn_info(self, data: st.DataObject) -> ArrayInfo:
        def shape(edges: Sequence[int]) -> Vec3Int:
            if self.cubes_only:
                return Vec3Int.full(data.draw(st.sampled_from(edges)))
            return Vec3Int(*(data.draw(st.sampled_from(edges)) for _ in range(3)))

        chunk = shape((4, 8))
        axes = {"t": data.draw(st.integers(1, 3))} if self.has_additional_axes and data.draw(st.booleans()) else {}
        return self.info(
            [data.draw(st.integers(1, 20)) for _ in range(3)],
            dtype=data.draw(st.sampled_from(self.dtypes)),
            channels=data.draw(st.sampled_from((1, 1, 3))),
            additional=axes,
            chunk_shape=chunk,
            shard_shape=chunk * shape(self.chunks_per_shard),
            compress=data.draw(st.booleans()),
        )

    def test_every_type_keeps_its_extreme_values(self, tmp_path: Path) -> None:
        for dtype in self.dtypes:
            kind = np.dtype(dtype)
            extremes: list[Any]
            if kind.kind == "f":
                limits = np.finfo(kind)
                extremes = [limits.min, limits.max, limits.tiny, np.nan, np.inf, -np.inf, -0.0, 0.1]
            else:
                extremes = [np.iinfo(kind).min, np.iinfo(kind).max, np.iinfo(kind).max - 1, 0, 1, 2, 3, 4]
            voxels = np.array(extremes, kind).reshape(1, 2, 2, 2)
            for compress in (True, False):
                array = self.create(
                    tmp_path / f"{dtype}-{compress}", self.info((2, 2, 2), dtype=dtype, compress=compress)
                )
                array.write_box(self.box((0, 0, 0), (2, 2, 2)), voxels)
                found = self.reopened(array).read_box(self.box((0, 0, 0), (2, 2, 2)))
                assert np.ascontiguousarray(found).tobytes() == voxels.tobytes()

    def test_an_opened_array_is_what_was_created(self, tmp_path: Path) -> None:
        wanted = self.info(channels=3, dtype="uint8", additional={"t": 2} if self.has_additional_axes else None)
        created = self.create(tmp_path / "1", wanted).info
        opened = self.reopened(self.create(tmp_path / "2", wanted)).info

        assert created.box.contains_bbox(wanted.box)
        assert (created.voxel_type, created.num_channels) == (np.dtype("uint8"), 3)
        assert (created.chunk_shape, created.shard_shape) == (wanted.chunk_shape, wanted.shard_shape)
        assert created.dimension_names == wanted.dimension_names
        if self.keeps_extent:
            assert opened == created

    def test_the_voxels_may_lie_in_any_order_and_are_left_alone(self, tmp_path: Path) -> None:
        box = self.box((1, 2, 3), (9, 7, 5))
        voxels = values("uint16", box.size, 1)
        padded = np.zeros((1, 18, 7, 10), np.uint16)
        padded[:, ::2, :, ::2] = voxels
        read_only = voxels.copy()
        read_only.flags.writeable = False

        for number, given_voxels in enumerate((voxels, np.asfortranarray(voxels), padded[:, ::2, :, ::2], read_only)):
            array = self.create(tmp_path / str(number), self.info())
            array.write_box(box, given_voxels)
            np.testing.assert_array_equal(given_voxels, voxels)
            np.testing.assert_array_equal(array.read_box(box), voxels)

    def test_some_channels_are_written_and_read_without_the_others(self, tmp_path: Path) -> None:
        array = self.create(tmp_path / "1", self.info((6, 5, 4), channels=3))
        model = values("uint16", (3, 6, 5, 4), 7)
        array.write_box(self.box((0, 0, 0), (6, 5, 4), 3), model)
        middle = NormalizedBoundingBox((1, 2, 1, 0), (1, 3, 4, 4), ("c", "x", "y", "z"))
        model[middle.to_slices()] = values("uint16", middle.size, 8)

        array.write_box(middle, model[middle.to_slices()])

        np.testing.assert_array_equal(array.read_box(middle), model[middle.to_slices()])
        np.testing.assert_array_equal(array.read_box(self.box((0, 0, 0), (6, 5, 4), 3)), model)

    def test_positions_along_additional_axes_do_not_touch_one_another(self, tmp_path: Path) -> None:
        if not self.has_additional_axes:
            pytest.skip("the format has no axes besides c, x, y, z")
        info = self.info((9, 8, 7), additional={"t": 3, "angle": 2})
        array = self.create(tmp_path / "1", info)
        model = np.zeros(info.shape, info.voxel_type)
        for seed, (t, angle) in enumerate(product(range(3), range(2))):
            box = NormalizedBoundingBox((t, angle, 0, 1, 2, 3), (1, 1, 1, 7, 6, 4), info.box.axes)
            model[box.to_slices()] = values("uint16", box.size, seed)
            array.write_box(box, model[box.to_slices()])

        np.testing.assert_array_equal(self.reopened(array).read_box(info.box), model)

    # Zeros and extents

    def test_zeros_are_not_stored_and_remove_what_was_stored(self, tmp_path: Path) -> None:
        info = self.info()
        array = self.create(tmp_path / "1", info)
        array.write_box(info.box, np.zeros(info.shape, np.uint16))
        assert list(array.stored_boxes()) == []

        array.write_box(info.box, values("uint16", info.shape, 3))
        assert list(array.stored_boxes())
        # in two parts: neither of them knows that the rest of a shard is empty
        for start, width in ((0, 6), (6, 15)):
            array.write_box(self.box((start, 0, 0), (width, 13, 10)), np.zeros((1, width, 13, 10), np.uint16))

        assert list(array.stored_boxes()) == []
        assert not array.read_box(info.box).any()
        assert not self.reopened(array).read_box(info.box).any()

    def test_an_empty_box_has_no_voxels(self, tmp_path: Path) -> None:
        array = self.create(tmp_path / "1", self.info())
        nothing = self.box((3, 4, 5), (0, 2, 2))
        array.write_box(nothing, np.zeros((1, 0, 2, 2), np.uint16))
        assert array.read_box(nothing).shape == (1, 0, 2, 2)
        assert list(array.stored_boxes()) == []

    def test_a_box_that_leaves_the_array_is_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        array = self.create(tmp_path / "1", self.info())
        end = array.info.box.size_xyz
        outside = [
            self.box((-1, 0, 0), (2, 2, 2)),
            NormalizedBoundingBox((1, 0, 0, 0), (1, 2, 2, 2), ("c", "x", "y", "z")),
            *([self.box((end.x - 1, 0, 0), (2, 2, 2))] if self.keeps_extent else []),
        ]
        for box in outside:
            with pytest.raises(GeometryError):
                array.write_box(box, np.ones(tuple(box.size), np.uint16))
        with pytest.raises(GeometryError):
            array.read_box(outside[0])
        with pytest.raises(GeometryError):
            array.read_box(NormalizedBoundingBox((0, 0, 0, 0, 0), (1, 1, 1, 1, 1), ("q", "c", "x", "y", "z")))
        assert list(array.stored_boxes()) == []

    def test_voxels_of_another_shape_or_type_are_refused(self, tmp_path: Path) -> None:
        array = self.create(tmp_path / "1", self.info())
        box = self.box((0, 0, 0), (4, 4, 4))
        for voxels in (
            np.ones((1, 4, 4, 3), np.uint16),
            np.ones((4, 4, 4), np.uint16),
            np.ones((1, 4, 4, 4), np.int64),
        ):
            with pytest.raises(InputError):
                array.write_box(box, voxels)
        assert list(array.stored_boxes()) == []

    def test_an_array_grows_without_losing_voxels(self, tmp_path: Path) -> None:
        info = self.info((9, 9, 9))
        array = self.create(tmp_path / "1", info)
        model = np.zeros((1, 30, 12, 9), np.uint16)
        model[:, :9, :9] = values("uint16", (1, 9, 9, 9), 1)
        array.write_box(info.box, model[:, :9, :9])

        array.resize(self.box((2, 2, 2), (28, 10, 7)))

        assert array.info.box.contains_bbox(self.box((0, 0, 0), (30, 12, 9)))
        np.testing.assert_array_equal(array.read_box(self.box((0, 0, 0), (30, 12, 9))), model)
        model[:, 20:, 5:] = values("uint16", (1, 10, 7, 9), 2)
        array.write_box(self.box((20, 5, 0), (10, 7, 9)), model[:, 20:, 5:])
        np.testing.assert_array_equal(self.reopened(array).read_box(self.box((0, 0, 0), (30, 12, 9))), model)

    def test_a_smaller_array_ends_where_it_says(self, tmp_path: Path) -> None:
        if not self.keeps_extent:
            pytest.skip("the format does not say where an array ends")
        info = self.info((24, 16, 16))
        array = self.create(tmp_path / "1", info)
        model = values("uint16", info.shape, 5)
        array.write_box(info.box, model)

        array.resize(self.box((0, 0, 0), (9, 16, 7)))

        for reader in (array, self.reopened(array)):
            end = reader.info.box.size_xyz
            assert reader.info.box.contains_bbox(self.box((0, 0, 0), (9, 16, 7)))
            assert end.x < 24
            assert end.z < 16
            found = reader.read_box(info.box)
            np.testing.assert_array_equal(found[:, : end.x, : end.y, : end.z], model[:, : end.x, : end.y, : end.z])
            assert not found[:, end.x :].any()
            assert not found[..., end.z :].any()
            assert all(reader.info.box.contains_bbox(box) for box in reader.stored_boxes())

    def test_arrays_opened_for_reading_can_not_be_changed(self, tmp_path: Path) -> None:
        info = self.info()
        array = self.reopened(self.create(tmp_path / "1", info), read_only=True)
        with pytest.raises(ReadOnlyError):
            array.write_box(info.box, np.ones(info.shape, np.uint16))
        with pytest.raises(ReadOnlyError):
            array.resize(info.box)
        assert not array.read_box(info.box).any()
