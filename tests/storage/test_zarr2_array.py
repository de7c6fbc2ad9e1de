"""Zarr v2 arrays, as all arrays, and what is theirs alone: codecs, orders and fill values of others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.registry import get_numcodec

from tests.storage.mag_array_conformance import MagArrayConformance
from tests.storage.mag_array_suite import boxes_inside, expected_voxels, values
from wk_assets.errors import NotADatasetError, PropertiesError, ShardCorruptError, StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.zarr2_array import Zarr2Array

CXYZ = ("c", "x", "y", "z")
COMPRESSORS: dict[str, dict[str, Any] | None] = {
    "raw": None,
    "zstd": {"id": "zstd", "level": 5},
    "zstd_of_numcodecs": {"id": "zstd", "level": 1, "checksum": False},
    "blosc": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "gzip": {"id": "gzip", "level": 1},
    "zlib": {"id": "zlib", "level": 1},
}


class TestZarr2Array(MagArrayConformance):
    data_format = DataFormat.Zarr
    chunks_per_shard: ClassVar[tuple[int, ...]] = (1,)

    def create(self, path: Path, info: ArrayInfo) -> Zarr2Array:
        return Zarr2Array.create(path, info)

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> Zarr2Array:
        return Zarr2Array.open(path, axis_order, additional_axes, read_only=read_only)


def box(size: Sequence[int], channels: int = 1, topleft: Sequence[int] = (0, 0, 0)) -> NormalizedBoundingBox:
    return NormalizedBoundingBox((0, *topleft), (channels, *size), CXYZ)


def info(dtype: str = "uint16", *, channels: int = 1, compress: bool | Zarr3Config = True) -> ArrayInfo:
    return ArrayInfo(
        data_format=DataFormat.Zarr,
        voxel_type=np.dtype(dtype),
        box=box((10, 9, 7), channels),
        chunk_shape=Vec3Int(4, 8, 4),
        shard_shape=Vec3Int(4, 8, 4),
        compression_mode=compress,
    )


def foreign_array(path: Path, voxels: NDArray[Any], chunks: Sequence[int], **settings: Any) -> Any:
    """Let zarr-python write an array with the dimensions of `voxels`; returns zarr-python's array."""
    compressor = settings.pop("compressor", None)
    filters = settings.pop("filters", None)
    array = zarr.create_array(
        path,
        shape=voxels.shape,
        chunks=tuple(chunks),
        dtype=settings.pop("dtype", voxels.dtype),
        zarr_format=2,
        compressors=None if compressor is None else get_numcodec(compressor),
        filters=None if filters is None else [get_numcodec(codec) for codec in filters],
        **settings,
    )
    array[...] = voxels
    return array


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arrays_of_zarr_python_are_read_and_changed_in_its_own_way(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any order of axes, with or without channels and time, any codec: what we change, zarr-python reads."""
    path = tmp_path_factory.mktemp("foreign") / "1"
    stored = data.draw(st.permutations(data.draw(st.sampled_from(("xyz", "cxyz", "tcxyz", "txyz")))))
    lengths = {axis: data.draw(st.integers(1, 9)) for axis in "xyz"} | {"c": 2, "t": 3}
    dtype = data.draw(st.sampled_from(("uint8", "uint16", ">u2", "int32", ">i8", "uint64", "float32", ">f8")))
    as_stored = values(
        np.dtype(dtype).newbyteorder("="), [lengths[axis] for axis in stored], data.draw(st.integers(0, 9))
    )
    foreign = foreign_array(
        path,
        as_stored,
        [data.draw(st.integers(1, 5)) for _ in stored],
        dtype=dtype,
        compressor=data.draw(st.sampled_from(list(COMPRESSORS.values()))),
        filters=data.draw(st.sampled_from((None, [{"id": "delta", "dtype": dtype}] if "f" not in dtype else None))),
        order=data.draw(st.sampled_from("CF")),
        chunk_key_encoding={"name": "v2", "separator": data.draw(st.sampled_from("./"))},
        fill_value=data.draw(st.sampled_from((0, 7))),
    )
    order = {axis: place for place, axis in enumerate(stored) if axis != "t"}
    times = [AdditionalAxisProperties(name="t", bounds=(0, 3), index=stored.index("t"))] if "t" in stored else []
    array = Zarr2Array.open(path, order, times)
    names = [*(["t"] if times else []), *CXYZ]
    model = np.moveaxis(as_stored, [stored.index(axis) for axis in names if axis in stored], range(len(stored)))
    if "c" not in stored:
        model = np.expand_dims(model, names.index("c"))
    model = model.copy()
    assert array.info.shape == model.shape
    assert array.info.box.axes == tuple(names)
    assert {axis: place for axis, place in array.info.axis_order.items() if axis != "t"} == order
    assert array.info.axis_order.get("t", 0) == (stored.index("t") if times else 0)
    assert array.info.voxel_type == as_stored.dtype
    asked = data.draw(boxes_inside(array.info.box, margin=3))
    np.testing.assert_array_equal(array.read_box(asked), expected_voxels(model, asked))

    changed = data.draw(boxes_inside(array.info.box))
    voxels = values(as_stored.dtype, changed.size, 5)
    array.write_box(changed, voxels)

    model[changed.to_slices()] = voxels
    np.testing.assert_array_equal(array.read_box(array.info.box), model)
    single = model if "c" in stored else model.take(0, names.index("c"))
    seen = np.moveaxis(single, range(len(stored)), [stored.index(axis) for axis in names if axis in stored])
    np.testing.assert_array_equal(foreign[...], seen)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32"])
@pytest.mark.parametrize("compress", [True, False])
def test_zarr_python_reads_what_we_write(tmp_path: Path, dtype: str, compress: bool) -> None:
    model = np.zeros((3, 12, 16, 8), dtype)
    model[:, :10, :9, :7] = values(dtype, (3, 10, 9, 7), 1)
    array = Zarr2Array.create(tmp_path, info(dtype, channels=3, compress=compress))
    array.write_box(box((10, 9, 7), 3), model[:, :10, :9, :7])
    np.testing.assert_array_equal(zarr.open_array(tmp_path, mode="r")[...], model)


def test_the_metadata_of_a_new_array_is_what_a_server_reads(tmp_path: Path) -> None:
    Zarr2Array.create(tmp_path / "1", info("uint16", channels=3))
    assert json.loads((tmp_path / "1" / ".zarray").read_bytes()) == {
        "zarr_format": 2,
        "shape": [3, 12, 16, 8],  # rounded up to whole chunks
        "chunks": [3, 4, 8, 4],
        "dtype": "<u2",
        "compressor": {"id": "zstd", "level": 5},
        "fill_value": 0,
        "order": "F",
        "filters": None,
        "dimension_separator": "/",
    }
    Zarr2Array.create(tmp_path / "2", info("float32", compress=False))
    raw = json.loads((tmp_path / "2" / ".zarray").read_bytes())
    assert (raw["compressor"], raw["dtype"], str(raw["fill_value"])) == (None, "<f4", "0.0")


def test_a_new_array_may_lie_like_ome_zarr(tmp_path: Path) -> None:
    wanted = replace(
        info(),
        box=NormalizedBoundingBox((0, 0, 0, 0, 0), (2, 1, 10, 9, 7), ("t", *CXYZ)),
        axis_order={"c": 1, "z": 2, "y": 3, "x": 4},
    )
    array = Zarr2Array.create(tmp_path, wanted)
    voxels = values("uint16", wanted.shape, 1)
    array.write_box(wanted.box, voxels)
    seen = zarr.open_array(tmp_path, mode="r")
    assert seen.shape == (2, 1, 8, 16, 12)
    assert json.loads((tmp_path / ".zarray").read_bytes())["order"] == "C"
    np.testing.assert_array_equal(seen[:, :, :7, :9, :10], voxels.transpose(0, 1, 4, 3, 2))


def test_an_array_is_made_with_the_axes_of_another(tmp_path: Path) -> None:
    foreign_array(tmp_path / "theirs", values("uint16", (5, 2, 4, 6, 3), 1), (2, 2, 2, 2, 1), fill_value=0)
    times = [AdditionalAxisProperties(name="t", bounds=(0, 3), index=4)]
    theirs = Zarr2Array.open(tmp_path / "theirs", {"z": 0, "c": 1, "y": 2, "x": 3}, times)

    ours = Zarr2Array.create(tmp_path / "ours", theirs.info)
    ours.write_box(theirs.info.box, theirs.read_box(theirs.info.box))

    assert ours.info.axis_order == theirs.info.axis_order == {"t": 4, "c": 1, "x": 3, "y": 2, "z": 0}
    np.testing.assert_array_equal(
        zarr.open_array(tmp_path / "ours", mode="r")[:5], zarr.open_array(tmp_path / "theirs", mode="r")[...]
    )


def test_chunks_are_named_by_their_place(tmp_path: Path) -> None:
    array = Zarr2Array.create(tmp_path, info())
    array.write_box(box((1, 1, 1), 1, (9, 8, 0)), np.ones((1, 1, 1, 1), np.uint16))
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()] == [
        ".zarray",
        "0/2/1/0",
    ]


def test_a_missing_chunk_reads_as_the_fill_value_and_is_not_stored_again(tmp_path: Path) -> None:
    for fill, other in ((9, 0), (float("nan"), 0.0)):
        path = tmp_path / str(fill)
        foreign = foreign_array(
            path,
            np.full((1, 4, 4, 4), fill, np.float32),
            (1, 2, 2, 2),
            fill_value=fill,
            config={"write_empty_chunks": False},
        )
        array = Zarr2Array.open(path)
        corner = box((2, 2, 2))
        np.testing.assert_array_equal(array.read_box(corner), np.full((1, 2, 2, 2), fill, np.float32))
        assert not list(array.stored_boxes())

        array.write_box(corner, np.full((1, 2, 2, 2), other, np.float32))
        assert [tuple(stored.topleft) for stored in array.stored_boxes()] == [(0, 0, 0, 0)]
        np.testing.assert_array_equal(foreign[:, :2, :2, :2], np.full((1, 2, 2, 2), other))
        array.write_box(corner, np.full((1, 2, 2, 2), fill, np.float32))
        assert not list(array.stored_boxes())


@pytest.mark.parametrize("compressor", list(COMPRESSORS))
def test_a_chunk_that_was_cut_off_is_named_and_never_read(tmp_path: Path, compressor: str) -> None:
    foreign_array(tmp_path, values("uint16", (1, 4, 4, 4), 1), (1, 4, 4, 4), compressor=COMPRESSORS[compressor])
    array = Zarr2Array.open(tmp_path)
    file = tmp_path / ".".join("0000")
    content = file.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(ShardCorruptError, match=r"0\.0\.0\.0: no chunk of shape"):
            array.read_box(box((4, 4, 4)))
        with pytest.raises(ShardCorruptError, match=r"0\.0\.0\.0"):
            array.write_box(box((1, 1, 1)), np.ones((1, 1, 1, 1), np.uint16))
        assert file.read_bytes() == content[:length]


def test_a_flipped_bit_in_a_compressed_chunk_of_ours_is_noticed(tmp_path: Path) -> None:
    array = Zarr2Array.create(tmp_path, info())
    array.write_box(box((4, 8, 4)), values("uint16", (1, 4, 8, 4), 1))
    file = tmp_path / "0" / "0" / "0" / "0"
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(ShardCorruptError, match="0/0/0/0"):
            array.read_box(box((4, 8, 4)))


def test_a_resized_array_keeps_what_its_metadata_says_besides(tmp_path: Path) -> None:
    foreign_array(tmp_path, np.ones((1, 4, 4, 4), np.uint8), (1, 2, 2, 2))
    metadata = json.loads((tmp_path / ".zarray").read_bytes())
    (tmp_path / ".zarray").write_text(json.dumps({**metadata, "of_others": [1, 2]}), encoding="utf-8")
    array, other = Zarr2Array.open(tmp_path), Zarr2Array.open(tmp_path)

    array.resize(box((7, 4, 2)))

    changed = json.loads((tmp_path / ".zarray").read_bytes())
    assert changed == {**metadata, "of_others": [1, 2], "shape": [1, 8, 4, 2]}
    assert other.info.box.size_xyz == (8, 4, 2)  # a handle that was open before sees it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_shape": Vec3Int(8, 8, 8)}, "no shards"),
        ({"compression_mode": Zarr3Config()}, "Zarr3Config is for zarr3"),
        ({"voxel_type": np.dtype("float16")}, "float16"),
        ({"voxel_type": np.dtype("bool")}, "bool"),
        ({"axis_order": {"c": 0, "x": 1, "y": 2}}, "4 dimensions"),
    ],
)
def test_what_zarr_v2_can_not_be_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(PropertiesError, match=message):
        Zarr2Array.create(tmp_path, replace(info(), **change))
    assert not list(tmp_path.iterdir())


def test_an_array_is_not_made_over_another(tmp_path: Path) -> None:
    Zarr2Array.create(tmp_path, info())
    with pytest.raises(StorageError, match="holds a Zarr v2 array already"):
        Zarr2Array.create(tmp_path, info())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 3}, "zarr_format 3"),
        ({"dtype": "|b1"}, "type that layers have"),
        ({"dtype": [["r", "|u1"]]}, "type that layers have"),
        ({"shape": [1, 2, 3]}, "do not belong together"),
        ({"chunks": [1, 0, 2, 2]}, "do not belong together"),
        ({"chunks": None}, "not the metadata"),
        ({"order": "K"}, "order 'K'"),
        ({"dimension_separator": "-"}, "dimension_separator '-'"),
        ({"fill_value": 300}, "300"),
        ({"fill_value": "zero"}, "zero"),
        ({"compressor": {"level": 1}}, "must each have an id"),
        ({"compressor": {"id": "unheard_of"}}, "unheard_of"),
    ],
)
def test_metadata_that_can_not_be_understood_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    foreign_array(tmp_path, np.ones((1, 4, 4, 4), np.uint8), (1, 2, 2, 2))
    metadata = json.loads((tmp_path / ".zarray").read_bytes())
    (tmp_path / ".zarray").write_text(json.dumps({**metadata, **change}), encoding="utf-8")
    with pytest.raises(PropertiesError, match=message) as caught:
        Zarr2Array.open(tmp_path)
    assert ".zarray" in str(caught.value)


def test_what_is_no_array_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"no \.zarray"):
        Zarr2Array.open(tmp_path)
    for content in (b"{", b"[]", b"{}", b'"text"'):
        (tmp_path / ".zarray").write_bytes(content)
        with pytest.raises(PropertiesError, match="not the metadata of a Zarr v2 array"):
            Zarr2Array.open(tmp_path)
