"""What layer lies in a directory that no metadata names: its format, mags, type, channels and box, from the arrays."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from wk_assets.errors import GeometryError, NotADatasetError, PropertiesError
from wk_assets.geometry.bounding_box import NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.properties.layer_properties import (
    Category,
    DataFormat,
    LayerProperties,
    MagViewProperties,
    new_layer_properties,
)
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array

# The file that an array of each format has in its directory.
_SIGNS = {
    "header.wkw": DataFormat.WKW,
    "zarr.json": DataFormat.Zarr3,
    ".zarray": DataFormat.Zarr,
    "attributes.json": DataFormat.N5,
}
_PRECOMPUTED_SIGN = "info"  # of all scales, beside their folders
_USUAL = ("c", "x", "y", "z")


def describe_existing_layer(
    dataset_path: Path,
    layer_name: str,
    category: Category,
    *,
    dtype: "np.dtype[Any] | None" = None,
    num_channels: int | None = None,
    data_format: DataFormat | None = None,
    box: NDBoundingBox | None = None,
    largest_segment_id: int | None = None,
) -> LayerProperties:
    """Describe the arrays in `<layer>/<mag>`; what is given counts, not what they say.

    The box is that of the finest array, which formats with whole shards round up. Raises NotADatasetError if there is no
    array, PropertiesError for arrays of several formats or voxels that contradict what is given.
    """
    folder = dataset_path / layer_name
    found = dict(sorted(_arrays(folder).items(), key=lambda item: (item[0].max_dim, item[0].to_tuple())))
    if not found:
        raise NotADatasetError(f"{folder} has no arrays: expected folders that are called like mags, as {folder / '1'}")
    formats = {kind for _, kind in found.values()} if data_format is None else {data_format}
    if len(formats) != 1:
        raise PropertiesError(f"{folder} holds arrays of several formats: {', '.join(sorted(formats))}")
    (kind,) = formats
    arrays = {mag: open_mag_array(path, data_format=kind, read_only=True) for mag, (path, _) in found.items()}
    mag, finest = next(iter(arrays.items()))
    channels = num_channels or finest.info.num_channels
    return new_layer_properties(
        name=layer_name,
        category=category,
        box=_box(finest, mag) if box is None else box,
        dtype=finest.info.voxel_type if dtype is None else dtype,
        mags=tuple(_entry(layer_name, found[mag][0], mag, array) for mag, array in arrays.items()),
        channels=channels,
        data_format=kind,
        largest_segment_id=largest_segment_id,
    )


def _arrays(folder: Path) -> dict[Mag, tuple[Path, DataFormat]]:
    """Find the arrays of a layer by mag; where a mag lies twice, its short name counts."""
    found: dict[Mag, tuple[Path, DataFormat]] = {}
    if not folder.is_dir():
        return found
    if (folder / _PRECOMPUTED_SIGN).exists():
        return _precomputed(folder)
    for path in sorted(folder.iterdir(), key=lambda path: len(path.name), reverse=True):
        try:
            mag = Mag(path.name)
        except GeometryError:
            continue
        for sign, data_format in _SIGNS.items():
            if (path / sign).exists():
                found[mag] = (path, data_format)
                break
    return found


def _precomputed(folder: Path) -> dict[Mag, tuple[Path, DataFormat]]:
    """Find the scales that `info` names; their mags follow from their resolutions, the finest one is mag 1."""
    path = folder / _PRECOMPUTED_SIGN
    try:
        scales = json.loads(path.read_bytes())["scales"]
        resolutions = {str(scale["key"]): [float(edge) for edge in scale["resolution"]] for scale in scales}
        finest = [min(edges) for edges in zip(*resolutions.values(), strict=True)]
        mags = {
            key: Mag([round(edge / least) for edge, least in zip(edges, finest, strict=True)])
            for key, edges in resolutions.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise PropertiesError(f"{path}: not the description of precomputed scales ({error!r})") from error
    return {mag: (folder / key, DataFormat.NeuroglancerPrecomputed) for key, mag in mags.items()}


def _box(array: MagArray, mag: Mag) -> NDBoundingBox:
    """Give the box of an array in mag-1 voxels; of one that does not know its size (wkw), that of what is stored."""
    box = array.info.box
    if box.is_empty():
        stored = list(array.stored_boxes())
        for one in stored:
            box = one if box.is_empty() else box.extended_by(one)
        box = NormalizedBoundingBox(box.topleft * 0, tuple(box.bottomright), box.axes)
    return box.from_mag_to_mag1(mag).denormalize()


def _entry(layer_name: str, path: Path, mag: Mag, array: MagArray) -> MagViewProperties:
    info = array.info
    places = dict(info.axis_order) or {axis: place for place, axis in enumerate(info.box.axes)}
    return MagViewProperties(
        mag=mag,
        path=f"./{layer_name}/{path.name}",
        cube_length=info.shard_shape.x if info.data_format is DataFormat.WKW else None,
        axis_order={axis: places[axis] for axis in _USUAL if axis in places},
    )
