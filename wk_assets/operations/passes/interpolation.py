"""What the interpolation modes of WEBKNOSSOS' interface mean here: names to kernels. No voxels.

Every mode is block-local: a voxel of a coarser mag depends on its own block of finer voxels and on nothing else (at the
border of a layer: on their mirror image), so that the result is the same however the work is cut into tiles.
"""

from typing import Final

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.modes import DownsamplingMode

INTERPOLATION_MODES: Final = ("default", *DownsamplingMode, "bilinear")


def downsampling_mode(interpolation_mode: str, category: str) -> DownsamplingMode:
    """Return the kernel for an interpolation mode of a layer of this category (`color` or `segmentation`).

    `default`: median for color, mode (most frequent label) for segmentations. `bilinear`: the mean of the block, which is
    what linear interpolation gives in the middle of a block of factor 2; other tools sample the tile that they happen to
    work on, corner to corner, so that their voxels depend on the tiles: we differ on purpose, there and for `nearest`.
    `bicubic` is refused, because it needs voxels beyond the block. Raises DownsamplingError for it and unknown names.
    """
    if interpolation_mode == "default":
        return DownsamplingMode.MODE if category == "segmentation" else DownsamplingMode.MEDIAN
    if interpolation_mode == "bilinear":
        return DownsamplingMode.MEAN
    if interpolation_mode == "bicubic":
        raise DownsamplingError(
            "interpolation mode 'bicubic' needs voxels beyond each block, so that the result would depend on how the layer "
            "is cut into tiles; use 'mean' (the same as 'bilinear' here) for smooth images, or 'median'"
        )
    try:
        return DownsamplingMode(interpolation_mode)
    except ValueError:
        known = ", ".join(INTERPOLATION_MODES)
        raise DownsamplingError(
            f"interpolation mode {interpolation_mode!r} is unknown; it can be one of {known}"
        ) from None
