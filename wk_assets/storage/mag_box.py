"""What boxes an array takes, and windows into arrays of voxels: the checks that every implementation of `MagArray` makes.

Boxes have axes (additional ..., c, x, y, z), in voxels of the array's own mag.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wk_assets.errors import GeometryError, InputError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.storage.mag_array import ArrayInfo


def box_from_origin(axes: Sequence[str], extent: Sequence[int]) -> NormalizedBoundingBox:
    """Return the box of an array: from the origin, with one extent per axis."""
    return NormalizedBoundingBox([0] * len(axes), list(extent), axes)


def check_box(path: Path, info: ArrayInfo, box: NormalizedBoundingBox) -> None:
    """Raise GeometryError for a box with other axes than the array, or one that starts below its origin."""
    if tuple(box.axes) != tuple(info.box.axes):
        raise GeometryError(f"{path}: a box with axes {tuple(box.axes)}, the array has {tuple(info.box.axes)}")
    if min(box.topleft) < 0:
        raise GeometryError(f"{path}: the box starts at {tuple(box.topleft)}; arrays have no voxels below 0")


def check_voxels(path: Path, info: ArrayInfo, box: NormalizedBoundingBox, voxels: NDArray[Any]) -> None:
    """Raise GeometryError for a box that leaves the array or voxels of another shape, InputError for another dtype."""
    check_box(path, info, box)
    if any(end > limit for end, limit in zip(box.bottomright, info.box.size, strict=True)):
        raise GeometryError(
            f"{path}: the box {tuple(box.topleft)}..{tuple(box.bottomright)} leaves the array, "
            f"which ends at {tuple(info.box.size)} (axes {', '.join(info.box.axes)}); resize it, or write less"
        )
    if voxels.shape != tuple(box.size):
        raise GeometryError(f"{path}: voxels of shape {voxels.shape} for a box of size {tuple(box.size)}")
    if voxels.dtype != info.voxel_type:
        raise InputError(f"{path}: voxels of type {voxels.dtype}, the array has {info.voxel_type}; convert them first")


def inside_array(info: ArrayInfo, box: NormalizedBoundingBox) -> NormalizedBoundingBox:
    """Return the part of a box that lies in the array; it is empty where they have no voxel in common."""
    return info.box.intersected_with(box, dont_assert=True)


def window_of(part: NormalizedBoundingBox, whole: NormalizedBoundingBox) -> tuple[slice, ...]:
    """Return the index of a box in an array of voxels that holds another box."""
    return tuple(
        slice(low - first, high - first)
        for low, high, first in zip(part.topleft, part.bottomright, whole.topleft, strict=True)
    )
