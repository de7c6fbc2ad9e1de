"""`wk-assets downsample DATASET LAYER`: make coarser mags of a layer that wk-assets wrote, from its stored voxels."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.kernels.modes import DownsamplingMode

if TYPE_CHECKING:
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.layer_record import LayerRecord
    from wk_assets.operations.layer_request import LayerRequest


def downsample(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    layer: Annotated[str, typer.Argument(help="The layer's name.")],
    mag: Annotated[
        list[str] | None,
        typer.Option(
            "--mag", help="A mag to make, e.g. 2-2-1; may be given several times. Default: all that are usual."
        ),
    ] = None,
    mode: Annotated[
        DownsamplingMode | None, typer.Option("--mode", help="How a block becomes one voxel. Default: the layer's own.")
    ] = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make coarser mags of a layer. What is up to date is left alone."""
    from wk_assets.cli.committed_dataset import committed
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.plan_report import layer_documents, show_layers, total_document
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.result_report import result_documents, show_results
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.commit_dataset import commit_dataset
    from wk_assets.operations.estimate_layer import estimated
    from wk_assets.operations.layer_plan import plan_layer
    from wk_assets.operations.run_layer import run_layer

    compute = compute_of(threads, memory)
    dataset_request = committed(dataset)
    request = downsampling_request(dataset, layer, tuple(mag or ()), mode)
    planned = plan_layer(request, compute, wanted=[Mag(text) for text in mag] if mag else request.mags[1:])
    if dry_run:
        planned = estimated(planned, compute)
        if as_json:
            show_json({**total_document([planned]), "layers": layer_documents([planned])})
        else:
            show_layers([planned])
        return
    started = time.monotonic()
    with shown_progress(layer, quiet=as_json) as listener:
        result = run_layer(planned, compute, listener)
    commit_dataset(dataset_request)
    if as_json:
        show_json({"dataset_path": str(dataset), "layers": result_documents([result])})
    else:
        headline(f"{layer} of {dataset}")
        show_results([result], (), time.monotonic() - started)
        say(f"look at it: wk-assets info {dataset}")


def downsampling_request(
    dataset: Path, layer: str, wanted: tuple[str, ...], mode: DownsamplingMode | None
) -> "LayerRequest":
    """Ask for mags of a stored layer, encoded as it is. `wanted` empty: all that are usual; `mode` None: its own."""
    from wk_assets.cli.committed_dataset import layer_record
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.layer_request import ArraySettings, LayerRequest
    from wk_assets.storage.stored_array import StoredArray

    record = layer_record(dataset, layer)
    finest = record.mags[0]
    stored = StoredArray.open(dataset / finest.path)
    chosen = tuple(Mag(text) for text in wanted) or _usual_mags(record)
    array = ArraySettings(
        layout=record.layout,
        chunk_shape=stored.chunk_shape,
        shard_shape=stored.shard_shape,
        zstd_level=stored.array_layout.zstd_level,
    )
    # Mags that are there stay in the ladder, asked for or not: they are the parents of those that are.
    mags = sorted({*chosen, *(one.to_mag() for one in record.mags)})
    return LayerRequest(
        dataset_path=dataset,
        layer_name=layer,
        category=record.category,
        source=None,
        voxel_size=record.voxel_size,
        mags=tuple(mags),
        mode=record.mode if mode is None else mode,
        topleft=record.box.topleft,
        array=array,
    )


def _usual_mags(record: "LayerRecord") -> tuple["Mag", ...]:
    from wk_assets.geometry.mag_ladder import default_coarsest_mag, mag_ladder

    return mag_ladder(
        record.voxel_size.to_nanometer(),
        record.mags[0].to_mag(),
        default_coarsest_mag(record.box.size),
        depth=record.box.size.z,
    )
