"""Plan to make the coarser mags of a stored layer again after a part of its finest mag changed: a value, nothing is written.

Published arrays never change: each mag gets a new version (see `layer_plan.place`), in which the shards that can not have
changed are those of the old version, linked. Keys are those of a layer that is made anew as a whole, and so are the bytes.
"""

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from wk_assets.errors import NotADatasetError, PlanError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.edited_mags import current_record
from wk_assets.operations.layers.layer_plan import LayerPlan, MagPlan, PassPlan, PlannedRedo, plan_layer, plan_passes
from wk_assets.operations.passes.tile_sources import affected_by
from wk_assets.operations.records.layer_record import LayerRecord
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest
from wk_assets.operations.resampling.resample_layer import box_with_axes, plan_downsampling
from wk_assets.operations.resampling.resampling_ladder import ladder_order
from wk_assets.storage.sharded_array import ShardedArray
from wk_assets.storage.stored_array import StoredArray


def stored_layer_request(
    dataset_path: Path, layer_name: str, *, mags: Collection[Mag] = (), mode: DownsamplingMode | None = None
) -> LayerRequest:
    """Ask for mags of a stored layer, encoded as its finest one. `mags`: more than are there; `mode` None: the layer's own.

    Raises NotADatasetError if nothing of the layer is published there.
    """
    record = current_record(dataset_path, layer_name)
    if record is None or not record.mags:
        raise NotADatasetError(f"nothing of layer {layer_name!r} is published in {dataset_path}; its ledger is missing")
    stored = StoredArray.open(dataset_path / record.mags[0].path)
    return LayerRequest(
        dataset_path=dataset_path,
        layer_name=layer_name,
        category=record.category,
        source=None,
        voxel_size=record.voxel_size,
        # mags that are there stay in the ladder, asked for or not: they are the parents of those that are
        mags=tuple(sorted({*mags, *(one.to_mag() for one in record.mags)}, key=ladder_order)),
        mode=record.mode if mode is None else mode,
        topleft=record.box.topleft,
        array=ArraySettings(
            layout=record.layout,
            chunk_shape=stored.chunk_shape,
            shard_shape=stored.shard_shape,
            zstd_level=stored.array_layout.zstd_level,
        ),
    )


def plan_redo(
    request: LayerRequest, compute: Compute, region: BoundingBox, wanted: Collection[Mag] | None = None
) -> LayerPlan:
    """Plan to make the wanted coarser mags (None: all) again where they depend on `region`, mag-1 voxels of the finest mag.

    What is up to date stays. A mag that is not stored yet, or cut otherwise than asked for, is made as a whole, and so are
    those after it. The caller vouches that nothing changed outside of the region. Raises PlanError, NotADatasetError.
    """
    if wanted is not None and request.mags[0] in wanted:
        raise PlanError(
            f"layer {request.layer_name!r}: mag {request.mags[0]} itself can not be made above region {region.to_csv()}; "
            "select coarser mags alone"
        )
    plan = plan_layer(request, compute, wanted=request.mags[1:] if wanted is None else wanted)
    record = current_record(request.dataset_path, request.layer_name)
    if record is None:
        raise NotADatasetError(f"nothing of layer {request.layer_name!r} is published in {request.dataset_path}")
    if region.intersected_with(record.box, dont_assert=True).is_empty():
        raise PlanError(
            f"region {region.to_csv()} lies outside of layer {request.layer_name!r}, which is {record.box.to_csv()}; "
            "give x,y,z,width,height,depth in mag-1 voxels"
        )
    array = request.array.fitted_to(plan.box.size)
    todo = {one.mag: one for one in plan.mags if not one.up_to_date}
    passes: list[PassPlan] = []
    changed = _in_mag(region, request.mags[0])
    for parent, mag in pairwise(request.mags):
        factors, valid = mag.to_vec3_int() // parent.to_vec3_int(), _in_mag(record.box, parent)
        if mag in todo:
            (whole,) = _whole(plan, request, array, (todo[mag],), compute)
            in_part = _in_part(whole, record, request, changed, compute)
            if in_part is None:
                break  # nothing to start from: this mag and all after it are made as a whole
            passes.append(in_part)
            del todo[mag]
        changed = affected_by(changed, factors=factors, valid=valid, target=_in_mag(record.box, mag))
    passes.extend(_whole(plan, request, array, tuple(todo.values()), compute))
    return replace(
        plan, passes=tuple(passes), peak_memory_bytes=max((one.memory.peak_bytes for one in passes), default=0)
    )


def _whole(
    plan: LayerPlan, request: LayerRequest, array: ArraySettings, mags: tuple[MagPlan, ...], compute: Compute
) -> tuple[PassPlan, ...]:
    return plan_passes(request, array, mags, plan.box, plan.channels, plan.dtype, compute, additional=plan.additional)


def _in_part(
    whole: PassPlan, record: LayerRecord, request: LayerRequest, changed: BoundingBox, compute: Compute
) -> PassPlan | None:
    """Make a pass over a whole mag one over a part of it; None if no version is there that is cut and encoded like it."""
    mag, parent = whole.mags[0].mag, whole.parent
    stored, finer = record.mag(mag), record.mag(parent) if parent is not None else None
    if stored is None or finer is None or parent is None:
        return None
    try:
        old = ShardedArray.open(request.dataset_path / stored.path, read_only=True)
        source = ShardedArray.open(request.dataset_path / finer.path, read_only=True)
    except (NotADatasetError, PropertiesError):
        return None
    if old.layout.to_zarr_json() != whole.pyramid.levels[1].layout.to_zarr_json():
        return None
    tiles = plan_downsampling(
        source,
        old,
        source_mag=parent,
        target_mag=mag,
        layer_box=box_with_axes(record.box, record.channels, record.additional),
        mode=request.mode,
        changed_in_source=changed,
        compute=compute,
    ).tiles
    return replace(
        whole,
        memory=replace(whole.memory, peak_bytes=tiles.peak_memory_bytes, spool_bytes=0),
        redo=PlannedRedo(replaces=old.path, changed_in_parent=changed, voxels=tiles.voxels),
    )


def _in_mag(box: BoundingBox, mag: Mag) -> BoundingBox:
    return box.align_with_mag(mag, ceil=True).in_mag(mag)
