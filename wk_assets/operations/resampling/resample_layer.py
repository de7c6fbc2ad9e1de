"""Make one mag of a layer from another one, in any format: coarser (blocks become voxels) or finer (voxels become blocks).

`plan_downsampling` and `plan_upsampling` say what will be written, `run_resampling` does it. The arrays are there already,
the target empty or not. Which mags a layer should have is decided elsewhere (`geometry.mag_ladder`), and so is who adds
them to the dataset.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from wk_assets.errors import PlanError
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.shard_grid import ShardGrid
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.tile_pass import TilePlan, plan_tiles, run_tiles
from wk_assets.operations.passes.tile_sources import DownsampledTiles, TileSource, UpsampledTiles, affected_by
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.storage.mag_array import MagArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplingPlan:
    """One mag to be made from another. `tiles` says which shards, how many bytes, which memory.

    `changed_in_mag`: voxels of the target that will change, x, y, z; what is written are the whole shards around them.
    """

    target_mag: Mag
    source: TileSource
    target: MagArray
    tiles: TilePlan
    changed_in_mag: BoundingBox

    @property
    def shards(self) -> tuple[NormalizedBoundingBox, ...]:
        """The boxes of the shards that will be written, cut to the layer."""
        return self.tiles.shards(self.target.info.shard_shape)


def plan_downsampling(
    source: MagArray,
    target: MagArray,
    *,
    source_mag: Mag,
    target_mag: Mag,
    layer_box: NormalizedBoundingBox,
    mode: DownsamplingMode,
    changed_in_source: BoundingBox | None = None,
    fresh: bool = False,
    compute: Compute | None = None,
    buffer_shape: Vec3Int | None = None,
) -> ResamplingPlan:
    """Plan to make a coarser mag from a finer one.

    `layer_box`: mag 1. `changed_in_source` (voxels of the source's mag): only the shards of the target are written that
    depend on these voxels; None: all. `fresh`: the target is empty. `buffer_shape`: see `plan_tiles`.
    Raises PlanError unless the target's mag is a multiple of the source's.
    """
    factors = _factors(source_mag, target_mag)
    valid = _in_mag(BoundingBox.from_ndbbox(layer_box), source_mag)
    box = _in_mag(BoundingBox.from_ndbbox(layer_box), target_mag)
    changed = box
    if changed_in_source is not None:
        changed = affected_by(changed_in_source, factors=factors, valid=valid, target=box)
    tiles = DownsampledTiles(array=source, factors=factors, mode=mode, valid=valid)
    boxes = _written(layer_box, box, changed, target)
    planned = plan_tiles(tiles, target.info, boxes, compute=compute, fresh=fresh, buffer_shape=buffer_shape)
    return ResamplingPlan(target_mag=target_mag, source=tiles, target=target, tiles=planned, changed_in_mag=changed)


def plan_upsampling(
    source: MagArray,
    target: MagArray,
    *,
    source_mag: Mag,
    target_mag: Mag,
    layer_box: NormalizedBoundingBox,
    fresh: bool = False,
    compute: Compute | None = None,
    buffer_shape: Vec3Int | None = None,
) -> ResamplingPlan:
    """Plan to make a finer mag from a coarser one: each voxel is repeated, whatever the factors.

    `layer_box`: mag 1. Raises PlanError unless the source's mag is a multiple of the target's.
    """
    factors = _factors(target_mag, source_mag)
    box = _in_mag(BoundingBox.from_ndbbox(layer_box), target_mag)
    tiles = UpsampledTiles(array=source, factors=factors)
    boxes = _written(layer_box, box, box, target)
    planned = plan_tiles(tiles, target.info, boxes, compute=compute, fresh=fresh, buffer_shape=buffer_shape)
    return ResamplingPlan(target_mag=target_mag, source=tiles, target=target, tiles=planned, changed_in_mag=box)


def run_resampling(
    plan: ResamplingPlan, *, executor: Executor | None = None, listener: ProgressListener | None = None
) -> None:
    """Do what a plan says, on threads of our own or on the executor. May be run again. Raises StorageError and its kin."""
    run_tiles(plan.tiles, plan.source, plan.target, executor=executor, listener=listener)


def box_with_axes(box: BoundingBox, channels: int, additional: Sequence[tuple[str, int]]) -> NormalizedBoundingBox:
    """Give a box x, y, z all of its layer's channels and positions; `additional`: name and extent of each axis before them."""
    extents = [extent for _, extent in additional]
    return NormalizedBoundingBox(
        (*(0 for _ in extents), 0, *box.topleft),
        (*extents, channels, *box.size),
        (*(name for name, _ in additional), "c", "x", "y", "z"),
    )


def _written(
    layer_box: NormalizedBoundingBox, box: BoundingBox, changed: BoundingBox, target: MagArray
) -> tuple[NormalizedBoundingBox, ...]:
    """Return the whole shards around the changed voxels, cut to the layer's box, with all channels and axes."""
    written = ShardGrid(target.info.shard_shape).covering(changed).intersected_with(box, dont_assert=True)
    return () if written.is_empty() else (_with_axes(layer_box, written),)


def _factors(fine: Mag, coarse: Mag) -> Vec3Int:
    if any(large % small for small, large in zip(fine.to_vec3_int(), coarse.to_vec3_int(), strict=True)):
        raise PlanError(f"mags {fine.to_layer_name()} and {coarse.to_layer_name()}: the coarser is not a multiple")
    return coarse.to_vec3_int() // fine.to_vec3_int()


def _in_mag(box: BoundingBox, mag: Mag) -> BoundingBox:
    return box.align_with_mag(mag, ceil=True).in_mag(mag)


def _with_axes(model: NormalizedBoundingBox, box: NDBoundingBox) -> NormalizedBoundingBox:
    """Give a box x, y, z the channels and additional axes of another."""
    return model.with_topleft_xyz(box.topleft_xyz).with_size_xyz(box.size_xyz)
