"""Skeletons: trees are networkx graphs, ids are handed out in order, files lose nothing."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from tests.skeleton.nml_documents import read, written
from wk_assets.errors import NmlError, SkeletonError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.group import DEEPEST_GROUP
from wk_assets.skeleton.nml_columns import Edges
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.tree import Tree


@pytest.fixture
def skeleton() -> Skeleton:
    """Two groups in one another, three trees; ids 1 to 11 in the order of making."""
    made = Skeleton(voxel_size=(11, 11, 24), dataset_name="d", description="of a test")
    tree = made.add_tree("a", color=(1, 0, 0), metadata={"kind": "axon", "count": 3, "tags": ["x", "y"]})
    soma = tree.add_node((0, 0, 0), comment="soma", is_branchpoint=True, branchpoint_time=7)
    end = tree.add_node(position=(100.5, 0, 0), radius=1.5, rotation=(0.0, 90.0, 0.0), interpolation=False)
    tree.add_edge(soma, end, weight=2)
    outer = made.add_group("outer")
    inner = outer.add_group("inner")
    outer.add_tree("b", is_visible=False)
    inner.add_tree("c").add_node((1, 2, 3), inVp=0, inMag=1, bitDepth=8, time=1644425546725)
    return made


def test_ids_are_handed_out_in_the_order_of_making(skeleton: Skeleton) -> None:
    assert [tree.id for tree in skeleton.flattened_trees()] == [1, 6, 7]
    assert [node.id for node in skeleton.get_tree_by_id(1).nodes] == [2, 3]
    assert [group.id for group in skeleton.flattened_groups()] == [4, 5]
    assert skeleton.id == 0
    assert (skeleton.get_max_tree_id(), skeleton.get_max_node_id(), skeleton.get_total_node_count()) == (7, 8, 3)


def test_an_empty_skeleton_has_largest_ids_of_zero() -> None:
    empty = Skeleton((1, 1, 1), "d")

    assert (empty.get_max_tree_id(), empty.get_max_node_id(), empty.get_total_node_count()) == (0, 0, 0)


def test_positions_are_integers_where_they_are_whole(skeleton: Skeleton) -> None:
    assert skeleton.get_node_by_id(2).position == Vec3Int(0, 0, 0)
    assert isinstance(skeleton.get_node_by_id(2).position, Vec3Int)
    assert skeleton.get_node_by_id(3).position == (100.5, 0, 0)
    assert skeleton.get_tree_by_id(1).get_node_positions().tolist() == [[0, 0, 0], [100.5, 0, 0]]
    assert skeleton.get_tree_by_id(7).get_node_positions().dtype == np.int64
    assert skeleton.get_tree_by_id(6).get_node_positions().shape == (0, 3)


@pytest.mark.parametrize("position", [(1, 2), (1, 2, float("nan")), "abc", 5, (1, 2, float("inf")), (1, 2, 1e300)])
def test_a_position_that_is_none_is_refused_and_takes_no_id(skeleton: Skeleton, position: object) -> None:
    with pytest.raises(SkeletonError, match="give three finite numbers"):
        skeleton.get_tree_by_id(1).add_node(position)

    assert skeleton.get_tree_by_id(1).add_node((1, 1, 1)).id == 9


def test_networkx_takes_nodes_and_their_ids(skeleton: Skeleton) -> None:
    tree: Any = skeleton.get_tree_by_id(1)  # networkx' types know nodes as keys, but not their ids
    soma, end = tree.nodes

    assert 2 in tree
    assert list(tree.neighbors(2)) == [end]
    assert tree.edges[2, 3] == {"weight": 2}
    assert nx.shortest_path(tree, soma, end) == [soma, end]
    assert nx.is_tree(tree)
    assert nx.get_node_attributes(tree, "comment")[soma] == "soma"
    assert list(tree.subgraph([3]).nodes) == [end]
    assert sorted(node.id for node in tree.copy().nodes) == [2, 3]
    tree.add_edges_from([(3, 2)])
    assert tree.number_of_edges() == 1
    with pytest.raises(SkeletonError, match=r"tree 1 \('a'\) has no node 99"):
        tree.add_edge(soma, 99)
    tree.remove_node(2)
    assert list(tree.nodes) == [end]
    assert tree.number_of_edges() == 0
    tree.remove_nodes_from([3, 77])
    assert len(tree) == 0


def test_attributes_in_networkx_are_those_of_the_node(skeleton: Skeleton) -> None:
    tree: Any = skeleton.get_tree_by_id(1)

    tree.nodes[2]["comment"] = "changed"
    tree.nodes[2]["mine"] = 1

    assert skeleton.get_node_by_id(2).comment == "changed"
    assert (tree.nodes[2]["mine"], tree.nodes[2]["radius"]) == (1, None)
    assert "mine" not in tree.nodes[3]


def test_groups_find_what_is_below_them(skeleton: Skeleton) -> None:
    (outer,) = skeleton.groups
    (inner,) = outer.groups

    assert [tree.name for tree in outer.flattened_trees()] == ["b", "c"]
    assert [type(child).__name__ for child in outer.children] == ["Group", "Tree"]
    assert outer.get_group_by_id(5) is inner
    assert (outer.has_tree_id(7), inner.has_tree_id(6)) == (True, False)
    assert outer.get_node_by_id(8).position == (1, 2, 3)
    assert outer.as_nml_group().children[0].name == "inner"
    for lookup, number in ((outer.get_tree_by_id, 1), (inner.get_group_by_id, 4), (inner.get_node_by_id, 2)):
        with pytest.raises(ValueError, match=f"there is no .* {number} in "):
            lookup(number)
    with pytest.raises(ValueError, match="there is no tree 99; there are 1, 6, 7"):
        skeleton.get_tree_by_id(99)
    with pytest.raises(ValueError, match="there is no group 99"):
        skeleton.get_group_by_id(99)


def test_a_tree_moves_with_its_group_and_goes_when_it_is_removed(skeleton: Skeleton) -> None:
    tree = skeleton.get_tree_by_id(7)

    tree.group = skeleton
    assert [one.id for one in skeleton.trees] == [1, 7]
    assert not skeleton.get_group_by_id(5).has_tree_id(7)
    skeleton.remove_tree_by_id(7)
    assert not skeleton.has_tree_id(7)
    assert list(skeleton.trees) == [skeleton.get_tree_by_id(1)]


def test_a_copy_in_the_same_skeleton_gets_new_ids_and_one_in_another_keeps_free_ones(skeleton: Skeleton) -> None:
    tree = skeleton.get_tree_by_id(1)

    twin = skeleton.get_group_by_id(4).add_tree(tree, color=(0, 1, 0, 0.5))
    other = Skeleton((1, 1, 1), "other")
    moved = other.add_tree(tree)

    assert (twin.id, [node.id for node in twin.nodes]) == (9, [10, 11])
    assert (twin.name, twin.color, twin.metadata) == ("a", (0, 1, 0, 0.5), tree.metadata)
    assert [(one.id, two.id) for one, two in twin.edges] == [(10, 11)]
    assert skeleton.get_node_by_id(10).comment == "soma"
    assert (moved.id, [node.id for node in moved.nodes]) == (1, [2, 3])
    twin.metadata["kind"] = "dendrite"
    assert tree.metadata["kind"] == "axon"


def test_ids_that_are_taken_are_refused(skeleton: Skeleton) -> None:
    with pytest.raises(SkeletonError, match="there is a tree 6 already"):
        skeleton.add_tree("x", _enforced_id=6)
    with pytest.raises(SkeletonError, match="there is a group 4 already"):
        skeleton.add_group("x", _enforced_id=4)
    with pytest.raises(SkeletonError, match=r"there is a node 8 in tree 7 \('c'\) already"):
        skeleton.get_tree_by_id(1).add_node((0, 0, 0), _enforced_id=8)
    with pytest.raises(SkeletonError, match="id -1 is negative"):
        skeleton.add_tree("x", _enforced_id=-1)
    with pytest.raises(SkeletonError, match="give red, green, blue"):
        skeleton.add_tree("x", color=(1, 0))  # type: ignore[arg-type]  # as somebody may call it


def test_groups_nest_only_as_deep_as_a_file_can_be_read() -> None:
    group = skeleton = Skeleton((1, 1, 1), "d")
    for number in range(DEEPEST_GROUP):
        group = group.add_group(str(number))  # type: ignore[assignment]  # a skeleton is a group

    assert Skeleton.from_nml(read(written(skeleton.to_nml()))) == skeleton
    with pytest.raises(SkeletonError, match="nest fewer groups"):
        group.add_group("one more")


def test_a_saved_skeleton_is_loaded_equal(skeleton: Skeleton, tmp_path: Path) -> None:
    for name in ("a.nml", "a.zip"):
        skeleton.save(tmp_path / name)
        first = (tmp_path / name).read_bytes()
        loaded = Skeleton.load(tmp_path / name)

        assert loaded == skeleton
        loaded.save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
        assert loaded.add_tree("new").id == 9
        assert loaded != skeleton
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nml", "a.zip"]


def test_another_suffix_is_refused_and_a_missing_file_is_not_found(skeleton: Skeleton, tmp_path: Path) -> None:
    with pytest.raises(SkeletonError, match=r"ends with \.nml or \.zip, not '\.txt'"):
        skeleton.save(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError):
        Skeleton.load(tmp_path / "a.nml")


def test_a_save_that_fails_leaves_the_old_file(skeleton: Skeleton, tmp_path: Path) -> None:
    skeleton.save(tmp_path / "a.nml")
    before = (tmp_path / "a.nml").read_bytes()
    skeleton.get_node_by_id(2).comment = "a\x00b"

    with pytest.raises(NmlError):
        skeleton.save(tmp_path / "a.nml")

    assert (tmp_path / "a.nml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.nml"]


def test_loading_and_saving_keeps_what_a_skeleton_has_no_field_for() -> None:
    text = (
        '<things><meta name="username" content="u"/><parameters>'
        '<experiment name="d" wkUrl="w"/><scale x="1" y="2" z="3" unit="micrometer"/>'
        '<zoomLevel zoom="2.0"/>'
        '<userBoundingBox id="1" topLeftX="0" topLeftY="0" topLeftZ="0" width="1" height="1" depth="1"/></parameters>'
        '<thing id="3" name="a" type="DEFAULT" hint="1"><nodes><node id="5" x="1" y="1" z="1" additionalCoordinate-t="2"/>'
        '<node id="6" x="2" y="1" z="1"/></nodes><edges><edge source="5" target="6" length="1"/></edges></thing>'
        '<branchpoints><branchpoint id="5" time="9" by="me"/></branchpoints><comments><comment node="6" content="c" at="2"/></comments>'
        '<groups><group id="2" name="g" isExpanded="false"/></groups></things>'
    )
    nml = read(text)

    skeleton = Skeleton.from_nml(nml)

    assert skeleton.to_nml() == nml
    assert skeleton.voxel_size == (1000.0, 2000.0, 3000.0)
    assert skeleton.voxel_size_with_unit == VoxelSize((1, 2, 3), "micrometer")


def test_volume_layers_are_left_to_the_annotation() -> None:
    nml = read(
        '<things><parameters><experiment name="d"/><scale x="1" y="1" z="1"/></parameters><volume id="0" location="a.zip"/></things>'
    )

    assert Skeleton.from_nml(nml).to_nml().volumes == ()
    assert Skeleton.from_nml(nml).to_nml(nml).volumes == nml.volumes


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ('<thing id="1" name="a"/><thing id="1" name="b"/>', "two trees have id 1"),
        ('<thing id="1" name="a" groupId="9"/>', "tree 1 is in group 9, which is not there"),
        ('<groups><group id="1" name="a"><group id="1" name="b"/></group></groups>', "two groups have id 1"),
        ('<comments><comment node="4" content="c"/></comments>', "a comment is on node 4"),
        ('<branchpoints><branchpoint id="4"/></branchpoints>', "a branch point is on node 4"),
    ],
)
def test_trees_groups_and_marks_that_contradict_one_another_are_refused(inside: str, said: str) -> None:
    nml = read(f'<things><parameters><experiment name="d"/><scale x="1" y="1" z="1"/></parameters>{inside}</things>')

    with pytest.raises(NmlError, match=said):
        Skeleton.from_nml(nml)


def test_skeletons_are_equal_whatever_the_order_of_nodes_and_ends_of_edges(skeleton: Skeleton) -> None:
    nml = skeleton.to_nml()
    (first, *others) = nml.trees
    turned = Edges(pairs=first.edges.pairs[:, ::-1])

    assert Skeleton.from_nml(replace(nml, trees=(replace(first, edges=turned), *others))) == skeleton
    assert Skeleton.from_nml(nml) == skeleton
    skeleton.get_node_by_id(8).radius = 3.0
    assert Skeleton.from_nml(nml) != skeleton


def test_a_skeleton_can_be_copied_and_pickled(skeleton: Skeleton) -> None:
    for twin in (copy.deepcopy(skeleton), pickle.loads(pickle.dumps(skeleton))):  # noqa: S301  # our own bytes
        assert twin == skeleton
        twin.get_tree_by_id(1).add_node((5, 5, 5))
        assert len(skeleton.get_tree_by_id(1)) == 2
        assert [node.id for node in twin.get_tree_by_id(1).neighbors(twin.get_node_by_id(2))] == [3]


def test_metadata_that_nml_can_not_hold_is_refused_when_it_is_written(skeleton: Skeleton) -> None:
    skeleton.get_tree_by_id(1).metadata["bad"] = object()

    with pytest.raises(NmlError, match="metadata 'bad' is <object"):
        skeleton.to_nml()


def test_a_tree_of_no_skeleton_says_how_trees_are_made() -> None:
    with pytest.raises(SkeletonError, match=r"make trees with Skeleton\.add_tree"):
        Tree().add_node((0, 0, 0))
    with pytest.raises(SkeletonError, match=r"make trees with Group\.add_tree"):
        _ = Tree().group


def test_real_files_are_loaded_and_written_equal(shared_data: Path) -> None:
    found = [*sorted(shared_data.rglob("*.nml")), *sorted((shared_data / "webknossos-annotations").glob("*.zip"))]
    assert found
    for path in found:
        loaded = Skeleton.load(path)
        assert Skeleton.from_nml(read(written(loaded.to_nml()))) == loaded, path.name
