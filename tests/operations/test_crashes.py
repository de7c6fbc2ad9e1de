"""Whatever kills an import, and wherever: no reader sees half of it, and the next run ends with the same bytes."""

import errno
import random
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.operations import crash_lab
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.properties.dataset_properties import FILE_NAME

DEPTH = 40
STRIDE = 4
# The default run has time for a sample; `make faults` has the rest.
SAMPLED = pytest.mark.parametrize("every", [21, pytest.param(7, marks=pytest.mark.exhaustive)])


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox") / "acquisition"
    crash_lab.write_slices(folder, DEPTH)
    return folder


@pytest.fixture(scope="module")
def undisturbed(slices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    target = tmp_path_factory.mktemp("undisturbed") / "dataset"
    crash_lab.make_dataset(slices, target)  # also loads the compiled kernels, for the children
    assert verify_dataset(target, Compute(threads=1)).passed
    return crash_lab.digest(target)


def assert_resumes(target: Path, work: Callable[[], None], expected: dict[str, str]) -> None:
    """Check what a crash left behind, run again undisturbed, and compare every byte."""
    if (target / FILE_NAME).exists() and crash_lab.digest(target)[FILE_NAME] == expected[FILE_NAME]:
        visible = {name: value for name, value in crash_lab.digest(target).items() if "staging" not in name}
        assert {name for name in expected if name not in visible} == set(), "visible before it was whole"
    assert crash_lab.run_for(60, work)
    assert crash_lab.digest(target) == expected


def test_two_undisturbed_runs_give_the_same_bytes(slices: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    crash_lab.make_dataset(slices, tmp_path / "dataset")
    assert crash_lab.digest(tmp_path / "dataset") == undisturbed


@pytest.mark.parametrize("times", [20, pytest.param(50, marks=pytest.mark.exhaustive)])
def test_kill_9_at_random_times(slices: Path, undisturbed: dict[str, str], tmp_path: Path, times: int) -> None:
    started = time.monotonic()
    assert crash_lab.run_for(60, partial(crash_lab.make_dataset, slices, tmp_path / "timed"))
    whole = time.monotonic() - started
    generator = random.Random(7)
    killed = 0
    for number in range(times):
        target = tmp_path / str(number)
        work = partial(crash_lab.make_dataset, slices, target)
        for _ in range(generator.choice([1, 1, 2, 3])):
            killed += not crash_lab.run_for(generator.uniform(0.0, 1.1 * whole), work)
        assert_resumes(target, work, undisturbed)
        shutil.rmtree(target)
    assert killed >= 0.4 * times


# Together they are all points; apart they run in parallel, and a quarter is what the default run has time for (`make faults`).
@pytest.mark.parametrize(
    "first",
    [pytest.param(first, marks=[pytest.mark.exhaustive] if first > 1 else []) for first in range(1, STRIDE + 1)],
)
def test_kill_9_at_every_call_that_changes_the_disk(
    slices: Path, undisturbed: dict[str, str], tmp_path: Path, first: int
) -> None:
    points = crash_lab.count_points(partial(crash_lab.make_dataset, slices, tmp_path / "counted"))
    assert points > 100
    for point in range(first, points + 1, STRIDE):
        target = tmp_path / str(point)
        work = partial(crash_lab.make_dataset, slices, target)
        assert not crash_lab.run_until(point, work) or point > points - 5  # threads shift the count a little
        assert_resumes(target, work, undisturbed)
        shutil.rmtree(target)


@SAMPLED
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_at_any_call(
    slices: Path, undisturbed: dict[str, str], tmp_path: Path, error: int, every: int
) -> None:
    points = crash_lab.count_points(partial(crash_lab.make_dataset, slices, tmp_path / "counted"))
    for point in range(1, points + 1, every):
        target = tmp_path / str(point)
        work = partial(crash_lab.make_dataset, slices, target)
        crash_lab.run_until(point, work, error=error)
        assert_resumes(target, work, undisturbed)
        shutil.rmtree(target)


@SAMPLED
def test_kill_9_while_a_changed_source_replaces_a_dataset(slices: Path, tmp_path: Path, every: int) -> None:
    """The dataset that was there stays readable, whole and unmixed, until the new one is."""
    changed = tmp_path / "changed"
    crash_lab.write_slices(changed, DEPTH, seed=1)
    old, new = tmp_path / "old", tmp_path / "new"
    crash_lab.make_dataset(slices, old)
    shutil.copytree(old, new, copy_function=shutil.copy2)
    crash_lab.make_dataset(changed, new)
    expected, before = crash_lab.digest(new), crash_lab.digest(old)
    shutil.copytree(old, tmp_path / "counted", copy_function=shutil.copy2)
    points = crash_lab.count_points(partial(crash_lab.make_dataset, changed, tmp_path / "counted"))
    for point in range(1, points + 1, every):
        target = tmp_path / str(point)
        shutil.copytree(old, target, copy_function=shutil.copy2)
        work = partial(crash_lab.make_dataset, changed, target)
        crash_lab.run_until(point, work)
        properties = crash_lab.digest(target)[FILE_NAME]
        assert properties in (before[FILE_NAME], expected[FILE_NAME])
        assert verify_dataset(target, Compute(threads=1)).passed
        assert_resumes(target, work, expected)
        shutil.rmtree(target)
