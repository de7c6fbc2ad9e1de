"""The sensor and the schedules on a real inbox and a real event log: each acquisition once, whoever looks, however often."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sensors.inbox_scan import hourly_inbox_scan, inbox_scan, nightly_inbox_scan
from tests.assets.facility_home import CONFIGURATION, fill_inbox, make_home
from tests.sensors.daemon import Daemon


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = make_home(tmp_path)
    monkeypatch.setenv("WK_ASSETS_CONFIG", str(file))
    return file


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    return folder


@pytest.fixture
def instance(storage: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(storage)) as instance:
        yield instance


def datasets(config: Path) -> list[str]:
    return sorted(path.stem for path in (config.parent / "catalogue").glob("*.json"))


def test_ten_ticks_a_restart_and_a_second_daemon_request_each_acquisition_once(
    config: Path, instance: dg.DagsterInstance, storage: Path
) -> None:
    for name in ("brain-1", "brain-2", "brain-3"):
        fill_inbox(config.parent, name)
    first = Daemon(instance, config)
    started = [key for _ in range(5) for key in first.tick()]

    with dg.DagsterInstance.local_temp(str(storage)) as again:
        restarted, without_memory = Daemon(again, config, first.cursor), Daemon(again, config)
        started += [key for _ in range(5) for daemon in (restarted, without_memory) for key in daemon.tick()]
        started += without_memory.scan(nightly_inbox_scan)
        started += restarted.scan(hourly_inbox_scan)
        runs = again.get_runs_count()

    assert len(started) == len(set(started)) == runs == 3
    assert datasets(config) == ["brain-1", "brain-2", "brain-3"]


def test_a_tick_that_finds_nothing_says_why(config: Path, instance: dg.DagsterInstance) -> None:
    daemon = Daemon(instance, config)
    daemon.tick()
    fill_inbox(config.parent, "brain-1", finished=False)
    daemon.tick()
    (config.parent / "inbox" / "brain-1" / "DONE").touch()
    daemon.tick()
    daemon.tick()

    empty, waiting, registered = daemon.reasons
    assert f"{config.parent / 'inbox'} holds no folder" in empty
    assert "lightsheet/brain-1: waiting for DONE" in waiting
    assert registered == "1 acquisition is registered and unchanged"


def test_an_acquisition_that_changed_is_registered_again(config: Path, instance: dg.DagsterInstance) -> None:
    daemon = Daemon(instance, config)
    fill_inbox(config.parent, "brain-1")
    daemon.tick()

    fill_inbox(config.parent, "brain-1", seed=2)
    again = daemon.tick() + daemon.tick()

    assert len(again) == 1
    assert " after " in again[0]
    assert datasets(config) == ["brain-1"]


def test_a_registration_that_failed_is_told_and_not_repeated(config: Path, instance: dg.DagsterInstance) -> None:
    """Thirty runs an hour, each with the same failure, would hide the first one."""
    folder = fill_inbox(config.parent, "brain-1")
    (folder / "nuclei_z003.tif").write_bytes(b"II*\0 cut")
    daemon = Daemon(instance, config)

    started = daemon.tick() + daemon.tick() + daemon.tick()

    assert len(started) == 1
    assert "its registration failed (run " in daemon.reasons[-1]
    assert "re-execute it" in daemon.reasons[-1]


def test_a_folder_that_is_gone_is_told(config: Path, instance: dg.DagsterInstance) -> None:
    (config.parent / "inbox").rmdir()
    daemon = Daemon(instance, config)

    assert daemon.tick() == []
    assert str(config.parent / "inbox") in daemon.reasons[0]


def test_a_cursor_that_can_not_be_read_is_started_anew(config: Path, instance: dg.DagsterInstance) -> None:
    fill_inbox(config.parent, "brain-1")

    assert len(Daemon(instance, config, cursor='{"version": 99}').tick()) == 1


QUIET_RULE = CONFIGURATION.replace("{rule: marker, file: DONE}", "{rule: quiet, seconds: 1}")


def test_a_schedule_remembers_what_it_saw_although_it_has_no_cursor(config: Path, instance: dg.DagsterInstance) -> None:
    """The rule of the quiet period needs two equal looks."""
    config.write_text(QUIET_RULE)
    fill_inbox(config.parent, "brain-1", finished=False)
    schedule = inbox_scan("scan", "0 * * * *", dg.DefaultScheduleStatus.RUNNING)
    daemon = Daemon(instance, config)

    first = daemon.scan(schedule)
    time.sleep(1.1)
    second, third = Daemon(instance, config).scan(schedule), daemon.scan(schedule)

    assert [len(first), len(second), len(third)] == [0, 1, 0]


def test_a_look_changes_nothing_on_disk(config: Path, instance: dg.DagsterInstance) -> None:
    fill_inbox(config.parent, "brain-1", finished=False)
    inbox = config.parent / "inbox"
    before = {path: path.stat().st_mtime_ns for path in inbox.rglob("*")}

    Daemon(instance, config).tick()

    assert {path: path.stat().st_mtime_ns for path in inbox.rglob("*")} == before
    assert not (config.parent / "catalogue").exists()
    assert instance.get_runs_count() == 0
