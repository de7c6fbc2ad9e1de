"""What somebody wants done to one layer, and what came of it: values that travel between the floors.

No planning (see `plan_layer`), no running (see `run_layer`), no I/O.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.readers.volume import SliceProblem, VolumeSource
from wk_assets.storage.array_layout import Layout

Category = Literal["color", "segmentation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySettings:
    """Say how the voxels of a layer are cut and encoded. Shapes in voxels x, y, z; powers of two; shard a multiple of chunk."""

    layout: Layout = Layout.OME
    chunk_shape: Vec3Int = Vec3Int(32, 32, 32)
    shard_shape: Vec3Int = Vec3Int(256, 256, 256)
    zstd_level: int | None = 3  # None: not compressed

    def fitted_to(self, size: Vec3Int) -> "ArraySettings":
        """Give a single slice chunks of one slice: 31 of 32 would be padding. `size`: voxels x, y, z of the layer."""
        if size.z > 1:
            return self
        return replace(self, chunk_shape=self.chunk_shape.with_z(1), shard_shape=self.shard_shape.with_z(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRequest:
    """Ask for a layer: from which source, into which dataset, with which mags, finest first.

    `mags[0]` is made by import. `source` None: nothing is imported, coarser mags are made from what is stored.
    """

    dataset_path: Path
    layer_name: str
    category: Category
    source: VolumeSource | None
    voxel_size: VoxelSize
    mags: tuple[Mag, ...]
    mode: DownsamplingMode
    topleft: Vec3Int = Vec3Int(0, 0, 0)
    array: ArraySettings = ArraySettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """What a run may write and take, judged by a sample of the source: an estimate, not a promise.

    `stored_bytes`: of all mags that will be made. `seconds`: on this machine with the threads of the budget.
    `chunks`: how many were sampled; 0: judged by what is stored already.
    """

    stored_bytes: int
    seconds: float | None
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Say how far a run is, in voxels of the finest mag that it reads."""

    done_voxels: int
    total_voxels: int
    message: str = ""


ProgressListener = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MagResult:
    """What is now published of one mag. `key` identifies content: same sources and parameters, same key (and bytes)."""

    mag: Mag
    key: str
    path: Path  # the array's directory
    shape: Vec3Int  # voxels x, y, z of the box in this mag
    box_in_mag: BoundingBox
    shards: int
    stored_bytes: int
    raw_bytes: int
    reused: bool  # was there already, nothing was written


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """What a run did: one result per requested mag, finest first, and what it cost."""

    layer_name: str
    mags: tuple[MagResult, ...]
    read_bytes: int  # bytes of voxels read from the source
    written_bytes: int
    seconds: float
    problems: tuple[SliceProblem, ...] = ()
