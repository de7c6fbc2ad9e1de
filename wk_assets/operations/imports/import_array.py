"""Import a volume into an array of any format, slab by slab: for formats, mags and codecs that the engine does not write.

The array grows in the dataset's bookkeeping and a journal counts the slabs that are stored, so a repeated import goes on;
array and metadata become visible at the end. Zarr v3 layers at mag 1 are made by the engine (see `import_layer`).
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from wk_assets.errors import AlreadyThereError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.operations.arrays.array_volume import ReadsBlocks, pieces_of
from wk_assets.operations.compute import Compute
from wk_assets.operations.datasets.array_request import array_info
from wk_assets.operations.datasets.change_properties import change_properties
from wk_assets.operations.datasets.layer_box import box_in_mag
from wk_assets.operations.imports.import_request import ImportRequest
from wk_assets.operations.records.layer_record import BOOKKEEPING
from wk_assets.operations.records.layer_request import Progress, ProgressListener
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.element_class import check_layer_dtype, element_class
from wk_assets.properties.layer_properties import (
    AdditionalAxisProperties,
    BoundingBoxProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wk_assets.properties.view_configuration import LayerViewConfiguration
from wk_assets.readers.volume import VolumeDescription, VolumeReader
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.durable import make_directory, move_into_place, remove_tree, write_atomically
from wk_assets.storage.locks import exclusive
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import read_properties

_SLAB_BYTES = 128 << 20  # of voxels that are held at once, unless a row of chunks is more than that


@dataclass(slots=True)
class _Journal:
    """Count the slabs that are stored, and keep what was seen of their voxels."""

    path: Path
    identity: str
    done: int = 0
    minimum: float | int | None = None
    maximum: float | int | None = None

    def load(self) -> bool:
        """Read what an earlier import of the same noted; False if there is none."""
        try:
            document = json.loads(self.path.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        if document.get("identity") != self.identity:
            return False
        self.done, self.minimum, self.maximum = document["done"], document["minimum"], document["maximum"]
        return True

    def note(self) -> None:
        """Write down how far the import is."""
        document = {name: getattr(self, name) for name in ("identity", "done", "minimum", "maximum")}
        write_atomically(self.path, json.dumps(document).encode())

    def see(self, voxels: np.ndarray[Any, Any]) -> None:
        """Take note of the least and the greatest voxel."""
        numbers = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        if numbers.size:
            low, high = numbers.min().item(), numbers.max().item()
            self.minimum = low if self.minimum is None else min(self.minimum, low)
            self.maximum = high if self.maximum is None else max(self.maximum, high)


def import_array(
    request: ImportRequest, reader: VolumeReader, compute: Compute, listener: ProgressListener | None = None
) -> LayerProperties:
    """Import a volume as one mag of a new layer, and return what the dataset says of it then.

    Raises AlreadyThereError for a layer that is there, PropertiesError for voxels that the layer or the format does not hold,
    SourceError, StorageError, LockedError while another process imports the same layer.
    """
    layer = _layer(request, reader.description)
    info = array_info(
        layer,
        request.mag,
        chunk_shape=request.chunk_shape,
        shard_shape=request.shard_shape,
        chunks_per_shard=request.chunks_per_shard,
        compression=request.compress,
    )
    name = request.mag.to_layer_name()
    bookkeeping = request.dataset_path / BOOKKEEPING
    staging = bookkeeping / "staging" / request.layer_name / f"import {name}"
    lock = bookkeeping / "locks" / request.layer_name / f"mag {name}.lock"
    with exclusive(lock, f"import of layer {request.layer_name}"):
        _require_new(request)
        journal = _Journal(staging / "journal.json", _identity(request, reader.description, info))
        staged, final = staging / "array", request.dataset_path / request.layer_name / name
        # an import that was killed at its end has moved the array, but not named it yet
        grown = next((path for path in (staged, final) if path.exists()), None) if journal.load() else None
        if grown is None:
            remove_tree(staging)
            make_directory(staging)
            journal = _Journal(journal.path, journal.identity)
            array = create_mag_array(staged, info)
            journal.note()
        else:
            array = open_mag_array(
                grown,
                data_format=info.data_format,
                axis_order=info.axis_order or None,
                additional_axes=layer.additional_axes or (),
            )
        _fill(request, reader, array, layer, journal, compute, listener)
        made = array.info
        if staged.exists():
            remove_tree(final)  # of an import that was killed before the dataset named it
            move_into_place(staged, final)
        layer = _finished(layer, request, made, journal)
        change_properties(
            request.dataset_path, f"import of layer {request.layer_name}", lambda now: now.with_layer(layer)
        )
        remove_tree(staging)
    return layer


def _layer(request: ImportRequest, described: VolumeDescription) -> LayerProperties:
    """Describe the layer without its mag."""
    check_layer_dtype(request.category, described.dtype)
    size = described.size * request.mag.to_vec3_int()
    members: dict[str, Any] = {
        "name": request.layer_name,
        "category": request.category,
        "box_properties": BoundingBoxProperties.of(BoundingBox(request.topleft, size)),
        "data_format": request.data_format,
        "mags": (),
        "num_channels": described.channels,
        "element_class": element_class(described.dtype, described.channels),
        "additional_axes": tuple(
            AdditionalAxisProperties(name=axis, bounds=(0, extent), index=index)
            for index, (axis, extent) in enumerate(described.additional)
        )
        or None,
    }
    return (SegmentationLayerProperties if request.category == "segmentation" else LayerProperties)(**members)


def _require_new(request: ImportRequest) -> None:
    names = [layer.name for layer in read_properties(request.dataset_path).data_layers]
    if request.layer_name in names:
        raise AlreadyThereError(
            f"{request.dataset_path} has a layer {request.layer_name!r} already; choose another name, or delete it first"
        )


def _identity(request: ImportRequest, described: VolumeDescription, info: ArrayInfo) -> str:
    document = [
        [[file.relative_path, file.size_bytes, file.mtime_ns] for file in described.files],
        request.source.identity(),
        [request.category, list(request.topleft), request.mag.to_layer_name()],
        [info.data_format.value, list(info.chunk_shape), list(info.shard_shape), repr(info.compression_mode)],
        [repr(info.box), info.voxel_type.name],
    ]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _fill(
    request: ImportRequest,
    reader: VolumeReader,
    array: MagArray,
    layer: LayerProperties,
    journal: _Journal,
    compute: Compute,
    listener: ProgressListener | None,
) -> None:
    """Read bands of rows of a few slices, and store each band at once: whole shards wherever that fits the memory."""
    described = reader.description
    box = box_in_mag(layer.bounding_box, request.mag)
    corner = request.topleft // request.mag.to_vec3_int()
    bands = list(_bands(box, array.info))
    total = box.volume()
    done = sum(band.volume() for band in bands[: journal.done])
    with ThreadPoolExecutor(compute.threads) as pool:
        for number in range(journal.done, len(bands)):
            band = bands[number]
            at = tuple(band.get_bounds(axis)[0] for axis, _ in described.additional)
            # voxels beyond the images (a coarse mag is rounded outward) are zero
            voxels = np.zeros(
                (described.channels, band.get_shape("z"), band.get_shape("y"), band.get_shape("x")), described.dtype
            )
            first_z, first_row = band.get_bounds("z")[0] - corner.z, band.get_bounds("y")[0] - corner.y
            rows = min(band.get_shape("y"), described.size.y - first_row)
            slices = range(first_z, min(first_z + band.get_shape("z"), described.size.z))

            def load(
                z: int,
                at: tuple[int, ...] = at,
                window: np.ndarray[Any, Any] = voxels[:, :, :rows, : described.size.x],
                first_z: int = first_z,
                first_row: int = first_row,
                rows: int = rows,
            ) -> None:
                if first_row == 0 and rows == described.size.y:
                    reader.read_slice(z, window[:, z - first_z], at)
                elif rows > 0:
                    reader.open_rows(z, at).read(first_row, window[:, z - first_z])

            if isinstance(reader, ReadsBlocks):  # its chunks are decoded once, not for every slice
                for y, x in pieces_of(reader, (slices.start, slices.stop), (first_row, first_row + rows)):
                    block = reader.read_block(at, (slices.start, slices.stop), y, x)
                    voxels[:, : len(slices), y[0] - first_row : y[1] - first_row, slice(*x)] = block
            else:
                list(pool.map(load, slices))
            journal.see(voxels[:, : len(slices), :rows, : described.size.x])
            stored = np.moveaxis(voxels, (1, 3), (3, 1))
            array.write_box(band, stored.reshape(tuple(band.size)))
            journal.done = number + 1
            journal.note()
            done += band.volume()
            if listener is not None:
                listener(Progress(done_voxels=done, total_voxels=total))


def _bands(box: NormalizedBoundingBox, info: ArrayInfo) -> Iterator[NormalizedBoundingBox]:
    """Cut a box into bands of full width that end at the borders of shards, or of chunks where shards are too much."""
    row_bytes = box.get_shape("x") * info.num_channels * info.voxel_type.itemsize
    depth, rows = info.shard_shape.z, info.shard_shape.y
    while (
        depth > info.chunk_shape.z
        and min(depth, box.get_shape("z")) * min(rows, box.get_shape("y")) * row_bytes > _SLAB_BYTES
    ):
        depth //= 2
    while (
        rows > info.chunk_shape.y
        and min(depth, box.get_shape("z")) * min(rows, box.get_shape("y")) * row_bytes > _SLAB_BYTES
    ):
        rows //= 2
    rows *= max(1, _SLAB_BYTES // (min(depth, box.get_shape("z")) * rows * row_bytes))
    extra = box.axes[:-4]
    for at in product(*(range(*box.get_bounds(axis)) for axis in extra)):
        single = box
        for axis, position in zip(extra, at, strict=True):
            single = single.with_bounds(axis, position, 1)
        for z in _cuts(*box.get_bounds("z"), depth):
            for y in _cuts(*box.get_bounds("y"), rows):
                yield single.with_bounds("z", *z).with_bounds("y", *y)


def _cuts(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of pieces that end at multiples of `step`."""
    while start < stop:
        end = min(stop, (start // step + 1) * step)
        yield start, end - start
        start = end


def _finished(layer: LayerProperties, request: ImportRequest, info: ArrayInfo, journal: _Journal) -> LayerProperties:
    """Name the mag, and say what was seen of the voxels."""
    order = {axis: place for axis, place in info.axis_order.items() if axis in {"c", "x", "y", "z"}} or {
        axis: place for place, axis in enumerate(info.box.axes) if axis in {"c", "x", "y", "z"}
    }
    mag = MagViewProperties(
        mag=request.mag,
        path=f"./{request.layer_name}/{request.mag.to_layer_name()}",
        axis_order=order,
        cube_length=info.shard_shape.x if info.data_format.value == "wkw" else None,
    )
    changes: dict[str, Any] = {"mags": (mag,)}
    low, high = journal.minimum, journal.maximum
    if isinstance(layer, SegmentationLayerProperties):
        changes["largest_segment_id"] = None if high is None else max(int(high), 0)
    elif low is not None and high is not None and low < high:
        changes["default_view_configuration"] = LayerViewConfiguration(intensity_range=(low, high), min=low, max=high)
    return layer.model_copy(update=changes)


def has_layer(properties: DatasetProperties, name: str) -> bool:
    """Say whether a dataset has a layer of this name."""
    return any(layer.name == name for layer in properties.data_layers)
