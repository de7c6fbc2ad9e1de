"""The launcher sees that a run's process is gone: real processes, really killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml
from dagster._core.launcher import WorkerStatus

from resources.launcher import HealthCheckedRunLauncher
from resources.worker_process import WorkerProcess, follow_worker, worker_of_run
from tests.resources.runs import report_worker, started_run

LAUNCHER = {"run_launcher": {"module": "resources.launcher", "class": "HealthCheckedRunLauncher"}}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=LAUNCHER) as instance:
        yield instance


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    launcher = instance.run_launcher
    assert isinstance(launcher, HealthCheckedRunLauncher)
    assert launcher.supports_check_run_worker_health
    return launcher.check_run_worker_health(run).status


def test_a_run_whose_process_lives_is_running(instance: dg.DagsterInstance, sleeper: subprocess.Popen[bytes]) -> None:
    run = started_run(instance)
    report_worker(instance, run, sleeper.pid)

    assert health(instance, run) is WorkerStatus.RUNNING


def test_a_run_whose_process_was_killed_is_not_found(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen[bytes]
) -> None:
    """After a reboot or an out-of-memory kill such a run stayed STARTED for ever, and held its pool slot."""
    run = started_run(instance)
    report_worker(instance, run, sleeper.pid)

    sleeper.kill()

    # Not waited for, so it is a zombie: that is no life either.
    deadline = time.monotonic() + 5
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert health(instance, run) is WorkerStatus.NOT_FOUND
    sleeper.wait()
    assert health(instance, run) is WorkerStatus.NOT_FOUND


def test_a_later_process_with_the_same_id_is_not_the_run(sleeper: subprocess.Popen[bytes]) -> None:
    reported_before_it_started = psutil.Process(sleeper.pid).create_time() - 3600

    assert not WorkerProcess(pid=sleeper.pid, reported_at=reported_before_it_started).is_alive()


def test_a_run_that_has_not_reported_its_process_is_left_to_the_start_timeout(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)

    assert worker_of_run(instance, run.run_id) is None
    assert health(instance, run) is WorkerStatus.RUNNING


def test_the_worker_itself_follows_nobody(instance: dg.DagsterInstance) -> None:
    """It must outlive a restart of the code server that started it."""
    run = started_run(instance)
    report_worker(instance, run, os.getpid())

    follow_worker(instance, run.run_id)


def test_a_step_whose_worker_is_gone_does_not_start(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen[bytes]
) -> None:
    run = started_run(instance)
    report_worker(instance, run, sleeper.pid)
    sleeper.kill()
    sleeper.wait()

    # In a process of its own: the one that asks is bound to its parent.
    asked = subprocess.run(
        [sys.executable, "-c", FOLLOW.format(home=instance.root_directory, run_id=run.run_id)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "ProcessLookupError" in asked.stderr
    assert asked.returncode != 0


FOLLOW = """
import dagster as dg
from resources.worker_process import follow_worker
with dg.DagsterInstance.local_temp({home!r}) as instance:
    follow_worker(instance, {run_id!r})
"""


@pytest.mark.slow
def test_a_step_dies_with_its_worker(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """kill -9 of a worker left the step's process writing while the run's retry had started already."""
    run = started_run(instance)
    sign = tmp_path / "step"
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.resources.runs", instance.root_directory, run.run_id, str(sign)]
    )
    try:
        deadline = time.monotonic() + 60
        while not sign.exists() or not sign.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        step = psutil.Process(int(sign.read_text()))

        worker.kill()
        worker.wait()

        assert psutil.wait_procs([step], timeout=5)[0] or step.status() == psutil.STATUS_ZOMBIE
    finally:
        worker.kill()
        worker.wait()


def test_dagster_takes_the_settings_that_are_shipped(repository: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load((repository / "deploy" / "dagster.yaml").read_text())

    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=settings) as instance:
        assert isinstance(instance.run_launcher, HealthCheckedRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert not instance.telemetry_enabled
