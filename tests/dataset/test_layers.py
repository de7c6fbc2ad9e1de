"""Datasets and layers made, changed, renamed and deleted: what the file says afterwards, and what lies on disk."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from upath import UPath

from tests.operations.layer_on_disk import store_layer
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    AlreadyThereError,
    DatasetExistsError,
    GeometryError,
    InputError,
    InvalidNameError,
    LockedError,
    NotADatasetError,
    NotInDatasetError,
    PropertiesError,
    ReadOnlyError,
    RemoteLocationError,
    StorageError,
)
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets import rename_layer
from wk_assets.operations.records.layer_record import read_layer_record
from wk_assets.operations.records.mag_lock import mag_lock_path
from wk_assets.properties.category import COLOR_CATEGORY, SEGMENTATION_CATEGORY, LayerCategoryType
from wk_assets.properties.layer_properties import (
    AttachmentDataFormat,
    AttachmentProperties,
    AttachmentsProperties,
    CoordinateTransformationProperties,
    DataFormat,
)
from wk_assets.properties.view_configuration import DatasetViewConfiguration, LayerViewConfiguration
from wk_assets.storage.locks import exclusive
from wk_assets.storage.mag_array import Zarr3Config

BOX = BoundingBox((0, 0, 0), (40, 30, 20))
VOXELS = np.random.default_rng(5).integers(1, 255, tuple(BOX.size)).astype(np.uint8)


def properties(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "datasource-properties.json").read_text())
    return document


def layer_json(path: Path, name: str) -> dict[str, Any]:
    (found,) = [layer for layer in properties(path)["dataLayers"] if layer["name"] == name]
    return dict(found)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "ds", voxel_size=(11.24, 11.24, 25))


# ---------------------------------------------------------------------- datasets


def test_a_new_dataset_is_what_it_was_asked_to_be(tmp_path: Path) -> None:
    made = Dataset(tmp_path / "worm", voxel_size_with_unit=VoxelSize((0.2, 0.2, 1), LengthUnit.MICROMETER))

    opened = Dataset.open(str(tmp_path / "worm"))
    assert made.name == opened.name == "worm"
    assert opened.voxel_size == pytest.approx((200, 200, 1000))
    assert opened.voxel_size_with_unit.unit is LengthUnit.MICROMETER
    assert not opened.layers
    kind: type = type(opened.path)
    assert all(issubclass(kind, wanted) for wanted in (UPath, Path))
    assert properties(tmp_path / "worm")["version"] == 1
    assert zarr.open_group(str(tmp_path / "worm"), mode="r").attrs == {}


def test_a_dataset_is_found_by_path_text_and_local_url(tmp_path: Path) -> None:
    ways: list[Callable[[Path], str | Path | UPath]] = [
        str,
        Path,
        UPath,
        lambda path: f"file://{path}",
        lambda path: UPath(f"file://{path}"),
    ]
    for number, location in enumerate(ways):
        path = tmp_path / str(number)
        Dataset(location(path), voxel_size=(1, 1, 1)).add_layer("em", "color")
        assert list(Dataset.open(location(path)).layers) == ["em"]
    with pytest.raises(RemoteLocationError, match=r"s3://bucket/ds lies behind s3://.*Mount the storage"):
        Dataset.open("s3://bucket/ds")
    with pytest.raises(RemoteLocationError):
        Dataset(UPath("memory://ds"), voxel_size=(1, 1, 1))


def test_a_place_that_is_taken_is_refused_unless_it_holds_just_this_dataset(tmp_path: Path) -> None:
    Dataset(tmp_path / "ds", voxel_size=(1, 1, 2), name="first").add_layer("em", "color")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")

    assert list(Dataset(tmp_path / "ds", (1, 1, 2), exist_ok=True).layers) == ["em"]
    with pytest.raises(DatasetExistsError, match="exist_ok"):
        Dataset(tmp_path / "ds", voxel_size=(1, 1, 2))
    with pytest.raises(DatasetExistsError, match="1 x 1 x 2 nanometer, not 1 x 1 x 3"):
        Dataset(tmp_path / "ds", voxel_size=(1, 1, 3), exist_ok=True)
    with pytest.raises(DatasetExistsError, match="called 'first', not 'second'"):
        Dataset(tmp_path / "ds", (1, 1, 2), "second", exist_ok=True)
    with pytest.raises(RuntimeError, match=r"is not empty: there is notes\.txt"):
        Dataset(tmp_path / "full", voxel_size=(1, 1, 2), exist_ok=True)
    with pytest.raises(PropertiesError, match="needs its voxel size"):
        Dataset(tmp_path / "new")
    with pytest.raises(PropertiesError, match="give one of them"):
        Dataset(tmp_path / "new", (1, 1, 1), voxel_size_with_unit=VoxelSize((1, 1, 1)))
    assert not (tmp_path / "new").exists()


def test_what_is_set_stands_in_the_file(dataset: Dataset) -> None:
    layer = dataset.add_layer("em", "color")

    dataset.name = "renamed"
    dataset.default_view_configuration = DatasetViewConfiguration(zoom=1.5, position=(100, 100, 100))
    layer.default_view_configuration = LayerViewConfiguration(color=(1, 2, 3), intensity_range=(0, 100))
    shift = ((1, 0, 0, 5), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
    layer.coordinate_transformations = [CoordinateTransformationProperties(type="affine", matrix=shift)]

    opened = Dataset.open(dataset.path)
    assert opened.name == "renamed"
    assert opened.default_view_configuration == DatasetViewConfiguration(zoom=1.5, position=(100, 100, 100))
    again = opened.get_layer("em")
    assert again.default_view_configuration is not None
    assert again.default_view_configuration.color == (1, 2, 3)
    assert again.coordinate_transformations[0].matrix == shift
    again.coordinate_transformations = ()
    again.default_view_configuration = None
    assert not set(layer_json(Path(dataset.path), "em")) & {"coordinateTransformations", "defaultViewConfiguration"}


def test_keys_that_nobody_knows_survive_every_change(dataset: Dataset) -> None:
    dataset.add_layer("em", "color", bounding_box=BOX).add_mag(1)
    path = Path(dataset.path) / "datasource-properties.json"
    document = json.loads(path.read_text())
    document["future"] = {"a": [1, 2]}
    document["dataLayers"][0]["future"] = "layer"
    document["dataLayers"][0]["mags"][0]["future"] = "mag"
    document["dataLayers"][0]["boundingBox"]["future"] = "box"
    path.write_text(json.dumps(document))

    layer = dataset.get_layer("em")
    layer.bounding_box = BoundingBox((0, 0, 0), (50, 50, 50))
    layer.name = "em2"
    layer.add_mag(2)
    dataset.name = "other"

    now = json.loads(path.read_text())
    assert now["future"] == {"a": [1, 2]}
    assert now["dataLayers"][0]["future"] == "layer"
    assert now["dataLayers"][0]["mags"][0]["future"] == "mag"
    assert now["dataLayers"][0]["boundingBox"]["future"] == "box"
    assert now["dataLayers"][0]["boundingBox"]["width"] == 50


# ---------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"category": "colour"}, PropertiesError, "write color or segmentation"),
        ({"dtype": "float64"}, PropertiesError, "can not hold float64"),
        ({"dtype": "uint64"}, PropertiesError, "can not hold uint64"),
        ({"category": "segmentation", "dtype": "float32"}, PropertiesError, "can not hold float32"),
        ({"data_format": "tiff"}, PropertiesError, "write wkw, zarr, zarr3"),
        ({"layer_name": "raw data"}, InvalidNameError, "Did you mean 'raw-data'"),
        ({"layer_name": "zarr.json"}, InvalidNameError, "is taken"),
        ({"layer_name": "em"}, AlreadyThereError, "has a layer 'em' already"),
        ({"num_channels": 0}, GeometryError, "at least one channel"),
        ({"dtype": "uint8", "dtype_per_channel": "uint8"}, PropertiesError, "give dtype"),
        ({"colour": "red"}, InputError, "does not know colour"),
    ],
)
def test_a_layer_that_can_not_be_is_refused(
    dataset: Dataset, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    dataset.add_layer("em", "color")

    with pytest.raises(error, match=words):
        dataset.add_layer(**{"layer_name": "other", "category": "color", **settings})
    assert list(Dataset.open(dataset.path).layers) == ["em"]


def test_categories_are_named_as_scripts_name_them(dataset: Dataset) -> None:
    raw = dataset.add_layer("raw", LayerCategoryType.COLOR_CATEGORY, dtype=np.uint8)
    labels = dataset.add_layer(
        "labels", SEGMENTATION_CATEGORY, dtype=np.uint64, largest_segment_id=2**60 + 1, mappings=["agglomerates"]
    )

    assert {raw.category, COLOR_CATEGORY, str(LayerCategoryType.COLOR_CATEGORY)} == {"color"}
    segmentation = Dataset.open(dataset.path).get_segmentation_layer("labels")
    assert segmentation.largest_segment_id == 2**60 + 1
    assert segmentation.mappings == ("agglomerates",)
    assert labels.as_segmentation_layer() is labels
    assert layer_json(Path(dataset.path), "labels")["largestSegmentId"]["value"] == str(2**60 + 1)
    segmentation.largest_segment_id = None
    assert "largestSegmentId" not in layer_json(Path(dataset.path), "labels")
    for wrong in (-1, 2**64):
        with pytest.raises(PropertiesError, match="no id of a layer of uint64"):
            segmentation.largest_segment_id = wrong


def test_a_layer_is_got_or_added_and_never_taken_for_another(dataset: Dataset) -> None:
    layer = dataset.get_or_add_layer("em", "color", dtype="uint16", num_channels=1)

    assert dataset.get_or_add_layer("em", "color") is layer
    assert dataset.get_or_add_layer("em", "color", dtype=np.uint16) is layer
    with pytest.raises(PropertiesError, match="with dtype uint16, not uint8"):
        dataset.get_or_add_layer("em", "color", dtype="uint8")
    with pytest.raises(PropertiesError, match="with category color, not segmentation"):
        dataset.get_or_add_layer("em", "segmentation")
    with pytest.raises(PropertiesError, match="with num_channels 1, not 3"):
        dataset.get_or_add_layer("em", "color", num_channels=3)


def test_a_layer_like_another_has_all_but_its_voxels(dataset: Dataset) -> None:
    model = dataset.add_layer("em", "segmentation", dtype="uint32", bounding_box=BOX, largest_segment_id=7)
    model.default_view_configuration = LayerViewConfiguration(alpha=20)
    model.add_mag(1)

    like = dataset.add_layer_like(model, "like").as_segmentation_layer()

    assert like.dtype == np.uint32
    assert like.bounding_box == BOX
    assert like.largest_segment_id == 7
    assert like.default_view_configuration == model.default_view_configuration
    assert not like.mags
    like.add_mag(1).write(VOXELS)
    assert not model.get_mag(1).read().any()


def test_a_mag_has_the_shapes_that_were_asked_for_and_never_a_shard_of_a_gigabyte(dataset: Dataset) -> None:
    layer = dataset.add_layer("em", "color", bounding_box=BoundingBox((0, 0, 0), (1000, 1000, 1000)))

    usual = layer.add_mag(1)
    chosen = layer.add_mag(2, chunk_shape=(32, 32, 64), shard_shape=(64, 128, 64), compress=False)
    counted = layer.add_mag(4, chunks_per_shard=2)
    coded = layer.add_mag(
        8, compress=Zarr3Config(codecs=({"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}))
    )

    assert (usual.info.chunk_shape, usual.info.shard_shape) == (Vec3Int(32, 32, 32), Vec3Int(256, 256, 256))
    assert (chosen.info.chunk_shape, chosen.info.shard_shape) == (Vec3Int(32, 32, 64), Vec3Int(64, 128, 64))
    assert not chosen.info.compression_mode
    assert counted.info.shard_shape == Vec3Int(64, 64, 64)
    assert counted.info.chunks_per_shard == Vec3Int(2, 2, 2)
    assert '"gzip"' in (coded.path / "zarr.json").read_text()
    coded.write(np.ones((8, 8, 8), np.uint8), allow_unaligned=True)
    assert coded.read((64, 64, 64)).all()
    assert layer.get_or_add_mag(2, chunk_shape=(32, 32, 64)).mag == Mag(2)
    assert layer.get_or_add_mag("16-16-8").name == "16-16-8"
    with pytest.raises(GeometryError, match=r"has chunk_shape .*32.*, not .*64"):
        layer.get_or_add_mag(2, chunk_shape=64)
    for settings, words in (
        ({"chunk_shape": 48}, "power of two"),
        ({"chunk_shape": 64, "shard_shape": 32}, "not a multiple"),
        ({"chunk_shape": 0}, "greater than zero"),
        ({"shard_shape": 64, "chunks_per_shard": 2}, "give one of them"),
    ):
        with pytest.raises(GeometryError, match=words):
            layer.add_mag(32, **settings)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="slow in WEBKNOSSOS"):
        layer.add_mag(32, chunk_shape=16)
    with pytest.raises(AlreadyThereError, match="has a mag 1 already"):
        layer.add_mag(1)


def test_formats_that_are_only_read_are_not_written(dataset: Dataset) -> None:
    for data_format in (DataFormat.N5, DataFormat.NeuroglancerPrecomputed):
        layer = dataset.add_layer(data_format.value, "color", data_format=data_format)
        with pytest.raises(ReadOnlyError, match="only read"):
            layer.add_mag(1)
        assert not layer.mags
    with pytest.raises(GeometryError, match="has no shards"):
        dataset.add_layer("z", "color", data_format="zarr").add_mag(1, chunk_shape=32, shard_shape=64)


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.Zarr])
def test_other_programs_find_the_mags_as_one_image(dataset: Dataset, data_format: DataFormat) -> None:
    layer = dataset.add_layer("em", "color", data_format=data_format, bounding_box=BOX)
    layer.add_mag(1).write(VOXELS)
    layer.add_mag("2-2-1")
    layer.add_mag(4)
    layer.delete_mag(4)

    group = zarr.open_group(str(layer.path), mode="r")
    attributes: Any = dict(group.attrs)
    (multiscale,) = attributes.get("ome", attributes)["multiscales"]
    assert [one["path"] for one in multiscale["datasets"]] == ["1", "2-2-1"]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "x", "y", "z"]
    assert multiscale["datasets"][1]["coordinateTransformations"][0]["scale"] == [1.0, 22.48, 22.48, 25.0]
    array: Any = group["1"]
    assert (array[0, :40, :30, :20] == VOXELS).all()


def test_a_renamed_layer_is_the_same_under_another_name(dataset: Dataset) -> None:
    layer = dataset.add_layer("em", "segmentation", bounding_box=BOX).as_segmentation_layer()
    view = layer.add_mag(1)
    view.write(VOXELS)
    layer._save_attachments(
        AttachmentsProperties(
            meshes=(
                AttachmentProperties(name="m", path="./em/meshes/m", data_format=AttachmentDataFormat.Zarr3),
                AttachmentProperties(name="far", path="/elsewhere/em/m", data_format=AttachmentDataFormat.Zarr3),
            )
        )
    )
    dataset.add_layer("other", "color")

    layer.name = "cells"

    assert list(dataset.layers) == list(Dataset.open(dataset.path).layers) == ["cells", "other"]
    assert dataset.get_layer("cells") is layer
    assert layer.get_mag(1) is view
    assert (view.read()[0] == VOXELS).all()
    assert not (dataset.path / "em").exists()
    stored = layer_json(Path(dataset.path), "cells")
    assert stored["mags"][0]["path"] == "./cells/1"
    assert [one["path"] for one in stored["attachments"]["meshes"]] == ["./cells/meshes/m", "/elsewhere/em/m"]
    with pytest.raises(AlreadyThereError, match="has a layer of that name"):
        layer.name = "other"
    with pytest.raises(InvalidNameError):
        layer.name = "a b"
    (dataset.path / "there").mkdir()
    with pytest.raises(AlreadyThereError, match="there is something at"):
        layer.name = "there"
    assert (Dataset.open(dataset.path).get_layer("cells").get_mag(1).read()[0] == VOXELS).all()


@pytest.mark.parametrize("step", ["write_properties", "exchange", "_rename_ledger"])
def test_a_renaming_that_is_cut_short_leaves_a_layer_that_can_be_read(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    dataset.add_layer("em", "color", bounding_box=BOX).add_mag(1).write(VOXELS)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(rename_layer, step, crash)
        with pytest.raises(KeyboardInterrupt):
            dataset.get_layer("em").name = "cells"

    (name,) = Dataset.open(dataset.path).layers
    assert name == ("em" if step == "write_properties" else "cells")
    opened = Dataset.open(dataset.path).get_layer(name)
    assert (opened.get_mag(1).read()[0] == VOXELS).all()
    opened.name = "again"
    opened.get_mag(1).write(VOXELS // 2)
    assert (Dataset.open(dataset.path).get_layer("again").get_mag(1).read()[0] == VOXELS // 2).all()


def test_a_deleted_layer_or_mag_is_gone_and_can_be_made_anew(dataset: Dataset) -> None:
    layer = dataset.add_layer("em", "color", bounding_box=BOX)
    layer.add_mag(1).write(VOXELS)
    layer.add_mag(2)

    layer.delete_mag(1)
    assert list(layer.mags) == [Mag(2)]
    assert not (layer.path / "1").exists()
    layer.add_mag(1)
    assert not layer.get_mag(1).read().any()
    with pytest.raises(NotInDatasetError, match="no mag 16"):
        layer.delete_mag(16)

    dataset.delete_layer("em")
    assert not dataset.layers
    assert not (dataset.path / "em").exists()
    with pytest.raises(NotInDatasetError, match="no layer 'em'"):
        dataset.delete_layer("em")
    assert dataset.add_layer("em", "segmentation", dtype="uint64").add_mag(1).info.voxel_type == np.uint64
    assert not list((dataset.path / ".wk-assets").rglob("trash/*"))


def test_what_lies_where_a_mag_should_go_is_never_overwritten(dataset: Dataset) -> None:
    layer = dataset.add_layer("em", "color", bounding_box=BOX)
    (layer.path / "1").mkdir(parents=True)
    (layer.path / "1" / "notes.txt").write_text("mine")

    with pytest.raises(StorageError, match="the dataset does not name it"):
        layer.add_mag(1)
    assert not Dataset.open(dataset.path).get_layer("em").mags
    assert (layer.path / "1" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("change", ["delete layer", "delete mag", "rename"])
def test_the_ledger_of_imports_follows(tmp_path: Path, change: str) -> None:
    """Else the next commit of the dataset would name arrays that are gone, or fail."""
    voxels = {"1": VOXELS[None], "2": VOXELS[None, ::2, ::2, ::2]}
    store_layer(tmp_path, voxels, layer_name="em", topleft=(0, 0, 0))
    order = {"c": 0, "z": 1, "y": 2, "x": 3}
    document = {
        "id": {"name": "ds", "team": ""},
        "scale": {"factor": [1, 1, 1], "unit": "nanometer"},
        "dataLayers": [
            {
                "name": "em",
                "category": "color",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 40, "height": 30, "depth": 20},
                "dataFormat": "zarr3",
                "mags": [{"mag": [int(mag)] * 3, "path": f"./em/{mag}", "axisOrder": order} for mag in voxels],
                "numChannels": 1,
                "elementClass": "uint8",
            }
        ],
        "version": 1,
    }
    (tmp_path / "datasource-properties.json").write_text(json.dumps(document))
    dataset = Dataset.open(tmp_path)

    if change == "delete layer":
        dataset.delete_layer("em")
        assert read_layer_record(tmp_path, "em") is None
    elif change == "delete mag":
        dataset.get_layer("em").delete_mag(2)
        record = read_layer_record(tmp_path, "em")
        assert record is not None
        assert [mag.mag for mag in record.mags] == ["1"]
    else:
        dataset.get_layer("em").name = "raw"
        assert read_layer_record(tmp_path, "em") is None
        record = read_layer_record(tmp_path, "raw")
        assert record is not None
        assert (record.layer_name, [mag.path for mag in record.mags]) == ("raw", ["raw/1", "raw/2"])
        assert (Dataset.open(tmp_path).get_layer("raw").get_mag(1).read()[0] == VOXELS).all()


def test_a_mag_is_made_by_one_run_or_copy_at_a_time(dataset: Dataset, tmp_path: Path) -> None:
    """The lock is that of the import pipeline."""
    source = dataset.add_layer("em", "color", bounding_box=BOX)
    source.add_mag(1).write(VOXELS)
    copied = dataset.add_layer_like(source, "copied")
    lock = mag_lock_path(Path(dataset.path), "copied", Mag(1))

    with exclusive(lock, "import of copied/1"), pytest.raises(LockedError, match="import of copied/1"):
        copied.add_mag_as_copy(source.get_mag(1))
    copied.add_mag_as_copy(source.get_mag(1))

    assert (copied.get_mag(1).read()[0] == VOXELS).all()
    with exclusive(lock, "import of copied/1"), pytest.raises(LockedError):
        copied.get_mag(1).rechunk(chunk_shape=64)


# ---------------------------------------------------------------------- files that are there already


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW])
def test_files_that_are_there_become_a_layer(dataset: Dataset, tmp_path: Path, data_format: DataFormat) -> None:
    layer = dataset.add_layer("em", "color", dtype="uint8", num_channels=3, data_format=data_format, bounding_box=BOX)
    rgb = np.stack([VOXELS, VOXELS // 2, VOXELS // 3])
    layer.add_mag(1).write(rgb)
    layer.add_mag(2).write(rgb[:, ::2, ::2, ::2])
    other = Dataset(tmp_path / "other", voxel_size=(1, 1, 1))
    (layer.path).rename(other.path / "taken")

    taken = other.add_layer_for_existing_files("taken", "color")

    assert (taken.dtype.name, taken.num_channels, taken.data_format) == ("uint8", 3, data_format)
    assert list(taken.mags) == [Mag(1), Mag(2)]
    assert taken.bounding_box.contains_bbox(BOX)
    taken.bounding_box = BOX
    again = Dataset.open(other.path).get_layer("taken")
    assert (again.get_mag(1).read() == rgb).all()
    assert (again.get_mag(2).read() == rgb[:, ::2, ::2, ::2]).all()
    with pytest.raises(NotADatasetError, match="has no arrays"):
        other.add_layer_for_existing_files("nothing", "color")
    with pytest.raises(AlreadyThereError):
        other.add_layer_for_existing_files("taken", "color")


@pytest.mark.parametrize(
    ("name", "total"), [("zarr3", 5287680), ("wkw", 0), ("zarr", 5287680), ("n5", None), ("ng", 5287680)]
)
def test_files_of_others_become_a_layer(dataset: Dataset, shared_data: Path, name: str, total: int | None) -> None:
    shutil.copytree(shared_data / f"webknossos-datasets/simple_{name}_dataset/color", dataset.path / "color")

    if total is None:
        with pytest.raises(PropertiesError, match="'uint96'"):  # three channels of uint32
            dataset.add_layer_for_existing_files("color", "color")
        layer = dataset.add_layer_for_existing_files("color", "color", dtype="uint8")
        assert layer.get_mag(1).read().sum() == 5287680
    else:
        layer = dataset.add_layer_for_existing_files("color", "color")
        assert layer.get_mag(1).read().sum() == total
        assert (layer.dtype.name, layer.num_channels) == ("uint8", 3)
    assert layer.get_mag(1).read().shape[0] == 3


def test_the_scales_of_a_precomputed_volume_are_its_mags(dataset: Dataset) -> None:
    for number, (key, factors) in enumerate((("8_8_40", (1, 1, 1)), ("16_16_40", (2, 2, 1)))):
        size = [64 // factor for factor in factors]
        array = tensorstore.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{dataset.path}/em/"},
                "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
                "scale_metadata": {
                    "key": key,
                    "resolution": [8 * factors[0], 8 * factors[1], 40],
                    "encoding": "raw",
                    "chunk_size": [32, 32, 32],
                    "size": size,
                    "voxel_offset": [0, 0, 0],
                },
            },
            create=True,
        ).result()
        array[...] = np.full((*size, 1), 2**60 + number, np.uint64)

    layer = dataset.add_layer_for_existing_files("em", "segmentation").as_segmentation_layer()

    assert list(layer.mags) == [Mag(1), Mag("2-2-1")]
    assert layer.bounding_box == BoundingBox((0, 0, 0), (64, 64, 64))
    assert (layer.get_mag(1).read() == 2**60).all()
    assert (layer.get_mag("2-2-1").read() == 2**60 + 1).all()
    layer.refresh_largest_segment_id()
    assert layer.largest_segment_id == 2**60
    (dataset.path / "em/info").write_text("{}")
    with pytest.raises(PropertiesError, match="not the description"):
        dataset.add_layer_for_existing_files("em", "segmentation")


def test_links_are_removed_and_what_they_lead_to_stays(dataset: Dataset, tmp_path: Path) -> None:
    other = Dataset(tmp_path / "other", voxel_size=(1, 1, 1))
    source = other.add_layer("em", "color", bounding_box=BOX)
    source.add_mag(1).write(VOXELS)
    linked = dataset.add_layer("linked", "color", bounding_box=BOX)
    linked.add_mag(1)
    shutil.rmtree(linked.path / "1")
    (linked.path / "1").symlink_to(source.get_mag(1).path)
    dataset.add_layer("whole", "color", bounding_box=BOX).add_mag(1)
    shutil.rmtree(dataset.path / "whole")
    (dataset.path / "whole").symlink_to(source.path)
    whole = dataset.get_layer("whole")

    assert linked.get_mag(1).is_foreign
    assert linked.get_mag(1).read_only
    assert whole.is_foreign
    assert (linked.get_mag(1).read()[0] == VOXELS).all()
    linked.delete_mag(1)
    whole.delete_mag(1)
    dataset.delete_layer("whole")

    assert not (linked.path / "1").is_symlink()
    assert not (dataset.path / "whole").is_symlink()
    assert (source.get_mag(1).read()[0] == VOXELS).all()


def test_the_facts_of_existing_files_can_be_given(dataset: Dataset) -> None:
    tensorstore.open(
        {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{dataset.path}/em/2-2-1/"}},
        create=True,
        dtype="uint16",
        shape=[1, 20, 15, 20],
        dimension_units=[None] * 4,
        domain=tensorstore.IndexDomain(labels=["c", "x", "y", "z"], shape=[1, 20, 15, 20]),
    ).result()

    box = BoundingBox((2, 2, 0), (38, 28, 20))
    layer = dataset.add_layer_for_existing_files("em", "segmentation", bounding_box=box, largest_segment_id=9)

    assert layer.bounding_box == box
    assert layer.dtype == np.uint16
    assert list(layer.mags) == [Mag("2-2-1")]
    assert layer.as_segmentation_layer().largest_segment_id == 9
    layer.get_mag("2-2-1").write(np.ones((19, 14, 20), np.uint16), allow_unaligned=True)
    assert layer.get_mag("2-2-1").read().all()


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("order", ["cxyz", "zyx"])
def test_a_zarr_array_of_others_becomes_a_mag(dataset: Dataset, tmp_path: Path, order: str, move: bool) -> None:
    stored = VOXELS[None] if order == "cxyz" else VOXELS.transpose(2, 1, 0)
    foreign = tmp_path / "foreign"
    array = zarr.create_array(
        str(foreign), shape=stored.shape, dtype="uint8", chunks=(16,) * stored.ndim, dimension_names=tuple(order)
    )
    array[...] = stored
    layer = dataset.add_layer("em", "color")

    view = layer.add_mag_from_zarrarray(2, foreign, move=move)

    assert layer.bounding_box == BoundingBox((0, 0, 0), (80, 60, 40))
    assert (Dataset.open(dataset.path).get_layer("em").get_mag(2).read()[0] == VOXELS).all()
    assert view.path == layer.path / "2"
    assert foreign.exists() != move
    with pytest.raises(AlreadyThereError):
        layer.add_mag_from_zarrarray(2, view.path)
    with pytest.raises(PropertiesError, match="1 x uint8, layer 'wide' 1 x uint16"):
        dataset.add_layer("wide", "color", dtype="uint16").add_mag_from_zarrarray(2, view.path)
    with pytest.raises(PropertiesError, match="only Zarr arrays"):
        dataset.add_layer("cubes", "color", data_format="wkw").add_mag_from_zarrarray(2, view.path)


def test_layers_with_other_axes_have_no_common_box(dataset: Dataset) -> None:
    with pytest.raises(PropertiesError, match="no layers"):
        dataset.calculate_bounding_box()
    dataset.add_layer("a", "color", bounding_box=BOX)
    dataset.add_layer("b", "color", bounding_box=BoundingBox((30, 0, 0), (40, 5, 50)))
    assert dataset.calculate_bounding_box() == BoundingBox((0, 0, 0), (70, 30, 50))
    dataset.add_layer("c", "color", bounding_box=NDBoundingBox((0,) * 4, (2,) * 4, ("t", "x", "y", "z")))
    with pytest.raises(GeometryError, match="different axes"):
        dataset.calculate_bounding_box()
