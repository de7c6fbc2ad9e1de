"""`wk-assets compress` and `wk-assets copy-dataset`: store what is there once more, without changing a voxel."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.conversion_options import ArrayFormat, ChunkShapeOption, ShardShapeOption
from wk_assets.cli.downsample import LayerNameOption
from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.storage.array_layout import Layout

if TYPE_CHECKING:
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.compute import Compute
    from wk_assets.operations.datasets.commit_dataset import DatasetRequest
    from wk_assets.operations.layers.layer_plan import LayerPlan
    from wk_assets.operations.records.layer_request import ArraySettings

CompressionOption = Annotated[
    str | None,
    typer.Option(
        "--compression",
        help="fast, webknossos, compact, none or zstd:LEVEL. Default: as it is stored now.",
        show_default=False,
    ),
]
ChunkOption = Annotated[int | None, typer.Option("--chunk", min=1, help="Edge of a chunk in voxels, a power of two.")]
ShardOption = Annotated[int | None, typer.Option("--shard", min=1, help="Edge of a shard in voxels, a power of two.")]


def compress(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    layer_name: LayerNameOption = None,
    mag: Annotated[
        list[str] | None, typer.Option("--mag", help="A mag; may be given several times. Default: every mag.")
    ] = None,
    compression: CompressionOption = None,
    chunk: ChunkOption = None,
    shard: ShardOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Store a dataset with another compression, or cut into other chunks and shards. No voxel changes.

    Of layers that were not imported those mags are stored anew that are not compressed at all, or cut otherwise.
    """
    from wk_assets.cli.committed_dataset import committed
    from wk_assets.cli.compress_others import compress_others
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.errors import InputError
    from wk_assets.geometry.mag import Mag
    from wk_assets.geometry.vec3_int import Vec3Int
    from wk_assets.operations.datasets.remake_mags import keeping_record

    compute, request, opened = compute_of(threads, memory), committed(dataset), Dataset.open(dataset)
    chosen = [opened.get_layer(name) for name in layer_name or opened.layers]
    mags = {Mag(text) for text in mag or ()}
    imported = [layer.name for layer in chosen if keeping_record(dataset, layer.properties) is not None]
    others = [
        view
        for layer in chosen
        if layer.name not in imported
        for view in layer.mags.values()
        if not view.is_foreign and (not mags or view.mag in mags)
    ]
    if others and compression not in {None, "none"}:
        raise InputError(
            f"--compression {compression}: layer {others[0].layer.name!r} was not imported by wk-assets; for such layers only "
            "`--compression none` can be said, or nothing (the default level)"
        )
    documents = compress_others(
        others,
        chunk=None if chunk is None else Vec3Int.full(chunk),
        shard=None if shard is None else Vec3Int.full(shard),
        compressed=compression is None,
        dry_run=dry_run,
        quiet=as_json,
    )
    if not imported:
        if as_json:
            show_json({"dataset_path": str(dataset), "other_mags": documents})
        return
    plans = _plans(
        dataset, replace(request, layer_names=tuple(imported)), compute, (compression, chunk, shard), request.layout
    )
    plans = [_of_mags(plan, mags) for plan in plans]
    _run(plans, request, compute, dry_run=dry_run, as_json=as_json, other_mags=documents)


def copy_dataset(
    source: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    target: Annotated[Path, typer.Argument(help="The directory of the copy; made if it is not there.")],
    compression: CompressionOption = None,
    chunk: ChunkOption = None,
    shard: ShardOption = None,
    layout: Annotated[
        Layout | None, typer.Option("--layout", help="How the copy lies on disk. Default: as now.")
    ] = None,
    data_format: Annotated[
        ArrayFormat | None, typer.Option("--data-format", help="zarr3, zarr (v2) or wkw. Default: as now.")
    ] = None,
    chunk_shape: ChunkShapeOption = None,
    shard_shape: ShardShapeOption = None,
    exists_ok: Annotated[
        bool, typer.Option("--exists-ok", help="Copy into a dataset that is there already, over what it has.")
    ] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a dataset, every shard compared with its checksum; with other settings it is stored anew on the way.

    Datasets of others, and other formats, are copied mag by mag.
    """
    from wk_assets.cli.committed_dataset import committed, written_by_us
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.shapes import shape_of
    from wk_assets.errors import InputError

    if data_format is not None or chunk_shape or shard_shape or exists_ok or not written_by_us(source):
        from wk_assets.cli.copy_elsewhere import copy_elsewhere
        from wk_assets.geometry.vec3_int import Vec3Int
        from wk_assets.properties.layer_properties import DataFormat

        if layout is not None or compression not in {None, "none"}:
            raise InputError(
                "--layout and --compression are for zarr3 datasets of wk-assets; with --data-format, --chunk-shape, "
                "--shard-shape or --exists-ok only `--compression none` can be said"
            )
        copy_elsewhere(
            source,
            target,
            data_format=None if data_format is None else DataFormat(data_format.value),
            chunk_shape=shape_of(chunk_shape, "--chunk-shape") or (None if chunk is None else Vec3Int.full(chunk)),
            shard_shape=shape_of(shard_shape, "--shard-shape") or (None if shard is None else Vec3Int.full(shard)),
            compress=None if compression is None else False,
            exists_ok=exists_ok,
            dry_run=dry_run,
            as_json=as_json,
        )
        return
    compute, original = compute_of(threads, memory), committed(source)
    request = replace(
        original, dataset_path=target, name=target.resolve().name, layout=layout or original.layout, like=source
    )
    plans = _plans(source, request, compute, (compression, chunk, shard), request.layout)
    _run(plans, request, compute, dry_run=dry_run, as_json=as_json)


def _plans(
    source: Path,
    request: "DatasetRequest",
    compute: "Compute",
    wanted: tuple[str | None, int | None, int | None],
    layout: Layout,
) -> list["LayerPlan"]:
    from wk_assets.operations.layers.rewrite_layer import current_settings, plan_rewrite

    return [
        plan_rewrite(
            source,
            name,
            compute,
            array=_settings(current_settings(source, name), wanted, layout),
            target_path=request.dataset_path,
        )
        for name in request.layer_names
    ]


def _of_mags(plan: "LayerPlan", mags: "set[Mag]") -> "LayerPlan":
    """Leave out what is not asked for; each mag is stored anew by a pass of its own."""
    if not mags:
        return plan
    return replace(
        plan,
        mags=tuple(one for one in plan.mags if one.mag in mags),
        passes=tuple(one for one in plan.passes if one.mags[0].mag in mags),
    )


def _settings(
    current: "ArraySettings", wanted: tuple[str | None, int | None, int | None], layout: Layout
) -> "ArraySettings":
    from wk_assets.errors import InputError
    from wk_assets.geometry.vec3_int import Vec3Int
    from wk_assets.operations.layers.compression import Compression

    compression, chunk, shard = wanted
    settings = replace(current, layout=layout)
    if compression is not None:
        chosen = Compression.parse(compression)
        if chosen.automatic:
            raise InputError("compression 'auto' samples a source; for a stored dataset write a preset or zstd:LEVEL")
        settings = replace(settings, zstd_level=chosen.zstd_level)
    if chunk is not None:
        settings = replace(settings, chunk_shape=Vec3Int.full(chunk))
    if shard is not None:
        settings = replace(settings, shard_shape=Vec3Int.full(shard))
    return settings


def _run(
    plans: list["LayerPlan"],
    request: "DatasetRequest",
    compute: "Compute",
    *,
    dry_run: bool,
    as_json: bool,
    other_mags: Sequence[dict[str, Any]] = (),
) -> None:
    from wk_assets.cli.plan_report import layer_documents, show_layers, total_document
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.result_report import result_documents, show_results
    from wk_assets.operations.datasets.commit_dataset import commit_dataset
    from wk_assets.operations.layers.run_layer import run_layer

    if dry_run:
        if as_json:
            show_json({**total_document(plans), "layers": layer_documents(plans), "other_mags": list(other_mags)})
        else:
            show_layers(plans)
        return
    started = time.monotonic()
    results = []
    for plan in plans:
        with shown_progress(plan.request.layer_name, quiet=as_json) as listener:
            results.append(run_layer(plan, compute, listener))
    commit_dataset(request)
    if as_json:
        documents = result_documents(results)
        show_json({"dataset_path": str(request.dataset_path), "layers": documents, "other_mags": list(other_mags)})
    else:
        headline(str(request.dataset_path))
        show_results(results, (), time.monotonic() - started)
        say(f"look at it: wk-assets info {request.dataset_path}")
