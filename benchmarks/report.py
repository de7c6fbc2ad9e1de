"""How a benchmark tells what it found: a table for a person, JSON for a program, and the noise in both."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=170)


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of the same thing over the rounds: the middle one, and how far the others are from it."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Take the spread of at least one value. Raises ValueError for none."""
        ordered = sorted(values)
        return cls(ordered[0], statistics.median(ordered), ordered[-1]) if ordered else _no_values()

    def text(self, digits: int = 2) -> str:
        """Write `median (minimum-maximum)`; a single round has no noise to show."""
        if self.minimum == self.maximum:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.minimum:.{digits}f}-{self.maximum:.{digits}f})"

    def document(self) -> dict[str, float]:
        """Return what the JSON says."""
        return {"minimum": self.minimum, "median": self.median, "maximum": self.maximum}


def _no_values() -> Spread:
    raise ValueError("a spread needs at least one value")


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> None:
    """Print a table; the first column names the row, the others are figures."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    CONSOLE.print(table)


def say(text: str) -> None:
    """Print a line that is no part of a table."""
    CONSOLE.print(text, highlight=False, markup=False)


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write the document where the person asked for it, if anywhere."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        say(f"written: {path}")


def tree_bytes(folder: Path) -> int:
    """Return the bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def megabytes(size_bytes: float) -> str:
    """Write bytes as MB (10**6)."""
    return f"{size_bytes / 1e6:,.0f}"
