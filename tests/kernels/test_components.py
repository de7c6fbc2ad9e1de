import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wk_assets.kernels.components import components, connected

small_labels = arrays(
    np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 2)
)


def voxels_that_touch(labels: np.ndarray) -> "nx.Graph[tuple[int, ...]]":
    """Build the graph of voxels that share a face and a label: the definition, voxel by voxel."""
    graph: nx.Graph[tuple[int, ...]] = nx.Graph()
    for place in map(tuple, np.argwhere(labels)):
        graph.add_node(place)
        for axis in range(3):
            other = tuple(p + (number == axis) for number, p in enumerate(place))
            if other[axis] < labels.shape[axis] and labels[other] == labels[place]:
                graph.add_edge(place, other)
    return graph


@given(small_labels)
@settings(max_examples=30)
def test_components_are_the_sets_of_voxels_that_hang_together(labels: np.ndarray) -> None:
    numbers, count = components(labels)

    expected = {frozenset(one) for one in nx.connected_components(voxels_that_touch(labels))}
    assert {frozenset(map(tuple, np.argwhere(numbers == one))) for one in range(1, count + 1)} == expected
    assert count == len(expected)
    assert ((numbers == 0) == (labels == 0)).all()


@given(small_labels)
@settings(max_examples=20)
def test_components_are_numbered_in_the_order_of_their_first_voxels(labels: np.ndarray) -> None:
    numbers, count = components(labels)

    seen = [number for number in dict.fromkeys(numbers.reshape(-1).tolist()) if number]
    assert seen == list(range(1, count + 1))


def test_voxels_that_share_an_edge_alone_are_two_components() -> None:
    labels = np.zeros((2, 2, 1), np.uint32)
    labels[0, 0] = labels[1, 1] = 7

    assert components(labels)[1] == 2


def test_a_long_chain_in_any_order_is_one() -> None:
    order = np.random.default_rng(0).permutation(2000).astype(np.int64)
    chain = np.stack([order[:-1], order[1:]], axis=1)

    assert set(connected(2001, chain)) == {0, 2000}


def test_nothing_has_no_components() -> None:
    assert components(np.zeros((0, 3, 3), np.uint8))[1] == 0
    assert components(np.zeros((2, 3, 3), np.uint8))[1] == 0
