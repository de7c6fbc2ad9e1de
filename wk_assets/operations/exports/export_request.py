"""What somebody wants exported of a layer, and what came of it: values that travel between the floors.

No planning (see `export_layer`), no I/O.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wk_assets.errors import InputError
from wk_assets.geometry.bounding_box import NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int

EXPORT_BYTES = 64 << 20  # of voxels that are held at once, unless a single row of chunks is more than that


class ExportFormat(StrEnum):
    """Name a format that layers can be exported to."""

    TIFF = "tiff"  # a folder with one file per slice
    OME_TIFF = "ome-tiff"  # one file with voxel size, channels and a pyramid
    OME_ZARR = "ome-zarr"  # OME-Zarr 0.5: a directory, Zarr v3 with shards
    OME_ZARR_04 = "ome-zarr-0.4"  # OME-Zarr 0.4: a directory, Zarr v2
    OZX = "ozx"  # OME-Zarr 0.5 in one zip file
    RAW = "raw"  # voxels alone, x fastest, and a JSON file that says what they are


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceNames:
    """Say how the files of a TIFF stack are called: `<prefix><number>.tiff`.

    `digits` None: numbers are the z of the slice in the exported mag, as wide as the greatest; else they count from 0.
    """

    prefix: str = ""
    digits: int | None = None

    def __post_init__(self) -> None:
        if "/" in self.prefix or "\0" in self.prefix or self.prefix.startswith("."):
            raise InputError(
                f"file name {self.prefix!r}: leave out '/' and a leading dot; it begins each slice's file name"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Ask for a layer's voxels in another format.

    `box` in mag-1 voxels, None: the layer's; what lies beyond the layer is zero. `mag` None: the finest. `coarser`: with a
    pyramid, where the format holds one. `tile_size`, `tiles_per_dimension`: (x, y), at most one of them: cut each slice of a
    TIFF stack into files. `downsample`: make each slice of a TIFF stack smaller by this factor in x and y.
    `apply_mapping`: the name of an agglomerate of the layer, or a JSON or CSV file: which id becomes which.
    """

    dataset_path: Path
    layer_name: str
    target: Path
    format: ExportFormat
    box: NDBoundingBox | None = None
    mag: Mag | None = None
    coarser: bool = True
    names: SliceNames = SliceNames()
    tile_size: tuple[int, int] | None = None
    tiles_per_dimension: tuple[int, int] | None = None
    downsample: int = 1
    shard_shape: Vec3Int | None = None
    apply_mapping: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        only_stacks = {
            "tile_size": self.tile_size,
            "tiles_per_dimension": self.tiles_per_dimension,
            "downsample": self.downsample if self.downsample != 1 else None,
        }
        for name, value in only_stacks.items():
            if value is not None and self.format is not ExportFormat.TIFF:
                raise InputError(f"{name} {value}: only for format tiff, not {self.format.value}")
        if self.tile_size is not None and self.tiles_per_dimension is not None:
            raise InputError(
                f"tile_size {self.tile_size} and tiles_per_dimension {self.tiles_per_dimension}: give one of them"
            )
        for name, pair in (("tile_size", self.tile_size), ("tiles_per_dimension", self.tiles_per_dimension)):
            if pair is not None and min(pair) < 1:
                raise InputError(f"{name} {pair}: give two numbers x,y of at least 1")
        if self.downsample < 1 or self.downsample & (self.downsample - 1):
            raise InputError(f"downsample {self.downsample}: give a power of two, 1 for none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """Say what is at the target now; `reused`: it was there already, nothing was written."""

    target: Path
    files: int
    size_bytes: int
    seconds: float
    reused: bool
