"""One pass against mag-by-mag computation, and against itself after an interruption."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.operations.arrays import ArraySource, mag_by_mag
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.passes.engine import Engine, PassResult
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import MemoryPlan, PyramidPlan, plan_pyramid
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.stored_array import StoredArray

LADDERS = {
    "isotropic": ("1", "2", "4", "8"),
    "anisotropic": ("1", "2-2-1", "4-4-2", "8-8-4"),
    "jumps": ("1", "4", "16"),
    "one big jump": ("1", "32"),
    "z later": ("1", "4-4-1", "4-4-4"),
    "uneven jumps": ("1", "4-4-1", "8-8-8"),
    "16 at a time": ("1", "16", "64"),
    "one axis at a time": ("1", "1-1-8", "1-8-8", "16-8-8"),
}


WAYS = ["two buffers", "one buffer", "1 spooled", "2 spooled", "9 spooled", "0 windows", "1 windows", "9 windows"]


def volume(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Make few values, so that ties happen, and empty regions, so that chunks and shards are left out."""
    voxels = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
    voxels[:, :, shape[2] // 3 :, shape[3] // 2 :] = 0
    return voxels


def plan_of(
    voxels: NDArray[Any], topleft: Vec3Int, mags: list[Mag], layout: Layout, chunk: int, shard: int
) -> PyramidPlan:
    channels, depth, height, width = voxels.shape
    return plan_pyramid(
        box=BoundingBox(topleft, (width, height, depth)),
        mags=mags,
        stored=[True] * len(mags),
        layout=layout,
        channels=channels,
        dtype=voxels.dtype,
        chunk_shape=Vec3Int(chunk, chunk, chunk),
        shard_shape=Vec3Int(shard, shard, shard),
        zstd_level=1,
    )


IN_MEMORY = 4 << 30


def memory_of(plan: PyramidPlan, way: str) -> MemoryPlan:
    """Hold slabs in two buffers, in one, or the given number of finest levels in spool files; work on narrow windows."""
    memory = fit_memory(plan, threads=2, budget_bytes=IN_MEMORY)
    if way == "two buffers":
        return memory
    count = 0 if way == "one buffer" else int(way[0])
    spooled = tuple(number < count for number in range(len(plan.levels)))
    if "windows" not in way:
        return replace(memory, prefetch=False, spooled=spooled)
    return replace(memory, prefetch=False, spooled=spooled, columns=13, spooled_indexes=True)


def run(
    plan: PyramidPlan, source: ArraySource, staging: Path, mode: DownsamplingMode, way: str = "two buffers"
) -> PassResult:
    memory = memory_of(plan, way)
    return Engine(plan=plan, mode=mode, source=source, staging=staging, memory=memory, checkpoint_bytes=1).run()


def publish(plan: PyramidPlan, result: PassResult, staging: Path) -> None:
    for level, shards in zip(plan.levels, result.shards, strict=True):
        directory = staging / level.mag.to_layer_name()
        (directory / MANIFEST_NAME).write_bytes(Manifest(content_key="k", shards=shards).to_bytes())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    ladder=st.sampled_from(sorted(LADDERS)),
    mode=st.sampled_from(list(DownsamplingMode)),
    dtype=st.sampled_from(["uint8", "int16", "uint32", "uint64", "float32"]),
    layout=st.sampled_from(list(Layout)),
    cut=st.sampled_from([(8, 8), (8, 16), (16, 64), (32, 32)]),
    way=st.sampled_from(WAYS),
)
def test_one_pass_gives_the_voxels_of_mag_by_mag_computation(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    ladder: str,
    mode: DownsamplingMode,
    dtype: str,
    layout: Layout,
    cut: tuple[int, int],
    way: str,
) -> None:
    channels = data.draw(st.sampled_from([1, 3]))
    shape = (channels, *(data.draw(st.integers(1, 70)) for _ in range(3)))
    topleft = Vec3Int(*(data.draw(st.integers(0, 40)) for _ in range(3)))
    mags = [Mag(name) for name in LADDERS[ladder]]
    voxels = volume(shape, dtype, data.draw(st.integers(0, 1000)))
    staging = tmp_path_factory.mktemp("staging")
    plan = plan_of(voxels, topleft, mags, layout, *cut)

    publish(plan, run(plan, ArraySource(voxels, topleft), staging, mode, way), staging)

    for level, expected in zip(plan.levels, mag_by_mag(voxels, topleft, mags, mode), strict=True):
        path = staging / level.mag.to_layer_name()
        ours = StoredArray.open(path).read(level.box)
        np.testing.assert_array_equal(ours.transpose(0, 3, 2, 1), expected)
        theirs = np.asarray(zarr.open_array(str(path), mode="r")[:])
        theirs = theirs if layout is Layout.OME else theirs.transpose(0, 3, 2, 1)
        inside = (slice(None), *(slice(*level.box.get_bounds(axis)) for axis in "zyx"))
        np.testing.assert_array_equal(theirs[inside], expected)
        outside = theirs.copy()
        outside[inside] = 0
        assert not outside.any()


@pytest.mark.parametrize(
    ("way", "ladder"),
    [
        *(("two buffers", ladder) for ladder in sorted(LADDERS)),
        *((way, ladder) for way in ("9 spooled", "9 windows") for ladder in ("isotropic", "16 at a time", "jumps")),
    ],
)
def test_a_pass_that_was_interrupted_anywhere_ends_with_the_bytes_of_one_that_was_not(
    tmp_path: Path, ladder: str, way: str
) -> None:
    topleft = Vec3Int(3, 9, 30)
    mags = [Mag(name) for name in LADDERS[ladder]]
    voxels = volume((1, 90, 40, 50), "uint16")
    plan = plan_of(voxels, topleft, mags, Layout.OME, 8, 16)
    undisturbed = run(plan, ArraySource(voxels, topleft), tmp_path / "undisturbed", DownsamplingMode.MEDIAN)

    for fail_at in range(31, 120, 43):
        staging = tmp_path / f"fails at {fail_at}"
        with pytest.raises(RuntimeError, match="slice"):
            run(plan, ArraySource(voxels, topleft, fail_at=fail_at), staging, DownsamplingMode.MEDIAN, way)
        again = ArraySource(voxels, topleft)
        result = run(plan, again, staging, DownsamplingMode.MEDIAN, way)

        assert result.shards == undisturbed.shards
        assert result.facts == undisturbed.facts
        expected = {name: data for name, data in files(tmp_path / "undisturbed").items() if "journal" not in name}
        assert {name: data for name, data in files(staging).items() if "journal" not in name} == expected
        deepest = max(stop - start for start, stop in plan.levels[0].slabs)
        factor = plan.levels[0].factors.z if plan.levels[0].factors else 1
        assert min(again.loaded) >= fail_at - (factor + 1) * deepest


def test_a_shard_that_changed_after_its_checkpoint_is_made_anew(tmp_path: Path) -> None:
    topleft = Vec3Int(0, 0, 0)
    voxels = volume((1, 64, 40, 50), "uint8")
    plan = plan_of(voxels, topleft, [Mag(1), Mag(2)], Layout.OME, 8, 16)
    undisturbed = run(plan, ArraySource(voxels, topleft), tmp_path / "undisturbed", DownsamplingMode.MEDIAN)
    staging = tmp_path / "disturbed"
    with pytest.raises(RuntimeError):
        run(plan, ArraySource(voxels, topleft, fail_at=50), staging, DownsamplingMode.MEDIAN)
    shard = next(path for path in sorted((staging / "1" / "c").rglob("*")) if path.is_file())
    shard.write_bytes(bytes(len(shard.read_bytes())))

    result = run(plan, ArraySource(voxels, topleft), staging, DownsamplingMode.MEDIAN)

    assert result.shards == undisturbed.shards
