"""Plan to store a layer once more without changing a voxel: other compression, other chunks, other layout, another place.

The plan is run by `run_layer`, like any other. Shards that stay as they are (a copy) are copied and compared with their
checksums; everything else is decoded, cut and encoded by the engine, one mag at a time.
"""

from math import prod
from pathlib import Path

import numpy as np

from wk_assets.errors import NotADatasetError
from wk_assets.geometry.shard_grid import ShardGrid
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.edited_mags import current_record
from wk_assets.operations.layers.layer_plan import LayerPlan, MagPlan, PassPlan, place, storage_key
from wk_assets.operations.passes.memory_plan import fit_memory
from wk_assets.operations.passes.pyramid_plan import plan_pyramid
from wk_assets.operations.records.layer_record import LayerRecord, MagRecord, read_layer_record
from wk_assets.operations.records.layer_request import ArraySettings, LayerRequest
from wk_assets.storage.stored_array import StoredArray


def plan_rewrite(
    dataset_path: Path,
    layer_name: str,
    compute: Compute,
    *,
    array: ArraySettings | None = None,
    target_path: Path | None = None,
) -> LayerPlan:
    """Plan to store every mag of a layer with the settings `array` (None: as it is now) in the dataset `target_path`.

    `target_path` None: in its own dataset, as new versions of the mags; the old ones stay until the dataset is
    committed. Raises NotADatasetError if the layer is not published there, PlanError if it does not fit the budget.
    """
    record = _published(dataset_path, layer_name)
    target = target_path or dataset_path
    current = current_settings(dataset_path, layer_name)
    settings = (array or current).fitted_to(record.box.size)
    there = read_layer_record(target, layer_name)
    mags = tuple(_plan_mag(mag, record, settings, target, there) for mag in record.mags)
    # Mag by mag: a rewrite that was killed leaves some mags as they are to become, and others as they were.
    passes = tuple(
        _plan_pass(
            mag, record, settings, compute, copies_shards=_settings_of(dataset_path / stored_mag.path) == settings
        )
        for mag, stored_mag in zip(mags, record.mags, strict=True)
        if not mag.up_to_date
    )
    stored = {mag.to_mag(): mag.stored_bytes for mag in record.mags}
    return LayerPlan(
        request=LayerRequest(
            dataset_path=target,
            layer_name=layer_name,
            category=record.category,
            source=None,
            voxel_size=record.voxel_size,
            mags=tuple(mag.mag for mag in mags),
            mode=record.mode,
            topleft=record.box.topleft,
            array=settings,
        ),
        description=None,
        box=record.box,
        dtype=np.dtype(record.dtype),
        channels=record.channels,
        mags=mags,
        passes=passes,
        read_bytes=sum(stored[one.mags[0].mag] for one in passes),
        peak_memory_bytes=max((one.memory.peak_bytes for one in passes), default=0),
        read_from=dataset_path,
        additional=record.additional,
    )


def current_settings(dataset_path: Path, layer_name: str) -> ArraySettings:
    """Return how the finest mag of a layer is cut and encoded. Raises NotADatasetError."""
    return _settings_of(dataset_path / _published(dataset_path, layer_name).mags[0].path)


def _settings_of(array_path: Path) -> ArraySettings:
    layout = StoredArray.open(array_path).array_layout
    return ArraySettings(
        layout=layout.layout,
        chunk_shape=layout.chunk_shape,
        shard_shape=layout.shard_shape,
        zstd_level=layout.zstd_level,
    )


def _published(dataset_path: Path, layer_name: str) -> LayerRecord:
    record = current_record(dataset_path, layer_name)  # with its edits: what is stored anew is what is there now
    if record is None or not record.mags:
        raise NotADatasetError(f"nothing of layer {layer_name!r} is published in {dataset_path}; its ledger is missing")
    return record


def _plan_mag(
    mag: MagRecord, record: LayerRecord, settings: ArraySettings, target: Path, there: LayerRecord | None
) -> MagPlan:
    key = storage_key(mag.voxels_key, settings)
    path, up_to_date = place(target, record.layer_name, mag.to_mag(), key, there, read_checksums=False)
    box = mag.box_in_mag.to_box()
    return MagPlan(
        mag=mag.to_mag(),
        key=key,
        voxels_key=mag.voxels_key,
        parent_key=mag.parent_key,
        box_in_mag=box,
        shards=prod(ShardGrid(settings.shard_shape).covering(box).size // settings.shard_shape)
        * prod(extent for _, extent in record.additional),
        raw_bytes=mag.raw_bytes,
        path=path,
        up_to_date=up_to_date,
    )


def _plan_pass(
    mag: MagPlan, record: LayerRecord, settings: ArraySettings, compute: Compute, *, copies_shards: bool
) -> PassPlan:
    pyramid = plan_pyramid(
        box=record.box,
        mags=[mag.mag],
        stored=[True],
        layout=settings.layout,
        channels=record.channels,
        dtype=np.dtype(record.dtype),
        chunk_shape=settings.chunk_shape,
        shard_shape=settings.shard_shape,
        zstd_level=settings.zstd_level,
        additional=record.additional,
    )
    return PassPlan(
        parent=mag.mag,
        pyramid=pyramid,
        memory=fit_memory(pyramid, threads=compute.threads, budget_bytes=compute.memory_bytes),
        mags=(mag,),
        copies_shards=copies_shards,
    )
