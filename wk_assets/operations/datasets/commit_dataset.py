"""Make a dataset exist: the groups around its arrays, its provenance, and `datasource-properties.json` last.

Reads the ledgers of the layers (what is published of them) and writes metadata only. Until the last file is there no
reader finds the dataset; when it is replaced, a reader sees the old dataset or the new one. Versions of mags that
nothing names any more are removed after that.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wk_assets.errors import NotADatasetError, PlanError, PropertiesError
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets.change_properties import properties_lock
from wk_assets.operations.records.layer_record import BOOKKEEPING, LayerRecord, ledger_lock, read_layer_record
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties, ScaleProperties
from wk_assets.properties.element_class import element_class
from wk_assets.properties.layer_properties import (
    AdditionalAxisProperties,
    BoundingBoxProperties,
    DataFormat,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wk_assets.properties.ome_zarr import (
    group_text,
    layer_group_attributes,
    root_group_attributes,
    series_group_attributes,
)
from wk_assets.properties.view_configuration import LayerViewConfiguration
from wk_assets.storage.array_layout import Layout
from wk_assets.storage.durable import move_into_place, remove_partials, remove_tree, write_atomically
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.properties_file import read_properties
from wk_assets.version import __version__

PROVENANCE_NAME = "provenance.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """Ask for a dataset to be committed from layers that are published. `layer_names` in the order of display.

    `like`: a dataset from which a new one takes what is not about voxels (how layers are shown, keys that we do not know).
    """

    dataset_path: Path
    name: str
    voxel_size: VoxelSize
    layer_names: tuple[str, ...]
    layout: Layout
    description: str = ""
    like: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetResult:
    """What is committed. `key` identifies the content; `changed` is False if all of it was there already."""

    properties_path: Path
    key: str
    layers: tuple[LayerRecord, ...]
    changed: bool


def commit_dataset(request: DatasetRequest) -> DatasetResult:
    """Write the dataset's metadata, `datasource-properties.json` last, and remove versions that nothing names.

    Layers that stand in the file already and are not asked for stay as they are, and so do keys that we do not know, and
    mags that somebody added to a layer through the object interface.
    Raises PlanError if a layer is not published, or its mags were not made from one another; LockedError, StorageError.
    """
    with properties_lock(request.dataset_path, f"commit of {request.name}"):
        records = tuple(_committable(request, name) for name in request.layer_names)
        path = request.dataset_path / FILE_NAME
        properties = _properties(request, records, path)
        changed = [
            *_write_groups(request, records),
            _write(request.dataset_path / PROVENANCE_NAME, _provenance(request, records)),
        ]
        text = properties.to_text()
        changed.append(_write(path, text))
        for record in records:
            _remove_forgotten(request.dataset_path, record)
    key = hashlib.sha256(
        "\n".join([text, *(mag.key for record in records for mag in record.mags)]).encode()
    ).hexdigest()
    return DatasetResult(properties_path=path, key=key[:32], layers=records, changed=any(changed))


def _committable(request: DatasetRequest, name: str) -> LayerRecord:
    record = read_layer_record(request.dataset_path, name)
    if record is None or not record.mags:
        raise PlanError(f"dataset {request.name!r}: nothing of layer {name!r} is published yet; make its mags first")
    for finer, coarser in zip(record.mags, record.mags[1:], strict=False):
        if coarser.parent_key != finer.voxels_key:
            raise PlanError(
                f"dataset {request.name!r}: mag {coarser.mag} of layer {name!r} was made from another version of "
                f"mag {finer.mag} than the one that is stored now; make mag {coarser.mag} and those below it again"
            )
    if record.voxel_size.to_nanometer() != request.voxel_size.to_nanometer():
        raise PlanError(
            f"dataset {request.name!r}: its voxel size is {request.voxel_size}, but layer {name!r} was imported with "
            f"{record.voxel_size} ({record.voxel_size_source}). A dataset has one voxel size: correct the instrument's "
            "`voxel_size`, or make two datasets"
        )
    return record


def _properties(request: DatasetRequest, records: tuple[LayerRecord, ...], path: Path) -> DatasetProperties:
    layers = [_layer_properties(record) for record in records]
    if not path.exists() and request.like is None:
        return DatasetProperties.new(name=request.name, voxel_size=request.voxel_size, layers=layers)
    if path.exists() or request.like is None:
        stored = read_properties(request.dataset_path)
    else:
        original = read_properties(request.like)
        kept = tuple(layer for layer in original.data_layers if layer.name in request.layer_names)
        stored = original.model_copy(update={"data_layers": kept, "id": {**original.id, "name": request.name}})
    scale = ScaleProperties(factor=request.voxel_size.factor, unit=request.voxel_size.unit)
    updated = stored.model_copy(update={"scale_properties": scale})
    names = [layer.name for layer in stored.data_layers]
    for layer in layers:
        if layer.name in names:
            previous = updated.layer(layer.name)
            made = {name: getattr(layer, name) for name in layer.model_fields_set - {"default_view_configuration"}}
            made["mags"] = _with_added_mags(request.dataset_path, layer, previous)
            updated = updated.with_layer(
                previous.model_copy(update=made) if previous.category == layer.category else layer
            )
        else:
            updated = updated.with_layer(layer)
    return updated


def _with_added_mags(
    dataset_path: Path, layer: LayerProperties, previous: LayerProperties
) -> tuple[MagViewProperties, ...]:
    """Return the mags of the ledger, and those that stand in the file because a person added them; finest first."""
    made = {mag.mag for mag in layer.mags}
    folder = dataset_path / layer.name
    added = []
    for mag in previous.mags:
        path = dataset_path / (mag.path or f"{layer.name}/{mag.mag.to_layer_name()}")
        of_a_run = path.is_relative_to(folder) and (not path.exists() or (path / MANIFEST_NAME).exists())
        if mag.mag not in made and (not of_a_run or _is_of_a_person(path)):
            added.append(mag)
    return tuple(sorted((*layer.mags, *added), key=lambda mag: (mag.mag.max_dim, tuple(mag.mag.to_vec3_int()))))


def _is_of_a_person(array_path: Path) -> bool:
    try:
        return Manifest.load(array_path).is_of_a_person
    except (NotADatasetError, PropertiesError):
        return False


def _axes(record: LayerRecord) -> tuple[str, ...]:
    """Give the dimensions of a layer's arrays, in storage order."""
    return (*(name for name, _ in record.additional), *("czyx" if record.layout is Layout.OME else "cxyz"))


def _layer_properties(record: LayerRecord) -> LayerProperties:
    axes = _axes(record)
    members: dict[str, Any] = {
        "name": record.layer_name,
        "category": record.category,
        "box_properties": BoundingBoxProperties.of(record.box),
        "data_format": DataFormat.Zarr3,
        "mags": tuple(MagViewProperties.of_array(mag.to_mag(), f"./{mag.path}", axes) for mag in record.mags),
        "num_channels": record.channels,
        "element_class": element_class(record.dtype, record.channels),
        "additional_axes": tuple(
            AdditionalAxisProperties(name=name, bounds=(0, extent), index=index)
            for index, (name, extent) in enumerate(record.additional)
        )
        or None,
    }
    if record.category == "segmentation":
        return SegmentationLayerProperties(**members, largest_segment_id=record.largest_segment_id)
    window = _window(record)
    if window is not None:
        members["default_view_configuration"] = LayerViewConfiguration(
            intensity_range=window, min=window[0], max=window[1]
        )
    return LayerProperties(**members)


def _window(record: LayerRecord) -> tuple[float, float] | None:
    """Return the range of values to show, None if it is not known or shows nothing."""
    if record.statistics is None:
        return None
    low, high = record.statistics.minimum, record.statistics.maximum
    return (low, high) if np.isfinite(low) and np.isfinite(high) and low < high else None


def _write_groups(request: DatasetRequest, records: tuple[LayerRecord, ...]) -> list[bool]:
    root = request.dataset_path
    written = []
    images = [record.layer_name for record in records if record.category == "color"]
    for record in records:
        attributes = layer_group_attributes(
            name=record.layer_name,
            category=record.category,
            voxel_size=record.voxel_size,
            mags=[mag.to_mag() for mag in record.mags],
            paths={mag.to_mag(): mag.path.removeprefix(f"{record.layer_name}/") for mag in record.mags},
            dtype=record.dtype,
            channels=record.channels,
            axes=_axes(record),
            window=_window(record) if record.category == "color" else None,
            mode=record.mode.value,
            source_image=f"../{images[0]}" if images else None,
        )
        written.append(_write(root / record.layer_name / "zarr.json", group_text(attributes)))
    if request.layout is Layout.OME:
        written.append(_write(root / "OME" / "zarr.json", group_text(series_group_attributes(request.layer_names))))
        written.append(_write(root / "zarr.json", group_text(root_group_attributes())))
    else:
        written.append(_write(root / "zarr.json", group_text()))
    return written


def _provenance(request: DatasetRequest, records: tuple[LayerRecord, ...]) -> str:
    """Say which raw files every voxel rests on, and by which steps; the same files and settings give the same text."""
    document = {
        "format": 1,
        "dataset": request.name,
        "description": request.description,
        "software": {"name": "wk-assets", "version": __version__},
        "layers": [
            {
                "name": record.layer_name,
                "source_format": record.source_format,
                "voxel_size": {
                    "factor": record.voxel_size.factor,
                    "unit": record.voxel_size.unit.value,
                    "source": record.voxel_size_source,
                    "disagreeing": record.voxel_size_alternatives,
                },
                "sources": [source.model_dump() for source in record.sources],
                "filled_slices": [
                    {"z": p.z, "file": p.file, "reason": p.reason, "filled_with": p.filled_with.value}
                    for p in record.problems
                ],
                "mags": [
                    {
                        "mag": mag.mag,
                        "voxels": mag.voxels_key,
                        "key": mag.key,
                        "made_from": mag.parent_key or "sources",
                        "mode": record.mode.value,
                    }
                    for mag in record.mags
                ],
            }
            for record in records
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> bool:
    remove_partials(path.parent, path.name)
    return write_atomically(path, text.encode())


def _remove_forgotten(dataset_path: Path, record: LayerRecord) -> None:
    """Remove arrays of ours in the layer's directory that the ledger does not name, and that no person made.

    They are renamed first: a removal that is cut short must not leave a directory that nobody knows any more.
    """
    trash = dataset_path / BOOKKEEPING / "trash"
    with ledger_lock(dataset_path, record.layer_name):
        current = read_layer_record(dataset_path, record.layer_name) or record
        named = {dataset_path / mag.path for mag in (*current.mags, *record.mags)}
        for candidate in (dataset_path / record.layer_name).iterdir():
            if candidate in named or not (candidate / MANIFEST_NAME).exists():
                continue
            if not _is_of_a_person(candidate):
                move_into_place(candidate, trash / f"{record.layer_name} {candidate.name}")
    remove_tree(trash)
