"""Whole mags in one pass of the engine: the files of a layer that is made tile by tile, from a source in any format."""

import os
import socket
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.operations.memory_mag_array import MemoryMagArray
from wk_assets.errors import ShardCorruptError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.array_pass import plan_downsampling_pass, plan_upsampling_pass, run_array_pass
from wk_assets.operations.records.layer_request import Progress
from wk_assets.operations.resampling.resample_layer import plan_downsampling, plan_upsampling, run_resampling
from wk_assets.operations.resampling.resample_pyramid import downsample_mags, upsample_mags
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.edit_log import EDIT_LOG_NAME
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest

COMPUTE = Compute(threads=2)
OME = {"c": 0, "z": 1, "y": 2, "x": 3}


def files(folder: Path) -> dict[str, bytes]:
    """Read all of an array but its bookkeeping of edits, whose sum is compared by its content key."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in (MANIFEST_NAME, EDIT_LOG_NAME)
        and path.suffix not in (".lock", ".holder")
    }


def empty(path: Path, like: MemoryMagArray, box: BoundingBox, mag: Mag, **changes: Any) -> MagArray:
    """Make an empty array for a mag of a layer with this box."""
    corner = box.align_with_mag(mag, ceil=True).in_mag(mag).bottomright
    info = ArrayInfo(
        data_format=DataFormat.Zarr3,
        voxel_type=like.info.voxel_type,
        box=like.info.box.with_topleft_xyz((0, 0, 0)).with_size_xyz(corner),
        chunk_shape=Vec3Int(8, 8, 8),
        shard_shape=Vec3Int(16, 32, 16),
    )
    return create_mag_array(path, replace(info, **changes))


def source_of(shape: tuple[int, ...], dtype: str, topleft: Vec3Int, seed: int, axes: tuple[str, ...]) -> MemoryMagArray:
    voxels = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
    voxels[..., shape[-3] // 2 :, :, :] = 0
    return MemoryMagArray.of(voxels, topleft=topleft.to_tuple(), axes=axes)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    names=st.sampled_from([("1", "2", "4"), ("1", "2-2-1", "4-4-2"), ("2", "8")]),
    mode=st.sampled_from(list(DownsamplingMode)),
    dtype=st.sampled_from(["uint8", "uint16"]),
    order=st.sampled_from([{}, OME]),
    axes=st.sampled_from([("c", "x", "y", "z"), ("t", "c", "x", "y", "z")]),
)
def test_one_pass_makes_the_files_that_tiles_make(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    names: tuple[str, ...],
    mode: DownsamplingMode,
    dtype: str,
    order: dict[str, int],
    axes: tuple[str, ...],
) -> None:
    folder = tmp_path_factory.mktemp("pass")
    mags = [Mag(name) for name in names]
    box = BoundingBox(
        [data.draw(st.integers(0, 20)) for _ in range(3)], [data.draw(st.integers(1, 45)) for _ in range(3)]
    )
    first = box.align_with_mag(mags[0], ceil=True).in_mag(mags[0])
    leading = (2, 1) if "t" in axes else (3,)
    source = source_of((*leading, *first.size), dtype, first.topleft, data.draw(st.integers(0, 99)), axes)
    layer_box = source.info.box.with_topleft_xyz(box.topleft).with_size_xyz(box.size)
    if order and "t" in axes:
        order = {"c": 1, "z": 2, "y": 3, "x": 4}
    made = {
        way: [(mag, empty(folder / way / mag.to_layer_name(), source, box, mag, axis_order=order)) for mag in mags[1:]]
        for way in ("pass", "tiles")
    }

    plan = plan_downsampling_pass(
        source, made["pass"], source_mag=mags[0], layer_box=layer_box, mode=mode, compute=COMPUTE
    )
    assert plan is not None
    run_array_pass(plan)
    finer: MagArray = source
    for source_mag, (mag, target) in zip(mags, made["tiles"], strict=False):
        run_resampling(
            plan_downsampling(
                finer,
                target,
                source_mag=source_mag,
                target_mag=mag,
                layer_box=layer_box,
                mode=mode,
                fresh=True,
                compute=COMPUTE,
            )
        )
        finer = target

    assert files(folder / "pass") == files(folder / "tiles")
    for (mag, by_pass), (_, by_tiles) in zip(made["pass"], made["tiles"], strict=True):
        whole = by_pass.info.box
        np.testing.assert_array_equal(by_pass.read_box(whole), by_tiles.read_box(whole), err_msg=str(mag))
        promised = [Manifest.load(array.path) for array in (by_pass, by_tiles)]
        shards = [[(shard.key, shard.size_bytes, shard.crc32c) for shard in one.shards] for one in promised]
        assert shards[0] == shards[1]
        assert (promised[0].content_key == "created") == (shards[0] == [])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), names=st.sampled_from([("1", "2"), ("1", "8"), ("2-2-1", "4-4-4")]))
def test_upsampling_in_one_pass_makes_the_files_that_tiles_make(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, names: tuple[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("pass")
    fine, coarse = (Mag(name) for name in names)
    box = BoundingBox(
        [data.draw(st.integers(0, 20)) for _ in range(3)], [data.draw(st.integers(1, 45)) for _ in range(3)]
    )
    first = box.align_with_mag(coarse, ceil=True).in_mag(coarse)
    source = source_of((1, *first.size), "uint16", first.topleft, 3, ("c", "x", "y", "z"))
    layer_box = source.info.box.with_topleft_xyz(box.topleft).with_size_xyz(box.size)
    by_pass, by_tiles = (empty(folder / way, source, box, fine) for way in ("pass", "tiles"))

    plan = plan_upsampling_pass(
        source, by_pass, source_mag=coarse, target_mag=fine, layer_box=layer_box, compute=COMPUTE
    )
    assert plan is not None
    run_array_pass(plan)
    run_resampling(
        plan_upsampling(
            source, by_tiles, source_mag=coarse, target_mag=fine, layer_box=layer_box, fresh=True, compute=COMPUTE
        )
    )

    assert files(folder / "pass") == files(folder / "tiles")


def small(folder: Path) -> tuple[MemoryMagArray, NormalizedBoundingBox, BoundingBox]:
    source = source_of((1, 70, 40, 30), "uint8", Vec3Int(0, 0, 0), 1, ("c", "x", "y", "z"))
    folder.mkdir(exist_ok=True)
    return source, source.info.box, BoundingBox((0, 0, 0), (70, 40, 30))


def test_a_pass_that_fails_leaves_the_empty_array_and_nothing_else(tmp_path: Path) -> None:
    source, layer_box, box = small(tmp_path)
    target = empty(tmp_path / "2", source, box, Mag(2))

    class Broken(MemoryMagArray):
        def read_box(self, box_in_mag: NormalizedBoundingBox) -> Any:
            raise ShardCorruptError(f"no {box_in_mag}")

    broken = Broken(source.voxels.shape, "uint8")
    with pytest.raises(ShardCorruptError):
        downsample_mags(
            broken,
            [(Mag(2), target)],
            source_mag=Mag(1),
            layer_box=layer_box,
            mode=DownsamplingMode.MEDIAN,
            fresh=True,
            compute=COMPUTE,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert not target.read_box(target.info.box).any()


def test_what_a_killed_pass_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    source, layer_box, box = small(tmp_path)
    ended = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    host = socket.gethostname()
    dead = tmp_path / f".2.made-{host}-{ended.stdout.strip()}"
    living, elsewhere = tmp_path / f".2.made-{host}-{os.getppid()}", tmp_path / ".2.made-elsewhere-1"
    for folder in (dead, living, elsewhere):
        (folder / "2").mkdir(parents=True)

    downsample_mags(
        source,
        [(Mag(2), empty(tmp_path / "2", source, box, Mag(2)))],
        source_mag=Mag(1),
        layer_box=layer_box,
        mode=DownsamplingMode.MEDIAN,
        fresh=True,
        compute=COMPUTE,
    )

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, elsewhere.name, "2"])


@pytest.mark.parametrize(
    "changes",
    [{"shard_shape": Vec3Int(32, 32, 32)}, {"compression_mode": False}],
    ids=["another cut", "another compression"],
)
def test_mags_that_are_stored_differently_are_made_by_tiles(tmp_path: Path, changes: dict[str, Any]) -> None:
    source, layer_box, box = small(tmp_path)
    targets = [
        (Mag(2), empty(tmp_path / "2", source, box, Mag(2))),
        (Mag(4), empty(tmp_path / "4", source, box, Mag(4), **changes)),
    ]
    options: dict[str, Any] = {"source_mag": Mag(1), "layer_box": layer_box, "mode": DownsamplingMode.MODE}
    assert plan_downsampling_pass(source, targets, compute=COMPUTE, **options) is None

    downsample_mags(source, targets, fresh=True, compute=COMPUTE, **options)

    same = [(mag, empty(tmp_path / f"same {mag}", source, box, mag)) for mag in (Mag(2), Mag(4))]
    downsample_mags(source, same, fresh=True, compute=COMPUTE, **options)
    for (_, ours), (_, theirs) in zip(targets, same, strict=True):
        extent = BoundingBox.from_ndbbox(theirs.info.box)
        common = theirs.info.box.with_size_xyz(extent.size)
        np.testing.assert_array_equal(ours.read_box(common), theirs.read_box(common))


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW])
def test_every_format_is_read_and_made_also_by_other_processes(tmp_path: Path, data_format: DataFormat) -> None:
    memory, layer_box, box = small(tmp_path)
    cut: dict[str, Any] = {"data_format": data_format, "chunk_shape": Vec3Int.full(32), "shard_shape": Vec3Int.full(32)}
    options: dict[str, Any] = {"layer_box": layer_box, "fresh": True, "compute": COMPUTE}
    expected = empty(tmp_path / "expected", memory, box, Mag(2))
    downsample_mags(memory, [(Mag(2), expected)], source_mag=Mag(1), mode=DownsamplingMode.MEDIAN, **options)
    source, coarser, back = (
        empty(tmp_path / name, memory, box, Mag(mag), **cut) for name, mag in (("1", 1), ("2", 2), ("back", 1))
    )

    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as processes:
        copy_mag(memory, source, layer_box, compute=COMPUTE)
        downsample_mags(
            source,
            [(Mag(2), coarser)],
            source_mag=Mag(1),
            mode=DownsamplingMode.MEDIAN,
            executor=processes,
            **options,
        )
        upsample_mags(coarser, [(Mag(1), back)], source_mag=Mag(2), executor=processes, **options)

    inside = layer_box.with_size_xyz((35, 20, 15))
    np.testing.assert_array_equal(source.read_box(layer_box), memory.voxels)
    np.testing.assert_array_equal(coarser.read_box(inside), expected.read_box(inside))
    repeated = np.repeat(np.repeat(np.repeat(expected.read_box(inside), 2, axis=1), 2, axis=2), 2, axis=3)
    np.testing.assert_array_equal(back.read_box(layer_box), repeated)


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    source, layer_box, box = small(tmp_path)
    options: dict[str, Any] = {"source_mag": Mag(1), "layer_box": layer_box, "mode": DownsamplingMode.MEDIAN}
    for buffer_shape in (None, Vec3Int(8, 8, 8)):
        seen: list[Progress] = []
        target = empty(tmp_path / f"2 {buffer_shape}", source, box, Mag(2))
        downsample_mags(
            source, [(Mag(2), target)], fresh=True, compute=COMPUTE, buffer_shape=buffer_shape, listener=seen.append, **options
        )  # fmt: skip
        assert seen[-1].done_voxels == seen[-1].total_voxels > 0
        assert [one.done_voxels for one in seen] == sorted(one.done_voxels for one in seen)
