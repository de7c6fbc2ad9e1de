"""Find the array that a person means by a path: in which format, which dimension is which axis, how large a voxel is.

Looks at metadata only: Zarr v3 and v2 arrays and OME-Zarr groups, N5, neuroglancer precomputed. Axes are named by the array,
by the OME-Zarr group around it, by the format, or by the person; never guessed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.errors import AxesError, GeometryError, NotADatasetError, PropertiesError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.readers.volume import MeasuredVoxelSize
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array

_USUAL = ("c", "x", "y", "z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundArray:
    """Say where an array is and what its dimensions mean. `origin`: where its voxels begin, x, y, z."""

    path: Path
    data_format: DataFormat
    axes: tuple[str, ...]
    metadata: Path
    origin: Vec3Int = Vec3Int(0, 0, 0)
    voxel_size: MeasuredVoxelSize | None = None

    def open(self) -> MagArray:
        """Open the array. Raises NotADatasetError, PropertiesError."""
        return open_mag_array(
            self.path,
            data_format=self.data_format,
            axis_order={axis: place for place, axis in enumerate(self.axes) if axis in _USUAL},
            additional_axes=[
                AdditionalAxisProperties(name=axis, bounds=(0, 0), index=place)
                for place, axis in enumerate(self.axes)
                if axis not in _USUAL
            ],
            read_only=True,
        )


def find_array(path: Path, axes: str | None = None) -> FoundArray:
    """Find the array at `path`. `axes`: one letter per dimension, slowest first, like "zyx" or "tczyx"; wins over all names.

    Raises NotADatasetError if there is none, AxesError where nobody names the axes, PropertiesError for broken metadata.
    """
    if (path / "info").is_file():
        return _precomputed(path, path / "info", None)
    if (path.parent / "info").is_file() and not (path / "zarr.json").exists():
        return _precomputed(path.parent, path.parent / "info", path.name)
    for name, data_format in (
        ("zarr.json", DataFormat.Zarr3),
        (".zarray", DataFormat.Zarr),
        (".zgroup", DataFormat.Zarr),
        ("attributes.json", DataFormat.N5),
    ):
        if (path / name).is_file():
            return _zarr(path, path / name, data_format, axes)
    raise NotADatasetError(
        f"{path}: no array is here: there is no zarr.json, .zarray, attributes.json (N5) or info (neuroglancer precomputed)"
    )


def _zarr(path: Path, metadata: Path, data_format: DataFormat, axes: str | None) -> FoundArray:
    document = _json(metadata)
    if data_format is DataFormat.N5 and "dimensions" not in document:
        raise NotADatasetError(f"{path}: an N5 group, no array; give the path of one of its arrays")
    if metadata.name == ".zgroup" or document.get("node_type") == "group":
        inner = _first_of_group(path, document)
        return find_array(path / inner, axes)
    dimensions = len(document["shape" if data_format is not DataFormat.N5 else "dimensions"])
    image = _multiscale_around(path)
    names = _named(axes, dimensions, path) or _axes_of(image) or _own_names(document, path, data_format, dimensions)
    if names is None or len(names) != dimensions:
        raise AxesError(
            f"{path}: nobody names its {dimensions} axes; say what they are, slowest first, like `--axes zyx` or `--axes xyz`"
        )
    if not {"x", "y", "z"} <= set(names) or len(set(names)) != len(names):
        raise AxesError(f"{path}: its axes are {', '.join(names)}; x, y and z must be among them, each once")
    measured = None if axes is not None else _scale_of(image, path)
    return FoundArray(path=path, data_format=data_format, axes=names, metadata=metadata, voxel_size=measured)


def _named(axes: str | None, dimensions: int, path: Path) -> tuple[str, ...] | None:
    if axes is None:
        return None
    if len(axes) != dimensions:
        raise AxesError(f"{path}: `--axes {axes}` names {len(axes)} axes, the array has {dimensions}")
    return tuple(axes.lower())


def _own_names(
    document: dict[str, Any], path: Path, data_format: DataFormat, dimensions: int
) -> tuple[str, ...] | None:
    if data_format is DataFormat.N5:  # Source: N5 stores dimensions x first
        return tuple(document["axes"]) if "axes" in document else (("x", "y", "z") if dimensions == 3 else None)
    named = document.get("dimension_names")
    if named is None and data_format is DataFormat.Zarr and (path / ".zattrs").is_file():
        named = _json(path / ".zattrs").get("_ARRAY_DIMENSIONS")
    return tuple(str(name).lower() for name in named) if named and None not in named else None


def _multiscale_around(path: Path) -> dict[str, Any] | None:
    """Return the OME-Zarr image whose group an array lies in, if it is one of its mags."""
    for name in ("zarr.json", ".zattrs"):
        file = path.parent / name
        if not file.is_file():
            continue
        for image in _images(_json(file)):
            for entry in image.get("datasets", ()):
                if entry.get("path") == path.name:
                    return {**image, "entry": entry}
    return None


def _images(document: dict[str, Any]) -> list[dict[str, Any]]:
    attributes = document.get("attributes", document)
    images = attributes.get("ome", attributes).get("multiscales", ())
    return [image for image in images if isinstance(image, dict)]


def _first_of_group(path: Path, document: dict[str, Any]) -> str:
    attributes = _json(path / ".zattrs") if (path / ".zattrs").is_file() else document
    for image in _images(attributes):
        for entry in image.get("datasets", ()):
            return str(entry["path"])
    arrays = sorted(one.name for one in path.iterdir() if (one / "zarr.json").is_file() or (one / ".zarray").is_file())
    raise NotADatasetError(
        f"{path}: a Zarr group that is no OME-Zarr image; give the path of one array in it ({', '.join(arrays[:5]) or 'there is none'})"
    )


def _axes_of(image: dict[str, Any] | None) -> tuple[str, ...] | None:
    axes = (image or {}).get("axes")
    if not axes:
        return None
    return tuple(str(axis["name"] if isinstance(axis, dict) else axis).lower() for axis in axes)


def _scale_of(image: dict[str, Any] | None, path: Path) -> MeasuredVoxelSize | None:
    """Read the voxel size of an OME-Zarr array: its scale, in the unit of its axes."""
    names = _axes_of(image)
    if image is None or names is None:
        return None
    units = {axis["name"].lower(): axis.get("unit") for axis in image["axes"] if isinstance(axis, dict)}
    scale = [1.0] * len(names)
    for steps in (image["entry"].get("coordinateTransformations", ()), image.get("coordinateTransformations", ())):
        for step in steps:
            if step.get("type") == "scale":
                scale = [one * other for one, other in zip(scale, step["scale"], strict=True)]
    spatial = {units.get(axis) for axis in "xyz"}
    if len(spatial) != 1 or None in spatial:
        return None  # lengths without a unit are no lengths
    try:
        unit = LengthUnit.from_text(str(spatial.pop()))
        lengths = tuple(float(scale[names.index(axis)]) for axis in "xyz")
        return MeasuredVoxelSize(voxel_size=VoxelSize(lengths, unit), source=f"OME-Zarr scale of {path.name}")
    except (GeometryError, ValueError):
        return None


def _precomputed(root: Path, info: Path, key: str | None) -> FoundArray:
    document = _json(info)
    scales = document.get("scales") or []
    scale = next((one for one in scales if key is None or one.get("key") == key), None)
    if scale is None:
        known = ", ".join(str(one.get("key")) for one in scales) or "none"
        raise NotADatasetError(f"{root}: its info names no scale {key!r}; there are {known}")
    try:
        size = VoxelSize([float(edge) for edge in scale["resolution"]], LengthUnit.NANOMETER)
        origin = Vec3Int(scale.get("voxel_offset", (0, 0, 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise PropertiesError(f"{info}: scale {scale.get('key')!r} can not be understood: {error!r}") from error
    if min(origin) < 0:
        raise PropertiesError(
            f"{info}: scale {scale['key']!r} begins at {tuple(origin)}, below 0, where no dataset reaches"
        )
    return FoundArray(
        path=root / scale["key"],
        data_format=DataFormat.NeuroglancerPrecomputed,
        axes=("x", "y", "z", "c"),
        metadata=info,
        origin=origin,
        voxel_size=MeasuredVoxelSize(voxel_size=size, source=f"resolution of scale {scale['key']} in {info.name}"),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise PropertiesError(f"{path}: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise PropertiesError(f"{path}: holds no JSON object")
    return document
