"""The groups of OME-Zarr 0.5 around the arrays of a dataset, as JSON values. Opens no file.

Source: OME-NGFF 0.5 (multiscales, omero, image-label) and its transitional `bioformats2raw.layout` for a collection of
images. A dataset's root is such a collection, its `OME` group names the layers, each layer is one image.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize

NGFF_VERSION = "0.5"
STORAGE_AXES = ("c", "z", "y", "x")
_ORIGIN = Vec3Int(0, 0, 0)
_RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


def root_group_attributes() -> dict[str, Any]:
    """Give the attributes of a dataset's root group: a collection of images."""
    return {"ome": {"version": NGFF_VERSION, "bioformats2raw.layout": 3}}


def series_group_attributes(series: Sequence[str]) -> dict[str, Any]:
    """Give the attributes of the group `OME`, which names the layers in their order."""
    return {"ome": {"version": NGFF_VERSION, "series": list(series)}}


def layer_group_attributes(
    *,
    name: str,
    category: Literal["color", "segmentation"],
    voxel_size: VoxelSize,
    mags: Sequence[Mag],
    dtype: "np.dtype[Any] | str",
    channels: int = 1,
    axes: Sequence[str] = STORAGE_AXES,
    window: tuple[float, float] | None = None,
    color: tuple[int, int, int] | None = None,
    mode: str | None = None,
    source_image: str | None = None,
    paths: Mapping[Mag, str] | None = None,
    corners: Mapping[Mag, Vec3Int] | None = None,
) -> dict[str, Any]:
    """Give the attributes of a layer's group: one multiscale image, finest mag first.

    `axes` are the arrays' dimensions in storage order. The arrays start at the dataset's origin, so the centre of the
    first voxel of mag m lies (m - 1) / 2 mag-1 voxels behind that of mag 1: the translation says so. `paths` name the arrays
    relative to the group; by default they are called like their mag. `corners`: where arrays that are cut out begin, in
    voxels x, y, z of their mag.
    Color layers: `window` is what a viewer shows from black to white, by default the range of an integer dtype, `color` the
    RGB of a single channel. Segmentation layers: `source_image` is the relative path of the image that was segmented.
    """
    unit = voxel_size.unit.value
    multiscale: dict[str, Any] = {
        "name": name,
        "axes": [_axis(axis, unit) for axis in axes],
        "datasets": [
            {
                "path": (paths or {}).get(mag, mag.to_layer_name()),
                "coordinateTransformations": [
                    {"type": "scale", "scale": _per_axis(axes, _scale(voxel_size, mag), 1.0)},
                    {
                        "type": "translation",
                        "translation": _per_axis(
                            axes, _translation(voxel_size, mag, (corners or {}).get(mag, _ORIGIN)), 0.0
                        ),
                    },
                ],
            }
            for mag in sorted(mags, key=lambda mag: (mag.max_dim, mag.to_tuple()))
        ],
    }
    if mode is not None:
        multiscale["type"] = mode
    attributes: dict[str, Any] = {"version": NGFF_VERSION, "multiscales": [multiscale]}
    if category == "segmentation":
        attributes["image-label"] = {} if source_image is None else {"source": {"image": source_image}}
    else:
        attributes["omero"] = {"channels": _omero_channels(name, channels, np.dtype(dtype), window, color)}
    return {"ome": attributes}


def as_version_0_4(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a layer group's attributes in the form of OME-NGFF 0.4, for Zarr v2: no `ome`, a version in each part."""
    parts = {name: part for name, part in attributes["ome"].items() if name != "version"}
    parts["multiscales"] = [{"version": "0.4", **multiscale} for multiscale in parts["multiscales"]]
    for name in ("omero", "image-label"):
        if name in parts:
            parts[name] = {"version": "0.4", **parts[name]}
    return parts


def group_metadata(attributes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give the content of a group's `zarr.json`."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes or {})}


def group_text(attributes: Mapping[str, Any] | None = None) -> str:
    """Give the text of a group's `zarr.json`; the same attributes give the same bytes."""
    return json.dumps(group_metadata(attributes), indent=2, allow_nan=False) + "\n"


def _axis(axis: str, unit: str) -> dict[str, str]:
    if axis in ("x", "y", "z"):
        return {"name": axis, "type": "space", "unit": unit}
    return {"name": axis, "type": {"c": "channel", "t": "time"}.get(axis, "other")}


def _per_axis(axes: Sequence[str], spatial: Mapping[str, float], other: float) -> list[float]:
    return [spatial.get(axis, other) for axis in axes]


def _scale(voxel_size: VoxelSize, mag: Mag) -> dict[str, float]:
    return {axis: edge * factor for axis, edge, factor in zip("xyz", voxel_size.factor, mag.to_tuple(), strict=True)}


def _translation(voxel_size: VoxelSize, mag: Mag, corner: Vec3Int) -> dict[str, float]:
    behind = mag.to_vec3_int() - Vec3Int(1, 1, 1) + corner * mag.to_vec3_int() * 2
    return {axis: edge * steps / 2 for axis, edge, steps in zip("xyz", voxel_size.factor, behind, strict=True)}


def _omero_channels(
    name: str,
    channels: int,
    dtype: np.dtype[Any],
    window: tuple[float, float] | None,
    color: tuple[int, int, int] | None,
) -> list[dict[str, Any]]:
    lowest, highest = window or (0.0, 1.0)
    if dtype.kind in "ui":
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    start, end = window or (lowest, highest)
    shown = {"min": lowest, "max": highest, "start": start, "end": end}
    if channels == len(_RGB):
        labels = [(f"{name} {label}", rgb) for label, rgb in _RGB]
    else:
        rgb = "FFFFFF" if color is None else "".join(f"{part:02X}" for part in color)
        labels = [(name if channels == 1 else f"{name} {channel}", rgb) for channel in range(channels)]
    return [{"label": label, "color": rgb, "window": dict(shown), "active": True} for label, rgb in labels]
