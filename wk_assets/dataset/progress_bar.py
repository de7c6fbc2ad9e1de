"""A bar on the terminal for those who ask for one with `progress_desc`; nothing at all for the others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wk_assets.operations.records.layer_request import Progress, ProgressListener


@contextmanager
def progress_bar(description: str | None, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that takes note of work done, in the unit of `total`."""
    if description is None:
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def progress_listener(description: str | None) -> Iterator[ProgressListener | None]:
    """Give what an operation tells its progress to; None if nobody wants to see it."""
    if description is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=None)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.done_voxels, total=progress.total_voxels)

        yield show


def _nothing(done: int) -> None:  # noqa: ARG001  # takes what the bar would
    return
