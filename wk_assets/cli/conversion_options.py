"""Options that all commands share which make a layer out of something: `convert`, `convert-raw`, `convert-zarr`, `convert-knossos`."""

from enum import StrEnum
from typing import Annotated

import typer

from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.storage.array_layout import Layout


class ArrayFormat(StrEnum):
    """Name a format that layers are written in (apart from `DataFormat`, which takes long to import)."""

    ZARR3 = "zarr3"
    ZARR = "zarr"
    WKW = "wkw"


UnitOption = Annotated[LengthUnit, typer.Option("--unit", help="The unit of --voxel-size.")]
NeededVoxelSizeOption = Annotated[str, typer.Option("--voxel-size", help="Edge lengths x,y,z, e.g. 11.24,11.24,25.")]
FoundVoxelSizeOption = Annotated[
    str | None,
    typer.Option("--voxel-size", help="Edge lengths x,y,z, e.g. 11.24,11.24,25. Default: what the source says."),
]
LayerNameOption = Annotated[
    str | None, typer.Option("--layer-name", help="Default: the category's name, color or segmentation.")
]
CategoryOption = Annotated[
    str,
    typer.Option(
        "--category",
        help="color (any image), segmentation (labels), or auto: by names like 'labels', else by how alike neighbours are.",
    ),
]
NameOption = Annotated[str | None, typer.Option("--name", help="The dataset's name. Default: that of TARGET.")]
LayoutOption = Annotated[
    Layout, typer.Option("--layout", help="ome: WEBKNOSSOS and OME-Zarr 0.5 at once; webknossos: plain.")
]
DataFormatOption = Annotated[
    ArrayFormat, typer.Option("--data-format", help="zarr3 (in one pass), or zarr (v2) or wkw for older servers.")
]
CompressionOption = Annotated[
    str,
    typer.Option(
        "--compression",
        help="auto: the lowest zstd level within 2 % of the smallest, by a sample of the images (auto:10 within "
        "10 %); or fast (1), webknossos (5), compact (9), none, zstd:LEVEL.",
    ),
]
NoCompressOption = Annotated[bool, typer.Option("--no-compress", help="As --compression none.")]
ChunkShapeOption = Annotated[
    str | None, typer.Option("--chunk-shape", help="x,y,z voxels compressed together, or one number. Default: 32.")
]
ShardShapeOption = Annotated[
    str | None, typer.Option("--shard-shape", help="x,y,z voxels in one file, or one number. Default: 256.")
]
NoDownsampleOption = Annotated[bool, typer.Option("--no-downsample", help="Make the finest mag alone.")]
MagsOption = Annotated[
    str | None,
    typer.Option("--mags", help="Which coarser mags to make, e.g. 2-2-1,4-4-2. Default: by the voxel size."),
]
MaxMagOption = Annotated[
    str | None, typer.Option("--max-mag", help="The coarsest mag to make, e.g. 16. Default: by the size.")
]
SamplingOption = Annotated[
    SamplingMode, typer.Option("--sampling", "--sampling-mode", help="Which axes are halved from mag to mag.")
]
ModeOption = Annotated[
    DownsamplingMode | None,
    typer.Option(
        "--mode",
        "--interpolation-mode",
        help="How a block becomes one voxel. Default: median for color, mode for segmentation.",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite-existing", help="Remove the dataset that is at TARGET first, with all its layers.")
]
FlipOption = Annotated[
    str | None, typer.Option("--flip-axes", help="Axes that run the other way, e.g. z or x,z. Of the whole volume.")
]
