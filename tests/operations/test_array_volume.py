"""Arrays of every format as sources: found, named, cut out, turned as a whole; the engine's blocks are the array's voxels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import AxesError, NotADatasetError, PropertiesError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.arrays import array_volume
from wk_assets.operations.arrays.array_volume import ArraySource
from wk_assets.operations.arrays.found_array import find_array
from wk_assets.operations.compute import Compute
from wk_assets.operations.imports.import_images import import_layer
from wk_assets.operations.imports.import_request import ImportRequest
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.readers.arranged import Arrangement

SHAPE = (37, 29, 21)  # x, y, z


def voxels() -> NDArray[Any]:
    return np.random.default_rng(4).integers(1, 60000, SHAPE, np.uint16)


def write(folder: Path, axes: str, **more: Any) -> Path:
    path = folder / "array"
    array: Any = zarr.create_array(
        str(path), data=voxels().transpose(["xyz".index(axis) for axis in axes]), chunks=(16,) * 3, **more
    )
    assert array.ndim == 3
    return path


def imported(source: ArraySource, folder: Path, **more: Any) -> NDArray[Any]:
    dataset = Dataset(folder / "ds", (1, 1, 1), exist_ok=True)
    import_layer(
        ImportRequest(dataset_path=folder / "ds", layer_name="em", category="color", source=source, **more),
        Compute(threads=2),
    )
    dataset.reload()
    read: NDArray[Any] = dataset.get_layer("em").get_mag(1).read()
    return read


@given(
    axes=st.permutations("xyz").map("".join),
    flip=st.sets(st.sampled_from("xyz")).map("".join),
    swap_xy=st.booleans(),
    block_bytes=st.sampled_from([1, 5000, 1 << 24]),
)
@settings(max_examples=15, deadline=None)
def test_the_whole_array_is_turned_not_each_shard(
    tmp_path_factory: pytest.TempPathFactory, axes: str, flip: str, swap_xy: bool, block_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    path = write(folder, axes, dimension_names=list(axes))
    source = ArraySource(path=path, arrangement=Arrangement(flip=flip, swap_xy=swap_xy))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(array_volume, "_BLOCK_BYTES", block_bytes)
        read = imported(source, folder)[0]

    expected = voxels().swapaxes(0, 1) if swap_xy else voxels()
    np.testing.assert_array_equal(read, np.flip(expected, tuple("xyz".index(axis) for axis in flip)))


@pytest.mark.parametrize("data_format", [DataFormat.WKW, DataFormat.Zarr])
def test_an_array_is_imported_into_any_format(tmp_path: Path, data_format: DataFormat) -> None:
    path = write(tmp_path, "zyx", dimension_names=["z", "y", "x"])

    read = imported(ArraySource(path=path), tmp_path, data_format=data_format)

    np.testing.assert_array_equal(read[0], voxels())


def test_what_the_import_saw_of_each_slice_is_right_though_it_saw_parts(tmp_path: Path) -> None:
    from wk_assets.operations.records.layer_record import read_layer_record

    imported(ArraySource(path=write(tmp_path, "zyx", dimension_names=["z", "y", "x"])), tmp_path)

    record = read_layer_record(tmp_path / "ds", "em")
    assert record is not None
    assert record.statistics is not None
    facts = [(fact.z, fact.minimum, fact.maximum, fact.total, fact.count) for fact in record.statistics.slices]
    slices = voxels().transpose(2, 0, 1)
    assert facts == [(z, s.min(), s.max(), s.sum(), s.size) for z, s in enumerate(slices)]


def test_axes_that_nobody_names_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "zyx")

    with pytest.raises(
        AxesError, match=r"nobody names its 3 axes; say what they are, slowest first, like `--axes zyx`"
    ):
        find_array(path)
    assert find_array(path, "zyx").axes == ("z", "y", "x")
    with pytest.raises(AxesError, match=r"names 4 axes, the array has 3"):
        find_array(path, "czyx")
    with pytest.raises(AxesError, match=r"x, y and z must be among them"):
        find_array(path, "tyx")


def test_a_zarr_v2_array_is_named_by_its_attributes(tmp_path: Path) -> None:
    path = write(tmp_path, "yzx", zarr_format=2)
    (path / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["Y", "Z", "X"]}))

    np.testing.assert_array_equal(imported(ArraySource(path=path), tmp_path)[0], voxels())


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_an_image_is_named_and_measured_by_its_group(tmp_path: Path, version: str) -> None:
    group = tmp_path / "image"
    group.mkdir()
    zarr.create_array(
        str(group / "s0"), data=voxels().transpose(2, 1, 0), chunks=(16,) * 3, zarr_format=3 if version == "0.5" else 2
    )
    image = {
        "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"],
        "datasets": [
            {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [0.3, 0.2, 0.1]}]},
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [2.0, 2.0, 2.0]}],
    }
    if version == "0.5":
        attributes = {"ome": {"version": version, "multiscales": [image]}}
        (group / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}))
    else:
        (group / ".zgroup").write_text('{"zarr_format": 2}')
        (group / ".zattrs").write_text(json.dumps({"multiscales": [image]}))

    for path in (group, group / "s0"):
        found = find_array(path)
        assert found.path == group / "s0"
        assert found.axes == ("z", "y", "x")
        assert found.voxel_size is not None
        assert found.voxel_size.voxel_size.to_nanometer() == pytest.approx((200, 400, 600))


def test_a_precomputed_volume_begins_where_it_says(tmp_path: Path) -> None:
    import tensorstore

    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(tmp_path / "precomputed")},
        "multiscale_metadata": {"type": "image", "data_type": "uint16", "num_channels": 1},
        "scale_metadata": {
            "key": "8_8_40",
            "size": list(SHAPE),
            "voxel_offset": [100, 64, 5],
            "resolution": [8, 8, 40],
            "encoding": "raw",
            "chunk_size": [16, 16, 16],
        },
    }
    store = tensorstore.open(spec, create=True).result()
    store[..., 0].write(voxels()).result()

    for path in (tmp_path / "precomputed", tmp_path / "precomputed" / "8_8_40"):
        with ArraySource(path=path).open() as volume:
            assert volume.origin == Vec3Int(100, 64, 5)
            assert tuple(volume.description.size) == SHAPE
            measured = volume.description.voxel_size
            assert measured is not None
            assert measured.voxel_size.factor == (8.0, 8.0, 40.0)
            block = volume.read_block((), (0, 21), (0, 29), (0, 37))
        np.testing.assert_array_equal(block[0].T, voxels())


def test_channels_must_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "array"
    data = np.random.default_rng(1).integers(0, 9, (2, 5, 6, 7), np.uint16)
    zarr.create_array(str(path), data=data, dimension_names=["c", "z", "y", "x"])

    with pytest.raises(AxesError, match=r"has 2 channels of uint16; .* say which with --channel"):
        ArraySource(path=path).open()
    with pytest.raises(AxesError, match=r"channel 2 is asked for, but there are 2"):
        ArraySource(path=path, channel=2).open()
    np.testing.assert_array_equal(imported(ArraySource(path=path, channel=1), tmp_path)[0], data[1].T)


def test_an_array_that_changed_is_imported_anew(tmp_path: Path) -> None:
    path = write(tmp_path, "xyz", dimension_names=["x", "y", "z"])
    imported(ArraySource(path=path), tmp_path)
    array: Any = zarr.open_array(str(path), mode="r+")
    array[3, 4, 5] = 9

    assert imported(ArraySource(path=path), tmp_path)[0, 3, 4, 5] == 9


@pytest.mark.parametrize(
    ("files", "error", "sentence"),
    [
        ({}, NotADatasetError, "no array is here"),
        ({"zarr.json": "{"}, PropertiesError, "not JSON"),
        (
            {"zarr.json": '{"node_type": "group", "attributes": {}}'},
            NotADatasetError,
            "a Zarr group that is no OME-Zarr",
        ),
        ({"attributes.json": "{}"}, NotADatasetError, "an N5 group, no array"),
        ({"info": '{"scales": []}'}, NotADatasetError, "names no scale"),
    ],
)
def test_what_is_no_array_is_refused(
    tmp_path: Path, files: dict[str, str], error: type[Exception], sentence: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(error, match=sentence):
        find_array(tmp_path)


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        ("simple_zarr3_dataset/color/1", None),
        ("simple_zarr_dataset/color/1-1-1", "cxyz"),
        ("simple_ng_dataset/color", None),
    ],
)
def test_real_arrays_hold_what_the_reference_reads(
    shared_data: Path, tmp_path: Path, array: str, axes: str | None
) -> None:
    source = ArraySource(path=shared_data / "webknossos-datasets" / array, axes=axes, channel=0)

    read = imported(source, tmp_path)

    assert read.shape == (1, 24, 24, 24)
    assert int(read.sum(dtype=np.int64)) == 1_762_560
