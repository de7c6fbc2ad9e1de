"""networkx graphs that were built elsewhere become trees."""

from typing import Any

import networkx as nx
import pytest

from wk_assets.errors import SkeletonError
from wk_assets.skeleton.skeleton import Skeleton


@pytest.fixture
def graph() -> Any:
    made: Any = nx.Graph(name="neuron", color=(0, 0, 1))
    made.add_node("b", position=(0, 0.5, 0), comment="hi", mine=1)
    made.add_node(2, position=(100, 0, 0), radius=3.0)
    made.add_edge("b", 2, weight=7)
    return made


def test_a_list_of_graphs_becomes_trees_of_the_skeleton(graph: Any) -> None:
    skeleton = Skeleton((1, 1, 1), "d")
    nameless: Any = nx.DiGraph()
    nameless.add_node(1, position=[1, 2, 3])

    skeleton.add_nx_graphs([graph, nameless])

    trees: Any = list(skeleton.trees)  # networkx' types know nodes as keys, but not their ids
    first, second = trees
    assert [(tree.id, tree.name, tree.color) for tree in (first, second)] == [
        (1, "neuron", (0, 0, 1, 1)),
        (4, "tree_1", None),
    ]
    assert [(node.id, tuple(node.position), node.radius, node.comment) for node in first.nodes] == [
        (2, (0, 0.5, 0), None, "hi"),
        (3, (100, 0, 0), 3.0, None),
    ]
    assert first.edges[2, 3] == {"weight": 7}
    assert first.nodes[2]["mine"] == 1


def test_a_dictionary_of_graphs_becomes_groups(graph: Any) -> None:
    skeleton = Skeleton((1, 1, 1), "d")

    skeleton.add_nx_graphs({"dendrites": [graph], "axons": [graph, graph]})

    assert {group.name: [tree.name for tree in group.trees] for group in skeleton.groups} == {
        "dendrites": ["neuron"],
        "axons": ["neuron", "neuron"],
    }
    assert skeleton.get_total_node_count() == 6


def test_a_node_without_position_is_named_and_nothing_is_added(graph: Any) -> None:
    skeleton = Skeleton((1, 1, 1), "d")
    graph.add_node("lost")

    with pytest.raises(SkeletonError, match="group 'g', graph 0: node 'lost' has no attribute 'position'"):
        skeleton.add_nx_graphs({"g": [graph]})

    assert list(skeleton.children) == []


@pytest.mark.parametrize("wrong", [3, "graph", [4]])
def test_what_is_no_list_of_graphs_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="graph"):
        Skeleton((1, 1, 1), "d").add_nx_graphs(wrong)
