"""From NML to trees that people work with, and back.

Nodes keep what NML says beyond their fields, trees and groups too, so that a file that is loaded and saved says the same.
Not kept: which end of an edge is its source, edges that stand twice, keys of metadata that do. Opens no file.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wk_assets.errors import NmlError
from wk_assets.skeleton import nml_columns, nml_model
from wk_assets.skeleton.group import Group, SkeletonOfGroup
from wk_assets.skeleton.nml_columns import Edges, Extra, Nodes
from wk_assets.skeleton.node import Node
from wk_assets.skeleton.tree import Tree

_ROWS_AT_ONCE = 4096
_EXTRA = "nml"
"""Under this name an edge's attributes keep what NML says of it beyond its ends."""


def add_nml(root: Group, skeleton: SkeletonOfGroup, nml: nml_model.Nml) -> None:
    """Put all trees and groups of a document into a skeleton that has none yet.

    Raises NmlError for a tree or group id that stands twice, a group that is not there, a mark on a node that is not
    there, and two comments or branch points of one node.
    """
    _add_groups(root, skeleton, nml.groups)
    nodes: dict[int, Node] = {}
    for written in nml.trees:
        if written.id in skeleton.all_trees:
            raise _error(f"two trees have id {written.id}", "Give one of them another id.")
        if written.groupId is not None and written.groupId not in skeleton.all_groups:
            raise _error(f"tree {written.id} is in group {written.groupId}, which is not there", "Add the group.")
        group = root if written.groupId is None else skeleton.all_groups[written.groupId]
        metadata = {
            entry.key: list(entry.value) if isinstance(entry.value, tuple) else entry.value
            for entry in written.metadata
        }
        tree = group.add_tree(written.name, written.color, written.id, metadata, written.is_visible)
        tree.document = _beyond_fields(written)
        nodes.update(_fill(tree, written))
    skeleton.ids.new(max(nodes, default=0))
    for comment in nml.comments:
        node = _marked(nodes, comment.node, "comment")
        if node.comment is not None:
            raise _error(f"node {node.id} has two comments", "Join them into one.")
        node.comment = comment.content
        node.comment_mark = replace(comment, node=0, content="") if comment.attributes or comment.elements else None
    for mark in nml.branchpoints:
        node = _marked(nodes, mark.id, "branch point")
        node.is_branchpoint = True
        node.branchpoint_time = mark.time
        node.branchpoint_mark = replace(mark, id=0, time=None) if mark.attributes or mark.elements else None


def _error(what: str, remedy: str) -> NmlError:
    return NmlError(what, remedy=remedy, source="NML")


def _marked(nodes: dict[int, Node], node_id: int, what: str) -> Node:
    if node_id not in nodes:
        raise _error(f"a {what} is on node {node_id}, which no tree has", f"Remove the {what}, or add the node.")
    return nodes[node_id]


def _add_groups(root: Group, skeleton: SkeletonOfGroup, groups: tuple[nml_model.Group, ...]) -> None:
    for written in groups:
        if written.id in skeleton.all_groups:
            raise _error(f"two groups have id {written.id}", "Give one of them another id.")
        group = root.add_group(written.name, written.id)
        kept = replace(written, id=0, name="", children=())
        group.document = None if kept == nml_model.Group(id=0, name="") else kept
        _add_groups(group, skeleton, written.children)


def _beyond_fields(written: nml_model.Tree) -> nml_model.Tree | None:
    """Give what a tree of NML says for which a tree has no field, None if nothing."""
    kept = nml_model.Tree(
        id=0,
        name="",
        edges_are_visible=written.edges_are_visible,
        type=written.type,
        inner=written.inner,
        attributes=written.attributes,
        elements=written.elements,
    )
    said = (kept.edges_are_visible, kept.type, kept.inner, kept.attributes, kept.elements)
    return None if said == (None, None, (), (), ()) else kept


def _fill(tree: Tree, written: nml_model.Tree) -> dict[int, Node]:
    """Add nodes and edges, past the checks of `add_node`: the reader made the same ones for the whole document."""
    by_id = dict(_nodes(written.nodes))
    for node in by_id.values():
        tree.insert(node)
    if len(tree) != len(written.nodes):
        raise _error(f"tree {tree.id} has two nodes with one id", "Give one of them another id.")
    for row, (source, target) in enumerate(written.edges.pairs.tolist()):
        if source not in by_id or target not in by_id:
            raise _error(f"an edge of tree {tree.id} joins {source} and {target}, not both its nodes", "Remove it.")
        extra = written.edges.extras.get(row) if written.edges.extras else None
        tree.join(by_id[source], by_id[target], {} if extra is None else {_EXTRA: extra})
    return by_id


def _nodes(nodes: Nodes) -> Iterator[tuple[int, Node]]:
    for start in range(0, len(nodes), _ROWS_AT_ONCE):
        for row, values in enumerate(nodes.values(start, start + _ROWS_AT_ONCE), start):
            node = Node.of_values(*values)
            if row in nodes.extras:
                node.extra = nodes.extras[row]
            yield node.id, node


def nml_trees(trees: Iterator[Tree], root: Group) -> Iterator[nml_model.Tree]:
    """Write trees as NML has them, one after the other."""
    for tree in trees:
        kept = tree.document or nml_model.Tree(id=0, name="")
        yield replace(
            kept,
            id=tree.id,
            name=tree.name,
            color=tree.color,
            groupId=None if tree.group is root else tree.group.id,
            is_visible=tree.is_visible,
            metadata=tuple(_entry(key, value) for key, value in tree.metadata.items()),
            nodes=Nodes.of(_written(node) for node in tree.nodes),
            edges=_edges(tree),
        )


def _entry(key: str, value: object) -> nml_model.MetadataEntry:
    if isinstance(value, str | bool | int | float):
        return nml_model.MetadataEntry(key=key, value=value)
    if isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
        return nml_model.MetadataEntry(key=key, value=tuple(value))
    raise _error(f"metadata {key!r} is {value!r}", "NML holds texts, numbers, true or false, and lists of texts.")


def _written(node: Node) -> nml_columns.Node:
    return nml_columns.Node(
        id=node.id,
        position=node.coordinates,
        radius=node.radius,
        rotation=node.rotation,
        inVp=node.inVp,
        inMag=node.inMag,
        bitDepth=node.bitDepth,
        interpolation=node.interpolation,
        time=node.time,
        extra=node.extra,
    )


def _edges(tree: Tree) -> Edges:
    pairs: list[tuple[int, int]] = []
    extras: dict[int, Extra] = {}
    for row, (source, target, attributes) in enumerate(tree.edges(data=True)):
        pairs.append((source.id, target.id))
        if _EXTRA in attributes:
            extras[row] = attributes[_EXTRA]
    return Edges(pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2), extras=extras)


def nml_comments(trees: Iterator[Tree]) -> Iterator[nml_model.Comment]:
    """Write the comments of all nodes, in the order of trees and nodes."""
    for tree in trees:
        for node in tree.nodes:
            if node.comment is not None:
                kept = node.comment_mark or nml_model.Comment(node=0, content="")
                yield replace(kept, node=node.id, content=node.comment)


def nml_branchpoints(trees: Iterator[Tree]) -> Iterator[nml_model.Branchpoint]:
    """Write the branch points, in the order of trees and nodes."""
    for tree in trees:
        for node in tree.nodes:
            if node.is_branchpoint:
                kept = node.branchpoint_mark or nml_model.Branchpoint(id=0)
                yield replace(kept, id=node.id, time=node.branchpoint_time)
