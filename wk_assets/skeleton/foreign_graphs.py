"""Trees made of networkx graphs that were built elsewhere: any keys for nodes, positions as attributes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import networkx as nx

from wk_assets.errors import SkeletonError
from wk_assets.skeleton.group import Group
from wk_assets.skeleton.node import Node, as_position

_FIELDS: Final = frozenset(
    (
        "comment",
        "radius",
        "rotation",
        "inVp",
        "inMag",
        "bitDepth",
        "interpolation",
        "time",
        "is_branchpoint",
        "branchpoint_time",
    )
)


def add_graphs(root: Group, graphs: Sequence[Any] | Mapping[str, Sequence[Any]]) -> None:
    """Add a tree per graph: right in `root`, or in a new group per key of a dictionary.

    A graph's `name` names its tree (else `tree_0`, `tree_1` … by its place in the list), its attribute `color` colors
    it. Attributes of nodes that `Tree.add_node` takes become fields, others and those of edges stay attributes of the
    graph. Ids are new, in the order of nodes. Raises SkeletonError, before anything is added, for a node without
    position or with one that is not three finite numbers, and TypeError for anything but a list or a dictionary.
    """
    if isinstance(graphs, Mapping):
        for name, members in graphs.items():
            _check(members, f"group {name!r}, ")
        for name, members in graphs.items():
            _add(root.add_group(name), members)
    elif isinstance(graphs, list | tuple):
        _check(graphs, "")
        _add(root, graphs)
    else:
        raise TypeError(f"add_nx_graphs takes a list of graphs, or a dictionary of lists, not {type(graphs).__name__}")


def _check(graphs: Iterable[Any], where: str) -> None:
    for number, graph in enumerate(graphs):
        if not isinstance(graph, nx.Graph):
            raise TypeError(f"{where}graph {number}: this is no networkx graph but {type(graph).__name__}")
        for key, attributes in graph.nodes(data=True):
            if "position" not in attributes:
                raise SkeletonError(
                    f"{where}graph {number}: node {key!r} has no attribute 'position'; add_node({key!r}, position=(x, y, z))"
                )
            as_position(attributes["position"])


def _add(group: Group, graphs: Iterable[Any]) -> None:
    for number, graph in enumerate(graphs):
        tree = group.add_tree(str(graph.graph.get("name") or f"tree_{number}"), graph.graph.get("color"))
        nodes: dict[Any, Node] = {}
        for key, attributes in graph.nodes(data=True):
            fields = {name: value for name, value in attributes.items() if name in _FIELDS}
            nodes[key] = tree.add_node(attributes["position"], **fields)
            for name in attributes.keys() - _FIELDS - {"position"}:
                tree.nodes[nodes[key]][name] = attributes[name]
        for source, target, attributes in graph.edges(data=True):
            tree.add_edge(nodes[source], nodes[target], **attributes)
