"""Run many small tasks on any executor, a few at a time: neither their list nor their results pile up in memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def executor_or_threads(executor: Executor | None, workers: int) -> Iterator[Executor]:
    """Give the executor, or threads of our own that end with the block; an error ends those that have not begun."""
    if executor is not None:
        yield executor
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="wk-assets") as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def run_tasks(
    executor: Executor, function: Callable[[T], R], tasks: Iterable[T], *, workers: int, done: Callable[[R], None]
) -> None:
    """Call `function` for every task, at most three per worker handed over at once; `done` gets each result, here.

    The first error of a task is raised once no other task runs any more; tasks that have not begun are not begun then.
    """
    waiting = iter(tasks)
    running: set[Future[R]] = {executor.submit(function, task) for task in islice(waiting, 3 * workers)}
    try:
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                done(future.result())
            running |= {executor.submit(function, task) for task in islice(waiting, len(finished))}
    finally:
        for future in running:
            future.cancel()
        wait(running)


def sends_tasks_elsewhere(executor: Executor | None) -> bool:
    """Say whether tasks leave this process, so that what they hold must be picklable."""
    return executor is not None and not isinstance(executor, ThreadPoolExecutor)
