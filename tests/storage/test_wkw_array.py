"""wkw arrays, as all arrays, and what is theirs alone: headers, blocks in Morton order, files of others, damaged files."""

import itertools
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import lz4.block
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.storage.mag_array_conformance import MagArrayConformance
from tests.storage.mag_array_suite import values
from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError, ShardCorruptError, StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.wkw_array import WkwArray
from wk_assets.storage.wkw_file import morton_numbers
from wk_assets.storage.wkw_header import BlockType, WkwHeader


class TestWkwArray(MagArrayConformance):
    data_format = DataFormat.WKW
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "uint32", "uint64", "float32", "float64")
    cubes_only = True
    has_additional_axes = False
    keeps_extent = False

    def create(self, path: Path, info: ArrayInfo) -> WkwArray:
        return WkwArray.create(path, info)

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> WkwArray:
        return WkwArray.open(path, axis_order, additional_axes, read_only=read_only)


def box(size: Sequence[int], channels: int = 1, topleft: Sequence[int] = (0, 0, 0)) -> NormalizedBoundingBox:
    return NormalizedBoundingBox((0, *topleft), (channels, *size), ("c", "x", "y", "z"))


def info(dtype: str = "uint16", *, channels: int = 1, edge: int = 8, compress: bool | Zarr3Config = True) -> ArrayInfo:
    return ArrayInfo(
        data_format=DataFormat.WKW,
        voxel_type=np.dtype(dtype),
        box=box((edge, edge, edge), channels),
        chunk_shape=Vec3Int(4, 4, 4),
        shard_shape=Vec3Int(edge, edge, edge),
        compression_mode=compress,
    )


def blocks_of(voxels: NDArray[Any], edge: int) -> list[bytes]:
    """Cut a cube (c, x, y, z) into blocks in the order of a file, by the definition of both orders."""
    per_edge = voxels.shape[1] // edge

    def interleaved(place: tuple[int, ...]) -> str:
        x, y, z = (f"{value:08b}" for value in place)
        return "".join(itertools.chain(*zip(z, y, x, strict=True)))

    cut = []
    for x, y, z in sorted(itertools.product(range(per_edge), repeat=3), key=interleaved):
        block = voxels[:, x * edge : (x + 1) * edge, y * edge : (y + 1) * edge, z * edge : (z + 1) * edge]
        cut.append(block.astype(voxels.dtype.newbyteorder("<")).tobytes(order="F"))
    return cut


def file_of(header: WkwHeader, voxels: NDArray[Any]) -> bytes:
    """Make a file as the format's description has it."""
    blocks = blocks_of(voxels, header.block_edge)
    start = header.to_bytes(data_offset=header.data_offset)
    if not header.compressed:
        return start + b"".join(blocks)
    mode = "high_compression" if header.block_type is BlockType.LZ4HC else "default"
    packed = [lz4.block.compress(block, mode=mode, store_size=False) for block in blocks]
    ends = header.data_offset + np.cumsum([len(block) for block in packed])
    return start + ends.astype("<u8").tobytes() + b"".join(packed)


def foreign_array(path: Path, header: WkwHeader, voxels: NDArray[Any]) -> Path:
    """Put an array of one file at `path`; returns the file."""
    file = path / "z0" / "y0" / "x0.wkw"
    file.parent.mkdir(parents=True)
    (path / "header.wkw").write_bytes(header.to_bytes())
    file.write_bytes(file_of(header, voxels))
    return file


def header_of(block_type: BlockType, dtype: str = "uint16", channels: int = 1) -> WkwHeader:
    return WkwHeader(dtype=np.dtype(dtype), channels=channels, block_edge=4, blocks_per_edge=4, block_type=block_type)


def test_a_header_has_the_bytes_that_a_server_reads(tmp_path: Path) -> None:
    wanted = replace(info(), chunk_shape=Vec3Int(32, 32, 32), shard_shape=Vec3Int(1024, 1024, 1024))
    WkwArray.create(tmp_path, wanted)
    assert (tmp_path / "header.wkw").read_bytes().hex() == "574b570155030202" + "00" * 8


def test_blocks_are_numbered_along_a_z_curve_x_first() -> None:
    places = np.array(list(itertools.product(range(8), repeat=3)))
    numbers = morton_numbers(places)
    assert sorted(numbers.tolist()) == list(range(512))
    assert morton_numbers(np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (3, 5, 1)])).tolist() == [
        1, 2, 4, 8, 0b010_001_111,
    ]  # fmt: skip


@pytest.mark.parametrize("block_type", list(BlockType))
@pytest.mark.parametrize(
    ("dtype", "channels"), [("uint8", 3), ("uint16", 1), ("float32", 2), ("int16", 1), ("int64", 1)]
)
def test_files_of_others_are_read_and_changed(tmp_path: Path, block_type: BlockType, dtype: str, channels: int) -> None:
    """Signed types too, which newer codecs write and we do not."""
    voxels = values(dtype, (channels, 16, 16, 16), 1)
    file = foreign_array(tmp_path, header_of(block_type, dtype, channels), voxels)
    array = WkwArray.open(tmp_path)
    assert array.info.box.size_xyz == (16, 16, 16)
    np.testing.assert_array_equal(array.read_box(box((16, 16, 16), channels)), voxels)

    changed = box((5, 9, 3), channels, (2, 4, 6))
    voxels[changed.to_slices()] = values(dtype, changed.size, 2)
    array.write_box(changed, voxels[changed.to_slices()])

    np.testing.assert_array_equal(WkwArray.open(tmp_path).read_box(box((16, 16, 16), channels)), voxels)
    assert WkwHeader.parse(file.read_bytes(), "")[0].block_type is block_type


def test_our_files_are_byte_for_byte_what_the_description_says(tmp_path: Path) -> None:
    for compress in (True, False):
        voxels = values("uint16", (3, 8, 8, 8), 3)
        voxels[:, :4, :4, 4:] = 0
        path = tmp_path / str(compress)
        WkwArray.create(path, info(channels=3, compress=compress)).write_box(box((8, 8, 8), 3), voxels)
        header, _ = WkwHeader.parse((path / "header.wkw").read_bytes(), "")
        assert (path / "z0" / "y0" / "x0.wkw").read_bytes() == file_of(header, voxels)


@pytest.mark.parametrize(("of_array", "of_file"), list(itertools.permutations(BlockType, 2)))
def test_a_file_may_be_compressed_in_another_way_than_its_array_says(
    tmp_path: Path, of_array: BlockType, of_file: BlockType
) -> None:
    voxels = values("uint8", (1, 16, 16, 16), 1)
    foreign_array(tmp_path, header_of(of_file, "uint8"), voxels)
    (tmp_path / "header.wkw").write_bytes(header_of(of_array, "uint8").to_bytes())
    array = WkwArray.open(tmp_path)
    np.testing.assert_array_equal(array.read_box(box((16, 16, 16))), voxels)

    voxels[:, 3:5, 3:5, 3:5] = 7
    array.write_box(box((2, 2, 2), 1, (3, 3, 3)), voxels[:, 3:5, 3:5, 3:5])

    np.testing.assert_array_equal(array.read_box(box((16, 16, 16))), voxels)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block_type=st.sampled_from(BlockType), kept=st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_off_anywhere_is_never_read_as_voxels(
    tmp_path_factory: pytest.TempPathFactory, block_type: BlockType, kept: float
) -> None:
    path = tmp_path_factory.mktemp("cut")
    file = foreign_array(path, header_of(block_type), values("uint16", (1, 16, 16, 16), 1))
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    array = WkwArray.open(path)

    with pytest.raises(ShardCorruptError, match=r"x0\.wkw"):
        array.read_box(box((16, 16, 16)))
    with pytest.raises(ShardCorruptError, match=r"x0\.wkw"):
        array.write_box(box((1, 1, 1), 1, (15, 15, 15)), np.ones((1, 1, 1, 1), np.uint16))
    assert file.read_bytes() == content[: int(kept * len(content))]
    assert [entry.name for entry in file.parent.iterdir()] == ["x0.wkw"]


def damaged(content: bytes, where: int, what: bytes) -> bytes:
    return content[:where] + what + content[where + len(what) :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: damaged(content, 0, b"NOT"), "starts with b'NOT'"),
        (lambda content: damaged(content, 3, b"\x02"), "version 2"),
        (lambda content: damaged(content, 5, b"\x09"), "block type 9"),
        (lambda content: damaged(content, 6, b"\x63"), "voxel type 99"),
        (lambda content: damaged(content, 7, b"\x03"), "voxel of 3 bytes"),
        (lambda content: damaged(content, 4, b"\x12"), "belongs to another array"),
        (lambda content: damaged(content, 6, b"\x01"), "belongs to another array"),
        (lambda content: damaged(content, 4, b"\xff"), "blocks of 32768³ voxels"),
        (lambda content: damaged(content, 8, b"\x01"), "blocks start at 513"),
        (lambda content: damaged(content, 16, b"\xff" * 8), "table"),
        (lambda content: damaged(content, 16, b"\x00" * 8), "table"),
        (lambda content: damaged(content, 16 + 8 * 30, b"\xff\xff\xff\x00"), "table"),
        (lambda content: damaged(content, 16 + 8 * 64, b"\xff" * 64), "block 0"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, damage: Any, message: str) -> None:
    file = foreign_array(tmp_path, header_of(BlockType.LZ4), values("uint16", (1, 16, 16, 16), 1))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ShardCorruptError, match=rf"x0\.wkw.*{message}"):
        WkwArray.open(tmp_path).read_box(box((16, 16, 16)))


def test_a_small_write_into_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """A file of 1024³ voxels of 8 bytes holds 8 GiB; the blocks that a write does not touch are copied as they are."""
    for compress in (True, False):
        edge = 1024
        wanted = replace(info("uint64", edge=edge, compress=compress), chunk_shape=Vec3Int(32, 32, 32))
        array = WkwArray.create(tmp_path / str(compress), wanted)
        first, second = box((40, 20, 10), 1, (1000, 900, 990)), box((20, 30, 10), 1, (980, 910, 995))
        model = np.zeros((1, 44, 124, 34), np.uint64)
        tracemalloc.start()
        for number, part in enumerate((first, second)):
            part = part.with_bottomright((1, *part.bottomright_xyz.pairmin(edge)))  # noqa: PLW2901  # inside of the file
            voxels = values("uint64", part.size, number)
            array.write_box(part, voxels)
            model[part.offset((0, -980, -900, -990)).to_slices()] = voxels
        found = array.read_box(box((44, 124, 34), 1, (980, 900, 990)))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        np.testing.assert_array_equal(found, model)
        assert peak_bytes < 48 * 1024 * 1024
        file = next((tmp_path / str(compress)).rglob("x0.wkw"))
        assert file.stat().st_blocks * 512 < 64 * 1024 * 1024


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float16", "bool"])
def test_types_that_wkw_does_not_hold_are_refused_with_formats_that_do(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(PropertiesError, match=rf"wkw does not hold {dtype}.*zarr3"):
        WkwArray.create(tmp_path, info(dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk_shape": Vec3Int(4, 4, 8)}, "cubes"),
        ({"chunk_shape": Vec3Int(3, 3, 3)}, "powers of two"),
        ({"shard_shape": Vec3Int(8, 8, 4)}, "cubes"),
        ({"shard_shape": Vec3Int(2, 2, 2)}, "can not consist of blocks"),
        ({"compression_mode": Zarr3Config()}, "Zarr3Config is for zarr3"),
        ({"box": box((8, 8, 8), 128)}, "128 channels"),
        ({"box": NormalizedBoundingBox((0,) * 5, (1,) * 5, ("t", "c", "x", "y", "z"))}, "axes c, x, y, z only"),
    ],
)
def test_what_wkw_can_not_be_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises((PropertiesError, GeometryError), match=message):
        WkwArray.create(tmp_path, replace(info(), **change))
    assert not list(tmp_path.iterdir())


def test_an_array_is_not_made_over_another(tmp_path: Path) -> None:
    WkwArray.create(tmp_path, info()).write_box(box((8, 8, 8)), np.ones((1, 8, 8, 8), np.uint16))
    with pytest.raises(StorageError, match="holds a wkw array already"):
        WkwArray.create(tmp_path, info())
    assert WkwArray.open(tmp_path).read_box(box((8, 8, 8))).all()


def test_what_is_no_wkw_array_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"no header\.wkw"):
        WkwArray.open(tmp_path)
    (tmp_path / "header.wkw").write_bytes(b"WKW")
    with pytest.raises(PropertiesError, match="16 bytes, there are 3"):
        WkwArray.open(tmp_path)
    (tmp_path / "header.wkw").write_bytes(header_of(BlockType.RAW).to_bytes())
    with pytest.raises(PropertiesError, match="axes of a wkw array"):
        WkwArray.open(tmp_path, {"c": 0, "z": 1, "y": 2, "x": 3})
    with pytest.raises(PropertiesError, match="additionalAxes"):
        WkwArray.open(tmp_path, additional_axes=[AdditionalAxisProperties(name="t", bounds=(0, 1), index=0)])


def test_other_files_in_an_arrays_folder_are_no_shards(tmp_path: Path) -> None:
    array = WkwArray.create(tmp_path, info())
    array.write_box(box((3, 3, 3), 1, (17, 9, 0)), np.ones((1, 3, 3, 3), np.uint16))
    for name in ("x01.wkw", "x0.wkw.bak", ".x0.wkw.7.partial"):
        (tmp_path / "z0" / "y1" / name).write_bytes(b"")
    (tmp_path / "notes").mkdir()
    (tmp_path / "z7").write_bytes(b"")
    found = list(WkwArray.open(tmp_path).stored_boxes())
    assert [(*stored.topleft_xyz, *stored.size_xyz) for stored in found] == [(16, 8, 0, 8, 8, 8)]
