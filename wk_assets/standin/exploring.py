"""Look at what lies at a URI and describe it as a data source: a dataset's own description, OME-Zarr, Zarr, N5, precomputed.

Reads descriptions only, of folders of this machine and behind http(s). Sources: OME-NGFF 0.4 and 0.5 (`multiscales`), the Zarr
and N5 specifications, neuroglancer's `info`. The routes: `webknossos-server` §1.8.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from wk_assets.errors import WkAssetsError
from wk_assets.properties.element_class import element_class
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import mistakes_of
from wk_assets.standin.dataset_store import absolute_layer, add_dataset, usable
from wk_assets.standin.people import asker, manages_any, require
from wk_assets.standin.replies import Refusal

routes = Routes()
_NANOMETERS = {
    "angstrom": 0.1, "nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "centimeter": 1e7, "meter": 1e9,
}  # fmt: skip
_TIMEOUT_SECONDS = 30.0
_ZARR_UNIT_DEFAULT = 1.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Name a folder on this disk or behind http(s). `login`: what the server there asks for."""

    base: str
    login: tuple[str, str] | None

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a description; None if there is none, or no JSON object."""
        text = self._web(name) if self.base.startswith(("http://", "https://")) else self._disk(name)
        try:
            found = json.loads(text) if text is not None else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _disk(self, name: str) -> bytes | None:
        path = Path(self.base) / name
        return path.read_bytes() if path.is_file() else None

    def _web(self, name: str) -> bytes | None:
        try:
            answer = httpx.get(f"{self.base}/{name}", auth=self.login, timeout=_TIMEOUT_SECONDS, follow_redirects=True)
        except httpx.HTTPError as error:
            raise Refusal("The URI could not be reached.", chain=f"{self.base}: {type(error).__name__}") from error
        return answer.content if answer.is_success else None

    def below(self, name: str) -> "_Place":
        return self if name in {"", "."} else _Place(f"{self.base}/{name}", self.login)


@dataclass(frozen=True, slots=True)
class _Array:
    """Describe the array of a mag. `axes`: lower-case names, one per dimension."""

    shape: tuple[int, ...]
    dtype: str
    data_format: str


def explored(uri: str, login: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return the data source of what lies at a URI, all paths absolute. Refused if nothing known is there."""
    place = _Place(uri.removeprefix("file://").rstrip("/"), login)
    if "://" in place.base and not place.base.startswith(("http://", "https://")):
        raise Refusal(
            "No compatible dataset was found at the given URI.", chain=f"{uri}: only http(s) and file are read"
        )
    for look in (_as_described, _as_ome_zarr, _as_zarr, _as_n5, _as_precomputed):
        found = look(place)
        if found is not None:
            return found
    raise Refusal("No compatible dataset was found at the given URI.", chain=f"{uri} was explored")


def _source(name: str, factor: Sequence[float], layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": {"name": name, "team": ""}, "scale": {"factor": list(factor), "unit": "nanometer"}, "version": 1,
        "dataLayers": layers,
    }  # fmt: skip


def _name(place: _Place) -> str:
    stem = place.base.rsplit("/", 1)[-1].split(".")[0]
    return "".join(one if one.isalnum() or one in "_-" else "_" for one in stem) or "layer"


def _layer(name: str, array: _Array, box: dict[str, Any], mags: list[dict[str, Any]], channels: int) -> dict[str, Any]:
    try:
        kind = element_class(np.dtype(array.dtype), channels)
    except (WkAssetsError, TypeError) as error:
        raise Refusal(f"Voxels of type {array.dtype} are not read.", chain=str(error)) from error
    layer: dict[str, Any] = {
        "name": name, "category": "color", "boundingBox": box, "elementClass": kind,
        "dataFormat": array.data_format, "numChannels": channels, "mags": mags,
    }  # fmt: skip
    if kind in {"uint32", "uint64"}:  # images have fewer grey values
        layer |= {"category": "segmentation", "largestSegmentId": None}
    return layer


def _box(size: Sequence[int], corner: Sequence[int] = (0, 0, 0)) -> dict[str, Any]:
    return {"topLeft": list(corner), "width": size[0], "height": size[1], "depth": size[2]}


# ---------------------------------------------------------------------- a dataset's own description


def _as_described(place: _Place) -> dict[str, Any] | None:
    source = place.json("datasource-properties.json")
    if source is None:
        return None
    described = {"source": source, "root": place.base}
    layers = [absolute_layer(described, layer["name"]) for layer in source.get("dataLayers", [])]
    if place.base.startswith("http"):
        for layer in layers:
            for mag in layer["mags"]:
                mag["path"] = _as_url(mag["path"])
    return {**source, "dataLayers": layers}


def _as_url(path: str) -> str:
    """Put back the slashes of an address that was handled as a path."""
    scheme, separator, rest = path.partition(":/")
    return f"{scheme}://{rest.lstrip('/')}" if separator and scheme in {"http", "https"} else path


# ---------------------------------------------------------------------- Zarr


def _zarr_array(place: _Place) -> tuple[_Array, list[str] | None] | None:
    newer = place.json("zarr.json")
    if newer is not None:
        if newer.get("node_type") != "array":
            return None
        return _Array(tuple(newer["shape"]), newer["data_type"], "zarr3"), newer.get("dimension_names")
    older = place.json(".zarray")
    if older is None:
        return None
    return _Array(tuple(older["shape"]), np.dtype(older["dtype"]).name, "zarr"), None


def _extent(array: _Array, axes: Sequence[str]) -> tuple[list[int], int]:
    """Return the size along x, y, z, and the number of channels."""
    by_axis = dict(zip(axes, array.shape, strict=True))
    others = [axis for axis in axes if axis not in {"c", "x", "y", "z"} and by_axis[axis] > 1]
    if others or not {"x", "y", "z"} <= set(axes):
        raise Refusal(f"Arrays with the axes {', '.join(axes)} are not explored by the stand-in.")
    return [by_axis[axis] for axis in "xyz"], by_axis.get("c", 1)


def _usual_axes(rank: int) -> list[str]:
    if rank not in {3, 4}:
        raise Refusal(f"Arrays of {rank} dimensions without names are not explored by the stand-in.")
    return ["c", "x", "y", "z"][-rank:]


def _order(axes: Sequence[str]) -> dict[str, int]:
    return {axis: index for index, axis in enumerate(axes) if axis in {"c", "x", "y", "z"}}


def _as_zarr(place: _Place) -> dict[str, Any] | None:
    found = _zarr_array(place)
    if found is None:
        return None
    array, names = found
    named = [str(one).lower() for one in names or []]
    axes = named if {"x", "y", "z"} <= set(named) else _usual_axes(len(array.shape))
    size, channels = _extent(array, axes)
    mag = {"mag": [1, 1, 1], "path": place.base, "axisOrder": _order(axes)}
    return _source(_name(place), (1.0, 1.0, 1.0), [_layer(_name(place), array, _box(size), [mag], channels)])


def _as_ome_zarr(place: _Place) -> dict[str, Any] | None:
    newer, older = place.json("zarr.json"), place.json(".zattrs")
    attributes = ((newer or {}).get("attributes") or {}).get("ome") or older or {}
    images = attributes.get("multiscales")
    if not images:
        return None
    image = images[0]
    axes = [str(axis["name"] if isinstance(axis, dict) else axis).lower() for axis in image["axes"]]
    units = [
        _NANOMETERS.get(axis.get("unit", ""), _ZARR_UNIT_DEFAULT) if isinstance(axis, dict) else 1.0
        for axis in image["axes"]
    ]
    whole = _scale(image.get("coordinateTransformations"), len(axes))
    mags, finest, first = [], None, None
    for entry in image["datasets"]:
        found = _zarr_array(place.below(entry["path"]))
        if found is None:
            raise Refusal(f"The multiscale names {entry['path']}, and no array is there.")
        own = _scale(entry.get("coordinateTransformations"), len(axes))
        by_axis = dict(zip(axes, (a * b * unit for a, b, unit in zip(own, whole, units, strict=True)), strict=True))
        size = [by_axis[axis] for axis in "xyz" if axis in by_axis]
        if finest is None:
            finest, first = size, found[0]
        factors = [max(1, round(a / b)) for a, b in zip(size, finest, strict=True)]
        mags.append({"mag": factors, "path": place.below(entry["path"]).base, "axisOrder": _order(axes)})
    if first is None or finest is None:
        raise Refusal("The multiscale names no arrays.")
    extent, channels = _extent(first, axes)
    layer = _layer(_name(place), first, _box(extent), mags, channels)
    if "image-label" in attributes:
        layer |= {"category": "segmentation", "largestSegmentId": None}
    return _source(_name(place), finest, [layer])


def _scale(transformations: list[dict[str, Any]] | None, rank: int) -> list[float]:
    for one in transformations or []:
        if one.get("type") == "scale":
            return [float(value) for value in one["scale"]]
    return [1.0] * rank


# ---------------------------------------------------------------------- N5, precomputed


def _as_n5(place: _Place) -> dict[str, Any] | None:
    attributes = place.json("attributes.json")
    if attributes is None:
        return None
    factors = attributes.get("scales") or attributes.get("downsamplingFactors")
    if "dimensions" in attributes:
        arrays = [(place, attributes, [1, 1, 1])]
    else:
        arrays = []
        for level in range(len(factors) if factors else 32):
            inner = place.below(f"s{level}")
            described = inner.json("attributes.json")
            if described is None or "dimensions" not in described:
                break
            own = described.get("downsamplingFactors") or (factors[level] if factors else [2**level] * 3)
            arrays.append((inner, described, own))
    if not arrays:
        return None
    _, first, _ = arrays[0]
    rank = len(first["dimensions"])
    axes = ["x", "y", "z", "c"][:rank]
    array = _Array(tuple(first["dimensions"]), first["dataType"], "n5")
    size, channels = _extent(array, axes)
    resolution = (
        attributes.get("resolution") or (attributes.get("pixelResolution") or {}).get("dimensions") or [1, 1, 1]
    )
    mags = [
        {"mag": [int(one) for one in own[:3]], "path": inner.base, "axisOrder": _order(axes)}
        for inner, _, own in arrays
    ]
    layer = _layer(_name(place), array, _box(size), mags, channels)
    return _source(_name(place), [float(one) for one in resolution[:3]], [layer])


def _as_precomputed(place: _Place) -> dict[str, Any] | None:
    info = place.json("info")
    if info is None or not info.get("scales"):
        return None
    scales = info["scales"]
    finest = [float(one) for one in scales[0]["resolution"]]
    mags = [
        {
            "mag": [max(1, round(a / b)) for a, b in zip(scale["resolution"], finest, strict=True)],
            "path": place.below(scale["key"]).base,
            "axisOrder": {"x": 0, "y": 1, "z": 2, "c": 3},
        }
        for scale in scales
    ]
    array = _Array((), info["data_type"], "neuroglancerPrecomputed")
    box = _box(scales[0]["size"], scales[0].get("voxel_offset") or (0, 0, 0))
    layer = _layer(_name(place), array, box, mags, int(info["num_channels"]))
    if info.get("type") == "segmentation":
        layer |= {"category": "segmentation", "largestSegmentId": None}
    return _source(_name(place), finest, [layer])


# ---------------------------------------------------------------------- the routes


def _login(body: dict[str, Any]) -> tuple[str, str] | None:
    user, secret = body.get("credentialIdentifier"), body.get("credentialSecret")
    return (user, secret) if user and secret else None


@routes.on("api", "POST", "/datasets/exploreRemote", changes=False)
def explore(call: Call) -> Any:
    """Describe what lies at some URIs as one data source."""
    require(manages_any(asker(call)), "dataset.create")
    wanted = call.json()
    if not isinstance(wanted, list) or not wanted:
        raise Refusal("There must be at least one URI to explore.")
    try:
        sources = [explored(one["remoteUri"], _login(one)) for one in wanted]
    except Refusal as error:
        return {"report": f"{error.message} {error.chain or ''}".strip()}
    layers = [layer for source in sources for layer in source["dataLayers"]]
    return {"dataSource": {**sources[0], "dataLayers": layers}, "report": f"{len(layers)} layers were found."}


@routes.on("api", "POST", "/datasets/exploreAndAddRemote")
def explore_and_add(call: Call) -> Any:
    """Look at a URI and add what is there. Like the server's, this route knows no credentials."""
    require(manages_any(asker(call)), "dataset.create")
    body = call.json("remoteUri", "datasetName")
    source = explored(body["remoteUri"])
    mistakes = mistakes_of(source, Path("/"), call.version)
    if mistakes:
        raise Refusal("The data source is not valid.", chain=" <~ ".join(mistakes))
    dataset = add_dataset(call.world, body["datasetName"], folder_id=body.get("folderId"))
    usable(call.world, dataset, source)
    return dataset["id"]
