"""Copies of mags, layers and datasets, references to them, and arrays that are stored in another way."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.operations.layer_on_disk import store_layer
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import (
    AlreadyThereError,
    InputError,
    LockedError,
    NotInDatasetError,
    PropertiesError,
    ReadOnlyError,
    ShardCorruptError,
)
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays import rewrite_mag as rewriting
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.properties.view_configuration import LayerViewConfiguration
from wk_assets.storage.array_layout import Layout

WRITABLE = [DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW]
BOX = BoundingBox((7, 9, 3), (70, 40, 33))
VOXELS = np.random.default_rng(5).integers(0, 2**16, tuple(BOX.size)).astype(np.uint16)


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def add_layer(dataset: Dataset, data_format: DataFormat = DataFormat.Zarr3, name: str = "em") -> Layer:
    layer = dataset.add_layer(name, "color", dtype="uint16", bounding_box=BOX, data_format=data_format)
    shard = None if data_format is DataFormat.Zarr else 64
    layer.add_mag(1, chunk_shape=32, shard_shape=shard).write(VOXELS)
    coarse = layer.add_mag("2-2-1", chunk_shape=32, shard_shape=shard)
    coarse.write(coarse_voxels(coarse))
    layer.default_view_configuration = LayerViewConfiguration(alpha=50)
    return layer


def coarse_voxels(view: MagView[Any]) -> NDArray[Any]:
    size = tuple(view.bounding_box.in_mag(view.mag).size)
    return np.arange(np.prod(size), dtype=np.uint16).reshape(size)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", voxel_size=(11.24, 11.24, 25))


@pytest.fixture
def other(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "other", voxel_size=(11.24, 11.24, 25))


@pytest.mark.parametrize("target", [None, *WRITABLE])
@pytest.mark.parametrize("source", WRITABLE)
def test_a_copied_layer_holds_the_same_in_every_format(
    dataset: Dataset, other: Dataset, source: DataFormat, target: DataFormat | None
) -> None:
    layer = add_layer(dataset, source)

    copied = other.add_layer_as_copy(layer, "copied", data_format=target)

    assert copied.data_format is (target or source)
    assert copied.bounding_box == BOX
    assert copied.default_view_configuration == layer.default_view_configuration
    assert list(copied.mags) == list(layer.mags)
    again = Dataset.open(other.path).get_layer("copied")
    for mag, view in layer.mags.items():
        assert view.content_is_equal(again.get_mag(mag))
        if target in (None, source):
            assert files(view.path) == files(again.get_mag(mag).path)
    with pytest.raises(AlreadyThereError, match="'copied' already"):
        other.add_layer_as_copy(layer, "copied")


def test_a_copy_may_be_cut_and_encoded_otherwise(dataset: Dataset, other: Dataset) -> None:
    add_layer(dataset)

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        copied = other.add_layer_as_copy(
            str(dataset.path / "em"), chunk_shape=64, shard_shape=128, compress=False, executor=executor
        )

    for mag, view in copied.mags.items():
        assert (view.info.chunk_shape, view.info.shard_shape) == (Vec3Int(64, 64, 64), Vec3Int(128, 128, 128))
        assert not view.info.compression_mode
        assert view.content_is_equal(dataset.get_layer("em").get_mag(mag))


def test_a_copy_shows_nothing_that_the_original_hides(dataset: Dataset, other: Dataset) -> None:
    """A layer's box hides voxels that its shards still hold; a larger layer must not bring them back."""
    layer = add_layer(dataset)
    layer.bounding_box = BoundingBox((7, 9, 3), (10, 10, 10))
    wide = other.add_layer("wide", "color", dtype="uint16", bounding_box=BOX)

    copied = wide.add_mag_as_copy(layer.get_mag(1))

    assert wide.bounding_box == BOX
    assert (copied.read()[0, :10, :10, :10] == VOXELS[:10, :10, :10]).all()
    assert np.count_nonzero(copied.read()) == np.count_nonzero(VOXELS[:10, :10, :10])


def test_a_mag_is_copied_over_another_only_if_that_is_said(dataset: Dataset, other: Dataset) -> None:
    layer, target = add_layer(dataset), add_layer(other)
    target.get_mag(1).write(np.zeros_like(VOXELS))

    with pytest.raises(AlreadyThereError, match="exists_ok"):
        target.add_mag_as_copy(layer.get_mag(1))
    target.add_mag_as_copy(str(layer.get_mag(1).path), exists_ok=True)

    assert target.get_mag(1).content_is_equal(layer.get_mag(1))
    with pytest.raises(PropertiesError, match="holds 1 x uint16, layer 'labels' 1 x uint8"):
        other.add_layer("labels", "segmentation").add_mag_as_copy(layer.get_mag(1))
    with pytest.raises(NotInDatasetError, match="has no layer 'nothing'"):
        target.add_mag_as_copy(dataset.path / "nothing" / "1")


def test_a_damaged_array_is_not_copied_as_if_it_were_whole(dataset: Dataset, other: Dataset) -> None:
    layer = add_layer(dataset)
    shard = next(path for path in (layer.get_mag(1).path / "c").rglob("*") if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    with pytest.raises(ShardCorruptError, match="is not what the manifest promises"):
        other.add_layer_as_copy(layer)

    assert not Dataset.open(other.path).get_layer("em").mags
    assert not list(other.path.glob("em/*"))


@pytest.mark.parametrize("layout", list(Layout))
def test_layers_of_the_import_pipeline_are_copied_as_they_lie(tmp_path: Path, other: Dataset, layout: Layout) -> None:
    (tmp_path / "imported").mkdir()
    voxels = VOXELS[None]
    store_layer(tmp_path / "imported", {"1": voxels}, layer_name="em", topleft=(7, 9, 3), layout=layout)
    order = "czyx" if layout is Layout.OME else "cxyz"
    (tmp_path / "imported" / "datasource-properties.json").write_text(
        json.dumps(
            {
                "id": {"name": "imported", "team": ""},
                "scale": {"factor": [1, 1, 1], "unit": "nanometer"},
                "dataLayers": [
                    {
                        "name": "em",
                        "category": "color",
                        "boundingBox": {"topLeft": [7, 9, 3], "width": 70, "height": 40, "depth": 33},
                        "dataFormat": "zarr3",
                        "mags": [
                            {
                                "mag": [1, 1, 1],
                                "path": "./em/1",
                                "axisOrder": {axis: order.index(axis) for axis in "cxyz"},
                            }
                        ],
                        "numChannels": 1,
                        "elementClass": "uint16",
                    }
                ],
                "version": 1,
            }
        )
    )
    source = Dataset.open(tmp_path / "imported").get_layer("em")

    copied = other.add_layer_as_copy(source)
    again = Dataset.open(other.path).get_layer("em").get_mag(1)

    assert files(again.path) == files(source.get_mag(1).path)
    assert (again.read() == voxels).all()
    again.write(np.ones_like(VOXELS))
    assert (Dataset.open(other.path).get_layer("em").get_mag(1).read() == 1).all()
    assert (source.get_mag(1).read() == voxels).all()
    assert copied.get_mag(1).properties.axis_order == {axis: order.index(axis) for axis in "cxyz"}


def test_a_copied_dataset_stands_alone(dataset: Dataset, tmp_path: Path) -> None:
    add_layer(dataset)
    add_layer(dataset, DataFormat.WKW, "cubes")
    dataset.add_layer("scratch", "color")

    copied = dataset.copy_dataset(tmp_path / "copy", data_format="zarr3", layers_to_ignore=["scratch"])

    before = {name: {mag: view.read() for mag, view in layer.mags.items()} for name, layer in dataset.layers.items()}
    for name in ("em", "cubes"):
        dataset.delete_layer(name)
    assert copied.voxel_size == dataset.voxel_size
    assert list(copied.layers) == ["em", "cubes"]
    for name, layer in copied.layers.items():
        for mag, view in layer.mags.items():
            assert not view.is_foreign
            assert (view.read() == before[name][mag]).all()


def test_references_are_read_and_never_written(dataset: Dataset, other: Dataset) -> None:
    layer = add_layer(dataset)

    referred = other.add_layer_as_ref(layer, "seen")

    view = Dataset.open(other.path).get_layer("seen").get_mag(1)
    assert view.is_foreign
    assert view.read_only
    assert referred.is_mag_view_foreign(view)
    assert view.path == layer.get_mag(1).path.resolve()
    assert view.content_is_equal(layer.get_mag(1))
    with pytest.raises(ReadOnlyError):
        view.write(VOXELS)
    referred.bounding_box = BoundingBox((0, 0, 0), (500, 500, 500))
    assert layer.get_mag(1).info.box.bottomright_xyz.x < 500
    other.delete_layer("seen")
    assert (layer.get_mag(1).read()[0] == VOXELS).all()
    with pytest.raises(InputError, match="in this dataset already"):
        dataset.add_layer_as_ref(layer, "again")


def test_a_mag_is_referred_to_under_another_mag(dataset: Dataset, other: Dataset) -> None:
    layer = add_layer(dataset)
    target = other.add_layer("em", "color", dtype="uint16")

    view = target.add_mag_as_ref(layer.get_mag(1), mag=2)

    assert view.bounding_box == BoundingBox((14, 18, 6), (140, 80, 66))
    assert (view.read()[0] == VOXELS).all()
    with pytest.raises(AlreadyThereError, match="has a mag 2 already"):
        target.add_mag_as_ref(layer.get_mag(1), mag=2)
    with pytest.raises(PropertiesError, match="copy it"):
        other.add_layer("cubes", "color", dtype="uint16", data_format="wkw").add_mag_as_ref(layer.get_mag(1))
    target.delete_mag(2)
    assert layer.get_mag(1).read().any()


@pytest.mark.parametrize("make_relative", [False, True])
def test_a_shallow_copy_names_what_it_does_not_hold(dataset: Dataset, tmp_path: Path, make_relative: bool) -> None:
    add_layer(dataset)
    add_layer(dataset, DataFormat.WKW, "cubes")
    dataset.add_layer("scratch", "color")

    shallow = dataset.shallow_copy_dataset(
        tmp_path / "folder" / "shallow", make_relative=make_relative, layers_to_ignore=["scratch"]
    )

    assert shallow.name == dataset.name
    paths = [entry.path for layer in shallow.layers.values() for entry in layer.properties.mags]
    start = "../../ds/" if make_relative else str(dataset.path.resolve())
    assert all(path is not None and path.startswith(start) for path in paths)
    assert list(shallow.layers) == ["em", "cubes"]
    for name, layer in shallow.layers.items():
        for mag, view in layer.mags.items():
            assert view.content_is_equal(dataset.get_layer(name).get_mag(mag))
    assert not list((tmp_path / "folder/shallow").rglob("*.wkw"))


@pytest.mark.parametrize("data_format", WRITABLE)
def test_a_mag_is_stored_in_another_way_and_reads_the_same(dataset: Dataset, data_format: DataFormat) -> None:
    layer = add_layer(dataset, data_format)
    view, path = layer.get_mag(1), Path(layer.get_mag(1).path)

    view.rechunk(chunk_shape=64, shard_shape=64, compress=False)

    assert (view.info.chunk_shape, view.info.shard_shape) == (Vec3Int(64, 64, 64), Vec3Int(64, 64, 64))
    assert not view.info.compression_mode
    assert (view.read()[0] == VOXELS).all()
    dataset.compress()
    assert view.info.compression_mode
    assert view.info.chunk_shape == Vec3Int(64, 64, 64)
    assert (Dataset.open(dataset.path).get_layer("em").get_mag(1).read()[0] == VOXELS).all()
    stored = files(path)
    dataset.compress()
    assert files(path) == stored
    assert sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir()) == ["1", "2-2-1"]


def test_a_mag_is_stored_in_another_way_in_another_dataset(dataset: Dataset, tmp_path: Path) -> None:
    layer = add_layer(dataset)
    before = files(layer.path)

    for view in layer.mags.values():
        view.rechunk(chunk_shape=32, shard_shape=32, target_path=tmp_path / "target")
    layer.get_mag(1).compress(target_path=tmp_path / "compressed")

    target = Dataset.open(tmp_path / "target")
    assert target.voxel_size == dataset.voxel_size
    for mag, view in target.get_layer("em").mags.items():
        assert view.info.shard_shape == Vec3Int(32, 32, 32)
        assert view.content_is_equal(layer.get_mag(mag))
    assert Dataset.open(tmp_path / "compressed").get_layer("em").get_mag(1).content_is_equal(layer.get_mag(1))
    assert files(layer.path) == before


def test_what_is_written_meanwhile_is_not_lost_by_rewriting(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    view = add_layer(dataset).get_mag(1)
    copy = copy_mag

    def write_meanwhile(*arguments: Any, **settings: Any) -> None:
        copy(*arguments, **settings)
        view.write(np.full((8, 8, 8), 77, np.uint16), allow_unaligned=True)

    monkeypatch.setattr(rewriting, "copy_mag", write_meanwhile)

    with pytest.raises(LockedError, match="was written while it was rewritten"):
        view.rechunk(chunk_shape=64)
    assert (view.read((8, 8, 8)) == 77).all()
    assert view.info.chunk_shape == Vec3Int(32, 32, 32)
    assert sorted(entry.name for entry in view.path.parent.iterdir() if entry.is_dir()) == ["1", "2-2-1"]


def test_time_series_are_copied_with_all_their_times(dataset: Dataset, other: Dataset) -> None:
    box = NDBoundingBox((0, 0, 0, 0), (3, 40, 30, 20), ("t", "x", "y", "z"))
    layer = dataset.add_layer("em", "color", dtype="uint16", bounding_box=box)
    layer.add_mag(1).write(np.random.default_rng(0).integers(1, 99, (3, 40, 30, 20)).astype(np.uint16))

    same = other.add_layer_as_copy(layer, "same")
    cut = other.add_layer_as_copy(layer, "cut", shard_shape=32)
    older = other.add_layer_as_copy(layer, "older", data_format="zarr")

    for copied in (same, cut, older):
        assert copied.bounding_box == box
        assert copied.get_mag(1).content_is_equal(layer.get_mag(1))
    layer.get_mag(1).rechunk(chunk_shape=64)
    assert same.get_mag(1).content_is_equal(layer.get_mag(1))
    assert list(dataset.shallow_copy_dataset(other.path.parent / "shallow").get_layer("em").mags) == [Mag(1)]


# What WEBKNOSSOS' own library reads from each: type and sum of all voxels. The wkw cubes are there and hold zeros.
OF_OTHERS = {
    "simple_n5_dataset": ("uint32", 5287680),
    "simple_ng_dataset": ("uint8", 5287680),
    "simple_wkw_dataset": ("uint8", 0),
    "simple_zarr3_dataset": ("uint8", 5287680),
    "simple_zarr_dataset": ("uint8", 5287680),
}


@pytest.mark.parametrize("name", OF_OTHERS)
def test_datasets_of_others_are_read_and_copied_into_every_format(shared_data: Path, other: Dataset, name: str) -> None:
    source = Dataset.open(shared_data / "webknossos-datasets" / name, read_only=True)
    (layer,) = source.layers.values()
    voxels = layer.get_finest_mag().read()

    assert (voxels.dtype.name, int(voxels.sum())) == OF_OTHERS[name]
    assert voxels.shape == (3, 24, 24, 24)
    for target in WRITABLE:
        if voxels.dtype != layer.dtype:  # the file of this one says another type than its array has
            with pytest.raises(PropertiesError, match="holds 3 x uint32, layer 'zarr3' 3 x uint8"):
                other.add_layer_as_copy(layer, target.value, data_format=target)
            break
        copied = other.add_layer_as_copy(layer, target.value, data_format=target)
        assert (copied.get_mag(1).read() == voxels).all()
