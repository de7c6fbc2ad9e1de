"""`wk-assets merge-fallback`: what was drawn, and the layer that it was drawn over, become one dataset."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption
from wk_assets.cli.screen import headline, say, show_json


def merge_fallback(
    annotation: Annotated[Path, typer.Argument(help="The annotation's .zip.")],
    dataset: Annotated[Path, typer.Argument(help="The folder of the dataset that was annotated.")],
    target: Annotated[Path, typer.Argument(help="The folder of the new dataset.")],
    volume_layer_name: Annotated[
        str | None, typer.Option("--volume-layer-name", help="Which volume layer, if there are several.")
    ] = None,
    zeros_are_unpainted: Annotated[
        bool,
        typer.Option(
            "--zeros-are-unpainted",
            help="Keep the fallback layer wherever the annotation has zeros. Default: zeros in a chunk that is stored were erased.",
        ),
    ] = False,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Lay a volume annotation over its fallback layer and make a dataset of both."""
    from wk_assets.annotation.annotation import Annotation
    from wk_assets.annotation.fallback_merge import fallback_layer_of
    from wk_assets.dataset.dataset import Dataset
    from wk_assets.errors import InputError

    found = Annotation.load(annotation)
    volume = found.get_volume_layer(volume_layer_name)
    fallback = fallback_layer_of(volume, dataset, found.dataset_name)
    if target.exists():
        raise InputError(f"there is something at {target} already; choose another name for the new dataset")
    if dry_run:
        say(f"would lay volume layer {volume.name} over layer {fallback.name} of {dataset} and write dataset {target}")
        return
    found.merge_fallback_layer(target, dataset, volume_layer_id=volume.id, zeros_are_unpainted=zeros_are_unpainted)
    merged = Dataset.open(target).get_segmentation_layer(fallback.name)
    if json_output:
        show_json(
            {
                "path": str(target), "layer": merged.name, "volume_layer": volume.name,
                "mags": [mag.to_layer_name() for mag in merged.mags], "largest_segment_id": merged.largest_segment_id,
            }
        )  # fmt: skip
        return
    headline(f"merged {volume.name} into {merged.name}, mags {', '.join(mag.to_layer_name() for mag in merged.mags)}")
    say(str(target))
