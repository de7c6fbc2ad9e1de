"""A copy of an attachment is named once it is whole and on the disk, whenever the process dies or the power goes."""

import hashlib
import random
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.operations import crash_lab, disk_model, strace_lab
from tests.operations.disk_model import HARDEST, Data, Disk, Names
from wk_assets.dataset.agglomerate_attachment import AgglomerateAttachment
from wk_assets.dataset.dataset import Dataset
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.properties.layer_properties import AttachmentDataFormat


def make_dataset(path: Path) -> None:
    dataset = Dataset(path, voxel_size=(10, 10, 10))
    dataset.add_layer("seg", "segmentation", dtype_per_channel="uint32", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))


def make_folder(path: Path) -> None:
    (path / "c" / "0").mkdir(parents=True)
    (path / "zarr.json").write_text("{}")
    for number in range(3):
        (path / "c" / "0" / str(number)).write_bytes(bytes(range(1 + number, 200)))


def copy_once(dataset_path: Path, source: Path) -> None:
    """Add a copy unless the layer has it already, as a script that is run again does."""
    attachments = Dataset.open(dataset_path).get_segmentation_layer("seg").attachments
    if not attachments.agglomerates:
        leftover = dataset_path / "seg" / "agglomerates" / "copy"
        if leftover.exists():  # whole, but nothing names it: the script's to remove
            shutil.rmtree(leftover)
        attachments.add_attachment_as_copy(
            AgglomerateAttachment.from_path_and_name(source, "copy", data_format=AttachmentDataFormat.Zarr3)
        )


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".wk-assets" not in path.parts
    }


def assert_what_is_named_is_whole(dataset_path: Path, source: Path) -> None:
    for one in Dataset.open(dataset_path).get_segmentation_layer("seg").attachments:
        assert digest(Path(one.path.path)) == digest(source)


@pytest.fixture
def lab(strace_or_skip: None, tmp_path: Path) -> tuple[Path, Path]:
    make_folder(tmp_path / "source")
    (tmp_path / "disk").mkdir()
    make_dataset(tmp_path / "disk" / "dataset")
    return tmp_path / "disk" / "dataset", tmp_path / "source"


@pytest.fixture
def strace_or_skip() -> None:
    reason = strace_lab.why_not()
    if reason:
        pytest.skip(reason)


def test_no_power_cut_leaves_a_name_without_its_file(lab: tuple[Path, Path], tmp_path: Path) -> None:
    dataset, source = lab
    disk = Disk(dataset.parent)
    work = partial(copy_once, dataset, source)
    assert disk_model.record(work, tmp_path / "log").status == 0
    expected = digest(dataset)
    chance = random.Random(3)
    named = cuts = 0
    for number, _ in enumerate(disk.follow(tmp_path / "log")):
        names, data = HARDEST[number % len(HARDEST)]
        for names_left, data_left in ((names, data), (Names.KEPT, Data.LOST)):
            shutil.rmtree(dataset.parent)
            dataset.parent.mkdir()
            disk_model.lay_out(disk.cut(data_left, names_left, chance), dataset.parent)
            assert_what_is_named_is_whole(dataset, source)
            named += not Dataset.open(dataset).get_segmentation_layer("seg").attachments.is_empty
            copy_once(dataset, source)
            assert digest(dataset) == expected, f"cut after call {number}, names {names_left}, data {data_left}"
            cuts += 1
    assert 0 < named < cuts


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
def test_no_failing_call_leaves_a_name_without_its_file(lab: tuple[Path, Path], tmp_path: Path, fault: str) -> None:
    dataset, source = lab
    before = tmp_path / "before"
    shutil.copytree(dataset, before)
    work = partial(copy_once, dataset, source)
    points = strace_lab.points_of(work, tmp_path / "log")
    expected = digest(dataset)
    assert len(points) > 10
    for point in points[len(fault) % 3 :: 3]:
        shutil.rmtree(dataset)
        shutil.copytree(before, dataset)
        outcome = strace_lab.disturb(work, point, fault)
        assert outcome.fired
        assert outcome.killed or (outcome.refusal or "").startswith(("DiskFullError: ", "StorageError: ")), (
            f"{point}: {outcome}"
        )
        assert_what_is_named_is_whole(dataset, source)
        assert crash_lab.run_for(60, work)
        assert digest(dataset) == expected, f"{fault} at {point}"
