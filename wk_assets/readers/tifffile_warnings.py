"""Turn what tifffile merely logs into errors: a stack that lost pages is only a log line there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from wk_assets.errors import UnreadableSliceError

_HARMLESS = ("coercing invalid ASCII to bytes",)  # a µ in the name of a program

# Each thread has its own list: a warning about one file must not stop the reading of another.
_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


class _Collector(logging.Handler):
    """Collect the messages of the thread that is inside `warnings_are_errors`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message if anybody in this thread asked for it."""
        messages = _collected.get()
        if messages is not None:
            messages.append(record.getMessage())


_COLLECTOR = _Collector(logging.WARNING)


@contextmanager
def warnings_are_errors(name: str, *, expected: tuple[str, ...] = ()) -> Iterator[None]:
    """Raise UnreadableSliceError, naming the file, if tifffile logs a warning inside.

    Messages that contain one of `expected` are let pass: the caller sees the same fact by other means.
    """
    logger = logging.getLogger("tifffile")
    if _COLLECTOR not in logger.handlers:
        logger.addHandler(_COLLECTOR)
    messages: list[str] = []
    token = _collected.set(messages)
    try:
        yield
    finally:
        _collected.reset(token)
    unexpected = [message for message in messages if not any(text in message for text in (*expected, *_HARMLESS))]
    if unexpected:
        raise UnreadableSliceError(f"{name}: the TIFF is damaged: {unexpected[0]}")
