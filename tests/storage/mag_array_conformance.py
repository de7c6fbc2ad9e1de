"""What every array of a mag must do, whatever the format: inherit the suite and say how an array is made and opened.

    class TestMyArray(MagArrayConformance):
        data_format = DataFormat.Zarr3

        def create(self, path: Path, info: ArrayInfo) -> MagArray: ...
        def open(self, path, *, axis_order, additional_axes, read_only) -> MagArray: ...

The class must stand in a module that a new process can import (`tests.storage.test_…`): writers in other processes, and
writers that are killed, are real. The flags say what a format can not do; the tests about it are then left out. Arrays are
small: boxes of some thousand voxels, chunks of 4 voxels.
"""

import errno
import multiprocessing
import os
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.storage.mag_array_writers import crash_at_every_step, fill_from_two_processes, fill_stripes
from wk_assets.errors import DiskFullError, GeometryError, InputError, ReadOnlyError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
Step = tuple[NormalizedBoundingBox, int]

# the suite is inherited by several classes on purpose; files make examples slow, not large
few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def values(dtype: "np.dtype[Any] | str", shape: Sequence[int], seed: int) -> NDArray[Any]:
    """Give voxels of the whole range of a type, one in four of them 0."""
    kind = np.dtype(dtype)
    generator = np.random.default_rng(seed)
    if kind.kind == "f":
        made = generator.normal(0, 1e6, tuple(shape)).astype(kind)
    else:
        limits = np.iinfo(kind)
        made = generator.integers(limits.min, limits.max, tuple(shape), dtype=kind, endpoint=True)
    made[generator.random(tuple(shape)) < 0.25] = 0
    return made


def boxes_inside(outer: NormalizedBoundingBox, margin: int = 0) -> st.SearchStrategy[NormalizedBoundingBox]:
    """Draw boxes that are not empty and lie in `outer`, which starts at 0, or reach up to `margin` voxels beyond x, y, z."""

    def interval(axis: str) -> st.SearchStrategy[tuple[int, int]]:
        end = outer.get_shape(axis) + (margin if axis in "xyz" else 0)
        return st.tuples(st.integers(0, end - 1), st.integers(1, end)).map(
            lambda pair: (min(pair[0], pair[1] - 1), max(pair[0] + 1, pair[1]))
        )

    def box(bounds: tuple[tuple[int, int], ...]) -> NormalizedBoundingBox:
        return NormalizedBoundingBox([a for a, _ in bounds], [b - a for a, b in bounds], outer.axes)

    return st.tuples(*map(interval, outer.axes)).map(box)


def expected_voxels(written: NDArray[Any], box: NormalizedBoundingBox) -> NDArray[Any]:
    """Cut a box from an array in memory that starts at the origin; beyond its end there are zeros."""
    found = np.zeros(tuple(box.size), written.dtype)
    inside = written[box.to_slices()]
    found[tuple(slice(length) for length in inside.shape)] = inside
    return found


def additional_axes_of(info: ArrayInfo) -> tuple[AdditionalAxisProperties, ...]:
    """Describe the axes before the channels as datasource-properties.json does."""
    return tuple(
        AdditionalAxisProperties(name=axis, bounds=(0, info.box.get_shape(axis)), index=place)
        for place, axis in enumerate(info.box.axes[:-4])
    )


def leftovers(path: Path) -> list[str]:
    """Name what writers forgot: locks, notes about their holders, halves of files."""
    return [str(file) for file in path.rglob("*") if file.suffix in {".lock", ".holder", ".partial"}]


class MagArrayConformance(ABC):
    """Test an array by the protocol of `wk_assets.storage.mag_array`."""

    data_format: ClassVar[DataFormat]
    dtypes: ClassVar[tuple[str, ...]] = (*INTEGERS, "float32", "float64")
    chunks_per_shard: ClassVar[tuple[int, ...]] = (1, 2, 4)  # along each axis; (1,) where a file holds one chunk
    cubes_only: ClassVar[bool] = False  # chunks and shards have three equal edges
    has_additional_axes: ClassVar[bool] = True
    keeps_extent: ClassVar[bool] = True  # the array knows where it ends, also when it is opened anew

    @abstractmethod
    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        """Make an empty array."""

    @abstractmethod
    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> MagArray:
        """Open an array."""

    # What the tests are made of

    def info(
        self,
        size: Sequence[int] = (21, 13, 10),
        *,
        dtype: str = "uint16",
        channels: int = 1,
        additional: Mapping[str, int] | None = None,
        chunk_shape: Sequence[int] | None = None,
        shard_shape: Sequence[int] | None = None,
        compress: bool = True,
    ) -> ArrayInfo:
        """Describe an array; by default with shards of 8³ voxels, of two chunks along each axis where the format has those."""
        extra = additional or {}
        shard = Vec3Int(shard_shape or (8, 8, 8))
        return ArrayInfo(
            data_format=self.data_format,
            voxel_type=np.dtype(dtype),
            box=NormalizedBoundingBox(
                [0] * (len(extra) + 4), [*extra.values(), channels, *size], (*extra, "c", "x", "y", "z")
            ),
            chunk_shape=Vec3Int(chunk_shape or shard // min(2, max(self.chunks_per_shard))),
            shard_shape=shard,
            compression_mode=compress,
        )

    def box(self, topleft: Sequence[int], size: Sequence[int], channels: int = 1) -> NormalizedBoundingBox:
        """Give a box of all channels."""
        return NormalizedBoundingBox((0, *topleft), (channels, *size), ("c", "x", "y", "z"))

    def reopened(self, array: MagArray, *, read_only: bool = False) -> MagArray:
        """Open an array anew, as its layer's properties describe it."""
        info = array.info
        return self.open(
            array.path,
            axis_order=info.axis_order or None,
            additional_axes=additional_axes_of(info),
            read_only=read_only,
        )

    # Laws

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
            self._stored_boxes_cover(array, model)
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

    def _stored_boxes_cover(self, array: MagArray, model: NDArray[Any]) -> None:
        """Every voxel other than 0 lies in one stored box, and no stored box is without one."""
        stored = list(array.stored_boxes())
        covered = np.zeros(array.info.shape, np.int64)
        for box in stored:
            assert array.info.box.contains_bbox(box)
            covered[box.to_slices()] += 1
            assert expected_voxels(model, box).any()
        assert covered.max(initial=0) <= 1
        assert (covered[tuple(slice(length) for length in model.shape)][model != 0] == 1).all()
        if self.keeps_extent:
            assert stored == list(self.reopened(array).stored_boxes())

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

    # Several writers

    @pytest.mark.parametrize("stripe", [1, 8], ids=["within_the_same_shards", "in_shards_of_their_own"])
    def test_threads_that_write_at_the_same_time_lose_nothing(self, tmp_path: Path, stripe: int) -> None:
        info = self.info((32, 6, 5))
        array = self.create(tmp_path / "1", info)
        model = values("uint16", info.shape, 4)
        start = threading.Barrier(4)

        def write(worker: int) -> None:
            start.wait()
            fill_stripes(array, model, stripe, worker, workers=4)

        with ThreadPoolExecutor(4) as threads:
            for done in [threads.submit(write, worker) for worker in range(4)]:
                done.result()

        np.testing.assert_array_equal(array.read_box(info.box), model)
        np.testing.assert_array_equal(self.reopened(array).read_box(info.box), model)
        self._stored_boxes_cover(array, model)
        assert not leftovers(tmp_path)

    def test_processes_that_write_at_the_same_time_lose_nothing(self, tmp_path: Path) -> None:
        """Within the same shards (stripes of 1 voxel) and in shards of their own (of 8)."""
        info = self.info((32, 6, 5))
        arrays = {stripe: self.create(tmp_path / str(stripe), info) for stripe in (1, 8)}
        model = values("uint16", info.shape, 6)
        jobs = [(self._opener(array), stripe) for stripe, array in arrays.items()]

        exit_codes = _answer_of_another_process(fill_from_two_processes, jobs, model)

        assert exit_codes == [0, 0] * len(jobs)
        for array in arrays.values():
            np.testing.assert_array_equal(array.read_box(info.box), model)
            np.testing.assert_array_equal(self.reopened(array).read_box(info.box), model)
            self._stored_boxes_cover(array, model)
        assert not leftovers(tmp_path)

    def test_a_killed_writer_leaves_old_or_new_shards_and_the_next_one_finishes(self, tmp_path: Path) -> None:
        """One process writes and is killed before its first fsync, rename or unlink; another before its second; and so on."""
        info = self.info((14, 8, 5))
        array = self.create(tmp_path / "1", info)

        killed, problems = _answer_of_another_process(
            crash_at_every_step,
            self._opener(array),
            values("uint16", info.shape, 1),
            values("uint16", info.shape, 2),
        )

        assert problems == []
        assert killed >= 2
        assert not leftovers(tmp_path)

    def test_a_full_disk_leaves_old_or_new_shards_and_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The disk is full at the first fsync of a write; at the second of another; and so on, until a write has fewer."""
        info = self.info((14, 8, 5))
        array = self.create(tmp_path / "1", info)
        old, new = values("uint16", info.shape, 1), values("uint16", info.shape, 2)
        for step in range(100):
            array.write_box(info.box, old)
            disk = _FullDisk(step)
            monkeypatch.setattr(os, "fsync", disk.fsync)
            refused: list[DiskFullError] = []
            try:
                array.write_box(info.box, new)
            except DiskFullError as error:
                refused.append(error)
            monkeypatch.undo()

            assert bool(refused) == disk.was_full
            assert not leftovers(tmp_path)
            for reader in (array, self.reopened(array)):
                found = reader.read_box(info.box)
                for shard in info.box.chunk(info.shard_shape, info.shard_shape):
                    part = shard.to_slices()
                    assert any(
                        np.array_equal(found[part], state[part]) for state in ((old, new) if refused else (new,))
                    )
            if not refused:
                return
        pytest.fail("a small write takes a hundred fsyncs")

    def _opener(self, array: MagArray) -> Callable[[], MagArray]:
        return _Opener(type(self), array.path, array.info)


class _FullDisk:
    """Count fsyncs; one of them finds no space."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._real = os.fsync
        self._counting = threading.Lock()
        self.was_full = False

    def fsync(self, descriptor: int) -> None:
        with self._counting:
            self._step -= 1
            full = self._step == -1
        if full:
            self.was_full = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._real(descriptor)


class _Opener:
    """Open an array in another process: what a pickle can carry."""

    def __init__(self, suite: type[MagArrayConformance], path: Path, info: ArrayInfo) -> None:
        self._suite, self._path, self._info = suite, path, info

    def __call__(self) -> MagArray:
        return self._suite().open(
            self._path,
            axis_order=self._info.axis_order or None,
            additional_axes=additional_axes_of(self._info),
            read_only=False,
        )


def _answer_of_another_process(function: Callable[..., None], *arguments: Any) -> Any:
    """Run a function in a new process, which has no threads; its last argument is where it puts its answer."""
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.SimpleQueue()
    process = spawn.Process(target=function, args=(*arguments, answers))
    process.start()
    process.join(200)
    assert process.exitcode == 0
    return answers.get()
