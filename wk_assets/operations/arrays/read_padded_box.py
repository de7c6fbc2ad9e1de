"""Read any box of an array, also before the origin of the world, where no array has voxels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.storage.mag_array import MagArray


def read_padded_box(array: MagArray, box_in_mag: NormalizedBoundingBox) -> NDArray[Any]:
    """Return the voxels of a box, its axes in their order, x fastest; zeros where the array has none.

    Raises what `MagArray.read_box` raises, but for corners below zero.
    """
    topleft = box_in_mag.topleft
    if min(topleft) >= 0:
        return array.read_box(box_in_mag)
    voxels = np.zeros(tuple(reversed(tuple(box_in_mag.size))), array.info.voxel_type).T
    inside = box_in_mag.with_topleft(topleft.pairmax(0))
    inside = inside.with_size((box_in_mag.bottomright - inside.topleft).pairmax(0))
    if not inside.is_empty():
        start = inside.topleft - topleft
        window = tuple(slice(low, low + length) for low, length in zip(start, inside.size, strict=True))
        voxels[window] = array.read_box(inside)
    return voxels
