"""Every rename, fsync and unlink of an import and of a rewrite may be the last one, or fail: strace sees to it.

By default a sample of the calls is disturbed, another one for each fault; `make faults` takes every call.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.operations import crash_lab, fault_jobs, strace_lab
from tests.operations.strace_lab import Point

pytestmark = pytest.mark.usefixtures("strace")

FAULTS = ("signal=SIGKILL", "error=ENOSPC", "error=EIO")
EVERY = 33  # of how many calls one is taken by default


def disturb_and_finish(
    points: list[Point], fault: str, prepare: Callable[[], object], target: Path, work: Callable[[], None], whole: Path
) -> None:
    """Disturb the work at each point, look at what readers see, run again, compare every byte."""
    expected = crash_lab.digest(whole)
    for point in points:
        prepare()
        outcome = strace_lab.disturb(work, point, fault)
        assert outcome.fired, f"{point} does not happen any more"
        assert outcome.killed == (fault == "signal=SIGKILL"), f"{point}: {outcome}"
        assert outcome.killed or (outcome.refusal or "").startswith(("DiskFullError: ", "StorageError: ")), (
            f"{point}: {outcome}"
        )
        fault_jobs.assert_nothing_is_half_visible(target)
        kept = fault_jobs.checkpointed_shards(target)
        assert fault_jobs.bytes_beyond_the_checkpoint(target) <= fault_jobs.CHECKPOINT_BYTES + fault_jobs.SLAB_BYTES
        assert crash_lab.run_for(60, work), f"after {fault} at {point} the next run fails"
        assert crash_lab.digest(target) == expected, f"{fault} at {point}"
        published = fault_jobs.published_shards(target)
        assert {shard: published[shard] for shard in kept} == kept, f"{point}: a finished shard was made again"
        shutil.rmtree(target)


def sample(points: list[Point], number: int, count: int) -> list[Point]:
    """Take every `EVERY`-th point, others for each of `count` faults."""
    return points[number * EVERY // count :: EVERY]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=[pytest.mark.exhaustive, pytest.mark.timeout(900)])])
def test_a_disturbed_import_ends_with_the_same_bytes(
    short_stack: Path, imported: Path, tmp_path: Path, fault: str, every: bool
) -> None:
    target = tmp_path / "dataset"
    work = partial(fault_jobs.import_slices, short_stack, target)
    points = strace_lab.points_of(work, tmp_path / "calls.log")
    assert len(points) > 100
    assert {point.call for point in points} >= {"rename", "fsync", "unlink"}
    shutil.rmtree(target)

    disturb_and_finish(
        points if every else sample(points, FAULTS.index(fault), len(FAULTS)),
        fault,
        lambda: None,
        target,
        work,
        imported,
    )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=[pytest.mark.exhaustive, pytest.mark.timeout(900)])])
def test_a_disturbed_rewrite_keeps_the_old_dataset_until_the_new_one_is_whole(
    imported: Path, rewritten: Path, tmp_path: Path, fault: str, every: bool
) -> None:
    target = tmp_path / "dataset"
    prepare = partial(shutil.copytree, imported, target, copy_function=shutil.copy2)
    work = partial(fault_jobs.rewrite, target)
    prepare()
    points = strace_lab.points_of(work, tmp_path / "calls.log")
    assert len(points) > 100
    shutil.rmtree(target)

    disturb_and_finish(
        points if every else sample(points, FAULTS.index(fault), len(FAULTS)),
        fault,
        prepare,
        target,
        work,
        rewritten,
    )


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disturbed_copy_ends_with_the_same_bytes(imported: Path, tmp_path: Path, fault: str) -> None:
    target, whole = tmp_path / "dataset", tmp_path / "whole"
    fault_jobs.copy(imported, whole)
    work = partial(fault_jobs.copy, imported, target)
    points = strace_lab.points_of(work, tmp_path / "calls.log")
    assert len(points) > 100
    shutil.rmtree(target)

    source = crash_lab.digest(imported)

    disturb_and_finish(points, fault, lambda: None, target, work, whole)

    assert crash_lab.digest(imported) == source


def test_strace_kills_at_the_very_call_that_was_asked_for(tmp_path: Path) -> None:
    """Were the laboratory to disturb nothing, everything here would pass."""

    def work() -> None:
        for number in range(4):
            path = tmp_path / str(number)
            path.write_bytes(b"x")
            path.rename(path.with_suffix(".done"))

    points = strace_lab.points_of(work, tmp_path / "calls.log")
    assert points == [Point("rename", number) for number in (1, 2, 3, 4)]
    for leftover in tmp_path.iterdir():
        leftover.unlink()

    assert strace_lab.disturb(work, Point("rename", 3), "signal=SIGKILL").killed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.done", "1.done", "2"]
    outcome = strace_lab.disturb(work, Point("rename", 2), "error=ENOSPC")
    assert (outcome.fired, outcome.refusal) == (
        True,
        f"unexpected OSError: [Errno 28] No space left on device: '{tmp_path / '1'}' -> '{tmp_path / '1.done'}'",
    )
    assert not strace_lab.disturb(work, Point("rename", 9), "error=ENOSPC").fired
