"""Several requests under way at once, never more, and never more answers in memory than that.

Unlike `bounded_threads`, which is for work that keeps a processor busy, this is for waiting for a network.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def concurrent_fetches(fetch: Callable[[_Item], _Result], items: Iterable[_Item], *, at_once: int) -> Iterator[_Result]:
    """Yield what `fetch` returns, in the order of the items; at most `at_once` are under way or waiting to be used.

    The first error is raised; what has not begun then is not begun.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="wk-assets-fetch")
    running: deque[Future[_Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(fetch, item))
            if len(running) >= at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
