"""What somebody wants imported as one layer: values that travel between the floors. No I/O."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.readers.volume import VolumeSource
from wk_assets.storage.mag_array import Zarr3Config


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Ask for a layer of a dataset that is there, with one mag.

    `topleft` in mag-1 voxels. Shapes x, y, z, None: the default. `color` is the RGB (0 to 255) in which a layer is shown.
    """

    dataset_path: Path
    layer_name: str
    category: Literal["color", "segmentation"]
    source: VolumeSource
    data_format: DataFormat = DataFormat.Zarr3
    mag: Mag = Mag(1)
    topleft: Vec3Int = Vec3Int(0, 0, 0)
    chunk_shape: Vec3Int | None = None
    shard_shape: Vec3Int | None = None
    chunks_per_shard: Vec3Int | None = None
    compress: bool | Zarr3Config = True
    color: tuple[int, int, int] | None = None
