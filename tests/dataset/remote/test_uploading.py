"""`Dataset.upload` and its like: the dataset is on the server then, by every way, and linked where that was asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.served import Server
from wk_assets.client.context import current_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer_to_link import LayerToLink
from wk_assets.dataset.remote_ai_model import AiModelCategory, RemoteAiModel
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import InputError, NotADatasetError, NotOnServerError, RequestRefusedError, UnknownNameError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.people.members import Team
from wk_assets.standin.dataset_store import NOT_UPLOADED, add_dataset

BOX = BoundingBox((0, 0, 0), (32, 32, 16))
VOXELS = np.random.default_rng(5).integers(1, 255, (1, 32, 32, 16), dtype=np.uint8)


@pytest.fixture
def server(kept_server: Server) -> Server:
    return kept_server


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(4.0, 4.0, 40.0), name="sent")
    made.add_layer("em", "color", dtype="uint8", bounding_box=BOX).add_mag(1).write(VOXELS, allow_unaligned=True)
    labels = made.add_layer("labels", "segmentation", dtype="uint8", bounding_box=BOX)
    labels.add_mag(1).write(VOXELS, allow_unaligned=True)
    return made


def _voxels(remote: RemoteDataset, layer: str) -> Any:
    return RemoteDataset.open(dataset_id=remote.dataset_id).get_layer(layer).get_mag(1).read()


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.MOVE_AND_SYMLINK])
def test_a_dataset_is_on_the_server_as_it_is_here(local: Dataset, server: Server, mode: TransferMode) -> None:
    root = RemoteFolder.get_root()
    folder = root.add_subfolder(f"raw-{mode.name}")
    (team, *_) = Team.get_list()

    sent = local.upload(
        new_dataset_name=f"sent-{mode.name}",
        folder=f"{root.name}/{folder.name}",
        initial_team_ids=[team.id],
        transfer_mode=mode,
        require_unique_name=True,
        jobs=2,
    )

    assert (sent.name, sent.folder, sent.allowed_teams) == (f"sent-{mode.name}", folder, (team,))
    np.testing.assert_array_equal(_voxels(sent, "em"), VOXELS)
    np.testing.assert_array_equal(_voxels(sent, "labels"), VOXELS)
    again = local.upload(
        new_dataset_name=sent.name, folder=folder, initial_team_ids=[team.id], transfer_mode=mode,
        require_unique_name=True,
    )  # fmt: skip
    assert again.dataset_id == sent.dataset_id


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.COPY])
def test_layers_that_the_server_has_are_linked_and_not_sent(
    local: Dataset, server: Server, tmp_path: Path, mode: TransferMode
) -> None:
    first = local.upload(new_dataset_name=f"first-{mode.name}")
    other = Dataset(tmp_path / "other", voxel_size=(4.0, 4.0, 40.0), name="other")
    other.add_layer("em", "color", dtype="uint8", bounding_box=BOX).add_mag(1)
    other.add_layer("cells", "segmentation", dtype="uint8", bounding_box=BOX).add_mag(1)

    linked = other.upload(
        new_dataset_name=f"linked-{mode.name}",
        layers_to_link=[first.get_layer("em"), LayerToLink(first.dataset_id, "labels", "old")],
        transfer_mode=mode,
    )

    assert list(linked.layers) == ["cells", "em", "old"]
    np.testing.assert_array_equal(_voxels(linked, "em"), VOXELS)
    np.testing.assert_array_equal(_voxels(linked, "old"), VOXELS)


def test_a_name_that_is_taken_a_folder_and_a_number_of_jobs_that_there_are_not_are_refused(
    local: Dataset, server: Server
) -> None:
    server.dataset("taken")
    for mode in (TransferMode.HTTP, TransferMode.COPY):
        with pytest.raises(RequestRefusedError, match="“taken” exists already"):
            local.upload(new_dataset_name="taken", require_unique_name=True, transfer_mode=mode)
    with pytest.raises(UnknownNameError):
        local.upload(folder="nowhere/at/all")
    with pytest.raises(InputError, match="jobs is 0"):
        local.upload(jobs=0)


def test_the_old_name_of_folder_is_still_understood(local: Dataset, server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("old")
    with pytest.deprecated_call():
        sent = local.upload(new_dataset_name="old-name", folder_id=folder.id)
    assert sent.folder == folder


def test_a_preliminary_dataset_is_filled(local: Dataset, server: Server) -> None:
    reserved = add_dataset(server.world, "preliminary", status=NOT_UPLOADED)

    local.publish_to_preliminary_dataset(reserved["id"], transfer_mode=TransferMode.SYMLINK)

    filled = RemoteDataset.open(dataset_id=reserved["id"])
    np.testing.assert_array_equal(_voxels(filled, "em"), VOXELS)
    with pytest.raises(InputError, match="choose transfer mode copy"):
        local.publish_to_preliminary_dataset(reserved["id"], transfer_mode=TransferMode.HTTP)


@pytest.mark.parametrize("mode", [TransferMode.COPY, TransferMode.MOVE_AND_SYMLINK])
def test_weights_of_a_network_are_put_in_their_place(server: Server, tmp_path: Path, mode: TransferMode) -> None:
    weights = tmp_path / "weights"
    (weights / "net").mkdir(parents=True)
    (weights / "net" / "a.pt").write_bytes(b"numbers")
    server.fault(method="POST", path="aiModels/.*/finishUploadToPath", kind="lost")

    sent = RemoteAiModel.upload_from_path(
        weights,
        existing_id=None,
        data_store_name=current_context().client().datastore_list()[0].name,
        name="finds nuclei",
        comment=None,
        category=AiModelCategory.em_nuclei,
        path_prefix=None,
        transfer_mode=mode,
    )

    assert sent.is_usable
    assert sent == RemoteAiModel.open_remote(sent.ai_model_id)
    assert (Path(sent.path) / "net" / "a.pt").read_bytes() == b"numbers"
    assert (weights / "net" / "a.pt").read_bytes() == b"numbers"
    assert weights.is_symlink() == (mode is TransferMode.MOVE_AND_SYMLINK)


def test_weights_that_are_not_there_or_go_through_the_server_are_refused(server: Server, tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "existing_id": None, "data_store_name": "x", "name": "n", "comment": None, "category": None, "path_prefix": None
    }  # fmt: skip
    with pytest.raises(NotADatasetError):
        RemoteAiModel.upload_from_path(tmp_path / "nothing", **asked)
    with pytest.raises(InputError, match="not sent through the server"):
        RemoteAiModel.upload_from_path(tmp_path, transfer_mode=TransferMode.HTTP, **asked)
    with pytest.raises(NotOnServerError):
        RemoteAiModel.open_remote("0" * 24)
