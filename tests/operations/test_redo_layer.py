"""A part of the finest mag changed: what must be made again is, byte for byte as if all had been; what must not is a link."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.operations import crash_lab
from wk_assets.errors import NotADatasetError, PlanError, ShardCorruptError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.checks.verify import verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.edited_mags import current_record, edited_mags
from wk_assets.operations.layers.layer_plan import LayerPlan, plan_layer
from wk_assets.operations.layers.redo_plan import plan_redo, stored_layer_request
from wk_assets.operations.layers.rewrite_layer import plan_rewrite
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.readers.volume import SourceSelection
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.sharded_array import ShardedArray

COMPUTE = Compute(threads=2)
REGION = BoundingBox((3, 5, 17), (6, 4, 5))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    crash_lab.write_slices(folder / "inbox", 40)
    crash_lab.make_dataset(folder / "inbox", folder / "dataset")
    return folder / "dataset"


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path / "dataset")


def copied(source: Path, target: Path) -> Path:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
    return target


def edit(dataset: Path, region: BoundingBox, value: int = 250) -> None:
    """Paint a box of mag 1, in place, as the object interface does."""
    array = ShardedArray.open(dataset / record_of(dataset).mags[0].path)
    box = array.info.box.with_topleft_xyz(region.topleft).with_size_xyz(region.size)
    array.write_box(box, np.full(tuple(box.size), value, "uint8"))


def record_of(dataset: Path) -> LayerRecord:
    record = read_layer_record(dataset, "color")
    assert record is not None
    return record


def commit(dataset: Path) -> None:
    size = record_of(dataset).voxel_size
    commit_dataset(
        DatasetRequest(dataset_path=dataset, name="crash", voxel_size=size, layer_names=("color",), layout=Layout.OME)
    )


def whole(dataset: Path) -> LayerPlan:
    return plan_layer(stored_layer_request(dataset, "color"), COMPUTE)


def part(dataset: Path, region: BoundingBox = REGION) -> LayerPlan:
    return plan_redo(stored_layer_request(dataset, "color"), COMPUTE, region)


def inodes(dataset: Path, mag: str) -> dict[str, int]:
    path = dataset / next(one.path for one in record_of(dataset).mags if one.mag == mag)
    return {str(shard.relative_to(path)): shard.stat().st_ino for shard in (path / "c").rglob("*") if shard.is_file()}


def test_an_edit_of_mag_1_makes_the_coarser_mags_stale(dataset: Path) -> None:
    assert whole(dataset).up_to_date
    edit(dataset, REGION)

    stale = [mag.mag for mag in whole(dataset).mags if not mag.up_to_date]

    assert stale == [Mag(2), Mag(4)]
    assert edited_mags(dataset, record_of(dataset)) == ("1",)


def test_a_mag_that_was_edited_itself_is_stale_too(dataset: Path) -> None:
    array = ShardedArray.open(dataset / "color" / "2")
    box = array.info.box.with_topleft_xyz((0, 0, 0)).with_size_xyz((1, 1, 1))
    array.write_box(box, np.full((1, 1, 1, 1), 251, "uint8"))
    assert [mag.mag for mag in whole(dataset).mags if not mag.up_to_date] == [Mag(2)]


@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corner=st.tuples(st.integers(0, 47), st.integers(0, 39), st.integers(0, 39)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)),
    value=st.sampled_from([0, 250]),
)
def test_a_redo_in_part_gives_the_bytes_of_one_as_a_whole(
    original: Path, tmp_path_factory: pytest.TempPathFactory, corner: tuple[int, ...], size: tuple[int, ...], value: int
) -> None:
    region = BoundingBox(corner, size).intersected_with(BoundingBox((0, 0, 0), (48, 40, 40)))
    folder = tmp_path_factory.mktemp("redo")
    in_part, as_whole = copied(original, folder / "in part"), copied(original, folder / "as a whole")
    for dataset in (in_part, as_whole):
        edit(dataset, region, value)

    run_layer(part(in_part, region), COMPUTE)
    run_layer(whole(as_whole), COMPUTE)
    for dataset in (in_part, as_whole):
        commit(dataset)

    assert crash_lab.digest(in_part) == crash_lab.digest(as_whole)
    assert verify_dataset(in_part, COMPUTE).passed
    assert whole(in_part).up_to_date
    assert edited_mags(in_part, record_of(in_part)) == ()


def test_only_the_shards_above_the_region_are_new_files(dataset: Path) -> None:
    edit(dataset, REGION)
    before = {mag: inodes(dataset, mag) for mag in ("2", "4")}
    plan = part(dataset)
    result = run_layer(plan, COMPUTE)

    after = {mag: inodes(dataset, mag) for mag in ("2", "4")}
    new = {mag: {key for key in after[mag] if after[mag][key] != before[mag].get(key)} for mag in after}
    assert new == {"2": {"c/0/0/0/0"}, "4": {"c/0/0/0/0"}}
    assert [one.redo is not None for one in plan.passes] == [True, True]
    assert sum(one.read_voxels for one in plan.passes) < 2 * 16 * 32 * 16
    assert [mag.reused for mag in result.mags] == [False, False]
    commit(dataset)
    assert verify_dataset(dataset, COMPUTE).passed


def test_the_version_before_keeps_its_bytes_until_the_commit(dataset: Path) -> None:
    before = crash_lab.digest(dataset / "color" / "2")
    edit(dataset, REGION)
    run_layer(part(dataset), COMPUTE)
    assert crash_lab.digest(dataset / "color" / "2") == before
    commit(dataset)
    assert not (dataset / "color" / "2").exists()


def test_a_second_edit_after_a_redo_is_seen_as_well(dataset: Path) -> None:
    second = BoundingBox((40, 30, 30), (2, 2, 2))
    at_once = copied(dataset, dataset.with_name("at once"))
    edit(dataset, REGION)
    run_layer(part(dataset), COMPUTE)
    edit(dataset, second, 3)
    assert not whole(dataset).up_to_date

    run_layer(part(dataset, second), COMPUTE)

    for region, value in ((REGION, 250), (second, 3)):
        edit(at_once, region, value)
    run_layer(whole(at_once), COMPUTE)
    for mag in ("2", "4"):
        ours, theirs = (
            path / next(one.path for one in record_of(path).mags if one.mag == mag) / "c" for path in (dataset, at_once)
        )
        assert crash_lab.digest(ours) == crash_lab.digest(theirs)


def test_where_links_are_impossible_shards_are_copied_and_checked(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(95, "Operation not supported", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    edit(dataset, REGION)
    shard = next(path for path in sorted((dataset / "color" / "2" / "c").rglob("*")) if path.is_file())
    data = shard.read_bytes()
    shard.write_bytes(data[:5] + bytes([data[5] ^ 1]) + data[6:])
    with pytest.raises(ShardCorruptError, match=str(shard)):
        run_layer(part(dataset), COMPUTE)
    shard.write_bytes(data)

    run_layer(part(dataset), COMPUTE)
    commit(dataset)

    assert verify_dataset(dataset, COMPUTE).passed


def test_a_mag_that_is_not_there_yet_is_made_as_a_whole_and_so_are_those_after_it(dataset: Path) -> None:
    edit(dataset, REGION)
    request = replace(stored_layer_request(dataset, "color"), mags=(Mag(1), Mag(2), Mag(4), Mag(8), Mag(16)))
    plan = plan_redo(request, COMPUTE, REGION)
    assert [(one.redo is not None, [mag.mag for mag in one.mags]) for one in plan.passes] == [
        (True, [Mag(2)]),
        (True, [Mag(4)]),
        (False, [Mag(8), Mag(16)]),
    ]
    run_layer(plan, COMPUTE)
    commit(dataset)
    assert whole(dataset).up_to_date


def test_another_cut_or_mode_makes_the_mag_as_a_whole_or_under_another_key(dataset: Path) -> None:
    edit(dataset, REGION)
    request = stored_layer_request(dataset, "color")
    recut = replace(request, array=replace(request.array, shard_shape=Vec3Int(32, 32, 32)))
    assert [one.redo for one in plan_redo(recut, COMPUTE, REGION).passes] == [None]


def test_a_part_of_a_time_series_is_made_anew_at_every_time(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, (2, 20, 30, 40)).astype("uint8")
    tifffile.imwrite(tmp_path / "movie.tif", voxels)
    target = tmp_path / "dataset"
    request = replace(
        crash_lab.request_of(tmp_path, target),
        source=SourceSelection(root=tmp_path, files=(tmp_path / "movie.tif",), axes="tzyx"),
    )
    run_layer(plan_layer(request, COMPUTE), COMPUTE)
    array = ShardedArray.open(target / "color" / "1")
    region = BoundingBox((3, 4, 5), (4, 4, 4))
    box = array.info.box.with_topleft_xyz(region.topleft).with_size_xyz(region.size)
    array.write_box(box, np.full(tuple(box.size), 250, "uint8"))
    as_whole = copied(target, tmp_path / "whole")

    plan = part(target, region)
    run_layer(plan, COMPUTE)
    run_layer(whole(as_whole), COMPUTE)

    assert [one.redo is not None for one in plan.passes] == [True, True]
    assert crash_lab.digest(target) == crash_lab.digest(as_whole)


def test_a_layer_that_was_edited_is_stored_anew_as_it_is_now(dataset: Path) -> None:
    edit(dataset, REGION)
    run_layer(part(dataset), COMPUTE)
    settings = replace(stored_layer_request(dataset, "color").array, zstd_level=5)
    edited = ShardedArray.open(dataset / record_of(dataset).mags[0].path)
    voxels = edited.read_box(edited.info.box)

    run_layer(plan_rewrite(dataset, "color", COMPUTE, array=settings), COMPUTE)
    commit(dataset)

    stored = ShardedArray.open(dataset / record_of(dataset).mags[0].path)
    np.testing.assert_array_equal(stored.read_box(stored.info.box), voxels)
    assert plan_rewrite(dataset, "color", COMPUTE, array=settings).up_to_date
    assert whole(dataset).up_to_date


@pytest.mark.parametrize("in_part", [True, False])
def test_slices_that_were_edited_are_measured_again(dataset: Path, in_part: bool) -> None:  # noqa: FBT001  # a parameter
    edit(dataset, REGION)
    before = record_of(dataset).statistics
    run_layer(part(dataset) if in_part else whole(dataset), COMPUTE)

    after = record_of(dataset).statistics
    assert before is not None
    assert after is not None
    mag_1 = ShardedArray.open(dataset / "color" / "1")
    voxels = mag_1.read_box(mag_1.info.box)[0]
    for old, new in zip(before.slices, after.slices, strict=True):
        in_slice = voxels[..., new.z].astype(int)
        assert (new.minimum, new.maximum, new.total, new.zeros, new.count) == (
            in_slice.min(),
            in_slice.max(),
            in_slice.sum(),
            (in_slice == 0).sum(),
            in_slice.size,
        )
        assert (new.file, new.digest) == (old.file, old.digest)
    assert (before.maximum, after.maximum) == (199, 250)


def test_a_region_outside_of_the_layer_is_refused(dataset: Path) -> None:
    with pytest.raises(PlanError, match="0,0,0,48,40,40"):
        part(dataset, BoundingBox((100, 0, 0), (5, 5, 5)))


def test_a_layer_that_is_not_published_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match="'color'"):
        stored_layer_request(tmp_path, "color")
    assert current_record(tmp_path, "color") is None


def test_kill_9_anywhere_in_a_redo_and_run_again(original: Path, tmp_path: Path) -> None:
    def work(target: Path) -> None:
        run_layer(part(target), COMPUTE)
        commit(target)

    undisturbed = copied(original, tmp_path / "undisturbed")
    edit(undisturbed, REGION)
    edited = copied(undisturbed, tmp_path / "edited")
    work(undisturbed)
    expected = crash_lab.digest(undisturbed)
    points = crash_lab.count_points(partial(work, copied(edited, tmp_path / "counted")))
    for point in range(1, points + 1, max(1, points // 12)):
        target = copied(edited, tmp_path / str(point))
        crash_lab.run_until(point, partial(work, target))
        assert crash_lab.run_for(60, partial(work, target))
        assert crash_lab.digest(target) == expected
