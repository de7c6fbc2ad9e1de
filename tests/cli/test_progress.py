from collections.abc import Iterator

import pytest

from wk_assets.cli.progress import LOG_INTERVAL_SECONDS, logged_progress, shown_progress
from wk_assets.operations.records.layer_request import Progress


def _clock(times: list[float]) -> Iterator[float]:
    yield from times


def test_a_log_gets_a_line_with_the_time_that_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    times = _clock([0.0, 1.0, LOG_INTERVAL_SECONDS, LOG_INTERVAL_SECONDS + 1])
    listen = logged_progress("brain", clock=lambda: next(times))

    listen(Progress(done_voxels=100, total_voxels=4000))
    listen(Progress(done_voxels=1000, total_voxels=4000))
    listen(Progress(done_voxels=1100, total_voxels=4000))

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "brain: 25 %, 100 voxel/s, 30.0 s left\n"


def test_the_step_that_runs_names_itself(capsys: pytest.CaptureFixture[str]) -> None:
    times = _clock([0.0, LOG_INTERVAL_SECONDS])
    listen = logged_progress("brain", clock=lambda: next(times))

    listen(Progress(done_voxels=10, total_voxels=10, message="layer em"))

    assert capsys.readouterr().err.startswith("layer em: 100 %")


def test_nothing_is_shown_to_programs() -> None:
    with shown_progress("brain", quiet=True) as listener:
        assert listener is None


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress("brain") as listener:
        assert listener is not None
        listener(Progress(done_voxels=1, total_voxels=2))

    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    with shown_progress("brain") as listener:
        assert listener is not None
        listener(Progress(done_voxels=1, total_voxels=2, message="layer em"))

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "layer em" in printed.err
