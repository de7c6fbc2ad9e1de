"""Carry out what a command of conversion asks for: plan, show or run, report. The same for images, raw voxels, cubes, arrays."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.screen import complain, headline, say, show_json

if TYPE_CHECKING:
    from wk_assets.cli.conversion import ConversionOptions
    from wk_assets.operations.compute import Compute
    from wk_assets.operations.layers.chunk_sample import ChunkSampler
    from wk_assets.operations.records.layer_request import LayerRequest

RequestMaker = Callable[["ConversionOptions", "ChunkSampler"], "LayerRequest"]


def run_conversion(
    title: str,
    target: Path,
    make_request: RequestMaker,
    options: "ConversionOptions",
    compute: "Compute",
    *,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Convert one source to a layer of the dataset at `target`; `make_request` builds the request of that layer."""
    from wk_assets.cli.conversion import carry_out
    from wk_assets.cli.plan_report import layer_documents, show_layers, total_document
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.result_report import check_documents, result_documents, show_results
    from wk_assets.operations.layers.chunk_sample import ChunkSampler
    from wk_assets.operations.layers.estimate_layer import estimated
    from wk_assets.operations.layers.layer_plan import plan_layer
    from wk_assets.properties.layer_properties import DataFormat

    started = time.monotonic()
    if overwrite and not dry_run:
        _remove_dataset(target)
    sampler = ChunkSampler(compute.threads)
    request = make_request(options, sampler)
    if options.data_format is not DataFormat.Zarr3:
        _convert_to_other(title, request, options, compute, dry_run=dry_run, as_json=as_json)
        return
    planned = plan_layer(request, compute)
    if dry_run:
        planned = estimated(planned, compute, sampler)
        if as_json:
            show_json({"dataset_path": str(target), **total_document([planned]), "layers": layer_documents([planned])})
        else:
            headline(f"{title} -> {target}")
            show_layers([planned])
        return
    with shown_progress(planned.request.layer_name, quiet=as_json) as listener:
        result, checks, committed = carry_out(planned, compute, listener, sampler, name=options.name)
    named_checks = [(result.layer_name, outcome) for outcome in checks]
    if as_json:
        show_json(
            {
                "dataset_path": str(target),
                "published": committed is not None,
                "layers": result_documents([result]),
                "checks": check_documents(named_checks),
            }
        )
    else:
        headline(f"{title} -> {target}")
        show_results([result], named_checks, time.monotonic() - started)
    if committed is None:
        complain("a check of severity error failed: the layer is there, but the dataset does not show it")
        raise typer.Exit(ExitCode.FINDINGS)
    if not as_json:
        say(f"look at it: wk-assets info {target}")


def _convert_to_other(
    title: str,
    request: "LayerRequest",
    options: "ConversionOptions",
    compute: "Compute",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Convert to Zarr v2 or wkw: the finest mag slab by slab, the coarser ones from it. Goes on where it was killed."""
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.quantities import seconds_text, size_text
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.errors import PlanError
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.imports.import_images import import_layer
    from wk_assets.operations.imports.import_request import ImportRequest
    from wk_assets.readers.open_volume import open_volume

    started = time.monotonic()
    if request.source is None:
        raise PlanError(f"layer {request.layer_name!r}: nothing to convert")
    with open_volume(request.source) as reader:
        described = reader.description
    mags = [mag.to_layer_name() for mag in request.mags]
    document = {
        "dataset_path": str(request.dataset_path),
        "data_format": options.data_format.value,
        "layer": request.layer_name,
        "category": request.category,
        "size": list(described.size),
        "dtype": described.dtype.name,
        "mags": mags,
    }
    if not dry_run:
        dataset = Dataset(
            request.dataset_path, name=options.name, exist_ok=True, voxel_size_with_unit=request.voxel_size
        )
        if request.layer_name not in dataset.layers:
            with shown_progress(request.layer_name, quiet=as_json) as listener:
                import_layer(
                    ImportRequest(
                        dataset_path=request.dataset_path,
                        layer_name=request.layer_name,
                        category=request.category,
                        source=request.source,
                        data_format=options.data_format,
                        topleft=request.topleft,
                        chunk_shape=options.chunk_shape,
                        shard_shape=options.shard_shape,
                        compress=request.array.zstd_level is not None,
                    ),
                    compute,
                    listener,
                )
            dataset.reload()
        layer = dataset.get_layer(request.layer_name)
        missing = [mag for mag in request.mags if mag not in layer.mags]
        finest = Mag(1)
        if missing:
            layer.downsample_mag_list(finest, missing, interpolation_mode=request.mode.value)
    if as_json:
        show_json(document)
        return
    headline(f"{title} -> {request.dataset_path}")
    say(
        f"{request.layer_name} ({request.category}, {described.dtype.name}, {size_text(described.size.to_tuple())} voxels) in "
        f"{options.data_format.value}, mags {', '.join(mags)}"
    )
    if not dry_run:
        say(f"done in {seconds_text(time.monotonic() - started)}; look at it: wk-assets info {request.dataset_path}")


def _remove_dataset(target: Path) -> None:
    """Remove the dataset at `target`, if there is one. Raises TargetNotWritableError for anything else that is there."""
    from wk_assets.errors import TargetNotWritableError
    from wk_assets.operations.records.layer_record import BOOKKEEPING
    from wk_assets.properties.dataset_properties import FILE_NAME
    from wk_assets.storage.durable import storage_refusals

    if not target.exists():
        return
    if not ((target / FILE_NAME).exists() or (target / BOOKKEEPING).exists()):
        raise TargetNotWritableError(f"{target} is not a dataset, so it is not removed; give another directory")
    with storage_refusals(target):
        (target / FILE_NAME).unlink(missing_ok=True)  # from now on nobody takes what is left for a dataset
        shutil.rmtree(target)
