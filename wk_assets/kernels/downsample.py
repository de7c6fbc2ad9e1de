"""Blocks of voxels become one voxel each: checks the arguments and picks the kernel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.modes import DownsamplingMode


def downsample(
    block: NDArray[Any],
    factors_zyx: tuple[int, int, int],
    mode: DownsamplingMode,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Reduce every disjoint block of `factors_zyx` voxels to one voxel, and return the coarser array.

    `block`: (..., z, y, x), (u)int8-64 or float32/64; z, y, x are multiples of the factors; leading axes are looped.
    `out`: where the result goes, (..., z / fz, y / fy, x / fx), same dtype; may be a view with strides. None: a new array.
    Raises DownsamplingError.
    """
    fz, fy, fx = factors_zyx
    *leading, z, y, x = block.shape
    if z % fz or y % fy or x % fx:
        raise DownsamplingError(f"downsampling: shape {block.shape} is not a multiple of {factors_zyx}")
    count = fz * fy * fx
    split = block.reshape(*leading, z // fz, fz, y // fy, fy, x // fx, fx)
    # scan order inside of a block: y fastest, then x, then z
    values = np.moveaxis(split, (-5, -1, -3), (-3, -2, -1)).reshape(*leading, z // fz, y // fy, x // fx, count)
    match mode:
        case DownsamplingMode.MAX:
            result = values.max(axis=-1)
        case DownsamplingMode.MIN:
            result = values.min(axis=-1)
        case DownsamplingMode.NEAREST:
            result = values[..., 0]
        case DownsamplingMode.MODE:
            votes = sum((values == values[..., k, None]).astype(np.int64) for k in range(count))
            result = np.take_along_axis(values, np.argmax(votes, axis=-1)[..., None], axis=-1)[..., 0]
        case DownsamplingMode.MEDIAN:
            if block.dtype.kind == "f":
                result = np.median(values, axis=-1)
            else:
                ordered = np.sort(values, axis=-1)
                low, high = ordered[..., (count - 1) // 2], ordered[..., count // 2]
                floor = (low & high) + ((low ^ high) >> 1)
                result = floor + ((floor < 0) & (((low ^ high) & 1) == 1)).astype(block.dtype)
        case DownsamplingMode.MEAN:
            if block.dtype.kind == "f":
                result = values.mean(axis=-1, dtype=np.float64)
            else:
                result = (2 * values.astype(object).sum(axis=-1) + count) // (2 * count)
    if out is None:
        return result.astype(block.dtype)
    out[...] = result
    return out
