"""SWC in and out: units, types, several roots, and files that are wrong."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_assets.errors import SwcError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.swc import SwcUnit, add_swc, read_swc, swc_type, write_swc
from wk_assets.skeleton.tree import Tree

VOXEL_SIZE = VoxelSize((10, 10, 40))


def added(text: str, unit: SwcUnit = "voxel") -> tuple[Tree, ...]:
    skeleton = Skeleton(VOXEL_SIZE, "d")
    return add_swc(skeleton, read_swc(io.StringIO(text), source="a.swc"), "n", voxel_size=VOXEL_SIZE, unit=unit)


def text_of(trees: tuple[Tree, ...], unit: SwcUnit = "voxel", **others: Any) -> str:
    stream = io.StringIO()
    write_swc(trees, stream, voxel_size=VOXEL_SIZE, unit=unit, **others)
    return stream.getvalue()


def test_micrometers_become_voxels_and_radii_nanometers() -> None:
    (tree,) = added("# head\n1 1 1.0 2.0 4.0 0.5 -1 # soma\n\n2 3 1.5 2 4 .25 1\n", LengthUnit.MICROMETER)

    soma, end = tree.nodes
    assert (tuple(soma.position), soma.radius, swc_type(soma)) == ((100, 200, 100), 500.0, 1)
    assert (tuple(end.position), end.radius, swc_type(end)) == ((150, 200, 100), 250.0, 3)
    assert [(one.id, two.id) for one, two in tree.edges] == [(2, 3)]


def test_each_root_is_a_tree_and_a_parent_may_stand_behind() -> None:
    first, second = added("5 0 1 1 1 1 9\n9 0 2 2 2 1 -1\n7 0 3 3 3 1 -1\n")

    assert (first.name, len(first), first.number_of_edges()) == ("n", 2, 1)
    assert (second.name, len(second)) == ("n 2", 1)
    assert next(iter(first.nodes)).radius == 10.0  # a voxel's smallest edge


def test_parents_stand_before_children_and_the_soma_is_the_root() -> None:
    (tree,) = added("1 3 0 0 0 1 2\n2 1 5 0 0 1 -1\n3 2 9 0 0 1 2\n")

    lines = [line.split() for line in text_of((tree,)).splitlines()[1:]]

    assert [(line[0], line[1], line[2], line[6]) for line in lines] == [
        ("1", "1", "5.0", "-1"),
        ("2", "3", "0.0", "1"),
        ("3", "2", "9.0", "1"),
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.tuples(*[st.floats(-1e6, 1e6)] * 3), st.integers(0, 2**20), st.integers(0, 6)),
        min_size=1,
        max_size=8,
    )
)
def test_a_file_written_and_read_again_is_the_same_tree(rows: list[tuple[int, tuple[float, ...], int, int]]) -> None:
    lines = [
        f"{number} {kind} {x!r} {y!r} {z!r} {radius} {min(parent, number - 1) or -1}"
        for number, (parent, (x, y, z), radius, kind) in enumerate(rows, 1)
    ]
    trees = added("\n".join(lines))

    first = text_of(trees)

    again = added(first)
    assert text_of(again) == first
    assert sorted(tuple(node.position) for tree in again for node in tree.nodes) == sorted(
        tuple(node.position) for tree in trees for node in tree.nodes
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0 0 0 0 1", "line 1: has 6 values"),
        ("1 0 0 0 0 1 -1\n1 0 0 0 0 1 -1", "line 2: index 1 stands in line 1 already"),
        ("1 0 0 0 0 1 7", "line 1: parent 7 is no index"),
        ("1 0 0 0 nan 1 -1", "not finite"),
        ("1 0 0 0 x 1 -1", "no number"),
        ("1 0 0 0 0 -1 -1", "negative"),
        ("1 0 0 0 0 1 -2", "parent below -1"),
        ("1 0 0 0 0 1 2\n2 0 0 0 0 1 1", "among its own ancestors"),
        ("1" * 5000, "longer than 4096"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SwcError, match=said):
        read_swc(io.StringIO(text), source="a.swc")


def test_a_circle_can_not_be_written() -> None:
    tree = Skeleton(VOXEL_SIZE, "d").add_tree("round")
    nodes = [tree.add_node((number, 0, 0)) for number in range(3)]
    for one, two in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        tree.add_edge(one, two)

    with pytest.raises(SwcError, match=r"tree 1 \('round'\) has a circle"):
        text_of((tree,))


def test_a_missing_radius_is_the_one_asked_for() -> None:
    tree = Skeleton(VOXEL_SIZE, "d").add_tree("t")
    tree.add_node((1, 1, 1))

    assert text_of((tree,), missing_radius_nm=20.0).splitlines()[1] == "1 0 1.0 1.0 1.0 2.0 -1"


def test_real_neurons_keep_their_points_and_lengths(shared_data: Path) -> None:
    for path in sorted((shared_data / "neurons-hemibrain").glob("*.swc")):
        with path.open() as stream:
            points = read_swc(stream, source=path.name)
        skeleton = Skeleton((8, 8, 8), "hemibrain")
        trees = add_swc(skeleton, points, path.stem, voxel_size=skeleton.voxel_size_with_unit, unit="voxel")

        assert skeleton.get_total_node_count() == len(points)
        assert sum(tree.number_of_edges() for tree in trees) == sum(point.parent != -1 for point in points)
        again = read_swc(io.StringIO(text_of(trees)), source="again")
        assert sorted((p.position, p.type) for p in again) == sorted((p.position, p.type) for p in points)
