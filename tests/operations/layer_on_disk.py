"""Layers made directly from arrays, right or wrong: the checks must see what an engine would never write."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.downsample import downsample
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.records.layer_record import (
    BoxRecord,
    LayerRecord,
    LayerStatistics,
    MagRecord,
    SliceFact,
    write_layer_record,
)
from wk_assets.readers.volume import BadSlicePolicy
from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.chunk_codec import ChunkCodec
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import ShardBuilder, ShardEntry

CHUNK = Vec3Int(8, 8, 8)
SHARD = Vec3Int(16, 16, 16)
Voxels = NDArray[Any]  # (c, x, y, z)


class MemoryArray:
    """A `VoxelArray` of what it is given, starting at the origin; remembers the largest box that was read."""

    def __init__(self, voxels: Voxels) -> None:
        self._voxels = voxels
        self.largest_read = 0

    channels = property(lambda self: self._voxels.shape[0])
    size = property(lambda self: Vec3Int(self._voxels.shape[1:]))
    dtype = property(lambda self: self._voxels.dtype)
    chunk_shape = property(lambda self: CHUNK)
    shard_shape = property(lambda self: SHARD)

    def read(self, box_in_mag: BoundingBox) -> Voxels:
        (x, y, z), (a, b, c) = box_in_mag.topleft, box_in_mag.bottomright
        part = self._voxels[:, x:a, y:b, z:c]
        assert part.shape[1:] == tuple(box_in_mag.size), "a read leaves the array"
        self.largest_read = max(self.largest_read, part.size)
        return part


def pyramid(
    finest: Voxels, mags: tuple[str, ...], mode: DownsamplingMode, topleft: tuple[int, int, int] = (0, 0, 0)
) -> dict[str, Voxels]:
    """Make every mag from the one before; borders are mirrored by numpy, apart from the code under test."""
    made = {mags[0]: finest}
    box = BoundingBox(topleft, finest.shape[1:])
    for fine, coarse in pairwise(mags):
        target = box.align_with_mag(Mag(coarse), ceil=True).in_mag(Mag(coarse))
        source = box.align_with_mag(Mag(fine), ceil=True).in_mag(Mag(fine))
        factors = Mag(coarse).to_vec3_int() // Mag(fine).to_vec3_int()
        low = source.topleft - target.topleft * factors
        high = target.bottomright * factors - source.bottomright
        padded = np.pad(made[fine], ((0, 0), *zip(low, high, strict=True)), mode="symmetric")
        x, y, z = factors
        zyx = np.ascontiguousarray(padded.transpose(0, 3, 2, 1))
        made[coarse] = downsample(zyx, (z, y, x), mode).transpose(0, 3, 2, 1)
    return made


def facts_of(finest: Voxels) -> tuple[SliceFact, ...]:
    """Measure slices with numpy alone."""
    facts = []
    for z in range(finest.shape[3]):
        voxels = finest[..., z]
        numbers = voxels[~np.isnan(voxels)] if voxels.dtype.kind == "f" else voxels.reshape(-1)
        facts.append(
            SliceFact(
                z=z,
                minimum=numbers.min().item(),
                maximum=numbers.max().item(),
                total=sum(numbers.tolist()),
                zeros=int((numbers == 0).sum()),
                nans=voxels.size - numbers.size,
                count=voxels.size,
            )
        )
    return tuple(facts)


def store_array(
    path: Path, voxels: Voxels, topleft: Vec3Int, layout: Layout = Layout.OME, outside: int = 0
) -> tuple[ShardEntry, ...]:
    """Write an array whose voxels start at `topleft`; `outside` is what stands in all other voxels of its shards."""
    size = topleft + Vec3Int(voxels.shape[1:])
    spread = ArrayLayout(
        layout=layout,
        channels=voxels.shape[0],
        size=size,
        dtype=voxels.dtype,
        chunk_shape=CHUNK,
        shard_shape=SHARD,
        zstd_level=1,
    )
    codec = ChunkCodec(spread)
    grid = size.ceildiv(SHARD)
    canvas = np.full((voxels.shape[0], *(grid * SHARD)), outside, voxels.dtype)
    canvas[:, topleft.x : size.x, topleft.y : size.y, topleft.z : size.z] = voxels
    entries = []
    for cell in np.ndindex(*grid):
        builder = ShardBuilder(spread, path, spread.shard_key(Vec3Int(cell)))
        for place in np.ndindex(*spread.chunks_per_shard):
            x, y, z = Vec3Int(cell) * SHARD + Vec3Int(place) * CHUNK
            chunk = canvas[:, x : x + 8, y : y + 8, z : z + 8]
            if chunk.any():
                position = int(np.ravel_multi_index(spread.index_position(Vec3Int(place)), spread.index_shape))
                encoded = codec.encode(np.ascontiguousarray(chunk.transpose(0, 3, 2, 1)))
                builder.append([position], [len(encoded)], encoded)
        entry = builder.finish()
        if entry is not None:
            entries.append(entry)
    path.mkdir(parents=True, exist_ok=True)
    (path / "zarr.json").write_bytes(spread.to_zarr_json())
    (path / MANIFEST_NAME).write_bytes(Manifest(content_key="k", shards=tuple(entries)).to_bytes())
    return tuple(entries)


def store_layer(
    dataset_path: Path,
    voxels_by_mag: Mapping[str, Voxels],
    *,
    layer_name: str = "layer",
    category: Literal["color", "segmentation"] = "color",
    mode: DownsamplingMode = DownsamplingMode.MEDIAN,
    topleft: tuple[int, int, int] = (0, 0, 0),
    layout: Layout = Layout.OME,
    outside: int = 0,
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0),
    filled: Mapping[int, BadSlicePolicy] | None = None,
) -> LayerRecord:
    """Publish a layer; `filled` marks slices as filled by the import."""
    finest = next(iter(voxels_by_mag.values()))
    box = BoundingBox(topleft, finest.shape[1:])
    mags: list[MagRecord] = []
    for name, voxels in voxels_by_mag.items():
        in_mag = box.align_with_mag(Mag(name), ceil=True).in_mag(Mag(name))
        entries = store_array(dataset_path / layer_name / name, voxels, in_mag.topleft, layout, outside)
        mags.append(
            MagRecord(
                mag=name,
                path=f"{layer_name}/{name}",
                key=f"key of {name}",
                voxels_key=f"voxels of {name}",
                parent_key=mags[-1].voxels_key if mags else None,
                box_in_mag=BoxRecord.of(in_mag),
                shards=len(entries),
                stored_bytes=sum(entry.size_bytes for entry in entries),
                raw_bytes=voxels.nbytes,
            )
        )
    facts = [
        fact.model_copy(
            update={"problem": "it is missing", "problem_file": f"z{fact.z}.tif", "filled_with": filled[fact.z]}
        )
        if filled and fact.z in filled
        else fact
        for fact in facts_of(finest)
    ]
    record = LayerRecord(
        layer_name=layer_name,
        category=category,
        channels=finest.shape[0],
        dtype=finest.dtype.name,
        voxel_size_factor=voxel_size,
        voxel_size_unit=LengthUnit.NANOMETER,
        voxel_size_source="a test",
        box_mag1=BoxRecord.of(box),
        layout=layout,
        mode=mode,
        source_format="tiff-sequence",
        mags=tuple(mags),
        sources=(),
        statistics=LayerStatistics(slices=tuple(facts)),
    )
    write_layer_record(dataset_path, record)
    return record
