"""NML is read and written without losing anything: laws, the peer's defects as regressions, and real files."""

import io
import tracemalloc
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.skeleton.nml_documents import documents, read, written
from wk_assets.errors import NmlError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.nml import read_nml
from wk_assets.skeleton.nml_columns import Edge, Edges, Node, Nodes
from wk_assets.skeleton.nml_model import Group, MetadataEntry, Nml, Parameters, Tree
from wk_assets.skeleton.nml_unknown import Inner, UnknownElement, XmlComment

HEAD = '<parameters><experiment name="d"/><scale x="11.24" y="11.24" z="28"/></parameters>'


def document(inside: str) -> Nml:
    return read(f"<things>{HEAD}{inside}</things>")


def tree_of(nodes: str, edges: str = "") -> Tree:
    (tree,) = document(f'<thing id="1" name="a"><nodes>{nodes}</nodes><edges>{edges}</edges></thing>').trees
    return tree


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_any_document_is_read_back_equal_and_written_again_as_the_same_bytes(nml: Nml) -> None:
    first = written(nml)

    again = read(first)

    assert again == nml
    assert written(again) == first


def test_positions_keep_their_fractions_and_whole_ones_are_written_as_integers() -> None:
    """2.9 and 0.7 were truncated to 2 and 0."""
    tree = tree_of('<node id="1" x="2.9" y="0.7" z="3.0"/>')

    assert tree.nodes[0].position == (2.9, 0.7, 3.0)
    nml = Nml(parameters=Parameters(name="d", scale=VoxelSize((1, 1, 1))), trees=(tree,))
    assert b'<node id="1" x="2.9" y="0.7" z="3" />' in written(nml)


@pytest.mark.parametrize(("text", "value"), [("false", False), ("true", True), ("False", False), ("True", True)])
def test_interpolation_that_is_false_stays_false(text: str, value: bool) -> None:
    """Any text that was not empty counted as true, and a real server's file came back with the opposite."""
    assert tree_of(f'<node id="1" x="1" y="1" z="1" interpolation="{text}"/>').nodes[0].interpolation is value


def test_a_branch_point_keeps_its_own_time() -> None:
    """It was replaced by the time of the node."""
    thing = '<thing id="1" name="a"><nodes><node id="4" x="1" y="1" z="1" time="100"/></nodes></thing>'

    (mark,) = document(f'{thing}<branchpoints><branchpoint id="4" time="200"/></branchpoints>').branchpoints

    assert (mark.id, mark.time) == (4, 200)


def test_what_the_server_writes_beyond_the_peer_is_kept() -> None:
    inside = (
        '<thing id="1" name="a" type="AGGLOMERATE" edgesAreVisible="false"><nodes>'
        '<node id="1" x="1" y="1" z="1" additionalCoordinate-t="7"/></nodes><edges/></thing>'
        '<groups><group id="2" name="g" isExpanded="false"/></groups>'
        '<volume id="0" name="v"><segments><segment id="5" created="12" groupId="3" isVisible="false"/></segments>'
        '<groups><group id="3" name="of segments"/></groups></volume>'
    )
    additional = '<additionalAxes><additionalAxis name="t" index="0" start="0" end="9"/></additionalAxes>'
    nml = read(
        '<things><parameters><experiment name="d" wkUrl="https://w.example" organization="o" datasetId="i"/>'
        '<scale x="1" y="1" z="1"/><offset x="0" y="0" z="0"/><editPosition x="1" y="2" z="3" additionalCoordinate-t="4"/>'
        f'<activeNode id="1"/>{additional}</parameters>{inside}</things>'
    )

    assert (nml.parameters.wk_url, nml.parameters.activeNode, nml.parameters.offset) == (
        "https://w.example",
        1,
        (0, 0, 0),
    )
    assert nml.parameters.editPositionAdditionalCoordinates == (("t", 4),)
    assert (nml.trees[0].type, nml.trees[0].edges_are_visible) == ("AGGLOMERATE", False)
    assert nml.trees[0].nodes[0].extra.additional_coordinates == (("t", 7),)
    (segment,) = nml.volumes[0].segments
    assert (segment.created, segment.groupId, segment.is_visible) == (12, 3, False)
    assert additional.replace("/>", " />").encode() in written(nml)
    assert read(written(nml)) == nml


def test_groups_of_segments_stay_with_their_volume() -> None:
    """They leaked into the groups of trees."""
    nml = document(
        '<groups><group id="1" name="t"/></groups><volume id="0"><groups><group id="9" name="s"/></groups></volume>'
    )

    assert nml.groups == (Group(id=1, name="t"),)
    assert nml.volumes[0].groups == (Group(id=9, name="s"),)


def test_a_tree_without_color_stays_without_so_that_two_writes_are_equal() -> None:
    """It got a random color at each save."""
    nml = Nml(parameters=Parameters(name="d", scale=VoxelSize((1, 1, 1))), trees=(Tree(id=1, name="a"),))

    assert written(nml) == written(nml)
    assert b"color" not in written(nml)


def test_the_unit_of_the_voxel_size_is_kept_and_is_nanometer_where_none_is_written() -> None:
    """The factor was written with its unit lost."""
    nml = read(
        '<things><parameters><experiment name="d"/><scale x="4" y="4" z="35" unit="micrometer"/></parameters></things>'
    )

    assert read(written(nml)).parameters.scale == VoxelSize((4, 4, 35), "micrometer")
    assert document("").parameters.scale == VoxelSize((11.24, 11.24, 28), "nanometer")


def test_unknown_attributes_elements_and_xml_comments_are_kept_word_by_word() -> None:
    nml = document(
        '<thing id="1" name="a" future="1"><nodes hint="2"><node id="1" x="1" y="1" z="1"><more a="&lt;">text <b/> tail</more></node>'
        "<!--between--></nodes></thing><new><deep/></new>"
    )

    (tree,) = nml.trees
    assert tree.attributes == (("future", "1"),)
    assert tree.inner == (Inner(tag="nodes", attributes=(("hint", "2"),), elements=(XmlComment("between"),)),)
    (more,) = tree.nodes[0].extra.elements
    assert more == UnknownElement(
        tag="more", attributes=(("a", "<"),), content=("text ", UnknownElement(tag="b"), " tail")
    )
    assert nml.elements == (UnknownElement(tag="new", content=(UnknownElement(tag="deep"),)),)
    assert read(written(nml)) == nml


def test_metadata_is_of_text_number_flag_or_list() -> None:
    entries = (
        '<metadataEntry key="s" stringValue="1"/><metadataEntry key="i" numberValue="9007199254740993"/>'
        '<metadataEntry key="f" numberValue="1.5"/><metadataEntry key="l" stringListValue-0="a" stringListValue-1="b"/>'
        '<metadataEntry key="e"/>'
    )

    (tree,) = document(f'<thing id="1" name="a"><metadata>{entries}</metadata></thing>').trees

    assert [(entry.key, entry.type, entry.value) for entry in tree.metadata] == [
        ("s", "str", "1"),
        ("i", "number", 9007199254740993),
        ("f", "number", 1.5),
        ("l", "list", ("a", "b")),
        ("e", "list", ()),
    ]


def test_nodes_with_other_attributes_may_stand_in_one_tree() -> None:
    tree = tree_of('<node id="2" inMag="0" x="0" y="1" z="2"/><node z="2" y="1" x="3" id="3" radius="1.5"/>')

    assert list(tree.nodes) == [
        Node(id=2, position=(0.0, 1.0, 2.0), inMag=0),
        Node(id=3, position=(3.0, 1.0, 2.0), radius=1.5),
    ]


def test_columns_and_single_nodes_say_the_same() -> None:
    nodes = [Node(id=number, position=(number, 0.5, 1), time=number or None) for number in range(5)]
    columns = Nodes.of(nodes)

    assert list(columns) == nodes
    assert columns[1:3] == nodes[1:3]
    assert columns[-1] == nodes[-1]
    assert list(Edges.of([Edge(1, 2), Edge(2, 3)])) == [Edge(1, 2), Edge(2, 3)]
    assert columns != Nodes.of(nodes[:-1])


def test_many_small_trees_share_the_blocks_of_rows() -> None:
    things = "".join(
        f'<thing id="{n}" name=""><nodes><node id="{2 * n}" x="{n}" y="0" z="0"/><node id="{2 * n + 1}" x="0" y="0" z="0"/></nodes>'
        f'<edges><edge source="{2 * n}" target="{2 * n + 1}"/></edges></thing>'
        for n in range(3000)
    )

    nml = document(things)

    assert [tree.nodes[0].position[0] for tree in nml.trees] == list(range(3000))
    assert all(list(tree.edges) == [Edge(2 * tree.id, 2 * tree.id + 1)] for tree in nml.trees)


def test_reading_holds_columns_not_the_text() -> None:
    """20 000 nodes are about 2 MB of text; as columns they are below 100 bytes each."""
    nodes = "".join(
        f'<node id="{n}" radius="1.0" x="{n}" y="2" z="3" inVp="0" inMag="1" bitDepth="8" time="{n}"/>'
        for n in range(20_000)
    )
    text = f'<things>{HEAD}<thing id="1" name="a"><nodes>{nodes}</nodes></thing></things>'.encode()
    tracemalloc.start()
    try:
        nml = read_nml(io.BytesIO(text))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(nml.trees[0].nodes) == 20_000
    assert held < 20_000 * 100
    assert peak < 20_000 * 100 + 12_000_000  # a block of 4096 rows of text, whatever the length of the file


def test_what_xml_can_not_hold_is_refused_when_writing() -> None:
    for name in ("a\x00b", "\ud800"):
        nml = Nml(parameters=Parameters(name=name, scale=VoxelSize((1, 1, 1))))
        with pytest.raises(NmlError, match="holds the character U\\+"):
            written(nml)
    infinite = Tree(id=1, name="a", nodes=Nodes.of([Node(id=1, position=(float("inf"), 0, 0))]))
    with pytest.raises(NmlError, match="infinite"):
        written(Nml(parameters=Parameters(name="d", scale=VoxelSize((1, 1, 1))), trees=(infinite,)))
    number = Tree(id=1, name="a", metadata=(MetadataEntry(key="k", value=float("nan")),))
    with pytest.raises(NmlError, match="no finite number"):
        written(Nml(parameters=Parameters(name="d", scale=VoxelSize((1, 1, 1))), trees=(number,)))


def real_documents(shared_data: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in sorted(shared_data.rglob("*.nml"))}
    for path in sorted((shared_data / "webknossos-annotations").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            found[path.name] = next(archive.read(name) for name in archive.namelist() if name.endswith(".nml"))
    return found


def test_real_files_are_read_back_equal_with_nothing_unknown(shared_data: Path) -> None:
    real = real_documents(shared_data)
    assert real, "no real NML among the shared files"
    for name, content in real.items():
        nml = read(content)
        assert read(written(nml)) == nml, name
        assert written(read(written(nml))) == written(nml), name
        assert not [one for one in nml.elements if isinstance(one, UnknownElement)], name


def test_a_server_s_own_file_is_written_with_the_same_attributes_and_values(shared_data: Path) -> None:
    """Element by element, in the order of the file, numbers compared as numbers."""
    content = real_documents(shared_data)["l4_sample__explorational__suser__94b271.zip"]

    assert _events(written(read(content))) == _events(content)


def _events(content: bytes) -> list[tuple[str, dict[str, str | float]]]:
    events = []
    for _, element in ET.iterparse(io.BytesIO(content), events=("start",)):  # noqa: S314  # our own test file
        values = {name: _number(value) for name, value in element.attrib.items()}
        events.append((element.tag, {"unit": "nanometer", **values} if element.tag == "scale" else values))
    return events


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
