"""What lies in a dataset directory: names, sizes, mags, bytes. For people (`wk-assets info`) and for programs.

Reads metadata and directory listings, never voxels. Works for every dataset with a datasource-properties.json; what
only our own datasets know (where the voxel size came from, sources, filled slices) is None or empty for others.
"""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from wk_assets.errors import WkAssetsError
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.operations.records.layer_record import LayerRecord, read_layer_record
from wk_assets.properties.json_model import LARGEST_PLAIN_INTEGER
from wk_assets.properties.layer_properties import (
    DataFormat,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wk_assets.storage.manifest import damaged_shards
from wk_assets.storage.open_array import open_array
from wk_assets.storage.properties_file import array_location, read_properties
from wk_assets.storage.stored_array import StoredArray

# Files of an array's directory that describe it and hold no voxels.
_METADATA_NAMES = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", "header.wkw", "attributes.json", "info"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MagReport:
    """Describe one mag. `shape` is the layer's box in voxels x, y, z of this mag; stored bytes are those of the files.

    `shards` counts files that hold voxels. `ratio` is raw bytes per stored byte. `problem` says what is wrong with the
    array, as far as metadata and a listing of the files show it.
    """

    mag: str
    path: str
    shape: tuple[int, int, int]
    shards: int | None
    stored_bytes: int | None
    raw_bytes: int
    ratio: float | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """Describe one layer. `topleft` and `size` in mag-1 voxels x, y, z; mags finest first."""

    name: str
    category: str
    data_format: str
    dtype: str
    channels: int
    topleft: tuple[int, int, int]
    size: tuple[int, int, int]
    largest_segment_id: int | None
    mags: tuple[MagReport, ...]
    sources: tuple[str, ...]
    filled_slices: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """Describe a dataset. `voxel_size_source` is None where nobody wrote down where the voxel size came from."""

    name: str
    path: str
    voxel_size: tuple[float, float, float]
    unit: str
    voxel_size_source: str | None
    made_by_us: bool
    layers: tuple[LayerReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; a segment id that a JavaScript number can not hold becomes text."""
        document = asdict(self)
        for layer in document["layers"]:
            largest = layer["largest_segment_id"]
            if largest is not None and largest > LARGEST_PLAIN_INTEGER:
                layer["largest_segment_id"] = str(largest)
        return document


def inspect_dataset(path: Path) -> DatasetReport:
    """Describe the dataset in the directory `path`. Raises NotADatasetError, or PropertiesError for its metadata."""
    properties = read_properties(path)
    records = {layer.name: read_layer_record(path, layer.name) for layer in properties.data_layers}
    sources = [record.voxel_size_source for record in records.values() if record is not None]
    return DatasetReport(
        name=properties.name or path.resolve().name,
        path=str(path),
        voxel_size=properties.scale.factor,
        unit=properties.scale.unit.value,
        voxel_size_source=next((source for source in sources if source), None),
        made_by_us=any(record is not None for record in records.values()),
        layers=tuple(_describe_layer(path, layer, records[layer.name]) for layer in properties.data_layers),
    )


def _describe_layer(path: Path, layer: LayerProperties, record: LayerRecord | None) -> LayerReport:
    largest = layer.largest_segment_id if isinstance(layer, SegmentationLayerProperties) else None
    mags = sorted(layer.mags, key=lambda entry: entry.mag.to_tuple())
    return LayerReport(
        name=layer.name,
        category=layer.category,
        data_format=layer.data_format.value,
        dtype=layer.dtype,
        channels=layer.num_channels,
        topleft=layer.box.topleft.to_tuple(),
        size=layer.box.size.to_tuple(),
        largest_segment_id=largest,
        mags=tuple(_describe_mag(path, layer, entry) for entry in mags),
        sources=() if record is None else tuple(source.relative_path for source in record.sources),
        filled_slices=None if record is None else len(record.problems),
    )


def _describe_mag(path: Path, layer: LayerProperties, entry: MagViewProperties) -> MagReport:
    box = layer.box.align_with_mag(entry.mag, ceil=True).in_mag(entry.mag)
    raw_bytes = prod(box.size) * layer.num_channels * layer.dtype_np.itemsize
    name = entry.mag.to_layer_name()
    location = array_location(path, layer.name, entry.mag, entry.path)
    shards: int | None = None
    stored_bytes: int | None = None
    if location is not None and location.is_dir():
        sizes = list(_voxel_file_sizes(location))
        shards, stored_bytes = len(sizes), sum(sizes)
    return MagReport(
        mag=name,
        path=entry.path or f"./{layer.name}/{name}",
        shape=box.size.to_tuple(),
        shards=shards,
        stored_bytes=stored_bytes,
        raw_bytes=raw_bytes,
        ratio=raw_bytes / stored_bytes if stored_bytes else None,
        problem=_problem(layer, entry, location, box.bottomright),
    )


def _problem(layer: LayerProperties, entry: MagViewProperties, location: Path | None, far: Vec3Int) -> str | None:
    """Say what keeps the array from being what the layer promises; None if nothing is seen."""
    if location is None:
        return f"it lies elsewhere, at {entry.path}"
    if layer.data_format is not DataFormat.Zarr3:
        return None if location.is_dir() else f"there is no directory {location}"
    try:
        array = open_array(location, entry.axis_order)
        damaged = damaged_shards(location, array.manifest) if isinstance(array, StoredArray) else []
    except WkAssetsError as error:
        return str(error)
    if array.dtype != layer.dtype_np or array.channels != layer.num_channels:
        return (
            f"the array holds {array.channels} x {array.dtype}, the layer promises {layer.num_channels} x {layer.dtype}"
        )
    if any(end < wanted for end, wanted in zip(array.size, far, strict=True)):
        return f"the array ends at {tuple(array.size)}, the layer's box at {tuple(far)}"
    return f"{len(damaged)} shards are damaged, e.g. {damaged[0]}" if damaged else None


def _voxel_file_sizes(directory: Path) -> Iterator[int]:
    """Yield the sizes of all files below `directory` but those that only describe; hidden files are bookkeeping."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _METADATA_NAMES:
                continue
            if entry.is_dir():
                yield from _voxel_file_sizes(Path(entry.path))
            elif entry.is_file():
                yield entry.stat().st_size
