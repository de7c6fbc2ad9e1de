"""A dataset gets to a server's disks once and whole, wherever the run that places it ends."""

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
    LockedError,
    NoAnswerError,
    NotADatasetError,
    PlanError,
    RemoteLocationError,
    RequestRefusedError,
    ServerError,
    UnexpectedAnswerError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.transfer.paths_plan import plan_paths
from wk_assets.operations.transfer.place_files import Placement, local_target
from wk_assets.operations.transfer.upload_dataset import UploadResult
from wk_assets.operations.transfer.upload_to_paths import PathsSettings, run_upload_to_paths
from wk_assets.properties.layer_properties import AttachmentDataFormat
from wk_assets.standin.dataset_store import NOT_UPLOADED, add_dataset
from wk_assets.standin.server import RunningStandin, running_standin

BOX = BoundingBox((0, 0, 0), (32, 32, 32))
VOXELS = np.random.default_rng(7).integers(1, 255, (1, 32, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStandin]:
    with running_standin(tmp_path_factory.mktemp("standin")) as started:
        yield started


@pytest.fixture
def standin(running: RunningStandin) -> Iterator[RunningStandin]:
    running.world.database.change("UPDATE datasets SET deleted = 1")
    with stamina.set_testing(True, attempts=3, cap=True):
        yield running
    httpx.delete(f"{running.url}/_standin/faults")


@pytest.fixture
def context(standin: RunningStandin) -> ServerContext:
    assert standin.seed is not None
    with webknossos_context(url=standin.url, token=standin.seed.admin):
        return current_context()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0), name="placed")
    labels = made.add_layer("labels", "segmentation", dtype="uint8", bounding_box=BOX).as_segmentation_layer()
    labels.add_mag(1, shard_shape=(32, 32, 32)).write(VOXELS, allow_unaligned=True)
    labels.downsample(coarsest_mag=Mag(2), align_with_other_layers=False)
    (tmp_path / "meshes.hdf5").write_bytes(b"meshes")
    labels.attachments.add_mesh(tmp_path / "meshes.hdf5", name="cells", data_format=AttachmentDataFormat.HDF5)
    return made


def _fault(standin: RunningStandin, **fault: Any) -> None:
    httpx.post(f"{standin.url}/_standin/faults", json=fault)


def _datasets(standin: RunningStandin) -> list[dict[str, Any]]:
    return [row["doc"] for row in standin.world.database.rows("SELECT doc FROM datasets WHERE deleted = 0")]


def _run(dataset: Dataset, context: ServerContext, **settings: Any) -> UploadResult:
    return run_upload_to_paths(plan_paths(Path(dataset.path)), context, PathsSettings(**settings))


def _assert_placed_once(standin: RunningStandin, context: ServerContext, dataset_id: str) -> None:
    (stored,) = _datasets(standin)
    assert (stored["id"], stored["status"]) == (dataset_id, None)
    store = context.datastore_client(context.address.url)
    read = store.read_box(
        dataset_id=dataset_id, layer_name="labels", mag=Mag(1), box=BOX, channels=1, dtype=np.dtype("uint8")
    )
    np.testing.assert_array_equal(read, VOXELS)
    (layer,) = stored["source"]["dataLayers"]
    assert [mag["mag"] for mag in layer["mags"]] == [[1, 1, 1], [2, 2, 1]]
    (mesh,) = layer["attachments"]["meshes"]
    assert Path(mesh["path"]).read_bytes() == b"meshes"


@pytest.mark.parametrize("placement", Placement)
def test_a_dataset_is_placed_and_a_second_time_does_nothing(
    dataset: Dataset, standin: RunningStandin, context: ServerContext, placement: Placement
) -> None:
    first = _run(dataset, context, placement=placement)

    _assert_placed_once(standin, context, first.dataset_id)
    np.testing.assert_array_equal(Dataset.open(dataset.path).get_layer("labels").get_mag(1).read(), VOXELS)
    linked = placement is Placement.MOVE_AND_SYMLINK
    assert (Path(dataset.path) / "labels" / "1").is_symlink() == linked
    again = _run(dataset, context, placement=placement)
    assert (again.dataset_id, again.sent_bytes, again.reused) == (first.dataset_id, 0, True)
    assert (first.sent_bytes > 0) == (placement is not Placement.SYMLINK)


def test_a_changed_dataset_is_another_dataset(
    dataset: Dataset, standin: RunningStandin, context: ServerContext
) -> None:
    first = _run(dataset, context)
    dataset.get_layer("labels").get_mag(1).write(VOXELS[:, ::-1], allow_unaligned=True)

    second = _run(dataset, context)
    assert second.dataset_id != first.dataset_id
    assert len(_datasets(standin)) == 2


@pytest.mark.parametrize(
    ("route", "kind", "placement"),
    [
        ("reserveUploadToPaths", "lost", Placement.COPY),
        ("reserveUploadToPaths", "drop", Placement.COPY),
        ("finishUploadToPaths", "lost", Placement.COPY),
        ("finishUploadToPaths", "drop", Placement.COPY),
        ("finishUploadToPaths", "drop", Placement.SYMLINK),
        ("finishUploadToPaths", "drop", Placement.MOVE_AND_SYMLINK),
    ],
)
def test_an_answer_that_is_lost_leaves_no_second_dataset(
    dataset: Dataset, standin: RunningStandin, context: ServerContext, placement: Placement, route: str, kind: str
) -> None:
    _fault(standin, method="POST", path=route, kind=kind)
    try:
        result = _run(dataset, context, placement=placement, require_unique_name=True)
    except ServerError:
        result = _run(dataset, context, placement=placement, require_unique_name=True)
    else:
        assert (route, kind) == ("finishUploadToPaths", "lost")
    _assert_placed_once(standin, context, result.dataset_id)


class _Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("placement", "killed_at"), [(Placement.COPY, 0), (Placement.COPY, 2), (Placement.MOVE_AND_SYMLINK, 1)]
)
def test_a_run_that_is_killed_between_parts_is_gone_on_from(
    dataset: Dataset, standin: RunningStandin, context: ServerContext, placement: Placement, killed_at: int
) -> None:
    def listener(done: int, total: int) -> None:
        assert total == 3
        if done > killed_at:
            raise _Killed

    plan = plan_paths(Path(dataset.path))
    with pytest.raises(_Killed):
        run_upload_to_paths(plan, context, PathsSettings(placement=placement), listener)
    (stored,) = _datasets(standin)
    assert stored["status"] is not None

    result = _run(dataset, context, placement=placement)

    assert result.dataset_id == stored["id"]
    _assert_placed_once(standin, context, result.dataset_id)


def test_a_preliminary_dataset_is_filled_once(
    dataset: Dataset, standin: RunningStandin, context: ServerContext
) -> None:
    reserved = add_dataset(standin.world, "preliminary", status=NOT_UPLOADED)
    _fault(standin, method="POST", path="finishUploadToPaths", kind="drop")
    with pytest.raises(NoAnswerError):
        _run(dataset, context, preliminary_id=reserved["id"])

    result = _run(dataset, context, preliminary_id=reserved["id"])

    assert result.dataset_id == reserved["id"]
    _assert_placed_once(standin, context, reserved["id"])
    assert _run(dataset, context, preliminary_id=reserved["id"]).reused
    other = Dataset(Path(dataset.path).parent / "other", voxel_size=(1, 1, 1))
    other.add_layer("x", "color", bounding_box=BOX).add_mag(1)
    with pytest.raises(RequestRefusedError, match="in use already"):
        _run(other, context, preliminary_id=reserved["id"])


def test_layers_of_the_server_are_linked(dataset: Dataset, standin: RunningStandin, context: ServerContext) -> None:
    first = _run(dataset, context)
    other = Dataset(Path(dataset.path).parent / "other", voxel_size=(11.0, 11.0, 25.0))
    other.add_layer("raw", "color", bounding_box=BOX).add_mag(1)
    link = ApiLinkedLayerIdentifier(dataset_id=first.dataset_id, layer_name="labels", new_layer_name="cells")

    second = _run(other, context, layers_to_link=(link,))
    source = context.client().dataset_info(dataset_id=second.dataset_id).data_source
    assert [layer["name"] for layer in source["dataLayers"]] == ["raw", "cells"]


def test_a_storage_is_chosen_by_its_prefix(dataset: Dataset, standin: RunningStandin, context: ServerContext) -> None:
    prefix = standin.world.paths_prefix / "fast"
    result = _run(dataset, context, path_prefix=str(prefix))
    (stored,) = _datasets(standin)
    assert stored["id"] == result.dataset_id
    assert stored["source"]["dataLayers"][0]["mags"][0]["path"].startswith(str(prefix))
    with pytest.raises(RequestRefusedError, match="is not configured"):
        _run(dataset, context, path_prefix="/somewhere/else")


def test_only_one_run_places_a_dataset_at_a_time(dataset: Dataset, context: ServerContext) -> None:
    def listener(done: int, total: int) -> None:
        del done, total
        with pytest.raises(LockedError, match="placing of placed"):
            _run(dataset, context)

    run_upload_to_paths(plan_paths(Path(dataset.path)), context, PathsSettings(), listener)


def test_what_can_not_be_placed_is_said(dataset: Dataset, tmp_path: Path) -> None:
    plan = plan_paths(Path(dataset.path))
    with pytest.raises(UnexpectedAnswerError, match="names no place for labels mags 1-1-1"):
        plan.targets(plan.properties.without_layer("labels").to_json())
    with pytest.raises(PlanError, match="no layer to send"):
        plan_paths(Path(dataset.path), leave_out=["labels"])
    with pytest.raises(NotADatasetError):
        plan_paths(tmp_path / "nothing")
    with pytest.raises(RemoteLocationError, match="s3://bucket/x, which is not a path of this machine"):
        local_target("s3://bucket/x", "mag 1")
    with pytest.raises(RemoteLocationError):
        local_target("relative/place", "mag 1")
