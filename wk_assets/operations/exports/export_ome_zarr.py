"""A layer as an OME-Zarr image of its own: version 0.5 (Zarr v3 with shards), 0.4 (Zarr v2), or 0.5 in one zip file.

Arrays have axes (t, c, z, y, x) and their exact shape; a cut-out says by its translation where it lies. Written through
zarr-python, one shard at a time. Sources: OME-NGFF 0.4 and 0.5; RFC-9 for the zip file.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product as all_of
from math import prod
from pathlib import Path
from typing import Any, Literal

from wk_assets.errors import InputError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.exports.exported_voxels import ExportedVoxels
from wk_assets.properties.ome_zarr import NGFF_VERSION, as_version_0_4, group_text, layer_group_attributes
from wk_assets.storage.durable import make_directory, storage_refusals, sync_file, write_atomically

_CHUNK = Vec3Int(64, 64, 64)
_SHARD = Vec3Int(256, 256, 256)
_SHARD_BYTES = 128 << 20  # held at once, twice
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OmeZarrWriter:
    """Write a group with one array per mag, `levels` finest first. `version`: 0.5 or 0.4; `zipped`: as one .ozx file."""

    levels: tuple[ExportedVoxels, ...]
    layer_name: str
    category: Literal["color", "segmentation"]
    voxel_size: VoxelSize
    version: Literal["0.5", "0.4"] = "0.5"
    zipped: bool = False
    shard_shape: Vec3Int | None = None
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        extra = self.levels[0].axes[:-4]
        if any(axis != "t" for axis in extra):
            raise InputError(
                f"layer {self.layer_name!r}: OME-Zarr has no axis {', '.join(axis for axis in extra if axis != 't')}; "
                "export one position of it, or as tiff or raw"
            )
        if self.shard_shape is not None and (self.version == "0.4" or self.shard_shape % 32 != (0, 0, 0)):
            raise InputError(
                f"shard shape {tuple(self.shard_shape)}: only OME-Zarr 0.5 has shards, of multiples of 32 voxels"
            )

    def files(self) -> int:
        """Count what people will find: one image."""
        return 1

    def steps(self) -> list[int]:
        """Give the voxels of each shard, mag after mag."""
        return [prod(shape) for level in self.levels for _, shape in self._cells(level)]

    def prepare(self, product: Path) -> Mapping[str, Any]:
        """Make the group and its empty arrays. Of a zipped image, the product grows as a folder until the end."""
        make_directory(self._root(product))
        for level in self.levels:
            self._create(product, level)
        attributes = layer_group_attributes(
            name=self.layer_name,
            category=self.category,
            voxel_size=self.voxel_size,
            mags=[level.mag for level in self.levels],
            dtype=self.levels[0].dtype,
            channels=self.levels[0].channels,
            axes=self.levels[0].axes,
            window=self.window,
            corners={level.mag: level.box.topleft_xyz for level in self.levels},
        )
        root = self._root(product)
        if self.version == "0.5":
            write_atomically(root / "zarr.json", group_text(attributes).encode())
        else:
            write_atomically(root / ".zgroup", b'{"zarr_format": 2}\n')
            text = json.dumps(as_version_0_4(attributes), indent=2, allow_nan=False) + "\n"
            write_atomically(root / ".zattrs", text.encode())
        if self.zipped:
            product.touch()
        return {}

    def run_step(self, product: Path, state: Mapping[str, Any], step: int) -> None:  # noqa: ARG002 -- nothing was noted
        """Read one shard's voxels and store them."""
        import zarr

        for level in self.levels:
            cells = list(self._cells(level))
            if step >= len(cells):
                step -= len(cells)
                continue
            start, shape = cells[step]
            box = level.box
            for axis, first, length in zip(level.axes, start, shape, strict=True):
                box = box.with_bounds(axis, level.box.get_bounds(axis)[0] + first, length)
            path = self._root(product) / level.mag.to_layer_name()
            array: Any = zarr.open_array(str(path), mode="r+")
            window = tuple(slice(first, first + length) for first, length in zip(start, shape, strict=True))
            with storage_refusals(path):
                array[window] = level.read(box)
                for key in self._keys(level, start, shape):
                    if (path / key).exists():  # a chunk of zeros is not stored
                        sync_file(path / key)
            return

    def finish(self, product: Path, target: Path) -> None:  # noqa: ARG002 -- the product is all there is
        """Put the group into the zip file, if it is to be one."""
        if self.zipped:
            with storage_refusals(product, self.levels[0].size_bytes):
                write_ozx(self._root(product), product)
                sync_file(product)

    def _root(self, product: Path) -> Path:
        return product.with_name("image") if self.zipped else product

    def _block(self, level: ExportedVoxels) -> tuple[int, ...]:
        """Shape of what is written at once, in the array's axes: a shard, or as many chunks of Zarr v2."""
        z, y, x = reversed(self._spatial_block(level).to_tuple())
        return (*(1 for _ in level.axes[:-4]), level.channels, z, y, x)

    def _spatial_block(self, level: ExportedVoxels) -> Vec3Int:
        if self.shard_shape is not None:
            return self.shard_shape
        block = self._chunk(level) * (_SHARD // _CHUNK)
        while prod(block) * level.channels * level.dtype.itemsize > _SHARD_BYTES and block.z > self._chunk(level).z:
            block = block.with_z(block.z // 2)
        return block

    def _chunk(self, level: ExportedVoxels) -> Vec3Int:
        """Chunks are no larger than the array needs, in powers of two; a single slice has chunks of one slice."""
        if self.shard_shape is not None:
            return self.shard_shape.pairmin(Vec3Int(32, 32, 32))
        return _CHUNK.pairmin(Vec3Int([1 << (extent - 1).bit_length() for extent in level.size]))

    def _cells(self, level: ExportedVoxels) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield first index and shape of every block of the array."""
        block = self._block(level)
        for start in all_of(*(range(0, extent, step) for extent, step in zip(level.shape, block, strict=True))):
            yield (
                start,
                tuple(min(step, extent - first) for first, step, extent in zip(start, block, level.shape, strict=True)),
            )

    def _keys(self, level: ExportedVoxels, start: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[str]:
        """Yield the names of the files that a block is stored in."""
        if self.version == "0.5":
            grid = [first // step for first, step in zip(start, self._block(level), strict=True)]
            yield "/".join(["c", *map(str, grid)])
            return
        chunk = self._array_chunk(level)
        ranges = (
            range(first // step, -(-(first + length) // step))
            for first, length, step in zip(start, shape, chunk, strict=True)
        )
        yield from ("/".join(map(str, cell)) for cell in all_of(*ranges))

    def _array_chunk(self, level: ExportedVoxels) -> tuple[int, ...]:
        z, y, x = reversed(self._chunk(level).to_tuple())
        return (*(1 for _ in level.axes[:-4]), level.channels, z, y, x)

    def _create(self, product: Path, level: ExportedVoxels) -> None:
        import zarr
        from zarr.codecs import ZstdCodec

        blosc: dict[str, Any] = {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 1, "blocksize": 0}
        common: dict[str, Any] = {
            "store": str(self._root(product) / level.mag.to_layer_name()),
            "shape": level.shape,
            "dtype": level.dtype,
            "chunks": self._array_chunk(level),
            "fill_value": 0,
            "overwrite": True,
        }
        if self.version == "0.5":
            zarr.create_array(
                **common,
                shards=self._block(level),
                compressors=ZstdCodec(level=3, checksum=True),
                dimension_names=level.axes,
                zarr_format=3,
            )
        else:
            zarr.create_array(
                **common,
                compressors=blosc,
                chunk_key_encoding={"name": "v2", "separator": "/"},
                zarr_format=2,
            )


def write_ozx(group: Path, target: Path) -> None:
    """Zip an OME-Zarr group as RFC-9 asks: stored, not deflated; `zarr.json` of the root first, then those below it."""
    files = [path for path in group.rglob("*") if path.is_file() and not path.name.startswith(".")]
    ordered = sorted(
        files,
        key=lambda path: (
            path.name != "zarr.json",
            len(path.parts) if path.name == "zarr.json" else 0,
            path.as_posix(),
        ),
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in ordered:
            # a fixed time: the same voxels give the same bytes
            entry = zipfile.ZipInfo(path.relative_to(group).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                while block := source.read(_COPY_BYTES):
                    sink.write(block)
        archive.comment = json.dumps(
            {"ome": {"version": NGFF_VERSION, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
        ).encode()
