"""What an NML document says, element by element: frozen values, nothing lost, no file opened.

Reading is in `nml_reader`, writing in `nml_writer`; what people edit (trees as graphs) is `skeleton`. Nodes and edges of a
tree are columns (`nml_columns`). The names of fields are those of the format and of the API reference, hence some in
camel case. Each value keeps the attributes that no field stands for in `attributes`, and the elements and XML comments
that it does not know in `elements`, in the order of the file; `inner` has those of the plain elements inside (`nodes`, `scale`).

Units: positions, boxes, anchors in mag-1 voxels; times in milliseconds since 1970; colors red, green, blue, alpha 0..1;
rotations in degrees; zoom as the server writes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml_columns import Edges, Nodes
from wk_assets.skeleton.nml_unknown import Attributes, Elements, Inner

Vector3: TypeAlias = tuple[float, float, float]
Vector4: TypeAlias = tuple[float, float, float, float]
MetadataValue: TypeAlias = str | int | float | bool | tuple[str, ...]
AdditionalCoordinates: TypeAlias = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Say something about the file: `username`, `annotationId`, any key."""

    name: str
    content: str
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataEntry:
    """Hold one key of a tree's or segment's metadata; a list is one of texts, and may be empty."""

    key: str
    value: MetadataValue
    attributes: Attributes = ()
    elements: Elements = ()

    @property
    def type(self) -> Literal["str", "number", "list", "bool"]:
        """Say which kind of value it is."""
        if isinstance(self.value, bool):
            return "bool"
        if isinstance(self.value, str):
            return "str"
        return "list" if isinstance(self.value, tuple) else "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBoundingBox:
    """Hold a box of mag-1 voxels, and the id that the server gave it.

    A name, visibility or color that the file does not give is None (visibility: shown) in `box`.
    """

    box: BoundingBox
    id: int | None = None
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Hold what the whole file is about: dataset, voxel size, and where its author looked."""

    name: str
    scale: VoxelSize
    description: str | None = None
    organization: str | None = None
    dataset_id: str | None = None
    wk_url: str | None = None
    offset: Vector3 | None = None
    time: int | None = None
    editPosition: Vector3 | None = None
    editPositionAdditionalCoordinates: AdditionalCoordinates = ()
    editRotation: Vector3 | None = None
    zoomLevel: float | None = None
    activeNode: int | None = None
    taskBoundingBox: UserBoundingBox | None = None
    userBoundingBoxes: tuple[UserBoundingBox, ...] = ()
    inner: tuple[Inner, ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Hold one `thing`: nodes, and edges between them. `color` None: the file gives none."""

    id: int
    name: str
    color: Vector4 | None = None
    groupId: int | None = None
    is_visible: bool = True
    edges_are_visible: bool | None = None
    type: str | None = None
    nodes: Nodes = field(default_factory=Nodes.empty)
    edges: Edges = field(default_factory=Edges.empty)
    metadata: tuple[MetadataEntry, ...] = ()
    inner: tuple[Inner, ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branchpoint:
    """Mark a node as a branch point; `time` when it was marked."""

    id: int
    time: int | None = None
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Comment a node."""

    node: int
    content: str
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hold a group of trees, or of segments, and the groups in it."""

    id: int
    name: str
    is_expanded: bool | None = None
    children: tuple["Group", ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()

    def flattened(self) -> Iterator["Group"]:
        """Give this group and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.flattened()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Describe one segment of a volume layer."""

    id: int
    name: str | None = None
    created: int | None = None
    anchor_position: Vector3 | None = None
    additional_coordinates: AdditionalCoordinates = ()
    color: Vector4 | None = None
    groupId: int | None = None
    is_visible: bool | None = None
    metadata: tuple[MetadataEntry, ...] = ()
    inner: tuple[Inner, ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Describe a volume layer; its voxels are in the file `location` beside the NML, None: there are none."""

    id: int
    location: str | None = None
    fallback_layer: str | None = None
    name: str | None = None
    format: str | None = None
    largest_segment_id: int | None = None
    segments: tuple[Segment, ...] = ()
    groups: tuple[Group, ...] = ()
    inner: tuple[Inner, ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nml:
    """Hold a whole NML document. Equal documents write equal bytes."""

    parameters: Parameters
    meta: tuple[Meta, ...] = ()
    trees: tuple[Tree, ...] = ()
    branchpoints: tuple[Branchpoint, ...] = ()
    comments: tuple[Comment, ...] = ()
    groups: tuple[Group, ...] = ()
    volumes: tuple[Volume, ...] = ()
    inner: tuple[Inner, ...] = ()
    attributes: Attributes = ()
    elements: Elements = ()

    def get_meta(self, key: str) -> str | None:
        """Give the content of the first `meta` of that name."""
        return next((meta.content for meta in self.meta if meta.name == key), None)
