"""What annotators painted, as the data store streams it: over the layer that it lies on, block by block.

A stored block replaces what is under it as a whole, zeros too: so do the server's, which copies a block before it is painted.
Sources: the layout of annotation zips (`formats` §3), the streamed view (`webknossos-server` §1.10).
"""

import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from wk_assets.errors import WkAssetsError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.properties.layer_properties import DataFormat, LayerProperties, MagViewProperties
from wk_assets.standin.annotation_files import nml_of
from wk_assets.standin.annotation_store import contents_of, may_see, stored_annotation
from wk_assets.standin.call import Call, Routes
from wk_assets.standin.database import Row
from wk_assets.standin.dataset_store import Dataset, stored_dataset
from wk_assets.standin.people import user_of_token
from wk_assets.standin.replies import Refusal, not_found, store_denied
from wk_assets.standin.voxels import Voxels, stream_of, whole_channels
from wk_assets.standin.world import World
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array

routes = Routes()
_HEADERS = {"zarr.json": DataFormat.Zarr3, ".zarray": DataFormat.Zarr, "header.wkw": DataFormat.WKW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """Hold one volume layer of an annotation. `mags`: the folders of its arrays; empty where nothing is painted yet."""

    name: str
    fallback: str | None
    mapping: str | None
    mags: dict[Mag, tuple[Path, DataFormat]]

    def array(self, mag: Mag) -> MagArray | None:
        """Open the array of a mag; None if nothing is painted in it."""
        if mag not in self.mags:
            return None
        path, data_format = self.mags[mag]
        return open_mag_array(path, data_format=data_format, read_only=True)


def painted_layers(world: World, annotation: Row) -> list[Painted]:
    """Return the volume layers of an annotation's newest version; their data is unpacked once."""
    name, body = contents_of(world, annotation)
    root = etree.fromstring(nml_of(name, body), etree.XMLParser(resolve_entities=False, no_network=True))
    folder = world.folder / "painted" / str(annotation["id"]) / str(annotation["version"])
    return [_layer(folder / str(number), body, volume) for number, volume in enumerate(root.findall("volume"))]


def _layer(folder: Path, body: bytes, volume: Any) -> Painted:
    location = volume.get("location")
    if location and not folder.exists():
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if location not in archive.namelist():
                raise Refusal(f"The annotation's zip has no {location}, which its NML names.")
            _unpack(archive.read(location), folder)
    mags: dict[Mag, tuple[Path, DataFormat]] = {}
    for header in (path for path in folder.rglob("*") if path.name in _HEADERS):
        try:
            mag = Mag(header.parent.name)
        except WkAssetsError:
            continue  # a group above the arrays
        mags[mag] = (header.parent, _HEADERS[header.name])
    return Painted(
        name=volume.get("name") or "Volume",
        fallback=volume.get("fallbackLayer"),
        mapping=volume.get("mappingName"),
        mags=mags,
    )


def _unpack(data: bytes, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if ".." in PurePosixPath(name).parts or name.startswith("/"):
                raise Refusal(f"The path {name!r} leaves the archive.")
        archive.extractall(partial)
    partial.rename(folder)


class AnnotatedVoxels(Voxels):
    """Read a dataset with what an annotation has painted over its layers."""

    def __init__(self, dataset: Dataset, painted: list[Painted]) -> None:
        super().__init__(dataset)
        self._painted = {one.name: one for one in painted}

    @property
    def source(self) -> dict[str, Any]:
        """The data source: a volume layer stands for the layer of its name, else beside the others."""
        source = super().source
        kept = [layer for layer in source["dataLayers"] if layer["name"] not in self._painted]
        return {**source, "dataLayers": [*kept, *(self._described(one) for one in self._painted.values())]}

    def _described(self, painted: Painted) -> dict[str, Any]:
        below = self._below(painted)
        layers = self.dataset["source"]["dataLayers"]
        mags = {tuple(one["mag"]): one for one in (below["mags"] if below else [])}
        mags |= {
            tuple(mag.to_list()): {"mag": mag.to_list(), "path": ""}
            for mag in painted.mags
            if tuple(mag.to_list()) not in mags
        }
        arrays = [painted.array(mag) for mag in painted.mags]
        dtype = next((np.dtype(one.info.voxel_type).name for one in arrays if one is not None), "uint32")
        described = below or {
            "category": "segmentation", "elementClass": dtype, "numChannels": 1, "dataFormat": "zarr3",
            "boundingBox": layers[0]["boundingBox"], "largestSegmentId": None,
        }  # fmt: skip
        # what nobody painted on has mag 1, and zeros
        shown = sorted(mags.values(), key=lambda one: max(one["mag"])) or [{"mag": [1, 1, 1], "path": ""}]
        return {**described, "name": painted.name, "mags": shown}

    def _below(self, painted: Painted) -> dict[str, Any] | None:
        for layer in self.dataset["source"]["dataLayers"]:
            if layer["name"] == painted.fallback:
                found: dict[str, Any] = layer
                return found
        return None

    def form(self, layer: LayerProperties, view: MagViewProperties) -> tuple[np.dtype[Any], int]:
        """Return the type of a mag's voxels, and how many channels it has."""
        painted = self._painted.get(layer.name)
        if painted is None:
            return super().form(layer, view)
        return np.dtype(str(layer.element_class)), 1

    def read(self, layer: LayerProperties, view: MagViewProperties, box_in_mag: BoundingBox) -> NDArray[Any]:
        """Return the voxels of a box."""
        painted = self._painted.get(layer.name)
        if painted is None:
            return super().read(layer, view, box_in_mag)
        dtype, _ = self.form(layer, view)
        out = np.zeros((1, *box_in_mag.size_xyz), dtype, order="F")
        below = self._below(painted)
        if below is not None and view.mag.to_list() in [one["mag"] for one in below["mags"]]:
            name = str(below["name"])
            lower = Voxels(self.dataset)
            lower_layer = lower.layer(name)
            out[...] = lower.read(lower_layer, next(one for one in lower_layer.mags if one.mag == view.mag), box_in_mag)
        array = painted.array(view.mag)
        for stored in array.stored_boxes() if array is not None else ():
            block = BoundingBox(stored.topleft_xyz, stored.size_xyz).intersected_with(box_in_mag, dont_assert=True)
            if array is None or block.is_empty():
                continue
            voxels = array.read_box(whole_channels(array, block))
            start, end = block.topleft - box_in_mag.topleft, block.bottomright - box_in_mag.topleft
            out[:, start.x : end.x, start.y : end.y, start.z : end.z] = voxels.reshape(voxels.shape[-4:])
        return out


def annotation_seen(call: Call, annotation: Row) -> Row:
    """Return an annotation that the token of a call opens."""
    if not may_see(call.world, call.user or user_of_token(call.world, call.query.get("token")), annotation):
        raise store_denied(f"read annotation {annotation['id']}")
    return annotation


def annotation_of_tracing(call: Call, tracing_id: str) -> tuple[Row, Painted]:
    """Return the annotation that has a volume layer, and that layer, by the layer's tracing id."""
    for row in call.world.database.rows("SELECT * FROM annotations WHERE doc LIKE ?", (f"%{tracing_id}%",)):
        volumes = [layer for layer in row["doc"]["layers"] if layer["typ"] == "Volume"]
        for layer in volumes:
            if layer["tracingId"] == tracing_id:
                annotation = annotation_seen(call, stored_annotation(call.world, row["id"]))
                painted = {one.name: one for one in painted_layers(call.world, annotation)}
                return annotation, painted[layer["name"]]
    raise not_found("Tracing", tracing_id)


def annotated(call: Call, annotation: Row) -> AnnotatedVoxels:
    """Return the voxels of an annotation's dataset with what is painted on them."""
    return AnnotatedVoxels(stored_dataset(call.world, annotation["dataset"]), painted_layers(call.world, annotation))


@routes.on("data", "GET", "/annotations/zarr/:id/*path", secured=False)
def stream_annotation(call: Call) -> Any:
    """Serve the dataset of an annotation as Zarr v2, with what is painted."""
    annotation = annotation_seen(call, stored_annotation(call.world, call.parts["id"]))
    return stream_of(call, annotated(call, annotation), call.parts["path"])
