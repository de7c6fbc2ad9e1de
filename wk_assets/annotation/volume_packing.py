"""Make the zip of a volume layer from a layer of a dataset, in the form that servers write today (`formats` §3.3).

Zarr v3 without shards, chunks of 32 x 32 x 32 voxels in files `c.0.X.Y.Z`, blosc with lz4. The same voxels give the same bytes:
files in a fixed order, without times.

A chunk that is stored counts as drawn, zeros in it as erased: so a chunk that was there and has become all zeros is kept as a
file of zeros. Elsewhere zeros are not stored.
"""

import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.core.array_spec import ArrayConfig
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import MemoryStore, StorePath

from wk_assets.annotation.volume_data import LAYER_NAME
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer, SegmentationLayer
from wk_assets.dataset.mag_view import MagView
from wk_assets.errors import StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.passes.tile_sources import tiles_of
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties, ScaleProperties
from wk_assets.properties.layer_properties import AttachmentsProperties, DataFormat
from wk_assets.storage.durable import storage_refusals
from wk_assets.storage.mag_array import MagArray, Zarr3Config
from wk_assets.storage.plain_zarr3_array import PlainZarr3Array

CHUNK_SHAPE = Vec3Int(32, 32, 32)
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the least time that a zip can name
_FILE_MODE = 0o100644 << 16
_AXES = ("c", "x", "y", "z")

Cells = Mapping[Mag, frozenset[Vec3Int]]
"""For each mag the corners (voxels of the mag) of chunks that count as drawn."""


def drawn_cells(layer: Layer) -> Cells:
    """Find the chunks that count as drawn: those that are stored, where the array's files are no larger than a chunk."""
    found: dict[Mag, frozenset[Vec3Int]] = {}
    for mag, view in layer.mags.items():
        by_chunk = view.info.shard_shape == view.info.chunk_shape and not any(CHUNK_SHAPE % view.info.chunk_shape)
        if by_chunk and len(view.info.box.axes) == len(_AXES):
            boxes = (box for stored in view.array.stored_boxes() for box in tiles_of(stored, CHUNK_SHAPE))
            found[mag] = frozenset(box.topleft_xyz // CHUNK_SHAPE * CHUNK_SHAPE for box in boxes)
    return found


def editable_copy(source: SegmentationLayer, dataset: Dataset) -> SegmentationLayer:
    """Copy a layer, chunk by chunk of what is stored, into a dataset as the arrays that a volume layer has."""
    layer = dataset.add_layer(
        LAYER_NAME,
        "segmentation",
        dtype=source.dtype,
        num_channels=source.num_channels,
        bounding_box=source.bounding_box,
        largest_segment_id=source.largest_segment_id,
    ).as_segmentation_layer()
    for view in source.mags.values():
        copied = layer.add_mag(view.mag, chunk_shape=CHUNK_SHAPE, shard_shape=CHUNK_SHAPE, compress=_encoding(view))
        _copy(view.array, copied.array)
    return layer


def is_packed_form(layer: Layer) -> bool:
    """Say whether all arrays of a layer are such as are packed, so that nothing has to be converted."""
    return layer.data_format is DataFormat.Zarr3 and all(_has_packed_form(view) for view in layer.mags.values())


def pack(layer: SegmentationLayer, target: Path, drawn: Cells) -> None:
    """Write the zip of a layer. All arrays must be such as `is_packed_form` says; `drawn`: see `drawn_cells`.

    Raises StorageError.
    """
    with storage_refusals(target), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, FILE_NAME, _properties_of(layer).to_text().encode())
        for view in layer.mags.values():
            folder = f"{LAYER_NAME}/{view.mag.to_layer_name()}"
            metadata = view.path / "zarr.json"
            _add(archive, f"{folder}/zarr.json", _whole_chunks(metadata.read_bytes()))
            files = {path.name: path for path in view.path.iterdir() if path.name.startswith("c.")}
            missing = {_key(view, cell) for cell in drawn.get(view.mag, ())} - set(files)
            zeros = _chunk_of_zeros(metadata) if missing else b""
            for name in sorted({*files, *missing}):
                _add(archive, f"{folder}/{name}", files[name].read_bytes() if name in files else zeros)


def copy_file_to_zip(archive: zipfile.ZipFile, name: str, source: Path, *, method: int = zipfile.ZIP_STORED) -> None:
    """Add a file to a zip, a piece at a time, without its time and owner."""
    info = _entry(name, method)
    info.file_size = source.stat().st_size  # lets the zip know whether it needs its large form
    with source.open("rb") as reading, archive.open(info, "w") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


# ---------------------------------------------------------------------- within


def _properties_of(layer: SegmentationLayer) -> DatasetProperties:
    stored = layer.properties
    mags = tuple(
        view.properties.model_copy(update={"path": f"./{LAYER_NAME}/{view.mag.to_layer_name()}"})
        for view in layer.mags.values()
    )
    return DatasetProperties(
        scale_properties=ScaleProperties(
            factor=layer.dataset.voxel_size_with_unit.factor, unit=layer.dataset.voxel_size_with_unit.unit
        ),
        data_layers=(
            stored.model_copy(update={"name": LAYER_NAME, "mags": mags, "attachments": AttachmentsProperties()}),
        ),
    )


def _whole_chunks(metadata: bytes) -> bytes:
    """Let an array end where a chunk does, as those of servers do; no chunk changes by that."""
    document = json.loads(metadata)
    chunk = document["chunk_grid"]["configuration"]["chunk_shape"]
    whole = [-(-length // edge) * edge for length, edge in zip(document["shape"], chunk, strict=True)]
    return metadata if whole == document["shape"] else json.dumps({**document, "shape": whole}, indent=2).encode()


def _encoding(view: MagView[Any]) -> Zarr3Config:
    dimensions = len(view.info.box.axes)
    blosc = {
        "cname": "lz4",
        "clevel": 5,
        "shuffle": "shuffle",
        "typesize": view.info.voxel_type.itemsize,
        "blocksize": 0,
    }
    return Zarr3Config(
        codecs=(
            {"name": "transpose", "configuration": {"order": list(range(dimensions))[::-1]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": blosc},
        ),
        chunk_key_encoding={"name": "default", "configuration": {"separator": "."}},
    )


def _has_packed_form(view: MagView[Any]) -> bool:
    mode = view.info.compression_mode
    encoding = mode.chunk_key_encoding if isinstance(mode, Zarr3Config) else None
    return (
        isinstance(view.array, PlainZarr3Array)
        and view.info.shard_shape == view.info.chunk_shape == CHUNK_SHAPE
        and encoding is not None
        and encoding["name"] == "default"
        and dict(encoding.get("configuration", {})).get("separator") == "."
    )


def _copy(source: MagArray, target: MagArray) -> None:
    for stored in source.stored_boxes():
        for box in _within(tiles_of(stored, CHUNK_SHAPE), target.info.box):
            voxels = source.read_box(box)
            if voxels.any():
                target.write_box(box, voxels)


def _within(boxes: Iterable[NormalizedBoundingBox], whole: NormalizedBoundingBox) -> Iterator[NormalizedBoundingBox]:
    for box in boxes:
        inside = box.intersected_with(whole, dont_assert=True)
        if not inside.is_empty():
            yield inside


def _key(view: MagView[Any], cell: Vec3Int) -> str:
    """Name the file of a chunk; of additional axes and channels the first."""
    order = dict(view.info.axis_order)
    places = [0] * len(view.info.box.axes)
    for axis, place in zip("xyz", cell // CHUNK_SHAPE, strict=True):
        places[order[axis]] = place
    return ".".join(["c", *map(str, places)])


def _chunk_of_zeros(metadata: Path) -> bytes:
    """Encode a chunk that is all background in the way of an array."""
    document = json.loads(metadata.read_bytes())
    document["shape"] = document["chunk_grid"]["configuration"]["chunk_shape"]
    # here, not above: the older forms are of few files
    from wk_assets.storage.plain_zarr3_json import in_todays_words

    store: dict[str, Any] = {}
    place = StorePath(MemoryStore(store))
    config = ArrayConfig(order="C", write_empty_chunks=True)
    array = zarr.Array(zarr.AsyncArray(ArrayV3Metadata.from_dict(in_todays_words(document)), place, config))
    array[...] = np.zeros(array.shape, array.dtype)
    chunks = list(store.values())
    if len(chunks) != 1:
        raise StorageError(f"{metadata}: a chunk of zeros was encoded as {len(chunks)} files, not one")
    return bytes(chunks[0].to_bytes())


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.compress_type, info.external_attr, info.create_system = method, _FILE_MODE, 3
    return info


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), data, compresslevel=1)  # lz4 leaves much that is alike
