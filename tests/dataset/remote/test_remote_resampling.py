"""Mags that are made for a layer on a server are those that a local layer would get."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.served import Server
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.remote_access_mode import RemoteAccessMode
from wk_assets.dataset.remote_dataset import RemoteDataset
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import AlreadyThereError, NotInDatasetError, PlanError, ServerError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int

BOX = BoundingBox((8, 0, 4), (60, 48, 20))
VOXELS = np.random.default_rng(5).integers(1, 4, (1, *BOX.size), dtype=np.uint8)


@pytest.fixture
def server(kept_server: Server) -> Server:
    return kept_server


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "local", voxel_size=(4.0, 4.0, 8.0), name="resampled")
    for name, category in (("em", "color"), ("labels", "segmentation")):
        layer = made.add_layer(name, category, dtype="uint8", bounding_box=BOX)
        layer.add_mag(1).write(VOXELS, absolute_offset=BOX.topleft, allow_unaligned=True)
    return made


@pytest.fixture
def remote(local: Dataset, server: Server) -> RemoteDataset:
    del server
    return local.upload()


def _read(remote: RemoteDataset, layer: str, mag: Mag) -> Any:
    return RemoteDataset.open(dataset_id=remote.dataset_id).get_layer(layer).get_mag(mag).read()


def test_coarser_mags_are_those_of_a_local_layer(local: Dataset, remote: RemoteDataset) -> None:
    local.downsample(coarsest_mag=Mag(4))

    remote.downsample(coarsest_mag=Mag(4), transfer_mode=TransferMode.MOVE_AND_SYMLINK)

    for name, layer in local.layers.items():
        assert set(remote.get_layer(name).mags) == set(layer.mags)
        assert len(layer.mags) == 3
        for mag, view in layer.mags.items():
            np.testing.assert_array_equal(_read(remote, name, mag), view.read())


def test_a_run_that_breaks_off_goes_on_from_the_mags_that_there_are(
    local: Dataset, remote: RemoteDataset, server: Server
) -> None:
    local.get_layer("em").downsample(coarsest_mag=Mag(4))
    wanted = local.get_layer("em").mags
    layer = remote.get_layer("em")
    server.fault(method="POST", path="upload/mag/finishUpload", kind="status", status=503, skip=1, times=50)
    with pytest.raises(ServerError):
        layer.downsample(coarsest_mag=Mag(4), transfer_mode=TransferMode.HTTP)
    server.ask("DELETE", "/_standin/faults")
    assert len(RemoteDataset.open(dataset_id=remote.dataset_id).get_layer("em").mags) == len(wanted) - 1

    remote.reload()
    layer.downsample(coarsest_mag=Mag(4), transfer_mode=TransferMode.HTTP)

    assert set(layer.mags) == set(wanted)
    for mag, view in wanted.items():
        np.testing.assert_array_equal(_read(remote, "em", mag), view.read())


def test_the_mags_asked_for_are_cut_and_made_as_asked(remote: RemoteDataset, local: Dataset) -> None:
    local.get_layer("em").downsample(coarsest_mag=Mag(2), interpolation_mode="nearest", sampling_mode="isotropic")

    remote.get_layer("em").downsample(
        coarsest_mag=Mag(2),
        interpolation_mode="nearest",
        sampling_mode="isotropic",
        chunk_shape=32,
        shard_shape=64,
        compress=False,
        align_with_other_layers=False,
    )

    made = remote.reopen(access_mode=RemoteAccessMode.DIRECT_PATH).get_layer("em")
    assert set(made.mags) == {Mag(1), Mag(2)}
    info = made.get_mag(2).info
    assert (info.chunk_shape, info.shard_shape) == (Vec3Int(32, 32, 32), Vec3Int(64, 64, 64))
    assert not info.compression_mode
    np.testing.assert_array_equal(_read(remote, "em", Mag(2)), local.get_layer("em").get_mag(2).read())


def test_finer_mags_repeat_each_voxel(server: Server, tmp_path: Path) -> None:
    del server
    made = Dataset(tmp_path / "coarse", voxel_size=(4.0, 4.0, 4.0), name="coarse")
    layer = made.add_layer("em", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (32, 32, 16)))
    voxels = np.random.default_rng(6).integers(1, 255, (1, 8, 8, 4), dtype=np.uint8)
    layer.add_mag(4).write(voxels, allow_unaligned=True)
    remote = made.upload()

    remote.get_layer("em").upsample(Mag(4), transfer_mode=TransferMode.HTTP)

    assert set(remote.get_layer("em").mags) == {Mag(1), Mag(2), Mag(4)}
    for mag in (1, 2):
        wanted = voxels
        for axis in (1, 2, 3):
            wanted = np.repeat(wanted, 4 // mag, axis)
        np.testing.assert_array_equal(_read(remote, "em", Mag(mag)), wanted)


def test_what_can_not_be_made_is_refused_before_anything_is_read(remote: RemoteDataset) -> None:
    layer = remote.get_layer("em")
    layer.downsample(coarsest_mag=Mag(2))
    with pytest.raises(AlreadyThereError, match="has mag 2-2-1 already"):
        layer.downsample(from_mag=Mag(1))
    with pytest.raises(NotInDatasetError):
        layer.downsample(from_mag=Mag(8))
    with pytest.raises(NotInDatasetError):
        layer.upsample(Mag(8))
    with pytest.raises(PlanError):
        layer.upsample(Mag(1), finest_mag=Mag(2))
    empty = remote.add_layer("empty", "color", bounding_box=BOX)
    with pytest.raises(NotInDatasetError, match="no mag to be downsampled"):
        empty.downsample()
