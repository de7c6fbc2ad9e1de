"""Voxels as the data store serves them: raw boxes, a streamed Zarr v2 view, and the stored files themselves.

Source: `webknossos-server` §1.10: 32³ chunks, not compressed, Fortran order, shapes from the origin to the end of the box.
"""

import json
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import FileResponse, Response

from wk_assets.errors import WkAssetsError
from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties, MagViewProperties
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import enveloped
from wk_assets.standin.dataset_store import Dataset, may_read, shared_by, stored_dataset
from wk_assets.standin.people import user_of_token
from wk_assets.standin.replies import Refusal, not_found, store_denied
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.properties_file import array_location

routes = Routes()
_CHUNK = 32
_REMOTE_TIMEOUT_SECONDS = 60.0
_PROPERTIES = "datasource-properties.json"


def opened(call: Call, dataset_id: str) -> Dataset:
    """Return a dataset that the token of a call opens. Tokens come in the header or as `?token=`."""
    world = call.world
    dataset = stored_dataset(world, dataset_id)
    token = call.query.get("token")
    user = call.user or user_of_token(world, token)
    if not may_read(world, user, dataset) and not shared_by(world, token or call.token, dataset_id):
        raise store_denied(f"read dataset {dataset_id}")
    if dataset["source"] is None:
        raise Refusal(f"Dataset {dataset_id} is not usable: {dataset['status']}", 404)
    return dataset


@lru_cache(maxsize=32)
def _properties(text: str) -> DatasetProperties:
    return DatasetProperties.parse_text(text, source="the data source")


def layer_properties(dataset: Dataset, name: str) -> LayerProperties:
    """Return the description of a layer."""
    for layer in _properties(json.dumps(dataset["source"])).data_layers:
        if layer.name == name:
            return layer
    raise not_found("Layer", name)


def mag_view(layer: LayerProperties, name: str) -> MagViewProperties:
    """Return the description of a mag of a layer."""
    try:
        wanted = Mag(name)
    except WkAssetsError as error:
        raise Refusal(f"{name!r} is no mag.") from error
    for view in layer.mags:
        if view.mag == wanted:
            return view
    raise not_found("Mag", name)


def layer_array(dataset: Dataset, layer: LayerProperties, view: MagViewProperties) -> MagArray:
    """Open the array of a mag, on this disk or behind http(s)."""
    path = array_location(Path(dataset["root"]), layer.name, view.mag, view.path)
    if path is None:
        return _remote_array(str(view.path), layer, view)
    return open_mag_array(
        path,
        data_format=layer.data_format,
        axis_order=view.axis_order,
        additional_axes=layer.additional_axes or (),
        read_only=True,
    )


def _remote_array(url: str, layer: LayerProperties, view: MagViewProperties) -> MagArray:
    if not url.startswith(("http://", "https://")):
        raise Refusal(f"{url} lies elsewhere; the stand-in reads arrays on its disk and behind http(s) only.")
    # here, not above: it takes a library that is slow to import, and few stand-ins need it
    from wk_assets.storage.remote_array import RemoteArray, RemoteReading

    reading = RemoteReading(timeout_seconds=_REMOTE_TIMEOUT_SECONDS, attempts=2)
    axes = layer.additional_axes or ()
    return RemoteArray.open(
        url, data_format=layer.data_format, axis_order=view.axis_order, additional_axes=axes, reading=reading
    )


def whole_channels(array: MagArray, box_in_mag: BoundingBox) -> NormalizedBoundingBox:
    """Return a box x, y, z as one of the array's axes: all channels, the first position of every other axis."""
    whole = array.info.box
    size = [
        whole.get_shape("c") if axis == "c" else box_in_mag.get_shape(axis) if axis in {"x", "y", "z"} else 1
        for axis in whole.axes
    ]
    corner = [box_in_mag.topleft.get(axis) if axis in {"x", "y", "z"} else 0 for axis in whole.axes]
    return NormalizedBoundingBox(corner, size, whole.axes)


class Voxels:
    """Read the layers of a dataset as they are served: shape (c, x, y, z), zeros where nothing is stored."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @property
    def source(self) -> dict[str, Any]:
        """The data source that says which layers there are."""
        source: dict[str, Any] = self.dataset["source"]
        return source

    def layer(self, name: str) -> LayerProperties:
        """Return the description of a layer."""
        return layer_properties({**self.dataset, "source": self.source}, name)

    def form(self, layer: LayerProperties, view: MagViewProperties) -> tuple[np.dtype[Any], int]:
        """Return the type of a mag's voxels, and how many channels it has."""
        info = layer_array(self.dataset, layer, view).info
        return np.dtype(info.voxel_type), info.num_channels

    def read(self, layer: LayerProperties, view: MagViewProperties, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box."""
        array = layer_array(self.dataset, layer, view)
        voxels = array.read_box(whole_channels(array, box_in_mag))
        return voxels.reshape(voxels.shape[-4:])


@routes.on("data", "GET", "/datasets/:id/layers/:layer/data", secured=False)
def raw_box(call: Call) -> Any:
    """Return the voxels of a box as raw bytes, Fortran order of (c, x, y, z), little-endian."""
    dataset = opened(call, call.parts["id"])
    layer = layer_properties(dataset, call.parts["layer"])
    view = mag_view(layer, call.required("mag"))
    corner = tuple(int(call.required(axis)) for axis in "xyz")
    size = tuple(int(call.required(name)) for name in ("width", "height", "depth"))
    if min(size) < 1:
        raise Refusal("Width, height and depth must be positive.")
    box = BoundingBox(
        tuple(value // factor for value, factor in zip(corner, view.mag.to_vec3_int(), strict=True)),
        size,
    )
    voxels = Voxels(dataset).read(layer, view, box)
    body = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")
    return Response(body, media_type="application/octet-stream", headers={"MISSING-BUCKETS": "[]"})


# ---------------------------------------------------------------------- the streamed view


def _streamed_properties(call: Call, voxels: Voxels) -> dict[str, Any]:
    source = enveloped(voxels.source, call.version)
    layers = []
    for layer in source["dataLayers"]:
        mags = [
            {
                "mag": mag["mag"],
                "path": f"./{layer['name']}/{Mag(mag['mag']).to_layer_name()}",
                "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3},
            }
            for mag in layer["mags"]
        ]
        layers.append({**layer, "dataFormat": "zarr", "mags": mags})
    return {**source, "id": {"name": voxels.dataset["directoryName"], "team": ""}, "dataLayers": layers}


def stream_of(call: Call, voxels: Voxels, path: str) -> Any:
    """Serve a file of the streamed view."""
    parts = path.strip("/").split("/")
    name = parts[-1]
    if parts == [_PROPERTIES]:
        return _streamed_properties(call, voxels)
    if name == ".zgroup" and len(parts) <= 2:
        return {"zarr_format": 2}
    if len(parts) == 2 and name == ".zattrs":
        return {}
    if len(parts) != 3:
        raise not_found("File", path)
    layer = voxels.layer(parts[0])
    view = mag_view(layer, parts[1])
    end = layer.bounding_box.align_with_mag(view.mag, ceil=True).in_mag(view.mag).bottomright_xyz
    if name == ".zarray":
        dtype, channels = voxels.form(layer, view)
        return {
            "dtype": dtype.newbyteorder("<").str, "fill_value": 0, "zarr_format": 2,
            "order": "F", "chunks": [channels, _CHUNK, _CHUNK, _CHUNK], "compressor": None, "filters": None,
            "shape": [channels, *end], "dimension_separator": ".",
        }  # fmt: skip
    if name == ".zattrs":
        return {}
    corner = _corner_of_chunk(name, end)
    chunk = voxels.read(layer, view, BoundingBox(corner, (_CHUNK, _CHUNK, _CHUNK)))
    return chunk.astype(chunk.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def _corner_of_chunk(name: str, end: Vec3Int) -> tuple[int, ...]:
    try:
        cell = [int(part) for part in name.split(".")]
    except ValueError as error:
        raise not_found("File", name) from error
    inside = len(cell) == 4 and min(cell) >= 0 and cell[0] == 0
    if not inside or any(c * _CHUNK >= e for c, e in zip(cell[1:], end, strict=True)):
        raise not_found("Chunk", name)
    return tuple(one * _CHUNK for one in cell[1:])


@routes.on("data", "GET", "/zarr/:id/*path", secured=False)
def stream(call: Call) -> Any:
    """Serve a dataset as Zarr v2."""
    return stream_of(call, Voxels(opened(call, call.parts["id"])), call.parts["path"])


# ---------------------------------------------------------------------- stored files


def _stored_file(base: Path, path: str) -> Response:
    file = base / path
    if not file.resolve().is_relative_to(base.resolve()) or not file.is_file():
        raise not_found("File", path)
    return FileResponse(file, media_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream")


@routes.on("data", "GET", "/datasets/:id/proxy/datasource-properties.json", secured=False)
def proxied_properties(call: Call) -> Any:
    """Serve a dataset's description with paths through the proxy."""
    dataset = opened(call, call.parts["id"])
    source = enveloped(dataset["source"], call.version)
    layers = []
    for layer in source["dataLayers"]:
        mags = [
            {**mag, "path": f"./layers/{layer['name']}/mags/{'-'.join(map(str, mag['mag']))}"} for mag in layer["mags"]
        ]
        layers.append({**layer, "mags": mags})
    return {**source, "dataLayers": layers}


@routes.on("data", "GET", "/datasets/:id/proxy/layers/:layer/mags/:mag/*path", secured=False)
def proxied_mag(call: Call) -> Any:
    """Serve a file of a mag."""
    dataset = opened(call, call.parts["id"])
    layer = layer_properties(dataset, call.parts["layer"])
    view = mag_view(layer, call.parts["mag"])
    location = array_location(Path(dataset["root"]), layer.name, view.mag, view.path)
    if location is None:
        raise not_found("File", call.parts["path"])
    return _stored_file(location, call.parts["path"])


@routes.on("data", "GET", "/datasets/:id/proxy/*path", secured=False)
def proxied(call: Call) -> Any:
    """Serve a file of a dataset."""
    dataset = opened(call, call.parts["id"])
    return _stored_file(Path(dataset["root"]), call.parts["path"])


@routes.on("data", "POST", "/triggers/reload/:organization/:id", secured=False)
def reload(call: Call) -> Any:
    """Read a dataset's description anew; of a virtual one the database has it, which knows of mags that the file does not."""
    dataset = stored_dataset(call.world, call.parts["id"])
    if call.user is None:
        raise store_denied("administrate datasets")
    properties = Path(dataset["root"]) / _PROPERTIES
    if properties.is_file() and not dataset["isVirtual"]:
        dataset["source"] = json.loads(properties.read_text())
        call.world.save("datasets", dataset["id"], dataset)
    return {**enveloped(dataset["source"] or {}, call.version), "id": {"name": dataset["directoryName"], "team": ""}}
