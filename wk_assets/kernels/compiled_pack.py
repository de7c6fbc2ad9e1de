"""The compiled half of `pack`. Importing this module imports numba."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wk_assets.kernels.compilation import KERNEL


@njit(**KERNEL)
def pack_rows(
    slab: NDArray[Any],
    corner: tuple[int, int],
    valid_z: tuple[int, int],
    valid_y: tuple[int, int],
    out: NDArray[Any],
    used: NDArray[np.bool_],
) -> None:
    """Copy chunk after chunk, word by word; `slab` (c, z, y, words), `out` (n, c, cz, cy, words of a chunk)."""
    count, channels, cz, cy, width = out.shape
    for i in range(count):
        seen = slab.dtype.type(0)
        for c in range(channels):
            for z in range(cz):
                source_z = corner[0] + z
                for y in range(cy):
                    source_y = corner[1] + y
                    target = out[i, c, z, y]
                    if valid_z[0] <= source_z < valid_z[1] and valid_y[0] <= source_y < valid_y[1]:
                        source = slab[c, source_z, source_y, i * width : (i + 1) * width]
                        for x in range(width):
                            target[x] = source[x]
                            seen |= source[x]
                    else:
                        target[:] = 0
        used[i] = seen != 0
