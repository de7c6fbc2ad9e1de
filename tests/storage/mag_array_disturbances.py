"""Arrays that several threads or processes write, whose writers are killed, whose disk is full: part of the conformance suite."""

import errno
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.storage.mag_array_suite import ArraySuite, additional_axes_of, leftovers, values
from tests.storage.mag_array_writers import crash_at_every_step, fill_from_two_processes, fill_stripes
from wk_assets.errors import DiskFullError
from wk_assets.storage.mag_array import ArrayInfo, MagArray


class DisturbedArrays(ArraySuite):
    """Lose nothing, and mix nothing: every shard is what one of its writers made of it."""

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
        self.check_stored_boxes(array, model)
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
            self.check_stored_boxes(array, model)
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

    def __init__(self, suite: type[ArraySuite], path: Path, info: ArrayInfo) -> None:
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
