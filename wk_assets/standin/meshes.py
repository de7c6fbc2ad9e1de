"""Meshes of segments as STL, made of the outer faces of a segment's voxels: honest and angular, where the server's are smooth.

Also for a mesh file: the stand-in looks whether the layer has one of that name, and makes the mesh of the voxels all the same.
Vertices are in the unit of the voxel size. Source of the routes: `webknossos-server`, list of routes; of STL: its binary form,
80 bytes, a count, and per triangle a normal and three corners as float32, and two bytes.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from wk_assets.errors import WkAssetsError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.properties.layer_properties import LayerProperties
from wk_assets.standin.agglomerate_files import mapping_of
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.data_sources import plain_id
from wk_assets.standin.dataset_store import absolute_layer
from wk_assets.standin.painted import annotated, annotation_of_tracing
from wk_assets.standin.replies import Refusal, not_found
from wk_assets.standin.voxels import Voxels, mag_view, opened

routes = Routes()
_LARGEST_VOLUME = 512**3  # voxels; a stand-in shows small datasets
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def faces(inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the outer faces of voxels, shape (x, y, z), as triangles: corners (n, 3, 3), in voxels, and normals (n, 3).

    Every face has two triangles whose corners go round counter-clockwise, seen from outside.
    """
    padded = np.pad(inside, 1)
    corners, normals = [], []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, 1):
            beyond = np.roll(padded, -1 if side else 1, axis)
            places = np.argwhere(padded & ~beyond).astype(np.float32) - 1
            square = np.zeros((4, 3), np.float32)
            square[:, axis] = side
            around = [(0, 0), (1, 0), (1, 1), (0, 1)]
            square[:, [first, second]] = around if side else around[::-1]
            quads = places[:, None, :] + square
            corners.append(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
            normal = np.zeros(3, np.float32)
            normal[axis] = 1 if side else -1
            normals.append(np.tile(normal, (2 * len(places), 1)))
    return np.concatenate(corners), np.concatenate(normals)


def as_stl(corners: NDArray[np.float32], normals: NDArray[np.float32]) -> bytes:
    """Return triangles as binary STL."""
    triangles = np.zeros(len(corners), _TRIANGLE)
    triangles["corners"], triangles["normal"] = corners, normals
    return struct.pack("<80sI", b"wk-assets stand-in", len(triangles)) + triangles.tobytes()


def _mesh(call: Call, voxels: Voxels, layer: LayerProperties, mapping: NDArray[np.uint64] | None) -> Response:
    body = call.json("segmentId")
    view = mag_view(layer, _mag_name(body.get("mag"), layer))
    box = layer.bounding_box.align_with_mag(view.mag, ceil=True).in_mag(view.mag)
    if box.size_xyz.prod() > _LARGEST_VOLUME:
        raise Refusal(f"Layer {layer.name} is too large for the stand-in in mag {view.mag}; name a coarser one.")
    labels = voxels.read(layer, view, BoundingBox(box.topleft_xyz, box.size_xyz))[0]
    if mapping is not None:
        labels = mapping[np.minimum(labels, len(mapping) - 1)]
    corners, normals = faces(labels == plain_id(body["segmentId"]))
    if not len(corners):
        raise Refusal(f"Segment {plain_id(body['segmentId'])} has no voxels in mag {view.mag}.", 404)
    factor = voxels.source["scale"]["factor"]
    in_units = (corners + np.array(box.topleft_xyz)) * np.array(view.mag.to_list()) * np.array(factor)
    return Response(as_stl(in_units.astype(np.float32), normals), media_type="application/octet-stream")


def _mag_name(mag: Any, layer: LayerProperties) -> str:
    if mag is None:
        return min((view.mag for view in layer.mags), key=lambda one: max(one.to_list())).to_layer_name()
    try:
        return Mag(mag).to_layer_name()
    except WkAssetsError as error:
        raise Refusal(f"{mag!r} is no mag.") from error


def _mesh_files(dataset: dict[str, Any], layer_name: str) -> list[dict[str, Any]]:
    attachments = absolute_layer(dataset, layer_name).get("attachments") or {}
    entries: list[dict[str, Any]] = attachments.get("meshes") or []
    return entries


@routes.on("data", "GET", "/datasets/:id/layers/:layer/meshes", secured=False)
def mesh_files(call: Call) -> Any:
    """List the mesh files of a layer."""
    found = _mesh_files(opened(call, call.parts["id"]), call.parts["layer"])
    return [{"name": one["name"], "mappingName": None, "formatVersion": 0} for one in found]


@routes.on("data", "POST", "/datasets/:id/layers/:layer/meshes/fullMesh.stl", secured=False, changes=False)
def mesh(call: Call) -> Any:
    """Make the mesh of a segment, or of an agglomerate where a mapping is named."""
    dataset = opened(call, call.parts["id"])
    body = call.json("segmentId")
    wanted = body.get("meshFileName")
    if wanted is not None and wanted not in [one["name"] for one in _mesh_files(dataset, call.parts["layer"])]:
        raise not_found("Mesh file", wanted)
    if wanted is None and (body.get("mag") is None or body.get("seedPosition") is None):
        raise Refusal("A mesh is of a mesh file, or needs a mag and a seed position.")
    voxels = Voxels(dataset)
    mapping = None
    if body.get("mappingName"):
        mapping = mapping_of(dataset, call.parts["layer"], body["mappingName"])
    return _mesh(call, voxels, voxels.layer(call.parts["layer"]), mapping)


@routes.on("tracings", "POST", "/volume/:tracing/fullMesh.stl", secured=False, changes=False)
def mesh_of_tracing(call: Call) -> Any:
    """Make the mesh of a segment of a volume annotation, what is painted and what is below it."""
    annotation, painted = annotation_of_tracing(call, call.parts["tracing"])
    voxels = annotated(call, annotation)
    return _mesh(call, voxels, voxels.layer(painted.name), None)
