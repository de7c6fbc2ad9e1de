"""Nodes and edges of a tree as columns of numbers: a million nodes are a few arrays, and single values on demand.

Nothing here knows XML. A value that a node does not have is `MISSING` in a column of integers, NaN in one of floats.
A column that holds one value only takes no memory (it is a broadcast view).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from wk_assets.skeleton.nml_unknown import Attributes, Elements

MISSING: Final = int(np.iinfo(np.int64).min)
Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Keep what a node or an edge has beyond its columns."""

    additional_coordinates: tuple[tuple[str, int], ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()

    def __bool__(self) -> bool:
        return bool(self.additional_coordinates or self.attributes or self.elements)


Vector: TypeAlias = tuple[float, float, float]
NodeValues: TypeAlias = tuple[
    int, Vector, float | None, Vector | None, int | None, int | None, int | None, bool | None, int | None
]


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one node. `position` in mag-1 voxels, integers or not; `rotation` in degrees; `time` in milliseconds."""

    id: int
    position: tuple[float, float, float]
    radius: float | None = None
    rotation: tuple[float, float, float] | None = None
    inVp: int | None = None
    inMag: int | None = None
    bitDepth: int | None = None
    interpolation: bool | None = None
    time: int | None = None
    extra: Extra = field(default_factory=Extra)


@dataclass(frozen=True, slots=True)
class Edge:
    """Hold one edge, by the ids of its nodes."""

    source: int
    target: int
    extra: Extra = field(default_factory=Extra)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nodes(Sequence[Node]):
    """Hold the nodes of a tree, row by row, in the order of the file.

    ids, in_vp, in_mag, bit_depth, time: (n,) int64; positions, rotations: (n, 3) float64; radii: (n,) float64;
    interpolation: (n,) int64, 0 or 1. All are read-only. `extras` names the rows that have more than columns.
    """

    ids: Integers
    positions: Floats
    radii: Floats
    rotations: Floats
    in_vp: Integers
    in_mag: Integers
    bit_depth: Integers
    interpolation: Integers
    time: Integers
    extras: Mapping[int, Extra] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "Nodes":
        """Hold none."""
        return cls.of(())

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> "Nodes":
        """Make columns of single nodes."""
        rows = list(nodes)
        nothing = (np.nan, np.nan, np.nan)
        return cls(
            ids=_column([node.id for node in rows], np.int64),
            positions=_column([node.position for node in rows], np.float64).reshape(-1, 3),
            radii=_column([np.nan if node.radius is None else node.radius for node in rows], np.float64),
            rotations=_column([node.rotation or nothing for node in rows], np.float64).reshape(-1, 3),
            in_vp=_optional([node.inVp for node in rows]),
            in_mag=_optional([node.inMag for node in rows]),
            bit_depth=_optional([node.bitDepth for node in rows]),
            interpolation=_optional([node.interpolation for node in rows]),
            time=_optional([node.time for node in rows]),
            extras={row: node.extra for row, node in enumerate(rows) if node.extra},
        )

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Give all columns, in the order of the fields."""
        return (
            self.ids,
            self.positions,
            self.radii,
            self.rotations,
            self.in_vp,
            self.in_mag,
            self.bit_depth,
            self.interpolation,
            self.time,
        )

    def part(self, first: int, end: int, extras: Mapping[int, Extra]) -> "Nodes":
        """Give the rows from `first` to before `end` as views, with extras counted from `first`."""
        return Nodes(
            ids=self.ids[first:end],
            positions=self.positions[first:end],
            radii=self.radii[first:end],
            rotations=self.rotations[first:end],
            in_vp=self.in_vp[first:end],
            in_mag=self.in_mag[first:end],
            bit_depth=self.bit_depth[first:end],
            interpolation=self.interpolation[first:end],
            time=self.time[first:end],
            extras=extras,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | Sequence[Node]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return next(self._rows(row, row + 1))

    def __iter__(self) -> Iterator[Node]:
        for start in range(0, len(self), 4096):  # a few thousand Python numbers at a time, never a whole column of them
            yield from self._rows(start, start + 4096)

    def _rows(self, start: int, end: int) -> Iterator[Node]:
        for row, values in enumerate(self.values(start, end), start):
            yield Node(*values, self.extras.get(row, _NO_EXTRA))

    def values(self, start: int, end: int) -> Iterator[NodeValues]:
        """Give the fields of nodes from row `start` to before `end`, in the order of `Node`, but for the extra."""
        columns = (column[start:end].tolist() for column in self.columns())
        for node_id, position, radius, rotation, in_vp, in_mag, bit_depth, interpolation, time in zip(
            *columns, strict=True
        ):
            yield (
                node_id,
                tuple(position),
                None if radius != radius else radius,  # noqa: PLR0124  # only NaN is not equal to itself
                None if rotation[0] != rotation[0] else tuple(rotation),  # noqa: PLR0124  # as above
                None if in_vp == MISSING else in_vp,
                None if in_mag == MISSING else in_mag,
                None if bit_depth == MISSING else bit_depth,
                None if interpolation == MISSING else bool(interpolation),
                None if time == MISSING else time,
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Nodes):
            return NotImplemented
        return self.extras == other.extras and all(
            np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")
            for mine, theirs in zip(self.columns(), other.columns(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # two equal sets of arrays need no hash: nobody looks trees up by content


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Edges(Sequence[Edge]):
    """Hold the edges of a tree: `pairs` (m, 2) int64, source and target, in the order of the file."""

    pairs: Integers
    extras: Mapping[int, Extra] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "Edges":
        """Hold none."""
        return cls.of(())

    @classmethod
    def of(cls, edges: Iterable[Edge]) -> "Edges":
        """Make columns of single edges."""
        rows = list(edges)
        pairs = _column([(edge.source, edge.target) for edge in rows], np.int64).reshape(-1, 2)
        return cls(pairs=pairs, extras={row: edge.extra for row, edge in enumerate(rows) if edge.extra})

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Edge: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Edge]: ...
    def __getitem__(self, index: int | slice) -> Edge | Sequence[Edge]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        source, target = self.pairs[row].tolist()
        return Edge(source, target, self.extras.get(row, _NO_EXTRA))

    def __iter__(self) -> Iterator[Edge]:
        for start in range(0, len(self), 4096):
            for row, (source, target) in enumerate(self.pairs[start : start + 4096].tolist(), start):
                yield Edge(source, target, self.extras.get(row, _NO_EXTRA))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Edges):
            return NotImplemented
        return self.extras == other.extras and np.array_equal(self.pairs, other.pairs)

    __hash__ = None  # type: ignore[assignment]  # as for nodes


_NO_EXTRA = Extra()


def frozen_column(values: NDArray[Any]) -> NDArray[Any]:
    """Make a column read-only; one that holds the same row everywhere keeps that row only."""
    if len(values) > 1 and np.array_equal(values[1:], values[:-1], equal_nan=values.dtype.kind == "f"):
        return np.broadcast_to(values[0].copy(), values.shape)
    values.flags.writeable = False
    return values


def _column(values: Sequence[Any], dtype: Any) -> NDArray[Any]:
    return frozen_column(np.array(values, dtype=dtype))


def _optional(values: Sequence[int | None]) -> Integers:
    return _column([MISSING if value is None else int(value) for value in values], np.int64)
