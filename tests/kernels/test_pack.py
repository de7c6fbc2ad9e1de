"""Chunks are cut out of a slab as its definition says, wherever the layer's voxels lie in it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.errors import DownsamplingError
from wk_assets.kernels.modes import DTYPES
from wk_assets.kernels.pack import pack_chunks

Range = tuple[int, int]


def packed_slowly(
    slab: NDArray[Any], corner: tuple[int, int, int], valid: tuple[Range, Range, Range], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Pack voxel by voxel."""
    out = np.zeros(shape, slab.dtype)
    for i, c, z, y, x in np.ndindex(*shape):
        place = (corner[0] + z, corner[1] + y, corner[2] + i * shape[4] + x)
        if all(start <= at < stop for at, (start, stop) in zip(place, valid, strict=True)):
            out[i, c, z, y, x] = slab[(c, *place)]
    return out


def ranges(lowest: int, highest: int) -> st.SearchStrategy[Range]:
    return st.tuples(st.integers(lowest, highest), st.integers(lowest, highest)).map(
        lambda ends: (min(ends), max(ends))
    )


@given(data=st.data())
@settings(max_examples=40)
def test_chunks_hold_the_voxels_of_the_layer_and_zeros(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    count, channels, *chunk = (data.draw(st.integers(1, most)) for most in (3, 2, 3, 3, 5))
    cz, cy, cx = chunk
    first = data.draw(st.integers(0, 2))
    depth, height, width = cz + 2, cy + 2, (first + count) * cx
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    slab = random.integers(0, 2, (channels, depth, height, width)).astype(dtype)
    slab[..., : data.draw(st.integers(0, width))] = 0
    corner = (data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2)), first * cx)
    valid = (
        data.draw(ranges(-3, depth)),
        data.draw(ranges(-3, height)),
        data.draw(ranges(-3, width + 3)),
    )
    out = np.full((count, channels, cz, cy, cx), 7, dtype)
    used = np.zeros(count, np.bool_)

    pack_chunks(slab, corner, valid, out, used)

    expected = packed_slowly(slab, corner, valid, out.shape)
    assert np.array_equal(out, expected)
    assert used.tolist() == [bool(chunk.any()) for chunk in expected]


def test_a_chunk_of_negative_zeros_is_used() -> None:
    slab = np.full((1, 2, 2, 4), -0.0)
    used = np.zeros(2, np.bool_)

    pack_chunks(slab, (0, 0, 0), ((0, 2), (0, 2), (0, 2)), np.empty((2, 1, 2, 2, 2)), used)

    assert used.tolist() == [True, False]


def test_a_run_that_reaches_beyond_the_slab_is_refused() -> None:
    slab = np.zeros((1, 2, 2, 4), np.uint8)
    with pytest.raises(DownsamplingError, match="from x 2 on"):
        pack_chunks(
            slab,
            (0, 0, 2),
            ((0, 2), (0, 2), (0, 4)),
            np.empty((2, 1, 2, 2, 2), np.uint8),
            np.zeros(2, np.bool_),
        )
