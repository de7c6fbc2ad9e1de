"""`wk-assets convert SOURCE TARGET`: images become a dataset, or one more layer of it, without any configuration.

The options are parsed here; the work is in `conversion`.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.screen import complain, headline, say, show_json
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.storage.array_layout import Layout


def convert(
    source: Annotated[Path, typer.Argument(help="An image file, or a folder with one image per slice.")],
    target: Annotated[
        Path, typer.Argument(help="The directory of the dataset; a layer is added to one that is there.")
    ],
    voxel_size: Annotated[
        str | None,
        typer.Option("--voxel-size", help="Edge lengths x,y,z, e.g. 11.24,11.24,25. Default: what the files say."),
    ] = None,
    unit: Annotated[LengthUnit, typer.Option("--unit", help="The unit of --voxel-size.")] = LengthUnit.NANOMETER,
    layer_name: Annotated[
        str | None, typer.Option("--layer-name", help="Default: the category's name, color or segmentation.")
    ] = None,
    category: Annotated[str, typer.Option("--category", help="color (any image) or segmentation (labels).")] = "color",
    files: Annotated[
        str | None, typer.Option("--files", help="Which files of the folder, a glob like 'nuclei_z*.tif'.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="Axes that the files do not name, slowest first, e.g. zyx.")
    ] = None,
    channel: Annotated[int | None, typer.Option("--channel", min=0, help="Which of several channels, from 0.")] = None,
    layout: Annotated[
        Layout, typer.Option("--layout", help="ome: WEBKNOSSOS and OME-Zarr 0.5 at once; webknossos: plain.")
    ] = Layout.OME,
    compression: Annotated[
        str,
        typer.Option(
            "--compression",
            help="auto: the lowest zstd level within 2 % of the smallest, by a sample of the images (auto:10 within "
            "10 %); or fast (1), webknossos (5), compact (9), none, zstd:LEVEL.",
        ),
    ] = "auto",
    no_downsample: Annotated[bool, typer.Option("--no-downsample", help="Make the finest mag alone.")] = False,
    mags: Annotated[
        str | None,
        typer.Option("--mags", help="Which coarser mags to make, e.g. 2-2-1,4-4-2. Default: by the voxel size."),
    ] = None,
    sampling: Annotated[
        SamplingMode, typer.Option("--sampling", help="Which axes are halved from mag to mag.")
    ] = SamplingMode.ANISOTROPIC,
    mode: Annotated[
        DownsamplingMode | None,
        typer.Option("--mode", help="How a block becomes one voxel. Default: median for color, mode for segmentation."),
    ] = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert images to a WEBKNOSSOS dataset. Run again after a crash, it goes on; run again after success, it rests."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.conversion import ConversionOptions, carry_out, conversion_request
    from wk_assets.cli.plan_report import layer_documents, show_layers, total_document
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.result_report import check_documents, result_documents, show_results
    from wk_assets.operations.chunk_sample import ChunkSampler
    from wk_assets.operations.estimate_layer import estimated
    from wk_assets.operations.layer_plan import plan_layer

    started = time.monotonic()
    compute = compute_of(threads, memory)
    options = ConversionOptions(
        voxel_size=voxel_size,
        unit=unit,
        layer_name=layer_name,
        category=category,
        files=files,
        axes=axes,
        channel=channel,
        layout=layout,
        compression=compression,
        mags="" if no_downsample else mags,
        sampling=sampling,
        mode=mode,
    )
    sampler = ChunkSampler(compute.threads)
    planned = plan_layer(conversion_request(source, target, options, sampler), compute)
    if dry_run:
        planned = estimated(planned, compute, sampler)
        if as_json:
            show_json({"dataset_path": str(target), **total_document([planned]), "layers": layer_documents([planned])})
        else:
            headline(f"{source} -> {target}")
            show_layers([planned])
        return
    with shown_progress(planned.request.layer_name, quiet=as_json) as listener:
        result, checks, committed = carry_out(planned, compute, listener, sampler)
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
        headline(f"{source} -> {target}")
        show_results([result], named_checks, time.monotonic() - started)
    if committed is None:
        complain("a check of severity error failed: the layer is there, but the dataset does not show it")
        raise typer.Exit(ExitCode.FINDINGS)
    if not as_json:
        say(f"look at it: wk-assets info {target}")
