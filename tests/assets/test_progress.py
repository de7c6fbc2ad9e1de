"""A step tells how far it is now and then, not at every slice."""

from wk_assets.assets.progress import SECONDS_BETWEEN_LINES, describe, log_progress
from wk_assets.operations.records.layer_request import Progress


def test_lines_keep_their_distance() -> None:
    lines: list[str] = []
    times = iter([0.0, 1.0, SECONDS_BETWEEN_LINES, SECONDS_BETWEEN_LINES + 1, 2 * SECONDS_BETWEEN_LINES])
    listen = log_progress(lines.append, clock=lambda: next(times))

    for done in (10, 20, 30, 40):
        listen(Progress(done_voxels=done, total_voxels=100))

    assert [line.split(" ")[0] for line in lines] == ["20%", "40%"]


def test_a_line_says_percent_speed_and_time_left() -> None:
    line = describe(Progress(done_voxels=25_000_000, total_voxels=100_000_000, message="slice 40"), 10)

    assert line == "25% of 100000000 voxels, 2 million voxels/s, 30 s left slice 40"


def test_nothing_to_do_divides_by_nothing() -> None:
    assert describe(Progress(done_voxels=0, total_voxels=0), 0).startswith("0%")
