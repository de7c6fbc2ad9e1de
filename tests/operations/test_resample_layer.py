"""One mag made from another, tile by tile: equal to whole-array computation, whatever the tiles and whatever changed."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.operations.arrays import mag_by_mag
from tests.operations.memory_mag_array import MemoryMagArray
from wk_assets.errors import DownsamplingError, PlanError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.interpolation import downsampling_mode
from wk_assets.operations.passes.pyramid_plan import RESIDENT_BYTES
from wk_assets.operations.resampling.resample_layer import plan_downsampling, plan_upsampling, run_resampling

COMPUTE = Compute(threads=2)
TIGHT = Compute(
    threads=2, memory_bytes=256 << 20
)  # less than the interpreter itself: parts and tiles as small as can be
LADDERS = [("1", "2", "4"), ("1", "2-2-1", "4-4-2"), ("1", "4", "16"), ("2", "4-4-2"), ("1", "1-1-8"), ("1", "32")]


def labels(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Make few values, so that ties happen, and an empty region."""
    voxels = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
    voxels[..., shape[-3] // 2 :, :, :] = 0
    return voxels


def within(box: BoundingBox) -> tuple[Any, ...]:
    """Index a box in an array (..., x, y, z)."""
    return (..., *box.to_slices())


def downsampled(
    source: MemoryMagArray, box: BoundingBox, mags: tuple[Mag, Mag], mode: DownsamplingMode, **given: Any
) -> MemoryMagArray:
    """Make one coarser mag."""
    in_mag = box.align_with_mag(mags[1], ceil=True).in_mag(mags[1])
    leading = source.voxels.shape[:-3]
    options: dict[str, Any] = {"compute": COMPUTE, "fresh": True} | given
    target = MemoryMagArray((*leading, *in_mag.bottomright), source.voxels.dtype.name, axes=source.info.box.axes)
    run_resampling(
        plan_downsampling(
            source,
            target,
            source_mag=mags[0],
            target_mag=mags[1],
            layer_box=source.info.box.with_topleft_xyz(box.topleft).with_size_xyz(box.size),
            mode=mode,
            **options,
        )
    )
    return target


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    ladder=st.sampled_from(LADDERS),
    mode=st.sampled_from(list(DownsamplingMode)),
    dtype=st.sampled_from(["uint8", "int16", "uint64", "float32"]),
    compute=st.sampled_from([COMPUTE, TIGHT]),
    buffer=st.sampled_from([None, Vec3Int(3, 5, 7), Vec3Int(64, 1, 64)]),
)
def test_tiles_give_the_voxels_of_whole_arrays(
    data: st.DataObject,
    ladder: tuple[str, ...],
    mode: DownsamplingMode,
    dtype: str,
    compute: Compute,
    buffer: Vec3Int | None,
) -> None:
    mags = [Mag(name) for name in ladder]
    size = [data.draw(st.integers(1, 50)) for _ in range(3)]
    box = BoundingBox([data.draw(st.integers(0, 40)) for _ in range(3)], size)
    first = box.align_with_mag(mags[0], ceil=True).in_mag(mags[0])
    voxels = labels((data.draw(st.sampled_from([1, 3])), *first.size), dtype, data.draw(st.integers(0, 99)))
    aligned = box.align_with_mag(mags[0], ceil=True)
    expected = mag_by_mag(
        voxels.transpose(0, 3, 2, 1),
        first.topleft,
        [Mag(mag.to_vec3_int() // mags[0].to_vec3_int()) for mag in mags],
        mode,
    )

    source = MemoryMagArray.of(voxels, topleft=first.topleft.to_tuple())
    for number, step in enumerate(pairwise(mags), start=1):
        source = downsampled(source, aligned, step, mode, compute=compute, buffer_shape=buffer)

        inside = aligned.align_with_mag(step[1], ceil=True).in_mag(step[1])
        found = source.voxels[within(inside)].transpose(0, 3, 2, 1)
        np.testing.assert_array_equal(found, expected[number])
        outside = source.voxels.copy()
        outside[within(inside)] = 0
        assert not outside.any()


def test_every_place_of_additional_axes_is_made_for_itself() -> None:
    voxels = labels((3, 2, 1, 20, 12, 9), "uint16", 1)
    source = MemoryMagArray.of(voxels, axes=("t", "s", "c", "x", "y", "z"))
    box = BoundingBox((0, 0, 0), (20, 12, 9))

    target = downsampled(source, box, (Mag(1), Mag(2)), DownsamplingMode.MODE)

    for t in range(3):
        for s in range(2):
            alone = downsampled(MemoryMagArray.of(voxels[t, s]), box, (Mag(1), Mag(2)), DownsamplingMode.MODE)
            np.testing.assert_array_equal(target.voxels[t, s], alone.voxels)


def golden(shared_spec: Path) -> Any:
    return json.loads((shared_spec / "golden.json").read_text())


def _golden_result(case: Any, mode: DownsamplingMode, buffer: Vec3Int | None = None) -> NDArray[Any]:
    values = [np.nan if value is None else value for value in case["input"]]
    voxels = np.array(values, case["dtype"]).reshape((1, *case["shape"]), order="F")
    box = BoundingBox(case["topleft"], case["shape"])
    mags = list(dict.fromkeys([Mag(1), Mag(case["from_mag"]), Mag(case["target"])]))
    array = MemoryMagArray.of(voxels, topleft=tuple(case["topleft"]))
    for step in pairwise(mags):
        array = downsampled(array, box, step, mode, buffer_shape=buffer)
    inside = box.align_with_mag(mags[-1], ceil=True).in_mag(mags[-1])
    found: NDArray[Any] = array.voxels[within(inside)][0]
    return found


def _golden_expected(case: Any) -> NDArray[Any]:
    values = [np.nan if value is None else value for value in case["out"]]
    return np.array(values, case["dtype"]).reshape(case["out_shape"], order="F")


@pytest.mark.parametrize("buffer", [None, Vec3Int(2, 2, 2), Vec3Int(1, 1, 1)])
def test_every_layer_is_what_other_tools_make_of_it(shared_spec: Path, buffer: Vec3Int | None) -> None:
    cases = [case for case in golden(shared_spec)["layer"] if case["mode"] in {"median", "mode", "max", "min"}]
    for case in cases:
        mode = downsampling_mode(case["mode"], case["category"])
        np.testing.assert_array_equal(_golden_result(case, mode, buffer), _golden_expected(case), err_msg=str(case))
    assert len(cases) == 53


def test_nearest_and_bilinear_differ_from_other_tools_on_purpose(shared_spec: Path) -> None:
    """They sample whole tiles corner to corner, so that their voxels depend on the tiles; ours do not."""
    cases = [case for case in golden(shared_spec)["layer"] if case["mode"] in {"nearest", "bilinear"}]
    differing = 0
    for case in cases:
        mode = downsampling_mode(case["mode"], case["category"])
        ours = _golden_result(case, mode)
        for buffer in (Vec3Int(1, 1, 1), Vec3Int(2, 2, 2)):
            np.testing.assert_array_equal(_golden_result(case, mode, buffer), ours)
        # where a whole tile is one block, its first corner is the block's first voxel, for us as for them
        if case["mode"] == "nearest" and max(case["out_shape"]) == 1:
            np.testing.assert_array_equal(ours, _golden_expected(case))
        differing += not np.array_equal(ours, _golden_expected(case))
    assert differing > len(cases) // 2


def test_bilinear_is_the_mean_of_the_block() -> None:
    assert downsampling_mode("bilinear", "color") is DownsamplingMode.MEAN


@pytest.mark.parametrize(
    ("category", "mode"), [("color", DownsamplingMode.MEDIAN), ("segmentation", DownsamplingMode.MODE)]
)
def test_the_default_mode_follows_the_category(category: str, mode: DownsamplingMode) -> None:
    assert downsampling_mode("default", category) is mode


@pytest.mark.parametrize(("name", "remedy"), [("bicubic", "mean"), ("lanczos", "median, mode")])
def test_what_is_not_block_local_is_refused_with_what_helps(name: str, remedy: str) -> None:
    with pytest.raises(DownsamplingError, match=remedy):
        downsampling_mode(name, "color")


@settings(max_examples=40, deadline=None)
@given(data=st.data(), ladder=st.sampled_from(LADDERS), seed=st.integers(0, 99))
def test_redoing_the_shards_above_a_change_is_as_good_as_redoing_all(
    data: st.DataObject, ladder: tuple[str, ...], seed: int
) -> None:
    mags = [Mag(name) for name in ladder]
    box = BoundingBox(
        [data.draw(st.integers(0, 20)) for _ in range(3)], [data.draw(st.integers(1, 70)) for _ in range(3)]
    ).align_with_mag(mags[0], ceil=True)
    first = box.in_mag(mags[0])
    before = labels((1, *first.size), "uint8", seed)
    corner = Vec3Int([data.draw(st.integers(0, edge - 1)) for edge in first.size])
    extent = Vec3Int([data.draw(st.integers(1, edge - at)) for edge, at in zip(first.size, corner, strict=True)])
    changed = BoundingBox(first.topleft + corner, extent)
    after = before.copy()
    after[within(BoundingBox(corner, extent))] += 7
    mode = DownsamplingMode.MAX

    old = MemoryMagArray.of(before, topleft=first.topleft.to_tuple())
    new = MemoryMagArray.of(after, topleft=first.topleft.to_tuple())
    redone_source = new
    for step in pairwise(mags):
        old, new = downsampled(old, box, step, mode), downsampled(new, box, step, mode)
        redone = MemoryMagArray.of(old.voxels)
        plan = plan_downsampling(
            redone_source,
            redone,
            source_mag=step[0],
            target_mag=step[1],
            layer_box=redone.info.box.with_topleft_xyz(box.topleft).with_size_xyz(box.size),
            mode=mode,
            changed_in_source=changed,
            compute=COMPUTE,
        )
        run_resampling(plan)

        np.testing.assert_array_equal(redone.voxels, new.voxels)
        touched = {tuple(shard.topleft_xyz // 16) for shard in redone.written}
        grid = plan.changed_in_mag.align_with_mag(Vec3Int.full(16), ceil=True)
        assert touched == {tuple(cell.topleft // 16) for cell in grid.chunk((16, 16, 16))}
        assert [shard.topleft for shard in plan.shards] == sorted(
            (written.topleft for written in redone.written), key=[shard.topleft for shard in plan.shards].index
        )
        redone_source, changed = redone, plan.changed_in_mag


def test_a_change_outside_of_the_layer_writes_nothing() -> None:
    source = MemoryMagArray.of(labels((1, 30, 30, 30), "uint8", 0))
    target = downsampled(
        source,
        BoundingBox((0, 0, 0), (20, 20, 20)),
        (Mag(1), Mag(2)),
        DownsamplingMode.MEDIAN,
        changed_in_source=BoundingBox((25, 0, 0), (5, 5, 5)),
    )
    assert target.written == []


@settings(max_examples=30, deadline=None)
@given(
    data=st.data(),
    fine_and_coarse=st.sampled_from([("1", "2"), ("1", "4"), ("1", "16-8-1"), ("2-2-1", "4-4-2"), ("1", "1-1-4")]),
    compute=st.sampled_from([COMPUTE, TIGHT]),
)
def test_upsampling_repeats_every_voxel_for_any_factor(
    data: st.DataObject, fine_and_coarse: tuple[str, str], compute: Compute
) -> None:
    fine, coarse = (Mag(name) for name in fine_and_coarse)
    box = BoundingBox(
        [data.draw(st.integers(0, 30)) for _ in range(3)], [data.draw(st.integers(1, 40)) for _ in range(3)]
    )
    source_box = box.align_with_mag(coarse, ceil=True).in_mag(coarse)
    target_box = box.align_with_mag(fine, ceil=True).in_mag(fine)
    voxels = np.random.default_rng(3).integers(1, 200, (2, *source_box.size)).astype("uint8")
    source = MemoryMagArray.of(voxels, topleft=source_box.topleft.to_tuple())
    target = MemoryMagArray((2, *target_box.bottomright), "uint8")

    run_resampling(
        plan_upsampling(
            source,
            target,
            source_mag=coarse,
            target_mag=fine,
            layer_box=target.info.box.with_topleft_xyz(box.topleft).with_size_xyz(box.size),
            compute=compute,
        )
    )

    factors = coarse.to_vec3_int() // fine.to_vec3_int()
    whole = source.voxels
    for axis, factor in enumerate(factors, start=1):
        whole = np.repeat(whole, factor, axis=axis)
    inside = within(target_box)
    np.testing.assert_array_equal(target.voxels[inside], whole[inside])
    assert target.voxels[inside].all()


def test_upsampling_by_four_leaves_no_holes() -> None:
    source = MemoryMagArray.of(np.array([1, 2], "uint8").reshape(1, 2, 1, 1))
    target = MemoryMagArray((1, 8, 1, 1), "uint8")
    run_resampling(
        plan_upsampling(
            source, target, source_mag=Mag("4-1-1"), target_mag=Mag(1), layer_box=target.info.box, compute=COMPUTE
        )
    )
    assert target.voxels.ravel().tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(("source_mag", "target_mag"), [("2", "4-4-1"), ("4", "2")])
def test_mags_that_are_no_multiple_are_refused(source_mag: str, target_mag: str) -> None:
    array = MemoryMagArray((1, 8, 8, 8), "uint8")
    with pytest.raises(PlanError, match=f"{source_mag} and {target_mag}"):
        plan_downsampling(
            array,
            array,
            source_mag=Mag(source_mag),
            target_mag=Mag(target_mag),
            layer_box=array.info.box,
            mode=DownsamplingMode.MEDIAN,
        )


def test_shards_of_zeros_are_not_written_into_an_empty_mag_but_into_one_that_is_redone() -> None:
    voxels = np.zeros((1, 64, 32, 32), "uint8")
    voxels[:, :32] = 3
    source, box = MemoryMagArray.of(voxels), BoundingBox((0, 0, 0), (64, 32, 32))

    fresh = downsampled(source, box, (Mag(1), Mag(2)), DownsamplingMode.MEDIAN)
    redone = downsampled(source, box, (Mag(1), Mag(2)), DownsamplingMode.MEDIAN, fresh=False)

    assert len(fresh.written) == 1
    assert len(redone.written) == 2
    np.testing.assert_array_equal(fresh.voxels, redone.voxels)


def test_a_plan_says_what_will_be_written_and_its_memory_does_not_grow_with_the_layer() -> None:
    plans = []
    for depth in (512, 64_000):
        layer = MemoryMagArray((1, 1, 1, 1), "uint32")
        target = MemoryMagArray((1, 1, 1, 1), "uint32", chunk=32, shard=256)
        plans.append(
            plan_downsampling(
                layer,
                target,
                source_mag=Mag(1),
                target_mag=Mag(2),
                layer_box=layer.info.box.with_size_xyz((1000, 1024, depth)),
                mode=DownsamplingMode.MEDIAN,
                compute=Compute(threads=2, memory_bytes=1 << 30),
            ).tiles
        )
    small, large = plans
    assert (small.parts, small.raw_bytes) == (4, 500 * 512 * 256 * 4)
    assert large.peak_memory_bytes == small.peak_memory_bytes < 1 << 30
    assert small.part_shape == Vec3Int(256, 256, 256)


def test_a_small_layer_of_large_shards_takes_little_memory() -> None:
    layer = MemoryMagArray((1, 1, 1, 1), "uint64")
    target = MemoryMagArray((1, 1, 1, 1), "uint64", chunk=32, shard=1024)
    plan = plan_downsampling(
        layer,
        target,
        source_mag=Mag(1),
        target_mag=Mag(2),
        layer_box=layer.info.box.with_size_xyz((100, 90, 10)),
        mode=DownsamplingMode.MODE,
        compute=COMPUTE,
    )
    assert plan.tiles.peak_memory_bytes - RESIDENT_BYTES < 10 << 20


def test_shards_that_do_not_fit_the_memory_are_written_in_parts() -> None:
    voxels = labels((1, 130, 70, 60), "uint8", 5)
    source = MemoryMagArray.of(voxels, shard=128)
    target = downsampled(
        source, BoundingBox((0, 0, 0), (130, 70, 60)), (Mag(1), Mag(2)), DownsamplingMode.MEDIAN, compute=TIGHT
    )
    assert max(box.volume() for box in target.written) <= 8**3
    np.testing.assert_array_equal(
        target.voxels,
        downsampled(source, BoundingBox((0, 0, 0), (130, 70, 60)), (Mag(1), Mag(2)), DownsamplingMode.MEDIAN).voxels,
    )


def test_a_tile_is_no_larger_than_the_caller_says() -> None:
    source = MemoryMagArray.of(labels((1, 64, 64, 64), "uint8", 5))
    box = BoundingBox((0, 0, 0), (64, 64, 64))
    downsampled(source, box, (Mag(1), Mag(2)), DownsamplingMode.MEDIAN, buffer_shape=Vec3Int(8, 4, 2))
    assert source.largest_read == 8 * 4 * 2 * 8


def test_a_copy_keeps_every_voxel_and_refuses_another_type() -> None:
    voxels = labels((2, 3, 40, 30, 20), "uint64", 4) + np.uint64(2**63)
    source = MemoryMagArray.of(voxels, axes=("t", "c", "x", "y", "z"))
    target = MemoryMagArray(voxels.shape, "uint64", axes=("t", "c", "x", "y", "z"), chunk=16, shard=32)

    copy_mag(source, target, source.info.box, compute=COMPUTE)

    np.testing.assert_array_equal(target.voxels, voxels)
    with pytest.raises(PlanError, match=r"uint64.*uint8"):
        copy_mag(source, MemoryMagArray(voxels.shape, "uint8", axes=("t", "c", "x", "y", "z")), source.info.box)
