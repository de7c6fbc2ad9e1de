"""A plan fits its budget at any width, height, depth, element type and shard shape, or says what it needs."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wk_assets.errors import PlanError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.compute import GIBIBYTE
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import RESIDENT_BYTES, LevelPlan, PyramidPlan, plan_pyramid
from wk_assets.readers.volume import RowAccess
from wk_assets.storage.array_layout import Layout

LADDERS = (("1", "2", "4", "8"), ("1", "2-2-1", "4-4-1", "8-8-2"), ("1", "16"), ("1",))


def plan_of(
    size: tuple[int, int, int],
    dtype: str = "uint8",
    *,
    channels: int = 1,
    shard: tuple[int, int, int] = (256, 256, 256),
    mags: tuple[str, ...] = LADDERS[0],
    topleft: tuple[int, int, int] = (0, 0, 0),
) -> PyramidPlan:
    return plan_pyramid(
        box=BoundingBox(topleft, size),
        mags=[Mag(mag) for mag in mags],
        stored=[True] * len(mags),
        layout=Layout.OME,
        channels=channels,
        dtype=np.dtype(dtype),
        chunk_shape=Vec3Int(32, 32, 32),
        shard_shape=Vec3Int(shard),
        zstd_level=3,
    )


def test_the_memory_of_a_plan_does_not_grow_with_the_number_of_slices() -> None:
    short, long = (fit_memory(plan_of((2048, 2048, depth)), threads=2, budget_bytes=GIBIBYTE) for depth in (64, 64_000))
    assert short == long
    assert short.prefetch


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 100_000),
    height=st.integers(1, 100_000),
    dtype=st.sampled_from(["uint8", "uint16", "uint64"]),
    channels=st.sampled_from([1, 3]),
    shard=st.sampled_from([(256, 256, 256), (1024, 1024, 1024), (32, 4096, 32), (8192, 32, 64)]),
    mags=st.sampled_from(LADDERS),
    access=st.sampled_from([None, RowAccess(held_bytes=4 << 20), RowAccess(unit=512, held_bytes=8 << 20)]),
    threads=st.sampled_from([1, 2, 16]),
)
@example(100_000, 100_000, "uint64", 1, (256, 256, 256), LADDERS[0], None, 2)
@example(100_000, 100_000, "uint64", 3, (1024, 1024, 1024), LADDERS[0], RowAccess(unit=512, held_bytes=8 << 20), 16)
@example(100_000, 300, "uint8", 1, (1024, 1024, 1024), LADDERS[1], RowAccess(unit=256, held_bytes=1 << 20), 2)
def test_slices_of_any_shape_fit_the_default_budget(
    width: int,
    height: int,
    dtype: str,
    channels: int,
    shard: tuple[int, int, int],
    mags: tuple[str, ...],
    access: RowAccess | None,
    threads: int,
) -> None:
    plan = plan_of((width, height, 1000), dtype, channels=channels, shard=shard, mags=mags)
    memory = fit_memory(plan, threads=threads, budget_bytes=GIBIBYTE, access=access)

    assert RESIDENT_BYTES < memory.peak_bytes <= GIBIBYTE
    assert memory.spooled == tuple(sorted(memory.spooled, reverse=True))
    assert 1 <= memory.load_workers <= threads
    assert 1 <= memory.row_workers <= threads
    held = sum(level.buffer_bytes for level, out in zip(plan.levels, memory.spooled, strict=True) if not out)
    assert held + RESIDENT_BYTES <= memory.peak_bytes
    if memory.load_rows and access is not None:
        row_bytes = channels * width * np.dtype(dtype).itemsize
        loading = memory.load_workers * (memory.load_rows * row_bytes + access.held_bytes)
        assert held + RESIDENT_BYTES + loading <= memory.peak_bytes
        assert memory.load_rows % access.unit == 0 or memory.load_rows < access.unit or memory.load_rows == height


def test_a_larger_budget_is_never_used_for_a_slower_way() -> None:
    plan = plan_of((30_000, 20_000, 500), "uint16")
    found = [fit_memory(plan, threads=2, budget_bytes=gib << 30, access=RowAccess()) for gib in (1, 2, 4, 16, 64, 200)]
    assert [sum(memory.spooled) for memory in found] == sorted((sum(memory.spooled) for memory in found), reverse=True)
    assert found[-1].prefetch


def test_strips_and_tiles_are_decoded_once_where_a_row_of_them_fits() -> None:
    plan = plan_of((100_000, 100_000, 40))
    fits = fit_memory(plan, threads=1, budget_bytes=GIBIBYTE, access=RowAccess(unit=512, held_bytes=1 << 20))
    cut = fit_memory(plan, threads=1, budget_bytes=GIBIBYTE, access=RowAccess(unit=16_384, held_bytes=1 << 20))
    assert fits.load_rows % 512 == 0
    assert 0 < cut.load_rows < 16_384
    assert 16_384 % cut.load_rows < cut.load_rows  # an even part of them: the last window is not a sliver


def test_what_can_not_be_cut_is_refused_with_the_figure_the_reason_and_the_remedy() -> None:
    access = RowAccess(
        held_bytes=3 << 30, in_order=True, reason="a PNG can only be decoded whole; save its slices as TIFF"
    )
    with pytest.raises(PlanError) as caught:
        fit_memory(plan_of((30_000, 30_000, 100)), threads=2, budget_bytes=GIBIBYTE, access=access)
    text = str(caught.value)
    assert "slices of 30000 x 30000 voxels (1 x uint8) need 33" in text
    assert (
        "the budget is 1024 MiB. Raise `compute.memory`; a PNG can only be decoded whole; save its slices as TIFF"
        in text
    )
    enough = fit_memory(plan_of((30_000, 30_000, 100)), threads=2, budget_bytes=4 * GIBIBYTE, access=access)
    assert enough.peak_bytes <= 4 * GIBIBYTE


@settings(max_examples=60, deadline=None)
@given(
    left=st.integers(0, 5000),
    width=st.integers(1, 20_000),
    columns=st.integers(0, 5000),
    mags=st.sampled_from(LADDERS),
    shard=st.sampled_from([(256, 256, 256), (32, 32, 32), (4096, 32, 64)]),
)
@example(left=70, width=300, columns=0, mags=LADDERS[0], shard=(256, 256, 256))
def test_windows_cover_every_column_once_and_cut_no_chunk_and_no_block(
    left: int, width: int, columns: int, mags: tuple[str, ...], shard: tuple[int, int, int]
) -> None:
    for level in plan_of((width, 50, 100), mags=mags, shard=shard, topleft=(left, 0, 0)).levels:
        windows = level.windows(columns)
        assert [start for start, _ in windows] == [0, *(stop for _, stop in windows[:-1])]
        assert windows[-1][1] == level.buffer_shape[3]
        assert all(start < stop for start, stop in windows)
        for start, _ in windows[1:]:
            assert_allowed(level, start + level.origin_x)
        if not columns:
            assert len(windows) == 1


def assert_allowed(level: LevelPlan, cut: int) -> None:
    assert cut % 32 == 0
    assert level.factors is None or cut % level.factors.x == 0
    if level.buffer_shape[1] > 32 or level.row_step > 32:  # several rows of chunks per task: shards must not be cut
        assert cut % level.layout.shard_shape.x == 0
