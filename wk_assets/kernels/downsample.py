"""Blocks of voxels become one voxel each: checks the arguments and picks the kernel.

Array in, array out. Which blocks there are at the border of a layer is decided elsewhere (see `border`), the loops
are in `compiled_median`, `compiled_mode` and `compiled_accumulation`. Those import numba, and are imported when they are worth it
(see `loading`), numpy does it before that (`plain_downsample`): to import this module costs nothing.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.loading import DOWNSAMPLING_SECONDS_PER_BYTE, compiled_pays
from wk_assets.kernels.modes import DTYPES, DownsamplingMode
from wk_assets.kernels.plain_downsample import downsample_plain, is_plain
from wk_assets.kernels.row_window import has_whole_rows, row_window
from wk_assets.kernels.sorting_network import median_network

LARGEST_BLOCK: Final = 1 << 24  # voxels; what the sums of `compiled_accumulation` are made for
LANES_BYTES: Final = 1 << 16  # of one group of blocks: within a second-level cache, long enough for vectors
LARGEST_NETWORK: Final = 1 << 10  # lanes; beyond, numpy's partition beats a network

Factors = tuple[int, int, int]


def downsample(
    block: NDArray[Any],
    factors_zyx: Factors,
    mode: DownsamplingMode,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Reduce every disjoint block of `factors_zyx` voxels to one voxel, and return the coarser array.

    `block`: (..., z, y, x), native uint8-64, int8-64, float32 or float64; z, y, x are multiples of the factors;
    leading axes (channels) are looped. Rows along x that are contiguous are read in place, others are copied first.
    `out`: where the result goes, (..., z / fz, y / fy, x / fx), of the block's dtype; a view with strides will do.
    None: a new array. Returns `out`, or the new array.

    - `median`: integers exact, also 64-bit ones; of an even number the mean of the two middle ones, truncated toward
      zero. A NaN in the block gives NaN.
    - `mode`: the most frequent; of several the one that comes first, y fastest, then x, then z. NaN equals nothing,
      so each NaN is a value that occurs once.
    - `max`, `min`: a NaN in the block gives NaN.
    - `mean`: integers exact, halves rounded up (2.5 to 3, -2.5 to -2); floats summed in float64. NaN gives NaN.
    - `nearest`: the block's first voxel.

    A block of one value becomes that value: for every mode, dtype and factor.
    Raises DownsamplingError if a shape, dtype, factor or mode is none of those.
    Source: WEBKNOSSOS' own tools for median, mode, max and min.
    """
    mode = _checked_mode(mode)
    _check_block(block, factors_zyx)
    fz, fy, fx = factors_zyx
    *leading, depth, height, width = block.shape
    shape = (*leading, depth // fz, height // fy, width // fx)
    if out is None:
        out = np.empty(shape, block.dtype)
    elif out.shape != shape or out.dtype != block.dtype:
        raise DownsamplingError(
            f"downsampling: the array for the result is {out.dtype} {out.shape}, the result is {block.dtype} {shape}; "
            "give an array of that shape and dtype, or none"
        )
    if out.size == 0:
        return out
    factors_zyx = (int(fz), int(fy), int(fx))  # numba would compile anew for other kinds of integers
    count = fz * fy * fx
    if mode is DownsamplingMode.NEAREST or count == 1 or (mode is DownsamplingMode.MODE and count == 2):
        out[...] = block[..., ::fz, ::fy, ::fx]  # of two voxels none has more votes: the first wins
        return out
    plain = is_plain(block.dtype, factors_zyx, mode) and not compiled_pays(block.nbytes, DOWNSAMPLING_SECONDS_PER_BYTE)
    # kernels write where x is contiguous, and read while they write
    in_place = (plain or has_whole_rows(out)) and not np.may_share_memory(block, out)
    target = out if in_place else np.empty(shape, block.dtype)
    work = downsample_plain if plain else _downsample_compiled
    for source_volume, target_volume in _volumes(block, target):
        work(source_volume, factors_zyx, mode, target_volume)
    if not in_place:
        out[...] = target
    return out


def _checked_mode(mode: DownsamplingMode | str) -> DownsamplingMode:
    try:
        return DownsamplingMode(mode)
    except ValueError:
        known = ", ".join(DownsamplingMode)
        raise DownsamplingError(f"downsampling: mode is {mode!r}; it can be one of {known}") from None


def _check_block(block: NDArray[Any], factors_zyx: Factors) -> None:
    if block.dtype not in DTYPES or not block.dtype.isnative:
        known = ", ".join(dtype.name for dtype in DTYPES)
        raise DownsamplingError(
            f"downsampling: dtype is {block.dtype!r}; it can be one of {known}, in native byte order"
        )
    if block.ndim < 3:
        raise DownsamplingError(f"downsampling: the block has shape {block.shape}; give an array (..., z, y, x)")
    if len(tuple(factors_zyx)) != 3 or not all(_is_factor(factor) for factor in factors_zyx):
        raise DownsamplingError(
            f"downsampling: factors (z, y, x) are {factors_zyx}; give three integers, each at least 1"
        )
    if math.prod(factors_zyx) > LARGEST_BLOCK:
        raise DownsamplingError(
            f"downsampling: factors (z, y, x) are {factors_zyx}, {math.prod(factors_zyx)} voxels in one; "
            f"the limit is {LARGEST_BLOCK}: go by a mag between"
        )
    if any(length % factor for length, factor in zip(block.shape[-3:], factors_zyx, strict=True)):
        raise DownsamplingError(
            f"downsampling: the block has (z, y, x) = {block.shape[-3:]}, factors are {factors_zyx}; "
            "pad the block to a multiple (see border.symmetric_indices)"
        )


def _is_factor(factor: object) -> bool:
    return isinstance(factor, (int, np.integer)) and int(factor) >= 1


def _volumes(block: NDArray[Any], target: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for index in np.ndindex(block.shape[:-3]):
        yield block[index], target[index]


def _downsample_compiled(volume: NDArray[Any], factors: Factors, mode: DownsamplingMode, target: NDArray[Any]) -> None:
    if not has_whole_rows(volume):
        volume = np.ascontiguousarray(volume)
    if mode is DownsamplingMode.MODE and volume.dtype.kind == "i":
        # equal bits are equal labels: one compiled kernel for both signs
        unsigned = np.dtype(f"u{volume.itemsize}")
        volume, target = volume.view(unsigned), target.view(unsigned)
    if mode is DownsamplingMode.MEDIAN:
        _median(volume, factors, target)
    elif mode is DownsamplingMode.MODE:
        _mode(volume, factors, target)
    else:
        _accumulate(volume, factors, mode, target)


def _median(volume: NDArray[Any], factors: Factors, target: NDArray[Any]) -> None:
    from wk_assets.kernels import compiled_median as compiled

    rows_of_block, fx = factors[0] * factors[1], factors[2]
    in_rows = {
        (1, 2): compiled.median_of_pairs,
        (2, 1): compiled.median_of_2_rows,
        (4, 1): compiled.median_of_4_rows,
        (2, 2): compiled.median_of_pairs_in_2_rows,
        (4, 2): compiled.median_of_pairs_in_4_rows,
    }.get((rows_of_block, fx))
    count = rows_of_block * fx
    if in_rows is not None:
        _select_in_rows(in_rows, volume, factors, target)
    elif count <= LARGEST_NETWORK:
        _select_in_lanes(compiled.median_of_lanes, volume, factors, target, median_network(count))
    else:
        _median_by_partition(volume, factors, target)


def _mode(volume: NDArray[Any], factors: Factors, target: NDArray[Any]) -> None:
    from wk_assets.kernels import compiled_mode as compiled

    # the order of a block's voxels decides ties: 2 rows of one slice are another case than 2 rows of 2 slices
    in_rows = {
        (1, 4, 1): compiled.mode_of_4_rows,
        (2, 2, 1): compiled.mode_of_4_rows,
        (4, 1, 1): compiled.mode_of_4_rows,
        (1, 2, 2): compiled.mode_of_pairs_in_2_rows,
        (2, 1, 2): compiled.mode_of_pairs_in_2_slices,
        (2, 2, 2): compiled.mode_of_pairs_in_4_rows,
    }.get(factors)
    if in_rows is not None:
        _select_in_rows(in_rows, volume, factors, target)
    else:
        counter = _counter(math.prod(factors), volume.itemsize)
        _select_in_lanes(compiled.mode_of_lanes, volume, factors, target, np.empty(0, counter))


def _select_in_rows(kernel: Any, volume: NDArray[Any], factors: Factors, target: NDArray[Any]) -> None:
    """Run a kernel that decides a block of 2, 4 or 8 voxels in registers."""
    from wk_assets.kernels.compilation import call

    source, step = row_window(volume, writeable=False)
    flat_target, target_step = row_window(target, writeable=True)
    block_step = (factors[0] * step[0], factors[1] * step[1])
    call(kernel, source, block_step, _row_offsets(step, factors), flat_target, target_step, target.shape)


def _select_in_lanes(
    kernel: Any, volume: NDArray[Any], factors: Factors, target: NDArray[Any], last: NDArray[Any]
) -> None:
    """Run a kernel that decides blocks of any size; `last` is its last argument."""
    from wk_assets.kernels.compilation import call

    source, step = row_window(volume, writeable=False)
    flat_target, target_step = row_window(target, writeable=True)
    count = math.prod(factors)
    lanes = np.empty((count, max(1, LANES_BYTES // (count * volume.itemsize))), volume.dtype)
    call(kernel, source, step, factors, flat_target, target_step, target.shape, lanes, last)


def _accumulate(volume: NDArray[Any], factors: Factors, mode: DownsamplingMode, target: NDArray[Any]) -> None:
    """Take max, min or mean of blocks of any size."""
    from wk_assets.kernels import compiled_accumulation as compiled
    from wk_assets.kernels.compilation import call

    fz, fy, fx = factors
    count = fz * fy * fx
    source, step = row_window(volume, writeable=False)
    flat_target, target_step = row_window(target, writeable=True)
    rows = np.array(_row_offsets(step, factors), np.intp)
    common = (source, (fz * step[0], fy * step[1]), rows, fx, flat_target, target_step, target.shape)
    scratch = target.shape[-1] * (fx if fx > 2 else 1)
    shift = count.bit_length() - 1 if count & (count - 1) == 0 else -1
    if mode is DownsamplingMode.MAX:
        call(compiled.maximum, *common, np.empty(scratch, volume.dtype))
    elif mode is DownsamplingMode.MIN:
        call(compiled.minimum, *common, np.empty(scratch, volume.dtype))
    elif volume.dtype == np.float32:
        call(compiled.mean_of_float32, *common, np.empty(scratch, np.float64))
    elif volume.dtype == np.float64:
        call(compiled.mean_of_float64, *common, np.empty(target.shape[-1], np.float64))
    elif volume.itemsize == 8:
        one = volume.dtype.type
        call(compiled.mean_of_64_bit, *common, np.empty(scratch, one), np.empty(scratch, one), one(count), shift)
    else:
        wide = _accumulator(count, volume.dtype)
        call(compiled.mean_of_integers, *common, np.empty(scratch, wide), wide.type(count), shift)


def _row_offsets(step: tuple[int, ...], factors: Factors) -> tuple[int, ...]:
    """List where the rows of a block begin, relative to its first voxel: y faster than z."""
    return tuple(z * step[0] + y * step[1] for z in range(factors[0]) for y in range(factors[1]))


def _counter(count: int, itemsize: int) -> DTypeLike:
    """Choose the signed integer that counts to `count`, at least as wide as a voxel: lanes of one width are fast."""
    return next(np.dtype(f"i{size}") for size in (1, 2, 4, 8) if size >= itemsize and count < 1 << (8 * size - 1))


def _accumulator(count: int, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Choose the narrowest integer that holds `count` voxels of `dtype`, and half of `count` more, for rounding."""
    largest = count * (1 << (8 * dtype.itemsize)) if dtype.kind == "u" else count * (1 << (8 * dtype.itemsize - 1))
    bits = 8 if dtype.kind == "u" else 7
    return next(np.dtype(f"{dtype.kind}{size}") for size in (2, 4, 8) if largest <= 1 << (8 * (size - 1) + bits))


def _median_by_partition(volume: NDArray[Any], factors: Factors, target: NDArray[Any]) -> None:
    """Take the median of large blocks with numpy, one slice of the result at a time."""
    fz, fy, fx = factors
    depth, height, width = target.shape
    count = fz * fy * fx
    for z in range(depth):
        slices = volume[z * fz : (z + 1) * fz].reshape(fz, height, fy, width, fx)
        blocks = slices.transpose(1, 3, 0, 2, 4).reshape(height, width, count)
        ordered = np.partition(blocks, ((count - 1) // 2, count // 2), axis=-1)
        low, high = ordered[..., (count - 1) // 2], ordered[..., count // 2]
        if volume.dtype.kind == "f":
            middle = low * 0.5 + high * 0.5
            target[z] = np.where(np.isnan(blocks).any(axis=-1), np.nan, middle)
        else:
            odd = low ^ high
            floor = (low & high) + (odd >> 1)
            target[z] = floor + (odd & (floor < 0))
