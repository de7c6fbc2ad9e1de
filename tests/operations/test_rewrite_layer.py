"""Storing a layer once more: other compression, chunks, layout, place; never another voxel."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.operations import crash_lab
from wk_assets.errors import NotADatasetError, ShardCorruptError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.rewrite_layer import plan_rewrite
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.stored_array import StoredArray

COMPUTE = Compute(threads=2)
AS_IMPORTED = ArraySettings(chunk_shape=Vec3Int(8, 8, 8), shard_shape=Vec3Int(16, 32, 16), zstd_level=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    crash_lab.write_slices(tmp_path / "inbox", 40)
    crash_lab.make_dataset(tmp_path / "inbox", tmp_path / "dataset")
    return tmp_path / "dataset"


def voxels(dataset: Path) -> dict[str, bytes]:
    record = read_layer_record(dataset, "color")
    assert record is not None
    return {
        mag.mag: np.ascontiguousarray(StoredArray.open(dataset / mag.path).read(mag.box_in_mag.to_box())).tobytes()
        for mag in record.mags
    }


def commit(dataset: Path, layout: Layout = Layout.OME) -> None:
    record = read_layer_record(dataset, "color")
    assert record is not None
    commit_dataset(
        DatasetRequest(
            dataset_path=dataset, name="d", voxel_size=record.voxel_size, layer_names=("color",), layout=layout
        )
    )


@pytest.mark.parametrize(
    "settings",
    [
        replace(AS_IMPORTED, zstd_level=9),
        replace(AS_IMPORTED, zstd_level=None),
        replace(AS_IMPORTED, chunk_shape=Vec3Int(16, 16, 16), shard_shape=Vec3Int(64, 64, 64)),
        replace(AS_IMPORTED, layout=Layout.WEBKNOSSOS),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_other_settings_keep_every_voxel(
    dataset: Path,
    tmp_path: Path,
    settings: ArraySettings,
    elsewhere: bool,  # noqa: FBT001 -- pytest's parameter
) -> None:
    before = voxels(dataset)
    target = tmp_path / "target" if elsewhere else dataset

    run_layer(plan_rewrite(dataset, "color", COMPUTE, array=settings, target_path=target), COMPUTE)
    commit(target, settings.layout)

    assert voxels(target) == before
    record = read_layer_record(target, "color")
    assert record is not None
    for mag in record.mags:
        layout = StoredArray.open(target / mag.path).array_layout
        assert (layout.zstd_level, layout.chunk_shape, layout.layout) == (
            settings.zstd_level,
            settings.chunk_shape,
            settings.layout,
        )
    assert verify_dataset(target, COMPUTE).passed
    assert plan_rewrite(dataset, "color", COMPUTE, array=settings, target_path=target).up_to_date
    assert len([path for path in (target / "color").iterdir() if path.is_dir()]) == 3


def test_there_and_back_gives_the_first_bytes(dataset: Path) -> None:
    before = crash_lab.digest(dataset / "color" / "1")
    run_layer(plan_rewrite(dataset, "color", COMPUTE, array=replace(AS_IMPORTED, zstd_level=9)), COMPUTE)
    commit(dataset)
    run_layer(plan_rewrite(dataset, "color", COMPUTE, array=AS_IMPORTED), COMPUTE)
    commit(dataset)
    record = read_layer_record(dataset, "color")
    assert record is not None
    assert crash_lab.digest(dataset / record.mags[0].path) == before


def test_a_copy_has_the_same_bytes_and_decodes_nothing(dataset: Path, tmp_path: Path) -> None:
    plan = plan_rewrite(dataset, "color", COMPUTE, target_path=tmp_path / "copy")
    run_layer(plan, COMPUTE)

    assert all(one.copies_shards for one in plan.passes)
    for mag in ("1", "2", "4"):
        assert crash_lab.digest(tmp_path / "copy" / "color" / mag) == crash_lab.digest(dataset / "color" / mag)


def test_a_damaged_shard_is_not_copied(dataset: Path, tmp_path: Path) -> None:
    shard = next(path for path in sorted((dataset / "color" / "1" / "c").rglob("*")) if path.is_file())
    flipped = bytearray(shard.read_bytes())
    flipped[3] ^= 1
    shard.write_bytes(flipped)

    with pytest.raises(ShardCorruptError, match=str(shard)):
        run_layer(plan_rewrite(dataset, "color", COMPUTE, target_path=tmp_path / "copy"), COMPUTE)
    assert not (tmp_path / "copy" / "color").exists()


def test_a_layer_that_is_not_published_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match="'color'"):
        plan_rewrite(tmp_path, "color", COMPUTE)


@pytest.mark.parametrize("settings", [AS_IMPORTED, replace(AS_IMPORTED, zstd_level=5)])
def test_kill_9_while_copying_or_recompressing(dataset: Path, tmp_path: Path, settings: ArraySettings) -> None:
    def work(target: Path) -> None:
        run_layer(plan_rewrite(dataset, "color", COMPUTE, array=settings, target_path=target), COMPUTE)
        commit(target)

    work(tmp_path / "undisturbed")
    expected = crash_lab.digest(tmp_path / "undisturbed")
    points = crash_lab.count_points(partial(work, tmp_path / "counted"))
    for point in range(1, points + 1, max(1, points // 25)):
        target = tmp_path / str(point)
        crash_lab.run_until(point, partial(work, target))
        assert crash_lab.run_for(60, partial(work, target))
        assert crash_lab.digest(target) == expected
        shutil.rmtree(target)
