"""Layers and mags get to a server whole, by every way, and refuse to go where they do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.served import Server
from wk_assets.client.context import webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer_to_link import LayerToLink
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import (
    AlreadyThereError,
    InputError,
    NotInDatasetError,
    PropertiesError,
    ReadOnlyError,
    RequestRefusedError,
    UnsupportedApiVersionError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.standin.dataset_store import save_dataset, stored_dataset

BOX = BoundingBox((0, 0, 0), (64, 48, 40))
VOXELS = np.random.default_rng(11).integers(1, 255, (1, 64, 48, 40), dtype=np.uint8)
ON_DISK = [TransferMode.COPY, TransferMode.SYMLINK, TransferMode.MOVE_AND_SYMLINK]


@pytest.fixture
def server(kept_server: Server) -> Server:
    return kept_server


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(4.0, 4.0, 40.0), name="local")
    color = made.add_layer("em", "color", dtype="uint8", bounding_box=BOX)
    color.add_mag(1, shard_shape=32).write(VOXELS, allow_unaligned=True)
    color.downsample(coarsest_mag=Mag("2-2-1"))
    labels = made.add_layer("labels", "segmentation", dtype="uint64", bounding_box=BOX, largest_segment_id=2**60)
    labels.add_mag(1).write(VOXELS.astype(np.uint64) << np.uint64(40), allow_unaligned=True)
    return made


@pytest.fixture
def remote(server: Server) -> RemoteDataset:
    return RemoteDataset.open(dataset_id=server.dataset())


def _read(remote: RemoteDataset, layer: str, mag: str | int = 1) -> Any:
    """Read through the server, with a handle of its own."""
    return RemoteDataset.open(dataset_id=remote.dataset_id).get_layer(layer).get_mag(mag).read()


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.COPY])
def test_a_layer_is_on_the_server_voxel_by_voxel_after_it_was_added_as_a_copy(
    local: Dataset, remote: RemoteDataset, mode: TransferMode
) -> None:
    added = remote.add_layer_as_copy(local.get_layer("em"), transfer_mode=mode)

    assert set(added.mags) == {Mag(1), Mag("2-2-1")}
    assert added.bounding_box == BOX
    np.testing.assert_array_equal(_read(remote, "em"), VOXELS)
    np.testing.assert_array_equal(_read(remote, "em", "2-2-1"), local.get_layer("em").get_mag("2-2-1").read())
    np.testing.assert_array_equal(local.get_layer("em").get_mag(1).read(), VOXELS)


def test_ids_of_64_bits_arrive_as_they_are(local: Dataset, remote: RemoteDataset) -> None:
    remote.add_layer_as_copy(str(Path(local.path) / "labels"), "nuclei", transfer_mode=TransferMode.HTTP)

    opened = RemoteDataset.open(dataset_id=remote.dataset_id).get_segmentation_layer("nuclei")
    assert opened.largest_segment_id == 2**60
    np.testing.assert_array_equal(opened.get_mag(1).read(), VOXELS.astype(np.uint64) << np.uint64(40))


def test_files_are_copied_linked_or_moved_as_asked(local: Dataset, remote: RemoteDataset) -> None:
    array = Path(local.path) / "em" / "1"
    for mode, name in zip(ON_DISK, ("copied", "linked", "moved"), strict=True):
        remote.add_layer_as_copy(local.get_layer("em"), name, transfer_mode=mode)
        direct = remote.reopen(access_mode=RemoteAccessMode.DIRECT_PATH).get_layer(name).get_mag(1)
        there = Path(direct.path)
        if mode is TransferMode.COPY:
            assert not there.is_symlink()
            assert not array.is_symlink()
        elif mode is TransferMode.SYMLINK:
            assert there.resolve() == array.resolve()
        else:
            assert array.is_symlink()
            assert array.resolve() == there.resolve()
            assert not there.is_symlink()
        np.testing.assert_array_equal(direct.read(), VOXELS)


def test_a_layer_can_be_sent_in_another_format(local: Dataset, remote: RemoteDataset) -> None:
    remote.add_layer_as_copy(local.get_layer("em"), data_format="wkw", transfer_mode=TransferMode.HTTP)

    stored = remote.reopen(access_mode=RemoteAccessMode.DIRECT_PATH).get_layer("em")
    assert stored.data_format == "wkw"
    np.testing.assert_array_equal(_read(remote, "em"), VOXELS)
    assert local.get_layer("em").data_format == "zarr3"


def test_a_layer_of_a_server_is_read_and_sent(local: Dataset, remote: RemoteDataset, server: Server) -> None:
    remote.add_layer_as_copy(local.get_layer("labels"), transfer_mode=TransferMode.HTTP)
    other = RemoteDataset.open(dataset_id=server.dataset("other"))

    copied = other.add_layer_as_copy(remote.get_layer("labels"), "again")

    assert copied.as_segmentation_layer().largest_segment_id == 2**60
    np.testing.assert_array_equal(_read(other, "again"), _read(remote, "labels"))


def test_links_to_files_that_go_away_are_refused(local: Dataset, remote: RemoteDataset) -> None:
    source = remote.add_layer_as_copy(local.get_layer("em"))
    link = TransferMode.SYMLINK
    for refused in (
        lambda: remote.add_layer_as_copy(local.get_layer("em"), "x", data_format="wkw", transfer_mode=link),
        lambda: remote.add_layer_as_copy(source, "x", transfer_mode=link),
        lambda: remote.get_layer("color").add_mag_as_copy(source.get_mag("2-2-1"), transfer_mode=link),
        lambda: source.downsample(transfer_mode=link),
        lambda: source.upsample(Mag("2-2-1"), finest_mag=Mag("2-1-1"), transfer_mode=link),
    ):
        with pytest.raises(InputError, match="links to it would lead nowhere"):
            refused()
    assert list(remote.layers) == ["color", "em"]


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.COPY])
def test_a_layer_that_is_there_is_refused_or_written_over(
    local: Dataset, remote: RemoteDataset, server: Server, mode: TransferMode
) -> None:
    remote.add_layer_as_copy(local.get_layer("em"), transfer_mode=mode)
    with pytest.raises(AlreadyThereError, match="'em' already"):
        remote.add_layer_as_copy(local.get_layer("em"), transfer_mode=mode)
    ends = server.requests("POST", "finishUpload") + server.requests("POST", "finishMagUploadToPath")

    remote.add_layer_as_copy(local.get_layer("em"), transfer_mode=mode, exists_ok=True)

    assert server.requests("POST", "finishUpload") + server.requests("POST", "finishMagUploadToPath") == ends
    local.get_layer("em").get_mag(1).write(VOXELS[:, ::-1], allow_unaligned=True)
    remote.add_layer_as_copy(local.get_layer("em"), transfer_mode=mode, exists_ok=True)
    np.testing.assert_array_equal(_read(remote, "em"), VOXELS[:, ::-1])


def test_a_mag_is_added_by_its_path_and_makes_the_box_larger(local: Dataset, remote: RemoteDataset) -> None:
    layer = remote.add_layer("em", "color", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))

    view = layer.add_mag_as_copy(Path(local.path) / "em" / "1", transfer_mode=TransferMode.HTTP)

    assert layer.bounding_box == BOX
    np.testing.assert_array_equal(view.read(), VOXELS)
    np.testing.assert_array_equal(_read(remote, "em"), VOXELS)


def test_a_mag_of_a_server_is_read_and_sent(local: Dataset, remote: RemoteDataset) -> None:
    source = remote.add_layer_as_copy(local.get_layer("em"))
    layer = remote.add_layer("again", "color", bounding_box=BOX)

    layer.add_mag_as_copy(source.get_mag("2-2-1"), transfer_mode=TransferMode.HTTP)

    np.testing.assert_array_equal(_read(remote, "again", "2-2-1"), _read(remote, "em", "2-2-1"))


def test_mags_that_do_not_fit_are_refused_before_anything_is_sent(
    local: Dataset, remote: RemoteDataset, server: Server
) -> None:
    before = server.requests("POST", "reserveMagUploadToPath")
    layer = remote.add_layer("em", "color", dtype="uint16", bounding_box=BOX)
    with pytest.raises(PropertiesError, match=r"1 x uint8.*1 x uint16"):
        layer.add_mag_as_copy(local.get_layer("em").get_mag(1))
    other = remote.add_layer("wkw", "color", data_format="wkw", bounding_box=BOX)
    with pytest.raises(PropertiesError, match=r"wkw.*zarr3"):
        other.add_mag_as_copy(local.get_layer("em").get_mag(1))
    with pytest.raises(NotInDatasetError, match="no layer 'nothing'"):
        layer.add_mag_as_copy(Path(local.path) / "nothing" / "1")
    assert server.requests("POST", "reserveMagUploadToPath") == before


def test_layers_and_mags_are_referred_to_and_nothing_is_sent(
    local: Dataset, remote: RemoteDataset, server: Server
) -> None:
    remote.add_layer_as_copy(local.get_layer("em"))
    other = RemoteDataset.open(dataset_id=server.dataset("other"))

    layer = other.add_layer_as_ref(remote.get_layer("em"), new_layer_name="raw")
    np.testing.assert_array_equal(_read(other, "raw"), VOXELS)
    assert set(layer.mags) == {Mag(1), Mag("2-2-1")}

    target = other.add_layer("one", "color", bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)))
    view = target.add_mag_as_ref(remote.get_layer("em").get_mag(1))
    assert target.bounding_box == BOX
    np.testing.assert_array_equal(view.read(), VOXELS)

    with pytest.raises(InputError, match="not on a server"):
        other.add_layer_as_ref(local.get_layer("em"))
    with pytest.raises(InputError, match="in this dataset already"):
        other.add_layer_as_ref(layer)
    with pytest.raises(AlreadyThereError):
        target.add_mag_as_ref(remote.get_layer("em").get_mag(1))


def test_layers_and_mags_are_deleted(local: Dataset, remote: RemoteDataset) -> None:
    layer = remote.add_layer_as_copy(local.get_layer("em"))
    layer.delete_mag("2-2-1")
    assert set(layer.mags) == {Mag(1)}
    assert set(RemoteDataset.open(dataset_id=remote.dataset_id).get_layer("em").mags) == {Mag(1)}
    with pytest.raises(NotInDatasetError):
        layer.delete_mag(4)

    remote.delete_layer("em")
    assert list(remote.layers) == ["color"]
    with pytest.raises(NotInDatasetError):
        remote.delete_layer("em")


def test_a_layer_is_given_or_added(remote: RemoteDataset) -> None:
    made = remote.get_or_add_layer("labels", "segmentation", dtype="uint32", bounding_box=BOX)
    assert made.dtype == np.uint32
    assert remote.get_or_add_layer("labels", "segmentation", dtype="uint32").name == "labels"
    with pytest.raises(PropertiesError, match="uint32, not uint8"):
        remote.get_or_add_layer("labels", "segmentation", dtype="uint8")


def test_a_dataset_that_was_opened_for_reading_stays_as_it_is(local: Dataset, remote: RemoteDataset) -> None:
    reading = RemoteDataset.open(dataset_id=remote.dataset_id, read_only=True)
    layer = reading.get_layer("color")
    for refused in (
        lambda: reading.add_layer("x", "color", bounding_box=BOX),
        lambda: reading.add_layer_as_copy(local.get_layer("em")),
        lambda: reading.delete_layer("color"),
        lambda: layer.add_mag_as_copy(local.get_layer("em").get_mag(1)),
        lambda: layer.delete_mag(1),
        layer.downsample,
    ):
        with pytest.raises(ReadOnlyError):
            refused()


@pytest.mark.parametrize("mode", [TransferMode.HTTP, TransferMode.COPY])
def test_a_dataset_that_is_not_virtual_takes_no_mags_and_says_so(
    local: Dataset, remote: RemoteDataset, server: Server, mode: TransferMode
) -> None:
    layer = remote.add_layer("em", "color", bounding_box=BOX)
    stored = stored_dataset(server.world, remote.dataset_id)
    save_dataset(server.world, {**stored, "isVirtual": False})
    with pytest.raises(RequestRefusedError, match="only be added to virtual datasets"):
        layer.add_mag_as_copy(local.get_layer("em").get_mag(1), transfer_mode=mode)


def test_a_server_of_version_13_takes_mags_to_paths_only(local: Dataset, remote: RemoteDataset) -> None:
    layer = remote.add_layer("em", "color", bounding_box=BOX)
    token = layer.dataset.server.address.token
    with webknossos_context(url=layer.dataset.server.address.url, token=token, api_version=13):
        old = RemoteDataset.open(dataset_id=remote.dataset_id).get_layer("em")
        with pytest.raises(UnsupportedApiVersionError, match=r"version 13 .*\(transfer mode copy"):
            old.add_mag_as_copy(local.get_layer("em").get_mag(1), transfer_mode=TransferMode.HTTP)
        old.add_mag_as_copy(local.get_layer("em").get_mag(1), transfer_mode=TransferMode.COPY)
    np.testing.assert_array_equal(_read(remote, "em"), VOXELS)


def test_a_layer_to_link_names_a_layer_of_a_dataset(remote: RemoteDataset) -> None:
    link = LayerToLink.from_remote_layer(remote.get_layer("color"), "raw")

    assert link.name_in_dataset == "raw"
    assert link.identifier().to_body() == {
        "datasetId": remote.dataset_id,
        "layerName": "color",
        "newLayerName": "raw",
    }
    assert tuple(link) == (remote.dataset_id, "color", "raw", None)
