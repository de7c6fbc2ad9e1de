"""`wk-assets convert SOURCE TARGET`: images become a dataset, or one more layer of it, without any configuration.

The options are parsed here; the work is in `conversion` and `conversion_run`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wk_assets.cli.conversion_options import (
    ArrayFormat,
    CategoryOption,
    ChunkShapeOption,
    CompressionOption,
    DataFormatOption,
    FlipOption,
    FoundVoxelSizeOption,
    LayerNameOption,
    LayoutOption,
    MagsOption,
    MaxMagOption,
    ModeOption,
    NameOption,
    NoCompressOption,
    NoDownsampleOption,
    OverwriteOption,
    SamplingOption,
    ShardShapeOption,
    UnitOption,
)
from wk_assets.cli.options import DryRunOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.storage.array_layout import Layout

if TYPE_CHECKING:
    from wk_assets.cli.conversion import ConversionOptions
    from wk_assets.operations.layers.chunk_sample import ChunkSampler
    from wk_assets.operations.records.layer_request import LayerRequest


def convert(
    source: Annotated[Path, typer.Argument(help="An image file, or a folder with one image per slice.")],
    target: Annotated[
        Path, typer.Argument(help="The directory of the dataset; a layer is added to one that is there.")
    ],
    voxel_size: FoundVoxelSizeOption = None,
    unit: UnitOption = LengthUnit.NANOMETER,
    layer_name: LayerNameOption = None,
    category: CategoryOption = "auto",
    name: NameOption = None,
    files: Annotated[
        str | None, typer.Option("--files", help="Which files of the folder, a glob like 'nuclei_z*.tif'.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="Axes that the files do not name, slowest first, e.g. zyx.")
    ] = None,
    channel: Annotated[int | None, typer.Option("--channel", min=0, help="Which of several channels, from 0.")] = None,
    flip_axes: FlipOption = None,
    swap_xy: Annotated[bool, typer.Option("--swap-xy", help="Let x and y change places, before --flip-axes.")] = False,
    data_format: DataFormatOption = ArrayFormat.ZARR3,
    layout: LayoutOption = Layout.OME,
    chunk_shape: ChunkShapeOption = None,
    shard_shape: ShardShapeOption = None,
    compression: CompressionOption = "auto",
    no_compress: NoCompressOption = False,
    no_downsample: NoDownsampleOption = False,
    mags: MagsOption = None,
    max_mag: MaxMagOption = None,
    sampling: SamplingOption = SamplingMode.ANISOTROPIC,
    mode: ModeOption = None,
    overwrite_existing: OverwriteOption = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert images to a WEBKNOSSOS dataset. Run again after a crash, it goes on; run again after success, it rests."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.conversion import ConversionOptions, conversion_request
    from wk_assets.cli.conversion_run import run_conversion
    from wk_assets.cli.shapes import axes_of, shape_of
    from wk_assets.properties.layer_properties import DataFormat

    options = ConversionOptions(
        voxel_size=voxel_size,
        unit=unit,
        layer_name=layer_name,
        category=category,
        name=name,
        files=files,
        axes=axes,
        channel=channel,
        flip=axes_of(flip_axes, "--flip-axes"),
        swap_xy=swap_xy,
        layout=layout,
        compression="none" if no_compress else compression,
        mags="" if no_downsample else mags,
        max_mag=max_mag,
        sampling=sampling,
        mode=mode,
        chunk_shape=shape_of(chunk_shape, "--chunk-shape"),
        shard_shape=shape_of(shard_shape, "--shard-shape"),
        data_format=DataFormat(data_format.value),
    )

    def request(options: "ConversionOptions", sampler: "ChunkSampler") -> "LayerRequest":
        return conversion_request(source, target, options, sampler)

    run_conversion(
        str(source),
        target,
        request,
        options,
        compute_of(threads, memory),
        overwrite=overwrite_existing,
        dry_run=dry_run,
        as_json=as_json,
    )
