"""Connected components of labels: which voxels of one segment hang together through faces (6-connectivity).

Arrays in, arrays out; nothing is read here (see `operations.annotations.volume_checks`, which goes block by block).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def connected(count: int, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each of `count` things, the smallest thing that it hangs together with.

    edges: `(n, 2)`, pairs of things. Each round hangs roots below smaller roots and then shortens all ways to one step; the
    number of rounds grows with the logarithm of the longest way.
    """
    parents = np.arange(count, dtype=np.int64)
    open_edges = edges.reshape(-1, 2)
    while True:
        first, second = parents[open_edges[:, 0]], parents[open_edges[:, 1]]
        apart = first != second
        if not apart.any():
            return parents
        open_edges, first, second = open_edges[apart], first[apart], second[apart]
        np.minimum.at(parents, np.maximum(first, second), np.minimum(first, second))
        while True:
            shorter = parents[parents]
            if np.array_equal(shorter, parents):
                break
            parents = shorter


def components(labels: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Give each connected component of a block a number from 1; background (0) is 0. Return them and how many there are.

    labels: `(x, y, z)`, integers. Neighbours hang together if they share a face and a label. Components are numbered in the
    order of their first voxels, z fastest.
    """
    if labels.size == 0:
        return np.zeros(labels.shape, np.int64), 0
    starts = np.ones(labels.shape, bool)  # runs along z are what is connected: far fewer than voxels
    starts[:, :, 1:] = labels[:, :, 1:] != labels[:, :, :-1]
    runs = np.cumsum(starts.reshape(-1)).reshape(labels.shape) - 1
    pairs = [_touching(labels, runs, axis) for axis in (0, 1)]
    roots = connected(int(runs[-1, -1, -1]) + 1, np.concatenate(pairs))
    roots[labels[starts] == 0] = -1
    numbers, compact = np.unique(roots, return_inverse=True)
    shift = 0 if numbers[0] == -1 else 1
    return (compact.astype(np.int64) + shift)[runs], int(numbers.size - 1 + shift)


def _touching(labels: NDArray[Any], runs: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """Pair the runs that share a face across `axis` and a label that is not background."""
    before = tuple(slice(None, -1) if number == axis else slice(None) for number in range(3))
    after = tuple(slice(1, None) if number == axis else slice(None) for number in range(3))
    same = (labels[before] == labels[after]) & (labels[before] != 0)
    pairs = np.stack([runs[before][same], runs[after][same]], axis=1)
    # A pair of long runs touches in many voxels: one after the other in memory, so that neighbours tell most repeats.
    repeated = np.zeros(len(pairs), bool)
    repeated[1:] = (pairs[1:] == pairs[:-1]).all(axis=1)
    return pairs[~repeated]
