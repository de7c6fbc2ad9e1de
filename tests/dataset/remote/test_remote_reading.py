"""Voxels of a dataset on a server are those that were sent, in every access mode; what goes wrong never reads as zeros."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina

from tests.dataset.remote.sent_dataset import BOX, COLORS, GRAY, LABELS, LARGEST, local_dataset, send
from tests.served import Server
from wk_assets.client.context import webknossos_context
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.errors import (
    NoAnswerError,
    NotADatasetError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
    ServerBusyError,
    ServerError,
    ShardCorruptError,
    WkAssetsError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.standin.server import running_standin

MODES = list(RemoteAccessMode)
VOXELS: dict[str, Any] = {"gray": GRAY, "colors": COLORS, "labels": LABELS}


class Sent:
    """One stand-in and one dataset for all tests of this file; none of them changes it."""

    def __init__(self, server: Server, local: Dataset, dataset_id: str) -> None:
        self.server, self.local, self.dataset_id = server, local, dataset_id

    def opened(self, mode: RemoteAccessMode) -> RemoteDataset:
        return RemoteDataset.open(dataset_id=self.dataset_id, access_mode=mode)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    folder = tmp_path_factory.mktemp("reading")
    with running_standin(folder / "standin") as running, stamina.set_testing(True, attempts=3, cap=True):
        served = Server(running)
        with webknossos_context(url=served.url, token=served.seed.admin):
            local = local_dataset(folder / "local")
            yield Sent(served, local, send(local))


@pytest.mark.parametrize("mode", MODES)
def test_every_voxel_is_the_one_that_was_sent(sent: Sent, mode: RemoteAccessMode) -> None:
    dataset = sent.opened(mode)

    for name, voxels in VOXELS.items():
        view = dataset.get_layer(name).get_mag(1)
        assert view.bounding_box == BOX
        assert view.get_dtype() == voxels.dtype
        np.testing.assert_array_equal(view.read(), voxels, name)
    coarse = dataset.get_layer("gray").get_mag(2)
    np.testing.assert_array_equal(coarse.read(), sent.local.get_layer("gray").get_mag(2).read())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "box",
    [
        BoundingBox((40, 30, 30), (10, 20, 11)),  # across the borders of chunks
        BoundingBox((70, 50, 40), (30, 30, 30)),  # beyond the end of the array
        BoundingBox((0, 0, 0), (9, 5, 3)),  # before the layer's box
        BoundingBox((-4, -2, -40), (16, 16, 50)),  # below the origin
        BoundingBox((200, 200, 200), (3, 3, 3)),  # nothing of it
    ],
)
def test_any_box_reads_as_it_does_from_a_disk(sent: Sent, mode: RemoteAccessMode, box: BoundingBox) -> None:
    for name in VOXELS:
        here = sent.local.get_layer(name).get_mag(1).read(absolute_bounding_box=box)
        there = sent.opened(mode).get_layer(name).get_mag(1).read(absolute_bounding_box=box)
        np.testing.assert_array_equal(there, here, name)


@pytest.mark.parametrize("mode", MODES)
def test_views_chunks_and_slices_work_as_those_of_a_disk(sent: Sent, mode: RemoteAccessMode) -> None:
    here, there = sent.local.get_layer("gray").get_mag(1), sent.opened(mode).get_layer("gray").get_mag(1)
    part = there.get_view(absolute_offset=(16, 16, 16), size=(32, 16, 8))

    assert part.read_only
    np.testing.assert_array_equal(part.read(), here.read((32, 16, 8), absolute_offset=(16, 16, 16)))
    np.testing.assert_array_equal(part.get_view((4, 4, 4)).read(), here.read((4, 4, 4), absolute_offset=(16, 16, 16)))
    sums = there.map_chunk(_total, chunk_shape=(32, 32, 32))
    assert sum(sums) == int(GRAY.sum(dtype=np.int64))
    slices = list(there.get_buffered_slice_reader(buffer_size=16))
    np.testing.assert_array_equal(np.stack(slices, axis=-1), GRAY)
    assert here.content_is_equal(there)
    assert there.content_is_equal(here, executor=ThreadPoolExecutor(2))
    assert sum(box.volume() for box in there.get_bounding_boxes_on_disk()) >= GRAY.size


def _total(view: Any) -> int:
    return int(view.read().sum(dtype=np.int64))


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_written_and_the_error_says_what_to_do(sent: Sent, mode: RemoteAccessMode) -> None:
    view = sent.opened(mode).get_layer("gray").get_mag(1)
    voxels = np.zeros((1, 32, 32, 32), np.uint8)

    for write in (
        lambda: view.write(voxels, absolute_offset=(32, 32, 0)),
        lambda: view.get_view((4, 4, 4)).write(voxels[:, :4, :4, :4]),
        view.get_buffered_slice_writer,
        lambda: view.rechunk(chunk_shape=64, shard_shape=64),
        lambda: view.get_view((4, 4, 4), read_only=False),
        lambda: view.merge_with_view(view),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    with pytest.raises(ReadOnlyError, match=r"send a new mag with RemoteLayer.add_mag_as_copy"):
        view.write(voxels)
    with pytest.raises(ReadOnlyError):
        view.array.write_box(view.box_in_mag, GRAY)
    with pytest.raises(PropertiesError, match=r"read\(\) gives its voxels"):
        view.get_zarr_array()


@pytest.mark.parametrize("mode", MODES)
def test_layers_and_mags_are_copied_into_a_local_dataset(sent: Sent, mode: RemoteAccessMode, tmp_path: Path) -> None:
    copy = Dataset(tmp_path / "copy", voxel_size=(11.0, 11.0, 25.0))

    layer = copy.add_layer("gray", "color", dtype="uint8", bounding_box=BOX)
    layer.add_mag_as_copy(sent.opened(mode).get_layer("gray").get_mag(1))
    copy.add_layer_as_copy(sent.opened(mode).get_layer("labels"), "segmentation")

    again = Dataset.open(tmp_path / "copy")
    np.testing.assert_array_equal(again.get_layer("gray").get_mag(1).read(), GRAY)
    np.testing.assert_array_equal(again.get_layer("segmentation").get_mag(1).read(), LABELS)
    assert again.get_layer("segmentation").data_format == "zarr3"
    assert again.get_segmentation_layer("segmentation").largest_segment_id == LARGEST


@pytest.mark.parametrize("mode", MODES)
def test_a_view_travels_to_other_processes_without_the_token(sent: Sent, mode: RemoteAccessMode) -> None:
    view = sent.opened(mode).get_layer("gray").get_mag(1)
    part = view.get_view(absolute_offset=(16, 16, 16), size=(8, 8, 8))

    for one in (view, part):
        packed = pickle.dumps(one)
        assert sent.server.seed.admin.encode() not in packed
        unpacked = pickle.loads(packed)  # noqa: S301  # our own
        np.testing.assert_array_equal(unpacked.read(), one.read())
    with webknossos_context(url=sent.server.url), pytest.raises(ServerError):
        pickle.loads(pickle.dumps(view)).read()  # noqa: S301  # our own


def test_only_what_lies_here_has_a_path(sent: Sent) -> None:
    direct = sent.opened(RemoteAccessMode.DIRECT_PATH).get_layer("gray").get_mag(1)

    assert (direct.path / "zarr.json").is_file()
    for mode in (RemoteAccessMode.ZARR_STREAMING, RemoteAccessMode.PROXY_PATH):
        layer = sent.opened(mode).get_layer("gray")
        with pytest.raises(RemoteLocationError, match="has no path here"):
            _ = layer.get_mag(1).path
        with pytest.raises(RemoteLocationError, match="has no path here"):
            _ = layer.resolved_path


# ---------------------------------------------------------------------- what goes wrong


@pytest.fixture
def faulty(sent: Sent) -> Iterator[Sent]:
    yield sent
    sent.server.ask("DELETE", "/_standin/faults")


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "drop"}, {"kind": "truncate"}])
@pytest.mark.parametrize("mode", [RemoteAccessMode.ZARR_STREAMING, RemoteAccessMode.PROXY_PATH])
def test_a_passing_fault_is_tried_again(faulty: Sent, mode: RemoteAccessMode, fault: dict[str, Any]) -> None:
    view = faulty.opened(mode).get_layer("gray").get_mag(1)
    _ = view.info
    path = r"/gray/1/0\.1\.0\.1$" if mode is RemoteAccessMode.ZARR_STREAMING else r"/gray/mags/1.*/c"
    faulty.server.fault(path=path, times=1, **fault)

    np.testing.assert_array_equal(view.read(), GRAY)

    assert faulty.server.world.database.count("SELECT COUNT(*) FROM faults") == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, ServerBusyError),
        ({"kind": "drop"}, NoAnswerError),
        ({"kind": "truncate"}, NoAnswerError),
        ({"kind": "status", "status": 500}, WkAssetsError),
    ],
)
def test_a_lasting_fault_is_an_error_and_never_zeros(faulty: Sent, fault: dict[str, Any], error: type) -> None:
    view = faulty.opened(RemoteAccessMode.ZARR_STREAMING).get_layer("gray").get_mag(1)
    _ = view.info
    faulty.server.fault(path=r"/gray/1/0\.1\.0\.1$", times=50, **fault)

    with pytest.raises(error):
        view.read()


def test_a_chunk_that_the_server_does_not_have_is_background(faulty: Sent) -> None:
    view = faulty.opened(RemoteAccessMode.ZARR_STREAMING).get_layer("gray").get_mag(1)
    faulty.server.fault(path=r"/gray/1/0\.1\.1\.1$", kind="status", status=404)

    voxels = view.read()

    expected = GRAY.copy()
    expected[:, 32 - 8 : 64 - 8, 32 - 4 :, 32 - 2 :] = 0
    np.testing.assert_array_equal(voxels, expected)


def test_a_mag_that_the_server_does_not_have_is_not_background(faulty: Sent) -> None:
    view = faulty.opened(RemoteAccessMode.ZARR_STREAMING).get_layer("gray").get_mag(1)
    faulty.server.fault(path=r"\.zarray$", kind="status", status=404)

    with pytest.raises(NotADatasetError, match="the server has no array there"):
        view.read()


def test_a_chunk_of_another_length_is_corrupt(faulty: Sent) -> None:
    view = faulty.opened(RemoteAccessMode.ZARR_STREAMING).get_layer("gray").get_mag(1)
    _ = view.info
    faulty.server.fault(path=r"/gray/1/0\.1\.0\.1$", kind="status", status=200, body="short")

    with pytest.raises(ShardCorruptError, match=r"gray/1/0\.1\.0\.1: no chunk of shape"):
        view.read()


# ---------------------------------------------------------------------- formats


@pytest.mark.parametrize("data_format", ["zarr", "wkw"])
def test_other_formats_are_read_where_they_can_be(server: Server, tmp_path: Path, data_format: str) -> None:
    local_dataset(tmp_path / "local", data_format=data_format)
    dataset = RemoteDataset.explore_and_add_remote(tmp_path / "local", "sent")

    for mode in MODES:
        view = dataset.reopen(access_mode=mode).get_layer("labels").get_mag(1)
        if mode is RemoteAccessMode.PROXY_PATH and data_format == "wkw":
            with pytest.raises(RemoteLocationError, match=r"stored as wkw, .* use RemoteAccessMode.ZARR_STREAMING"):
                view.read()
        else:
            np.testing.assert_array_equal(view.read(), LABELS, mode)


def test_a_storage_that_this_machine_does_not_have_is_named(server: Server) -> None:
    direct = RemoteDataset.open(server.dataset(), access_mode=RemoteAccessMode.DIRECT_PATH)

    with pytest.raises(RemoteLocationError, match=r"which this machine does not have. Mount the server's storage"):
        direct.get_layer("color").get_mag(1).read()
