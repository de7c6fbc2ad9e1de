"""Agreement of two annotators' skeletons: exact small examples, and laws."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_assets.errors import SkeletonError
from wk_assets.operations.annotations.skeleton_agreement import skeleton_agreement
from wk_assets.skeleton.path_pieces import cut_paths, path_length_nm
from wk_assets.skeleton.skeleton import Skeleton

VOXEL_SIZE = (10, 10, 40)


def drawn(*lines: Sequence[tuple[float, float, float]]) -> Skeleton:
    """Draw each line as a tree."""
    skeleton = Skeleton(VOXEL_SIZE, "d")
    for line in lines:
        tree = skeleton.add_tree("t")
        nodes = [tree.add_node(position) for position in line]
        for one, two in pairwise(nodes):
            tree.add_edge(one, two)
    return skeleton


def test_a_skeleton_agrees_with_itself() -> None:
    one = drawn([(0, 0, 0), (100, 0, 0)], [(0, 50, 0), (0, 60, 10)])

    found = skeleton_agreement(one, one, distance_nm=50)

    assert (found.node_share, found.reference_node_share, found.path_share, found.reference_path_share) == (1, 1, 1, 1)
    assert (found.splits, found.merges, found.node_f1, found.path_f1) == (0, 0, 1, 1)
    assert found.path_length_nm == pytest.approx(1000 + np.hypot(100, 400))


def test_nodes_are_matched_to_paths_not_to_nodes() -> None:
    """The other put nodes elsewhere on the same line."""
    found = skeleton_agreement(
        drawn([(0, 0, 0), (33, 0, 0), (100, 0, 0)]), drawn([(0, 0, 0), (50, 0, 0), (100, 0, 0)]), distance_nm=1
    )

    assert (found.node_share, found.reference_node_share, found.path_share) == (1, 1, 1)


def test_half_of_a_path_is_half_and_the_way_back_is_whole() -> None:
    """1000 nm and its first 500 nm, with d = 20: pieces of 10 nm; those up to 520 nm are within reach, middles up to 515."""
    found = skeleton_agreement(drawn([(0, 0, 0), (100, 0, 0)]), drawn([(0, 0, 0), (50, 0, 0)]), distance_nm=20)

    assert found.path_share == pytest.approx(0.52)
    assert found.reference_path_share == 1
    assert (found.node_share, found.reference_node_share) == (0.5, 1)
    assert found.node_f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize(("z", "share"), [(1.0, 1.0), (1.25, 1.0), (1.26, 0.0)])
def test_distances_are_in_nanometers_along_each_axis(z: float, share: float) -> None:
    """A voxel is 40 nm high: 1.25 voxels are 50 nm."""
    found = skeleton_agreement(drawn([(0, 0, z), (100, 0, z)]), drawn([(0, 0, 0), (100, 0, 0)]), distance_nm=50)

    assert (found.node_share, found.path_share, found.reference_path_share) == (share, share, share)


def test_one_tree_drawn_as_two_is_a_split_and_the_other_way_a_merge() -> None:
    whole = drawn([(0, 0, 0), (40, 0, 0), (60, 0, 0), (100, 0, 0)])
    halves = drawn([(0, 0, 0), (40, 0, 0)], [(60, 0, 0), (100, 0, 0)])

    split, merge = skeleton_agreement(halves, whole, distance_nm=20), skeleton_agreement(whole, halves, distance_nm=20)

    assert (split.splits, split.merges, split.links) == (1, 0, ((1, 1), (1, 4)))
    assert (merge.splits, merge.merges) == (0, 1)


def test_paths_that_only_cross_are_not_linked() -> None:
    one = drawn([(x, 0, 0) for x in range(-50, 51, 5)])
    other = drawn([(0, y, 0) for y in range(-50, 51, 5)])

    found = skeleton_agreement(one, other, distance_nm=20)

    assert found.node_share == pytest.approx(1 / 21)
    assert (found.links, found.splits, found.merges) == ((), 0, 0)


def test_nothing_agrees_with_nothing_and_not_with_something() -> None:
    nothing, something = drawn(), drawn([(0, 0, 0), (10, 0, 0)])

    assert skeleton_agreement(nothing, nothing, distance_nm=5).path_f1 == 1
    assert skeleton_agreement(nothing, something, distance_nm=5).node_f1 == 0
    assert skeleton_agreement(something, nothing, distance_nm=5).path_share == 0


def test_single_nodes_are_matched_too() -> None:
    found = skeleton_agreement(drawn([(0, 0, 0)]), drawn([(1, 0, 0)]), distance_nm=10)

    assert (found.node_share, found.reference_node_share, found.links) == (1, 1, ((1, 1),))


@pytest.mark.parametrize(
    "wrong", [{"distance_nm": 0}, {"distance_nm": float("inf")}, {"distance_nm": 1, "link_share": 0}]
)
def test_distances_and_shares_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SkeletonError, match="give a"):
        skeleton_agreement(drawn(), drawn(), **wrong)


_points = st.lists(st.tuples(*[st.integers(-20, 20)] * 3), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(_points, _points, st.sampled_from([10.0, 35.0, 150.0]))
def test_the_nearest_piece_is_that_of_a_search_through_all(
    line: list[tuple[int, int, int]], points: list[tuple[int, int, int]], within_nm: float
) -> None:
    skeleton = drawn(line)
    pieces = cut_paths(skeleton.all_trees.values(), skeleton.voxel_size, within_nm / 2)
    wanted = np.array(points, dtype=np.float64) * VOXEL_SIZE

    distances, rows = pieces.nearest(wanted, within_nm)

    for point, distance, row in zip(wanted, distances, rows, strict=True):
        all_distances = [to_piece(point, start, end) for start, end in zip(pieces.starts, pieces.ends, strict=True)]
        if min(all_distances) > within_nm + 1e-9:
            assert (distance, row) == (np.inf, -1)
        elif min(all_distances) < within_nm - 1e-9:
            assert distance == pytest.approx(min(all_distances))
            assert all_distances[row] == pytest.approx(distance)


def to_piece(point: Any, start: Any, end: Any) -> float:
    along = end - start
    squared = float(along @ along)
    share = 0.0 if squared == 0 else min(1.0, max(0.0, float((point - start) @ along) / squared))
    return float(np.linalg.norm(point - start - share * along))


@given(_points, st.sampled_from([7.0, 100.0]))
@settings(max_examples=15, deadline=None)
def test_cut_paths_are_as_long_as_the_edges(line: list[tuple[int, int, int]], longest_nm: float) -> None:
    skeleton = drawn(line)
    (tree,) = skeleton.trees

    pieces = cut_paths([tree], skeleton.voxel_size, longest_nm)

    assert pieces.lengths.sum() == pytest.approx(path_length_nm(tree, skeleton.voxel_size))
    assert (pieces.lengths <= longest_nm + 1e-9).all()
