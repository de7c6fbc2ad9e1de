"""A tree: nodes and edges as a networkx graph, with name, color and group; circles are allowed, whatever its name.

Trees are made by `Group.add_tree`. A node is a key of the graph, and its id may stand for it in every call of networkx.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import SkeletonError
from wk_assets.skeleton import nml_model
from wk_assets.skeleton.nml_model import Vector3, Vector4
from wk_assets.skeleton.node import HasIds, Node, NodeAttributes
from wk_assets.skeleton.node_keys import NodeKeyed, NodesOfTree

if TYPE_CHECKING:

    class _Graph(nx.Graph[Node]):
        _node: "NodesOfTree"  # what the types of networkx leave out
        _adj: "NodeKeyed"

else:
    _Graph = nx.Graph  # the class itself takes no type arguments

Metadata: TypeAlias = dict[str, str | int | float | Sequence[str]]


class SkeletonOfTree(HasIds, Protocol):
    """Be a skeleton, as far as a tree needs one."""

    def tree_with_node(self, node_id: int) -> "Tree | None":
        """Give the tree that has this node."""
        ...


class GroupOfTree(Protocol):
    """Be a group, as far as a tree needs one."""

    @property
    def id(self) -> int:
        """Give the id of the group."""
        ...

    @property
    def name(self) -> str:
        """Give its name."""
        ...

    def take(self, tree: "Tree") -> None:
        """Count a tree among those of the group."""
        ...

    def drop(self, tree: "Tree") -> None:
        """Do not count it any more."""
        ...


def as_color(color: Sequence[float] | None) -> Vector4 | None:
    """Give red, green, blue, alpha; a color without alpha is opaque. Raises SkeletonError for other lengths."""
    if color is None:
        return None
    numbers = [float(part) for part in color]
    if len(numbers) == 3:
        numbers.append(1.0)
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise SkeletonError(f"color {color!r}: give red, green, blue and, if you like, alpha, from 0 to 1")
    red, green, blue, alpha = numbers
    return red, green, blue, alpha


class Tree(_Graph):
    """Be a graph of nodes.

    `metadata` are keys of the tree itself; `document` keeps what an NML said of it beyond these fields. networkx makes
    views and copies through `Tree()`, so a tree without group and skeleton exists; nodes are added to others only.
    """

    def __init__(
        self,
        name: str = "",
        group: GroupOfTree | None = None,
        skeleton: SkeletonOfTree | None = None,
        color: Vector4 | Vector3 | None = None,
        enforced_id: int | None = None,
        metadata: Mapping[str, Any] = {},  # noqa: B006  # the signature of the API reference; it is copied, never changed
        is_visible: bool = True,
    ) -> None:
        self._nodes_by_id: dict[int, Node] = {}
        super().__init__()
        self._skeleton = skeleton
        self._group: GroupOfTree | None = None
        self._id = 0 if skeleton is None else skeleton.ids.new(enforced_id)
        self.name = name
        self.color = as_color(color)
        self.metadata: dict[str, Any] = dict(metadata)
        self.is_visible = is_visible
        self.document: nml_model.Tree | None = None
        if group is not None:
            self.group = group

    def adjlist_outer_dict_factory(self) -> NodeKeyed:  # type: ignore[override]  # keys are nodes, not texts
        """Make the dictionary of neighbors by node, as networkx asks for."""
        return NodeKeyed(self._nodes_by_id)

    def adjlist_inner_dict_factory(self) -> NodeKeyed:  # type: ignore[override]  # keys are nodes, not texts
        """Make the dictionary of one node's neighbors, as networkx asks for."""
        return NodeKeyed(self._nodes_by_id)

    def node_dict_factory(self) -> NodesOfTree:  # type: ignore[override]  # keys are nodes, not texts
        """Make the dictionary of nodes, as networkx asks for."""
        return NodesOfTree(self._nodes_by_id)

    @property
    def id(self) -> int:
        """Give the id, unique among the trees of the skeleton."""
        return self._id

    @property
    def name(self) -> str:
        """Give the name."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def group(self) -> Any:
        """Give the group, or the skeleton itself, that the tree is in. Setting it moves the tree."""
        if self._group is None:
            raise SkeletonError(
                f"tree {self.name!r} is in no group: make trees with Group.add_tree or Skeleton.add_tree"
            )
        return self._group

    @group.setter
    def group(self, group: GroupOfTree) -> None:
        if self._group is not None:
            self._group.drop(self)
        group.take(self)
        self._group = group

    def add_node(  # type: ignore[override]  # the signature of the API reference
        self,
        position: Any,
        comment: str | None = None,
        radius: float | None = None,
        rotation: Vector3 | None = None,
        inVp: int | None = None,
        inMag: int | None = None,
        bitDepth: int | None = None,
        interpolation: bool | None = None,
        time: int | None = None,
        is_branchpoint: bool = False,
        branchpoint_time: int | None = None,
        _enforced_id: int | None = None,
    ) -> Node:
        """Add a node at a position (mag-1 voxels, integers or not) and give it.

        Raises SkeletonError for a position that is not three finite numbers, and for an enforced id that another node has.
        """
        skeleton = self._owner()
        if _enforced_id is not None and _enforced_id <= skeleton.ids.largest:
            other = skeleton.tree_with_node(_enforced_id)
            if other is not None:
                raise SkeletonError(f"there is a node {_enforced_id} in tree {other.id} ({other.name!r}) already")
        node = Node(
            position=position,
            skeleton=skeleton,
            comment=comment,
            radius=radius,
            rotation=rotation,
            inVp=inVp,
            inMag=inMag,
            bitDepth=bitDepth,
            interpolation=interpolation,
            time=time,
            is_branchpoint=is_branchpoint,
            branchpoint_time=branchpoint_time,
            enforced_id=_enforced_id,
        )
        self.insert(node)
        return node

    def insert(self, node: Node) -> None:
        """Put a node into the graph whose id nobody else in the skeleton has: what reading and copying do."""
        self._node[node] = NodeAttributes(node)
        self._adj[node] = self.adjlist_inner_dict_factory()

    def join(self, source: Node, target: Node, attributes: dict[str, Any]) -> None:
        """Put an edge between two nodes that are in the tree: what reading does, past the checks of `add_edge`."""
        dict.__setitem__(self._adj[source], target, attributes)
        dict.__setitem__(self._adj[target], source, attributes)

    def _owner(self) -> SkeletonOfTree:
        if self._skeleton is None:
            raise SkeletonError(f"tree {self.name!r} is in no skeleton: make trees with Skeleton.add_tree")
        return self._skeleton

    def add_edge(self, u_of_edge: Node | int, v_of_edge: Node | int, **attr: Any) -> None:
        """Join two nodes of the tree, given as nodes or ids; raises SkeletonError for one that it does not have."""
        ends = [self.get_node_by_id(end.id if isinstance(end, Node) else end) for end in (u_of_edge, v_of_edge)]
        super().add_edge(ends[0], ends[1], **attr)

    def remove_node(self, n: Node | int) -> None:
        """Remove a node, given itself or by its id, and its edges; raises SkeletonError for one that is not there."""
        super().remove_node(self.get_node_by_id(n.id if isinstance(n, Node) else n))

    def remove_nodes_from(self, nodes: Iterable[Node | int]) -> None:
        """Remove nodes, given themselves or by ids; those that are not there are passed over, as networkx does."""
        there = [self._nodes_by_id.get(node.id if isinstance(node, Node) else node) for node in list(nodes)]
        super().remove_nodes_from([node for node in there if node is not None])

    def nbunch_iter(self, nbunch: Any = None) -> Iterator[Node]:
        """Give the nodes that a call of networkx names, as nodes where it names ids: subgraphs, degrees, edges of some."""
        found: Iterator[Any] = super().nbunch_iter(nbunch)
        return (self._nodes_by_id[one] if isinstance(one, int) else one for one in found)

    def get_node_by_id(self, node_id: int) -> Node:
        """Give a node of this tree; raises SkeletonError."""
        node = self._nodes_by_id.get(node_id)
        if node is None:
            raise SkeletonError(f"tree {self.id} ({self.name!r}) has no node {node_id!r}")
        return node

    def has_node_id(self, node_id: int) -> bool:
        """Say whether the tree has a node."""
        return node_id in self._nodes_by_id

    def get_max_node_id(self) -> int:
        """Give the largest id of a node; 0 without nodes."""
        return max(self._nodes_by_id, default=0)

    def get_node_positions(self) -> NDArray[Any]:
        """Give the positions of all nodes, (n, 3), in mag-1 voxels: int64 where all are integers, else float64."""
        positions = [node.coordinates for node in self._nodes_by_id.values()]
        return np.array(positions, dtype=None if positions else np.int64).reshape(-1, 3)

    def copy(self, as_view: bool = False) -> Any:
        """Give a plain networkx graph of the same nodes; for a copy in a skeleton see `Group.add_tree`."""
        return super().copy(as_view=True) if as_view else nx.Graph(self)

    def __repr__(self) -> str:
        return f"Tree(id={self._id}, name={self._name!r}, {len(self)} nodes, {self.number_of_edges()} edges)"
