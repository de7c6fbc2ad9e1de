"""Do what a plan says: run the passes in staging, publish the mags, write the ledger. One writer per mag.

The order is the commit protocol: voxels and their checksums in `.wk-assets/staging`, synced and journaled by the
engine; the manifest into each array; the arrays renamed to their places; the ledger last. What a crash leaves behind
is either finished by the next run, or removed by it; readers look at neither.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from wk_assets.errors import PlanError, StorageError
from wk_assets.operations.arrays.array_volume import BlockSource, ReadsBlocks
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.built_pass import BuiltPass, parse_result, result_bytes, shards_by_name
from wk_assets.operations.layers.edited_mags import current_record
from wk_assets.operations.layers.layer_plan import LayerPlan, MagPlan, PassPlan, PlannedRedo, is_whole
from wk_assets.operations.layers.measure_slices import measured_anew
from wk_assets.operations.layers.redo_region import redo_shards
from wk_assets.operations.layers.updated_record import updated_record
from wk_assets.operations.passes.checkpoint import CHECKPOINT_BYTES
from wk_assets.operations.passes.engine import Engine, PassResult
from wk_assets.operations.passes.slab_sources import ImageSource, SlabSource, StoredSource
from wk_assets.operations.records.layer_record import (
    BOOKKEEPING,
    LayerRecord,
    LayerStatistics,
    SourceRecord,
    ledger_lock,
    read_layer_record,
    write_layer_record,
)
from wk_assets.operations.records.layer_request import LayerRequest, LayerResult, MagResult, Progress, ProgressListener
from wk_assets.operations.records.mag_lock import mag_lock_path
from wk_assets.readers.open_volume import open_volume
from wk_assets.storage.durable import (
    make_directory,
    move_into_place,
    remove_partials,
    remove_tree,
    sync_directory,
    sync_names,
    write_atomically,
)
from wk_assets.storage.locks import exclusive
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import copy_shard
from wk_assets.storage.stored_array import StoredArray

_RESULT_NAME = "result.json"
_SourceAt = Callable[[tuple[int, ...]], SlabSource]  # the source of a position along the additional axes


def run_layer(
    plan: LayerPlan,
    compute: Compute,
    listener: ProgressListener | None = None,
    *,
    checkpoint_bytes: int = CHECKPOINT_BYTES,
) -> LayerResult:
    """Make every mag of the plan that is not up to date, and say what is published then.

    May be run again after any crash, and ends with the same bytes. Raises LockedError if another process makes one
    of these mags now, SourceError, StorageError; nothing is visible then that was not visible before.
    """
    started = time.monotonic()
    request = plan.request
    read_bytes = written_bytes = 0
    with ExitStack() as locks:
        for mag in plan.mags:
            lock = mag_lock_path(request.dataset_path, request.layer_name, mag.mag)
            locks.enter_context(exclusive(lock, f"layer {request.layer_name}, mag {mag.mag.to_layer_name()}"))
        _tidy(plan)
        statistics = _measured_anew(plan)
        before = 0
        total = sum(one.read_voxels for one in plan.passes)
        for one in plan.passes:
            if _published(plan, one, read_layer_record(request.dataset_path, request.layer_name)):
                continue  # another process did it between the plan and our locks
            built = _build(plan, one, compute, _shifted(listener, before, total), checkpoint_bytes)
            _publish(plan, one, built, statistics)
            before += one.read_voxels
            read_bytes += built.read_bytes
            written_bytes += built.written_bytes
        _tidy(plan)
    record = read_layer_record(request.dataset_path, request.layer_name)
    if record is None:
        raise StorageError(
            f"the ledger of layer {request.layer_name!r} in {request.dataset_path} vanished during the run"
        )
    return LayerResult(
        layer_name=request.layer_name,
        mags=tuple(_mag_result(request, mag, record) for mag in plan.mags),
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        seconds=time.monotonic() - started,
        problems=record.problems,
    )


def _measured_anew(plan: LayerPlan) -> LayerStatistics | None:
    """Measure the finest mag again if somebody edited it and the coarser ones are to follow; else None."""
    request = plan.request
    known = read_layer_record(request.dataset_path, request.layer_name)
    now = current_record(request.dataset_path, request.layer_name)
    following = [one for one in plan.passes if one.parent is not None and not one.copies_shards]
    if known is None or now is None or not following or known.mags[0] == now.mags[0]:
        return None
    if following[0].parent != now.mags[0].to_mag() or plan.read_from != request.dataset_path:
        return None
    redo = following[0].redo
    return measured_anew(request.dataset_path, now, None if redo is None else redo.changed_in_parent)


def _staging(request: LayerRequest, one: PassPlan) -> Path:
    first = one.mags[0].mag.to_layer_name()
    return request.dataset_path / BOOKKEEPING / "staging" / request.layer_name / f"{first}_{one.key[:16]}"


def _shifted(listener: ProgressListener | None, before: int, total: int) -> ProgressListener | None:
    if listener is None:
        return None
    return lambda progress: listener(
        Progress(done_voxels=before + progress.done_voxels, total_voxels=total, message=progress.message)
    )


# ---------------------------------------------------------------------- building


def _build(
    plan: LayerPlan, one: PassPlan, compute: Compute, listener: ProgressListener | None, checkpoint_bytes: int
) -> BuiltPass:
    staging = _staging(plan.request, one)
    finished = staging / _RESULT_NAME
    if finished.exists():
        if all(
            (staging / mag.mag.to_layer_name()).exists() or is_whole(plan.request.dataset_path / mag.path, mag.key)
            for mag in one.mags
        ):
            return parse_result(finished.read_bytes())
        remove_tree(staging)
    make_directory(staging)
    sync_names(staging, plan.request.dataset_path)

    def run(source_at: _SourceAt) -> PassResult:
        positions = one.pyramid.positions()
        voxels = one.read_voxels // len(positions)
        return PassResult.joined(
            [
                Engine(
                    plan=one.pyramid,
                    mode=plan.request.mode,
                    source=source_at(leading),
                    staging=staging,
                    memory=one.memory.within(compute.threads),
                    listener=_shifted(listener, number * voxels, one.read_voxels),
                    checkpoint_bytes=checkpoint_bytes,
                    leading=leading,
                ).run()
                for number, leading in enumerate(positions)
            ]
        )

    if one.parent is None:
        built = _import(plan, one, run)
    elif one.copies_shards:
        built = _copy(plan, one, staging)
    elif one.redo is not None:
        built = _redo(plan, one, one.redo, staging, compute, listener)
    else:
        built = _derive(plan, one, run)
    for mag in one.mags:
        array = staging / mag.mag.to_layer_name()
        remove_partials(array)
        manifest = Manifest(content_key=mag.key, shards=built.shards[mag.mag.to_layer_name()])
        write_atomically(array / MANIFEST_NAME, manifest.to_bytes())
        sync_directory(array)
    write_atomically(finished, result_bytes(built))
    return built


def _import(plan: LayerPlan, one: PassPlan, run: Callable[[_SourceAt], PassResult]) -> BuiltPass:
    request = plan.request
    if request.source is None:
        raise PlanError(f"layer {request.layer_name!r}: the plan imports, but names no source")
    with open_volume(request.source) as reader:
        rows = one.memory.load_rows
        result = run(
            lambda leading: (
                BlockSource(reader, request.topleft, leading)
                if isinstance(reader, ReadsBlocks)
                else ImageSource(reader, request.topleft, at=leading, rows=rows)
            )
        )
        digests = reader.digests()
        files = reader.description.files
    digests |= {fact.file: fact.digest for fact in result.facts if fact.file is not None and fact.digest is not None}
    sources = tuple(
        SourceRecord(
            relative_path=file.relative_path,
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            digest=digests.get(file.relative_path),
        )
        for file in files
    )
    return BuiltPass(
        shards=shards_by_name(one.mags, result.shards),
        facts=result.facts,
        sources=sources,
        read_bytes=sum(file.size_bytes for file in files),
        written_bytes=result.written_bytes,
    )


def _derive(plan: LayerPlan, one: PassPlan, run: Callable[[_SourceAt], PassResult]) -> BuiltPass:
    request = plan.request
    record = read_layer_record(plan.read_from, request.layer_name)
    stored = record.mag(one.parent) if record is not None and one.parent is not None else None
    if stored is None:
        raise StorageError(
            f"layer {request.layer_name!r}: the mag that the plan reads is no longer in the ledger; plan again"
        )
    array = StoredArray.open(plan.read_from / stored.path)
    result = run(lambda leading: StoredSource(array, one.pyramid.levels[0].box, leading=leading))
    return BuiltPass(
        shards=shards_by_name(one.mags, result.shards),
        facts=(),
        sources=(),
        read_bytes=stored.stored_bytes,
        written_bytes=result.written_bytes,
    )


def _copy(plan: LayerPlan, one: PassPlan, staging: Path) -> BuiltPass:
    """Copy the shards of a mag as they are; each is compared with its checksum on the way."""
    record = read_layer_record(plan.read_from, plan.request.layer_name)
    mag = one.mags[0]
    stored = record.mag(mag.mag) if record is not None else None
    if stored is None:
        raise StorageError(f"mag {mag.mag.to_layer_name()} of {plan.read_from} is no longer in its ledger; plan again")
    source, target = plan.read_from / stored.path, staging / mag.mag.to_layer_name()
    manifest = Manifest.load(source)
    write_atomically(target / "zarr.json", (source / "zarr.json").read_bytes())
    for shard in manifest.shards:
        copy_shard(source, target, shard)
    return BuiltPass(
        shards={mag.mag.to_layer_name(): manifest.shards},
        facts=(),
        sources=(),
        read_bytes=manifest.stored_bytes,
        written_bytes=manifest.stored_bytes,
    )


def _redo(
    plan: LayerPlan,
    one: PassPlan,
    redo: PlannedRedo,
    staging: Path,
    compute: Compute,
    listener: ProgressListener | None,
) -> BuiltPass:
    request, mag = plan.request, one.mags[0].mag
    record = read_layer_record(request.dataset_path, request.layer_name)
    stored = record.mag(one.parent) if record is not None and one.parent is not None else None
    if stored is None or one.parent is None:
        raise StorageError(
            f"layer {request.layer_name!r}: the mag that the plan reads is no longer in the ledger; plan again"
        )
    shards, written_bytes = redo_shards(
        request.dataset_path / stored.path,
        staging / mag.to_layer_name(),
        redo,
        source_mag=one.parent,
        target_mag=mag,
        layer_box=plan.box,
        mode=request.mode,
        compute=compute,
        listener=listener,
    )
    return BuiltPass(
        shards={mag.to_layer_name(): shards}, facts=(), sources=(), read_bytes=0, written_bytes=written_bytes
    )


# ---------------------------------------------------------------------- publishing


def _publish(plan: LayerPlan, one: PassPlan, built: BuiltPass, statistics: LayerStatistics | None) -> None:
    """Give each array its place, then write the ledger. Every step may have been done by a run that was killed."""
    request = plan.request
    staging = _staging(request, one)
    # One lock for both steps: what is in its place but not yet in the ledger would look like rubbish to a commit.
    with ledger_lock(request.dataset_path, request.layer_name):
        for mag in one.mags:
            staged, final = staging / mag.mag.to_layer_name(), request.dataset_path / mag.path
            if not staged.exists():
                sync_directory(final.parent)  # moved by the run before this one, which may not have come this far
                continue
            if final.exists():
                # the same content, damaged: a whole one of another content has another path
                damaged = staging / f"damaged {mag.mag.to_layer_name()}"
                remove_tree(damaged)
                move_into_place(final, damaged)
            move_into_place(staged, final)
        sync_names(request.dataset_path / request.layer_name, request.dataset_path)
        write_layer_record(request.dataset_path, updated_record(plan, one, built, statistics))


def _mag_result(request: LayerRequest, mag: MagPlan, record: LayerRecord) -> MagResult:
    stored = record.mag(mag.mag)
    if stored is None:
        raise StorageError(
            f"mag {mag.mag.to_layer_name()} of layer {request.layer_name!r} is not in the ledger after the run"
        )
    return MagResult(
        mag=mag.mag,
        key=stored.key,
        path=request.dataset_path / stored.path,
        shape=mag.size,
        box_in_mag=mag.box_in_mag,
        shards=stored.shards,
        stored_bytes=stored.stored_bytes,
        raw_bytes=stored.raw_bytes,
        reused=mag.up_to_date,
    )


def _tidy(plan: LayerPlan) -> None:
    """Remove what earlier runs left in staging for the mags whose locks we hold, unless this plan goes on with it."""
    request = plan.request
    bookkeeping = request.dataset_path / BOOKKEEPING
    record = read_layer_record(request.dataset_path, request.layer_name)
    ours = {mag.mag.to_layer_name() for mag in plan.mags}
    wanted = {_staging(request, one) for one in plan.passes if not _published(plan, one, record)}
    staged = bookkeeping / "staging" / request.layer_name
    for leftover in staged.iterdir() if staged.is_dir() else ():
        if leftover.name.split("_")[0] in ours and leftover not in wanted:
            remove_tree(leftover)
    with ledger_lock(request.dataset_path, request.layer_name):
        remove_partials(bookkeeping, f"{request.layer_name}.json")
    for empty in (staged, staged.parent):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


def _published(plan: LayerPlan, one: PassPlan, record: LayerRecord | None) -> bool:
    for mag in one.mags:
        stored = record.mag(mag.mag) if record else None
        if stored is None or stored.key != mag.key:
            return False
        path = plan.request.dataset_path / stored.path
        if not is_whole(path, mag.key, read_checksums=plan.read_checksums):
            return False
    return True
