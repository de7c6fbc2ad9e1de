"""Downsampling as its definition reads, in exact Python numbers: what the kernels are compared with. No tests here."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.kernels.modes import DownsamplingMode


def blocks_of(array: NDArray[Any], factors_zyx: tuple[int, int, int]) -> list[list[Any]]:
    """List the blocks of a (z, y, x) array, each a list of Python numbers, y fastest, then x, then z."""
    fz, fy, fx = factors_zyx
    depth, height, width = (length // factor for length, factor in zip(array.shape, factors_zyx, strict=True))
    return [
        [array[z * fz + i, y * fy + k, x * fx + j].item() for i in range(fz) for j in range(fx) for k in range(fy)]
        for z in range(depth)
        for y in range(height)
        for x in range(width)
    ]


def slow_downsample(array: NDArray[Any], factors_zyx: tuple[int, int, int], mode: DownsamplingMode) -> NDArray[Any]:
    """Downsample a (z, y, x) array, block by block."""
    shape = tuple(length // factor for length, factor in zip(array.shape, factors_zyx, strict=True))
    reduced = [_reduce(block, mode) for block in blocks_of(array, factors_zyx)]
    if array.dtype.kind == "f":
        return np.array([_rounded(value, array.dtype) for value in reduced], array.dtype).reshape(shape)
    return np.array([int(value) for value in reduced], array.dtype).reshape(shape)


def _reduce(block: list[Any], mode: DownsamplingMode) -> Any:
    is_float = isinstance(block[0], float)
    if mode is DownsamplingMode.NEAREST:
        return block[0]
    if mode is DownsamplingMode.MODE:
        # max returns the first of equals; a NaN equals nothing, but is there once
        return max(block, key=lambda value: max(1, sum(other == value for other in block)))
    if is_float and any(math.isnan(value) for value in block):
        return math.nan
    ordered = sorted(block)
    if mode is DownsamplingMode.MAX:
        return ordered[-1]
    if mode is DownsamplingMode.MIN:
        return ordered[0]
    if mode is DownsamplingMode.MEDIAN:
        middle = (Fraction(ordered[(len(block) - 1) // 2]) + Fraction(ordered[len(block) // 2])) / 2
        return middle if is_float else math.trunc(middle)
    mean = sum(map(Fraction, block)) / len(block)
    return mean if is_float else math.floor(mean + Fraction(1, 2))


def _rounded(value: Any, dtype: np.dtype[Any]) -> Any:
    return dtype.type(float(value))
