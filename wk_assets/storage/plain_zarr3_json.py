"""`zarr.json` of arrays with any codecs and keys, from a description and back. Pure values; opens no file.

Sources: the Zarr v3 core specification, and what WEBKNOSSOS and its tools write.
"""

from collections.abc import Mapping
from typing import Any

from wk_assets.errors import PropertiesError
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.new_array import DEFAULT_ZSTD_LEVEL

_NO_COMPRESSION = frozenset(("transpose", "bytes", "endian", "crc32c"))
_DEFAULT_KEYS: Mapping[str, Any] = {"name": "default", "configuration": {"separator": "/"}}


def metadata_of(info: ArrayInfo) -> dict[str, Any]:
    """Return the document for a new array.

    A shard of one chunk is stored as a chunk. Shapes are exact with x as the fastest axis, otherwise rounded up to whole
    shards, as our own arrays' are. Raises PropertiesError for shards that are no multiple of their chunks, and for an
    `axis_order` that gives two axes one dimension.
    """
    if any(info.shard_shape % info.chunk_shape):
        raise PropertiesError(
            f"shard shape {tuple(info.shard_shape)} is not a multiple of chunk shape {tuple(info.chunk_shape)}"
        )
    axes = _stored_axes(info)
    extent = dict(zip(info.box.axes, info.box.bottomright, strict=True))
    if axes[-1] != "x":
        extent |= dict(zip("xyz", info.box.bottomright_xyz.ceildiv(info.shard_shape) * info.shard_shape, strict=True))
    one = dict.fromkeys(axes, 1) | {"c": info.num_channels}
    chunk = one | dict(zip("xyz", info.chunk_shape, strict=True))
    shard = one | dict(zip("xyz", info.shard_shape, strict=True))
    config = info.compression_mode if isinstance(info.compression_mode, Zarr3Config) else Zarr3Config()
    codecs = [dict(codec) for codec in config.codecs or _default_codecs(info, axes)]
    if info.shard_shape != info.chunk_shape:
        index_codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
        configuration = {
            "chunk_shape": [chunk[axis] for axis in axes],
            "codecs": codecs,
            "index_codecs": index_codecs,
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [extent[axis] for axis in axes],
        "data_type": info.voxel_type.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [shard[axis] for axis in axes]}},
        "chunk_key_encoding": dict(config.chunk_key_encoding or _DEFAULT_KEYS),
        "fill_value": 0.0 if info.voxel_type.kind == "f" else 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(axes),
        "storage_transformers": [],
    }


def in_todays_words(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same metadata without the older forms that WEBKNOSSOS wrote, and that zarr-python refuses.

    Those are: `transpose` with order "F" or "C", `endian` for `bytes`, the shuffle of `blosc` as a number.
    Source: exports of annotations of 2023 to 2025, and the codecs that a WEBKNOSSOS server reads.
    """
    dimensions = len(document["shape"])
    return {**document, "codecs": [_todays_codec(codec, dimensions) for codec in document["codecs"]]}


def _todays_codec(codec: Mapping[str, Any], dimensions: int) -> dict[str, Any]:
    name, settings = codec["name"], dict(codec.get("configuration", {}))
    if name == "endian":
        name = "bytes"
    if name == "transpose" and settings.get("order") in ("C", "F"):
        order = list(range(dimensions))
        settings["order"] = order[::-1] if settings["order"] == "F" else order
    if name == "blosc" and isinstance(settings.get("shuffle"), int):
        settings["shuffle"] = ("noshuffle", "shuffle", "bitshuffle")[settings["shuffle"]]
    if name == "sharding_indexed":
        for part in ("codecs", "index_codecs"):
            settings[part] = [_todays_codec(inner, dimensions) for inner in settings[part]]
    return {"name": name, "configuration": settings} if settings else {"name": name}


def compression_of(document: Mapping[str, Any]) -> bool | Zarr3Config:
    """Return how chunks are encoded: False if they are raw, True for zstd under default keys, else codecs and keys."""
    codecs = document["codecs"]
    sharding = next((codec["configuration"] for codec in codecs if codec["name"] == "sharding_indexed"), None)
    inner = codecs if sharding is None else sharding["codecs"]
    compressing = [codec["name"] for codec in inner if codec["name"] not in _NO_COMPRESSION]
    if not compressing:
        return False
    keys = document["chunk_key_encoding"]
    if compressing == ["zstd"] and keys in (_DEFAULT_KEYS, {"name": "default"}):
        return True
    return Zarr3Config(codecs=tuple(inner), chunk_key_encoding=keys)


def _stored_axes(info: ArrayInfo) -> tuple[str, ...]:
    """Return the array's axes in the order of its dimensions: those of `axis_order`, the others where there is room."""
    places = {place: axis for axis, place in info.axis_order.items() if axis in info.dimension_names}
    others = iter(axis for axis in info.dimension_names if axis not in info.axis_order)
    axes = tuple(places.get(place) or next(others, "") for place in range(len(info.dimension_names)))
    if sorted(axes) != sorted(info.dimension_names):
        raise PropertiesError(
            f"axis order {dict(info.axis_order)} gives {', '.join(info.dimension_names)} no dimension each"
        )
    return axes


def _default_codecs(info: ArrayInfo, axes: tuple[str, ...]) -> list[dict[str, Any]]:
    codecs: list[dict[str, Any]] = []
    if axes[-1] != "x":
        codecs.append({"name": "transpose", "configuration": {"order": list(range(len(axes)))[::-1]}})
    codecs.append(
        {"name": "bytes"} if info.voxel_type.itemsize == 1 else {"name": "bytes", "configuration": {"endian": "little"}}
    )
    if info.compression_mode:
        codecs.append({"name": "zstd", "configuration": {"level": DEFAULT_ZSTD_LEVEL, "checksum": True}})
    else:
        codecs.append({"name": "crc32c"})
    return codecs
