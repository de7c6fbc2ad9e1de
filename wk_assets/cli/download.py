"""`wk-assets download`: fetch a dataset, or a part of it, from a WEBKNOSSOS server; run again, it goes on where it stopped."""

from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption
from wk_assets.cli.progress import shown_count
from wk_assets.cli.quantities import bytes_text, counted
from wk_assets.cli.screen import headline, say, show_json


def download(
    dataset: Annotated[
        str, typer.Argument(help="Its address in the browser, its id, or its name in your organization.")
    ],
    target: Annotated[Path, typer.Argument(help="The folder that it is put into.")],
    layers: Annotated[
        list[str] | None, typer.Option("--layer", help="Only this layer; may be given several times.")
    ] = None,
    mags: Annotated[
        list[str] | None, typer.Option("--mag", help="Only this mag, like 2 or 4-4-1; may be given several times.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option("--bbox", help="Only this box in mag-1 voxels: x,y,z,width,height,depth.")
    ] = None,
    data_format: Annotated[str, typer.Option("--data-format", help="zarr3, zarr or wkw.")] = "zarr3",
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=32, help="Blocks that are fetched at once.")] = 4,
    memory: MemoryOption = None,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Add the layers to a dataset that is there.")] = False,
    json_output: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Fetch a dataset from a WEBKNOSSOS server. The token comes from WK_TOKEN; sharing links need none."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.dataset.layer_adding import parse_data_format
    from wk_assets.dataset.remote_dataset import RemoteDataset
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.transfer.download_dataset import DownloadSettings, run_download

    opened = RemoteDataset.open(dataset)
    plan = opened.plan_download(
        layers=layers or None,
        mags=[Mag(mag) for mag in mags] if mags else None,
        bounding_box=None if bbox is None else BoundingBox.from_csv(bbox),
        data_format=parse_data_format(data_format),
    )
    what = f"{counted(plan.block_count, 'block')}, {bytes_text(plan.size_bytes)} of voxels"
    if dry_run:
        say(f"would fetch {what}, of dataset {plan.dataset_id} on {plan.server_url} to {target}")
        return
    settings = DownloadSettings(threads=jobs, memory_bytes=compute_of(None, memory).memory_bytes)
    with shown_count(f"download to {target}", "byte", quiet=json_output) as listener:
        result = run_download(plan, opened.source.reader(), target, settings, listener, exist_ok=exist_ok)
    if json_output:
        show_json(
            {
                "path": str(result.path),
                "fetched_bytes": result.fetched_bytes,
                "kept_bytes": result.kept_bytes,
                "reused": result.reused,
            }
        )
        return
    headline("it is here already" if result.reused else f"fetched {bytes_text(result.fetched_bytes)} of voxels")
    say(str(result.path))
