"""Shards against zarr-python and tensorstore, and against damage."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from numpy.typing import NDArray

from wk_assets.errors import GeometryError, NotADatasetError, ShardCorruptError, ShardMissingError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest, damaged_shards
from wk_assets.storage.shard import ShardBuilder
from wk_assets.storage.stored_array import StoredArray

EDGE = 8


def layout_of(layout: Layout, channels: int, dtype: str, zstd_level: int | None) -> ArrayLayout:
    return ArrayLayout(
        layout=layout,
        channels=channels,
        size=Vec3Int(32, 32, 16),
        dtype=np.dtype(dtype),
        chunk_shape=Vec3Int(EDGE, EDGE, EDGE),
        shard_shape=Vec3Int(16, 32, 16),
        zstd_level=zstd_level,
    )


def store(path: Path, layout: ArrayLayout, voxels: NDArray[Any]) -> StoredArray:
    """Write `voxels` (c, z, y, x) chunk by chunk, in an order that nobody would choose."""
    codec = ChunkCodec(layout)
    builders: dict[str, ShardBuilder] = {}
    chunks = [Vec3Int(x, y, z) for x in range(4) for y in range(4) for z in range(2)]
    for chunk in sorted(chunks, key=lambda chunk: hash((chunk.z, chunk.x, 7 * chunk.y % 4))):
        x, y, z = chunk * layout.chunk_shape
        part = np.ascontiguousarray(voxels[:, z : z + EDGE, y : y + EDGE, x : x + EDGE])
        if part.any():
            key = layout.shard_key(chunk // layout.chunks_per_shard)
            builder = builders.setdefault(key, ShardBuilder(layout, path, key))
            place = layout.index_position(chunk % layout.chunks_per_shard)
            encoded = codec.encode(part)
            builder.append([int(np.ravel_multi_index(place, layout.index_shape))], [len(encoded)], encoded)
    entries = [entry for builder in builders.values() if (entry := builder.finish()) is not None]
    (path / "zarr.json").write_bytes(layout.to_zarr_json())
    (path / MANIFEST_NAME).write_bytes(Manifest(content_key="k", shards=tuple(entries)).to_bytes())
    return StoredArray.open(path)


def voxels_of(channels: int, dtype: str) -> NDArray[Any]:
    voxels = np.random.default_rng(1).integers(0, 100, (channels, 16, 32, 32)).astype(dtype)
    voxels[:, :EDGE, :, :16] = 0  # chunks that are not stored
    voxels[:, :, :, 16:] = np.where(voxels[:, :, :, 16:] < 3, 0, voxels[:, :, :, 16:])
    return voxels


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "uint64", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("zstd_level", [None, 1])
@pytest.mark.parametrize("layout", list(Layout))
def test_what_is_written_is_read_by_us_by_zarr_and_by_tensorstore(
    tmp_path: Path, layout: Layout, channels: int, dtype: str, zstd_level: int | None
) -> None:
    voxels = voxels_of(channels, dtype)
    array = store(tmp_path / "a", layout_of(layout, channels, dtype, zstd_level), voxels)

    ours = array.read(BoundingBox((0, 0, 0), (32, 32, 16)))
    by_zarr = zarr.open_array(str(tmp_path / "a"), mode="r")[:]
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "a")}}
    by_tensorstore = tensorstore.open(spec).result().read().result()

    in_storage_order = voxels if layout is Layout.OME else voxels.transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(ours, voxels.transpose(0, 3, 2, 1))
    np.testing.assert_array_equal(by_zarr, in_storage_order)
    np.testing.assert_array_equal(by_tensorstore, in_storage_order)


@pytest.mark.parametrize("corner", [(0, 0, 0), (3, 5, 7), (15, 31, 15)])
def test_a_box_is_what_the_whole_array_has_there(tmp_path: Path, corner: tuple[int, int, int]) -> None:
    voxels = voxels_of(1, "uint16")
    array = store(tmp_path / "a", layout_of(Layout.OME, 1, "uint16", 1), voxels)
    box = BoundingBox(corner, Vec3Int(32, 32, 16) - Vec3Int(corner))

    x, y, z = corner
    np.testing.assert_array_equal(array.read(box), voxels[:, z:, y:, x:].transpose(0, 3, 2, 1))


def test_a_box_that_leaves_the_array_is_refused(tmp_path: Path) -> None:
    array = store(tmp_path / "a", layout_of(Layout.OME, 1, "uint8", 1), voxels_of(1, "uint8"))
    with pytest.raises(GeometryError, match="leaves"):
        array.read(BoundingBox((0, 0, 0), (33, 1, 1)))


def test_a_lost_shard_raises_where_zarr_reads_zeros(tmp_path: Path) -> None:
    array = store(tmp_path / "a", layout_of(Layout.OME, 1, "uint8", 1), voxels_of(1, "uint8"))
    lost = array.manifest.shards[0].key
    (tmp_path / "a" / lost).unlink()

    assert damaged_shards(tmp_path / "a", array.manifest) == [f"{lost} is missing"]
    with pytest.raises(ShardMissingError, match=lost):
        StoredArray.open(tmp_path / "a").read(BoundingBox((0, 0, 0), (32, 32, 16)))


@pytest.mark.parametrize("zstd_level", [None, 1, 5])
def test_every_flipped_bit_of_a_shard_is_noticed_when_its_chunk_is_read(tmp_path: Path, zstd_level: int | None) -> None:
    array = store(tmp_path / "a", layout_of(Layout.OME, 1, "uint8", zstd_level), voxels_of(1, "uint8"))
    box = BoundingBox((0, 0, 0), (32, 32, 16))
    shard = tmp_path / "a" / array.manifest.shards[0].key
    whole = shard.read_bytes()
    for bit in np.random.default_rng(2).integers(0, 8 * len(whole), 200).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        shard.write_bytes(damaged)
        with pytest.raises(ShardCorruptError, match=array.manifest.shards[0].key):
            StoredArray.open(tmp_path / "a").read(box)


def test_a_folder_that_is_no_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADatasetError, match=r"no zarr\.json"):
        StoredArray.open(tmp_path)
    array = store(tmp_path / "a", layout_of(Layout.OME, 1, "uint8", 1), voxels_of(1, "uint8"))
    shutil.copytree(array.path, tmp_path / "b")
    (tmp_path / "b" / MANIFEST_NAME).unlink()
    with pytest.raises(NotADatasetError, match=MANIFEST_NAME):
        StoredArray.open(tmp_path / "b")
