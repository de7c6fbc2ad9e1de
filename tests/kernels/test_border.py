import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.border import symmetric_indices


@given(st.integers(-50, 50), st.integers(1, 9), st.integers(0, 30), st.integers(0, 30))
def test_a_mirrored_index_is_the_one_that_numpy_pads_with(
    valid_start: int, extent: int, before: int, after: int
) -> None:
    valid = np.arange(valid_start, valid_start + extent)

    indices = symmetric_indices(valid_start - before, valid_start + extent + after, valid_start, valid_start + extent)

    assert indices.dtype == np.intp
    assert indices.tolist() == np.pad(valid, (before, after), mode="symmetric").tolist()


@given(st.integers(-20, 20), st.integers(0, 9))
def test_an_index_inside_of_the_valid_range_stays(start: int, length: int) -> None:
    indices = symmetric_indices(start, start + length, start - 3, start + length + 1)

    assert indices.tolist() == list(range(start, start + length))


def test_a_range_without_voxels_can_not_be_mirrored() -> None:
    with pytest.raises(DownsamplingError, match=r"\[4, 4\) holds no voxel"):
        symmetric_indices(0, 8, 4, 4)


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(DownsamplingError, match="runs backwards"):
        symmetric_indices(8, 0, 0, 4)
