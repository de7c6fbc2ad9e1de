"""What is done in another way where a file system, a mag or a caller is of another kind."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.mag_view import MagView
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.dataset.view import View
from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays import copy_files
from wk_assets.operations.datasets import rename_layer as renaming
from wk_assets.storage import exchange as exchanging
from wk_assets.storage.durable import move_into_place
from wk_assets.storage.exchange import exchange

BOX = BoundingBox((0, 0, 0), (128, 64, 64))
VOXELS = np.random.default_rng(2).integers(1, 255, tuple(BOX.size)).astype(np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    made.add_layer("em", "color", bounding_box=BOX).add_mag(1, chunk_shape=32, shard_shape=64).write(VOXELS)
    return made


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no links here")


@pytest.mark.parametrize("fails", [False, True])
def test_layers_are_renamed_where_there_are_no_links(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Path, "symlink_to", refuse)
        if fails:
            context.setattr(renaming, "write_properties", crash)
            with pytest.raises(KeyboardInterrupt):
                dataset.get_layer("em").name = "cells"
        else:
            dataset.get_layer("em").name = "cells"

    (layer,) = Dataset.open(dataset.path).layers.values()
    assert layer.name == ("em" if fails else "cells")
    assert (layer.get_mag(1).read()[0] == VOXELS).all()
    assert {path.name for path in dataset.path.iterdir() if path.is_dir()} == {layer.name, ".wk-assets"}


@pytest.mark.parametrize("at_once", [True, False])
def test_two_directories_exchange_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    if not at_once:
        monkeypatch.setattr(exchanging, "_at_once", lambda *_: False)

    exchange(tmp_path / "first", tmp_path / "second")

    assert (tmp_path / "first/name").read_text() == "second"
    assert (tmp_path / "second/name").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 2
    if at_once:
        with pytest.raises(FileNotFoundError):
            exchange(tmp_path / "first", tmp_path / "nothing")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_moves_to_another_file_system_is_copied_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("voxels")
    moved = source if kind == "folder" else source / "a"

    def elsewhere(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    rename = move_into_place
    monkeypatch.setattr(
        copy_files, "move_into_place", lambda old, new: elsewhere() if old == moved else rename(old, new)
    )
    TransferMode.MOVE_AND_SYMLINK.transfer(moved, tmp_path / "target")

    assert moved.is_symlink()
    target = tmp_path / "target" / "a" if kind == "folder" else tmp_path / "target"
    assert target.read_text() == "voxels"
    assert not target.is_symlink()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a").write_text("voxels")
    (tmp_path / "file").write_text("voxels")
    monkeypatch.setattr(copy_files, "sync_file", refuse)

    for name in ("source", "file"):
        with pytest.raises(OSError, match="no links here"):
            TransferMode.COPY.transfer(tmp_path / name, tmp_path / "target")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "file"}


def test_chunks_of_views_of_two_sizes_are_zipped_if_both_relate_alike(dataset: Dataset) -> None:
    source = dataset.get_layer("em").get_mag(1)
    large = dataset.add_layer("large", "color", bounding_box=BoundingBox((0, 0, 0), (256, 128, 128)))
    target = large.add_mag(1, chunk_shape=32, shard_shape=128)

    def enlarge(job: tuple[View, View, int]) -> None:
        job[1].write(job[0].read().repeat(2, 1).repeat(2, 2).repeat(2, 3))

    source.for_zipped_chunks(enlarge, target, source_chunk_shape=(64, 64, 64), target_chunk_shape=(128, 128, 128))

    assert (target.read()[:, ::2, ::2, ::2] == source.read()).all()
    assert target.read().all()
    shifted = target.get_view((128, 64, 64), relative_offset=(16, 0, 0))
    with pytest.raises(GeometryError, match="corners lie differently"):
        source.for_zipped_chunks(enlarge, shifted, source_chunk_shape=(64, 64, 64), target_chunk_shape=(64, 64, 64))


def test_a_copy_shows_how_far_it_is_to_those_who_name_it(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    source = dataset.get_layer("em").get_mag(1)
    layer = dataset.add_layer_like(source.layer, "copied")

    layer.add_mag_as_copy(source, shard_shape=32, progress_desc="Copying the mag")

    assert "Copying the mag" in capsys.readouterr().err
    assert layer.get_mag(1).content_is_equal(source)


def test_an_array_can_be_made_before_the_metadata_names_it(dataset: Dataset, tmp_path: Path) -> None:
    layer = dataset.get_layer("em")

    view = MagView.create(
        layer, Mag(2), path=tmp_path / "apart", chunk_shape=Vec3Int(32, 32, 32), compression_mode=True
    )

    assert view.info.shard_shape == Vec3Int(256, 256, 256)
    assert view.is_foreign
    assert not view.read().any()
    assert list(layer.mags) == [Mag(1)]


def test_what_is_not_there_any_more_is_said(dataset: Dataset) -> None:
    layer, other = dataset.get_layer("em"), Dataset.open(dataset.path)
    other.delete_layer("em")

    with pytest.raises(PropertiesError, match="no layer 'em'"):
        layer.add_mag(2)
    with pytest.raises(NotADatasetError, match="no Zarr v3 array"):
        Dataset.open(dataset.path)._new_handle(layer.properties).get_mag(1).read()
    dataset.reload()
    assert not dataset.layers
