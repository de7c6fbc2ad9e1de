"""Which voxel stands in for one that lies outside of a layer. Index arithmetic along one axis, no voxels here."""

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError


def symmetric_indices(start: int, stop: int, valid_start: int, valid_stop: int) -> NDArray[np.intp]:
    """Map each index of [start, stop) to the index in [valid_start, valid_stop) whose voxel stands there.

    All four are in the same coordinates, and so is the result, shape (stop - start,): an index inside of the valid
    range maps to itself, one outside is mirrored at the edge, edge voxel included (`... c b a | a b c | c b a ...`),
    as often as it takes. To index an array whose first voxel is `valid_start`, subtract `valid_start`.

    Raises DownsamplingError if the valid range is empty, or the wanted one runs backwards.
    Source: numpy.pad, mode "symmetric", which WEBKNOSSOS' own tools use at the border of a layer.
    """
    if valid_stop <= valid_start:
        raise DownsamplingError(
            f"border: the valid range [{valid_start}, {valid_stop}) holds no voxel to mirror; give at least one"
        )
    if stop < start:
        raise DownsamplingError(f"border: the wanted range [{start}, {stop}) runs backwards; give start <= stop")
    extent = valid_stop - valid_start
    phase = np.arange(start - valid_start, stop - valid_start, dtype=np.intp) % (2 * extent)
    return np.where(phase < extent, phase, 2 * extent - 1 - phase) + valid_start
