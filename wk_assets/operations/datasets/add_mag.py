"""Give a layer the array of a mag, and take it away: made, copied or adopted on disk first, named in the metadata last.

Functions that return `LayerProperties` are called while the dataset's lock is held, with what the metadata says then.
"""

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from wk_assets.errors import AlreadyThereError, PropertiesError, StorageError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.operations.arrays.copy_files import copy_tree
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.datasets.layer_box import box_in_mag, check_layer_box, resize_arrays, with_layer_box
from wk_assets.operations.records.layer_record import (
    BOOKKEEPING,
    layer_record_path,
    ledger_lock,
    read_layer_record,
    write_layer_record,
)
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.operations.records.mag_lock import work_place
from wk_assets.properties.layer_properties import DataFormat, LayerProperties, MagViewProperties
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.durable import make_directory, move_into_place, remove_tree
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.open_mag_array import open_mag_array

_USUAL = ("c", "x", "y", "z")


def add_new_mag(dataset_path: Path, layer: LayerProperties, mag: Mag, info: ArrayInfo) -> LayerProperties:
    """Make an empty array at its usual place, and name it. Raises AlreadyThereError and what `create_mag_array` raises."""
    location = _free_place(dataset_path, layer, mag)
    make_directory(location.parent)
    array = create_mag_array(location, info)
    return _with_mag(layer, mag, location, array.info)


@dataclass(frozen=True, slots=True)
class StagedArray:
    """A copy that has no name yet: where it lies, and at which dimensions its axes stand (empty: as it says itself)."""

    path: Path
    axis_order: Mapping[str, int]


def stage_copy(
    dataset_path: Path,
    layer: LayerProperties,
    mag: Mag,
    source: MagArray,
    source_box: NormalizedBoundingBox,
    info: ArrayInfo,
    *,
    executor: Executor | None = None,
    listener: ProgressListener | None = None,
) -> StagedArray:
    """Copy an array to the place where a mag is made; see `adopt_staged`. The caller holds the mag's lock.

    `info`: what the copy is to be, `source_box`: its voxels, of the mag. Files are copied as they are if nothing about them
    changes. Raises AlreadyThereError, PlanError, StorageError.
    """
    _free_place(dataset_path, layer, mag)
    staged = work_place(dataset_path, layer.name, mag, "copy")
    remove_tree(staged)
    target_box = box_in_mag(layer.bounding_box, mag)
    # In a layer of the import pipeline an array with the key of an import would look like a forgotten version of its own.
    imported = layer_record_path(dataset_path, layer.name).exists()
    try:
        # an array on a server has no files here
        files = source.path.is_dir()
        if files and _same_encoding(source.info, info) and target_box == source_box and not imported:
            copy_tree(source.path.resolve(), staged)
            return StagedArray(staged, source.info.axis_order)
        make_directory(staged.parent)
        inside = source_box.intersected_with(target_box, dont_assert=True)
        target = create_mag_array(staged, info)
        copy_mag(source, target, inside, executor=executor, listener=listener)
    except BaseException:
        remove_tree(staged)
        raise
    return StagedArray(staged, target.info.axis_order)


def adopt_staged(dataset_path: Path, layer: LayerProperties, mag: Mag, staged: StagedArray) -> LayerProperties:
    """Give a staged copy its place and name it. Raises AlreadyThereError."""
    location = _free_place(dataset_path, layer, mag)
    move_into_place(staged.path, location)
    array = open_mag_array(
        location,
        data_format=layer.data_format,
        axis_order={axis: place for axis, place in staged.axis_order.items() if axis in _USUAL} or None,
        additional_axes=layer.additional_axes or (),
    )
    added = _with_mag(layer, mag, location, array.info)
    resize_arrays(dataset_path, added.model_copy(update={"mags": added.mags[-1:]}))
    return added


def add_array(
    dataset_path: Path, layer: LayerProperties, mag: Mag, path: Path, *, move: bool, extend_box: bool
) -> LayerProperties:
    """Copy, or move, an array of the layer's format to its usual place, and name it.

    Raises AlreadyThereError, PropertiesError for formats that are not Zarr and for other voxels, StorageError.
    """
    if layer.data_format not in (DataFormat.Zarr, DataFormat.Zarr3):
        raise PropertiesError(f"layer {layer.name!r} is {layer.data_format}; only Zarr arrays are taken over as files")
    location = _free_place(dataset_path, layer, mag)
    found = open_mag_array(path, data_format=layer.data_format, additional_axes=layer.additional_axes or ())
    info = found.info
    if (info.voxel_type, info.num_channels) != (layer.dtype_np, layer.num_channels):
        raise PropertiesError(
            f"{path} holds {info.num_channels} x {info.voxel_type}, layer {layer.name!r} {layer.num_channels} x {layer.dtype}"
        )
    copy_tree(path.resolve(), location, move=move)
    added = _with_mag(layer, mag, location, info)
    if extend_box and not info.box.is_empty():
        in_mag1 = info.box.from_mag_to_mag1(mag)
        current = layer.bounding_box
        whole = in_mag1 if current.is_empty() else current.extended_by(in_mag1)
        added = with_layer_box(added, check_layer_box(whole.denormalize(), added))
        resize_arrays(dataset_path, added.model_copy(update={"mags": added.mags[:-1]}))
    return added


def remove_mag(dataset_path: Path, layer_name: str, mag: Mag, location: Path | None) -> None:
    """Remove what the metadata does not name any more: the mag in the ledger of imports, then its array (None: stays).

    It is renamed first: a removal that is cut short must not leave half an array at its old name.
    """
    with ledger_lock(dataset_path, layer_name):
        record = read_layer_record(dataset_path, layer_name)
        if record is not None and record.mag(mag) is not None:
            mags = tuple(stored for stored in record.mags if stored.to_mag() != mag)
            write_layer_record(dataset_path, record.model_copy(update={"mags": mags}))
    if location is not None:
        discard(dataset_path, location)


def discard(dataset_path: Path, location: Path) -> None:
    """Remove a directory or a link of the dataset for good. What is not there is fine. Raises StorageError."""
    if location.is_symlink():
        location.unlink()
        return
    if not location.exists():
        return
    trash = dataset_path / BOOKKEEPING / "trash" / f"{location.parent.name} {location.name} {os.getpid()}"
    remove_tree(trash)
    move_into_place(location, trash)
    remove_tree(trash)


def _free_place(dataset_path: Path, layer: LayerProperties, mag: Mag) -> Path:
    if any(entry.mag == mag for entry in layer.mags):
        raise AlreadyThereError(f"layer {layer.name!r} has a mag {mag} already; delete it first")
    location = dataset_path / layer.name / mag.to_layer_name()
    if os.path.lexists(location):
        raise StorageError(
            f"{location} is there, but the dataset does not name it: something else put it there, or a run was cut short. "
            "Look whether it is needed, and move it away; add_layer_for_existing_files takes it over for a new layer"
        )
    return location


def _with_mag(layer: LayerProperties, mag: Mag, location: Path, info: ArrayInfo) -> LayerProperties:
    places = dict(info.axis_order) or {axis: place for place, axis in enumerate(info.box.axes)}
    entry = MagViewProperties(
        mag=mag,
        path=f"./{layer.name}/{location.name}",
        cube_length=info.shard_shape.x if info.data_format is DataFormat.WKW else None,
        axis_order={axis: places[axis] for axis in _USUAL if axis in places},
    )
    # Where the axes stand is said by each mag, as soon as there is one.
    box = layer.box_properties.model_copy(update={"axis_order": None})
    return layer.model_copy(update={"mags": (*layer.mags, entry), "box_properties": box})


def _same_encoding(source: ArrayInfo, wanted: ArrayInfo) -> bool:
    return source == replace(wanted, box=source.box, axis_order=source.axis_order)
