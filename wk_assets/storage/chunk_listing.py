"""Which chunks of an array lie in a directory, for formats that name files by grid positions. Opens no file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal


def listed_chunks(directory: Path, dimensions: int, separator: Literal[".", "/"]) -> Iterator[tuple[int, ...]]:
    """Yield the grid positions of all chunks: files `1.0.2`, or `1/0/2`, in ascending order; other names are passed over."""
    if separator == "/":
        yield from _walk(directory, (), dimensions)
        return
    names = (entry.name.split(".") for entry in directory.iterdir())
    yield from sorted(
        tuple(map(int, parts)) for parts in names if len(parts) == dimensions and all(map(_is_place, parts))
    )


def _walk(directory: Path, above: tuple[int, ...], remaining: int) -> Iterator[tuple[int, ...]]:
    for place in sorted(int(entry.name) for entry in directory.iterdir() if _is_place(entry.name)):
        if remaining == 1:
            yield (*above, place)
        elif (directory / str(place)).is_dir():
            yield from _walk(directory / str(place), (*above, place), remaining - 1)


def _is_place(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name
