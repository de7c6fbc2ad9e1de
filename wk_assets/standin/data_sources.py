"""What a data source may say: the checks that the real server makes before it uses one. All mistakes are collected.

Checks are of two kinds: on datasource-properties.json itself, and on the header of each mag's array, as strictly as the real
reader (which silently drops what it does not understand and then decodes garbage; the stand-in refuses instead).
Source: `webknossos-server` §2, rules a to h.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from wk_assets.errors import WkAssetsError
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.json_model import LARGEST_PLAIN_INTEGER
from wk_assets.properties.layer_properties import DataFormat, LayerProperties, SegmentationLayerProperties
from wk_assets.storage.properties_file import array_location

_ZARR3_TYPES = frozenset(
    {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"}
)
_ZARR2_TYPES = frozenset({"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"})
_ZARR2_COMPRESSORS = frozenset({"zlib", "blosc", "zstd"})
_REQUIRED_KEYS = {
    "zstd": ("level", "checksum"),
    "gzip": ("level",),
    "blosc": ("cname", "clevel", "shuffle", "blocksize"),
    "transpose": ("order",),
    "bytes": (),
    "endian": (),
    "crc32c": (),
    "sharding_indexed": ("chunk_shape", "codecs", "index_codecs"),
}
_LARGEST_ID = {"uint8": 256, "uint16": 65536, "uint32": 2**32, "int8": 127, "int16": 32767, "int32": 2**31 - 1}


def mistakes_of(source: Mapping[str, Any], dataset_path: Path | None, version: int = 16) -> list[str]:
    """Return what is wrong with a data source, a sentence each; `dataset_path` None: arrays are not looked at."""
    try:
        properties = DatasetProperties.parse_text(json.dumps(source), source="the data source")
    except WkAssetsError as error:
        return [str(error)]
    found = list(_mistakes_of_names(properties))
    for layer in properties.data_layers:
        found.extend(f"layer {layer.name}: {mistake}" for mistake in _mistakes_of_layer(layer, version))
        if dataset_path is not None:
            found.extend(f"layer {layer.name}: {mistake}" for mistake in _mistakes_of_arrays(layer, dataset_path))
    return found


def _mistakes_of_names(properties: DatasetProperties) -> Iterator[str]:
    names = [layer.name for layer in properties.data_layers]
    if not names:
        yield "DataSource must have at least one dataLayer"
    if len(set(names)) != len(names):
        yield "Layer names must be unique"
    for name in names:
        if "/" in name or name.startswith("."):
            yield f"Layer name “{name}” must not contain “/” or start with “.”"


def _mistakes_of_layer(layer: LayerProperties, version: int) -> Iterator[str]:
    mags = sorted((tuple(view.mag.to_vec3_int()) for view in layer.mags), key=max)
    if len(set(mags)) != len(mags):
        yield "there are duplicate mags"
    if any(a > b for one, following in pairwise(mags) for a, b in zip(one, following, strict=True)):
        yield f"the mags {mags} are not monotonic in every axis"
    if layer.bounding_box.is_empty():
        yield "the bounding box is empty"
    if isinstance(layer, SegmentationLayerProperties):
        if layer.element_class not in {*_LARGEST_ID, "uint64", "int64"}:
            yield f"a segmentation can not be of {layer.element_class}"
        largest = layer.largest_segment_id
        limit = _LARGEST_ID.get(layer.element_class, 2**64 - 1 if version >= 15 else LARGEST_PLAIN_INTEGER)
        if largest is not None and not 0 <= largest <= limit:
            yield f"largestSegmentId {largest} is not between 0 and {limit}"
        yield from _mistakes_of_attachments(layer)


def _mistakes_of_attachments(layer: SegmentationLayerProperties) -> Iterator[str]:
    attachments = layer.attachments
    for kind in ("meshes", "agglomerates", "connectomes"):
        names = [one.name for one in getattr(attachments, kind, None) or ()]
        if len(set(names)) != len(names):
            yield f"the names of {kind} must be unique"


def _mistakes_of_arrays(layer: LayerProperties, dataset_path: Path) -> Iterator[str]:
    for view in layer.mags:
        name = view.mag.to_layer_name()
        path = array_location(dataset_path, layer.name, view.mag, view.path)
        if path is None:
            continue  # behind a URL: read when somebody looks
        if not path.resolve().is_relative_to(dataset_path.resolve()) and not Path(view.path or "").is_absolute():
            yield f"mag {name}: the path {view.path} leaves the dataset"
            continue
        try:
            if layer.data_format is DataFormat.Zarr3:
                yield from (f"mag {name}: {mistake}" for mistake in zarr3_mistakes(_json(path / "zarr.json")))
            elif layer.data_format is DataFormat.Zarr:
                yield from (f"mag {name}: {mistake}" for mistake in zarr2_mistakes(_json(path / ".zarray")))
            elif layer.data_format is DataFormat.WKW and not (path / "header.wkw").is_file():
                yield f"mag {name}: header.wkw is missing"
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield f"mag {name}: the array's header can not be read ({type(error).__name__}: {error})"


def _json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def zarr3_mistakes(header: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the real reader would not understand in a Zarr v3 header."""
    if header.get("node_type") != "array" or header.get("zarr_format") != 3:
        yield "it is no Zarr v3 array"
        return
    if header["data_type"] not in _ZARR3_TYPES:
        yield f"data_type {header['data_type']!r} is not read"
    if header["chunk_grid"]["name"] != "regular":
        yield f"chunk_grid {header['chunk_grid']['name']!r} is not read"
    encoding = header["chunk_key_encoding"]
    if encoding["name"] not in {"default", "v2"}:
        yield f"chunk_key_encoding {encoding['name']!r} is not read"
    if encoding.get("configuration", {}).get("separator", "/") not in {"/", "."}:
        yield "the separator of chunk keys must be “/” or “.”"
    if isinstance(header.get("fill_value"), bool):
        yield "fill_value must be a number or a string"
    yield from _codec_mistakes(header["codecs"], len(header["shape"]), sharded=False)


def _codec_mistakes(codecs: list[Mapping[str, Any]], rank: int, *, sharded: bool) -> Iterator[str]:
    for codec in codecs:
        name, settings = codec["name"], codec.get("configuration", {})
        if name not in _REQUIRED_KEYS:
            yield f"codec {name!r} is not read"
            continue
        missing = [key for key in _REQUIRED_KEYS[name] if key not in settings]
        if missing:
            yield f"codec {name}: {', '.join(missing)} is missing, so the reader would drop it silently"
            continue
        if name in {"bytes", "endian"} and settings.get("endian", "little") != "little":
            yield "codec bytes: big endian is read as little endian"
        if name == "transpose" and settings["order"] not in ("C", "F", list(range(rank)), list(reversed(range(rank)))):
            yield f"codec transpose: the order {settings['order']} is read as C"
        if name == "sharding_indexed":
            if sharded:
                yield "there is more than one level of sharding"
            yield from _codec_mistakes(settings["codecs"], rank, sharded=True)
            index = [one["name"] for one in settings["index_codecs"]]
            if index.count("bytes") != 1 or set(index) - {"bytes", "crc32c"} or len(index) > 2:
                yield f"the index codecs {index} are not read"


def zarr2_mistakes(header: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the real reader would not understand in a Zarr v2 header."""
    if header["zarr_format"] != 2:
        yield "it is no Zarr v2 array"
    if str(header["dtype"])[1:] not in _ZARR2_TYPES:
        yield f"dtype {header['dtype']!r} is not read"
    compressor = header.get("compressor")
    if compressor is not None:
        if compressor["id"] not in _ZARR2_COMPRESSORS:
            yield f"compressor {compressor['id']!r} is not read"
        elif compressor["id"] == "zstd" and not isinstance(compressor.get("level"), int):
            yield "compressor zstd needs an integer level"


def enveloped(source: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return a data source as a version of the API writes it: 64-bit ids in an envelope from 15 on, plain before if exact."""
    layers = []
    for layer in source.get("dataLayers", []):
        shown = dict(layer)
        if shown.get("largestSegmentId") is not None:
            value = plain_id(shown["largestSegmentId"])
            plain = version < 15 and value <= LARGEST_PLAIN_INTEGER
            shown["largestSegmentId"] = value if plain else {"customJsonEncoding": "bigint", "value": str(value)}
        layers.append(shown)
    return {**source, "dataLayers": layers} if "dataLayers" in source else dict(source)


def plain_id(value: Any) -> int:
    """Return a segment id, enveloped or not, as an integer."""
    return int(value["value"]) if isinstance(value, Mapping) else int(value)
