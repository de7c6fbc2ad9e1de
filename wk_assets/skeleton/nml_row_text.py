"""From columns of nodes and edges to lines of an NML, some thousand at once.

An attribute that is the same in a whole block is written once and repeated; one that no row has costs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.skeleton import nml_text
from wk_assets.skeleton.nml_columns import MISSING, Edges, Extra, Nodes

_ROWS_AT_ONCE: Final = 4096
_INDENT: Final = "      "


def node_lines(nodes: Nodes) -> Iterator[str]:
    """Write nodes, a block of lines at a time."""
    for start in range(0, len(nodes), _ROWS_AT_ONCE):
        ids, positions, radii, rotations, in_vp, in_mag, bit_depth, interpolation, time = (
            column[start : start + _ROWS_AT_ONCE] for column in nodes.columns()
        )
        parts = [
            _integers("id", ids),
            _numbers("radius", radii),
            *(_coordinates(name, positions[:, axis]) for axis, name in enumerate("xyz")),
            *(_numbers(name, rotations[:, axis]) for axis, name in enumerate(("rotX", "rotY", "rotZ"))),
            _integers("inVp", in_vp),
            _integers("inMag", in_mag),
            _integers("bitDepth", bit_depth),
            _flags("interpolation", interpolation),
            _integers("time", time),
        ]
        yield _lines("node", start, len(ids), parts, nodes.extras)


def edge_lines(edges: Edges) -> Iterator[str]:
    """Write edges, a block of lines at a time."""
    for start in range(0, len(edges), _ROWS_AT_ONCE):
        pairs = edges.pairs[start : start + _ROWS_AT_ONCE]
        parts = [_integers("source", pairs[:, 0]), _integers("target", pairs[:, 1])]
        yield _lines("edge", start, len(pairs), parts, edges.extras)


def _lines(tag: str, start: int, count: int, parts: list[Iterable[str] | None], extras: Mapping[int, Extra]) -> str:
    """Join the attributes of each row, and give rows with extras their own lines."""
    kept = [part for part in parts if part is not None]
    head, end = f"{_INDENT}<{tag}", " />\n"
    if not extras or not any(start <= row < start + count for row in extras):
        return "".join(f"{head}{''.join(row)}{end}" for row in zip(*kept, strict=True))
    lines = []
    for row, texts in enumerate(zip(*kept, strict=True), start):
        extra = extras.get(row, Extra())
        own = nml_text.pairs_text((), (*nml_text.additional(extra.additional_coordinates), *extra.attributes))
        inside = "".join(nml_text.unknown(4, extra.elements))
        close = f">\n{inside}{_INDENT}</{tag}>\n" if inside else end
        lines.append(f"{head}{''.join(texts)}{own}{close}")
    return "".join(lines)


def _integers(name: str, values: NDArray[Any]) -> Iterable[str] | None:
    if _same(values):
        return None if values[0] == MISSING else repeat(f' {name}="{values[0]}"', len(values))
    missing = values == MISSING
    if missing.any():
        return ["" if value == MISSING else f' {name}="{value}"' for value in values.tolist()]
    return [f' {name}="{value}"' for value in values.tolist()]


def _flags(name: str, values: NDArray[Any]) -> Iterable[str] | None:
    if _same(values) and values[0] == MISSING:
        return None
    words = {MISSING: "", 0: f' {name}="false"', 1: f' {name}="true"'}
    return [words[value] for value in values.tolist()]


def _numbers(name: str, values: NDArray[Any]) -> Iterable[str] | None:
    if np.isnan(values).all():
        return None
    _refuse_infinite(name, values)
    if _same(values):
        return repeat(f' {name}="{float(values[0])!r}"', len(values))
    return ["" if value != value else f' {name}="{value!r}"' for value in values.tolist()]  # noqa: PLR0124  # NaN: none


def _coordinates(name: str, values: NDArray[Any]) -> Iterable[str]:
    if np.isnan(values).any():
        raise nml_text.refuse(f"{name} of a node is not a number", "Give every node a position.", "node")
    _refuse_infinite(name, values)
    whole = values == np.floor(values)
    if whole.all() and (np.abs(values) < 2.0**63).all():
        return [f' {name}="{value}"' for value in values.astype(np.int64).tolist()]
    return [f' {name}="{nml_text.coordinate(value)!r}"' for value in values.tolist()]


def _refuse_infinite(name: str, values: NDArray[Any]) -> None:
    if np.isinf(values).any():
        raise nml_text.refuse(f"{name} of a node is infinite", "Give a finite number.", "node")


def _same(values: NDArray[Any]) -> bool:
    return bool((values == values[0]).all())
