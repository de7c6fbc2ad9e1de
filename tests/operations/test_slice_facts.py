"""What is seen of the parts of a slice, put together, is what is seen of the slice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_assets.kernels.statistics import slice_statistics
from wk_assets.operations.records.layer_record import SliceFact


def fact_of(voxels: np.ndarray[tuple[int, ...], np.dtype[np.generic]], digest: str | None = None) -> SliceFact:
    measured = slice_statistics(voxels[None, None])
    return SliceFact(
        z=3,
        minimum=measured.minimum[0].item(),
        maximum=measured.maximum[0].item(),
        total=int(measured.total[0]) if voxels.dtype.kind != "f" else float(measured.total[0]),
        zeros=int(measured.zeros[0]),
        nans=int(measured.nans[0]),
        count=int(measured.count[0]),
        file="a.tif" if digest else None,
        digest=digest,
    )


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int16", "uint64", "int64", "float32"]),
    seed=st.integers(0, 1000),
    cut=st.integers(1, 8),
    nan=st.sampled_from(["none", "some", "first", "all"]),
)
def test_two_parts_joined_are_the_whole(dtype: str, seed: int, cut: int, nan: str) -> None:
    kind = np.dtype(dtype)
    random = np.random.default_rng(seed)
    if kind.kind == "f":
        voxels = random.integers(-50, 50, (9, 7)).astype(kind)  # whole numbers: their sums are exact
        voxels[{"none": slice(0), "some": slice(2, 3), "first": slice(cut), "all": slice(None)}[nan]] = np.nan
    else:
        limits = np.iinfo(kind)
        voxels = random.integers(limits.min, limits.max, (9, 7), dtype=kind, endpoint=True)
        voxels[random.integers(0, 9)] = 0
    whole = fact_of(voxels, "xxh3_128:1")

    joined = fact_of(voxels[:cut], "xxh3_128:1").joined(fact_of(voxels[cut:]))
    turned = fact_of(voxels[cut:]).joined(fact_of(voxels[:cut], "xxh3_128:1"))

    for found in (joined, turned):
        assert found.model_dump(exclude={"minimum", "maximum"}) == whole.model_dump(exclude={"minimum", "maximum"})
        assert [found.minimum, found.maximum] == pytest.approx(
            [whole.minimum, whole.maximum], rel=0, abs=0, nan_ok=True
        )
        assert type(found.minimum) is type(whole.minimum)
