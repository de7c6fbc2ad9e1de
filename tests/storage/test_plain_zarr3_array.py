"""Zarr v3 arrays of any kind: every law of arrays, over the codecs, keys and axes that are met."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorstore
import zarr

from tests.storage.mag_array_conformance import MagArrayConformance
from tests.storage.mag_array_suite import values
from wk_assets.errors import NotADatasetError, PropertiesError, ShardCorruptError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, MagArray, Zarr3Config
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.plain_zarr3_array import PlainZarr3Array


class _Plain(MagArrayConformance):
    data_format = DataFormat.Zarr3
    config: ClassVar[Zarr3Config]

    def info(self, *arguments: Any, compress: bool = True, **settings: Any) -> ArrayInfo:
        described = super().info(*arguments, **settings)
        return replace(described, compression_mode=self.config if compress else False)

    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        if info.compression_mode is False:
            return PlainZarr3Array.create(path, info)
        array = create_mag_array(path, info)
        assert isinstance(array, PlainZarr3Array)
        return array

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> MagArray:
        return open_mag_array(
            path,
            data_format=DataFormat.Zarr3,
            axis_order=axis_order,
            additional_axes=additional_axes,
            read_only=read_only,
        )


class TestChunksAsWebknossosKeepsAnnotations(_Plain):
    """Unsharded blosc under keys with dots, as in Zarr v2."""

    def info(self, *arguments: Any, **settings: Any) -> ArrayInfo:
        # fewer files than with the suite's small chunks: each file is killed at several steps
        return super().info(*arguments, **{"chunk_shape": (8, 8, 8)} | settings)

    chunks_per_shard = (1,)
    config = Zarr3Config(
        codecs=(
            {"name": "bytes", "configuration": {"endian": "little"}},
            {
                "name": "blosc",
                "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 1, "blocksize": 0},
            },
        ),
        chunk_key_encoding={"name": "v2", "configuration": {"separator": "."}},
    )


class TestGzipInShardsWithDots(_Plain):
    """Sharded gzip, keys with dots, axes y, c, z, x."""

    config = Zarr3Config(
        codecs=(
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "gzip", "configuration": {"level": 1}},
        ),
        chunk_key_encoding={"name": "default", "configuration": {"separator": "."}},
    )

    def info(self, *arguments: Any, **settings: Any) -> ArrayInfo:
        described = super().info(*arguments, **settings)
        first = len(described.dimension_names) - 4
        return replace(described, axis_order={axis: first + place for place, axis in enumerate("yczx")})


# Arrays of others


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_blosc_chunk_that_was_cut_off_is_named_and_never_read(tmp_path: Path, kept: float) -> None:
    codec = zarr.codecs.BloscCodec(cname="lz4", typesize=1)
    theirs = zarr.create_array(tmp_path / "1", shape=(8, 8, 8), chunks=(8, 8, 8), dtype="uint8", compressors=[codec])
    theirs[...] = values("uint8", (8, 8, 8), 3)
    array = PlainZarr3Array.open(tmp_path / "1", {"x": 0, "y": 1, "z": 2})
    (chunk,) = (path for path in (tmp_path / "1" / "c").rglob("*") if path.is_file())
    data = chunk.read_bytes()
    chunk.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])

    with pytest.raises(ShardCorruptError, match="can not be decoded"):
        array.read_box(box_of(array))


def box_of(array: MagArray) -> NormalizedBoundingBox:
    """Give the whole array."""
    return array.info.box


@pytest.mark.parametrize("dimensions", ["zyx", "tczyx", "xyzc", "ctxyz"])
def test_axes_in_any_order_are_read_and_written(tmp_path: Path, dimensions: str) -> None:
    length = {"t": 2, "c": 3, "x": 7, "y": 6, "z": 5}
    shape = [length[axis] for axis in dimensions]
    model = values("int16", shape, 1)
    theirs = zarr.create_array(tmp_path / "1", shape=shape, chunks=(3,) * len(shape), dtype="int16")
    theirs[...] = model
    extra = (
        [AdditionalAxisProperties(name="t", bounds=(0, 2), index=dimensions.index("t"))] if "t" in dimensions else []
    )
    order = {axis: dimensions.index(axis) for axis in dimensions if axis != "t"}

    array = open_mag_array(tmp_path / "1", data_format=DataFormat.Zarr3, axis_order=order, additional_axes=extra)

    assert array.info.dimension_names == (("t",) if extra else ()) + ("c", "x", "y", "z")
    assert {axis: place for axis, place in array.info.axis_order.items() if axis != "t"} == order
    wanted = [axis for axis in array.info.dimension_names if axis in dimensions]
    expected = model.transpose([dimensions.index(axis) for axis in wanted])
    np.testing.assert_array_equal(array.read_box(box_of(array)).reshape(expected.shape), expected)
    array.write_box(box_of(array), values("int16", array.info.shape, 2))
    np.testing.assert_array_equal(
        np.asarray(theirs[...]).transpose([dimensions.index(axis) for axis in wanted]),
        values("int16", array.info.shape, 2).reshape(expected.shape),
    )


def test_axes_that_nobody_names_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "1", shape=(3, 4, 5), chunks=(3, 3, 3), dtype="uint8")
    with pytest.raises(PropertiesError, match="axisOrder"):
        open_mag_array(tmp_path / "1", data_format=DataFormat.Zarr3)
    with pytest.raises(PropertiesError, match="axisOrder"):
        open_mag_array(tmp_path / "1", data_format=DataFormat.Zarr3, axis_order={"x": 0, "y": 1})


def test_what_is_no_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"no zarr\.json"):
        open_mag_array(tmp_path, data_format=DataFormat.Zarr3)
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(NotADatasetError, match="something else"):
        open_mag_array(tmp_path, data_format=DataFormat.Zarr3)
    (tmp_path / "zarr.json").write_text('{"node_type": "array", "shape": [3], "codecs": [{"name": "unheard"}]}')
    with pytest.raises(PropertiesError, match="can not read"):
        open_mag_array(tmp_path, data_format=DataFormat.Zarr3)
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(PropertiesError, match="not JSON"):
        open_mag_array(tmp_path, data_format=DataFormat.Zarr3)


def test_a_fill_value_stands_where_nothing_is_stored_and_zeros_beyond_the_end(tmp_path: Path) -> None:
    names = ("x", "y", "z")
    zarr.create_array(
        tmp_path / "1", shape=(40,) * 3, chunks=(4,) * 3, dtype="uint8", fill_value=9, dimension_names=names
    )
    array = open_mag_array(tmp_path / "1", data_format=DataFormat.Zarr3)
    array.write_box(
        NormalizedBoundingBox((0, 0, 0, 0), (1, 2, 2, 2), ("c", "x", "y", "z")), np.zeros((1, 2, 2, 2), "uint8")
    )
    found = array.read_box(NormalizedBoundingBox((0, 0, 0, 0), (1, 41, 40, 40), ("c", "x", "y", "z")))
    assert not found[:, :2, :2, :2].any()
    assert not found[:, 40].any()
    assert (found[:, 2:40] == 9).all()


def test_bytes_that_can_not_be_decoded_are_named(tmp_path: Path) -> None:
    suite = TestGzipInShardsWithDots()
    array = suite.create(tmp_path / "1", suite.info())
    array.write_box(box_of(array), values("uint16", array.info.shape, 1))
    (shard,) = (file for file in array.path.iterdir() if file.name == "c.0.0.0.0")
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(ShardCorruptError, match=str(array.path)):
        array.read_box(box_of(array))
    with pytest.raises(ShardCorruptError, match=r"c\.0\.0\.0\.0"):
        array.write_box(suite.box((1, 1, 1), (1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))


def test_readers_have_one_state_of_a_shard_while_it_is_replaced(tmp_path: Path) -> None:
    """Read by name and in pieces, as zarr-python does, a shard that is replaced meanwhile gives silent zeros."""
    suite = TestGzipInShardsWithDots()
    array = suite.create(tmp_path / "1", suite.info((8, 8, 8)))
    states = [np.full((1, 8, 8, 8), value, "uint16") for value in (1, 2)]
    part = suite.box((0, 0, 0), (8, 8, 8))
    array.write_box(part, states[0])

    def edit() -> None:
        for number in range(40):
            array.write_box(part, states[number % 2])

    with ThreadPoolExecutor(1) as threads:
        editing = threads.submit(edit)
        reader = suite.reopened(array)
        seen = set()
        while not editing.done():
            found = reader.read_box(part)
            assert found.min() == found.max()
            seen.add(int(found[0, 0, 0, 0]))
        editing.result()
    assert seen == {1, 2}


def test_an_annotation_of_a_server_is_read(tmp_path: Path, shared_data: Path) -> None:
    """Its array is as large as the dataset, its chunks are few, and its transpose is called "F"."""
    export = shared_data / "webknossos-annotations" / "l4_sample__explorational__suser__94b271.zip"
    with zipfile.ZipFile(export) as outer, zipfile.ZipFile(io.BytesIO(outer.read("data_Volume.zip"))) as inner:
        inner.extractall(tmp_path)
    array = open_mag_array(
        tmp_path / "volumeAnnotationData" / "1",
        data_format=DataFormat.Zarr3,
        axis_order={"c": 0, "x": 1, "y": 2, "z": 3},
        read_only=True,
    )

    boxes = list(array.stored_boxes())
    voxels = {box: array.read_box(box) for box in boxes}

    assert array.info.box.size_xyz == Vec3Int(4096, 4096, 1536)
    assert len(boxes) == 111
    assert sum(int(np.count_nonzero(part)) for part in voxels.values()) == 64_576
    around = boxes[0].padded_with_margins((64, 64, 64))
    whole = array.read_box(around)
    for box, part in voxels.items():
        if around.contains_bbox(box):
            inside = box.offset([-first for first in around.topleft])
            np.testing.assert_array_equal(whole[inside.to_slices()], part)


def test_a_dataset_of_webknossos_is_read_as_others_read_it(shared_data: Path) -> None:
    path = shared_data / "webknossos-datasets" / "simple_zarr3_dataset" / "color" / "1"
    array = open_mag_array(path, data_format=DataFormat.Zarr3, read_only=True)
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    by_tensorstore = tensorstore.open(spec, open=True, read=True).result().read().result()

    found = array.read_box(box_of(array))

    assert found.any()
    np.testing.assert_array_equal(found, by_tensorstore)
    assert array.info.compression_mode is False
