"""The ledger of a layer after a pass: what was there, with the mags that were made. Reads ledgers, writes nothing."""

from wk_assets.errors import StorageError
from wk_assets.operations.layers.built_pass import BuiltPass
from wk_assets.operations.layers.edited_mags import current_record
from wk_assets.operations.layers.layer_plan import LayerPlan, MagPlan, PassPlan
from wk_assets.operations.records.layer_record import (
    BoxRecord,
    LayerRecord,
    LayerStatistics,
    MagRecord,
    read_layer_record,
)
from wk_assets.storage.shard import ShardEntry


def updated_record(plan: LayerPlan, one: PassPlan, built: BuiltPass, statistics: LayerStatistics | None) -> LayerRecord:
    """Return the ledger as it will be once the mags of a pass have their places.

    `statistics`: those of the finest mag if it was measured anew, else None. The caller holds the ledger's lock.
    Raises StorageError if the ledger that the plan rests on is gone.
    """
    request = plan.request
    # what was edited is in the ledger from now on, too: the new mags rest on it
    old = current_record(request.dataset_path, request.layer_name)
    new = {mag.mag: _mag_record(mag, built.shards[mag.mag.to_layer_name()]) for mag in one.mags}
    kept = {record.to_mag(): record for record in old.mags} if old else {}
    mags = kept | new
    order = sorted(mags, key=lambda mag: (mag.max_dim, tuple(mag.to_vec3_int())))
    if one.parent is not None:
        base = old or read_layer_record(plan.read_from, request.layer_name)
        if base is None:
            raise StorageError(
                f"the ledger of layer {request.layer_name!r} in {plan.read_from} vanished during the run"
            )
        return base.model_copy(
            update={
                "mags": tuple(mags[mag] for mag in order),
                "layout": request.array.layout,
                "statistics": statistics or base.statistics,
            }
        )
    given = request.source.voxel_size if request.source else None
    measured = given or (plan.description.voxel_size if plan.description else None)
    return LayerRecord(
        layer_name=request.layer_name,
        category=request.category,
        channels=plan.channels,
        dtype=plan.dtype.name,
        voxel_size_factor=request.voxel_size.factor,
        voxel_size_unit=request.voxel_size.unit,
        voxel_size_source=measured.source if measured else None,
        voxel_size_alternatives=_alternatives(plan),
        box_mag1=BoxRecord.of(plan.box),
        layout=request.array.layout,
        mode=request.mode,
        source_format=plan.description.format if plan.description else "",
        additional=plan.additional,
        mags=tuple(mags[mag] for mag in order if mag in request.mags),
        sources=built.sources,
        statistics=LayerStatistics(slices=built.facts),
    )


def _alternatives(plan: LayerPlan) -> tuple[str, ...]:
    if plan.description is None:
        return ()
    return tuple(
        f"{tuple(other.voxel_size.factor)} {other.voxel_size.unit.value}: {other.source}"
        for other in plan.description.voxel_size_alternatives
    )


def _mag_record(mag: MagPlan, shards: tuple[ShardEntry, ...]) -> MagRecord:
    return MagRecord(
        mag=mag.mag.to_layer_name(),
        path=mag.path,
        key=mag.key,
        voxels_key=mag.voxels_key,
        parent_key=mag.parent_key,
        box_in_mag=BoxRecord.of(mag.box_in_mag),
        shards=len(shards),
        stored_bytes=sum(shard.size_bytes for shard in shards),
        raw_bytes=mag.raw_bytes,
    )
