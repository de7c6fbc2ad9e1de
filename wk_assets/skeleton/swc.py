"""SWC files, the neuroscientists' text format of trees, in and out.

Facts: lines `index type x y z radius parent`, separated by blanks; `#` starts a comment; parent -1 is a root, and
there may be several; types 0 undefined, 1 soma, 2 axon, 3 basal dendrite, 4 apical dendrite, from 5 on custom. Source:
INCF swc-specification (docs/source/swc.rst), after Cannon et al. 1998. It says micrometers, but files in nanometers and in
voxels are as common and none says which, so whoever reads one must. A parent may stand behind its child.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Final, Literal, TypeAlias

import networkx as nx

from wk_assets.errors import SwcError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.group import Group
from wk_assets.skeleton.node import Node
from wk_assets.skeleton.tree import Tree

SwcUnit: TypeAlias = LengthUnit | Literal["voxel"]
ROOT: Final = -1
TYPE_ATTRIBUTE: Final = "swcType"
"""A node keeps a type other than 0 under this name, as an attribute that NML does not know and that is kept there."""
_LONGEST_LINE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SwcPoint:
    """Hold one line, in the units of the file."""

    line: int
    index: int
    type: int
    position: tuple[float, float, float]
    radius: float
    parent: int


def swc_type(node: Node) -> int:
    """Give the SWC type that a node keeps, 0 (undefined) if none."""
    return next((int(text) for name, text in node.extra.attributes if name == TYPE_ATTRIBUTE), 0)


def set_swc_type(node: Node, number: int) -> None:
    """Let a node keep an SWC type."""
    others = tuple(pair for pair in node.extra.attributes if pair[0] != TYPE_ATTRIBUTE)
    own = ((TYPE_ATTRIBUTE, str(number)),) if number else ()
    node.extra = replace(node.extra, attributes=(*others, *own))


def read_swc(stream: IO[str], *, source: str) -> tuple[SwcPoint, ...]:
    """Read the points of a file, in its order; `source` names it in errors.

    Raises SwcError, with the line, for anything but seven numbers, an index twice or below 0, a number that is not finite, a
    parent that is not there, and parents that go round in a circle.
    """
    points: dict[int, SwcPoint] = {}
    for number, line in _lines(stream, source):
        point = _point(line, number, source)
        if point.index in points:
            raise _error(source, number, f"index {point.index} stands in line {points[point.index].line} already")
        points[point.index] = point
    for point in points.values():
        if point.parent != ROOT and point.parent not in points:
            raise _error(source, point.line, f"parent {point.parent} is no index of the file")
    _refuse_circles(points, source)
    return tuple(points.values())


def _lines(stream: IO[str], source: str) -> Iterator[tuple[int, str]]:
    number = 0
    while line := stream.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise _error(source, number, f"the line is longer than {_LONGEST_LINE} characters")
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _point(line: str, number: int, source: str) -> SwcPoint:
    fields = line.split()
    if len(fields) != 7:
        raise _error(source, number, f"has {len(fields)} values: {line[:80]!r}")
    try:
        index, kind, parent = int(fields[0]), int(fields[1]), int(fields[6])
        x, y, z, radius = (float(field) for field in fields[2:6])
    except ValueError:
        raise _error(source, number, f"holds something that is no number: {line[:80]!r}") from None
    if not all(math.isfinite(value) for value in (x, y, z, radius)):
        raise _error(source, number, f"holds a number that is not finite: {line[:80]!r}")
    if index < 0 or kind < 0 or parent < ROOT or radius < 0:
        raise _error(source, number, f"holds a negative index, type, radius, or a parent below -1: {line[:80]!r}")
    return SwcPoint(line=number, index=index, type=kind, position=(x, y, z), radius=radius, parent=parent)


def _refuse_circles(points: dict[int, SwcPoint], source: str) -> None:
    settled: set[int] = {ROOT}
    for point in points.values():
        path: dict[int, None] = {}
        index = point.index
        while index not in settled:
            if index in path:
                raise _error(source, points[index].line, f"index {index} is among its own ancestors")
            path[index] = None
            index = points[index].parent
        settled.update(path)


def _error(source: str, line: int, what: str) -> SwcError:
    return SwcError(
        f"{source}, line {line}: {what}. A line of SWC is: index type x y z radius parent; a root has parent -1."
    )


def add_swc(
    group: Group, points: tuple[SwcPoint, ...], name: str, *, voxel_size: VoxelSize, unit: SwcUnit
) -> tuple[Tree, ...]:
    """Add the points of a file to a skeleton or group, a tree per root, and give the trees.

    The first is called `name`, others `name 2`, `name 3` … `unit` is that of the file; positions become mag-1 voxels, radii
    nanometers (of a file in voxels: times the smallest edge of a voxel). New ids, in the order of the file.
    """
    scale, radius_nm = _scales(voxel_size, unit)
    by_index = {point.index: point for point in points}
    roots: dict[int, int] = {}
    trees: dict[int, Tree] = {}
    nodes: dict[int, Node] = {}
    for point in points:
        root = _root(point, by_index, roots)
        if root not in trees:
            trees[root] = group.add_tree(name if not trees else f"{name} {len(trees) + 1}")
        x, y, z = (value * factor for value, factor in zip(point.position, scale, strict=True))
        node = trees[root].add_node((x, y, z), radius=point.radius * radius_nm)
        if point.type:
            set_swc_type(node, point.type)
        nodes[point.index] = node
    for point in points:
        if point.parent != ROOT:
            trees[roots[point.index]].add_edge(nodes[point.parent], nodes[point.index])
    return tuple(trees.values())


def _root(point: SwcPoint, by_index: dict[int, SwcPoint], roots: dict[int, int]) -> int:
    path = []
    index = point.index
    while index not in roots and by_index[index].parent != ROOT:
        path.append(index)
        index = by_index[index].parent
    root = roots.setdefault(index, index)
    roots.update(dict.fromkeys(path, root))
    return root


def _scales(voxel_size: VoxelSize, unit: SwcUnit) -> tuple[tuple[float, float, float], float]:
    """Give what turns a file's lengths into voxels, per axis, and its radii into nanometers."""
    edges = voxel_size.to_nanometer()
    if unit == "voxel":
        return (1.0, 1.0, 1.0), min(edges)
    nanometers = LengthUnit(unit).nanometers
    x, y, z = (nanometers / edge for edge in edges)
    return (x, y, z), nanometers


def write_swc(
    trees: tuple[Tree, ...],
    stream: IO[str],
    *,
    voxel_size: VoxelSize,
    unit: SwcUnit = LengthUnit.MICROMETER,
    missing_radius_nm: float = 0.0,
) -> None:
    """Write trees as one file: indexes from 1 on, each parent before its children, a root per connected part.

    The root of a part is its first node of type soma, or else its first node. `missing_radius_nm` stands for radii that
    nobody gave. Raises SwcError for a tree with a circle, which SWC can not hold.
    """
    scale, radius_nm = _scales(voxel_size, unit)
    stream.write(f"# index type x y z radius parent, in units of {unit}\n")
    index = 0
    for tree in trees:
        indexes: dict[Node, int] = {}
        for node, parent in _with_parents(tree):
            index += 1
            indexes[node] = index
            x, y, z = (float(value) / factor for value, factor in zip(node.coordinates, scale, strict=True))
            radius = (missing_radius_nm if node.radius is None else node.radius) / radius_nm
            above = ROOT if parent is None else indexes[parent]
            stream.write(f"{index} {swc_type(node)} {x!r} {y!r} {z!r} {radius!r} {above}\n")


def _with_parents(tree: Tree) -> Iterator[tuple[Node, Node | None]]:
    if len(tree) and not nx.is_forest(tree):
        raise SwcError(f"tree {tree.id} ({tree.name!r}) has a circle, which SWC can not hold: remove an edge of it.")
    seen: set[Node] = set()
    for first in sorted(tree.nodes, key=lambda node: swc_type(node) != 1):
        waiting: list[tuple[Node, Node | None]] = [] if first in seen else [(first, None)]
        while waiting:
            node, parent = waiting.pop()
            seen.add(node)
            yield node, parent
            waiting.extend((child, node) for child in reversed(list(tree.neighbors(node))) if child is not parent)
