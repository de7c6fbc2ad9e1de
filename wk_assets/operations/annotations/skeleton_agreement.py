"""How far two people's skeletons of the same thing agree, as figures with written formulas.

Reads trees only. Everything is measured in nanometers with the voxel size of each skeleton, along edges, not only at
nodes: people put nodes at other places of the same path.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import SkeletonError
from wk_assets.skeleton.path_pieces import PathPieces, cut_paths, node_positions_nm
from wk_assets.skeleton.skeleton import Skeleton

DEFAULT_LINK_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonAgreement:
    """Say how far a skeleton agrees with a reference, the other annotator's.

    With d = `distance_nm`:
    - `node_share`: nodes of the skeleton that are at most d from a path of the reference, / all its nodes (precision);
    - `reference_node_share`: the same the other way (recall);
    - `path_share`, `reference_path_share`: the same for path length. Paths are cut into equal pieces of at most d / 2; a
      piece counts with its whole length if its middle is at most d from a path of the other;
    - `links`: pairs (tree of the reference, tree of the skeleton) of which at least `link_share` of the nodes of either
      one is matched, each node to the tree of the nearest path;
    - `splits`: trees of the skeleton linked to one tree of the reference, minus 1, summed over the reference's linked trees;
    - `merges`: trees of the reference linked to one tree of the skeleton, minus 1, summed over the skeleton's linked trees.
    A share of nothing is 1 if the other skeleton has nothing, too, and else 0.
    """

    distance_nm: float
    nodes: int
    reference_nodes: int
    node_share: float
    reference_node_share: float
    path_length_nm: float
    reference_path_length_nm: float
    path_share: float
    reference_path_share: float
    splits: int
    merges: int
    links: tuple[tuple[int, int], ...]

    @property
    def node_f1(self) -> float:
        """Give the harmonic mean of both node shares; 0 where both are 0."""
        total = self.node_share + self.reference_node_share
        return 0.0 if total == 0 else 2 * self.node_share * self.reference_node_share / total

    @property
    def path_f1(self) -> float:
        """Give the harmonic mean of both path shares; 0 where both are 0."""
        total = self.path_share + self.reference_path_share
        return 0.0 if total == 0 else 2 * self.path_share * self.reference_path_share / total


def skeleton_agreement(
    skeleton: Skeleton, reference: Skeleton, *, distance_nm: float, link_share: float = DEFAULT_LINK_SHARE
) -> SkeletonAgreement:
    """Compare a skeleton with the other annotator's; see SkeletonAgreement for the formulas.

    Raises SkeletonError unless `distance_nm` is finite and greater than 0, and `link_share` greater than 0 and at most 1.
    """
    if not (math.isfinite(distance_nm) and distance_nm > 0):
        raise SkeletonError(f"distance_nm={distance_nm}: give a finite distance greater than 0")
    if not 0 < link_share <= 1:
        raise SkeletonError(f"link_share={link_share}: give a share greater than 0, at most 1")
    ours, theirs = _Paths.of(skeleton, distance_nm), _Paths.of(reference, distance_nm)
    matched, their_matched = ours.matched_trees(theirs, distance_nm), theirs.matched_trees(ours, distance_nm)
    links = _links(ours, matched, link_share) | {
        (reference_tree, tree) for tree, reference_tree in _links(theirs, their_matched, link_share)
    }
    return SkeletonAgreement(
        distance_nm=distance_nm,
        nodes=len(ours.nodes),
        reference_nodes=len(theirs.nodes),
        node_share=_share((matched >= 0).sum(), len(matched), len(theirs.nodes)),
        reference_node_share=_share((their_matched >= 0).sum(), len(their_matched), len(ours.nodes)),
        path_length_nm=float(ours.pieces.lengths.sum()),
        reference_path_length_nm=float(theirs.pieces.lengths.sum()),
        path_share=ours.path_share(theirs, distance_nm),
        reference_path_share=theirs.path_share(ours, distance_nm),
        splits=len(links) - len({tree for tree, _ in links}),
        merges=len(links) - len({tree for _, tree in links}),
        links=tuple(sorted(links)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Paths:
    """Hold a skeleton as nodes (n, 3) in nanometers with their trees' ids (n,), and as pieces of paths."""

    nodes: NDArray[np.float64]
    tree_ids: NDArray[np.int64]
    pieces: PathPieces

    @classmethod
    def of(cls, skeleton: Skeleton, distance_nm: float) -> "_Paths":
        trees = list(skeleton.all_trees.values())
        return cls(
            nodes=np.concatenate([np.empty((0, 3)), *(node_positions_nm(one, skeleton.voxel_size) for one in trees)]),
            tree_ids=np.repeat(np.array([one.id for one in trees], np.int64), [len(one) for one in trees]),
            pieces=cut_paths(trees, skeleton.voxel_size, distance_nm / 2),
        )

    def matched_trees(self, other: "_Paths", distance_nm: float) -> NDArray[np.int64]:
        """Give the tree of `other` that each node is matched to, -1 for none."""
        _, rows = other.pieces.nearest(self.nodes, distance_nm)
        return np.where(rows >= 0, np.append(other.pieces.tree_ids, -1)[rows], -1)

    def path_share(self, other: "_Paths", distance_nm: float) -> float:
        distances, _ = other.pieces.nearest(self.pieces.middles, distance_nm)
        lengths = self.pieces.lengths
        return _share(lengths[np.isfinite(distances)].sum(), lengths.sum(), other.pieces.lengths.sum())


def _share(part: float, whole: float, other_whole: float) -> float:
    if whole:
        return float(part / whole)
    return 0.0 if other_whole else 1.0


def _links(paths: _Paths, matched: NDArray[np.int64], link_share: float) -> set[tuple[int, int]]:
    """Give pairs (tree of the other, own tree) with enough of the own tree's nodes."""
    sizes: Mapping[int, int] = dict(
        zip(*(part.tolist() for part in np.unique(paths.tree_ids, return_counts=True)), strict=True)
    )
    pairs, counts = np.unique(np.stack([matched, paths.tree_ids], axis=1)[matched >= 0], axis=0, return_counts=True)
    return {
        (other, own)
        for (other, own), count in zip(pairs.tolist(), counts.tolist(), strict=True)
        if count >= link_share * sizes[own]
    }
