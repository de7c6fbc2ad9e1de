"""Writing NML: which element stands where, with which attributes, in one fixed order.

The order of attributes is that of the server's own files, unknown ones behind the known; unknown elements stand behind
the known of their parent. Nothing is drawn by chance, so equal documents are equal bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, Final

from wk_assets.skeleton.nml_model import (
    Branchpoint,
    Comment,
    Group,
    Meta,
    MetadataEntry,
    Nml,
    Parameters,
    Segment,
    Tree,
    UserBoundingBox,
    Volume,
)
from wk_assets.skeleton.nml_row_text import edge_lines, node_lines
from wk_assets.skeleton.nml_text import Pairs, additional, color, element, floats, plain, unknown, vector
from wk_assets.skeleton.nml_unknown import Inner

_BLOCK_CHARACTERS: Final = 1 << 18
_XYZ: Final = ("x", "y", "z")


class NmlWriter:
    """Write documents to a binary stream."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, nml: Nml) -> None:
        """Write one; see `nml.write_nml` for what is raised."""
        waiting: list[str] = []
        length = 0
        for text in chain(('<?xml version="1.0" encoding="utf-8"?>\n',), _things(nml)):
            waiting.append(text)
            length += len(text)
            if length >= _BLOCK_CHARACTERS:
                self._stream.write("".join(waiting).encode())
                waiting.clear()
                length = 0
        self._stream.write("".join(waiting).encode())


def _things(nml: Nml) -> Iterator[str]:
    return element(
        0,
        "things",
        (),
        nml.attributes,
        chain.from_iterable(map(_meta, nml.meta)),
        _parameters(nml.parameters),
        chain.from_iterable(map(_thing, nml.trees)),
        plain(1, "branchpoints", nml.inner, (), chain.from_iterable(map(_branchpoint, nml.branchpoints))),
        plain(1, "comments", nml.inner, (), chain.from_iterable(map(_comment, nml.comments))),
        plain(1, "groups", nml.inner, (), _groups(2, nml.groups)),
        chain.from_iterable(map(_volume, nml.volumes)),
        unknown(1, nml.elements),
    )


def _meta(meta: Meta) -> Iterator[str]:
    named = [("name", meta.name), ("content", meta.content)]
    return element(1, "meta", named, meta.attributes, unknown(2, meta.elements))


def _parameters(parameters: Parameters) -> Iterator[str]:
    def value(tag: str, pairs: Pairs) -> Iterable[str]:
        known = any(number is not None for _, number in pairs)
        return plain(2, tag, inner, pairs) if known or any(one.tag == tag for one in inner) else ()

    inner = parameters.inner
    experiment: Pairs = [
        ("name", parameters.name),
        ("organization", parameters.organization),
        ("description", parameters.description),
        ("wkUrl", parameters.wk_url),
        ("datasetId", parameters.dataset_id),
    ]
    scale: Pairs = [*floats(_XYZ, parameters.scale.factor), ("unit", parameters.scale.unit.value)]
    look: Pairs = [
        *vector(_XYZ, parameters.editPosition),
        *((name, int(text)) for name, text in additional(parameters.editPositionAdditionalCoordinates)),
    ]
    zoom = None if parameters.zoomLevel is None else float(parameters.zoomLevel)
    task = parameters.taskBoundingBox
    return element(
        1,
        "parameters",
        (),
        parameters.attributes,
        value("experiment", experiment),
        value("scale", scale),
        value("offset", vector(_XYZ, parameters.offset)),
        value("time", [("ms", parameters.time)]),
        value("editPosition", look),
        value("editRotation", floats(("xRot", "yRot", "zRot"), parameters.editRotation)),
        value("zoomLevel", [("zoom", zoom)]),
        value("activeNode", [("id", parameters.activeNode)]),
        () if task is None else _box("taskBoundingBox", task),
        chain.from_iterable(_box("userBoundingBox", box) for box in parameters.userBoundingBoxes),
        unknown(2, parameters.elements),
    )


def _box(tag: str, box: UserBoundingBox) -> Iterator[str]:
    x, y, z = box.box.topleft_xyz
    width, height, depth = box.box.size_xyz
    task = tag == "taskBoundingBox"  # the server's have no name, color or visibility
    pairs: Pairs = [
        ("id", box.id),
        ("name", box.box.name),
        ("isVisible", None if task and box.box.is_visible else box.box.is_visible),
        *color(box.box.color),
        ("topLeftX", x),
        ("topLeftY", y),
        ("topLeftZ", z),
        ("width", width),
        ("height", height),
        ("depth", depth),
    ]
    return element(2, tag, pairs, box.attributes, unknown(3, box.elements))


def _thing(tree: Tree) -> Iterator[str]:
    pairs: Pairs = [
        ("id", tree.id),
        *color(tree.color),
        ("name", tree.name),
        ("groupId", tree.groupId),
        ("isVisible", None if tree.is_visible else False),
        ("edgesAreVisible", tree.edges_are_visible),
        ("type", tree.type),
    ]
    return element(
        1,
        "thing",
        pairs,
        tree.attributes,
        plain(2, "nodes", tree.inner, (), node_lines(tree.nodes)),
        plain(2, "edges", tree.inner, (), edge_lines(tree.edges)),
        _metadata(2, tree.metadata, tree.inner),
        unknown(2, tree.elements),
    )


def _metadata(level: int, entries: Sequence[MetadataEntry], inner: Sequence[Inner]) -> Iterable[str]:
    if not entries and not any(one.tag == "metadata" for one in inner):
        return ()
    return plain(level, "metadata", inner, (), chain.from_iterable(_entry(level + 1, entry) for entry in entries))


def _entry(level: int, entry: MetadataEntry) -> Iterator[str]:
    value = entry.value
    pairs: list[tuple[str, str | int | float | bool]] = [("key", entry.key)]
    if isinstance(value, bool):
        pairs.append(("boolValue", value))
    elif isinstance(value, str):
        pairs.append(("stringValue", value))
    elif isinstance(value, tuple):
        pairs.extend((f"stringListValue-{number}", text) for number, text in enumerate(value))
    else:
        pairs.append(("numberValue", value))
    return element(level, "metadataEntry", pairs, entry.attributes, unknown(level + 1, entry.elements))


def _branchpoint(mark: Branchpoint) -> Iterator[str]:
    pairs: Pairs = [("id", mark.id), ("time", mark.time)]
    return element(2, "branchpoint", pairs, mark.attributes, unknown(3, mark.elements))


def _comment(comment: Comment) -> Iterator[str]:
    pairs: Pairs = [("node", comment.node), ("content", comment.content)]
    return element(2, "comment", pairs, comment.attributes, unknown(3, comment.elements))


def _groups(level: int, groups: Sequence[Group]) -> Iterator[str]:
    for group in groups:
        yield from element(
            level,
            "group",
            [("id", group.id), ("name", group.name), ("isExpanded", group.is_expanded)],
            group.attributes,
            _groups(level + 1, group.children),
            unknown(level + 1, group.elements),
        )


def _volume(volume: Volume) -> Iterator[str]:
    pairs: Pairs = [
        ("id", volume.id),
        ("name", volume.name),
        ("location", volume.location),
        ("format", volume.format),
        ("fallbackLayer", volume.fallback_layer),
        ("largestSegmentId", volume.largest_segment_id),
    ]
    return element(
        1,
        "volume",
        pairs,
        volume.attributes,
        plain(2, "segments", volume.inner, (), chain.from_iterable(map(_segment, volume.segments))),
        plain(2, "groups", volume.inner, (), _groups(3, volume.groups)),
        unknown(2, volume.elements),
    )


def _segment(segment: Segment) -> Iterator[str]:
    pairs: Pairs = [
        ("id", segment.id),
        ("name", segment.name),
        ("created", segment.created),
        *vector(("anchorPositionX", "anchorPositionY", "anchorPositionZ"), segment.anchor_position),
        *((name, int(text)) for name, text in additional(segment.additional_coordinates)),
        *color(segment.color),
        ("groupId", segment.groupId),
        ("isVisible", segment.is_visible),
    ]
    return element(
        3,
        "segment",
        pairs,
        segment.attributes,
        _metadata(4, segment.metadata, segment.inner),
        unknown(4, segment.elements),
    )
