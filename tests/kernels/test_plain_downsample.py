"""numpy's loops and the compiled ones give the same voxels and the same numbers; which of them runs is decided by cost."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.kernels import loading, statistics
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DTYPES, DownsamplingMode
from wk_assets.kernels.plain_downsample import downsample_plain, is_plain
from wk_assets.kernels.statistics import slice_statistics

INTEGERS = [dtype for dtype in DTYPES if dtype.kind in "ui"]
REDUCING = [mode for mode in DownsamplingMode if mode is not DownsamplingMode.NEAREST]


def values(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int, distinct: int) -> NDArray[Any]:
    """Return voxels with a few distinct values, the extremes of the dtype among them, or with any."""
    random = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    anything = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    few = np.array([0, 1, limits.max, limits.min, limits.max - 1, 3], dtype)[:distinct]
    return random.choice(few, shape) if distinct <= len(few) else anything


@pytest.mark.parametrize("mode", REDUCING)
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_numpy_and_the_compiled_kernels_give_the_same_voxels(dtype: np.dtype[Any], mode: DownsamplingMode) -> None:
    @settings(max_examples=12, deadline=None)
    @given(st.tuples(*[st.sampled_from([1, 2, 3, 4])] * 3), st.integers(0, 99), st.integers(1, 7))
    def law(factors: tuple[int, int, int], seed: int, distinct: int) -> None:
        if not is_plain(dtype, factors, mode) or factors == (1, 1, 1):
            return
        volume = values(dtype, (2 * factors[0], 3 * factors[1], 5 * factors[2]), seed, distinct)
        plain = np.empty((2, 3, 5), dtype)

        downsample_plain(volume, factors, mode, plain)

        assert np.array_equal(plain, downsample(volume, factors, mode))

    law()


def test_rows_that_do_not_fit_the_lanes_at_once_are_all_there() -> None:
    volume = values(np.dtype(np.uint8), (2, 300, 2000), 1, 7)
    plain = np.empty((1, 150, 1000), np.uint8)

    downsample_plain(volume, (2, 2, 2), DownsamplingMode.MAX, plain)

    assert np.array_equal(plain, volume.reshape(1, 2, 150, 2, 1000, 2).max((1, 3, 5)))


@pytest.mark.parametrize("extent", [(2, 3, 4, 5), (1, 2, 700, 300), (1, 1, 1, 70_000)])
@pytest.mark.parametrize("dtype", [dtype for dtype in INTEGERS if dtype.itemsize <= 4], ids=str)
def test_numpy_and_the_compiled_kernels_measure_the_same(
    dtype: np.dtype[Any], extent: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = np.iinfo(dtype)
    for slab in (values(dtype, extent, 1, 7), np.full(extent, limits.max, dtype), np.full(extent, limits.min, dtype)):
        monkeypatch.setattr(statistics, "compiled_pays", lambda *_: False)
        plain = slice_statistics(slab)
        monkeypatch.setattr(statistics, "compiled_pays", lambda *_: True)
        measured = slice_statistics(slab)

        for one, other in zip(
            (plain.minimum, plain.maximum, plain.total, plain.zeros, plain.nans, plain.count),
            (
                measured.minimum,
                measured.maximum,
                measured.total,
                measured.zeros,
                measured.nans,
                measured.count,
            ),
            strict=True,
        ):
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist()


PROGRAM = """
import sys
import numpy as np
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.loading import expect
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.kernels.statistics import slice_statistics
expect({expected})
slab = np.ones((1, 2, 64, 64), np.uint8)
for _ in range({times}):
    slice_statistics(slab)
    downsample(slab, (2, 2, 2), DownsamplingMode.MEDIAN)
sys.exit("numba" in sys.modules)
"""


@pytest.mark.parametrize(
    ("expected", "times", "loaded"),
    [(1 << 20, 10, False), (4 << 30, 1, True), (0, 1, False)],
    ids=["a small layer", "a large layer", "nobody said"],
)
def test_numba_is_loaded_when_it_is_worth_it(repository: Path, expected: int, times: int, *, loaded: bool) -> None:
    program = PROGRAM.format(expected=expected, times=times)

    assert bool(subprocess.run([sys.executable, "-c", program], cwd=repository, check=False).returncode) == loaded


def test_what_numpy_has_lost_adds_up_until_loading_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_lost_seconds", 0.0)
    monkeypatch.delitem(sys.modules, "wk_assets.kernels.compilation", raising=False)

    answers = [loading.compiled_pays(100 << 20, loading.DOWNSAMPLING_SECONDS_PER_BYTE) for _ in range(8)]

    assert answers == sorted(answers)
    assert answers[0] is False
    assert answers[-1] is True
