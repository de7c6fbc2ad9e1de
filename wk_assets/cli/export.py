"""`wk-assets export` and `wk-assets export-as-tiff`: a layer in a format that other programs read.

The options are parsed here; the work is in `operations.exports.export_layer`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wk_assets.cli.options import DryRunOption, JsonOption, ThreadsOption
from wk_assets.cli.screen import headline, say, show_json
from wk_assets.operations.exports.export_request import ExportFormat

if TYPE_CHECKING:
    from wk_assets.geometry.bounding_box import BoundingBox
    from wk_assets.geometry.mag import Mag
    from wk_assets.operations.exports.export_request import ExportRequest

BoxOption = Annotated[
    str | None,
    typer.Option(
        "--bbox", help="x,y,z,width,height,depth in mag-1 voxels. Beyond the layer is zero. Default: all of it."
    ),
]
MagOption = Annotated[str | None, typer.Option("--mag", help="Which mag, e.g. 1 or 2-2-1. Default: the finest.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite-existing", help="Replace what is at TARGET, if that is something else.")
]
MappingOption = Annotated[
    str | None,
    typer.Option(
        "--apply-mapping",
        help="Replace segment ids: an agglomerate of the layer by its name, or a .json or .csv file (id, new id).",
    ),
]


def export(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    layer: Annotated[str, typer.Argument(help="The layer's name.")],
    target: Annotated[Path, typer.Argument(help="The file or folder to make.")],
    form: Annotated[
        ExportFormat,
        typer.Option("--format", help="tiff: a folder of slices; ome-zarr, ome-zarr-0.4: folders; others: one file."),
    ],
    bbox: BoxOption = None,
    mag: MagOption = None,
    no_downsample: Annotated[
        bool, typer.Option("--no-downsample", help="The mag alone, without a pyramid (OME-TIFF, OME-Zarr).")
    ] = False,
    shard_shape: Annotated[
        str | None, typer.Option("--shard-shape", help="Of OME-Zarr 0.5: x,y,z in voxels. Default: 256 per axis.")
    ] = None,
    apply_mapping: MappingOption = None,
    overwrite_existing: OverwriteOption = False,
    threads: ThreadsOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export a layer as TIFF, OME-TIFF, OME-Zarr, zipped OME-Zarr (ozx) or raw voxels. Run again, it goes on or rests."""
    from wk_assets.cli.shapes import shape_of
    from wk_assets.operations.exports.export_request import ExportRequest

    request = ExportRequest(
        dataset_path=dataset,
        layer_name=layer,
        target=target,
        format=form,
        box=_box(bbox),
        mag=_mag(mag),
        coarser=not no_downsample,
        shard_shape=shape_of(shard_shape, "--shard-shape"),
        apply_mapping=apply_mapping,
        overwrite=overwrite_existing,
    )
    _run(request, threads, dry_run=dry_run, as_json=as_json)


def export_as_tiff(
    source: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    target: Annotated[Path, typer.Argument(help="The folder to make.")],
    layer_name: Annotated[str, typer.Option("--layer-name", help="The layer's name.")] = "color",
    bbox: BoxOption = None,
    mag: MagOption = None,
    name: Annotated[str, typer.Option("--name", help="What file names begin with: <name>_000000.tiff.")] = "",
    downsample: Annotated[
        int, typer.Option("--downsample", min=1, help="Make each image smaller by this power of two.")
    ] = 1,
    tiles_per_dimension: Annotated[
        str | None, typer.Option("--tiles-per-dimension", help="Cut each slice into so many files, e.g. 4,4.")
    ] = None,
    tile_size: Annotated[
        str | None, typer.Option("--tile-size", help="Cut each slice into files of so many pixels, e.g. 4096,4096.")
    ] = None,
    apply_mapping: MappingOption = None,
    overwrite_existing: OverwriteOption = False,
    threads: ThreadsOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export a layer as TIFF images, one per slice, or per tile of a slice (<z>/<row>/<column>.tiff)."""
    from wk_assets.cli.shapes import pair_of
    from wk_assets.operations.exports.export_request import ExportRequest, SliceNames

    tiled = tiles_per_dimension is not None or tile_size is not None
    request = ExportRequest(
        dataset_path=source,
        layer_name=layer_name,
        target=target,
        format=ExportFormat.TIFF,
        box=_box(bbox),
        mag=_mag(mag),
        names=SliceNames(prefix=f"{name}_" if name and not tiled else "", digits=1 if tiled else 6),
        downsample=downsample,
        tiles_per_dimension=pair_of(tiles_per_dimension, "--tiles-per-dimension"),
        tile_size=pair_of(tile_size, "--tile-size"),
        apply_mapping=apply_mapping,
        overwrite=overwrite_existing,
    )
    _run(request, threads, dry_run=dry_run, as_json=as_json)


def _box(text: str | None) -> "BoundingBox | None":
    from wk_assets.geometry.bounding_box import BoundingBox

    return None if text is None else BoundingBox.from_csv(text)


def _mag(text: str | None) -> "Mag | None":
    from wk_assets.geometry.mag import Mag

    return None if text is None else Mag(text)


def _run(request: "ExportRequest", threads: int | None, *, dry_run: bool, as_json: bool) -> None:
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.progress import shown_progress
    from wk_assets.cli.quantities import bytes_text, counted, seconds_text, size_text
    from wk_assets.operations.exports.export_layer import plan_export, run_export

    plan = plan_export(request, compute_of(threads, None))
    finest = plan.levels[0]
    document = {
        "target": str(request.target),
        "format": request.format.value,
        "layer": request.layer_name,
        "mags": [level.mag.to_layer_name() for level in plan.levels],
        "size": list(finest.size),
        "dtype": finest.dtype.name,
        "voxel_bytes": plan.size_bytes,
        "files": plan.files,
        "up_to_date": plan.up_to_date,
    }
    if dry_run:
        if as_json:
            show_json(document)
        else:
            headline(f"{request.dataset_path} {request.layer_name} -> {request.target}")
            say(
                f"{request.format.value}: {counted(plan.files, 'file')}, {size_text(finest.size.to_tuple())} voxels of {finest.dtype.name} "
                f"at mag {finest.mag.to_layer_name()}, {bytes_text(plan.size_bytes)} before compression"
            )
            if plan.up_to_date:
                say("it is there already, nothing would be written")
        return
    with shown_progress(request.layer_name, quiet=as_json) as listener:
        result = run_export(plan, listener)
    if as_json:
        show_json(
            {
                **document,
                "reused": result.reused,
                "stored_bytes": result.size_bytes,
                "seconds": round(result.seconds, 3),
            }
        )
        return
    headline(f"{request.dataset_path} {request.layer_name} -> {request.target}")
    if result.reused:
        say("it was there already, nothing was written")
    else:
        say(f"{counted(result.files, 'file')}, {bytes_text(result.size_bytes)} in {seconds_text(result.seconds)}")
