"""Copy the voxels of a mag into another array: another format, other chunks and shards, another compression or layout."""

from concurrent.futures import Executor

from wk_assets.errors import PlanError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.tile_pass import TilePlan, plan_tiles, run_tiles
from wk_assets.operations.passes.tile_sources import CopiedTiles
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.storage.mag_array import MagArray


def plan_copy(
    source: MagArray,
    target: MagArray,
    box_in_mag: NormalizedBoundingBox,
    *,
    fresh: bool = True,
    compute: Compute | None = None,
) -> TilePlan:
    """Plan to copy a box (voxels of the mag, all channels). `fresh`: the target is empty, zeros need not be written.

    Raises PlanError if voxels of the one are none of the other.
    """
    there, here = source.info, target.info
    if there.voxel_type != here.voxel_type or there.num_channels != here.num_channels:
        raise PlanError(
            f"{source.path} has {there.num_channels} x {there.voxel_type}, {target.path} has "
            f"{here.num_channels} x {here.voxel_type}: a copy changes no voxel, so both must be the same"
        )
    boxes = () if box_in_mag.is_empty() else (box_in_mag,)
    return plan_tiles(CopiedTiles(array=source), here, boxes, compute=compute, fresh=fresh)


def copy_mag(
    source: MagArray,
    target: MagArray,
    box_in_mag: NormalizedBoundingBox,
    *,
    executor: Executor | None = None,
    listener: ProgressListener | None = None,
    fresh: bool = True,
    compute: Compute | None = None,
) -> None:
    """Copy a box, whole shards of the target at a time, on threads of our own or on the executor.

    May be run again. Raises PlanError, StorageError, and what reading raises for lost or damaged shards.
    """
    plan = plan_copy(source, target, box_in_mag, fresh=fresh, compute=compute)
    run_tiles(plan, CopiedTiles(array=source), target, executor=executor, listener=listener)
