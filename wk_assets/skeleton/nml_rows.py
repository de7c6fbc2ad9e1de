"""From the attributes of many nodes, or edges, to columns of numbers, some thousand rows at once.

The rows of all trees go into one set of columns, which the trees then share: files with a hundred thousand trees of one
node each are as common as one tree of a million. What is wrong is looked for once, at the end of a block.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.skeleton.nml_columns import MISSING, Extra, frozen_column
from wk_assets.skeleton.nml_frame import LARGEST_COORDINATE, Frame
from wk_assets.skeleton.nml_unknown import UnknownElement, XmlComment

_ROWS_AT_ONCE: Final = 4096
_FLAGS: Final = {"true": 1, "false": 0, "True": 1, "False": 0, "1": 1, "0": 0}


class Rows:
    """Gather rows: required ids, integers, floats, flags. `tag` names the element in errors."""

    def __init__(
        self,
        tag: str,
        *,
        ids: Sequence[str],
        coordinates: Sequence[str] = (),
        integers: Sequence[str] = (),
        floats: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> None:
        self.tag = tag
        self.ids = tuple(ids)
        self.coordinates = tuple(coordinates)
        self.integers = tuple(integers)
        self.floats = tuple(floats)
        self.flags = tuple(flags)
        self.known = frozenset((*ids, *coordinates, *integers, *floats, *flags))
        self.waiting: list[list[str]] = []
        """Rows that are not numbers yet: name, value, name, value …, as the parser gives them."""
        self.waiting_lines: list[int] = []
        self.children: dict[int, list[UnknownElement | XmlComment]] = {}
        self.extras: dict[int, Extra] = {}
        self.settled = 0
        self._blocks: dict[str, list[NDArray[Any]]] = {name: [] for name in (*sorted(self.known), "line")}

    def __len__(self) -> int:
        return self.settled + len(self.waiting)

    def full(self) -> bool:
        """Say whether enough rows wait to be settled at once."""
        return len(self.waiting) >= _ROWS_AT_ONCE

    def settle(self, parent: Frame) -> None:
        """Turn the waiting rows into numbers; raises NmlError with the line of the first that is wrong."""
        count = len(self.waiting)
        if not count:
            return
        lines = np.array(self.waiting_lines, dtype=np.int32)
        block: dict[str, NDArray[Any]] = {"line": lines}
        shapes: dict[tuple[str, ...], list[int]] = {}
        for row, attributes in enumerate(self.waiting):
            shapes.setdefault(tuple(attributes[::2]), []).append(row)
        for name in self.known:
            whole = name in self.integers or name in self.flags or name in self.ids
            block[name] = np.full(count, MISSING if whole else np.nan, np.int64 if whole else np.float64)
        for shape, rows in shapes.items():
            self._settle_shape(parent, shape, rows, block)
        for name, values in block.items():
            self._blocks[name].append(values)
        self.settled += count
        self.waiting = []
        self.waiting_lines = []

    def _settle_shape(
        self, parent: Frame, shape: tuple[str, ...], rows: list[int], block: dict[str, NDArray[Any]]
    ) -> None:
        """Settle the rows that have the same attributes in the same order."""
        for name in (*self.ids, *self.coordinates):
            if name not in shape:
                raise self._frame(parent, rows[0]).error(f"has no attribute {name!r}", f"Add {name}=… to it.")
        columns = list(zip(*(self.waiting[row] for row in rows), strict=True))
        place: Any = slice(None) if len(rows) == len(self.waiting) else rows
        for position, name in enumerate(shape):
            texts = columns[2 * position + 1]
            if name in self.known:
                block[name][place] = self._numbers(parent, name, texts, rows)
        unknown = [name for name in shape if name not in self.known]
        if unknown:
            for row in rows:
                self._keep_unknown(parent, row, unknown)

    def _numbers(self, parent: Frame, name: str, texts: tuple[str, ...], rows: list[int]) -> NDArray[Any]:
        """Convert one attribute of many rows; raises NmlError for the first that is no such number."""
        together = "".join(texts)
        numbers: NDArray[Any] | None
        try:
            if not together.isascii() or "_" in together:  # float() and int() would take these
                numbers = None
            elif name in self.flags:
                numbers = np.fromiter((_FLAGS[text] for text in texts), np.int64, len(texts))
            elif name in self.coordinates or name in self.floats:
                numbers = np.fromiter(map(float, texts), np.float64, len(texts))
            else:
                numbers = np.fromiter(map(int, texts), np.int64, len(texts))
        except (ValueError, KeyError, OverflowError):
            numbers = None
        if numbers is not None and self._in_range(name, numbers):
            return numbers
        for row, text in zip(rows, texts, strict=True):  # something is wrong: take the slow way, which says what
            self._check_one(self._frame(parent, row), name, text)
        raise self._frame(parent, rows[0]).error(f"some {name} from here on is no number", "Write decimal digits.")

    def _in_range(self, name: str, numbers: NDArray[Any]) -> bool:
        if name in self.ids:
            return bool((numbers >= 0).all())
        if name in self.coordinates:
            return bool((np.abs(numbers) <= LARGEST_COORDINATE).all())  # false for NaN, too
        if name in self.floats:
            return bool(np.isfinite(numbers).all())
        return bool((numbers != MISSING).all())

    def _check_one(self, frame: Frame, name: str, text: str) -> None:
        frame.attributes = {name: text}
        if name in self.ids:
            frame.identifier(name)
        elif name in self.coordinates:
            frame.number(name, LARGEST_COORDINATE)
        elif name in self.floats:
            frame.number(name)
        elif name in self.flags:
            frame.boolean(name)
        else:
            frame.integer(name)

    def _keep_unknown(self, parent: Frame, row: int, unknown: list[str]) -> None:
        attributes = self.waiting[row]
        values = dict(zip(attributes[::2], attributes[1::2], strict=True))
        frame = self._frame(parent, row)
        frame.attributes = {name: values[name] for name in unknown}
        axes = frame.additional_coordinates()
        self.extras[self.settled + row] = Extra(additional_coordinates=axes, attributes=frame.unknown_attributes())

    def _frame(self, parent: Frame, row: int) -> Frame:
        return Frame(parent.source, self.tag, {}, self.waiting_lines[row], parent)

    def column(self, *names: str) -> NDArray[Any]:
        """Give one attribute of all rows, (n,), or several, (n, m), and forget the blocks that they were in."""
        parts = [np.concatenate(blocks) if (blocks := self._blocks.pop(name)) else self._empty(name) for name in names]
        return frozen_column(parts[0] if len(parts) == 1 else np.stack(parts, axis=1))

    def _empty(self, name: str) -> NDArray[Any]:
        return np.empty(0, np.float64 if name in self.coordinates or name in self.floats else np.int64)

    def all_extras(self) -> dict[int, Extra]:
        """Give what rows have beyond columns, unknown elements inside included, by row."""
        for row, elements in self.children.items():
            kept = self.extras.get(row, Extra())
            self.extras[row] = Extra(
                additional_coordinates=kept.additional_coordinates,
                attributes=kept.attributes,
                elements=tuple(elements),
            )
        return self.extras


def node_rows() -> Rows:
    """Gather nodes."""
    return Rows(
        "node",
        ids=("id",),
        coordinates=("x", "y", "z"),
        integers=("inVp", "inMag", "bitDepth", "time"),
        floats=("radius", "rotX", "rotY", "rotZ"),
        flags=("interpolation",),
    )


def edge_rows() -> Rows:
    """Gather edges."""
    return Rows("edge", ids=("source", "target"))
