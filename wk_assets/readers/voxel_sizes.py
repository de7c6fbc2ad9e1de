"""Decide which of the voxel sizes that settings and files state is the volume's, and say what is known where none is.

Values only; where files state them is known in `voxel_size_tags`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wk_assets.readers.volume import MeasuredPixelSize, MeasuredVoxelSize, VolumeDescription

_AGREE_WITHIN = 1e-3


@dataclass(frozen=True, slots=True)
class FoundSizes:
    """Hold all that the files say, most trustworthy first."""

    voxels: tuple[MeasuredVoxelSize, ...] = ()
    pixels: tuple[MeasuredPixelSize, ...] = ()


def _agree(one: Iterable[float], other: Iterable[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=_AGREE_WITHIN) for a, b in zip(one, other, strict=True))


def chosen_voxel_size(
    given: MeasuredVoxelSize | None, found: FoundSizes
) -> tuple[MeasuredVoxelSize | None, tuple[MeasuredVoxelSize, ...], tuple[MeasuredPixelSize, ...]]:
    """Give the voxel size (the setting wins, else the files' first), what disagrees with it, and sizes of x, y alone.

    Values that agree within a thousandth are one. With a voxel size, sizes of x and y that agree are not repeated.
    """
    candidates = [size for size in (given, *found.voxels) if size is not None]
    if not candidates:
        return None, (), found.pixels
    chosen = candidates[0]
    lengths = chosen.voxel_size.to_nanometer()
    others = tuple(size for size in candidates[1:] if not _agree(size.voxel_size.to_nanometer(), lengths))
    pixels = tuple(
        pixel
        for pixel in found.pixels
        if not _agree((pixel.x * pixel.unit.nanometers, pixel.y * pixel.unit.nanometers), lengths[:2])
    )
    return chosen, others, pixels


def stated_of_pixels(description: VolumeDescription) -> str:
    """Say, for an error about a missing voxel size, what the files do know: x and y alone. Empty if nothing."""
    known = "; ".join(str(pixel) for pixel in description.pixel_sizes)
    return f"the files say {known}, but not how far apart the slices are" if known else ""
