"""A download ends with one whole dataset, or with an error and notes to go on from: whatever breaks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina

from tests.served import Server
from wk_assets.client.context import current_context, webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.errors import (
    AlreadyThereError,
    DatasetExistsError,
    ForbiddenError,
    LockedError,
    NotADatasetError,
    ServerBusyError,
    UnexpectedAnswerError,
    WkAssetsError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.transfer import download_dataset
from wk_assets.operations.transfer.download_dataset import DownloadResult, DownloadSettings, run_download
from wk_assets.operations.transfer.download_plan import DownloadPlan
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration
from wk_assets.standin.server import running_standin
from wk_assets.storage.locks import exclusive

# Blocks are 256 voxels wide: two times two of `gray`, of which one is all background, and one of `labels`.
BOX = BoundingBox((8, 4, 2), (300, 290, 12))
GRAY = np.random.default_rng(1).integers(1, 255, (1, 300, 290, 12), dtype=np.uint8)
GRAY[:, 248:, 252:] = 0
LABELS = np.random.default_rng(2).integers(0, 2**63, (1, 40, 30, 12), dtype=np.uint64)
ONE_BY_ONE = DownloadSettings(threads=1)
BLOCKS = 5


class Interrupted(Exception):  # noqa: N818  # of these tests
    """Stand for a crash."""


class Source:
    """One stand-in with one dataset for all tests of this file; each counts the requests from where it begins."""

    def __init__(self, server: Server, dataset: RemoteDataset) -> None:
        self.server, self.dataset = server, dataset
        self.begin()

    def begin(self) -> None:
        self._before = self.server.requests("GET", "/data")

    @property
    def fetched(self) -> int:
        return self.server.requests("GET", "/data") - self._before

    def plan(self, **chosen: Any) -> DownloadPlan:
        return self.dataset.plan_download(**chosen)

    def run(self, target: Path, settings: DownloadSettings = ONE_BY_ONE, **more: Any) -> DownloadResult:
        return run_download(more.pop("plan", None) or self.plan(), current_context(), target, settings, **more)

    def interrupted_after(self, blocks: int, target: Path) -> None:
        """Run, and crash when so many blocks are noted."""
        seen: list[int] = []

        def crash(done: int, _: int) -> None:
            seen.append(done)
            if len(seen) == blocks:
                raise Interrupted

        with pytest.raises(Interrupted):
            self.run(target, listener=crash)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("download")
    made = Dataset(folder / "there", voxel_size=(11.0, 11.0, 25.0), name="there")
    gray = made.add_layer("gray", "color", dtype="uint8", bounding_box=BOX)
    gray.add_mag(1).write(GRAY, absolute_offset=BOX.topleft, allow_unaligned=True)
    gray.default_view_configuration = LayerViewConfiguration(color=(1, 2, 3))
    labels = made.add_layer(
        "labels", "segmentation", dtype="uint64", bounding_box=BoundingBox((0, 0, 0), (40, 30, 12)),
        largest_segment_id=2**64 - 2,
    )  # fmt: skip
    labels.add_mag(1).write(LABELS, allow_unaligned=True)
    made.default_view_configuration = DatasetViewConfiguration(zoom=3)
    with running_standin(folder / "standin") as running, stamina.set_testing(True, attempts=3, cap=True):
        server = Server(running)
        with webknossos_context(url=server.url, token=server.seed.admin):
            yield Source(server, RemoteDataset.explore_and_add_remote(folder / "there", "there"))


@pytest.fixture
def source(served: Source) -> Iterator[Source]:
    served.begin()
    yield served
    served.server.ask("DELETE", "/_standin/faults")


def assert_whole(target: Path) -> None:
    here = Dataset.open(target)
    assert list(here.layers) == ["gray", "labels"]
    np.testing.assert_array_equal(here.get_layer("gray").get_mag(1).read(), GRAY)
    np.testing.assert_array_equal(here.get_layer("labels").get_mag(1).read(), LABELS)


# ---------------------------------------------------------------------- what arrives


def test_a_dataset_arrives_whole_and_a_second_time_fetches_nothing(source: Source, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = source.run(tmp_path / "here", DownloadSettings(threads=3), listener=lambda *one: told.append(one))
    requests = source.fetched
    second = source.run(tmp_path / "here")

    assert_whole(tmp_path / "here")
    size = GRAY.nbytes + LABELS.nbytes
    assert (first.fetched_bytes, first.kept_bytes, first.reused) == (size, 0, False)
    assert (second.fetched_bytes, second.kept_bytes, second.reused) == (0, size, True)
    assert source.fetched == requests == BLOCKS
    assert told[-1] == (size, size)
    assert len(told) == BLOCKS


def test_what_is_said_of_a_dataset_comes_along(source: Source, tmp_path: Path) -> None:
    source.run(tmp_path / "here")

    here = Dataset.open(tmp_path / "here")
    assert (here.name, here.voxel_size) == ("there", (11.0, 11.0, 25.0))
    assert here.default_view_configuration == DatasetViewConfiguration(zoom=3)
    assert here.get_layer("gray").default_view_configuration == LayerViewConfiguration(color=(1, 2, 3))
    assert here.get_layer("gray").bounding_box == BOX
    assert here.get_segmentation_layer("labels").largest_segment_id == 2**64 - 2


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_chosen_layers_and_a_box_arrive_in_the_format_that_is_asked_for(
    source: Source, tmp_path: Path, data_format: str
) -> None:
    box = BoundingBox((200, 100, 5), (120, 180, 3))

    here = source.dataset.download(
        path=tmp_path / "here", layers="gray", mags=[Mag(1)], bounding_box=box, data_format=DataFormat(data_format)
    )

    layer = here.get_layer("gray")
    assert list(here.layers) == ["gray"]
    assert layer.data_format == data_format
    assert layer.bounding_box == BoundingBox((200, 100, 5), (108, 180, 3))
    np.testing.assert_array_equal(layer.get_mag(1).read(), GRAY[:, 192:, 96:276, 3:6])
    assert not layer.get_mag(1).read((8, 8, 8), absolute_offset=(100, 100, 0)).any()


def test_a_block_is_asked_for_in_answers_of_bounded_size(source: Source, tmp_path: Path) -> None:
    source.run(tmp_path / "here", DownloadSettings(threads=1, request_bytes=1), plan=source.plan(layers=["labels"]))
    whole = source.fetched
    voxels = Dataset.open(tmp_path / "here").get_layer("labels").get_mag(1).read()

    np.testing.assert_array_equal(voxels, LABELS)
    assert whole == 1  # one row of chunks holds all 12 planes


def test_a_dataset_is_downloaded_by_its_address(source: Source, tmp_path: Path) -> None:
    here = Dataset.download(source.dataset.url, path=tmp_path / "here", layers=["labels"])

    np.testing.assert_array_equal(here.get_layer("labels").get_mag(1).read(), LABELS)


# ---------------------------------------------------------------------- what breaks


@pytest.mark.parametrize("blocks", [1, 3, BLOCKS])
def test_an_interrupted_download_is_no_dataset_and_goes_on_where_it_stopped(
    source: Source, tmp_path: Path, blocks: int
) -> None:
    source.interrupted_after(blocks, tmp_path / "here")
    before = source.fetched
    with pytest.raises(NotADatasetError):
        Dataset.open(tmp_path / "here")

    result = source.run(tmp_path / "here")

    assert_whole(tmp_path / "here")
    assert before == blocks
    assert source.fetched - before == BLOCKS - blocks
    assert result.fetched_bytes + result.kept_bytes == GRAY.nbytes + LABELS.nbytes


def test_blocks_that_are_not_what_was_noted_are_fetched_again(source: Source, tmp_path: Path) -> None:
    source.interrupted_after(BLOCKS, tmp_path / "here")
    shards = sorted((tmp_path / "here").rglob("gray/1/c/**/*"), key=lambda path: path.stat().st_size)
    files = [path for path in shards if path.is_file()]
    data = bytearray(files[-1].read_bytes())
    data[len(data) // 2] ^= 0xFF
    files[-1].write_bytes(data)
    files[0].unlink()
    source.begin()

    source.run(tmp_path / "here")

    assert_whole(tmp_path / "here")
    assert source.fetched == 2


@pytest.mark.parametrize(
    ("step", "call"),
    [("adopt_staged", 1), ("adopt_staged", 2), ("write_properties", 1), ("write_groups", 1), ("remove_tree", 1)],
)
def test_a_crash_while_it_is_published_costs_no_voxel(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    done, calls = getattr(download_dataset, step), []

    def crash(*arguments: Any) -> Any:
        calls.append(step)
        if len(calls) == call:
            raise Interrupted
        return done(*arguments)

    monkeypatch.setattr(download_dataset, step, crash)
    with pytest.raises(Interrupted):
        source.run(tmp_path / "here")
    monkeypatch.undo()
    source.begin()

    source.run(tmp_path / "here")

    assert_whole(tmp_path / "here")
    assert source.fetched == 0


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 502}, {"kind": "drop"}, {"kind": "truncate"}])
def test_a_passing_fault_is_tried_again(source: Source, tmp_path: Path, fault: dict[str, Any]) -> None:
    source.server.fault(path="/layers/gray/data", skip=1, **fault)

    source.run(tmp_path / "here")

    assert_whole(tmp_path / "here")
    assert source.server.world.database.count("SELECT COUNT(*) FROM faults") == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, ServerBusyError),
        ({"kind": "status", "status": 403}, ForbiddenError),
        # an answer that does not say that no bucket is missing
        ({"kind": "status", "status": 200}, UnexpectedAnswerError),
    ],
)
def test_a_lasting_fault_is_an_error_and_the_next_run_goes_on(
    source: Source, tmp_path: Path, fault: dict[str, Any], error: type[WkAssetsError]
) -> None:
    source.server.fault(path="/layers/gray/data", skip=2, times=50, **fault)
    with pytest.raises(error) as refusal:
        source.run(tmp_path / "here")
    source.server.ask("DELETE", "/_standin/faults")
    source.begin()

    source.run(tmp_path / "here")

    assert source.server.seed.admin not in str(refusal.value)
    assert_whole(tmp_path / "here")
    assert source.fetched == BLOCKS - 2


# ---------------------------------------------------------------------- the place


def test_something_else_at_the_place_is_left_alone(source: Source, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine.txt").write_text("mine")

    with pytest.raises(DatasetExistsError, match=r"is not empty: there is mine\.txt"):
        source.run(tmp_path / "here")
    with pytest.raises(DatasetExistsError, match="there is a file"):
        source.run(tmp_path / "here" / "mine.txt")

    assert source.fetched == 0
    assert [entry.name for entry in (tmp_path / "here").iterdir()] == ["mine.txt"]


def test_layers_are_added_to_a_dataset_that_is_there_only_if_that_is_wanted(source: Source, tmp_path: Path) -> None:
    there = Dataset(tmp_path / "here", voxel_size=(11.0, 11.0, 25.0), name="mine")
    there.add_layer("own", "color", dtype="uint8", bounding_box=BOX).add_mag(1)

    with pytest.raises(DatasetExistsError, match="pass exist_ok=True"):
        source.run(tmp_path / "here")
    assert source.fetched == 0
    source.run(tmp_path / "here", plan=source.plan(layers=["labels"]), exist_ok=True)
    with pytest.raises(AlreadyThereError, match="has a layer labels already"):
        source.run(tmp_path / "here", exist_ok=True)

    here = Dataset.open(tmp_path / "here")
    assert (here.name, list(here.layers)) == ("mine", ["own", "labels"])
    np.testing.assert_array_equal(here.get_layer("labels").get_mag(1).read(), LABELS)


def test_a_dataset_of_another_voxel_size_takes_no_layers(source: Source, tmp_path: Path) -> None:
    Dataset(tmp_path / "here", voxel_size=(1.0, 1.0, 1.0))

    with pytest.raises(DatasetExistsError, match="has voxel size"):
        source.run(tmp_path / "here", exist_ok=True)


def test_what_was_taken_away_again_is_fetched_again(source: Source, tmp_path: Path) -> None:
    plan = source.plan(layers=["labels"])
    source.run(tmp_path / "here", plan=plan)
    Dataset.open(tmp_path / "here").delete_layer("labels")

    again = source.run(tmp_path / "here", plan=plan, exist_ok=True)

    assert (again.reused, source.fetched) == (False, 2)
    np.testing.assert_array_equal(Dataset.open(tmp_path / "here").get_layer("labels").get_mag(1).read(), LABELS)


def test_two_downloads_to_one_place_do_not_meet(source: Source, tmp_path: Path) -> None:
    with exclusive(tmp_path / "here" / ".wk-assets" / "download.lock", "another download"), pytest.raises(LockedError):
        source.run(tmp_path / "here")

    assert source.fetched == 0
