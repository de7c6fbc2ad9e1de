"""`wk-assets convert-raw`, `convert-zarr` and `convert-knossos`: voxels that are no images become a dataset, or a layer of it.

The options are parsed here; the work is in `conversion` and `conversion_run`, as for images.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    NeededVoxelSizeOption,
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
    from collections.abc import Callable

    import numpy as np

    from wk_assets.cli.conversion import ConversionOptions
    from wk_assets.operations.layers.chunk_sample import ChunkSampler
    from wk_assets.operations.records.layer_request import LayerRequest
    from wk_assets.readers.volume import VolumeSource

DatasetArgument = Annotated[
    Path, typer.Argument(help="The directory of the dataset; a layer is added to one that is there.")
]


def convert_raw(
    source: Annotated[Path, typer.Argument(help="A file of voxels alone, without a header, little-endian.")],
    target: DatasetArgument,
    shape: Annotated[str, typer.Option("--shape", help="How many voxels, x,y,z, e.g. 1024,1024,512.")],
    voxel_size: NeededVoxelSizeOption,
    unit: UnitOption = LengthUnit.NANOMETER,
    dtype: Annotated[str, typer.Option("--dtype", help="What the layer holds: uint8, uint16, float32, …")] = "uint8",
    source_dtype: Annotated[
        str | None, typer.Option("--source-dtype", help="What the file holds. Default: the same as --dtype.")
    ] = None,
    order: Annotated[
        Literal["F", "C"], typer.Option("--order", help="F: x varies fastest in the file; C: z does.")
    ] = "F",
    rescale_min_max: Annotated[
        str | None,
        typer.Option(
            "--rescale-min-max",
            help="low,high: low becomes 0, high the greatest value of --dtype (1.0 for floats); what is outside is cut.",
        ),
    ] = None,
    flip_axes: FlipOption = None,
    layer_name: LayerNameOption = None,
    category: CategoryOption = "color",
    name: NameOption = None,
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
    """Convert a file of raw voxels to a WEBKNOSSOS dataset. Run again, it goes on or rests."""
    from wk_assets.cli.shapes import axes_of, needed_shape_of, range_of, shape_of
    from wk_assets.readers.arranged import Arrangement, arranged
    from wk_assets.readers.raw_array import RawSource

    def source_of(options: "ConversionOptions") -> "VolumeSource":
        stored = _dtype(source_dtype or dtype, "--source-dtype" if source_dtype else "--dtype")
        wanted = _dtype(dtype, "--dtype")
        raw = RawSource(
            path=source,
            shape=needed_shape_of(shape, "--shape"),
            dtype=stored.newbyteorder("<"),
            order=order,
            voxel_size=_measured(options),
        )
        rescale = range_of(rescale_min_max, "--rescale-min-max")
        return arranged(
            raw,
            Arrangement(
                flip=options.flip, dtype=None if wanted == stored and rescale is None else wanted, rescale=rescale
            ),
        )

    _convert(
        source,
        target,
        source_of,
        {
            "voxel_size": voxel_size,
            "unit": unit,
            "layer_name": layer_name,
            "category": category,
            "name": name,
            "flip": axes_of(flip_axes, "--flip-axes"),
            "layout": layout,
            "compression": "none" if no_compress else compression,
            "mags": "" if no_downsample else mags,
            "max_mag": max_mag,
            "sampling": sampling,
            "mode": mode,
            "chunk_shape": shape_of(chunk_shape, "--chunk-shape"),
            "shard_shape": shape_of(shard_shape, "--shard-shape"),
            "data_format": data_format.value,
        },
        (threads, memory),
        overwrite=overwrite_existing,
        dry_run=dry_run,
        as_json=as_json,
    )


def convert_zarr(
    source: Annotated[
        Path, typer.Argument(help="A Zarr v3 or v2, N5 or neuroglancer precomputed array, or an OME-Zarr image.")
    ],
    target: DatasetArgument,
    voxel_size: FoundVoxelSizeOption = None,
    unit: UnitOption = LengthUnit.NANOMETER,
    axes: Annotated[
        str | None, typer.Option("--axes", help="Axes that the array does not name, slowest first, e.g. zyx or xyz.")
    ] = None,
    channel: Annotated[int | None, typer.Option("--channel", min=0, help="Which of several channels, from 0.")] = None,
    flip_axes: FlipOption = None,
    layer_name: LayerNameOption = None,
    category: CategoryOption = "auto",
    is_segmentation_layer: Annotated[
        bool, typer.Option("--is-segmentation-layer", help="As --category segmentation.")
    ] = False,
    name: NameOption = None,
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
    """Convert a stored array to a WEBKNOSSOS dataset. Run again, it goes on or rests."""
    from wk_assets.cli.shapes import axes_of, shape_of
    from wk_assets.operations.arrays.array_volume import ArraySource
    from wk_assets.readers.arranged import Arrangement

    def source_of(options: "ConversionOptions") -> "VolumeSource":
        return ArraySource(
            path=source,
            axes=axes,
            channel=channel,
            voxel_size=_measured(options),
            arrangement=Arrangement(flip=options.flip),
        )

    _convert(
        source,
        target,
        source_of,
        {
            "voxel_size": voxel_size,
            "unit": unit,
            "layer_name": layer_name,
            "category": "segmentation" if is_segmentation_layer else category,
            "name": name,
            "flip": axes_of(flip_axes, "--flip-axes"),
            "layout": layout,
            "compression": "none" if no_compress else compression,
            "mags": "" if no_downsample else mags,
            "max_mag": max_mag,
            "sampling": sampling,
            "mode": mode,
            "chunk_shape": shape_of(chunk_shape, "--chunk-shape"),
            "shard_shape": shape_of(shard_shape, "--shard-shape"),
            "data_format": data_format.value,
        },
        (threads, memory),
        overwrite=overwrite_existing,
        dry_run=dry_run,
        as_json=as_json,
    )


def convert_knossos(
    source: Annotated[Path, typer.Argument(help="The folder of one KNOSSOS mag, which holds x0000/y0000/z0000.")],
    target: DatasetArgument,
    voxel_size: NeededVoxelSizeOption,
    unit: UnitOption = LengthUnit.NANOMETER,
    dtype: Annotated[
        str, typer.Option("--dtype", help="What the cubes hold: uint8, uint16, uint32, uint64.")
    ] = "uint8",
    layer_name: LayerNameOption = None,
    category: CategoryOption = "color",
    name: NameOption = None,
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
    """Convert KNOSSOS cubes (mag 1) to a WEBKNOSSOS dataset; cubes that are missing are zero. Run again, it goes on or rests."""
    from wk_assets.cli.shapes import shape_of
    from wk_assets.readers.knossos import KnossosSource

    def source_of(options: "ConversionOptions") -> "VolumeSource":
        return KnossosSource(root=source, dtype=_dtype(dtype, "--dtype"), voxel_size=_measured(options))

    _convert(
        source,
        target,
        source_of,
        {
            "voxel_size": voxel_size,
            "unit": unit,
            "layer_name": layer_name,
            "category": category,
            "name": name,
            "layout": layout,
            "compression": "none" if no_compress else compression,
            "mags": "" if no_downsample else mags,
            "max_mag": max_mag,
            "sampling": sampling,
            "mode": mode,
            "chunk_shape": shape_of(chunk_shape, "--chunk-shape"),
            "shard_shape": shape_of(shard_shape, "--shard-shape"),
            "data_format": data_format.value,
        },
        (threads, memory),
        overwrite=overwrite_existing,
        dry_run=dry_run,
        as_json=as_json,
    )


def _convert(
    source: Path,
    target: Path,
    source_of: "Callable[[ConversionOptions], VolumeSource]",
    given: dict[str, Any],
    budget: tuple[int | None, str | None],
    *,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.conversion import ConversionOptions, request_of_source
    from wk_assets.cli.conversion_run import run_conversion
    from wk_assets.properties.layer_properties import DataFormat

    def request(options: "ConversionOptions", sampler: "ChunkSampler") -> "LayerRequest":
        return request_of_source(source_of(options), str(source), target, options, sampler, names=[source.name])

    run_conversion(
        str(source),
        target,
        request,
        ConversionOptions(**{**given, "data_format": DataFormat(given["data_format"])}),
        compute_of(*budget),
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
    )


def _measured(options: "ConversionOptions") -> Any:
    from wk_assets.cli.conversion import voxel_size_of

    return voxel_size_of(options.voxel_size, options.unit)


def _dtype(text: str, option: str) -> "np.dtype[Any]":
    import numpy as np

    from wk_assets.errors import InputError

    known = [f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
    if text not in known:
        raise InputError(f"{option} {text!r} is no type of voxels; give one of {', '.join(known)}")
    return np.dtype(text)
