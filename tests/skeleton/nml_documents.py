"""Any NML document, for laws: every element, attributes and elements that nobody knows, hard text, hard numbers."""

import io

from hypothesis import strategies as st

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml import read_nml, write_nml
from wk_assets.skeleton.nml_columns import Edge, Edges, Extra, Node, Nodes
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
from wk_assets.skeleton.nml_unknown import Inner, UnknownElement, XmlComment


def read(text: str | bytes) -> Nml:
    return read_nml(io.BytesIO(text.encode() if isinstance(text, str) else text), name="test.nml")


def written(nml: Nml) -> bytes:
    stream = io.BytesIO()
    write_nml(nml, stream)
    return stream.getvalue()


texts = st.sampled_from(["", "a", "<&>\"'", " two\nlines\r\n\tand ", "Dendrit ä µ 樹 🌲", "]]>", "\u2028x"])
_unknown_attributes = st.sampled_from([(), (), (("un-a", "<\n>"), ("un-b", "")), (("x:y", "é"),)])
_deep = UnknownElement(
    tag="un-deep",
    attributes=(("q", '"'),),
    content=(
        "text & more\n  ",
        UnknownElement(tag="b"),
        XmlComment(" & "),
        UnknownElement(tag="c", content=("<",)),
        " tail",
    ),
)
_rest = {
    "attributes": _unknown_attributes,
    "elements": st.sampled_from([(), (), (XmlComment("é <"),), (_deep, UnknownElement(tag="un-b"))]),
}


def _inner(*tags: str) -> st.SearchStrategy[tuple[Inner, ...]]:
    """Draw what is unknown of plain elements, in the order of the document."""
    full = tuple(Inner(tag=tag, attributes=(("un-c", "1"),), elements=(_deep,)) for tag in tags)
    return st.sampled_from([(), full[:1], full])


_integers = st.sampled_from([0, 1, -1, 2**53 + 1, -(2**63) + 1, 2**63 - 1])
_ids = st.sampled_from([0, 1, 2**31, 2**53 + 1, 2**63 - 1])
_floats = st.sampled_from([0.0, 1.0, -2.5, 0.1, 1e-300, 1.7e308, 3.4028235e38])
_coordinates = st.sampled_from([0.0, 3.0, 2.9, -0.7, 2.0**53, -(2.0**53), 1e-7, 199480.25])
_vectors = st.tuples(_coordinates, _coordinates, _coordinates)
_float_vectors = st.tuples(_floats, _floats, _floats)
_colors = st.sampled_from([None, (0.0, 1.0, 0.5, 1.0), (0.1, 0.2, 0.3, 0.25)])
_axes = st.sampled_from([(), (), (("t", -3),), (("t", 0), ("q", 2**63 - 1))])
_flags = st.sampled_from([None, True, False])
_booleans: st.SearchStrategy[bool] = st.booleans()
_values = st.sampled_from(["", "7", " x\n", 0, 2**53 + 1, 1.5, 1e300, True, False, (), ("a", ""), ("one",)])
_metadata = st.lists(st.builds(MetadataEntry, key=texts, value=_values, **_rest), max_size=2).map(tuple)
_boxes = st.builds(
    UserBoundingBox,
    id=st.none() | _integers,
    box=st.builds(
        BoundingBox,
        st.sampled_from([(0, 0, 0), (-5, 2**40, 7)]),
        st.sampled_from([(0, 0, 0), (1, 2, 2**40)]),
        name=st.none() | texts,
        is_visible=st.booleans(),
        color=_colors,
    ),
    **_rest,
)
_parameters = st.builds(
    Parameters,
    name=texts,
    scale=st.sampled_from([VoxelSize((11.24, 11.24, 28.0)), VoxelSize((0.1, 2, 1e6), LengthUnit.MICROMETER)]),
    description=st.none() | texts,
    organization=st.none() | texts,
    dataset_id=st.none() | texts,
    wk_url=st.none() | texts,
    offset=st.none() | _vectors,
    time=st.none() | _integers,
    editPosition=st.none() | _vectors,
    editPositionAdditionalCoordinates=_axes,
    editRotation=st.none() | _float_vectors,
    zoomLevel=st.none() | _floats,
    activeNode=st.none() | _integers,
    taskBoundingBox=st.none() | _boxes,
    userBoundingBoxes=st.lists(_boxes, max_size=2).map(tuple),
    inner=_inner("experiment", "scale", "offset", "zoomLevel"),
    **_rest,
)
_extras = st.just(Extra()) | st.builds(Extra, additional_coordinates=_axes, **_rest)
_nested = (
    Group(id=7, name="g", children=(Group(id=8, name="h", is_expanded=False, elements=(_deep,)), Group(id=9, name=""))),
)
_group_lists = st.sampled_from([(), _nested])
_segments = st.builds(
    Segment,
    id=st.sampled_from([1, 2**63, 2**64 - 1]),
    name=st.none() | texts,
    created=st.none() | _integers,
    anchor_position=st.none() | _vectors,
    additional_coordinates=_axes,
    color=_colors,
    groupId=st.none() | _ids,
    is_visible=_flags,
    metadata=_metadata,
    **_rest,
)
_volumes = st.builds(
    Volume,
    id=_ids,
    location=st.none() | texts,
    fallback_layer=st.none() | texts,
    name=st.none() | texts,
    format=st.none() | texts,
    largest_segment_id=st.sampled_from([None, 0, 2**64 - 1]),
    segments=st.lists(_segments, max_size=2).map(tuple),
    groups=_group_lists,
    inner=_inner("segments", "groups"),
    **_rest,
)


def _node(node_id: int) -> st.SearchStrategy[Node]:
    return st.builds(
        Node,
        id=st.just(node_id),
        position=_vectors,
        radius=st.none() | _floats,
        rotation=st.none() | _float_vectors,
        inVp=st.none() | _integers,
        inMag=st.none() | _integers,
        bitDepth=st.none() | _integers,
        interpolation=_flags,
        time=st.none() | _integers,
        extra=_extras,
    )


@st.composite
def _trees(draw: st.DrawFn, node_ids: list[int]) -> Tree:
    ends = st.sampled_from(node_ids) if node_ids else st.nothing()
    edges = draw(st.lists(st.builds(Edge, ends, ends, _extras), max_size=3)) if node_ids else []
    return draw(
        st.builds(
            Tree,
            id=_ids,
            name=texts,
            color=_colors,
            groupId=st.none() | _ids,
            is_visible=st.booleans(),
            edges_are_visible=_flags,
            type=st.none() | texts,
            nodes=st.tuples(*map(_node, node_ids)).map(Nodes.of),
            edges=st.just(Edges.of(edges)),
            metadata=_metadata,
            inner=_inner("nodes", "edges", "metadata"),
            **_rest,
        )
    )


@st.composite
def documents(draw: st.DrawFn) -> Nml:
    """Draw a document that a reader must take, with ids of nodes unique over all trees."""
    node_ids: list[int] = draw(st.sampled_from([[], [5], [2**63 - 1, 0, 3, 4], [1, 2, 3]]))
    cut = draw(st.integers(0, len(node_ids)))
    empty_too = draw(_booleans)
    parts = [part for part in (node_ids[:cut], node_ids[cut:]) if part or empty_too]
    trees = [draw(_trees(part)) for part in parts]
    return draw(
        st.builds(
            Nml,
            parameters=_parameters,
            meta=st.lists(st.builds(Meta, name=texts, content=texts, **_rest), max_size=2).map(tuple),
            trees=st.just(tuple(trees)),
            branchpoints=st.lists(st.builds(Branchpoint, id=_ids, time=st.none() | _integers, **_rest), max_size=2).map(
                tuple
            ),
            comments=st.lists(st.builds(Comment, node=_ids, content=texts, **_rest), max_size=2).map(tuple),
            groups=_group_lists,
            volumes=st.lists(_volumes, max_size=2).map(tuple),
            inner=_inner("branchpoints", "comments", "groups"),
            **_rest,
        )
    )
