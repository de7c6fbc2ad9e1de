"""What of a dataset will be put where a server wants it, as a value: its description, and each array and attachment."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.errors import PlanError, UnexpectedAnswerError
from wk_assets.geometry.mag import Mag
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import AttachmentProperties, LayerProperties, SegmentationLayerProperties
from wk_assets.properties.names import check_dataset_name
from wk_assets.storage.local_path import is_url
from wk_assets.storage.properties_file import array_location, read_properties

PartKey = tuple[str, str, str]  # layer; "mags" or the kind of attachment; its name


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsPlan:
    """Everything that will be placed. `sources`: where each mag and attachment is now. `fingerprint`: what is described."""

    dataset_path: Path
    name: str
    properties: DatasetProperties
    sources: Mapping[PartKey, Path]

    @property
    def fingerprint(self) -> str:
        """Identify the description and the places; what is in the files is compared when they are placed."""
        told = [self.properties.to_text(), sorted((list(key), str(path)) for key, path in self.sources.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def targets(self, source: Mapping[str, Any]) -> dict[PartKey, str]:
        """Read where the server wants each part, out of its answer. Raises UnexpectedAnswerError if it names no place for one."""
        placed = dict(_stated(DatasetProperties.model_validate(source).data_layers))
        missing = [key for key in self.sources if not placed.get(key)]
        if missing:
            raise UnexpectedAnswerError(f"the server names no place for {', '.join(' '.join(key) for key in missing)}")
        return {key: str(placed[key]) for key in self.sources}


def plan_paths(dataset_path: Path, *, name: str | None = None, leave_out: Collection[str] = ()) -> PathsPlan:
    """Plan to place a dataset under a name; `leave_out`: layers that are on the server already.

    Raises NotADatasetError, PropertiesError, InvalidNameError, PlanError for what can not be placed.
    """
    stored = read_properties(dataset_path)
    layers = tuple(layer for layer in stored.data_layers if layer.name not in leave_out)
    if not layers:
        raise PlanError(f"{dataset_path} has no layer to send; it has {[layer.name for layer in stored.data_layers]}")
    chosen = check_dataset_name(name or stored.name or dataset_path.resolve().name)
    return PathsPlan(
        dataset_path=dataset_path,
        name=chosen,
        properties=stored.model_copy(update={"data_layers": layers, "id": {**stored.id, "name": chosen}}),
        sources=dict(_sources(dataset_path.absolute(), layers)),
    )


def _sources(dataset_path: Path, layers: tuple[LayerProperties, ...]) -> Iterator[tuple[PartKey, Path]]:
    for layer in layers:
        for view in layer.mags:
            location = array_location(dataset_path, layer.name, view.mag, view.path)
            if location is None:
                raise PlanError(
                    f"mag {view.mag.to_layer_name()} of layer {layer.name!r} lies at {view.path}, which is not on this "
                    "machine; link the layer on the server instead, or copy it here first"
                )
            yield _mag_key(layer, view.mag), location
        for kind, entry in _attachments(layer):
            if is_url(entry.path):
                raise PlanError(
                    f"attachment {entry.name!r} of layer {layer.name!r} lies at {entry.path}, not on this machine"
                )
            yield (layer.name, kind, entry.name), dataset_path / entry.path


def _stated(layers: tuple[LayerProperties, ...]) -> Iterator[tuple[PartKey, str | None]]:
    for layer in layers:
        for view in layer.mags:
            yield _mag_key(layer, view.mag), view.path
        for kind, entry in _attachments(layer):
            yield (layer.name, kind, entry.name), entry.path


def _mag_key(layer: LayerProperties, mag: Mag) -> PartKey:
    return layer.name, "mags", mag.to_long_layer_name()


def _attachments(layer: LayerProperties) -> Iterator[tuple[str, AttachmentProperties]]:
    if not isinstance(layer, SegmentationLayerProperties):
        return
    for kind in type(layer.attachments).model_fields:
        found = getattr(layer.attachments, kind)
        for entry in found if isinstance(found, tuple) else (found,):
            if entry is not None:
                yield kind, entry
