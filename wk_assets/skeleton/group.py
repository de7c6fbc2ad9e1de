"""A folder of trees and of other folders in a skeleton."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from wk_assets.errors import SkeletonError
from wk_assets.skeleton import nml_model
from wk_assets.skeleton.nml_frame import DEEPEST_ELEMENT
from wk_assets.skeleton.nml_model import Vector3, Vector4
from wk_assets.skeleton.node import Node
from wk_assets.skeleton.tree import SkeletonOfTree, Tree

DEEPEST_GROUP: Final = DEEPEST_ELEMENT - 4
"""An NML that nests deeper can not be read; `things` and `groups` stand around the groups."""


class SkeletonOfGroup(SkeletonOfTree, Protocol):
    """Be a skeleton, as far as a group needs one."""

    @property
    def all_trees(self) -> dict[int, Tree]:
        """Give all trees by id, in the order in which they were made."""
        ...

    @property
    def all_groups(self) -> dict[int, "Group"]:
        """Give all groups by id."""
        ...


class Group:
    """Hold trees and groups. Two groups are equal if names, ids and all that is in them are."""

    def __init__(self, name: str, skeleton: SkeletonOfGroup, enforced_id: int | None = None, depth: int = 0) -> None:
        self.name = name
        self._skeleton = skeleton
        self._depth = depth
        self._id = skeleton.ids.new(enforced_id)
        self._child_groups: dict[int, Group] = {}
        self._child_trees: dict[int, Tree] = {}
        self.document: nml_model.Group | None = None

    @property
    def id(self) -> int:
        """Give the id, unique among the groups of the skeleton."""
        return self._id

    @property
    def children(self) -> "Iterator[GroupOrTree]":
        """Give the groups and trees right in this one."""
        yield from self.groups
        yield from self.trees

    @property
    def groups(self) -> "Iterator[Group]":
        """Give the groups right in this one."""
        yield from list(self._child_groups.values())

    @property
    def trees(self) -> Iterator[Tree]:
        """Give the trees right in this one."""
        yield from list(self._child_trees.values())

    def flattened_groups(self) -> "Iterator[Group]":
        """Give all groups below this one."""
        for group in self.groups:
            yield group
            yield from group.flattened_groups()

    def flattened_trees(self) -> Iterator[Tree]:
        """Give the trees of this group and of all groups below."""
        yield from self.trees
        for group in self.flattened_groups():
            yield from group.trees

    # Adding and removing

    def add_group(self, name: str, _enforced_id: int | None = None) -> "Group":
        """Add a group and give it; raises SkeletonError for an id that another group has, and for nesting too deep."""
        if _enforced_id is not None and _enforced_id in self._skeleton.all_groups:
            raise SkeletonError(f"there is a group {_enforced_id} already; leave the id away, or give another one")
        if self._depth >= DEEPEST_GROUP:
            raise SkeletonError(f"group {name!r} would be more than {DEEPEST_GROUP} groups deep; nest fewer groups")
        group = Group(name, self._skeleton, _enforced_id, self._depth + 1)
        self._child_groups[group.id] = group
        self._skeleton.all_groups[group.id] = group
        return group

    def add_tree(
        self,
        name_or_tree: str | Tree,
        color: Vector4 | Vector3 | None = None,
        _enforced_id: int | None = None,
        metadata: Mapping[str, Any] = {},  # noqa: B006  # the signature of the API reference; it is copied, never changed
        is_visible: bool = True,
    ) -> Tree:
        """Add a new tree of that name, or a copy of a tree, and give it.

        The copy of a tree has its nodes, edges, color and metadata, unless others are given; ids stay where they are free in
        this skeleton, others are new. Raises SkeletonError for an enforced id that another tree has.
        """
        if _enforced_id is not None and _enforced_id in self._skeleton.all_trees:
            raise SkeletonError(f"there is a tree {_enforced_id} already; leave the id away, or give another one")
        if isinstance(name_or_tree, str):
            tree = Tree(name_or_tree, self, self._skeleton, color, _enforced_id, metadata, is_visible)
        else:
            tree = self._copy(name_or_tree, color, _enforced_id, metadata, is_visible)
        self._skeleton.all_trees[tree.id] = tree
        return tree

    def _copy(
        self,
        tree: Tree,
        color: Sequence[float] | None,
        enforced_id: int | None,
        metadata: Mapping[str, Any],
        shown: bool,
    ) -> Tree:
        skeleton = self._skeleton
        if enforced_id is None and tree.id not in skeleton.all_trees:
            enforced_id = tree.id
        twin = Tree(
            tree.name,
            self,
            skeleton,
            tree.color if color is None else tuple(color),  # type: ignore[arg-type]  # its length is checked there
            enforced_id,
            metadata or tree.metadata,
            tree.is_visible and shown,
        )
        twin.document = tree.document
        largest = skeleton.ids.largest
        twins: dict[Node, Node] = {}
        for node in tree.nodes:
            free = node.id > largest or skeleton.tree_with_node(node.id) is None
            twins[node] = node.copy_to(skeleton, node.id if free and not twin.has_node_id(node.id) else None)
            twin.insert(twins[node])
        for source, target, attributes in tree.edges(data=True):
            twin.add_edge(twins[source], twins[target], **attributes)
        return twin

    def take(self, tree: Tree) -> None:
        """Count a tree among those right in this group: what setting `Tree.group` does."""
        self._child_trees[tree.id] = tree

    def drop(self, tree: Tree) -> None:
        """Do not count a tree among those right in this group any more: what setting `Tree.group` does."""
        self._child_trees.pop(tree.id, None)

    def remove_tree_by_id(self, tree_id: int) -> None:
        """Remove a tree of this group or of one below; raises SkeletonError."""
        tree = self.get_tree_by_id(tree_id)
        tree.group.drop(tree)
        del self._skeleton.all_trees[tree_id]

    # Looking up

    def get_tree_by_id(self, tree_id: int) -> Tree:
        """Give a tree of this group or of one below; raises SkeletonError."""
        for tree in self.flattened_trees():
            if tree.id == tree_id:
                return tree
        raise SkeletonError(f"there is no tree {tree_id!r} in {self.name!r}")

    def has_tree_id(self, tree_id: int) -> bool:
        """Say whether there is such a tree in this group or in one below."""
        return any(tree.id == tree_id for tree in self.flattened_trees())

    def get_group_by_id(self, group_id: int) -> "Group":
        """Give a group below this one; raises SkeletonError."""
        for group in self.flattened_groups():
            if group.id == group_id:
                return group
        raise SkeletonError(f"there is no group {group_id!r} in {self.name!r}")

    def get_node_by_id(self, node_id: int) -> Node:
        """Give a node of a tree of this group or of one below; raises SkeletonError."""
        for tree in self.flattened_trees():
            if tree.has_node_id(node_id):
                return tree.get_node_by_id(node_id)
        raise SkeletonError(f"there is no node {node_id!r} in {self.name!r}")

    def get_total_node_count(self) -> int:
        """Count the nodes of all trees in this group and below."""
        return sum(len(tree) for tree in self.flattened_trees())

    def get_max_tree_id(self) -> int:
        """Give the largest id of a tree in this group or below; 0 without trees."""
        return max((tree.id for tree in self.flattened_trees()), default=0)

    def get_max_node_id(self) -> int:
        """Give the largest id of a node in this group or below; 0 without nodes."""
        return max((tree.get_max_node_id() for tree in self.flattened_trees()), default=0)

    def as_nml_group(self) -> nml_model.Group:
        """Give the group, and all below, as NML has them, without trees."""
        kept = self.document or nml_model.Group(id=self.id, name=self.name)
        return nml_model.Group(
            id=self.id,
            name=self.name,
            is_expanded=kept.is_expanded,
            children=tuple(group.as_nml_group() for group in self.groups),
            attributes=kept.attributes,
            elements=kept.elements,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group):
            return NotImplemented
        return (
            (self.id, self.name) == (other.id, other.name)
            and self._child_groups == other._child_groups
            and _same_trees(self._child_trees, other._child_trees)
        )

    __hash__ = None  # type: ignore[assignment]  # what it holds, and so what it equals, changes

    def __repr__(self) -> str:
        counts = f"{len(self._child_groups)} groups, {len(self._child_trees)} trees"
        return f"{type(self).__name__}(id={self.id}, name={self.name!r}, {counts})"


GroupOrTree: TypeAlias = Group | Tree


def _same_trees(trees: Mapping[int, Tree], others: Mapping[int, Tree]) -> bool:
    return trees.keys() == others.keys() and all(same_tree(tree, others[number]) for number, tree in trees.items())


def same_tree(tree: Tree, other: Tree) -> bool:
    """Say whether two trees say the same: name, color, metadata, nodes and edges, whatever their order."""
    return (
        (tree.id, tree.name, tree.color, tree.metadata, tree.is_visible, tree.document)
        == (other.id, other.name, other.color, other.metadata, other.is_visible, other.document)
        and {node.id: node for node in tree.nodes} == {node.id: node for node in other.nodes}
        and _edges(tree) == _edges(other)
    )


def _edges(tree: Tree) -> set[frozenset[int]]:
    return {frozenset((source.id, target.id)) for source, target in tree.edges}
