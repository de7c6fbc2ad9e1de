"""The dictionaries of a tree's graph: keys are nodes, and an id stands for its node wherever one is looked up."""

from typing import Any

from wk_assets.errors import SkeletonError
from wk_assets.skeleton.node import Node


class NodeKeyed(dict[Node, Any]):
    """Hold a value per node. `by_id` are the nodes of the tree, shared by all its dictionaries."""

    __slots__ = ("by_id",)

    def __init__(self, by_id: dict[int, Node]) -> None:
        super().__init__()
        self.by_id = by_id

    def node(self, key: Node | int) -> Node:
        """Give the node that a key stands for; raises SkeletonError for an id that the tree does not have."""
        if isinstance(key, Node):
            return key
        found = self.by_id.get(key)
        if found is None:
            raise SkeletonError(f"the tree has no node {key!r}; add one with add_node(position=(x, y, z))")
        return found

    def _found(self, key: Node | int) -> Node:
        node = key if isinstance(key, Node) else self.by_id.get(key)
        if node is None:
            raise KeyError(key)
        return node

    def __missing__(self, key: object) -> Any:
        node = self.by_id.get(key) if isinstance(key, int) else None
        if node is None or node not in self:
            raise KeyError(key)
        return self[node]

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self.by_id.get(key) if isinstance(key, int) else key)

    def __setitem__(self, key: Node | int, value: Any) -> None:
        super().__setitem__(key if isinstance(key, Node) else self.node(key), value)

    def __delitem__(self, key: Node | int) -> None:
        super().__delitem__(self._found(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Give the value of a node, or of the node with that id."""
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: Any, *default: Any) -> Any:
        """Remove a node, or the node with that id, and give its value."""
        return super().pop(self._found(key), *default) if key in self or not default else default[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.by_id,), None, None, iter(self.items())


class NodesOfTree(NodeKeyed):
    """Hold the attributes of each node, and keep the tree's nodes by id in step."""

    __slots__ = ()

    def __setitem__(self, key: Node | int, value: Any) -> None:
        node = self.node(key)
        self.by_id[node.id] = node
        super().__setitem__(node, value)

    def __delitem__(self, key: Node | int) -> None:
        node = self._found(key)
        super().__delitem__(node)
        del self.by_id[node.id]

    def clear(self) -> None:
        """Remove all."""
        super().clear()
        self.by_id.clear()
