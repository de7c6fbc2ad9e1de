"""N5 and neuroglancer precomputed: arrays that tensorstore wrote are read as they are; nothing is written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.storage.mag_array_suite import boxes_inside, expected_voxels, values
from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError, ReadOnlyError, ShardCorruptError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.tensorstore_array import TensorstoreArray

CXYZ = ("c", "x", "y", "z")
N5_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
IDENTITY_SHARDS = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 3,
    "hash": "identity",
    "minishard_bits": 0,
    "shard_bits": 3,
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}


def write_n5(path: Path, voxels: NDArray[Any], block: Sequence[int], compression: str = "gzip") -> None:
    """Write voxels with their own axes, first one fastest."""
    spec = {
        "driver": "n5",
        "kvstore": f"file://{path}/",
        "metadata": {
            "dimensions": voxels.shape,
            "blockSize": block,
            "dataType": voxels.dtype.name,
            "compression": {"type": compression},
        },
    }
    tensorstore.open(spec, create=True).result().write(voxels).result()


def write_precomputed(
    volume: Path,
    key: str,
    voxels: NDArray[Any],
    *,
    offset: Sequence[int] = (0, 0, 0),
    encoding: str = "raw",
    sharding: dict[str, Any] | None = None,
    chunk: int = 8,
) -> None:
    """Write voxels (x, y, z, c) as one scale."""
    scale: dict[str, Any] = {
        "key": key,
        "size": voxels.shape[:3],
        "encoding": encoding,
        "chunk_size": [chunk] * 3,
        "resolution": [float(len(key))] * 3,
        "voxel_offset": list(offset),
        **({"compressed_segmentation_block_size": [4, 4, 4]} if encoding == "compressed_segmentation" else {}),
        **({"sharding": sharding} if sharding else {}),
    }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": f"file://{volume}/",
        "multiscale_metadata": {"data_type": voxels.dtype.name, "num_channels": voxels.shape[3], "type": "image"},
        "scale_metadata": scale,
    }
    tensorstore.open(spec, create=True).result().write(voxels).result()


def open_n5(path: Path, **more: Any) -> TensorstoreArray:
    return TensorstoreArray.open(path, data_format=DataFormat.N5, **more)


def open_precomputed(path: Path, **more: Any) -> TensorstoreArray:
    return TensorstoreArray.open(path, data_format=DataFormat.NeuroglancerPrecomputed, **more)


@pytest.mark.parametrize("dtype", N5_DTYPES)
def test_every_type_in_n5_is_read_as_written(tmp_path: Path, dtype: str) -> None:
    voxels = values(dtype, (2, 9, 7, 5), 1)
    write_n5(tmp_path, voxels, (1, 4, 4, 4))
    array = open_n5(tmp_path)
    found = array.read_box(array.info.box)
    assert found.dtype == voxels.dtype
    np.testing.assert_array_equal(found, voxels)
    assert array.info.chunk_shape == (4, 4, 4)
    assert array.info.compression_mode is True


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[TensorstoreArray, NDArray[Any]]]:
    """Make arrays of both formats, each with what it should read as, its axes in the order of boxes."""
    folder = tmp_path_factory.mktemp("volumes")
    made = []

    voxels = values("uint16", (11, 9, 10, 2), 1)
    write_n5(folder / "xyzc", voxels, (4, 4, 4, 2))
    made.append((open_n5(folder / "xyzc", axis_order={"x": 0, "y": 1, "z": 2, "c": 3}), voxels.transpose(3, 0, 1, 2)))

    write_n5(folder / "zyx", voxels[..., 0], (4, 5, 3))
    made.append(
        (open_n5(folder / "zyx", axis_order={"z": 0, "y": 1, "x": 2}), voxels[None, ..., 0].transpose(0, 3, 2, 1))
    )

    series = values("uint8", (11, 9, 10, 3), 2)
    write_n5(folder / "xyzt", series, (4, 4, 4, 1))
    time = AdditionalAxisProperties(name="t", bounds=(0, 3), index=3)
    made.append((open_n5(folder / "xyzt", additional_axes=[time]), series.transpose(3, 0, 1, 2)[:, None]))

    for encoding, sharding in (("raw", None), ("compressed_segmentation", None), ("raw", IDENTITY_SHARDS)):
        labels = values("uint32", (11, 9, 10, 1), 3) % 5
        volume = folder / f"{encoding}-{bool(sharding)}"
        write_precomputed(volume, "1_1_1", labels, offset=(5, 0, 7), encoding=encoding, sharding=sharding)
        placed = np.zeros((1, 16, 9, 17), labels.dtype)
        placed[:, 5:, :, 7:] = labels.transpose(3, 0, 1, 2)
        made.append((open_precomputed(volume / "1_1_1"), placed))
    return made


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_box_of_any_array_is_read_in_our_order_of_axes(
    volumes: list[tuple[TensorstoreArray, NDArray[Any]]], data: st.DataObject
) -> None:
    array, voxels = data.draw(st.sampled_from(volumes))
    assert array.info.shape == voxels.shape
    box = data.draw(boxes_inside(array.info.box, margin=5))
    np.testing.assert_array_equal(array.read_box(box), expected_voxels(voxels, box))


def test_each_stored_voxel_lies_in_one_stored_box(volumes: list[tuple[TensorstoreArray, NDArray[Any]]]) -> None:
    for array, voxels in volumes:
        covered = np.zeros(voxels.shape, np.int64)
        for box in array.stored_boxes():
            covered[box.to_slices()] += 1
        assert covered.max() == 1
        assert (covered[voxels != 0] == 1).all()


def test_chunks_that_are_not_stored_are_zeros_and_in_no_stored_box(tmp_path: Path) -> None:
    write_n5(tmp_path / "n5", values("uint16", (8, 8, 8), 1) | 1, (4, 4, 4))
    (tmp_path / "n5" / "1" / "0" / "1").unlink()
    write_precomputed(tmp_path / "volume", "1", values("uint16", (8, 8, 8, 1), 1) | 1, chunk=4)
    (tmp_path / "volume" / "1" / "4-8_0-4_4-8").unlink()

    lost = NormalizedBoundingBox((0, 4, 0, 4), (1, 4, 4, 4), CXYZ)
    for array in (open_n5(tmp_path / "n5"), open_precomputed(tmp_path / "volume" / "1")):
        voxels = array.read_box(array.info.box)
        assert not voxels[lost.to_slices()].any()
        assert np.count_nonzero(voxels) == 7 * 64
        assert len(list(array.stored_boxes())) == 7
        assert not any(box.topleft == lost.topleft for box in array.stored_boxes())


def test_a_chunk_that_can_not_be_decoded_is_named_and_never_zeros(tmp_path: Path) -> None:
    write_n5(tmp_path / "n5", values("uint16", (8, 8, 8), 1), (4, 4, 4))
    write_precomputed(tmp_path / "flat", "1", values("uint16", (8, 8, 8, 1), 1), chunk=4)
    write_precomputed(tmp_path / "sharded", "1", values("uint16", (8, 8, 8, 1), 1), chunk=4, sharding=IDENTITY_SHARDS)
    damaged = {
        open_n5(tmp_path / "n5"): tmp_path / "n5" / "1" / "0" / "1",
        open_precomputed(tmp_path / "flat" / "1"): tmp_path / "flat" / "1" / "4-8_0-4_4-8",
        open_precomputed(tmp_path / "sharded" / "1"): next((tmp_path / "sharded" / "1").glob("*.shard")),
    }
    for array, file in damaged.items():
        file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(ShardCorruptError, match=file.name) as caught:
            array.read_box(array.info.box)
        assert "tensorstore_spec" not in str(caught.value)
        assert len(str(caught.value)) < 600


def test_the_scale_of_a_volume_is_the_mag_of_its_folder(tmp_path: Path) -> None:
    fine, coarse = values("uint8", (8, 6, 4, 1), 1), values("uint8", (4, 3, 2, 1), 2)
    write_precomputed(tmp_path, "1", fine)
    write_precomputed(tmp_path, "mags/2-2-2", coarse)

    for path, voxels in ((tmp_path / "1", fine), (tmp_path / "mags/2-2-2", coarse)):
        array = open_precomputed(path)
        np.testing.assert_array_equal(array.read_box(array.info.box), voxels.transpose(3, 0, 1, 2))
        assert array.path == path
    with pytest.raises(NotADatasetError, match=r"no scale .*which has 1, mags/2-2-2"):
        open_precomputed(tmp_path / "4")
    with pytest.raises(NotADatasetError, match="no scale"):
        open_precomputed(tmp_path)


def test_a_link_to_a_scale_of_another_dataset_is_followed(tmp_path: Path) -> None:
    voxels = values("uint8", (8, 6, 4, 1), 1)
    write_precomputed(tmp_path / "theirs", "1", voxels)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "1").symlink_to(tmp_path / "theirs" / "1")
    array = open_precomputed(tmp_path / "ours" / "1")
    np.testing.assert_array_equal(array.read_box(array.info.box), voxels.transpose(3, 0, 1, 2))


def test_axes_that_the_attributes_name_need_no_properties(tmp_path: Path) -> None:
    voxels = values("uint8", (5, 4, 3, 2), 1)
    write_n5(tmp_path, voxels, (4, 4, 4, 2))
    attributes = json.loads((tmp_path / "attributes.json").read_bytes())
    (tmp_path / "attributes.json").write_text(
        json.dumps({**attributes, "axes": ["z", "y", "x", "c"]}), encoding="utf-8"
    )
    array = open_n5(tmp_path)
    assert array.info.axis_order == {"z": 0, "y": 1, "x": 2, "c": 3}
    np.testing.assert_array_equal(array.read_box(array.info.box), voxels.transpose(3, 2, 1, 0))


def test_nothing_is_written_and_the_error_says_where_one_can(tmp_path: Path) -> None:
    write_n5(tmp_path / "n5", values("uint8", (4, 4, 4), 1), (4, 4, 4))
    write_precomputed(tmp_path / "volume", "1", values("uint8", (4, 4, 4, 1), 1))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for array in (open_n5(tmp_path / "n5"), open_precomputed(tmp_path / "volume" / "1")):
        box = array.info.box
        with pytest.raises(ReadOnlyError, match="convert the layer to zarr3, zarr or wkw"):
            array.write_box(box, np.ones((1, 4, 4, 4), np.uint8))
        with pytest.raises(ReadOnlyError, match="convert"):
            array.resize(box)
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def test_what_is_no_array_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"no attributes\.json"):
        open_n5(tmp_path)
    with pytest.raises(NotADatasetError, match="no `info`"):
        open_precomputed(tmp_path / "color" / "1")
    for content, message in ((b"{", "not JSON"), (b"[]", "not a JSON object"), (b"{}", "dimensions")):
        (tmp_path / "attributes.json").write_bytes(content)
        with pytest.raises(PropertiesError, match=message):
            open_n5(tmp_path)
    (tmp_path / "info").write_bytes(b'{"scales": [{}]}')
    with pytest.raises(PropertiesError, match="lists no scales with keys"):
        open_precomputed(tmp_path / "1")
    (tmp_path / "info").write_bytes(b'{"scales": [{"key": "1"}]}')
    with pytest.raises(PropertiesError, match="1: "):
        open_precomputed(tmp_path / "1")
    with pytest.raises(PropertiesError, match="wkw is not read through tensorstore"):
        TensorstoreArray.open(tmp_path, data_format=DataFormat.WKW)


def test_axes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_n5(tmp_path / "n5", values("uint8", (4, 4, 4, 2), 1), (4, 4, 4, 2))
    write_precomputed(tmp_path / "volume", "1", values("uint8", (4, 4, 4, 1), 1))
    time = AdditionalAxisProperties(name="t", bounds=(0, 2), index=0)
    with pytest.raises(PropertiesError, match="4 dimensions"):
        open_n5(tmp_path / "n5", axis_order={"x": 0, "y": 1, "z": 2})
    with pytest.raises(PropertiesError, match="x, y, z and channel only, no t"):
        open_precomputed(tmp_path / "volume" / "1", additional_axes=[time])
    array = open_n5(tmp_path / "n5")
    with pytest.raises(GeometryError, match="axes"):
        array.read_box(NormalizedBoundingBox((0, 0, 0, 0), (1, 1, 1, 1), ("x", "y", "z", "c")))
    assert array.info.shard_shape == Vec3Int(4, 4, 2)
