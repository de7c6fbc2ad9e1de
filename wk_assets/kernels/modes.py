"""The ways in which a block of voxels becomes one voxel. Names only; the arithmetic is in `downsample`."""

from enum import StrEnum
from typing import Final

import numpy as np

DTYPES: Final = tuple(np.dtype(name) for name in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"))
"""The dtypes that kernels compute with, in native byte order."""


class DownsamplingMode(StrEnum):
    """Name how a block becomes one voxel (source of the first four: WEBKNOSSOS; `nearest`, `mean` are block-local)."""

    MEDIAN = "median"
    MODE = "mode"
    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    NEAREST = "nearest"
