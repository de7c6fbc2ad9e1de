"""How far a run is, for a person: a bar with the time that is left on a terminal, a line now and then in a log.

Only shows what operations report through their ProgressListener; on standard error, so that standard output stays
the answer alone.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wk_assets.cli.quantities import counted, seconds_text, voxels_text
from wk_assets.cli.screen import console, remark
from wk_assets.operations.records.layer_request import Progress, ProgressListener

LOG_INTERVAL_SECONDS = 10.0


@contextmanager
def shown_progress(title: str, *, quiet: bool = False) -> Iterator[ProgressListener | None]:
    """Show the progress of whatever reports to the listener that is given; `quiet`: show none."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(title) as listener:
            yield listener
    else:
        yield logged_progress(title)


@contextmanager
def shown_count(title: str, noun: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many of how many things are done to a listener (done, all); `quiet`: show none."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, TimeRemainingColumn(), console=console(remarks=True), transient=True) as bar:
            task = bar.add_task(f"{title}, {noun}s", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield logged_count(title, noun)


def logged_count(title: str, noun: str, *, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Report at most every ten seconds in a line how many are done."""
    last = clock()

    def listen(done: int, total: int) -> None:
        nonlocal last
        if (now := clock()) - last >= LOG_INTERVAL_SECONDS:
            last = now
            remark(f"{title}: {done} of {counted(total, noun)}")

    return listen


def logged_progress(title: str, *, clock: Callable[[], float] = time.monotonic) -> ProgressListener:
    """Report at most every ten seconds in a line: per cent, voxels, speed, time left."""
    started = last = clock()

    def listen(progress: Progress) -> None:
        nonlocal last
        now = clock()
        if now - last < LOG_INTERVAL_SECONDS or progress.done_voxels <= 0:
            return
        last = now
        speed = progress.done_voxels / max(now - started, 1e-9)
        left = max(progress.total_voxels - progress.done_voxels, 0) / speed
        percent = 100 * progress.done_voxels / max(progress.total_voxels, 1)
        remark(f"{progress.message or title}: {percent:.0f} %, {voxels_text(speed)}/s, {seconds_text(left)} left")

    return listen


@contextmanager
def _bar(title: str) -> Iterator[ProgressListener]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console(remarks=True), transient=True) as bar:
        task = bar.add_task(title, total=None, speed="")

        def listen(progress: Progress) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                description=progress.message or title,
                completed=progress.done_voxels,
                total=progress.total_voxels,
                speed="" if speed is None else f"{voxels_text(speed)}/s",
            )

        yield listen
