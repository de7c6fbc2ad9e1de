"""Findings on skeletons: outside of boxes, empty, in parts."""

from itertools import pairwise

import pytest

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.operations.annotations.skeleton_checks import (
    CONNECTED,
    INSIDE_BOX,
    INSIDE_DATASET,
    NO_EMPTY_TREE,
    check_skeleton,
)
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.tree import Tree

BOX = BoundingBox((10, 10, 10), (10, 10, 10))


@pytest.fixture
def skeleton() -> Skeleton:
    return Skeleton((10, 10, 40), "d")


def joined(skeleton: Skeleton, *positions: tuple[float, float, float]) -> Tree:
    tree = skeleton.add_tree("t")
    nodes = [tree.add_node(position) for position in positions]
    for one, two in pairwise(nodes):
        tree.add_edge(one, two)
    return tree


def test_good_work_has_no_findings(skeleton: Skeleton) -> None:
    joined(skeleton, (10, 10, 10), (19, 19, 19), (19.9, 10.5, 10))

    assert check_skeleton(skeleton, box=BOX, dataset_box=BOX) == ()


@pytest.mark.parametrize("position", [(20, 10, 10), (9.9, 10, 10), (10, 10, 20), (-1, 10, 10)])
def test_the_box_is_half_open(skeleton: Skeleton, position: tuple[float, float, float]) -> None:
    tree = joined(skeleton, (15, 15, 15), position)

    (finding,) = check_skeleton(skeleton, box=BOX)

    assert (finding.check, finding.tree_id, finding.count, finding.node_ids) == (INSIDE_BOX, tree.id, 1, (3,))
    assert finding.message.startswith("tree 1 ('t') has 1 of 2 nodes outside of the box of the task")


def test_nodes_outside_of_the_dataset_are_another_finding(skeleton: Skeleton) -> None:
    joined(skeleton, *((x, 0, 0) for x in range(50)))

    found = check_skeleton(
        skeleton, box=BoundingBox((0, 0, 0), (60, 1, 1)), dataset_box=BoundingBox((0, 0, 0), (10, 1, 1))
    )

    assert [(one.check, one.count, len(one.node_ids)) for one in found] == [(INSIDE_DATASET, 40, 20)]


def test_an_empty_tree_is_found_unless_it_is_allowed(skeleton: Skeleton) -> None:
    skeleton.add_tree("nothing")

    assert [one.check for one in check_skeleton(skeleton, box=BOX)] == [NO_EMPTY_TREE]
    assert check_skeleton(skeleton, box=BOX, empty_trees_allowed=True) == ()


def test_a_tree_in_parts_is_found_with_one_node_of_each(skeleton: Skeleton) -> None:
    tree = joined(skeleton, (10, 10, 10), (11, 10, 10))
    tree.add_node((12, 10, 10))

    (finding,) = check_skeleton(skeleton)

    assert (finding.check, finding.count, finding.node_ids) == (CONNECTED, 2, (2, 4))
    assert check_skeleton(skeleton, connected=False) == ()
