"""Laws of downsampling, for every dtype, mode and factor; errors and memory layouts. Golden values: `test_golden`."""

import itertools
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kernels.slow_reference import slow_downsample
from wk_assets.errors import DownsamplingError
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DTYPES, DownsamplingMode

Factors = tuple[int, int, int]

MODES = st.sampled_from(DownsamplingMode)
SMALL_FACTORS = st.tuples(*[st.integers(1, 4)] * 3)
# the first call of a kernel compiles it: no deadline
law = settings(deadline=None, max_examples=40)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def volumes(dtype: np.dtype[Any], factors: Factors, *, allow_nan: bool = False) -> st.SearchStrategy[NDArray[Any]]:
    """Draw (z, y, x) arrays of a few blocks, with few distinct values or any."""
    shapes = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5)).map(
        lambda blocks: tuple(n * factor for n, factor in zip(blocks, factors, strict=True))
    )
    if dtype.kind == "f":
        anything = st.floats(allow_nan=allow_nan, allow_infinity=False, width=32 if dtype.itemsize == 4 else 64)
        few: st.SearchStrategy[Any] = st.sampled_from([0.0, 1.5, -2.25, float("nan") if allow_nan else 3.0])
    else:
        limits = np.iinfo(dtype)
        anything = st.integers(int(limits.min), int(limits.max))
        few = st.sampled_from([0, 1, int(limits.max), int(limits.max) - 1, int(limits.min)])
    return st.one_of(*(hnp.arrays(dtype, shapes, elements=elements) for elements in (few, anything)))


@every_dtype
@law
@given(st.data(), MODES, st.tuples(*[st.sampled_from([1, 2, 3, 4, 8])] * 3))
def test_a_constant_block_stays_constant_for_every_factor(
    dtype: np.dtype[Any], data: st.DataObject, mode: DownsamplingMode, factors: Factors
) -> None:
    if dtype.kind == "f":
        value = data.draw(st.floats(allow_nan=False, width=32 if dtype.itemsize == 4 else 64))
    else:
        value = data.draw(st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)))
    block = np.full((factors[0], factors[1] * 2, factors[2] * 3), value, dtype)

    coarser = downsample(block, factors, mode)

    assert coarser.dtype == dtype
    assert coarser.shape == (1, 2, 3)
    assert (coarser == dtype.type(value)).all()


@pytest.mark.parametrize("mode", DownsamplingMode)
@pytest.mark.parametrize("label", [1, 2**53 + 1, 2**63, 2**64 - 1])
def test_a_large_block_of_one_large_label_keeps_it(label: int, mode: DownsamplingMode) -> None:
    """Another implementation counted votes in 8 bits: 512 voxels of one label came out as background."""
    block = np.full((8, 16, 24), label, np.uint64)

    assert (downsample(block, (8, 8, 8), mode) == np.uint64(label)).all()


@every_dtype
@law
@given(st.data(), MODES, SMALL_FACTORS)
def test_every_mode_is_what_its_definition_says(
    dtype: np.dtype[Any], data: st.DataObject, mode: DownsamplingMode, factors: Factors
) -> None:
    volume = data.draw(volumes(dtype, factors, allow_nan=mode is not DownsamplingMode.MEAN))

    coarser, expected = downsample(volume, factors, mode), slow_downsample(volume, factors, mode)

    if mode is DownsamplingMode.MEAN and dtype.kind == "f":
        # sums of floats are rounded, in float64, as often as there are voxels
        count = np.prod(factors)
        allowed = (
            np.finfo(dtype).eps * np.abs(volume).max() + 4 * count * np.finfo(np.float64).eps * np.abs(volume).max()
        )
        smallest = np.finfo(dtype).smallest_subnormal
        assert (np.abs(coarser / 2 - expected / 2) <= allowed + count * smallest).all()
    else:
        np.testing.assert_array_equal(coarser, expected)


@law
@given(st.data(), SMALL_FACTORS, SMALL_FACTORS)
@pytest.mark.parametrize("mode", [DownsamplingMode.MAX, DownsamplingMode.MIN])
def test_max_and_min_in_two_steps_are_those_in_one(
    mode: DownsamplingMode, data: st.DataObject, first: Factors, second: Factors
) -> None:
    both = (first[0] * second[0], first[1] * second[1], first[2] * second[2])
    dtype = np.dtype(data.draw(st.sampled_from(["uint8", "float32"])))
    volume = data.draw(volumes(dtype, both, allow_nan=True))

    in_two_steps = downsample(downsample(volume, first, mode), second, mode)

    np.testing.assert_array_equal(in_two_steps, downsample(volume, both, mode))


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 2, 2), (3, 1, 2), (4, 4, 4)], ids=str)
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_one_nan_makes_the_block_nan_except_where_it_is_only_one_vote(name: str, factors: Factors) -> None:
    volume = np.ones((factors[0], factors[1], factors[2] * 2), name)
    volume[-1, -1, -1] = np.nan

    for mode in (DownsamplingMode.MEDIAN, DownsamplingMode.MAX, DownsamplingMode.MIN, DownsamplingMode.MEAN):
        np.testing.assert_array_equal(downsample(volume, factors, mode), [[[1, np.nan]]])
    for mode in (DownsamplingMode.MODE, DownsamplingMode.NEAREST):
        np.testing.assert_array_equal(downsample(volume, factors, mode), [[[1, 1]]])


def test_every_nan_is_a_value_of_its_own() -> None:
    nan = np.nan

    assert downsample(np.array([[[nan, 3, nan, 3]]]), (1, 1, 4), DownsamplingMode.MODE) == 3
    assert np.isnan(downsample(np.array([[[nan, 3, nan, 4]]]), (1, 1, 4), DownsamplingMode.MODE)).all()


@pytest.mark.parametrize("mode", [DownsamplingMode.MEAN, DownsamplingMode.MEDIAN])
def test_voxels_near_the_end_of_the_range_do_not_overflow(mode: DownsamplingMode) -> None:
    large = np.finfo(np.float64).max
    volume = np.array([[[large, large, -large, large, -large, -large, large, -large]]])

    assert downsample(volume, (1, 1, 2), mode).tolist() == [[[large, 0, -large, 0]]]


def test_infinite_voxels_keep_their_sign() -> None:
    for mode in DownsamplingMode:
        assert (downsample(np.full((2, 2, 2), -np.inf, np.float32), (2, 2, 2), mode) == -np.inf).all()
        assert (downsample(np.full((2, 2, 2), np.inf), (2, 2, 2), mode) == np.inf).all()


def test_halves_of_a_mean_are_rounded_up_on_both_sides_of_zero() -> None:
    volume = np.array([[[2, 3, -3, -2, -1, 0, 127, 127]]], np.int8)

    assert downsample(volume, (1, 1, 2), DownsamplingMode.MEAN).tolist() == [[[3, -2, 0, 127]]]


def test_a_median_is_truncated_toward_zero_and_exact_in_64_bits() -> None:
    signed = np.array([[[-3, -2, -(2**63), -(2**63) + 1, 2**63 - 1, 2**63 - 2]]], np.int64)
    unsigned = np.array([[[2**60 + 1, 2**60 + 3, 2**64 - 1, 2**64 - 1]]], np.uint64)

    assert downsample(signed, (1, 1, 2), DownsamplingMode.MEDIAN).tolist() == [[[-2, -(2**63) + 1, 2**63 - 2]]]
    assert downsample(unsigned, (1, 1, 2), DownsamplingMode.MEDIAN).tolist() == [[[2**60 + 2, 2**64 - 1]]]


def test_ties_go_to_the_first_voxel_with_y_fastest_then_x_then_z() -> None:
    volume = np.zeros((2, 2, 2), np.uint32)
    for rank, (z, x, y) in enumerate(itertools.product(range(2), repeat=3)):
        volume[z, y, x] = rank // 2 + 1  # 1, 1, 2, 2, 3, 3, 4, 4 in the order of the vote

    for permuted in itertools.permutations([1, 2, 3, 4]):
        assert downsample(np.array([0, *permuted], np.uint32)[volume], (2, 2, 2), DownsamplingMode.MODE) == permuted[0]


@pytest.fixture
def volume() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 9, (8, 12, 16)).astype(np.uint16)


@pytest.mark.parametrize("mode", DownsamplingMode)
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 2, 2), (4, 2, 4)], ids=str)
class TestEveryLayoutOfMemoryGivesTheSameVoxels:
    def test_leading_axes_are_looped(
        self, volume: NDArray[np.uint16], factors: Factors, mode: DownsamplingMode
    ) -> None:
        once = downsample(volume, factors, mode)

        both = downsample(np.stack([volume, volume[::-1, ::-1, ::-1]])[None], factors, mode)

        assert both.shape == (1, 2, *once.shape)
        np.testing.assert_array_equal(both[0, 0], once)

    def test_sources_with_strides_of_any_kind(
        self, volume: NDArray[np.uint16], factors: Factors, mode: DownsamplingMode
    ) -> None:
        padded = np.zeros((9, 13, 18), np.uint16)
        padded[1:, 1:, 1:17] = volume
        read_only = volume.copy()
        read_only.flags.writeable = False
        spread = np.repeat(volume, 2, axis=2)
        unaligned = np.zeros(volume.nbytes + 1, np.uint8)[1:].view(np.uint16).reshape(volume.shape)
        unaligned[...] = volume

        expected = downsample(volume, factors, mode)

        for source in (padded[1:, 1:, 1:17], read_only, spread[..., ::2], np.asfortranarray(volume), unaligned):
            np.testing.assert_array_equal(downsample(source, factors, mode), expected)
        np.testing.assert_array_equal(
            downsample(volume[::-1, ::-1, ::-1], factors, mode),
            downsample(volume[::-1, ::-1, ::-1].copy(), factors, mode),
        )

    def test_results_go_into_views_and_nowhere_else(
        self, volume: NDArray[np.uint16], factors: Factors, mode: DownsamplingMode
    ) -> None:
        expected = downsample(volume, factors, mode)
        depth, height, width = expected.shape
        room = np.full((depth + 2, height + 2, 2 * width + 2), 77, np.uint16)

        for out in (room[1:-1, 1:-1, 1 : width + 1], room[-2:0:-1, 1:-1, 1 : 2 * width + 1 : 2]):
            room[...] = 77
            returned = downsample(volume, factors, mode, out)
            assert returned is out
            np.testing.assert_array_equal(out, expected)
            out[...] = 77
            assert (room == 77).all()

    def test_a_result_may_lie_on_its_source(
        self, volume: NDArray[np.uint16], factors: Factors, mode: DownsamplingMode
    ) -> None:
        expected = downsample(volume, factors, mode)
        depth, height, width = expected.shape

        on_itself = downsample(volume, factors, mode, volume[-depth:, -height:, -width:])

        np.testing.assert_array_equal(on_itself, expected)


def test_an_empty_block_gives_an_empty_result() -> None:
    assert downsample(np.zeros((2, 0, 4, 4), np.uint8), (2, 2, 2), DownsamplingMode.MODE).shape == (2, 0, 2, 2)


@pytest.mark.parametrize(
    ("block", "factors", "mode", "message"),
    [
        (np.zeros((3, 4, 4), np.uint8), (2, 2, 2), "mode", r"\(3, 4, 4\).*\(2, 2, 2\).*multiple"),
        (np.zeros((4, 4), np.uint8), (2, 2, 2), "mode", r"shape \(4, 4\); give an array"),
        (np.zeros((4, 4, 4), np.uint8), (2, 0, 2), "max", r"\(2, 0, 2\); give three integers"),
        (np.zeros((4, 4, 4), np.uint8), (2, 2), "max", r"\(2, 2\); give three integers"),
        (np.zeros((4, 4, 4), np.uint8), (2, 2.5, 2), "max", r"\(2, 2.5, 2\); give three integers"),
        (np.zeros((0, 0, 0), np.uint8), (512, 512, 512), "max", "134217728 voxels in one"),
        (np.zeros((4, 4, 4), np.float16), (2, 2, 2), "mean", "float16.*can be one of uint8"),
        (np.zeros((4, 4, 4), bool), (2, 2, 2), "mode", "bool"),
        (np.zeros((4, 4, 4), ">u2"), (2, 2, 2), "median", "native byte order"),
        (np.zeros((4, 4, 4), np.uint8), (2, 2, 2), "bicubic", "'bicubic'; it can be one of median, mode"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_no_kernel_computes_is_refused_with_the_value(block: Any, factors: Any, mode: Any, message: str) -> None:
    with pytest.raises(DownsamplingError, match=message):
        downsample(block, factors, mode)


@pytest.mark.parametrize("out", [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2, 2), np.uint16)], ids=["shape", "dtype"])
def test_an_array_for_the_result_that_does_not_fit_is_refused(out: NDArray[Any]) -> None:
    with pytest.raises(DownsamplingError, match=r"the result is uint8 \(2, 2, 2\)"):
        downsample(np.zeros((4, 4, 4), np.uint8), (2, 2, 2), DownsamplingMode.MAX, out)


def test_all_dtypes_are_tested() -> None:
    assert {dtype.name for dtype in DTYPES} == {
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        "float32",
        "float64",
    }
