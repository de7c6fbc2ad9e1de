"""How far a step is, written to the run's log now and then: percent, speed, time left."""

import time
from collections.abc import Callable
from typing import Final

from wk_assets.operations.records.layer_request import Progress, ProgressListener

SECONDS_BETWEEN_LINES: Final = 15.0


def log_progress(write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> ProgressListener:
    """Build a listener that writes one line at most every SECONDS_BETWEEN_LINES."""
    started = clock()
    last = started

    def listen(progress: Progress) -> None:
        nonlocal last
        now = clock()
        if now - last < SECONDS_BETWEEN_LINES or not progress.done_voxels:
            return
        last = now
        write(describe(progress, now - started))

    return listen


def describe(progress: Progress, seconds: float) -> str:
    """Write one line about a run that has taken `seconds` so far."""
    part = progress.done_voxels / max(1, progress.total_voxels)
    speed = progress.done_voxels / seconds / 1e6 if seconds > 0 else 0.0
    left = seconds * (1 - part) / part if part > 0 else 0.0
    return f"{part:.0%} of {progress.total_voxels} voxels, {speed:.0f} million voxels/s, {left:.0f} s left {progress.message}".rstrip()
