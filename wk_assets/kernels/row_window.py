"""How compiled kernels see an array: as flat memory and steps. No loops over voxels here.

Kernels are compiled for 1-D contiguous arrays alone: LLVM vectorises those, and there is one specialisation per dtype
rather than one per memory layout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def has_whole_rows(array: NDArray[Any]) -> bool:
    """Tell whether kernels can work on the array in place: aligned, x contiguous, no other stride odd or negative."""
    itemsize = array.itemsize
    return (
        array.flags.aligned
        and (array.shape[-1] == 1 or array.strides[-1] == itemsize)
        and all(stride >= 0 and stride % itemsize == 0 for stride in array.strides)
    )


def row_window(array: NDArray[Any], *, writeable: bool) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return the memory from the first to the last voxel as a 1-D array, and the step of each axis but x, in voxels.

    `array`: at least one voxel, has whole rows. Not `writeable`: the window is read-only even where the array is not, so
    that a kernel is compiled once for both.
    """
    steps = tuple(stride // array.itemsize for stride in array.strides[:-1])
    before_last_row = sum((extent - 1) * step for extent, step in zip(array.shape[:-1], steps, strict=True))
    length = before_last_row + array.shape[-1]
    window = np.lib.stride_tricks.as_strided(array, (length,), (array.itemsize,), writeable=writeable)
    return window, steps
