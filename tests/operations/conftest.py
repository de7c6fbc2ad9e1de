"""Datasets that are made once per worker, for the tests that disturb making them."""

import shutil
from pathlib import Path

import pytest

from tests.operations import crash_lab, fault_jobs, strace_lab


@pytest.fixture(scope="session")
def strace() -> None:
    """Skip, with the reason, where system calls can not be watched."""
    reason = strace_lab.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def short_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the slices that `fault_jobs` import."""
    folder = tmp_path_factory.mktemp("inbox") / "acquisition"
    crash_lab.write_slices(folder, fault_jobs.DEPTH)
    return folder


@pytest.fixture(scope="session")
def imported(short_stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import them undisturbed, which also loads the compiled kernels, for the children."""
    target = tmp_path_factory.mktemp("imported") / "dataset"
    fault_jobs.import_slices(short_stack, target)
    return target


@pytest.fixture(scope="session")
def rewritten(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rewrite what was imported, undisturbed."""
    target = tmp_path_factory.mktemp("rewritten") / "dataset"
    shutil.copytree(imported, target, copy_function=shutil.copy2)
    fault_jobs.rewrite(target)
    return target
