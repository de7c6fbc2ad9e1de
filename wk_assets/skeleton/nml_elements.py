"""What each element of an NML document becomes when it closes. No XML parser here: frames in, values out.

`CHILDREN` is the format: which element may stand in which. Any other is unknown, and kept word by word.
Source: `spec/formats.md` §3.1, measured on files that WEBKNOSSOS and its Python library wrote.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.length_unit import DEFAULT_LENGTH_UNIT
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml_frame import LARGEST_COORDINATE, LARGEST_SEGMENT_ID, Frame
from wk_assets.skeleton.nml_model import (
    Branchpoint,
    Comment,
    Group,
    Meta,
    MetadataEntry,
    MetadataValue,
    Nml,
    Parameters,
    Segment,
    Tree,
    UserBoundingBox,
    Volume,
)

_XYZ: Final = ("x", "y", "z")
_SINGLE_VALUES: Final = (
    "experiment",
    "scale",
    "offset",
    "time",
    "editPosition",
    "editRotation",
    "zoomLevel",
    "activeNode",
)
CHILDREN: Final[Mapping[str, frozenset[str]]] = {
    "things": frozenset(("parameters", "meta", "thing", "branchpoints", "comments", "groups", "volume")),
    "parameters": frozenset((*_SINGLE_VALUES, "taskBoundingBox", "userBoundingBox")),
    "thing": frozenset(("nodes", "edges", "metadata")),
    "nodes": frozenset(("node",)),
    "edges": frozenset(("edge",)),
    "metadata": frozenset(("metadataEntry",)),
    "branchpoints": frozenset(("branchpoint",)),
    "comments": frozenset(("comment",)),
    "groups": frozenset(("group",)),
    "group": frozenset(("group",)),
    "volume": frozenset(("segments", "groups")),
    "segments": frozenset(("segment",)),
    "segment": frozenset(("metadata",)),
}
REPEATED: Final = frozenset(
    (
        "meta",
        "thing",
        "volume",
        "userBoundingBox",
        "metadataEntry",
        "branchpoint",
        "comment",
        "group",
        "segment",
    )
)


def _meta(frame: Frame) -> Meta:
    return Meta(
        name=frame.needed("name"),
        content=frame.needed("content"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _metadata_entry(frame: Frame) -> MetadataEntry:
    key = frame.needed("key")
    value: MetadataValue
    text, flag = frame.text("stringValue"), None
    if text is not None:
        value = text
    elif "numberValue" in frame.attributes:
        value = _metadata_number(frame)
    elif (flag := frame.boolean("boolValue")) is not None:
        value = flag
    else:
        value = _metadata_list(frame)
    return MetadataEntry(key=key, value=value, attributes=frame.unknown_attributes(), elements=tuple(frame.rest))


def _metadata_number(frame: Frame) -> int | float:
    text = frame.attributes["numberValue"].strip()
    if text.removeprefix("-").isdigit():
        return frame.integer("numberValue") or 0
    return frame.number("numberValue") or 0.0


def _metadata_list(frame: Frame) -> tuple[str, ...]:
    values: list[str] = []
    while (text := frame.text(f"stringListValue-{len(values)}")) is not None:
        values.append(text)
    return tuple(values)


def _box(frame: Frame) -> UserBoundingBox:
    corner = [frame.integer(name) for name in ("topLeftX", "topLeftY", "topLeftZ")]
    size = [frame.integer(name, 0) for name in ("width", "height", "depth")]
    numbers = [number for number in (*corner, *size) if number is not None]
    if len(numbers) != 6:
        raise frame.error(
            "does not have all of topLeftX, topLeftY, topLeftZ, width, height, depth", "Give all six as integers."
        )
    visible = frame.boolean("isVisible")
    return UserBoundingBox(
        id=frame.integer("id"),
        box=BoundingBox(
            numbers[:3],
            numbers[3:],
            name=frame.text("name"),
            is_visible=visible is None or visible,
            color=frame.color(),
        ),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _scale(frame: Frame) -> VoxelSize:
    scale = frame.vector(_XYZ)
    if scale is None:
        raise frame.error("has no x, y, z", "Give the voxel size, like <scale x='11.24' y='11.24' z='28'/>.")
    unit = frame.text("unit")
    try:
        return VoxelSize(scale, DEFAULT_LENGTH_UNIT if unit is None else unit)
    except GeometryError as error:
        raise frame.error(str(error), "Give the voxel size in a unit of length.") from error


def _parameters(frame: Frame) -> Parameters:
    single = {tag: frame.one(tag) or Frame(frame.source, tag, {}, frame.line, frame) for tag in _SINGLE_VALUES}
    experiment, edit = single["experiment"], single["editPosition"]
    if frame.one("experiment") is None or frame.one("scale") is None:
        raise frame.error("has no <experiment> or no <scale>", "An NML names its dataset and its voxel size.")
    return Parameters(
        name=experiment.text("name") or "",
        description=experiment.text("description"),
        organization=experiment.text("organization"),
        dataset_id=experiment.text("datasetId"),
        wk_url=experiment.text("wkUrl"),
        scale=_scale(single["scale"]),
        offset=single["offset"].vector(_XYZ, LARGEST_COORDINATE),
        time=single["time"].integer("ms"),
        editPosition=edit.vector(_XYZ, LARGEST_COORDINATE),
        editPositionAdditionalCoordinates=edit.additional_coordinates(),
        editRotation=single["editRotation"].vector(("xRot", "yRot", "zRot")),
        zoomLevel=single["zoomLevel"].number("zoom"),
        activeNode=single["activeNode"].integer("id"),
        taskBoundingBox=frame.one("taskBoundingBox"),
        userBoundingBoxes=frame.all("userBoundingBox"),
        inner=frame.inner(*_SINGLE_VALUES),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _thing(frame: Frame) -> Tree:
    """Make a tree without nodes and edges: these are columns of the whole document until it ends."""
    visible = frame.boolean("isVisible")
    return Tree(
        id=frame.identifier("id"),
        name=frame.text("name") or "",
        color=frame.color(),
        groupId=frame.integer("groupId", 0),
        is_visible=visible is None or visible,
        edges_are_visible=frame.boolean("edgesAreVisible"),
        type=frame.text("type"),
        metadata=frame.members("metadata", "metadataEntry"),
        inner=frame.inner("nodes", "edges", "metadata"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _branchpoint(frame: Frame) -> Branchpoint:
    return Branchpoint(
        id=frame.identifier("id"),
        time=frame.integer("time"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _comment(frame: Frame) -> Comment:
    return Comment(
        node=frame.identifier("node"),
        content=frame.needed("content"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _group(frame: Frame) -> Group:
    return Group(
        id=frame.identifier("id"),
        name=frame.text("name") or "",
        is_expanded=frame.boolean("isExpanded"),
        children=frame.all("group"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _segment(frame: Frame) -> Segment:
    return Segment(
        id=frame.identifier("id", LARGEST_SEGMENT_ID),
        name=frame.text("name"),
        created=frame.integer("created"),
        anchor_position=frame.vector(("anchorPositionX", "anchorPositionY", "anchorPositionZ"), LARGEST_COORDINATE),
        additional_coordinates=frame.additional_coordinates(),
        color=frame.color(),
        groupId=frame.integer("groupId", 0),
        is_visible=frame.boolean("isVisible"),
        metadata=frame.members("metadata", "metadataEntry"),
        inner=frame.inner("metadata"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def _volume(frame: Frame) -> Volume:
    return Volume(
        id=frame.identifier("id"),
        location=frame.text("location"),
        fallback_layer=frame.text("fallbackLayer"),
        name=frame.text("name"),
        format=frame.text("format"),
        largest_segment_id=frame.integer("largestSegmentId", 0, LARGEST_SEGMENT_ID),
        segments=frame.members("segments", "segment"),
        groups=frame.members("groups", "group"),
        inner=frame.inner("segments", "groups"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


def document(frame: Frame, trees: tuple[Tree, ...]) -> Nml:
    """Make the document of its root element and its finished trees; raises NmlError where there are no parameters."""
    if frame.one("parameters") is None:
        raise frame.error("has no <parameters>", "An NML names its dataset and its voxel size there.")
    return Nml(
        parameters=frame.one("parameters"),
        meta=frame.all("meta"),
        trees=trees,
        branchpoints=frame.members("branchpoints", "branchpoint"),
        comments=frame.members("comments", "comment"),
        groups=frame.members("groups", "group"),
        volumes=frame.all("volume"),
        inner=frame.inner("branchpoints", "comments", "groups"),
        attributes=frame.unknown_attributes(),
        elements=tuple(frame.rest),
    )


MAKERS: Final[Mapping[str, Callable[[Frame], Any]]] = {
    "meta": _meta,
    "metadataEntry": _metadata_entry,
    "taskBoundingBox": _box,
    "userBoundingBox": _box,
    "parameters": _parameters,
    "thing": _thing,
    "branchpoint": _branchpoint,
    "comment": _comment,
    "group": _group,
    "segment": _segment,
    "volume": _volume,
}
"""Any other known element stays a frame until the one around it closes."""
