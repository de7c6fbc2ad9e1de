"""`wk-assets downsample DATASET [LAYER]`: make coarser mags from stored voxels, and make stale ones anew, whole or in part."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.geometry.mag_ladder import SamplingMode

if TYPE_CHECKING:
    from wk_assets.cli.resampled_layers import CoarserMags
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.operations.compute import Compute

LayerNameOption = Annotated[
    list[str] | None, typer.Option("--layer-name", help="A layer; may be given several times. Default: every layer.")
]
SamplingOption = Annotated[
    SamplingMode, typer.Option("--sampling-mode", help="Which axes are halved from one mag to the next.")
]


def downsample(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    layer: Annotated[str | None, typer.Argument(help="The layer's name. Default: every layer.")] = None,
    layer_name: LayerNameOption = None,
    mag: Annotated[
        list[str] | None,
        typer.Option(
            "--mag", help="A mag to make, e.g. 2-2-1; may be given several times. Default: all that are usual."
        ),
    ] = None,
    from_mag: Annotated[
        str | None, typer.Option("--from-mag", help="The mag to begin at. Default: what is there.")
    ] = None,
    coarsest_mag: Annotated[
        str | None, typer.Option("--coarsest-mag", help="Where to stop. Default: at 100 voxels or fewer in x and y.")
    ] = None,
    sampling_mode: SamplingOption = SamplingMode.ANISOTROPIC,
    interpolation_mode: Annotated[
        str | None,
        typer.Option(
            "--interpolation-mode",
            "--mode",
            help="How a block becomes one voxel: median, mode, max, min, mean (= bilinear), nearest. Default: the layer's own; "
            "else median for images, mode for segmentations.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="x,y,z,width,height,depth in mag-1 voxels: nothing changed elsewhere, so only the shards above are made anew.",
        ),
    ] = None,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", help="Make all coarser mags anew. Imported layers need not be told: what is stale is found."
        ),
    ] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make coarser mags of layers, of any format. What is up to date is left alone."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.resampled_layers import CoarserMags
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.geometry.mag import Mag

    compute = compute_of(threads, memory)
    wanted = CoarserMags(
        mags=tuple(Mag(text) for text in mag or ()),
        from_mag=None if from_mag is None else Mag(from_mag),
        coarsest=None if coarsest_mag is None else Mag(coarsest_mag),
        sampling=sampling_mode,
        interpolation_mode=interpolation_mode or "default",
        region=None if region is None else BoundingBox.from_csv(region),
        redo=redo,
    )
    opened = Dataset.open(dataset)
    named = [*([layer] if layer else []), *(layer_name or ())]
    chosen = [opened.get_layer(name).name for name in dict.fromkeys(named or opened.layers)]
    documents: list[dict[str, Any]] = []
    if not as_json:
        headline(str(dataset))
    for name in chosen:
        documents += _one_layer(opened, name, wanted, compute, dry_run=dry_run, as_json=as_json)
    if as_json:
        totals = _totals(documents) if dry_run else {"dataset_path": str(dataset)}
        show_json({**totals, "layers": documents})
    elif not dry_run:
        say(f"look at it: wk-assets info {dataset}")


def _one_layer(
    dataset: "Dataset", name: str, wanted: "CoarserMags", compute: "Compute", *, dry_run: bool, as_json: bool
) -> list[dict[str, Any]]:
    from wk_assets.cli.plan_report import layer_documents, show_layers
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.resampled_layers import plan_imported, plan_others
    from wk_assets.cli.resampling_report import mag_documents, show_mags
    from wk_assets.cli.result_report import result_documents, show_results
    from wk_assets.operations.datasets.remake_mags import keeping_record, run_remake
    from wk_assets.operations.layers.estimate_layer import estimated

    layer, started = dataset.get_layer(name), time.monotonic()
    record = keeping_record(Path(dataset.path), layer.properties)
    if record is None:
        mags, work = plan_others(layer, wanted, compute)
        if not dry_run:
            with shown_progress(name, quiet=as_json) as listener:
                work(listener)
        if not as_json:
            show_mags(mags, seconds=None if dry_run else time.monotonic() - started)
        return mag_documents(mags)
    plan = plan_imported(record, dataset, wanted, compute)
    if dry_run:
        plan = estimated(plan, compute)
        if not as_json:
            show_layers([plan])
        return layer_documents([plan])
    with shown_progress(name, quiet=as_json) as listener:
        result = run_remake(plan, compute, listener)
    dataset.reload()
    if not as_json:
        show_results([result], (), time.monotonic() - started)
    return result_documents([result])


def _totals(documents: list[dict[str, Any]]) -> dict[str, Any]:
    todo = [mag for document in documents for mag in document["mags"] if not mag.get("up_to_date")]
    return {
        "up_to_date": not todo,
        "read_bytes": sum(document.get("read_bytes", 0) for document in documents),
        "written_bytes_at_most": sum(mag["raw_bytes"] for mag in todo),
        "mags": len(todo),
        "shards": sum(mag["shards"] for mag in todo),
        "peak_memory_bytes": max((document["peak_memory_bytes"] for document in documents), default=0),
    }
