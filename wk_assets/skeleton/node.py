"""A point of a tree. Made with `Tree.add_node`; ids come from the skeleton, in the order in which nodes are made."""

import operator
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from wk_assets.errors import SkeletonError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.skeleton.nml_columns import Extra
from wk_assets.skeleton.nml_frame import LARGEST_COORDINATE
from wk_assets.skeleton.nml_model import Branchpoint, Comment, Vector3

Position: TypeAlias = Vec3Int | Vector3
_FIELDS: Final = (
    "position",
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


@dataclass(slots=True)
class Ids:
    """Hand out ids for trees, nodes and groups of one skeleton: one more than the largest so far."""

    largest: int = 0

    def new(self, enforced: int | None = None) -> int:
        """Give the next id, or take note of the one that somebody wants; raises SkeletonError for a negative one."""
        if enforced is None:
            self.largest += 1
            return self.largest
        number = operator.index(enforced)
        if number < 0:
            raise SkeletonError(f"id {number} is negative; ids of trees, nodes and groups count from 0")
        self.largest = max(self.largest, number)
        return number


class HasIds(Protocol):
    """Be a skeleton, for what only needs new ids from it."""

    @property
    def ids(self) -> Ids:
        """Give the counter."""
        ...


class Node:
    """Hold one node: `position` in mag-1 voxels, a Vec3Int where all three are integers, else floats.

    `rotation` in degrees, `radius` in nanometers as the server has it, `time` and `branchpoint_time` in milliseconds since 1970.
    `extra` and the marks keep what an NML said beyond these. Raises SkeletonError for a position that is not three
    finite numbers. Nodes are equal if all that they say is; the hash is that of the id, which never changes.
    """

    __slots__ = (
        "_id",
        "_position",
        "bitDepth",
        "branchpoint_mark",
        "branchpoint_time",
        "comment",
        "comment_mark",
        "extra",
        "inMag",
        "inVp",
        "interpolation",
        "is_branchpoint",
        "radius",
        "rotation",
        "time",
    )

    def __init__(
        self,
        position: Any,
        skeleton: HasIds,
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
        enforced_id: int | None = None,
    ) -> None:
        self.position = position  # first: what is wrong takes no id
        self.comment = comment
        self.radius = radius
        self.rotation = rotation
        self.inVp = inVp
        self.inMag = inMag
        self.bitDepth = bitDepth
        self.interpolation = interpolation
        self.time = time
        self.is_branchpoint = is_branchpoint
        self.branchpoint_time = branchpoint_time
        self.extra = _NO_EXTRA
        self.comment_mark: Comment | None = None
        self.branchpoint_mark: Branchpoint | None = None
        self._id = skeleton.ids.new(enforced_id)

    @classmethod
    def of_values(
        cls,
        node_id: int,
        position: Vector3,
        radius: float | None,
        rotation: Vector3 | None,
        in_vp: int | None,
        in_mag: int | None,
        bit_depth: int | None,
        interpolation: bool | None,
        time: int | None,
    ) -> "Node":
        """Make a node of values that were checked before, as reading a million of them does; it takes no new id."""
        node = cls.__new__(cls)
        node._id = node_id
        x, y, z = position
        node._position = (
            int(x) if x.is_integer() else x,
            int(y) if y.is_integer() else y,
            int(z) if z.is_integer() else z,
        )
        node.radius = radius
        node.rotation = rotation
        node.inVp = in_vp
        node.inMag = in_mag
        node.bitDepth = bit_depth
        node.interpolation = interpolation
        node.time = time
        node.comment = None
        node.is_branchpoint = False
        node.branchpoint_time = None
        node.extra = _NO_EXTRA
        node.comment_mark = None
        node.branchpoint_mark = None
        return node

    @property
    def id(self) -> int:
        """Give the id, unique among all nodes of the skeleton."""
        return self._id

    @property
    def position(self) -> Position:
        """Give x, y, z in mag-1 voxels."""
        x, y, z = self._position
        if type(x) is int and type(y) is int and type(z) is int:
            return Vec3Int(x, y, z)
        return float(x), float(y), float(z)

    @position.setter
    def position(self, value: Any) -> None:
        self._position: tuple[float, float, float] = as_position(value)

    @property
    def coordinates(self) -> Vector3:
        """Give x, y, z in mag-1 voxels as plain numbers, integers where they are whole: what tables and files ask for."""
        return self._position

    def get_dict(self) -> dict[str, Any]:
        """Give all that the node says, by name, but for its id."""
        return {name: getattr(self, name) for name in _FIELDS}

    def said(self) -> tuple[Any, ...]:
        """Give all that two equal nodes have in common, what NML said beyond the fields included."""
        marks = (self.comment_mark, self.branchpoint_mark)
        return self._id, *(getattr(self, name) for name in _FIELDS), self.extra, *marks

    def copy_to(self, skeleton: HasIds, enforced_id: int | None = None) -> "Node":
        """Make the same node in another tree or skeleton, with an id of its own."""
        twin = Node(**self.get_dict(), skeleton=skeleton, enforced_id=enforced_id)
        twin.extra = self.extra
        twin.comment_mark = self.comment_mark
        twin.branchpoint_mark = self.branchpoint_mark
        return twin

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.said() == other.said() if isinstance(other, Node) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        set_fields = {name: value for name, value in self.get_dict().items() if value not in (None, False)}
        return f"Node(id={self._id}, {', '.join(f'{name}={value!r}' for name, value in set_fields.items())})"


_NO_EXTRA: Final = Extra()


def as_position(value: Any) -> tuple[float, float, float]:
    """Give three numbers, integers where they are whole; raises SkeletonError for anything else."""
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 3 or not all(abs(number) <= LARGEST_COORDINATE for number in numbers):  # NaN is not, either
        raise SkeletonError(f"position {value!r}: give three finite numbers x, y, z in mag-1 voxels")
    x, y, z = (int(number) if number.is_integer() else number for number in numbers)
    return x, y, z


class NodeAttributes(MutableMapping[str, Any]):
    """Show a node as networkx' dictionary of attributes: `nx.get_node_attributes(tree, "position")`.

    What is set under the name of a field changes the node; other names are kept for networkx only.
    """

    __slots__ = ("_node", "_others")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._others: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        if name in _FIELDS:
            return getattr(self._node, name)
        return (self._others or {})[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name in _FIELDS:
            setattr(self._node, name, value)
        else:
            self._others = {**(self._others or {}), name: value}

    def __delitem__(self, name: str) -> None:
        if name in _FIELDS:
            raise SkeletonError(f"{name} of a node can not be removed; set it to None")
        del (self._others or {})[name]

    def __iter__(self) -> Iterator[str]:
        yield from _FIELDS
        yield from self._others or ()

    def __len__(self) -> int:
        return len(_FIELDS) + len(self._others or ())

    def copy(self) -> dict[str, Any]:
        """Give a dictionary of its own, as networkx asks for when it copies a graph."""
        return dict(self)
