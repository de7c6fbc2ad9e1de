"""The ways in which a block of voxels becomes one voxel. Names only; the arithmetic is in `downsample`."""

from enum import StrEnum


class DownsamplingMode(StrEnum):
    """Name how a block becomes one voxel (source of the first four: WEBKNOSSOS; `nearest`, `mean` are block-local)."""

    MEDIAN = "median"
    MODE = "mode"
    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    NEAREST = "nearest"
