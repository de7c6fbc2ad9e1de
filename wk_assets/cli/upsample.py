"""`wk-assets upsample DATASET`: make finer mags by repeating voxels, so that a layer that is only coarse can be worked on."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wk_assets.cli.downsample import LayerNameOption, SamplingOption
from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.geometry.mag_ladder import SamplingMode

if TYPE_CHECKING:
    from wk_assets.cli.resampling_report import MagToMake
    from wk_assets.dataset.layer import Layer
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.compute import Compute


def upsample(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    from_mag: Annotated[str, typer.Option("--from-mag", help="The mag whose voxels are repeated.")],
    finest_mag: Annotated[str, typer.Option("--finest-mag", help="Where to stop.")] = "1",
    layer_name: LayerNameOption = None,
    sampling_mode: SamplingOption = SamplingMode.ANISOTROPIC,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make finer mags of layers by repeating voxels; any factor, no holes. Mags that are there are left alone."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.resampling_report import mag_documents, show_mags
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.geometry.mag import Mag

    started, compute = time.monotonic(), compute_of(threads, memory)
    opened = Dataset.open(dataset)
    chosen = [opened.get_layer(name) for name in layer_name or opened.layers]
    made: list[MagToMake] = []
    for layer in chosen:
        mags = _missing(layer, Mag(from_mag), Mag(finest_mag), sampling_mode)
        made += _plans(layer, Mag(from_mag), mags, compute)
        if dry_run or not mags:
            continue
        with shown_progress(layer.name, quiet=as_json) as listener:
            layer.upsample_mag_list(Mag(from_mag), list(mags), compute=compute, listener=listener)
    if as_json:
        show_json({"dataset_path": str(dataset), "layers": mag_documents(made)})
        return
    headline(str(dataset))
    if not made:
        say("nothing to do: every mag is there")
        return
    show_mags(made, seconds=None if dry_run else time.monotonic() - started)


def _missing(layer: "Layer", from_mag: "Mag", finest: "Mag", sampling: SamplingMode) -> "tuple[Mag, ...]":
    """List the mags that upsampling makes and the layer does not have yet, coarsest first."""
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.operations.resampling.resampling_ladder import finer_mags

    mags = finer_mags(
        from_mag,
        size=BoundingBox.from_ndbbox(layer.bounding_box).size,
        voxel_size=layer.dataset.voxel_size,
        finest=finest,
        sampling=sampling,
        existing={mag for other in layer.dataset.layers.values() for mag in other.mags},
    )
    return tuple(mag for mag in mags if mag not in layer.mags)


def _plans(layer: "Layer", from_mag: "Mag", mags: "tuple[Mag, ...]", compute: "Compute") -> "list[MagToMake]":
    from wk_assets.cli.resampled_layers import mag_to_make
    from wk_assets.operations.datasets.array_request import array_info
    from wk_assets.operations.resampling.resample_pyramid import plan_new_mags

    if not mags:
        return []
    infos = [(mag, array_info(layer.properties, mag)) for mag in mags]
    plans = plan_new_mags(
        layer.get_mag(from_mag).array,
        infos,
        source_mag=from_mag,
        layer_box=layer.normalized_bounding_box,
        mode=None,
        compute=compute,
    )
    return [mag_to_make(layer, mag, plan, info.shard_shape) for (mag, info), plan in zip(infos, plans, strict=True)]
