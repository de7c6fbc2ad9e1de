"""What a person sees: text and tables on standard output, remarks on standard error, or one JSON document.

Colours follow the terminal and NO_COLOR (rich does). Nothing is decided here, only shown.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE = 160  # a log is read without a terminal's edge; rich would cut tables at 80


def console(*, remarks: bool = False) -> "Console":
    """Open standard output, or standard error for remarks, as rich sees it now."""
    from rich.console import Console

    stream = sys.stderr if remarks else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH_OF_A_FILE, highlight=False, soft_wrap=False)


def say(text: str = "") -> None:
    """Print one line of the answer, exactly as it is."""
    console().print(text, markup=False, soft_wrap=True)


def headline(text: str) -> None:
    """Print one line of the answer that stands out."""
    console().print(text, markup=False, soft_wrap=True, style="bold")


def remark(text: str) -> None:
    """Print one line that is not part of the answer."""
    console(remarks=True).print(text, markup=False, soft_wrap=True, style="dim")


def warn(text: str) -> None:
    """Print a warning."""
    console(remarks=True).print(f"warning: {text}", markup=False, soft_wrap=True, style="yellow")


def complain(text: str) -> None:
    """Print an error."""
    console(remarks=True).print(f"error: {text}", markup=False, soft_wrap=True, style="red")


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None, numbers: Sequence[str] = ()
) -> None:
    """Print a table. Columns named in `numbers` are aligned at the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def show_json(document: Any) -> None:
    """Print one JSON document, for programs: UTF-8, indented, nothing else on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
