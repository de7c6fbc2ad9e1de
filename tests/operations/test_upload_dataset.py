"""An upload ends with one whole dataset, or with an error and notes to go on from: whatever breaks."""

import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import stamina

from wk_assets.client.context import ServerContext, current_context, webknossos_context
from wk_assets.client.models import ApiLinkedLayerIdentifier
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    InvalidNameError,
    LockedError,
    NoAnswerError,
    NotAuthenticatedError,
    PlanError,
    RequestRefusedError,
    ServerError,
    ShardCorruptError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.transfer.upload_dataset import UploadResult, UploadSettings, run_upload
from wk_assets.operations.transfer.upload_plan import plan_upload
from wk_assets.standin.server import RunningStandin, running_standin
from wk_assets.standin.world import Settings

SMALL = UploadSettings(piece_bytes=4096, threads=2, patience_seconds=0.0)
VOXELS = np.random.default_rng(7).integers(0, 255, (1, 64, 48, 40), dtype=np.uint8)


@pytest.fixture
def standin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningStandin]:
    with (
        stamina.set_testing(True, attempts=3, cap=True),
        running_standin(
            tmp_path / "standin", settings=Settings(current_version=getattr(request, "param", 16))
        ) as running,
    ):
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0), name="sent")
    box = BoundingBox((0, 0, 0), (64, 48, 40))
    color = made.add_layer("color", "color", dtype="uint8", bounding_box=box)
    color.add_mag(1, shard_shape=(32, 32, 32)).write(VOXELS, allow_unaligned=True)
    labels = made.add_layer("labels", "segmentation", dtype="uint64", bounding_box=box, largest_segment_id=2**40)
    labels.add_mag(1).write(VOXELS.astype(np.uint64), allow_unaligned=True)
    return made


def _context(standin: RunningStandin) -> ServerContext:
    assert standin.seed is not None
    with webknossos_context(url=standin.url, token=standin.seed.admin):
        return current_context()


def _fault(standin: RunningStandin, **fault: Any) -> None:
    httpx.post(f"{standin.url}/_standin/faults", json=fault)


def _send(dataset: Dataset, standin: RunningStandin, settings: UploadSettings = SMALL) -> UploadResult:
    return run_upload(plan_upload(Path(dataset.path)), _context(standin), settings)


def _datasets(standin: RunningStandin) -> list[dict[str, Any]]:
    return [row["doc"] for row in standin.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0")]


def _voxels_on_server(standin: RunningStandin, dataset_id: str) -> Any:
    return (
        _context(standin)
        .datastore_client(standin.url)
        .read_box(
            dataset_id=dataset_id,
            layer_name="color",
            mag=Mag(1),
            box=BoundingBox((0, 0, 0), (64, 48, 40)),
            channels=1,
            dtype=np.dtype("uint8"),
        )
    )


def _assert_arrived_once(standin: RunningStandin, result: UploadResult) -> None:
    (stored,) = _datasets(standin)
    assert stored["id"] == result.dataset_id
    assert stored["status"] is None
    np.testing.assert_array_equal(_voxels_on_server(standin, result.dataset_id), VOXELS)


@pytest.mark.parametrize("standin", [13, 16], indirect=True)
def test_a_dataset_arrives_and_a_second_time_sends_nothing(dataset: Dataset, standin: RunningStandin) -> None:
    told: list[tuple[int, int]] = []
    plan = plan_upload(Path(dataset.path))
    first = run_upload(plan, _context(standin), SMALL, lambda done, total: told.append((done, total)))

    _assert_arrived_once(standin, first)
    assert told[-1] == (plan.size_bytes, plan.size_bytes)
    again = _send(dataset, standin)
    assert (again.dataset_id, again.sent_bytes, again.reused) == (first.dataset_id, 0, True)
    stored = _datasets(standin)[0]["source"]["dataLayers"][1]
    assert "1099511627776" in str(stored["largestSegmentId"])


def test_only_what_the_dataset_names_is_sent(dataset: Dataset, standin: RunningStandin) -> None:
    (Path(dataset.path) / "color" / "forgotten").mkdir()
    (Path(dataset.path) / "color" / "forgotten" / "notes.txt").write_text("x")
    (Path(dataset.path) / "color" / "1" / "empty").touch()

    names = [file.relative_path for file in plan_upload(Path(dataset.path)).files]
    assert all(name == "datasource-properties.json" or "/1/" in name for name in names)
    assert not any(part.startswith(".") for name in names for part in name.split("/"))
    assert "color/1/empty" not in names
    _assert_arrived_once(standin, _send(dataset, standin))


@pytest.mark.parametrize("piece", [0, 9, 23])
@pytest.mark.parametrize("kind", ["drop", "status"])
def test_a_piece_that_fails_for_good_is_gone_on_from(
    dataset: Dataset, standin: RunningStandin, piece: int, kind: str
) -> None:
    _fault(standin, method="POST", path="datasets(/upload/dataset)?$", kind=kind, status=503, skip=piece, times=50)
    with pytest.raises(ServerError):
        _send(dataset, standin)
    httpx.delete(f"{standin.url}/_standin/faults")

    result = _send(dataset, standin)
    _assert_arrived_once(standin, result)
    assert result.skipped_bytes > 0 or piece == 0


@pytest.mark.parametrize("standin", [13, 16], indirect=True)
@pytest.mark.parametrize("kind", ["lost", "drop", "truncate"])
def test_an_end_whose_answer_is_lost_is_recognized(dataset: Dataset, standin: RunningStandin, kind: str) -> None:
    _fault(standin, method="POST", path="finishUpload", kind=kind)
    try:
        result = _send(dataset, standin)
    except NoAnswerError:
        assert kind == "drop"  # the server never saw it, so the next run asks for the end
        result = _send(dataset, standin)
    _assert_arrived_once(standin, result)


def test_a_token_that_expires_in_the_middle_leaves_a_session_to_go_on_with(
    dataset: Dataset, standin: RunningStandin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert standin.seed is not None
    _fault(standin, method="POST", path="datasets(/upload/dataset)?$", kind="status", status=401, skip=5, times=1)
    with pytest.raises(NotAuthenticatedError, match="WK_TOKEN"):
        _send(dataset, standin)
    _assert_arrived_once(standin, _send(dataset, standin))
    assert standin.seed.admin not in caplog.text


def test_what_the_server_refuses_is_forgotten_on_both_sides(dataset: Dataset, standin: RunningStandin) -> None:
    header = Path(dataset.path) / "color" / "1" / "zarr.json"
    good = header.read_text()
    header.write_text(good.replace('"checksum"', '"chk"'))
    with pytest.raises(RequestRefusedError, match="checksum is missing"):
        _send(dataset, standin)
    assert _datasets(standin) == []
    header.write_text(good)
    _assert_arrived_once(standin, _send(dataset, standin))


def test_a_changed_dataset_gives_up_the_upload_of_the_old_one(dataset: Dataset, standin: RunningStandin) -> None:
    _fault(standin, method="POST", path="datasets(/upload/dataset)?$", kind="status", status=503, skip=3, times=50)
    with pytest.raises(ServerError):
        _send(dataset, standin)
    httpx.delete(f"{standin.url}/_standin/faults")
    dataset.get_layer("color").get_mag(1).write(VOXELS[:, ::-1], allow_unaligned=True)

    result = _send(dataset, standin)
    (stored,) = _datasets(standin)
    assert stored["id"] == result.dataset_id
    np.testing.assert_array_equal(_voxels_on_server(standin, result.dataset_id), VOXELS[:, ::-1])


def test_damaged_bytes_never_leave(dataset: Dataset, standin: RunningStandin) -> None:
    shard = next(path for path in (Path(dataset.path) / "color" / "1" / "c").rglob("*") if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    with pytest.raises(ShardCorruptError, match="verify --repair"):
        _send(dataset, standin)
    assert all(stored["status"] for stored in _datasets(standin))


def test_layers_of_the_server_are_linked(dataset: Dataset, standin: RunningStandin) -> None:
    first = _send(dataset, standin)
    plan = plan_upload(Path(dataset.path), name="second", leave_out=["color"])
    link = ApiLinkedLayerIdentifier(dataset_id=first.dataset_id, layer_name="color", new_layer_name="raw")
    settings = UploadSettings(piece_bytes=4096, layers_to_link=(link,))

    second = run_upload(plan, _context(standin), settings)
    described = _context(standin).client().dataset_info(dataset_id=second.dataset_id)
    assert [layer["name"] for layer in described.data_source["dataLayers"]] == ["labels", "raw"]


def test_nothing_to_send_is_said_before_anything_is_asked(dataset: Dataset) -> None:
    with pytest.raises(PlanError, match="no layer to send"):
        plan_upload(Path(dataset.path), leave_out=["color", "labels"])


def test_a_name_that_no_server_takes_is_refused_before_anything_is_asked(dataset: Dataset) -> None:
    with pytest.raises(InvalidNameError, match="Did you mean 'dataset-ds'"):
        plan_upload(Path(dataset.path), name="ds")


def _upload_in_a_process(path: str, url: str, token: str, started: Any) -> None:
    with webknossos_context(url=url, token=token):
        context = current_context()
    settings = UploadSettings(piece_bytes=1024, threads=1, patience_seconds=0.0)
    run_upload(plan_upload(Path(path)), context, settings, lambda done, total: started.set())


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_killed_uploader_is_gone_on_from(dataset: Dataset, standin: RunningStandin, delay: float) -> None:
    assert standin.seed is not None
    spawn = multiprocessing.get_context("spawn")
    started = spawn.Event()
    process = spawn.Process(
        target=_upload_in_a_process, args=(str(dataset.path), standin.url, standin.seed.admin, started)
    )
    process.start()
    assert started.wait(60)
    settings = UploadSettings(piece_bytes=1024, threads=1, patience_seconds=0.0)
    if delay == 0.0:
        with pytest.raises(LockedError, match="upload of sent"):
            run_upload(plan_upload(Path(dataset.path)), _context(standin), settings)
    time.sleep(delay)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()

    result = run_upload(plan_upload(Path(dataset.path)), _context(standin), settings)
    _assert_arrived_once(standin, result)
    assert result.skipped_bytes > 0


def test_a_dataset_that_was_deleted_on_the_server_is_sent_again(dataset: Dataset, standin: RunningStandin) -> None:
    first = _send(dataset, standin)
    _context(standin).client().dataset_delete(dataset_id=first.dataset_id)

    second = _send(dataset, standin)
    assert second.dataset_id != first.dataset_id
    _assert_arrived_once(standin, second)


def test_the_notes_may_be_lost_without_harm(dataset: Dataset, standin: RunningStandin) -> None:
    _fault(standin, method="POST", path="datasets(/upload/dataset)?$", kind="status", status=503, skip=3, times=50)
    with pytest.raises(ServerError):
        _send(dataset, standin)
    httpx.delete(f"{standin.url}/_standin/faults")
    shutil.rmtree(Path(dataset.path) / ".wk-assets" / "uploads")

    result = _send(dataset, standin)
    usable = [stored for stored in _datasets(standin) if stored["status"] is None]
    assert [stored["id"] for stored in usable] == [result.dataset_id]
