"""Call a function for many chunks, here or on any executor, and name the chunk in which it failed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# So many chunks are handed over at once: enough for every worker of a cluster, and not the list of a whole volume.
_WINDOW = 512


def map_chunks(
    function: Callable[[T], R], chunks: Iterable[T], *, executor: Executor | None, name: Callable[[T], str]
) -> Iterator[R]:
    """Yield `function(chunk)` for every chunk, in their order; without an executor one after the other, in this thread.

    What `function` raises is raised here, with a note that names the chunk; chunks that have not begun then never do, and
    nothing runs any more when the error is seen.
    """
    if executor is None:
        for chunk in chunks:
            yield _named(lambda chunk=chunk: function(chunk), name, chunk)  # type: ignore[misc]  # called at once
        return
    running: deque[tuple[T, Future[R]]] = deque()
    try:
        for chunk in chunks:
            running.append((chunk, executor.submit(function, chunk)))
            if len(running) >= _WINDOW:
                first, future = running.popleft()
                yield _named(future.result, name, first)
        while running:
            first, future = running.popleft()
            yield _named(future.result, name, first)
    finally:
        wait([future for _, future in running if not future.cancel()])


def _named(call: Callable[[], R], name: Callable[[T], str], chunk: T) -> R:
    try:
        return call()
    except Exception as error:
        error.add_note(f"while working on {name(chunk)}")
        raise
