"""Order file names as a person would (slice_2 before slice_10), and take the numbers out of them.

Text only: no file is looked at (see `source_files`), no gap is judged (see `sequence`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r"([0-9]+)")
_SAME_SUFFIX = {".tiff": ".tif", ".jpeg": ".jpg", ".jpe": ".jpg"}


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Give the key by which names sort naturally; equal only for equal names."""
    pieces = _NUMBER.split(name)
    return tuple(int(piece) if index % 2 else piece.casefold() for index, piece in enumerate(pieces)), name


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedName:
    """Hold a name's texts (n + 1) and the digits between them (n).

    Texts are compared without case, `.tiff` counts as `.tif`.
    """

    name: str
    texts: tuple[str, ...]
    digits: tuple[str, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Give the numbers; leading zeros do not count."""
        return tuple(int(digits) for digits in self.digits)

    def renumbered(self, position: int, number: int) -> str:
        """Give the name that a neighbour would have: the number at `position` replaced, as many digits at least."""
        pieces = _NUMBER.split(self.name)
        digits = pieces[2 * position + 1]
        pieces[2 * position + 1] = str(number).zfill(len(digits))
        return "".join(pieces)


def take_apart(name: str) -> NumberedName:
    """Split a name into texts and numbers."""
    pieces = _NUMBER.split(name)
    texts = [text.casefold() for text in pieces[0::2]]
    for suffix, canonical in _SAME_SUFFIX.items():
        if texts[-1].endswith(suffix):
            texts[-1] = texts[-1].removesuffix(suffix) + canonical
    return NumberedName(name=name, texts=tuple(texts), digits=tuple(pieces[1::2]))


def ranges_text(numbers: Iterable[int]) -> str:
    """Write numbers as a person lists them: `2, 7-9`. At most twelve ranges, the rest is counted."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs_text(runs)


def runs_text(runs: Sequence[tuple[int, int]]) -> str:
    """Write ranges, first and last number of each, as `ranges_text` does."""
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:12]]
    if len(runs) > 12:
        shown.append(f"and {sum(last - first + 1 for first, last in runs[12:])} more")
    return ", ".join(shown)
