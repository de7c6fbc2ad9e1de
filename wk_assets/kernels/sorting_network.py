"""Which pairs to put in order so that the middle of n values stands in the middle. Integers only, no voxels here."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=16)
def median_network(count: int) -> NDArray[np.intp]:
    """List pairs (i, j), i < j, shape (n, 2): put in order one after the other, they bring the median to its place.

    After that, index (count - 1) // 2 holds the lower and count // 2 the upper middle value; other places are sorted
    only as far as those two need it. The array is read-only and shared.
    Source: K. E. Batcher, merge exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).
    """
    pairs = []
    merged = 1
    while merged < count:
        distance = merged
        while distance:
            for start in range(distance % merged, count - distance, 2 * distance):
                firsts = range(start, start + min(distance, count - start - distance))
                pairs += [(i, i + distance) for i in firsts if i // (2 * merged) == (i + distance) // (2 * merged)]
            distance //= 2
        merged *= 2
    # backwards from the middle: a pair that touches no place that is still needed is left out
    needed = {(count - 1) // 2, count // 2}
    kept = []
    for i, j in reversed(pairs):
        if i in needed or j in needed:
            kept.append((i, j))
            needed |= {i, j}
    network = np.array(kept[::-1], np.intp).reshape(-1, 2)
    network.flags.writeable = False
    return network
