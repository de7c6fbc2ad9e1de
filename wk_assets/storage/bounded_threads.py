"""Threads for work on one box: none for little work, a few for more, and never many results at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar

_MOST_THREADS = 4
_WORTH_THREADS_BYTES = 1 << 20

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class BoundedThreads:
    """Do things on threads if `size_bytes` of voxels are worth it. Used as a block, which ends when all of them are done."""

    def __init__(self, size_bytes: int) -> None:
        self._count = min(_MOST_THREADS, os.cpu_count() or 1)
        worth = self._count > 1 and size_bytes > _WORTH_THREADS_BYTES
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="wk-assets") if worth else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield the function's results in the order of the items; few are worked on ahead of their use."""
        if self._pool is None:
            yield from map(function, items)
            return
        running: deque[Future[_Result]] = deque()
        for item in items:
            running.append(self._pool.submit(function, item))
            if len(running) > 4 * self._count:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def run(self, function: Callable[[_Item], None], items: Iterable[_Item]) -> None:
        """Call the function for all items; the first error is raised."""
        for _ in self.map(function, items):
            pass
