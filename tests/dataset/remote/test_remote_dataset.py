"""Datasets on a server: found in every way, described live, changed without touching anything else, and no token shown."""

import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.dataset.remote.sent_dataset import LARGEST, local_dataset
from tests.served import Server
from wk_assets.client.context import webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.errors import (
    AlreadyThereError,
    ForbiddenError,
    InputError,
    InvalidNameError,
    NotAuthenticatedError,
    NotInDatasetError,
    NotOnServerError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
    RequestRefusedError,
    ServerError,
    UnknownNameError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.people.members import Team
from wk_assets.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration

WRONG = "wr0ng-t0ken"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(local_dataset(tmp_path_factory.mktemp("local") / "sent").path)


@pytest.fixture
def dataset(server: Server, local: Path) -> RemoteDataset:
    return RemoteDataset.explore_and_add_remote(local, "sent")


def explored(server: Server, dataset_id: str) -> str:
    return str(server.ask("POST", f"/api/v16/datasets/{dataset_id}/createExplorational", json=[])["id"])


# ---------------------------------------------------------------------- finding


def test_a_dataset_is_opened_by_id_name_and_every_kind_of_address(server: Server) -> None:
    found = server.dataset("brain")
    server.ask("POST", "/_standin/shortLinks/k1", json={"longLink": f"{server.url}/datasets/brain-{found}/view#1,2,3"})

    for text in (
        found,
        "brain",
        f"{server.url}/datasets/{found}",
        f"{server.url}/datasets/brain-{found}/view",
        f"{server.url}/datasets/sample_organization/brain/view",
        f"{server.url}/links/k1",
    ):
        assert RemoteDataset.open(text).dataset_id == found, text
    assert RemoteDataset.open(dataset_id=found) == RemoteDataset.open("brain", organization_id="sample_organization")
    assert Dataset.open_remote("brain", webknossos_url=server.url) == RemoteDataset.open(found)
    assert RemoteDataset.open(found).url == f"{server.url}/datasets/brain-{found}"


def test_a_dataset_is_named_in_one_way(server: Server) -> None:
    found = server.dataset()

    with pytest.raises(InputError, match="dataset_name_or_url and dataset_id is given"):
        RemoteDataset.open("brain", dataset_id=found)
    with pytest.raises(InputError, match="nothing is given"):
        RemoteDataset.open()
    with pytest.raises(
        InputError, match="organization_id, sharing_token are given; the address says it already"
    ) as refusal:
        RemoteDataset.open(f"{server.url}/datasets/{found}?token=s3cr3t", organization_id="o", sharing_token="s3cr3t")  # noqa: S106  # of nobody
    assert "s3cr3t" not in str(refusal.value)
    with pytest.raises(NotOnServerError, match="nobody"):
        RemoteDataset.open("nobody")


def test_a_sharing_token_opens_a_dataset_to_somebody_without_an_account_and_is_never_shown(
    server: Server, dataset: RemoteDataset
) -> None:
    token = dataset.sharing_token
    address = f"{server.url}/datasets/sent-{dataset.dataset_id}/view?token={token}"

    with webknossos_context(url=server.url):
        shared = [
            RemoteDataset.open(address),
            RemoteDataset.open(dataset_id=dataset.dataset_id, sharing_token=token),
            RemoteDataset.open(address).reopen(access_mode=RemoteAccessMode.PROXY_PATH),
        ]
        voxels = [one.get_layer("gray").get_mag(1).read((2, 2, 2)) for one in shared]
        with pytest.raises(NotOnServerError):
            RemoteDataset.open(dataset.dataset_id)
        with pytest.raises(NotAuthenticatedError):
            shared[0].name = "mine"

    assert all((one == voxels[0]).all() for one in voxels)
    assert voxels[0].any()
    told = [repr(one) + repr(one.source) + str(one.layers) + one.url + str(one.zarr_streaming_path) for one in shared]
    assert token not in "".join(told)
    assert token.encode() not in pickle.dumps(shared[0])


def test_no_error_shows_a_token(server: Server, dataset: RemoteDataset) -> None:
    told = []
    for mode in (RemoteAccessMode.ZARR_STREAMING, RemoteAccessMode.PROXY_PATH):
        shared = RemoteDataset.open(dataset_id=dataset.dataset_id, sharing_token=WRONG, access_mode=mode)
        with pytest.raises(ForbiddenError) as refusal:
            shared.get_layer("gray")
        told.append("".join(traceback.format_exception(refusal.value)))
        view = dataset.reopen(access_mode=mode).get_layer("gray").get_mag(1)
        server.fault(path="/gray/1/|mags/1", kind="status", status=403, times=9)
        with pytest.raises(ForbiddenError) as refusal:
            view.read((8, 8, 8))
        told.append("".join(traceback.format_exception(refusal.value)))
        server.ask("DELETE", "/_standin/faults")

    assert WRONG not in "".join(told)
    assert server.seed.admin not in "".join(told)


def test_a_token_is_not_sent_to_another_server(server: Server) -> None:
    found = server.dataset()
    with (
        webknossos_context(url="http://127.0.0.1:9", token=server.seed.admin),
        pytest.raises(NotOnServerError) as refusal,
    ):
        RemoteDataset.open(f"{server.url}/datasets/{found}")

    (note,) = refusal.value.__notes__
    assert "was asked without a token, because the present one is for http://127.0.0.1:9" in note
    assert server.seed.admin not in note


def test_an_annotation_shows_its_dataset_and_lets_nothing_be_changed(server: Server, dataset: RemoteDataset) -> None:
    annotation = explored(server, dataset.dataset_id)

    for text in (annotation, f"{server.url}/annotations/{annotation}#1,2,3"):
        shown = RemoteDataset.open(annotation_id_or_url=text)
        assert (shown.dataset_id, shown.annotation_id) == (dataset.dataset_id, annotation)
    assert f"/annotations/zarr/{annotation}" in str(shown.zarr_streaming_path)
    assert (shown.get_layer("gray").get_mag(1).read() == dataset.get_layer("gray").get_mag(1).read()).all()
    assert annotation in repr(shown)
    with pytest.raises(ReadOnlyError, match="shows annotation"):
        shown.tags = ["x"]
    with pytest.raises(InputError, match="only streamed"):
        shown.reopen(access_mode=RemoteAccessMode.PROXY_PATH)
    with pytest.raises(InputError, match="shows an annotation"):
        shown.download()


def test_datasets_are_listed_by_exact_name_all_tags_and_folder(server: Server) -> None:
    folder = RemoteFolder.get_root().add_subfolder("published")
    brain, longer, other = server.dataset("brain"), server.dataset("brain_2"), server.dataset("other", folder=folder.id)
    for dataset_id, tags in ((brain, ["a"]), (longer, ["a", "b"])):
        RemoteDataset.open(dataset_id).tags = tags

    assert set(RemoteDataset.list()) >= {brain, longer, other}
    assert set(RemoteDataset.list(name="brain")) == {brain}
    assert set(RemoteDataset.list(tags="a")) == {brain, longer}
    assert set(RemoteDataset.list(tags=["a", "b"])) == {longer}
    assert set(RemoteDataset.list(folder=folder)) == {other} == set(folder.get_datasets())
    listed = Dataset.get_remote_datasets(folder_id=folder.id)
    asked = server.requests("GET", f"/datasets/{other}")
    assert other in listed
    assert len(listed) == 1
    assert server.requests("GET", f"/datasets/{other}") == asked
    assert listed[other].name == "other"
    assert "other" in repr(listed)
    with pytest.raises(KeyError):
        listed[brain]


def test_deprecated_names_still_work_and_warn(server: Server) -> None:
    found = server.dataset()

    with pytest.warns(DeprecationWarning, match="use access_mode"):
        assert RemoteDataset.open(found, use_zarr_streaming=False).source.access_mode is RemoteAccessMode.DIRECT_PATH
    with pytest.warns(DeprecationWarning, match="use folder"):
        assert found in RemoteDataset.list(folder_id=RemoteFolder.get_root().id)


def test_what_the_server_can_not_explore_is_refused_and_a_folder_is_looked_up_first(server: Server) -> None:
    with pytest.raises(RequestRefusedError, match="No compatible dataset"):
        RemoteDataset.explore_and_add_remote("s3://bucket/nothing", "explored", folder="sample_organization")
    with pytest.raises(UnknownNameError):
        RemoteDataset.explore_and_add_remote("s3://bucket/nothing", "explored", folder="nowhere")


def test_the_data_store_is_told_to_read_files_anew(server: Server) -> None:
    found = server.dataset()

    Dataset.trigger_reload_in_datastore(dataset_id=found)
    with pytest.warns(DeprecationWarning, match="organization and token"):
        Dataset.trigger_reload_in_datastore(dataset_name_or_url="brain", organization="sample_organization")

    assert server.requests("POST", f"/triggers/reload/sample_organization/{found}") == 2


def test_a_handle_follows_what_others_changed_when_it_is_reloaded(server: Server, dataset: RemoteDataset) -> None:
    layer = dataset.get_layer("gray")
    view = layer.get_mag(2)
    RemoteDataset.open(dataset.dataset_id).get_layer("gray").bounding_box = BoundingBox((8, 4, 2), (16, 16, 16))

    assert view.bounding_box == BoundingBox((8, 4, 2), (72, 50, 40))
    dataset.reload()

    assert layer is dataset.get_layer("gray")
    assert layer.bounding_box == BoundingBox((8, 4, 2), (16, 16, 16)) == view.bounding_box


# ---------------------------------------------------------------------- what is said of it


def test_what_the_server_says_of_a_dataset_is_read_and_set_one_at_a_time(server: Server) -> None:
    dataset = RemoteDataset.open(server.dataset())
    again = RemoteDataset.open(dataset.dataset_id)
    folder = RemoteFolder.get_root().add_subfolder("moved")

    dataset.name = "renamed"
    dataset.description = "of *June*"
    dataset.tags = ["x", "y", "x"]
    dataset.is_public = True
    dataset.allowed_teams = ["annotators"]
    dataset.folder = folder
    dataset.metadata = {"species": "mouse", "age": 4}
    dataset.metadata["age"] = 5

    assert (again.name, again.description, again.tags, again.is_public) == ("renamed", "of *June*", ("x", "y"), True)
    assert again.allowed_teams == (Team.get_by_name("annotators"),)
    assert again.folder == folder
    assert dict(again.metadata) == {"species": "mouse", "age": 5}
    assert again.used_storage_bytes == 0
    assert again.created.endswith("+00:00")
    assert not again.read_only
    assert again.sharing_token == dataset.sharing_token
    del dataset.description
    dataset.metadata = None
    dataset.is_public = False
    assert (again.description, dict(again.metadata), again.is_public, again.tags) == (None, {}, False, ("x", "y"))


def test_what_is_no_value_is_refused_before_anything_is_sent(server: Server) -> None:
    dataset = RemoteDataset.open(server.dataset())

    with pytest.raises(InvalidNameError):
        dataset.name = "a b"
    with pytest.raises(InputError, match=r"write \['x'\]"):
        dataset.tags = "x"
    with pytest.raises(InputError, match="are a list"):
        dataset.allowed_teams = "annotators"
    with pytest.raises(UnknownNameError):
        dataset.allowed_teams = ["nobody"]
    assert server.requests("PATCH", "updatePartial") == 0


def test_a_dataset_opened_for_reading_is_not_changed(server: Server, dataset: RemoteDataset) -> None:
    reading = RemoteDataset.open(dataset.dataset_id, read_only=True)

    changes: tuple[Callable[[], None], ...] = (
        lambda: setattr(reading, "name", "other"),
        lambda: setattr(reading, "metadata", {}),
        lambda: setattr(reading, "allowed_teams", []),
        lambda: setattr(reading, "default_view_configuration", None),
        lambda: setattr(reading.get_layer("gray"), "name", "other"),
        lambda: setattr(reading.get_layer("gray"), "bounding_box", BoundingBox((0, 0, 0), (1, 1, 1))),
        lambda: reading.get_segmentation_layer("labels").refresh_largest_segment_id(),
    )
    for change in changes:
        with pytest.raises(ReadOnlyError):
            change()
    assert server.requests("PATCH", "updatePartial") == 0
    assert reading.reopen(access_mode=RemoteAccessMode.DIRECT_PATH).read_only


def test_a_dataset_that_is_not_uploaded_yet_says_so_and_can_be_renamed(server: Server) -> None:
    body = {"datasetName": "coming", "layersToLink": [], "dataSource": {
        "id": {"name": "coming", "team": ""}, "scale": {"factor": [1, 1, 1], "unit": "nanometer"}, "version": 1,
        "dataLayers": [],
    }, "initialTeamIds": [], "requireUniqueName": False}  # fmt: skip
    reserved = server.ask("POST", "/api/v16/datasets/reserveUploadToPaths", json=body)["newDatasetId"]

    coming = RemoteDataset.open(reserved)
    coming.name = "still_coming"

    with pytest.raises(PropertiesError, match=r"still_coming .* can not be read: Not yet fully uploaded"):
        coming.get_layer("gray")


# ---------------------------------------------------------------------- layers


def test_layers_are_described_as_they_are(dataset: RemoteDataset) -> None:
    assert list(dataset.layers) == ["gray", "colors", "labels"]
    assert dataset.voxel_size == (11.0, 11.0, 25.0)
    assert [layer.name for layer in dataset.get_color_layers()] == ["gray", "colors"]
    (labels,) = dataset.get_segmentation_layers()
    assert labels.largest_segment_id == LARGEST
    assert dataset.calculate_bounding_box() == BoundingBox((8, 4, 2), (72, 50, 40))
    assert list(dataset.get_layer("gray").mags) == [Mag(1), Mag(2)]
    assert dataset.get_layer("colors").num_channels == 3
    with pytest.raises(NotInDatasetError, match="it has gray, colors, labels"):
        dataset.get_layer("other")
    with pytest.raises(PropertiesError, match="is a color layer"):
        dataset.get_segmentation_layer("gray")
    with pytest.raises(RemoteLocationError, match="no path here"):
        _ = dataset.path


def test_changes_of_layers_reach_the_server_and_leave_the_rest(dataset: RemoteDataset) -> None:
    labels = dataset.get_segmentation_layer("labels")
    gray = dataset.get_layer("gray")
    paths = dataset.reopen(access_mode=RemoteAccessMode.DIRECT_PATH).properties

    labels.largest_segment_id = 2**64 - 2
    gray.name = "em"
    gray.bounding_box = BoundingBox((8, 4, 2), (32, 16, 8))
    gray.view_configuration = LayerViewConfiguration(color=(1, 2, 3), min=4)
    dataset.default_view_configuration = DatasetViewConfiguration(zoom=2.5, position=(1, 2, 3))

    again = RemoteDataset.open(dataset.dataset_id, access_mode=RemoteAccessMode.DIRECT_PATH)
    assert list(again.layers) == ["em", "colors", "labels"] == list(dataset.layers)
    assert dataset.get_layer("em") is gray
    assert again.get_segmentation_layer("labels").largest_segment_id == 2**64 - 2
    assert again.get_layer("em").bounding_box == BoundingBox((8, 4, 2), (32, 16, 8)) == gray.bounding_box
    assert again.get_layer("em").view_configuration == LayerViewConfiguration(color=(1, 2, 3), min=4)
    assert again.get_layer("em").default_view_configuration == gray.default_view_configuration
    assert again.default_view_configuration == DatasetViewConfiguration(zoom=2.5, position=(1, 2, 3))
    assert again.properties.layer("em").mags == paths.layer("gray").mags
    assert again.properties.layer("colors") == paths.layer("colors")
    with pytest.raises(AlreadyThereError, match="has a layer 'labels' already"):
        gray.name = "labels"
    with pytest.raises(PropertiesError, match="is no id"):
        labels.largest_segment_id = 2**64


def test_a_change_is_made_to_what_the_server_says_then(dataset: RemoteDataset) -> None:
    other = RemoteDataset.open(dataset.dataset_id)
    _ = other.layers

    dataset.get_segmentation_layer("labels").largest_segment_id = 5
    other.get_layer("colors").default_view_configuration = LayerViewConfiguration(alpha=50)

    dataset.reload()
    assert dataset.get_segmentation_layer("labels").largest_segment_id == 5
    assert dataset.get_layer("colors").default_view_configuration == LayerViewConfiguration(alpha=50)


def test_the_largest_segment_id_is_found_in_the_voxels(dataset: RemoteDataset) -> None:
    labels = dataset.get_segmentation_layer("labels")

    labels.refresh_largest_segment_id()

    assert labels.largest_segment_id == int(labels.get_mag(1).read().max())


def test_a_change_that_the_server_refuses_is_not_taken_for_made(server: Server, dataset: RemoteDataset) -> None:
    labels = dataset.get_segmentation_layer("labels")
    server.fault(method="PATCH", path="updatePartial", kind="status", status=400, body="no")

    with pytest.raises(ServerError, match="no"):
        labels.largest_segment_id = 5

    assert labels.largest_segment_id == LARGEST


# ---------------------------------------------------------------------- meshes and images


def test_a_mesh_is_saved_under_the_id_of_its_segment(server: Server, dataset: RemoteDataset, tmp_path: Path) -> None:
    # the stand-in makes no meshes, so its answers are ordered
    server.fault(
        method="POST", path="/layers/labels/meshes/fullMesh.stl$", kind="status", status=200, body="solid", times=2
    )

    from_file = dataset.download_mesh(7, tmp_path / "meshes", mesh_file_name="meshfile", lod=1)
    made = dataset.get_segmentation_layer("labels").download_mesh(
        2**63, tmp_path / "meshes", mag=1, seed_position=(10, 10, 10), mapping_name="m", mapping_type="agglomerate"
    )

    assert (from_file.name, made.name) == ("7.stl", f"{2**63}.stl")
    assert "solid" in from_file.read_text()


def test_a_mesh_that_there_is_not_leaves_no_file(dataset: RemoteDataset, tmp_path: Path) -> None:
    labels = dataset.get_segmentation_layer("labels")

    with pytest.raises(NotOnServerError):
        labels.download_mesh(7, tmp_path / "meshes", mesh_file_name="meshfile")
    with pytest.raises(InputError, match="name a mesh file, or give mag and seed_position"):
        labels.download_mesh(7, tmp_path / "meshes")
    with pytest.raises(InputError, match="a file needs neither"):
        labels.download_mesh(7, tmp_path / "meshes", mesh_file_name="meshfile", mag=1)
    with pytest.raises(InputError, match="0 is background"):
        labels.download_mesh(0, tmp_path / "meshes", mesh_file_name="meshfile")
    with pytest.raises(NotInDatasetError):
        dataset.download_mesh(7, tmp_path / "meshes", layer_name="other", mesh_file_name="meshfile")

    assert not (tmp_path / "meshes").exists()


def test_images_become_a_dataset_on_the_server(server: Server, tmp_path: Path) -> None:
    slices = np.random.default_rng(1).integers(0, 255, (4, 30, 20), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for number, one in enumerate(slices):
        tifffile.imwrite(tmp_path / "images" / f"{number:03}.tif", one)
    folder = RemoteFolder.get_root().add_subfolder("raw")

    made = RemoteDataset.from_images(
        tmp_path / "images", (4.0, 4.0, 40.0), "from_images", layer_name="em", folder="sample_organization/raw",
        compress=False,
    )  # fmt: skip

    assert (made.name, made.folder, made.voxel_size) == ("from_images", folder, (4.0, 4.0, 40.0))
    np.testing.assert_array_equal(made.get_layer("em").get_mag(1).read()[0], slices.T)
