"""Reading and writing through views: what was written is read again, in every format, at any place."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import GeometryError, PropertiesError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import VecInt
from wk_assets.properties.layer_properties import DataFormat

WRITABLE = [DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW]
COLOR = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"]
LABELS = ["uint8", "uint16", "uint32", "uint64", "int64"]
BOX = BoundingBox((5, 6, 7), (70, 40, 33))
RNG = np.random.default_rng(3)


def noise(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RNG.normal(0, 100, shape).astype(kind)
    limits = np.iinfo(kind)
    return RNG.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)


def add_layer(path: Path, data_format: DataFormat = DataFormat.Zarr3, dtype: str = "uint8", **settings: Any) -> Layer:
    category = settings.pop("category", "color")
    box = settings.pop("bounding_box", BOX)
    dataset = Dataset(path, voxel_size=(4, 4, 40))
    return dataset.add_layer("em", category, dtype=dtype, data_format=data_format, bounding_box=box, **settings)


def add_mag(layer: Layer, mag: str = "1", **settings: Any) -> MagView[Layer]:
    if layer.data_format is not DataFormat.Zarr:
        settings.setdefault("shard_shape", 64)
    return layer.add_mag(mag, chunk_shape=32, **settings)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    ("category", "dtype"), [*(("color", dtype) for dtype in COLOR), *(("segmentation", dtype) for dtype in LABELS)]
)
@pytest.mark.parametrize("data_format", WRITABLE)
def test_what_is_written_is_read_again_in_every_format_and_dtype(
    tmp_path: Path, data_format: DataFormat, category: str, dtype: str, compress: bool
) -> None:
    layer = add_layer(tmp_path / "ds", data_format, dtype, category=category)
    if data_format is DataFormat.WKW and np.dtype(dtype).kind == "i":
        with pytest.raises(PropertiesError, match=dtype):
            add_mag(layer, compress=compress)
        return
    voxels = noise(dtype, tuple(BOX.size))

    add_mag(layer, compress=compress).write(voxels)

    reopened = Dataset.open(tmp_path / "ds").get_layer("em").get_mag(1)
    made = reopened.read()
    assert made.dtype == np.dtype(dtype)
    assert made.shape == (1, *BOX.size)
    assert (made[0] == voxels).all()
    assert bool(reopened.info.compression_mode) == compress


@st.composite
def parts_of(draw: st.DrawFn, box: BoundingBox) -> BoundingBox:
    corner = [draw(st.integers(low, high - 1)) for low, high in zip(box.topleft, box.bottomright, strict=True)]
    size = [draw(st.integers(1, high - low)) for low, high in zip(corner, box.bottomright, strict=True)]
    return BoundingBox(corner, size)


@pytest.mark.parametrize("data_format", WRITABLE)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_sequence_of_unaligned_writes_is_what_numpy_would_have(
    data_format: DataFormat, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    channels = data.draw(st.sampled_from([1, 3]))
    layer = add_layer(tmp_path_factory.mktemp("any") / "ds", data_format, num_channels=channels)
    chunk = data.draw(st.sampled_from([32, 64]))
    per_shard: Any = 1 if data_format is DataFormat.Zarr else data.draw(st.sampled_from([1, 2, (1, 2, 4)]))
    if data_format is DataFormat.WKW and not isinstance(per_shard, int):
        per_shard = 4  # wkw files are cubes
    view = layer.add_mag(1, chunk_shape=chunk, chunks_per_shard=per_shard, compress=data.draw(st.booleans()))
    model = np.zeros((channels, *BOX.size), np.uint8)
    for value in range(1, data.draw(st.integers(1, 4)) + 1):
        part = data.draw(parts_of(BOX))
        voxels = np.full((channels, *part.size), value if data.draw(st.booleans()) else 0, np.uint8)
        model[(slice(None), *part.offset(BOX.topleft * -1).to_slices())] = voxels
        view.write(voxels, absolute_bounding_box=part, allow_unaligned=True)

    asked = data.draw(parts_of(BOX.padded_with_margins((5, 6, 7))))
    world = np.pad(model, ((0, 0), *((extra, extra) for extra in (5, 6, 7))))
    assert (view.read() == model).all()
    assert (view.read(absolute_bounding_box=asked) == world[(slice(None), *asked.to_slices())]).all()


def test_every_way_to_name_a_place_writes_to_that_place(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))
    voxels = noise("uint8", (8, 9, 10))
    part = view.get_view((8, 9, 10), relative_offset=(3, 2, 1))
    ways: list[Callable[[], None]] = [
        lambda: view.write(voxels, relative_offset=(3, 2, 1), allow_unaligned=True),
        lambda: view.write(voxels, absolute_offset=(8, 8, 8), allow_unaligned=True),
        lambda: view.write(voxels[None], absolute_offset=(8, 8, 8), allow_unaligned=True),
        lambda: view.write(voxels, relative_bounding_box=BoundingBox((3, 2, 1), (8, 9, 10)), allow_unaligned=True),
        lambda: view.write(voxels, absolute_bounding_box=BoundingBox((8, 8, 8), (8, 9, 10)), allow_unaligned=True),
        lambda: view.write_cxyz(voxels[None], absolute_offset=(8, 8, 8), allow_unaligned=True),
        lambda: part.write(voxels),
        lambda: part.write_cxyz(voxels[None]),
        lambda: part.write(voxels, absolute_offset=(8, 8, 8)),
    ]

    for write in ways:
        view.write(np.zeros(tuple(BOX.size), np.uint8))
        write()
        assert (view.read(absolute_offset=(8, 8, 8), size=(8, 9, 10))[0] == voxels).all()
        assert view.read().astype(int).sum() == voxels.astype(int).sum()


def test_a_write_must_cover_whole_shards_or_end_where_the_layer_or_the_view_does(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    with pytest.raises(GeometryError, match=r"x = 5\.\.10 .* cuts through shards of \(64, 64, 64\).*allow_unaligned"):
        view.write(np.ones((5, 40, 33), np.uint8))
    view.write(np.ones((59, 40, 33), np.uint8))
    view.write(np.ones((11, 40, 33), np.uint8), absolute_offset=(64, 6, 7))
    view.get_view((5, 5, 5)).write(np.ones((5, 5, 5), np.uint8))

    assert view.read().all()


def test_data_beyond_the_layer_is_refused_unless_the_layer_may_grow(tmp_path: Path) -> None:
    layer = add_layer(tmp_path / "ds")
    view, coarse = add_mag(layer), add_mag(layer, "2")
    voxels = noise("uint8", (100, 40, 33))

    with pytest.raises(GeometryError, match=r"x 5\.\.105.*leaves the layer's box x 5\.\.75.*allow_resize"):
        view.write(voxels)
    with pytest.raises(GeometryError, match="allow_unaligned"):
        view.write(voxels[:3], absolute_offset=(300, 6, 7), allow_resize=True)
    assert layer.bounding_box == BOX

    view.write(voxels, allow_resize=True)

    assert layer.bounding_box == BoundingBox((5, 6, 7), (100, 40, 33))
    assert coarse.bounding_box == BoundingBox((4, 6, 6), (102, 40, 34))
    assert coarse.info.box.bottomright.x >= 53
    again = Dataset.open(tmp_path / "ds").get_layer("em")
    assert again.bounding_box == layer.bounding_box
    assert (again.get_mag(1).read()[0] == voxels).all()


def test_an_empty_layer_grows_to_what_is_first_written(tmp_path: Path) -> None:
    for data_format in WRITABLE:
        dataset = Dataset(tmp_path / data_format.value, voxel_size=(1, 1, 1))
        layer = dataset.add_layer("em", "color", data_format=data_format)
        view = layer.add_mag("2-2-1")
        voxels = noise("uint8", (6, 7, 8))

        view.write(voxels, absolute_offset=(64, 0, 8), allow_resize=True)

        assert layer.bounding_box == BoundingBox((64, 0, 8), (12, 14, 8))
        assert (view.read()[0] == voxels).all()


@pytest.mark.parametrize("data_format", WRITABLE)
def test_the_box_of_a_layer_resizes_the_arrays_of_all_mags_and_keeps_their_voxels(
    tmp_path: Path, data_format: DataFormat
) -> None:
    layer = add_layer(tmp_path / "ds", data_format)
    views = [add_mag(layer, mag) for mag in ("1", "2-2-1")]
    for view in views:
        view.write(np.full(view.bounding_box.in_mag(view.mag).size, view.mag.x, np.uint8))

    layer.bounding_box = BoundingBox((0, 0, 0), (200, 100, 64))

    for view, size in zip(views, (BOX.size.prod(), 36 * 20 * 33), strict=True):
        assert view.read().shape[1:] == (200 // view.mag.x, 100 // view.mag.y, 64)
        assert view.read().sum() == view.mag.x * size
        view.write(np.ones((8, 8, 8), np.uint8), absolute_offset=(184, 80, 56), allow_unaligned=True)
        assert view.read().sum() == view.mag.x * size + 512
    layer.bounding_box = BOX
    assert all(view.read().all() for view in views)
    with pytest.raises(GeometryError, match="below the origin"):
        layer.bounding_box = BoundingBox((-1, 0, 0), (5, 5, 5))
    with pytest.raises(GeometryError, match="no axis 't'"):
        layer.bounding_box = NDBoundingBox((0, 0, 0, 0), (1, 5, 5, 5), ("t", "x", "y", "z"))


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.Zarr])
def test_time_series_have_an_axis_before_the_channels(tmp_path: Path, data_format: DataFormat) -> None:
    box = NDBoundingBox((2, 0, 0, 0), (3, 20, 10, 8), ("t", "x", "y", "z"))
    layer = add_layer(tmp_path / "ds", data_format, "uint16", bounding_box=box)
    view = add_mag(layer)
    voxels = noise("uint16", (3, 20, 10, 8))

    view.write(voxels, absolute_bounding_box=box)

    reopened = Dataset.open(tmp_path / "ds").get_layer("em")
    again = reopened.get_mag(1)
    assert reopened.bounding_box == box
    assert again.read().shape == (3, 1, 20, 10, 8)
    assert (again.read()[:, 0] == voxels).all()
    second = NDBoundingBox((3, 0, 0, 0), (1, 20, 10, 8), ("t", "x", "y", "z"))
    assert (again.read_cxyz(absolute_bounding_box=second)[0] == voxels[1]).all()
    assert (again.read_xyz(relative_bounding_box=second.offset(VecInt(t=-2)))[0] == voxels[1]).all()
    assert (again.read((4, 4, 4))[:, 0] == voxels[:, :4, :4, :4]).all()
    with pytest.raises(GeometryError, match="3 positions along t"):
        again.read_cxyz()
    again.write_cxyz(voxels[:1], absolute_bounding_box=second)
    assert (again.read()[1, 0] == voxels[0]).all()
    with pytest.raises(GeometryError, match=r"data of shape \(20, 10, 8\)"):
        again.write(voxels[0])
    properties = json.loads((tmp_path / "ds/datasource-properties.json").read_text())["dataLayers"][0]
    assert properties["additionalAxes"] == [{"name": "t", "bounds": [2, 5], "index": 0}]
    assert properties["mags"][0]["axisOrder"] == {"c": 1, "x": 2, "y": 3, "z": 4}


def test_data_in_the_order_of_the_box_that_is_given_is_put_in_ours(tmp_path: Path) -> None:
    box = NDBoundingBox((0, 0, 0, 0), (20, 10, 8, 3), ("x", "y", "z", "t"))
    view = add_mag(add_layer(tmp_path / "ds", bounding_box=box))
    voxels = noise("uint8", (20, 10, 8, 3))

    view.write(voxels, absolute_bounding_box=box)

    assert (view.read()[:, 0] == voxels.transpose(3, 0, 1, 2)).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((70, 40, 33), 300, np.uint16), "holds 300, which uint8 can not hold"),
        (np.full((70, 40, 33), -1, np.int8), "holds -1"),
        (np.full((70, 40, 33), 0.5), r"holds 0\.5"),
        (np.full((70, 40, 33), np.nan), "holds nan"),
        (np.ones((70, 40), np.uint8), r"data of shape \(70, 40\)"),
        (np.ones((2, 70, 40, 33), np.uint8), "2 positions along c, the view has 1"),
        (np.ones((1, 1, 70, 40, 33), np.uint8), "does not fit axes"),
    ],
)
def test_data_that_would_not_stay_what_it_is_is_refused(tmp_path: Path, data: NDArray[Any], words: str) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    with pytest.raises(GeometryError, match=words):
        view.write(data)
    assert not view.read().any()


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint32", "bool"])
def test_data_of_another_dtype_is_converted_where_no_value_changes(tmp_path: Path, dtype: str) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))

    view.write(np.ones(tuple(BOX.size), dtype))

    assert (view.read() == 1).all()


def test_ids_of_64_bits_are_not_taken_for_floats(tmp_path: Path) -> None:
    layer = add_layer(tmp_path / "ds", dtype="uint64", category="segmentation").as_segmentation_layer()
    view = add_mag(layer)
    ids = np.full(tuple(BOX.size), 2**64 - 1, np.uint64)

    view.write(ids)
    layer.refresh_largest_segment_id()

    assert layer.largest_segment_id == 2**64 - 1
    assert Dataset.open(tmp_path / "ds").get_segmentation_layer("em").largest_segment_id == 2**64 - 1
    with pytest.raises(GeometryError, match="holds -1"):
        view.write(np.full(tuple(BOX.size), -1, np.int64))


def test_views_are_only_as_wide_and_as_writable_as_what_they_are_views_of(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))
    part = view.get_view((20, 20, 20), relative_offset=(1, 2, 3))

    assert part.bounding_box == BoundingBox((6, 8, 10), (20, 20, 20))
    wide = part.get_view((99, 99, 99), read_only=True)
    assert wide.read().shape == (1, 99, 99, 99)
    with pytest.raises(GeometryError, match="read_only=True"):
        part.get_view((99, 99, 99))
    with pytest.raises(ReadOnlyError):
        wide.write(np.ones((99, 99, 99), np.uint8))
    with pytest.raises(ReadOnlyError):
        wide.get_view((5, 5, 5), read_only=False)
    with pytest.raises(GeometryError, match="reaches beyond"):
        part.write(np.ones((20, 20, 20), np.uint8), relative_offset=(1, 0, 0), allow_unaligned=True)


def test_a_read_only_dataset_refuses_every_change(tmp_path: Path) -> None:
    add_mag(add_layer(tmp_path / "ds")).write(np.ones(tuple(BOX.size), np.uint8))
    dataset = Dataset.open(tmp_path / "ds", read_only=True)
    layer = dataset.get_layer("em")
    before = (tmp_path / "ds/datasource-properties.json").read_bytes()
    changes: list[Callable[[], object]] = [
        lambda: dataset.add_layer("other", "color"),
        lambda: dataset.delete_layer("em"),
        lambda: setattr(dataset, "name", "other"),
        dataset.compress,
        lambda: setattr(layer, "name", "other"),
        lambda: setattr(layer, "bounding_box", BoundingBox((0, 0, 0), (5, 5, 5))),
        lambda: layer.add_mag(2),
        lambda: layer.delete_mag(1),
        lambda: layer.get_mag(1).write(np.zeros(tuple(BOX.size), np.uint8)),
        lambda: layer.get_mag(1).rechunk(chunk_shape=64),
        lambda: layer.get_mag(1).get_buffered_slice_writer(),
    ]

    for change in changes:
        with pytest.raises(ReadOnlyError):
            change()
    assert (tmp_path / "ds/datasource-properties.json").read_bytes() == before
    assert layer.get_mag(1).read().all()


def test_views_and_layers_travel_to_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layer = add_layer(Path("ds"))
    view = add_mag(layer)
    view.write(np.ones(tuple(BOX.size), np.uint8))
    parts = pickle.dumps((view.get_view((4, 4, 4)), view, layer, layer.dataset))
    monkeypatch.chdir("/")

    part, mag, same_layer, dataset = pickle.loads(parts)  # noqa: S301 - our own bytes

    assert part.read().all()
    assert mag.mag == Mag(1)
    assert mag.read().all()
    assert same_layer.bounding_box == BOX
    assert dataset.get_layer("em").bounding_box == BOX


def test_boxes_on_disk_are_those_of_the_stored_shards(tmp_path: Path) -> None:
    layer = add_layer(tmp_path / "ds", bounding_box=BoundingBox((0, 0, 0), (200, 100, 40)))
    view = add_mag(layer, "2")
    view.write(np.ones((30, 20, 10), np.uint8), absolute_offset=(128, 0, 0), allow_unaligned=True)

    assert list(view.get_bounding_boxes_on_disk()) == [BoundingBox((128, 0, 0), (128, 128, 128))]
    (part,) = view.get_views_on_disk()
    assert part.bounding_box == BoundingBox((128, 0, 0), (72, 100, 40))
    assert part.read().sum() == 30 * 20 * 10


def test_the_array_is_given_as_tensorstore_gives_it(tmp_path: Path) -> None:
    view = add_mag(add_layer(tmp_path / "ds"))
    view.write(noise("uint8", tuple(BOX.size)))

    store = view.get_zarr_array()

    assert (store[0, 5:75, 6:46, 7:40].read().result() == view.read()[0]).all()
    assert not store.writable
    with pytest.raises(ValueError, match="not a Zarr array"):
        add_mag(add_layer(tmp_path / "wkw", DataFormat.WKW)).get_zarr_array()
