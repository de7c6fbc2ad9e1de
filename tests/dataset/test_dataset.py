import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.operations.layer_on_disk import Voxels, pyramid, store_layer
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import SegmentationLayer
from wk_assets.errors import (
    GeometryError,
    InputError,
    NotADatasetError,
    NotInDatasetError,
    PropertiesError,
    ShardMissingError,
)
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.inspect_dataset import inspect_dataset
from wk_assets.storage.array_layout import Layout

RNG = np.random.default_rng(11)
TOPLEFT = (6, 4, 3)
MAGS = ("1", "2-2-1", "4-4-2")


def write_properties(path: Path, layers: list[dict[str, Any]], scale: object = None) -> None:
    document = {
        "id": {"name": "worm", "team": ""},
        "scale": scale or {"factor": [0.26, 0.26, 0.29], "unit": "micrometer"},
        "dataLayers": layers,
        "version": 1,
    }
    (path / "datasource-properties.json").write_text(json.dumps(document))


def layer_json(name: str, voxels: Voxels, mags: list[dict[str, Any]], **extra: object) -> dict[str, Any]:
    x, y, z = voxels.shape[1:]
    return {
        "name": name,
        "category": "color",
        "boundingBox": {"topLeft": list(TOPLEFT), "width": x, "height": y, "depth": z},
        "dataFormat": "zarr3",
        "mags": mags,
        "numChannels": voxels.shape[0],
        "elementClass": voxels.dtype.name,
        **extra,
    }


def mag_json(layer: str, mag: str, order: str = "czyx") -> dict[str, Any]:
    return {
        "mag": list(Mag(mag).to_tuple()),
        "path": f"./{layer}/{mag}",
        "axisOrder": {axis: order.index(axis) for axis in "cxyz"},
    }


@pytest.fixture
def voxels() -> dict[str, Voxels]:
    image = RNG.integers(1, 60000, (1, 37, 30, 13)).astype(np.uint16)
    return pyramid(image, MAGS, DownsamplingMode.MEDIAN, TOPLEFT)


@pytest.fixture(params=list(Layout))
def ours(request: pytest.FixtureRequest, tmp_path: Path, voxels: dict[str, Voxels]) -> Path:
    """A dataset of ours: an image whose box starts inside of the world, and labels."""
    layout: Layout = request.param
    store_layer(tmp_path, voxels, layer_name="nuclei", topleft=TOPLEFT, layout=layout)
    labels = np.full((1, 37, 30, 13), 2**60 + 1, np.uint64)
    store_layer(tmp_path, {"1": labels}, layer_name="cells", topleft=TOPLEFT, layout=layout, category="segmentation")
    order = "czyx" if layout is Layout.OME else "cxyz"
    write_properties(
        tmp_path,
        [
            layer_json("nuclei", voxels["1"], [mag_json("nuclei", mag, order) for mag in reversed(MAGS)]),
            layer_json(
                "cells",
                labels,
                [mag_json("cells", "1", order)],
                category="segmentation",
                largestSegmentId={"customJsonEncoding": "bigint", "value": str(2**60 + 1)},
            ),
        ],
    )
    return tmp_path


def test_a_dataset_says_what_its_file_says(ours: Path) -> None:
    dataset = Dataset.open(str(ours))

    assert dataset.name == "worm"
    assert dataset.path == ours
    assert dataset.voxel_size == pytest.approx((260, 260, 290))
    assert dataset.voxel_size_with_unit.factor == (0.26, 0.26, 0.29)
    assert list(dataset.layers) == ["nuclei", "cells"]
    assert dataset.calculate_bounding_box() == BoundingBox(TOPLEFT, (37, 30, 13))
    assert not dataset.read_only
    assert Dataset.open(ours, read_only=True).read_only


def test_a_layer_says_what_its_file_says(ours: Path) -> None:
    dataset = Dataset.open(ours)
    layer = dataset.get_layer("nuclei")

    assert (layer.name, layer.category, layer.num_channels) == ("nuclei", "color", 1)
    assert layer.dtype == np.uint16
    assert layer.bounding_box == BoundingBox(TOPLEFT, (37, 30, 13))
    assert layer.normalized_bounding_box.size.c == 1
    assert list(layer.mags) == [Mag("1"), Mag("2-2-1"), Mag("4-4-2")]
    assert layer.voxel_size == dataset.voxel_size_with_unit
    assert layer.dataset is dataset
    assert layer.get_finest_mag().layer is layer
    assert dataset.get_color_layers() == [layer]


def test_a_segmentation_knows_its_largest_id_exactly(ours: Path) -> None:
    dataset = Dataset.open(ours)

    cells = dataset.get_segmentation_layer("cells")

    assert isinstance(cells, SegmentationLayer)
    assert cells.largest_segment_id == 2**60 + 1
    assert dataset.get_segmentation_layers() == [cells]
    assert cells.get_finest_mag().read().max() == 2**60 + 1
    with pytest.raises(PropertiesError, match="'nuclei' is a color layer"):
        dataset.get_layer("nuclei").as_segmentation_layer()


@pytest.mark.parametrize("mag", MAGS)
def test_a_mag_is_read_voxel_by_voxel(ours: Path, voxels: dict[str, Voxels], mag: str) -> None:
    view = Dataset.open(ours).get_layer("nuclei").get_mag(mag)
    aligned = BoundingBox(TOPLEFT, (37, 30, 13)).align_with_mag(Mag(mag), ceil=True)

    assert view.bounding_box == aligned
    assert view.get_dtype() == np.uint16
    assert view.num_channels == 1
    for made in (view.read(), view.read_cxyz(), view.read_xyz(), view.read(absolute_bounding_box=aligned)):
        assert made.shape == (1, *aligned.in_mag(Mag(mag)).size)
        assert (made == voxels[mag]).all()


def test_regions_are_given_in_mag_1_voxels_in_every_way(ours: Path, voxels: dict[str, Voxels]) -> None:
    view = Dataset.open(ours).get_layer("nuclei").get_mag("2-2-1")
    expected = voxels["2-2-1"][:, 1:5, 2:4, 3:8]

    ways = [
        view.read((8, 4, 5), relative_offset=(2, 4, 3)),
        view.read(Vec3Int(8, 4, 5), absolute_offset=(8, 8, 6)),
        view.read(relative_bounding_box=BoundingBox((2, 4, 3), (8, 4, 5))),
        view.read(absolute_bounding_box=BoundingBox((8, 8, 6), (8, 4, 5))),
        view.get_view((8, 4, 5), relative_offset=(2, 4, 3)).read(),
        view.get_view((8, 8, 8), relative_offset=(2, 4, 3)).read((8, 4, 5)),
    ]

    for made in ways:
        assert (made == expected).all()


def test_what_the_array_does_not_have_reads_as_zeros(ours: Path, voxels: dict[str, Voxels]) -> None:
    view = Dataset.open(ours).get_layer("nuclei").get_mag("1")

    made = view.read((12, 10, 9), absolute_offset=(38, 30, 10))
    assert (made[:, :5, :4, :6] == voxels["1"][:, 32:, 26:, 7:]).all()
    assert made.sum() == made[:, :5, :4, :6].sum()

    assert not view.read((5, 5, 5), absolute_offset=(500, 500, 500)).any()
    assert not view.read(absolute_bounding_box=BoundingBox((-4, -4, -4), (5, 5, 5))).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"relative_offset": (0, 0, 0)}, "without size"),
        ({"size": (2, 2, 2), "relative_offset": (0, 0, 0), "absolute_offset": (0, 0, 0)}, "given in one way"),
        ({"size": (2, 2, 2), "absolute_bounding_box": BoundingBox((0, 0, 0), (2, 2, 2))}, "has a size already"),
        ({"size": (0, 2, 2)}, "holds no voxel"),
        ({"size": (3, 2, 2)}, "not a multiple of mag 2-2-1"),
    ],
)
def test_a_region_that_contradicts_itself_is_refused(ours: Path, arguments: dict[str, Any], words: str) -> None:
    view = Dataset.open(ours).get_layer("nuclei").get_mag("2-2-1")

    for ask in (view.read, view.get_view):
        with pytest.raises(GeometryError, match=words):
            ask(**arguments)


def test_what_is_not_there_is_answered_with_what_is(ours: Path) -> None:
    dataset = Dataset.open(ours)

    with pytest.raises(NotInDatasetError, match="no layer 'em'; it has nuclei, cells"):
        dataset.get_layer("em")
    with pytest.raises(NotInDatasetError, match="no mag 8; it has 1, 2-2-1, 4-4-2"):
        dataset.get_layer("nuclei").get_mag(8)
    with pytest.raises(IndexError):
        dataset.get_layer("nuclei").get_mag("16-16-1")


def test_a_directory_without_metadata_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"has no datasource-properties\.json"):
        Dataset.open(tmp_path)
    with pytest.raises(NotADatasetError, match="there is no such directory"):
        Dataset.open(tmp_path / "nowhere")
    (tmp_path / "datasource-properties.json").write_bytes(b"\xff\xfe")
    with pytest.raises(PropertiesError, match="not UTF-8"):
        Dataset.open(tmp_path)


def test_a_lost_shard_of_ours_raises_and_never_reads_as_zeros(ours: Path) -> None:
    shard = next(path for path in (ours / "nuclei/1/c").rglob("*") if path.is_file())
    shard.unlink()

    with pytest.raises(ShardMissingError):
        Dataset.open(ours).get_layer("nuclei").get_finest_mag().read()
    report = inspect_dataset(ours)
    assert report.layers[0].mags[0].problem is not None
    assert "is missing" in report.layers[0].mags[0].problem


def test_a_report_of_ours_counts_what_is_stored(ours: Path, voxels: dict[str, Voxels]) -> None:
    report = inspect_dataset(ours)

    assert (report.name, report.unit, report.made_by_us) == ("worm", "micrometer", True)
    assert report.voxel_size_source == "a test"
    nuclei, cells = report.layers
    assert [mag.mag for mag in nuclei.mags] == list(MAGS)
    for mag in nuclei.mags:
        files = [path for path in (ours / "nuclei" / mag.mag / "c").rglob("*") if path.is_file()]
        assert mag.shape == voxels[mag.mag].shape[1:]
        assert mag.shards == len(files)
        assert mag.stored_bytes == sum(path.stat().st_size for path in files)
        assert mag.raw_bytes == voxels[mag.mag].nbytes
        assert mag.ratio == pytest.approx(mag.raw_bytes / mag.stored_bytes)
        assert mag.problem is None
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["layers"][1]["largest_segment_id"] == str(2**60 + 1)
    assert cells.largest_segment_id == 2**60 + 1
    assert document["layers"][0]["mags"][0]["shape"] == list(voxels["1"].shape[1:])


@pytest.mark.parametrize("order", ["cxyz", "czyx", "zyx", "xyzc"])
@pytest.mark.parametrize("shards", [None, 16])
def test_arrays_of_others_are_read_whatever_the_order_of_their_axes(
    tmp_path: Path, voxels: dict[str, Voxels], order: str, shards: int | None
) -> None:
    image = voxels["1"]
    world = np.pad(image, ((0, 0), *((low, 0) for low in TOPLEFT)))
    stored = world.transpose(["cxyz".index(axis) for axis in ("c" + order.replace("c", ""))])
    stored = np.moveaxis(stored, 0, order.index("c")) if "c" in order else stored[0]
    chunks = tuple(1 if axis == "c" else 8 for axis in order)
    (tmp_path / "em").mkdir()
    array = zarr.create_array(
        str(tmp_path / "em" / "1"),
        shape=stored.shape,
        dtype=stored.dtype,
        chunks=chunks,
        shards=tuple(1 if axis == "c" else shards for axis in order) if shards else None,
    )
    array[...] = stored
    axis_order = {axis: place for place, axis in enumerate(order)}
    write_properties(
        tmp_path,
        [layer_json("em", image, [{"mag": [1, 1, 1], "path": "./em/1", "axisOrder": axis_order}])],
        [11.24, 11.24, 25],
    )

    dataset = Dataset.open(tmp_path)
    view = dataset.get_layer("em").get_finest_mag()

    assert dataset.voxel_size == (11.24, 11.24, 25.0)
    assert (view.read() == image).all()
    assert (view.read((5, 6, 7), relative_offset=(1, 2, 3)) == image[:, 1:6, 2:8, 3:10]).all()
    assert view.info.chunk_shape == Vec3Int(8, 8, 8)
    assert view.info.shard_shape == Vec3Int.full(shards or 8)
    report = inspect_dataset(tmp_path)
    assert (report.made_by_us, report.voxel_size_source) == (False, None)
    assert report.layers[0].filled_slices is None
    assert report.layers[0].mags[0].problem is None
    assert report.layers[0].mags[0].shards == sum(1 for path in (tmp_path / "em/1/c").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("axis_order", "words"),
    [
        ({"c": 0, "x": 1, "y": 2, "z": 4}, "say which dimension is which axis"),
        ({"t": 0, "x": 1, "y": 2, "z": 3}, "only c, x, y, z can be read here"),
        (None, "give axisOrder"),
    ],
)
def test_axes_that_nobody_names_are_refused_and_reported(
    tmp_path: Path, axis_order: dict[str, int] | None, words: str
) -> None:
    zarr.create_array(str(tmp_path / "em" / "1"), shape=(1, 8, 8, 8), dtype="uint8", chunks=(1, 8, 8, 8))
    entry: dict[str, Any] = {"mag": [1, 1, 1], "path": "./em/1"}
    entry |= {"axisOrder": axis_order} if axis_order else {}
    write_properties(tmp_path, [layer_json("em", np.zeros((1, 8, 8, 8), np.uint8), [entry])])

    with pytest.raises(InputError, match=r"axes|axisOrder"):
        Dataset.open(tmp_path).get_layer("em").get_finest_mag().read()
    assert words in str(inspect_dataset(tmp_path).layers[0].mags[0].problem)


def test_what_contradicts_the_promise_is_a_problem_of_its_mag(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "em" / "1"), shape=(1, 8, 8, 8), dtype="uint8", chunks=(1, 8, 8, 8))
    zarr.create_array(str(tmp_path / "em" / "2"), shape=(1, 99, 99, 99), dtype="uint16", chunks=(1, 8, 8, 8))
    mags = [mag_json("em", mag) for mag in ("1", "2", "4")]
    mags.append({"mag": [8, 8, 8], "path": "https://example.org/em/8"})
    write_properties(tmp_path, [layer_json("em", np.zeros((1, 20, 20, 20), np.uint8), mags)])

    problems = [mag.problem or "" for mag in inspect_dataset(tmp_path).layers[0].mags]

    assert "the array ends at (8, 8, 8), the layer's box at (26, 24, 23)" in problems[0]
    assert "holds 1 x uint16, the layer promises 1 x uint8" in problems[1]
    assert "there is no zarr.json" in problems[2]
    assert "elsewhere" in problems[3]
    with pytest.raises(NotADatasetError, match=r"https://example\.org/em/8"):
        Dataset.open(tmp_path).get_layer("em").get_mag(8).read()


@pytest.mark.parametrize(
    "name", ["simple_zarr3_dataset", "simple_wkw_dataset", "simple_zarr_dataset", "simple_n5_dataset"]
)
def test_datasets_of_others_are_described(shared_data: Path, name: str) -> None:
    report = inspect_dataset(shared_data / "webknossos-datasets" / name)

    layer = report.layers[0]
    assert not report.made_by_us
    assert layer.size == (24, 24, 24)
    assert layer.mags[0].stored_bytes
    assert layer.mags[0].problem is None


def test_the_zarr3_dataset_of_webknossos_is_read(shared_data: Path) -> None:
    layer = Dataset.open(shared_data / "webknossos-datasets/simple_zarr3_dataset").get_layer("color")

    made = layer.get_finest_mag().read()

    assert made.shape == (layer.num_channels, 24, 24, 24)
    assert made.any()
