"""Where the paths of a skeleton run, in nanometers: its edges cut into short pieces, and which piece is nearest.

Arrays in, arrays out. Coordinates and lengths in nanometers, so that anisotropic voxels do not bend anything.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import SkeletonError
from wk_assets.skeleton.tree import Tree

_POINTS_AT_ONCE: Final = 4096
_MIXING: Final = np.array([73856093, 19349663, 83492791], dtype=np.int64)  # any large odd numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathPieces:
    """Hold straight pieces: `starts`, `ends` (n, 3) in nanometers, `tree_ids` (n,). A lonely node is a piece of length 0."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    tree_ids: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Give the length of each piece, (n,), in nanometers."""
        return np.asarray(np.linalg.norm(self.ends - self.starts, axis=1))

    @property
    def middles(self) -> NDArray[np.float64]:
        """Give the middle of each piece, (n, 3), in nanometers."""
        return (self.starts + self.ends) / 2

    def nearest(self, points: NDArray[np.float64], within_nm: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Find the piece nearest to each point, where one is no farther than `within_nm`.

        `points`: (m, 3) in nanometers. Gives distances (m,), infinite where there is none, and rows (m,), -1 there. Of
        pieces equally near, the first. No piece may be longer than `within_nm`: see `cut_paths`.
        """
        distances = np.full(len(points), np.inf)
        rows = np.full(len(points), -1, dtype=np.int64)
        if not len(self.starts):
            return distances, rows
        cell_nm = (
            1.5 * within_nm
        )  # the middle of a piece within reach is at most half a piece farther than its nearest point
        keys = _keys(np.floor(self.middles / cell_nm).astype(np.int64))
        order = np.argsort(keys, kind="stable")
        for first in range(0, len(points), _POINTS_AT_ONCE):
            part = slice(first, first + _POINTS_AT_ONCE)
            distances[part], rows[part] = self._nearest_of_some(points[part], within_nm, cell_nm, keys[order], order)
        return distances, rows

    def _nearest_of_some(
        self,
        points: NDArray[np.float64],
        within_nm: float,
        cell_nm: float,
        sorted_keys: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        cells = np.floor(points / cell_nm).astype(np.int64)
        found_points, found_rows = [], []
        for step in itertools.product((-1, 0, 1), repeat=3):
            keys = _keys(cells + np.array(step))
            first = np.searchsorted(sorted_keys, keys, side="left")
            counts = np.searchsorted(sorted_keys, keys, side="right") - first
            ends = np.cumsum(counts)
            within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
            found_points.append(np.repeat(np.arange(len(points)), counts))
            found_rows.append(order[np.repeat(first, counts) + within])
        candidates, pieces = np.concatenate(found_points), np.concatenate(found_rows)
        apart = _distances(points[candidates], self.starts[pieces], self.ends[pieces])
        reached = apart <= within_nm
        candidates, pieces, apart = candidates[reached], pieces[reached], apart[reached]
        best = np.lexsort((pieces, apart, candidates))
        chosen, where = np.unique(candidates[best], return_index=True)
        distances = np.full(len(points), np.inf)
        rows = np.full(len(points), -1, dtype=np.int64)
        distances[chosen] = apart[best][where]
        rows[chosen] = pieces[best][where]
        return distances, rows


def _keys(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give one number per cell. Two cells may share one: then there are more candidates, and no other result."""
    return np.asarray((cells * _MIXING).sum(axis=1))


def _distances(points: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.float64]:
    """Measure from each point to its piece, all (n, 3), at the nearest point of the piece."""
    along = ends - starts
    squared = (along * along).sum(axis=1)
    shares = ((points - starts) * along).sum(axis=1) / np.where(squared > 0, squared, 1)
    nearest = starts + np.clip(shares, 0, 1)[:, np.newaxis] * along
    return np.asarray(np.linalg.norm(points - nearest, axis=1))


def node_positions_nm(tree: Tree, voxel_size_nm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Give the positions of a tree's nodes, (n, 3), in nanometers."""
    return np.asarray(tree.get_node_positions().reshape(-1, 3) * np.asarray(voxel_size_nm), dtype=np.float64)


def edge_ends_nm(
    tree: Tree, voxel_size_nm: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give both ends of a tree's edges, each (m, 3), in nanometers."""
    place = {node: row for row, node in enumerate(tree.nodes)}
    positions: NDArray[Any] = node_positions_nm(tree, voxel_size_nm)
    pairs = np.array([(place[source], place[target]) for source, target in tree.edges], dtype=np.int64).reshape(-1, 2)
    return positions[pairs[:, 0]], positions[pairs[:, 1]]


def path_length_nm(tree: Tree, voxel_size_nm: tuple[float, float, float]) -> float:
    """Sum the lengths of a tree's edges, in nanometers."""
    starts, ends = edge_ends_nm(tree, voxel_size_nm)
    return float(np.linalg.norm(ends - starts, axis=1).sum())


def cut_paths(trees: Iterable[Tree], voxel_size_nm: tuple[float, float, float], longest_nm: float) -> PathPieces:
    """Cut all edges into equal pieces of at most `longest_nm`; raises SkeletonError unless that is greater than 0.

    A tree of one node, or of nodes that are not joined, counts with its lonely nodes as pieces of length 0.
    """
    if not (np.isfinite(longest_nm) and longest_nm > 0):
        raise SkeletonError(f"pieces of {longest_nm} nm: give a finite length greater than 0")
    starts, ends, tree_ids = [np.empty((0, 3))], [np.empty((0, 3))], [np.empty(0, dtype=np.int64)]
    for tree in trees:
        first, last = edge_ends_nm(tree, voxel_size_nm)
        counts = np.maximum(1, np.ceil(np.linalg.norm(last - first, axis=1) / longest_nm)).astype(np.int64)
        step = np.repeat((last - first) / counts[:, np.newaxis], counts, axis=0)
        within = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts))[:, np.newaxis]
        begin = np.repeat(first, counts, axis=0) + within * step
        lonely = node_positions_nm(tree, voxel_size_nm)[[not tree.adj[node] for node in tree.nodes]]
        starts += [begin, lonely]
        ends += [begin + step, lonely]
        tree_ids.append(np.full(len(begin) + len(lonely), tree.id))
    return PathPieces(starts=np.concatenate(starts), ends=np.concatenate(ends), tree_ids=np.concatenate(tree_ids))
