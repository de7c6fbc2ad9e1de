import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.modes import DTYPES
from wk_assets.kernels.statistics import histogram, slice_statistics


def slab_of(dtype: np.dtype[Any], *, width: int = 70) -> NDArray[Any]:
    random = np.random.default_rng(3)
    shape = (2, 3, 5, width)
    if dtype.kind == "f":
        slab = random.normal(size=shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        slab = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    slab[0, 1, :2] = 0
    return slab


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_slice_is_measured_over_all_of_its_channels(dtype: np.dtype[Any]) -> None:
    slab = slab_of(dtype)

    measured = slice_statistics(slab)

    for z in range(3):
        voxels = slab[:, z].ravel()
        assert (measured.minimum[z], measured.maximum[z]) == (voxels.min(), voxels.max())
        assert measured.minimum.dtype == measured.maximum.dtype == dtype
        assert measured.zeros[z] == np.count_nonzero(voxels == 0)
        assert (measured.nans[z], measured.count[z]) == (0, voxels.size)
        if dtype.kind == "f":
            assert measured.total[z] == pytest.approx(sum(voxels.tolist()), rel=1e-12)
        else:
            assert int(measured.total[z]) == sum(voxels.tolist())


@pytest.mark.parametrize("name", ["uint32", "uint64", "int64"])
def test_totals_of_extremes_are_exact(name: str) -> None:
    for extreme in (np.iinfo(name).min, np.iinfo(name).max):
        slab = np.full((1, 2, 30, 40), extreme, name)

        assert [int(total) for total in slice_statistics(slab).total] == [int(extreme) * 1200] * 2


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_nan_is_counted_and_otherwise_ignored(name: str) -> None:
    slab = np.array([[[[np.nan, 2, -1, 0]], [[np.nan] * 4], [[np.inf, 1, -np.inf, np.nan]]]], name)

    measured = slice_statistics(slab)

    assert measured.nans.tolist() == [1, 4, 1]
    assert measured.zeros.tolist() == [1, 0, 0]
    assert measured.count.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(measured.minimum, np.array([-1, np.nan, -np.inf], name))
    np.testing.assert_array_equal(measured.maximum, np.array([2, np.nan, np.inf], name))
    np.testing.assert_array_equal(measured.total, [1, 0, np.nan])


@pytest.mark.parametrize("name", ["uint8", "int64", "float32"])
def test_any_layout_of_memory_is_measured_alike(name: str) -> None:
    slab = slab_of(np.dtype(name))
    wide = np.zeros((4, 5, 7, 90), name)
    wide[1:3, 1:4, 1:6, 10:80] = slab
    read_only = slab.copy()
    read_only.flags.writeable = False
    expected = slice_statistics(slab)

    for layout in (wide[1:3, 1:4, 1:6, 10:80], read_only, np.asfortranarray(slab)):
        measured = slice_statistics(layout)
        assert measured.minimum.tolist() == expected.minimum.tolist()
        assert measured.maximum.tolist() == expected.maximum.tolist()
        assert measured.total.tolist() == expected.total.tolist()
        assert measured.zeros.tolist() == expected.zeros.tolist()


def test_no_slices_have_no_numbers() -> None:
    assert slice_statistics(np.zeros((1, 0, 4, 4), np.uint8)).total.shape == (0,)


@pytest.mark.parametrize(
    ("slab", "message"),
    [
        (np.zeros((3, 4, 4), np.uint8), r"shape \(3, 4, 4\); give \(c, z, y, x\)"),
        (np.zeros((1, 3, 0, 4), np.uint8), "at least one voxel per slice"),
        (np.zeros((1, 3, 4, 4), np.float16), "float16"),
        (np.zeros((1, 3, 4, 4), ">u2"), "native order"),
    ],
)
def test_what_can_not_be_measured_is_refused(slab: NDArray[Any], message: str) -> None:
    with pytest.raises(DownsamplingError, match=message):
        slice_statistics(slab)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")) | st.just(float("inf"))), st.integers(1, 20))
def test_a_histogram_counts_every_finite_value_once(values: list[float], bin_count: int) -> None:
    array = np.array(values, np.float64)

    counts, edges = histogram(array, bin_count)

    assert counts.shape == (bin_count,)
    assert edges.shape == (bin_count + 1,)
    assert counts.sum() == np.isfinite(array).sum()
    assert all(low < high for low, high in itertools.pairwise(edges))


@pytest.mark.parametrize("name", ["uint8", "int16", "uint32", "float32"])
def test_a_histogram_is_that_of_numpy(name: str) -> None:
    values = np.random.default_rng(1).integers(0, 120, (3, 40, 50)).astype(name)

    counts, edges = histogram(values, 16)

    expected, expected_edges = np.histogram(values.astype(np.float64), 16)
    assert counts.tolist() == expected.tolist()
    assert edges.tolist() == expected_edges.tolist()


def test_a_histogram_needs_a_bin() -> None:
    with pytest.raises(DownsamplingError, match="number of bins is 0"):
        histogram(np.zeros(3), 0)
