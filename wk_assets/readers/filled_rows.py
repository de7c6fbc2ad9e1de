"""What volumes share that can fill any rows of any slice: the reader of one slice in windows, and being a context."""

from types import TracebackType
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from wk_assets.readers.volume import SliceRecord


class FillsRows(Protocol):
    """Fill rows of a slice, in any order."""

    def fill(self, z: int, at: tuple[int, ...], first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x) with the rows from `first_row` on. `at`: positions along additional axes."""
        ...


class FilledRows:
    """Read one slice in windows of rows."""

    def __init__(self, volume: FillsRows, z: int, at: tuple[int, ...]) -> None:
        self._volume = volume
        self._z = z
        self._at = at

    def read(self, first_row: int, out: NDArray[Any]) -> SliceRecord:
        """Fill `out` (c, rows, x)."""
        return self._volume.fill(self._z, self._at, first_row, out)


class ClosedVolume:
    """Be a context that closes itself. Subclasses that keep something say how in `close`."""

    def close(self) -> None:
        """Do nothing: every file is closed when the call that opened it returns."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
