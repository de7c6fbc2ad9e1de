"""Layers with axes beyond c, x, y, z: time series, from TIFF to a dataset that others read."""

import errno
import json
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from tests.operations import crash_lab
from tests.operations.arrays import mag_by_mag
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.layer_checks import run_layer_checks
from wk_assets.operations.checks.preview import preview_layer
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.rewrite_layer import plan_rewrite
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings, Category, LayerRequest, Progress
from wk_assets.properties.dataset_properties import FILE_NAME
from wk_assets.readers.volume import BadSlicePolicy, SourceSelection
from wk_assets.storage.array_layout import Layout

COMPUTE = Compute(threads=2)
MAGS = (Mag(1), Mag(2), Mag("4-4-2"))
TOPLEFT = Vec3Int(3, 5, 2)


def series(shape: tuple[int, ...] = (3, 20, 40, 50)) -> NDArray[Any]:
    """Make voxels (t, z, y, x), int8, other ones at each time."""
    return np.random.default_rng(1).integers(-100, 100, shape).astype("int8")


def write(folder: Path, voxels: NDArray[Any], axes: str = "TZYX", **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("series.tif" if "A" in axes else "series.ome.tif")  # OME-XML knows no angles
    tifffile.imwrite(path, voxels, photometric="minisblack", metadata={"axes": axes}, **options)
    return path


def request_of(source: Path, target: Path, layout: Layout = Layout.OME, category: Category = "color") -> LayerRequest:
    return LayerRequest(
        dataset_path=target,
        layer_name="cells",
        category=category,
        source=SourceSelection(root=source.parent, files=(source,)),
        voxel_size=VoxelSize((10, 10, 10)),
        mags=MAGS,
        mode=DownsamplingMode.MEDIAN if category == "color" else DownsamplingMode.MODE,
        topleft=TOPLEFT,
        array=ArraySettings(layout=layout, chunk_shape=Vec3Int(8, 8, 8), shard_shape=Vec3Int(16, 32, 16), zstd_level=1),
    )


def commit(request: LayerRequest) -> None:
    commit_dataset(
        DatasetRequest(
            dataset_path=request.dataset_path,
            name="series",
            voxel_size=request.voxel_size,
            layer_names=(request.layer_name,),
            layout=request.array.layout,
        )
    )


@pytest.mark.parametrize("layout", list(Layout))
def test_every_time_point_is_stored_in_all_mags(tmp_path: Path, layout: Layout) -> None:
    voxels = series()
    request = request_of(write(tmp_path / "in", voxels), tmp_path / "dataset", layout)
    seen: list[Progress] = []
    plan = plan_layer(request, COMPUTE)
    result = run_layer(plan, COMPUTE, seen.append)
    commit(request)

    for t, moment in enumerate(voxels):
        expected = mag_by_mag(moment[None], TOPLEFT, list(MAGS), request.mode)
        for mag, wanted in zip(plan.mags, expected, strict=True):
            theirs: Any = np.asarray(zarr.open_array(str(tmp_path / "dataset" / mag.path), mode="r")[t, 0])
            theirs = theirs if layout is Layout.OME else theirs.transpose(2, 1, 0)
            box = mag.box_in_mag
            window = tuple(slice(*box.get_bounds(axis)) for axis in "zyx")
            np.testing.assert_array_equal(theirs[window], wanted[0])
    assert [(one.mag, one.raw_bytes) for one in result.mags] == [(mag.mag, mag.raw_bytes) for mag in plan.mags]
    assert plan.mags[0].raw_bytes == voxels.size
    assert seen[-1].done_voxels == seen[-1].total_voxels == voxels.size
    assert all(before.done_voxels < after.done_voxels for before, after in pairwise(seen))
    assert verify_dataset(tmp_path / "dataset", COMPUTE).passed
    assert plan_layer(request, COMPUTE).up_to_date


@pytest.mark.parametrize(("layout", "first"), [(Layout.OME, "zyx"), (Layout.WEBKNOSSOS, "xyz")])
def test_the_properties_say_where_each_axis_stands(tmp_path: Path, layout: Layout, first: str) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, (2, 3, 8, 9, 10)).astype("uint8")
    request = request_of(write(tmp_path / "in", voxels, "TAZYX"), tmp_path / "dataset", layout)
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    commit(request)

    layer = json.loads((tmp_path / "dataset" / FILE_NAME).read_text())["dataLayers"][0]
    assert layer["additionalAxes"] == [
        {"name": "t", "bounds": [0, 2], "index": 0},
        {"name": "a", "bounds": [0, 3], "index": 1},
    ]
    assert layer["mags"][0]["axisOrder"] == {"c": 2, **{axis: 3 + first.index(axis) for axis in "xyz"}}
    assert layer["boundingBox"] == {"topLeft": [3, 5, 2], "width": 10, "height": 9, "depth": 8}
    group = json.loads((tmp_path / "dataset" / "cells" / "zarr.json").read_text())
    (image,) = group["attributes"]["ome"]["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == ["t", "a", "c", *first]
    assert len(image["datasets"][0]["coordinateTransformations"][0]["scale"]) == 6


def test_the_ledger_has_every_slice_of_every_time_point_and_checks_and_pictures_take_the_first(tmp_path: Path) -> None:
    voxels = np.abs(series())
    voxels[2, 7, 3, 4] = 126
    voxels[1, 5] = 0  # dark, but at the second time
    request = request_of(write(tmp_path / "in", voxels), tmp_path / "dataset", category="segmentation")
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    commit(request)
    record = read_layer_record(tmp_path / "dataset", "cells")
    assert record is not None
    assert record.statistics is not None

    assert record.additional == (("t", 3),)
    assert [(fact.at, fact.z) for fact in record.statistics.slices] == [
        ((t,), 2 + z) for t in range(3) for z in range(20)
    ]
    assert [fact.total for fact in record.statistics.slices] == voxels.sum(axis=(2, 3), dtype=int).reshape(-1).tolist()
    assert record.largest_segment_id == 126
    answers = {answer.name: answer for answer in run_layer_checks(record, tmp_path / "dataset")}
    assert [answer for answer in answers.values() if not answer.passed] == []
    assert answers["largest_segment_id"].evidence["slice"] == 2 + 7
    assert answers["dark_slices"].evidence["slices"] == 20
    assert preview_layer(record, tmp_path / "dataset").xy.startswith(b"\x89PNG")


def test_a_rewrite_keeps_all_time_points(tmp_path: Path) -> None:
    voxels = series((2, 12, 20, 30))
    request = request_of(write(tmp_path / "in", voxels), tmp_path / "dataset")
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    settings = ArraySettings(
        layout=Layout.WEBKNOSSOS, chunk_shape=Vec3Int(4, 4, 4), shard_shape=Vec3Int(16, 16, 16), zstd_level=None
    )
    for target, array in ((tmp_path / "copy", None), (tmp_path / "other", settings)):
        plan = plan_rewrite(tmp_path / "dataset", "cells", COMPUTE, array=array, target_path=target)
        run_layer(plan, COMPUTE)
        record = read_layer_record(target, "cells")
        assert record is not None
        assert record.additional == (("t", 2),)
        array_of_mag_1: Any = zarr.open_array(str(target / "cells" / "1"), mode="r")[:]
        found = array_of_mag_1[:, 0] if array is None else array_of_mag_1[:, 0].transpose(0, 3, 2, 1)
        np.testing.assert_array_equal(found[:, 2:14, 5:25, 3:33], voxels)


def test_more_time_points_take_no_more_memory(tmp_path: Path) -> None:
    plans = [
        plan_layer(request_of(write(tmp_path / str(times), series((times, 3, 8, 9))), tmp_path / "dataset"), COMPUTE)
        for times in (2, 9)
    ]
    assert plans[0].peak_memory_bytes == plans[1].peak_memory_bytes


def test_another_number_of_time_points_is_another_layer(tmp_path: Path) -> None:
    voxels = series((4, 3, 8, 9))
    as_series = plan_layer(request_of(write(tmp_path / "in", voxels), tmp_path / "dataset"), COMPUTE)
    path = write(tmp_path / "in", voxels.reshape(2, 2, 3, 8, 9), "TAZYX")
    other = plan_layer(request_of(path, tmp_path / "dataset"), COMPUTE)
    assert as_series.mags[0].key != other.mags[0].key


def import_series(source: Path, target: Path) -> None:
    request = request_of(source, target)
    run_layer(plan_layer(request, COMPUTE), COMPUTE, checkpoint_bytes=1 << 13)
    commit(request)


def test_a_killed_import_of_a_series_ends_with_the_same_bytes(tmp_path: Path) -> None:
    source = write(tmp_path / "in", series((3, 20, 40, 50)))
    import_series(source, tmp_path / "undisturbed")
    expected = crash_lab.digest(tmp_path / "undisturbed")
    points = crash_lab.count_points(partial(import_series, source, tmp_path / "counted"))
    for point in range(1, points, max(1, points // 6)):
        target = tmp_path / str(point)
        work = partial(import_series, source, target)
        crash_lab.run_until(point, work, error=errno.ENOSPC if point % 2 else None)
        assert crash_lab.run_for(60, work)
        assert crash_lab.digest(target) == expected


def test_a_shard_of_one_time_point_that_changed_costs_that_time_point_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "in", series((3, 20, 40, 50)))
    import_series(source, tmp_path / "undisturbed")
    target = tmp_path / "disturbed"
    points = crash_lab.count_points(partial(import_series, source, tmp_path / "counted"))
    crash_lab.run_until(points * 3 // 4, partial(import_series, source, target))
    staging = next((target / ".wk-assets" / "staging" / "cells").iterdir())
    damaged, whole = (
        next(path for path in sorted((staging / "1" / "c" / t).rglob("*")) if path.is_file()) for t in ("1", "0")
    )
    before = whole.stat()
    damaged.write_bytes(b"damaged")

    import_series(source, target)

    assert crash_lab.digest(target) == crash_lab.digest(tmp_path / "undisturbed")
    after = (target / "cells" / "1" / whole.relative_to(staging / "1")).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_bad_slice_of_one_time_point_is_named_with_its_time(tmp_path: Path) -> None:
    source = write(tmp_path / "in", series((3, 4, 40, 50)), compression="zlib")
    with tifffile.TiffFile(source) as tif:
        offset = tif.pages[2 * 4 + 1].dataoffsets[0]
    with source.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 20)
    request = request_of(source, tmp_path / "dataset")
    selection = SourceSelection(root=source.parent, files=(source,), on_bad_slice=BadSlicePolicy.BLACK)
    result = run_layer(plan_layer(replace(request, source=selection), COMPUTE), COMPUTE)
    assert [(problem.z, problem.at) for problem in result.problems] == [(3, (2,))]
