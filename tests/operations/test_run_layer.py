"""Plans and runs on real files: what is skipped, what is made again, what is repaired, who is kept out."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.operations import crash_lab
from wk_assets.errors import LockedError, PlanError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.verify import Subset, verify_dataset
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.commit_dataset import DatasetRequest, commit_dataset
from wk_assets.operations.layers.layer_plan import plan_layer
from wk_assets.operations.layers.run_layer import run_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.layer_request import LayerRequest
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.locks import exclusive
from wk_assets.storage.stored_array import StoredArray

COMPUTE = Compute(threads=2)
MAGS = (Mag(1), Mag(2), Mag(4))


@pytest.fixture
def request_(tmp_path: Path) -> LayerRequest:
    crash_lab.write_slices(tmp_path / "inbox", 40)
    return crash_lab.request_of(tmp_path / "inbox", tmp_path / "dataset")


def dataset_request(request: LayerRequest) -> DatasetRequest:
    return DatasetRequest(
        dataset_path=request.dataset_path,
        name="d",
        voxel_size=request.voxel_size,
        layer_names=(request.layer_name,),
        layout=Layout.OME,
    )


def test_a_second_run_does_nothing(request_: LayerRequest) -> None:
    first = run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    before = crash_lab.digest(request_.dataset_path)

    plan = plan_layer(request_, COMPUTE)
    second = run_layer(plan, COMPUTE)

    assert plan.up_to_date
    assert not plan.raw_bytes
    assert [mag.reused for mag in first.mags] == [False] * 3
    assert [mag.reused for mag in second.mags] == [True] * 3
    assert second.written_bytes == 0
    assert crash_lab.digest(request_.dataset_path) == before


@pytest.mark.parametrize("wanted", [(1, 2, 4), (2, 4), (4,), (2,), (1,), (1, 4)])
def test_any_subset_of_mags_gives_the_bytes_of_the_whole(request_: LayerRequest, wanted: tuple[int, ...]) -> None:
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    before = crash_lab.digest(request_.dataset_path)
    for mag in wanted:
        shutil.rmtree(request_.dataset_path / "color" / str(mag))

    result = run_layer(plan_layer(request_, COMPUTE, [Mag(mag) for mag in wanted]), COMPUTE)

    assert [mag.mag for mag in result.mags] == [Mag(mag) for mag in wanted]
    assert crash_lab.digest(request_.dataset_path) == before


def test_a_coarser_mag_needs_no_images(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE, [Mag(1)]), COMPUTE)
    without = replace(request_, source=None)

    run_layer(plan_layer(without, COMPUTE), COMPUTE)
    alone = crash_lab.digest(request_.dataset_path)
    shutil.rmtree(request_.dataset_path)
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)

    assert alone == crash_lab.digest(request_.dataset_path)


def test_a_mag_whose_parent_is_not_there_is_refused(request_: LayerRequest) -> None:
    with pytest.raises(PlanError, match="make mag 1 first"):
        plan_layer(request_, COMPUTE, [Mag(4)])
    run_layer(plan_layer(request_, COMPUTE, [Mag(1)]), COMPUTE)
    with pytest.raises(PlanError, match="mag 2 of layer 'color' is not stored"):
        plan_layer(request_, COMPUTE, [Mag(4)])
    with pytest.raises(PlanError, match="has no mag 8"):
        plan_layer(request_, COMPUTE, [Mag(8)])


def test_a_reimported_finest_mag_keeps_the_dataset_from_being_committed_until_all_are_remade(
    request_: LayerRequest, tmp_path: Path
) -> None:
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    commit_dataset(dataset_request(request_))
    old = crash_lab.digest(request_.dataset_path)
    crash_lab.write_slices(tmp_path / "inbox", 40, seed=5)
    changed = crash_lab.request_of(tmp_path / "inbox", request_.dataset_path)

    run_layer(plan_layer(changed, COMPUTE, [Mag(1)]), COMPUTE)
    with pytest.raises(PlanError, match="mag 2 of layer 'color' was made from another version of mag 1"):
        commit_dataset(dataset_request(changed))
    still = crash_lab.digest(request_.dataset_path)
    run_layer(plan_layer(changed, COMPUTE, [Mag(2), Mag(4)]), COMPUTE)
    commit_dataset(dataset_request(changed))

    assert {name: still[name] for name in old if not name.startswith(".wk")} == {
        name: value for name, value in old.items() if not name.startswith(".wk")
    }
    names = {path.name for path in (request_.dataset_path / "color").iterdir() if path.is_dir()}
    assert len(names) == 3
    assert all("." in name for name in names)
    assert verify_dataset(request_.dataset_path, COMPUTE).passed


def test_damage_is_named_and_repaired_with_the_same_bytes(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    commit_dataset(dataset_request(request_))
    whole = crash_lab.digest(request_.dataset_path)
    shards = sorted(path for path in (request_.dataset_path / "color" / "2" / "c").rglob("*") if path.is_file())
    flipped = bytearray(shards[0].read_bytes())
    flipped[len(flipped) // 2] ^= 4
    shards[0].write_bytes(flipped)

    findings = verify_dataset(request_.dataset_path, COMPUTE).findings
    unread = plan_layer(request_, COMPUTE)
    plan = plan_layer(request_, COMPUTE, read_checksums=True)
    run_layer(plan, COMPUTE)

    assert len(findings) == 1
    assert str(shards[0].relative_to(request_.dataset_path)) in findings[0]
    assert unread.up_to_date
    assert [mag.mag for mag in plan.mags if not mag.up_to_date] == [Mag(2)]
    assert crash_lab.digest(request_.dataset_path) == whole


def test_every_one_of_a_thousand_flipped_bits_is_found(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE, [Mag(1)]), COMPUTE)
    commit_dataset(dataset_request(request_))
    shards = sorted(path for path in (request_.dataset_path / "color" / "1" / "c").rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in shards]
    for bit in np.random.default_rng(3).integers(0, 8 * sum(sizes), 1000).tolist():
        number = int(np.searchsorted(np.cumsum(sizes), bit // 8, side="right"))
        place = bit // 8 - sum(sizes[:number])
        with shards[number].open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << bit % 8]))
        findings = verify_dataset(request_.dataset_path, COMPUTE).findings
        assert len(findings) == 1
        assert str(shards[number].relative_to(request_.dataset_path)) in findings[0]
        with shards[number].open("r+b") as file:
            file.seek(place)
            file.write(bytes([byte]))


def test_lost_and_emptied_shards_are_named_and_parts_together_are_the_whole(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    commit_dataset(dataset_request(request_))
    whole = verify_dataset(request_.dataset_path, COMPUTE)
    parts = [verify_dataset(request_.dataset_path, COMPUTE, Subset(n, 5)) for n in range(1, 6)]
    lost, emptied = sorted(path for path in (request_.dataset_path / "color" / "1" / "c").rglob("*") if path.is_file())[
        :2
    ]
    lost.unlink()
    emptied.write_bytes(b"")

    report = verify_dataset(request_.dataset_path, COMPUTE, Subset(1, 1000))

    assert whole.passed
    assert whole.checked_shards == whole.shards == sum(part.checked_shards for part in parts)
    assert [finding.split(": ")[0] for finding in report.findings] == [
        str(path.relative_to(request_.dataset_path)) for path in (lost, emptied)
    ]


def test_another_process_on_the_same_mag_is_kept_out_and_told_by_whom(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE, [Mag(1)]), COMPUTE)
    plan = plan_layer(request_, COMPUTE, [Mag(2)])
    lock = request_.dataset_path / ".wk-assets" / "locks" / "color" / "mag 2.lock"
    with exclusive(lock, "a test"), pytest.raises(LockedError, match="a test"):
        run_layer(plan, COMPUTE)
    run_layer(plan, COMPUTE)


def test_two_processes_at_once_lose_nothing(request_: LayerRequest, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.operations import crash_lab;"
        "crash_lab.make_dataset(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "inbox"), str(request_.dataset_path)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE) as one,
        subprocess.Popen(command, stderr=subprocess.PIPE) as two,
    ):
        errors = [process.communicate()[1].decode() for process in (one, two)]
    for process, error in zip((one, two), errors, strict=True):
        assert process.returncode == 0 or "LockedError" in error

    crash_lab.make_dataset(tmp_path / "inbox", request_.dataset_path)
    crash_lab.make_dataset(tmp_path / "inbox", tmp_path / "alone")

    assert crash_lab.digest(request_.dataset_path) == crash_lab.digest(tmp_path / "alone")


def test_an_offset_layer_lies_where_it_was_asked_for(request_: LayerRequest) -> None:
    shifted = replace(request_, topleft=Vec3Int(5, 6, 7))
    run_layer(plan_layer(shifted, COMPUTE), COMPUTE)
    run_layer(plan_layer(replace(request_, dataset_path=request_.dataset_path / "plain"), COMPUTE), COMPUTE)
    there = StoredArray.open(request_.dataset_path / "color" / "1")
    plain = StoredArray.open(request_.dataset_path / "plain" / "color" / "1")

    np.testing.assert_array_equal(
        there.read(BoundingBox((5, 6, 7), (48, 40, 40))), plain.read(BoundingBox((0, 0, 0), (48, 40, 40)))
    )
    record = read_layer_record(request_.dataset_path, "color")
    assert record is not None
    assert record.box == BoundingBox((5, 6, 7), (48, 40, 40))


def test_slices_that_do_not_fit_the_memory_are_refused_with_both_figures(request_: LayerRequest) -> None:
    with pytest.raises(PlanError, match=r"need \d+ MiB of memory even in the smallest parts, the budget is 256 MiB"):
        plan_layer(request_, Compute(threads=2, memory_bytes=256 << 20))


def test_the_ledger_says_what_every_voxel_rests_on(request_: LayerRequest) -> None:
    run_layer(plan_layer(request_, COMPUTE), COMPUTE)
    record = read_layer_record(request_.dataset_path, "color")
    assert record is not None
    assert record.statistics is not None
    assert [source.relative_path for source in record.sources] == [f"slice_{z:03}.tif" for z in range(40)]
    assert all(source.digest is not None and source.digest.startswith("xxh3_128:") for source in record.sources)
    assert [fact.z for fact in record.statistics.slices] == list(range(40))
    voxels = StoredArray.open(request_.dataset_path / "color" / "1").read(record.box)
    assert record.statistics.maximum == voxels.max()
    assert record.statistics.mean == pytest.approx(voxels.mean())
    assert record.voxel_size == VoxelSize((10, 10, 10))
    assert record.mode is DownsamplingMode.MEDIAN
    assert [mag.to_mag() for mag in record.mags] == list(MAGS)
