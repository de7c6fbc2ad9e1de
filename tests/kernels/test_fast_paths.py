"""A fast path skips work whose result is known: rows in registers, lanes and numpy's partition agree voxel by voxel."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_assets.kernels import downsample as dispatch
from wk_assets.kernels.modes import DTYPES, DownsamplingMode
from wk_assets.kernels.sorting_network import median_network

Factors = tuple[int, int, int]

IN_ROWS = [(1, 1, 2), (1, 2, 1), (2, 1, 1), (2, 2, 1), (4, 1, 1), (1, 4, 1), (1, 2, 2), (2, 1, 2), (2, 2, 2), (4, 1, 2)]


def noise(dtype: np.dtype[Any], factors: Factors, distinct: int) -> NDArray[Any]:
    """Make blocks that are wider than one group of lanes, with ties, extremes and, of floats, NaN."""
    random = np.random.default_rng(distinct)
    shape = (3 * factors[0], 5 * factors[1], 333 * factors[2])
    if dtype.kind == "f":
        values = np.concatenate([[np.nan, np.inf, -0.0], random.normal(size=distinct)]).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        some = random.integers(limits.min, limits.max, distinct, dtype, endpoint=True)
        values = np.concatenate([some, np.array([limits.min, limits.max, 0], dtype)])
    return values[random.integers(0, len(values), shape)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_medians_in_rows_are_those_in_lanes(dtype: np.dtype[Any]) -> None:
    from wk_assets.kernels import compiled_median

    for factors in IN_ROWS:
        volume = noise(dtype, factors, 5)
        in_rows = dispatch.downsample(volume, factors, DownsamplingMode.MEDIAN)

        in_lanes = np.empty_like(in_rows)
        network = median_network(int(np.prod(factors)))
        dispatch._select_in_lanes(compiled_median.median_of_lanes, volume, factors, in_lanes, network)

        np.testing.assert_array_equal(in_rows, in_lanes, err_msg=str(factors))


@pytest.mark.parametrize("name", ["uint8", "uint16", "uint32", "uint64", "float32", "float64"])
def test_modes_in_rows_are_those_in_lanes(name: str) -> None:
    from wk_assets.kernels import compiled_mode

    for factors in IN_ROWS:
        volume = noise(np.dtype(name), factors, 2)
        in_rows = dispatch.downsample(volume, factors, DownsamplingMode.MODE)

        in_lanes = np.empty_like(in_rows)
        counter = np.empty(0, dispatch._counter(8, volume.itemsize))
        dispatch._select_in_lanes(compiled_mode.mode_of_lanes, volume, factors, in_lanes, counter)

        np.testing.assert_array_equal(in_rows, in_lanes, err_msg=str(factors))


@pytest.mark.parametrize("factors", [(4, 4, 4), (3, 5, 7), (8, 8, 8)], ids=str)
@pytest.mark.parametrize("name", ["uint8", "int64", "float32"])
def test_medians_in_lanes_are_those_by_partition(name: str, factors: Factors) -> None:
    volume = noise(np.dtype(name), factors, 50)
    in_lanes = dispatch.downsample(volume, factors, DownsamplingMode.MEDIAN)

    by_partition = np.empty_like(in_lanes)
    with np.errstate(invalid="ignore"):
        dispatch._median_by_partition(volume, factors, by_partition)

    np.testing.assert_array_equal(in_lanes, by_partition)


@pytest.mark.parametrize("name", ["uint8", "uint32"])
@pytest.mark.parametrize("distinct", [1, 3, 200])
@pytest.mark.parametrize("factors", [(1, 3, 5), (4, 4, 4), (5, 5, 6), (8, 8, 8)], ids=str)
def test_a_mode_without_majority_is_counted_right(name: str, distinct: int, factors: Factors) -> None:
    labels = np.random.default_rng(distinct).integers(0, distinct + 1, (2 * factors[0], factors[1], 9 * factors[2]))
    # some blocks are of one label, some not: both ways of counting take part in one group
    labels[: factors[0], :, : 4 * factors[2]] = 7
    volume = labels.astype(name)

    modes = dispatch.downsample(volume, factors, DownsamplingMode.MODE)

    z, y, x = factors
    blocks = volume.reshape(2, z, y, 9, x).transpose(0, 3, 1, 4, 2).reshape(2, 9, z * y * x)
    for block, mode in zip(blocks.reshape(18, -1), modes.reshape(18), strict=True):
        values, first, votes = np.unique(block, return_index=True, return_counts=True)
        assert mode == values[np.lexsort((first, -votes))[0]]


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 100, 512])
def test_a_network_brings_the_middle_to_the_middle(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 30, (count, 50))
    in_order = values.copy()

    for i, j in median_network(count):
        in_order[[i, j]] = np.minimum(in_order[i], in_order[j]), np.maximum(in_order[i], in_order[j])

    expected = np.sort(values, axis=0)
    for middle in {(count - 1) // 2, count // 2}:
        assert in_order[middle].tolist() == expected[middle].tolist()
