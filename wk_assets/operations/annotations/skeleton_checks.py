"""What may be wrong with the skeleton that somebody drew: findings as values, for whoever decides what follows.

Reads trees only; opens no file, asks no server. Volumes have `volume_checks`, agreement of two people `skeleton_agreement`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import networkx as nx
import numpy as np

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.skeleton.skeleton import Skeleton
from wk_assets.skeleton.tree import Tree

INSIDE_BOX: Final = "inside_box"
INSIDE_DATASET: Final = "inside_dataset"
NO_EMPTY_TREE: Final = "no_empty_tree"
CONNECTED: Final = "connected"
_NAMED_NODES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonFinding:
    """Name one thing that is wrong with one tree.

    `check`: which check found it; `count`: of nodes outside, or of parts that a tree falls into; `node_ids`: some of the
    nodes meant, in their order, at most twenty: those outside, or one of each part.
    """

    check: str
    tree_id: int
    tree_name: str
    count: int
    node_ids: tuple[int, ...]
    message: str


def check_skeleton(
    skeleton: Skeleton,
    *,
    box: BoundingBox | None = None,
    dataset_box: BoundingBox | None = None,
    empty_trees_allowed: bool = False,
    connected: bool = True,
) -> tuple[SkeletonFinding, ...]:
    """Give all that is wrong, tree by tree in their order; nothing found is an empty tuple.

    `box`: where the work was to be done, `dataset_box`: where there are voxels at all, both half-open in mag-1 voxels; None:
    not checked. A node between two voxels is inside where its voxel (its position rounded down) is.
    """
    return tuple(
        finding
        for tree in skeleton.all_trees.values()
        for finding in _check_tree(tree, box, dataset_box, empty_allowed=empty_trees_allowed, connected=connected)
    )


def _check_tree(
    tree: Tree, box: BoundingBox | None, dataset_box: BoundingBox | None, *, empty_allowed: bool, connected: bool
) -> Iterator[SkeletonFinding]:
    if not len(tree):
        if not empty_allowed:
            yield _finding(NO_EMPTY_TREE, tree, 0, (), "has no nodes: remove it, or draw it")
        return
    if dataset_box is not None:
        yield from _nodes_outside(INSIDE_DATASET, tree, dataset_box, "of the dataset")
    if box is not None:
        yield from _nodes_outside(INSIDE_BOX, tree, box, "of the box of the task")
    if connected:
        parts = [min(node.id for node in part) for part in nx.connected_components(tree)]
        if len(parts) > 1:
            yield _finding(
                CONNECTED, tree, len(parts), tuple(sorted(parts)), f"falls into {len(parts)} parts: join or split them"
            )


def _nodes_outside(check: str, tree: Tree, box: BoundingBox, of_what: str) -> Iterator[SkeletonFinding]:
    positions = np.floor(tree.get_node_positions())
    inside = ((positions >= box.topleft_xyz.to_np()) & (positions < box.bottomright_xyz.to_np())).all(axis=1)
    outside = tuple(node.id for node, is_inside in zip(tree.nodes, inside.tolist(), strict=True) if not is_inside)
    if outside:
        text = f"has {len(outside)} of {len(tree)} nodes outside {of_what} ({box.topleft_xyz} to {box.bottomright_xyz})"
        yield _finding(check, tree, len(outside), outside, text)


def _finding(check: str, tree: Tree, count: int, node_ids: tuple[int, ...], what: str) -> SkeletonFinding:
    return SkeletonFinding(
        check=check,
        tree_id=tree.id,
        tree_name=tree.name,
        count=count,
        node_ids=node_ids[:_NAMED_NODES],
        message=f"tree {tree.id} ({tree.name!r}) {what}",
    )
