"""The estimate is near what is stored then, says so without writing anything, and is what the disk is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.chunk_sample import ChunkSampler
from wk_assets.operations.layers.estimate_layer import estimated
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_request import ArraySettings, LayerEstimate, LayerRequest
from wk_assets.readers.volume import SourceSelection

COMPUTE = Compute(threads=2)


def request_of(folder: Path, voxels: NDArray[np.uint8] | NDArray[np.uint32], mode: DownsamplingMode) -> LayerRequest:
    file = folder / "stack.tif"
    tifffile.imwrite(file, voxels, metadata=None)
    return LayerRequest(
        dataset_path=folder / "dataset",
        layer_name="layer",
        category="segmentation" if voxels.dtype == np.uint32 else "color",
        source=SourceSelection(root=folder, files=(file,), axes="zyx"),
        voxel_size=VoxelSize((1, 1, 1)),
        mags=(Mag(1), Mag(2), Mag(4)),
        mode=mode,
        array=ArraySettings(chunk_shape=Vec3Int(16, 16, 16), shard_shape=Vec3Int(64, 64, 64), zstd_level=3),
    )


@pytest.fixture
def image(tmp_path: Path) -> LayerRequest:
    """Ask for an image that is noise on one side and black on the other."""
    voxels = np.random.default_rng(1).normal(120, 20, (64, 128, 128)).clip(1, 255).astype(np.uint8)
    voxels[:, :, 64:] = 0
    return request_of(tmp_path, voxels, DownsamplingMode.MEDIAN)


@pytest.fixture
def segmentation(tmp_path: Path) -> LayerRequest:
    """Ask for labels, which compress worse from mag to mag."""
    z, y, x = np.indices((64, 128, 128))
    voxels = ((z // 20) * 100 + ((y + z // 3) // 17) * 10 + (x + y // 4) // 23 + 1).astype(np.uint32)
    return request_of(tmp_path, voxels, DownsamplingMode.MODE)


@pytest.mark.parametrize("level", [None, 1, 5])
@pytest.mark.parametrize("what", ["image", "segmentation"])
def test_the_estimate_is_near_what_is_stored(what: str, level: int | None, request: pytest.FixtureRequest) -> None:
    asked: LayerRequest = request.getfixturevalue(what)
    plan = plan_layer(replace(asked, array=replace(asked.array, zstd_level=level)), COMPUTE)

    estimate = estimated(plan, COMPUTE).estimate
    stored = sum(mag.stored_bytes for mag in run_layer(plan, COMPUTE).mags)

    assert estimate is not None
    assert estimate.chunks > 0
    assert estimate.seconds is not None
    assert estimate.seconds > 0
    assert estimate.stored_bytes == pytest.approx(stored, rel=0.2)


def test_estimating_writes_nothing(image: LayerRequest) -> None:
    estimated(plan_layer(image, COMPUTE), COMPUTE)

    assert not image.dataset_path.exists()


def test_a_fifth_more_than_the_estimate_is_asked_of_the_disk_and_never_more_than_the_raw_bytes(
    image: LayerRequest,
) -> None:
    plan = plan_layer(image, COMPUTE)

    assert plan.disk_bytes == plan.raw_bytes
    assert replace(plan, estimate=LayerEstimate(stored_bytes=1000, seconds=1, chunks=1)).disk_bytes == 1200
    assert replace(plan, estimate=LayerEstimate(stored_bytes=10**9, seconds=1, chunks=1)).disk_bytes == plan.raw_bytes


def test_what_is_up_to_date_costs_nothing(image: LayerRequest) -> None:
    run_layer(plan_layer(image, COMPUTE), COMPUTE)

    assert estimated(plan_layer(image, COMPUTE), COMPUTE).estimate == LayerEstimate(stored_bytes=0, seconds=0, chunks=0)


def test_mags_made_from_stored_ones_are_judged_by_these(image: LayerRequest) -> None:
    run_layer(plan_layer(image, COMPUTE, [Mag(1)]), COMPUTE)
    plan = plan_layer(replace(image, source=None), COMPUTE, [Mag(2), Mag(4)])

    estimate = estimated(plan, COMPUTE).estimate
    stored = sum(mag.stored_bytes for mag in run_layer(plan, COMPUTE).mags)

    assert estimate is not None
    assert (estimate.seconds, estimate.chunks) == (None, 0)
    assert estimate.stored_bytes == pytest.approx(stored, rel=0.3)


def test_a_black_source_stores_nothing(tmp_path: Path) -> None:
    plan = plan_layer(request_of(tmp_path, np.zeros((16, 32, 32), np.uint8), DownsamplingMode.MEDIAN), COMPUTE)

    estimate = estimated(plan, COMPUTE, ChunkSampler()).estimate

    assert estimate is not None
    assert (estimate.stored_bytes, estimate.chunks) == (0, 0)
