"""Voxel by voxel what WEBKNOSSOS' own tools computed: outputs of another implementation, kept as data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.kernels.border import symmetric_indices
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode

LOCAL = {DownsamplingMode.MEDIAN, DownsamplingMode.MODE, DownsamplingMode.MAX, DownsamplingMode.MIN}


@pytest.fixture(scope="module")
def golden(shared_spec: Path) -> Any:
    """Read the cases; arrays are flattened with x fastest, null is NaN."""
    return json.loads((shared_spec / "golden.json").read_text())


# one dtype per test: each compiles its kernels where they are not in the cache
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32"])
def test_every_cube_is_equal(golden: Any, dtype: str) -> None:
    compared = 0
    for case in golden["cube"]:
        if case["dtype"] != dtype:
            continue
        volume = _array(case["input"], case["shape"], case["dtype"])
        factors = _zyx(case["factors"])
        coarser_shape = [length // factor for length, factor in zip(case["shape"], case["factors"], strict=True)]
        for mode in LOCAL & set(case["out"]):
            expected = _array(case["out"][mode], coarser_shape, case["dtype"])
            np.testing.assert_array_equal(downsample(volume, factors, mode), expected, err_msg=f"{mode} {case}")
            compared += 1
    assert compared == 4 * 6


def test_no_dtype_of_a_cube_is_left_out(golden: Any) -> None:
    assert len(golden["cube"]) == 8 * 6


def test_every_layer_is_equal_with_its_border_mirrored(golden: Any) -> None:
    cases = [case for case in golden["layer"] if case["mode"] in LOCAL]
    for case in cases:
        mode, box = DownsamplingMode(case["mode"]), (case["topleft"], case["shape"])
        # the array of a mag begins at the layer's box, aligned outward to that mag
        volume, mag = _array(case["input"], case["shape"], case["dtype"]), [1, 1, 1]
        for next_mag in [_mag(case["from_mag"]), _mag(case["target"])]:
            if next_mag != mag:
                volume, mag = _next_mag(volume, box, mag, next_mag, mode), next_mag
        expected = _array(case["out"], case["out_shape"], case["dtype"])
        np.testing.assert_array_equal(volume, expected, err_msg=str(case))
    assert len(cases) == 53


def _next_mag(
    volume: NDArray[Any], box: tuple[list[int], list[int]], mag: list[int], next_mag: list[int], mode: DownsamplingMode
) -> NDArray[Any]:
    """Downsample the whole array of a mag; `box` is the layer's topleft and size in mag 1, x, y, z."""
    for axis in range(3):
        topleft, bottomright = box[0][axis], box[0][axis] + box[1][axis]
        factor = next_mag[axis] // mag[axis]
        valid = topleft // mag[axis], -(-bottomright // mag[axis])
        wanted = topleft // next_mag[axis] * factor, -(-bottomright // next_mag[axis]) * factor
        volume = volume.take(symmetric_indices(*wanted, *valid) - valid[0], axis=2 - axis)
    x, y, z = (coarse // fine for fine, coarse in zip(mag, next_mag, strict=True))
    return downsample(volume, (z, y, x), mode)


def _mag(name: str) -> list[int]:
    return [int(part) for part in name.split("-")] * (1 if "-" in name else 3)


def _zyx(xyz: list[int]) -> tuple[int, int, int]:
    x, y, z = xyz
    return z, y, x


def _array(flat: list[Any], shape_xyz: list[int], dtype: str) -> NDArray[Any]:
    return np.array([np.nan if value is None else value for value in flat], dtype).reshape(_zyx(shape_xyz))
