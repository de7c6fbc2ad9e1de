"""What publishing a dataset will do, as a value: which layers a server lacks, which it has, and by which way they get there.

A layer's *fingerprint* identifies its content: what the manifests of its mags promise, and how its voxels are to be read. The
server keeps the fingerprint of each layer in the dataset's metadata, so that it can be compared without reading a voxel,
also when everything else is forgotten. Asks and sends nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from wk_assets.client.live_metadata import MetadataValue
from wk_assets.client.models import ApiDataset
from wk_assets.client.store_clients import REFACTORED_UPLOADS
from wk_assets.operations.transfer.upload_plan import UploadFile, UploadPlan
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import LayerProperties, SegmentationLayerProperties
from wk_assets.properties.view_configuration import DatasetViewConfiguration

OUR_PREFIX = "wk-assets/"
KEY_ENTRY = f"{OUR_PREFIX}key"
LAYERS_ENTRY = f"{OUR_PREFIX}layers"
SUPERSEDED_ENTRY = f"{OUR_PREFIX}superseded-by"
_ARRIVING_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """Ask for a dataset to be on a server, under a key that finds it again.

    None leaves what the server has: `folder` (names from the root), `teams` (names or ids), `public`, `view`. `facts`: what
    the metadata says of the dataset's origin, by entry. `known_id`: the dataset that it came to before.
    """

    dataset_path: Path
    name: str
    key: str
    folder: str | None = None
    teams: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    public: bool | None = None
    view: DatasetViewConfiguration | None = None
    description: str | None = None
    facts: Mapping[str, MetadataValue]
    known_id: str | None = None
    link_url: str | None = None
    mode: Literal["upload", "paths"] = "upload"
    transfer: Literal["copy", "symlink"] = "copy"
    path_prefix: str | None = None

    @property
    def is_linked_to(self) -> bool:
        """Say whether the server has links to our files: then nothing is taken away there, for it may follow them."""
        return self.mode == "paths" and self.transfer == "symlink"


class LayerChange(StrEnum):
    """Say how a layer on the server differs from the one here."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GONE = "gone"  # we put it there, and it is not in the dataset any more


class Way(StrEnum):
    """Say how what is lacking gets to the server.

    FIRST: all of it, as a dataset. IN_PLACE: each layer beside the one that it replaces, which keeps the dataset's id, so that
    annotations and tasks stay with it. LINKED: as a new dataset that refers to the unchanged layers of the one before, where
    a server can do no better; annotations stay with the one before. NOTHING: no voxel is sent.
    """

    FIRST = "first"
    IN_PLACE = "in place"
    LINKED = "linked"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """Say what is to be done about one layer. `fingerprint` is empty for a layer that is gone."""

    name: str
    change: LayerChange
    fingerprint: str
    size_bytes: int

    @property
    def is_sent(self) -> bool:
        """Say whether its files are sent."""
        return self.change in (LayerChange.NEW, LayerChange.CHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """Everything that publishing will do about layers.

    `dataset_id`: the dataset that is there; None: there is none. `leftovers`: layers on the server that a run which was cut
    short left behind, and that nothing will come of any more.
    """

    request: PublishRequest
    upload: UploadPlan
    dataset_id: str | None
    way: Way
    layers: tuple[PlannedLayer, ...]
    leftovers: tuple[str, ...] = ()

    def names(self, *changes: LayerChange) -> tuple[str, ...]:
        """Name the layers of which this is to be done."""
        return tuple(layer.name for layer in self.layers if layer.change in changes)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Give the fingerprint of each layer that there will be."""
        return {layer.name: layer.fingerprint for layer in self.layers if layer.change is not LayerChange.GONE}

    @property
    def fingerprint(self) -> str:
        """Identify the content of the whole dataset."""
        return dataset_fingerprint(self.fingerprints)

    @property
    def sent_bytes(self) -> int:
        """Bytes of the layers that are sent."""
        return sum(layer.size_bytes for layer in self.layers if layer.is_sent)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the layers that the server has already."""
        return sum(layer.size_bytes for layer in self.layers if layer.change is LayerChange.UNCHANGED)


def plan_publication(
    request: PublishRequest, upload: UploadPlan, found: ApiDataset | None, *, api_version: int
) -> PublishPlan:
    """Plan to bring what is on the server up to `upload`; `found`: the dataset that is there already."""
    local = layer_fingerprints(upload)
    there = {} if found is None else stored_fingerprints(found)
    on_server = {} if found is None else layers_of(found)
    planned = [
        PlannedLayer(
            name=layer.name,
            change=_change(layer, local[layer.name], there.get(layer.name), on_server.get(layer.name)),
            fingerprint=local[layer.name],
            size_bytes=sum(file.size_bytes for file in files_of(upload, layer.name)),
        )
        for layer in upload.properties.data_layers
    ]
    planned += [
        PlannedLayer(name=name, change=LayerChange.GONE, fingerprint="", size_bytes=0)
        for name in there
        if name in on_server and name not in local and not request.is_linked_to
    ]
    return PublishPlan(
        request=request,
        upload=upload,
        dataset_id=None if found is None else found.id,
        way=_way(planned, found, api_version, request),
        layers=tuple(planned),
        leftovers=_leftovers(planned, on_server),
    )


def arriving_name(layer: PlannedLayer) -> str:
    """Name the layer that a changed one is sent as, until it is whole: its content is part of the name."""
    return f"{layer.name}.{layer.fingerprint[:_ARRIVING_DIGITS]}"


def _leftovers(planned: Sequence[PlannedLayer], on_server: Mapping[str, LayerProperties]) -> tuple[str, ...]:
    awaited = {layer.name for layer in planned} | {arriving_name(layer) for layer in planned if layer.is_sent}
    ours = re.compile(rf"(?:{'|'.join(re.escape(layer.name) for layer in planned)})\.[0-9a-f]{{{_ARRIVING_DIGITS}}}")
    return tuple(name for name in on_server if ours.fullmatch(name) and name not in awaited)


def _change(layer: LayerProperties, local: str, there: str | None, on_server: LayerProperties | None) -> LayerChange:
    if on_server is None:
        return LayerChange.NEW
    same_mags = {view.mag for view in on_server.mags} == {view.mag for view in layer.mags}
    if local == there and same_mags and on_server.element_class == layer.element_class:
        return LayerChange.UNCHANGED
    return LayerChange.CHANGED


def _way(layers: Sequence[PlannedLayer], found: ApiDataset | None, api_version: int, request: PublishRequest) -> Way:
    if found is None:
        return Way.FIRST
    if not any(layer.is_sent for layer in layers):
        return Way.NOTHING
    # Mags can be added to a dataset from this version on, where the server's database, not its disk, says what there is.
    is_virtual = bool((found.model_extra or {}).get("isVirtual"))
    may_replace = is_virtual and api_version >= REFACTORED_UPLOADS and not request.is_linked_to
    return Way.IN_PLACE if may_replace else Way.LINKED


def layers_of(found: ApiDataset) -> dict[str, LayerProperties]:
    """Return the layers of a dataset on the server, by name."""
    if found.status is not None:
        return {}
    return {layer.name: layer for layer in DatasetProperties.model_validate(found.data_source).data_layers}


def files_of(upload: UploadPlan, layer_name: str) -> tuple[UploadFile, ...]:
    """Return the files of one layer."""
    return tuple(file for file in upload.files if file.relative_path.startswith(f"{layer_name}/"))


# ---------------------------------------------------------------------- fingerprints


def layer_fingerprints(upload: UploadPlan) -> dict[str, str]:
    """Identify the content of each layer: what the manifests promise; sizes and dates of files that no manifest names."""
    return {layer.name: _fingerprint(layer, files_of(upload, layer.name)) for layer in upload.properties.data_layers}


def _fingerprint(layer: LayerProperties, files: Sequence[UploadFile]) -> str:
    told: list[Any] = [
        layer.category,
        layer.element_class,
        layer.data_format.value,
        layer.num_channels,
        [[view.mag.to_long_layer_name(), view.axis_order, view.channel_index] for view in layer.mags],
    ]
    if isinstance(layer, SegmentationLayerProperties):
        told.append({name: value for name, value in layer.attachments.to_json().items() if value})
    for file in files:
        proof = file.content_key if file.content_key is not None else file.path.stat().st_mtime_ns
        told.append([file.relative_path.partition("/")[2], file.size_bytes, proof])
    return _digest(told)


def dataset_fingerprint(fingerprints: Mapping[str, str]) -> str:
    """Identify the content of a dataset by that of its layers."""
    return _digest(sorted(fingerprints.items()))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def stored_fingerprints(found: ApiDataset) -> dict[str, str]:
    """Read the fingerprints that the metadata of a dataset on the server has, by layer."""
    pairs = (str(entry).rpartition(" ") for entry in our_entry(found, LAYERS_ENTRY) or ())
    return {name: fingerprint for name, _, fingerprint in pairs}


def told_fingerprints(fingerprints: Mapping[str, str]) -> list[str]:
    """Write fingerprints as the metadata has them."""
    return [f"{name} {fingerprint}" for name, fingerprint in sorted(fingerprints.items())]


def our_entry(found: ApiDataset, key: str) -> Any:
    """Return the value of an entry of a dataset's metadata; None: there is none."""
    return next((entry.value for entry in found.metadata or () if entry.key == key), None)
