"""How the voxels of one mag lie in a sharded Zarr v3 array: grids, keys, codecs, and `zarr.json` both ways.

Pure values and JSON; opens no file (see `shard`, `stored_array`). Sources: the Zarr v3 core specification, its
`sharding_indexed` codec, and what a WEBKNOSSOS server reads (`zstd` needs both `level` and `checksum`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np

from wk_assets.errors import GeometryError, PropertiesError
from wk_assets.geometry.vec3_int import Vec3Int


class Layout(StrEnum):
    """Name how a layer lies on disk.

    OME: arrays (c, z, y, x), exact shapes; a WEBKNOSSOS dataset and an OME-Zarr 0.5 image per layer at once.
    WEBKNOSSOS: arrays (c, x, y, z) with a transpose codec, shapes rounded up to whole shards, as WEBKNOSSOS' own tools write.
    """

    OME = "ome"
    WEBKNOSSOS = "webknossos"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayLayout:
    """Describe one array. `size` is the far corner of the layer's box in this mag: arrays start at the world's origin.

    Shapes in voxels x, y, z. `zstd_level` None stores chunks raw, with a crc32c each. `additional`: name and extent of each
    axis before the channels, slowest first (a time series has ("t", 10)); chunks and shards hold one position of each.
    """

    layout: Layout
    channels: int
    size: Vec3Int
    dtype: np.dtype[Any]
    chunk_shape: Vec3Int
    shard_shape: Vec3Int
    zstd_level: int | None
    additional: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.additional]
        if len({*names, *"cxyz"}) != len(names) + 4 or any(extent < 1 for _, extent in self.additional):
            raise PropertiesError(
                f"additional axes {self.additional}: each needs a name of its own other than c, x, y, z, and an extent above 0"
            )
        for axis, chunk, shard in zip("xyz", self.chunk_shape, self.shard_shape, strict=True):
            if chunk < 1 or shard % chunk:
                raise PropertiesError(
                    f"shard shape {tuple(self.shard_shape)} is not a multiple of chunk shape {tuple(self.chunk_shape)} in {axis}"
                )

    @property
    def chunks_per_shard(self) -> Vec3Int:
        """Number of chunks of a shard along x, y, z."""
        return self.shard_shape // self.chunk_shape

    @property
    def index_shape(self) -> tuple[int, int, int]:
        """Shape of a shard's index in the order of the array's axes (the channel axis has one chunk)."""
        x, y, z = self.chunks_per_shard
        return (z, y, x) if self.layout is Layout.OME else (x, y, z)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk, all channels."""
        return self.channels * prod(self.chunk_shape) * self.dtype.itemsize

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Extent of each additional axis; () if there is none."""
        return tuple(extent for _, extent in self.additional)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of the Zarr array, in the order of its axes."""
        x, y, z = self.size
        if self.layout is Layout.OME:
            return (*self.leading_shape, self.channels, z, y, x)
        x, y, z = self.size.ceildiv(self.shard_shape) * self.shard_shape
        return (*self.leading_shape, self.channels, x, y, z)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the array's axes, slowest first."""
        return (*(name for name, _ in self.additional), *("czyx" if self.layout is Layout.OME else "cxyz"))

    def shard_key(self, cell: Vec3Int, leading: Sequence[int] = ()) -> str:
        """Return the store key of the shard at grid position `cell` (x, y, z) and `leading` position of each additional axis."""
        x, y, z = cell
        if len(leading) != len(self.additional):
            raise GeometryError(
                f"shard {tuple(cell)}: {len(self.additional)} leading positions are due, not {leading!r}"
            )
        first = "c/" + "".join(f"{position}/" for position in leading)
        return f"{first}0/{z}/{y}/{x}" if self.layout is Layout.OME else f"{first}0/{x}/{y}/{z}"

    def shard_cell(self, key: str) -> Vec3Int:
        """Return the grid position (x, y, z) of `shard_key`."""
        a, b, c = (int(part) for part in key.split("/")[-3:])
        return Vec3Int(c, b, a) if self.layout is Layout.OME else Vec3Int(a, b, c)

    def shard_leading(self, key: str) -> tuple[int, ...]:
        """Return the position along each additional axis of `shard_key`."""
        return tuple(int(part) for part in key.split("/")[1:-4])

    def index_position(self, chunk: Vec3Int) -> tuple[int, int, int]:
        """Return where the chunk at position `chunk` (x, y, z) inside its shard stands in the shard's index."""
        x, y, z = chunk
        return (z, y, x) if self.layout is Layout.OME else (x, y, z)

    def to_zarr_json(self) -> bytes:
        """Return the bytes of `zarr.json`; the same layout gives the same bytes."""
        order = self.axes
        dimensions = len(order)
        by_axis: dict[str, tuple[int, int]] = {name: (1, 1) for name, _ in self.additional}
        by_axis |= {"c": (self.channels, self.channels)} | {
            axis: (chunk, shard) for axis, chunk, shard in zip("xyz", self.chunk_shape, self.shard_shape, strict=True)
        }
        inner: list[dict[str, Any]] = []
        if self.layout is Layout.WEBKNOSSOS:
            inner.append({"name": "transpose", "configuration": {"order": list(range(dimensions))[::-1]}})
        if self.dtype.itemsize == 1:
            inner.append({"name": "bytes"})
        else:
            inner.append({"name": "bytes", "configuration": {"endian": "little"}})
        if self.zstd_level is None:
            inner.append({"name": "crc32c"})
        else:
            inner.append({"name": "zstd", "configuration": {"level": self.zstd_level, "checksum": True}})
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.array_shape),
            "data_type": self.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [by_axis[axis][1] for axis in order]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0.0 if self.dtype.kind == "f" else 0,
            "codecs": [
                {
                    "name": "sharding_indexed",
                    "configuration": {
                        "chunk_shape": [by_axis[axis][0] for axis in order],
                        "codecs": inner,
                        "index_codecs": [
                            {"name": "bytes", "configuration": {"endian": "little"}},
                            {"name": "crc32c"},
                        ],
                        "index_location": "end",
                    },
                }
            ],
            "attributes": {},
            "dimension_names": list(order),
            "storage_transformers": [],
        }
        return json.dumps(document, indent=2).encode()

    @classmethod
    def from_zarr_json(cls, data: bytes, source: str) -> "ArrayLayout":
        """Parse the `zarr.json` of an array that wk-assets wrote.

        Raises PropertiesError, naming `source`, for anything that this package does not write itself.
        """
        try:
            document = json.loads(data)
            names = tuple(str(name) for name in document["dimension_names"])
            layout = {tuple("czyx"): Layout.OME, tuple("cxyz"): Layout.WEBKNOSSOS}[names[-4:]]
            sharding = document["codecs"][0]["configuration"]
            codecs = {codec["name"]: codec.get("configuration", {}) for codec in sharding["codecs"]}
            shards = dict(zip(names, document["chunk_grid"]["configuration"]["chunk_shape"], strict=True))
            chunks = dict(zip(names, sharding["chunk_shape"], strict=True))
            shape = dict(zip(names, document["shape"], strict=True))
            parsed = cls(
                layout=layout,
                channels=shape["c"],
                size=Vec3Int(shape["x"], shape["y"], shape["z"]),
                dtype=np.dtype(document["data_type"]),
                chunk_shape=Vec3Int(chunks["x"], chunks["y"], chunks["z"]),
                shard_shape=Vec3Int(shards["x"], shards["y"], shards["z"]),
                zstd_level=codecs["zstd"]["level"] if "zstd" in codecs else None,
                additional=tuple((name, shape[name]) for name in names[:-4]),
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise PropertiesError(f"{source}: not an array that wk-assets wrote ({error!r})") from error
        written = json.loads(parsed.to_zarr_json())
        for member, value in written.items():
            if member != "attributes" and document.get(member) != value:
                raise PropertiesError(f"{source}: `{member}` is {document.get(member)!r}, wk-assets writes {value!r}")
        return parsed
