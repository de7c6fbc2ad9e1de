"""A mag or an attachment is sent once and whole, whatever breaks; datasets get to a server's disks the same way."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import stamina

from wk_assets.client.context import ServerContext, current_context, webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import AlreadyThereError, NoAnswerError, ServerError, ShardCorruptError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.arrays.copy_files import copy_tree
from wk_assets.operations.transfer.place_files import Placement
from wk_assets.operations.transfer.remote_properties import change_remote_properties
from wk_assets.operations.transfer.upload_attachment import AttachmentUpload
from wk_assets.operations.transfer.upload_mag import MagUpload
from wk_assets.operations.transfer.upload_part import LayerPart, PartResult, PartSettings, run_part_upload
from wk_assets.operations.transfer.upload_part_to_path import PartToPathSettings, run_part_upload_to_path
from wk_assets.properties.layer_properties import AttachmentDataFormat, LayerProperties, new_layer_properties
from wk_assets.standin.server import RunningStandin, running_standin
from wk_assets.storage.journal import Journal

SMALL = PartSettings(piece_bytes=4096, threads=2, patience_seconds=0.0)
BOX = BoundingBox((0, 0, 0), (64, 48, 40))
VOXELS = np.random.default_rng(7).integers(1, 255, (1, 64, 48, 40), dtype=np.uint8)
CONTENT = np.random.default_rng(8).bytes(30_000)
PIECE = "upload/(mag|attachment)$"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStandin]:
    with running_standin(tmp_path_factory.mktemp("standin")) as started:
        yield started


@pytest.fixture
def standin(running: RunningStandin) -> Iterator[RunningStandin]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield running
    _no_faults(running)


@pytest.fixture
def context(standin: RunningStandin) -> ServerContext:
    assert standin.seed is not None
    with webknossos_context(url=standin.url, token=standin.seed.admin):
        return current_context()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(11.0, 11.0, 25.0), name="sent")
    labels = made.add_layer("labels", "segmentation", dtype="uint8", bounding_box=BOX)
    labels.add_mag(1, shard_shape=(32, 32, 32)).write(VOXELS, allow_unaligned=True)
    (tmp_path / "meshes.hdf5").write_bytes(CONTENT)
    return made


@pytest.fixture
def dataset_id(standin: RunningStandin, context: ServerContext) -> str:
    """Return a dataset on the server with an empty segmentation."""
    layer = new_layer_properties(name="labels", category="segmentation", box=BOX, dtype="uint8", mags=())
    source = {"id": {"name": "there", "team": ""}, "scale": {"factor": [11, 11, 25], "unit": "nanometer"}, "version": 1}
    answer = httpx.post(
        f"{standin.url}/api/v16/datasets/addVirtualDataset/there",
        json={"dataSource": {**source, "dataLayers": [layer.to_json()]}},
        headers={"X-Auth-Token": str(context.address.token)},
    )
    assert answer.is_success, answer.text
    return str(answer.json()["newDatasetId"])


@pytest.fixture
def mag(dataset: Dataset, dataset_id: str) -> MagUpload:
    view = dataset.get_layer("labels").get_mag(1)
    return MagUpload(dataset_id=dataset_id, layer_name="labels", source=Path(view.path), entry=view.properties)


@pytest.fixture
def meshes(dataset: Dataset, dataset_id: str) -> AttachmentUpload:
    return AttachmentUpload(
        dataset_id=dataset_id,
        layer_name="labels",
        source=Path(dataset.path).parent / "meshes.hdf5",
        name="meshes",
        kind="mesh",
        data_format=AttachmentDataFormat.HDF5,
    )


@pytest.fixture(params=["mag", "meshes"])
def part(request: pytest.FixtureRequest) -> LayerPart:
    found: LayerPart = request.getfixturevalue(request.param)
    return found


def _fault(standin: RunningStandin, **fault: Any) -> None:
    httpx.post(f"{standin.url}/_standin/faults", json=fault)


def _no_faults(standin: RunningStandin) -> None:
    httpx.delete(f"{standin.url}/_standin/faults")


def _asked(standin: RunningStandin, end: str) -> int:
    told = httpx.get(f"{standin.url}/_standin/requests").json()
    return sum(one["method"] == "POST" and one["path"].endswith(end) for one in told)


def _assert_arrived_once(context: ServerContext, part: LayerPart) -> None:
    source = context.client().dataset_info(dataset_id=part.dataset_id).data_source
    (layer,) = source["dataLayers"]
    if isinstance(part, AttachmentUpload):
        (entry,) = layer["attachments"]["meshes"]
        path = Path(entry["path"])
        (file,) = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        assert file.read_bytes() == CONTENT
        return
    (entry,) = layer["mags"]
    read = context.datastore_client(context.address.url).read_box(
        dataset_id=part.dataset_id,
        layer_name="labels",
        mag=Mag(1),
        box=BOX,
        channels=1,
        dtype=np.dtype("uint8"),
    )
    np.testing.assert_array_equal(read, VOXELS)


def _placed(part: LayerPart, context: ServerContext, placement: Placement, *, replace: bool = False) -> PartResult:
    settings = PartToPathSettings(placement=placement, patience_seconds=0.0, replace=replace)
    return run_part_upload_to_path(part, context, settings)


# ---------------------------------------------------------------------- through the server


@pytest.mark.parametrize("broken_piece", [0, 5])
def test_a_part_that_broke_off_at_any_piece_is_gone_on_from(
    part: LayerPart, context: ServerContext, standin: RunningStandin, broken_piece: int
) -> None:
    _fault(standin, method="POST", path=PIECE, kind="status", status=503, skip=broken_piece, times=50)
    with pytest.raises(ServerError):
        run_part_upload(part, context, SMALL)
    _no_faults(standin)
    sent = _asked(standin, f"upload/{part.domain}")

    result = run_part_upload(part, context, SMALL)

    _assert_arrived_once(context, part)
    size = sum(file.size_bytes for file in part.files())
    assert result.sent_bytes + result.skipped_bytes == size
    assert (result.skipped_bytes > 0) == (broken_piece > 0)
    assert _asked(standin, f"upload/{part.domain}") > sent
    again = run_part_upload(part, context, SMALL)
    assert (again.reused, again.sent_bytes, again.skipped_bytes) == (True, 0, size)


@pytest.mark.parametrize("kind", ["lost", "drop"])
def test_an_end_whose_answer_is_lost_is_recognized(
    part: LayerPart, context: ServerContext, standin: RunningStandin, kind: str
) -> None:
    _fault(standin, method="POST", path="finishUpload", kind=kind)
    try:
        run_part_upload(part, context, SMALL)
    except NoAnswerError:
        assert kind == "drop"  # the server never saw it, so the next run asks for the end
        sent = _asked(standin, f"upload/{part.domain}")
        run_part_upload(part, context, SMALL)
        assert _asked(standin, f"upload/{part.domain}") == sent
    _assert_arrived_once(context, part)


def test_an_end_that_was_heard_of_by_nobody_is_recognized_by_the_next_run(
    mag: MagUpload, context: ServerContext, standin: RunningStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed between the server's end and its own note: the note of the question is all there is."""
    from wk_assets.operations.transfer import upload_part

    def killed(*_: Any) -> bool:
        raise KeyboardInterrupt

    _fault(standin, method="POST", path="finishUpload", kind="lost")
    with monkeypatch.context() as patch:
        patch.setattr(upload_part, "appears", killed)
        with pytest.raises(KeyboardInterrupt):
            run_part_upload(mag, context, SMALL)
    ends = _asked(standin, "finishUpload")

    assert run_part_upload(mag, context, SMALL).reused
    assert _asked(standin, "finishUpload") == ends
    _assert_arrived_once(context, mag)


def test_damaged_bytes_never_leave(mag: MagUpload, context: ServerContext) -> None:
    shard = next(path for path in (mag.source / "c").rglob("*") if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    with pytest.raises(ShardCorruptError, match="verify --repair"):
        run_part_upload(mag, context, SMALL)
    (layer,) = context.client().dataset_info(dataset_id=mag.dataset_id).data_source["dataLayers"]
    assert layer["mags"] == []


def test_a_part_that_somebody_else_added_is_not_written_over(part: LayerPart, context: ServerContext) -> None:
    run_part_upload(part, context, SMALL)
    for kind in ("uploads", "placings"):
        for folder in (part.source.parent, *part.source.parents):
            shutil.rmtree(folder / ".wk-assets" / kind, ignore_errors=True)

    with pytest.raises(AlreadyThereError, match="already; delete it first"):
        run_part_upload(part, context, SMALL)
    with pytest.raises(AlreadyThereError, match="already; delete it first"):
        _placed(part, context, Placement.COPY)


def test_changed_files_are_another_upload(part: LayerPart, context: ServerContext, standin: RunningStandin) -> None:
    _fault(standin, method="POST", path=PIECE, kind="status", status=503, skip=2, times=50)
    with pytest.raises(ServerError):
        run_part_upload(part, context, SMALL)
    _no_faults(standin)
    file = part.files()[-1].path
    os.utime(file, ns=(1, 1))
    if isinstance(part, MagUpload):  # its manifest says what it holds, dates say nothing
        assert run_part_upload(part, context, SMALL).skipped_bytes > 0
    else:
        assert run_part_upload(part, context, SMALL).skipped_bytes == 0
    _assert_arrived_once(context, part)


# ---------------------------------------------------------------------- to the server's disks


@pytest.mark.parametrize(
    ("placement", "kind"),
    [
        (Placement.COPY, "lost"),
        (Placement.COPY, "drop"),
        (Placement.SYMLINK, "lost"),
        (Placement.MOVE_AND_SYMLINK, "drop"),
    ],
)
def test_an_end_of_a_placed_part_whose_answer_is_lost_is_recognized(
    part: LayerPart, context: ServerContext, standin: RunningStandin, placement: Placement, kind: str
) -> None:
    _fault(standin, method="POST", path="finish(Mag|Attachment)UploadToPath", kind=kind)
    try:
        _placed(part, context, placement)
    except NoAnswerError:
        assert kind == "drop"
        assert _placed(part, context, placement).sent_bytes == 0  # it is in its place already
    _assert_arrived_once(context, part)
    assert _placed(part, context, placement).reused


class _Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("placement", "step"),
    [
        *((Placement.COPY, step) for step in (1, 2, 4)),
        *((Placement.SYMLINK, step) for step in (2,)),
        *((Placement.MOVE_AND_SYMLINK, step) for step in (1, 2, 3, 4)),
    ],
)
def test_a_placing_that_is_killed_at_any_step_ends_as_it_would_have_ended(
    mag: MagUpload, context: ServerContext, monkeypatch: pytest.MonkeyPatch, placement: Placement, step: int
) -> None:
    """Die after a step; then run again. 0: the place is known, 1: noted, 2: filled, 3: linked back, 4: end noted."""
    from wk_assets.operations.transfer import place_files, upload_part_to_path

    done = iter(range(100))

    def dying(original: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named)
            if next(done) == step:
                raise _Killed
            return result

        return call

    with monkeypatch.context() as patch:
        for owner, name in (
            (place_files, "copy_tree"),
            (place_files, "link_durably"),
            (place_files, "_leave_link"),
            (Journal, "append"),
            (upload_part_to_path, "local_target"),
        ):
            patch.setattr(owner, name, dying(getattr(owner, name)))
        with pytest.raises(_Killed):
            _placed(mag, context, placement)

    _placed(mag, context, placement)
    _assert_arrived_once(context, mag)
    dataset = Dataset.open(mag.source.parents[1])
    np.testing.assert_array_equal(dataset.get_layer("labels").get_mag(1).read(), VOXELS)
    assert mag.source.is_symlink() == (placement is Placement.MOVE_AND_SYMLINK)


def test_a_move_to_another_file_system_that_is_killed_while_it_removes_the_source_loses_nothing(
    mag: MagUpload, context: ServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wk_assets.operations.transfer import place_files

    def copying(source: Path, target: Path, *, move: bool = False) -> None:
        assert move
        copy_tree(source, target)
        for path in sorted(source.rglob("*"))[::2]:
            if path.is_file():
                path.unlink()
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(place_files, "copy_tree", copying)
        with pytest.raises(_Killed):
            _placed(mag, context, Placement.MOVE_AND_SYMLINK)

    _placed(mag, context, Placement.MOVE_AND_SYMLINK)
    _assert_arrived_once(context, mag)
    dataset = Dataset.open(mag.source.parents[1])
    np.testing.assert_array_equal(dataset.get_layer("labels").get_mag(1).read(), VOXELS)


def test_a_copy_of_older_files_is_replaced_and_others_stay(
    meshes: AttachmentUpload, context: ServerContext, standin: RunningStandin
) -> None:
    _fault(standin, method="POST", path="finishAttachmentUploadToPath", kind="drop", times=9)
    meshes.source.write_bytes(b"older")
    with pytest.raises(NoAnswerError):
        _placed(meshes, context, Placement.COPY)
    _no_faults(standin)
    meshes.source.write_bytes(CONTENT)
    _placed(meshes, context, Placement.COPY)
    _assert_arrived_once(context, meshes)


def test_files_of_others_at_the_place_are_never_removed(
    mag: MagUpload, context: ServerContext, standin: RunningStandin
) -> None:
    path = Path(mag.reserve_path(context.client(), None, overwrite_pending=True))
    path.mkdir(parents=True)
    (path / "theirs").write_text("x")

    with pytest.raises(OSError, match="there is something else already"):
        _placed(mag, context, Placement.COPY)
    assert (path / "theirs").read_text() == "x"


def test_a_change_that_changes_nothing_is_not_sent(
    mag: MagUpload, context: ServerContext, standin: RunningStandin
) -> None:
    before = len(httpx.get(f"{standin.url}/_standin/requests").json())
    change_remote_properties(context.client(), mag.dataset_id, lambda stored: stored)
    told = httpx.get(f"{standin.url}/_standin/requests").json()[before:]
    assert {one["method"] for one in told if "_standin" not in one["path"]} == {"GET"}


def test_a_layer_knows_whether_it_has_a_mag(mag: MagUpload) -> None:
    layer: LayerProperties = new_layer_properties(
        name="labels", category="segmentation", box=BOX, dtype="uint8", mags=(mag.entry,)
    )
    assert mag.is_in(layer)
    assert not mag.is_in(layer.model_copy(update={"mags": ()}))
