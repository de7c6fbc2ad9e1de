"""Fill mags of a layer from one of them: in one pass of the engine where that is possible, else tile by tile.

Both give the same voxels. The arrays are there already; `fresh` ones are empty. Who adds them to the dataset is the
object interface; mags that are kept in a ledger are made by `run_layer` instead.
"""

from collections.abc import Sequence
from concurrent.futures import Executor

from wk_assets.geometry.bounding_box import BoundingBox, NormalizedBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.passes.array_pass import (
    plan_downsampling_pass,
    plan_upsampling_pass,
    remove_leftovers,
    run_array_pass,
)
from wk_assets.operations.passes.tile_pass import TilePlan, plan_tiles
from wk_assets.operations.passes.tile_sources import DownsampledTiles, TileSource, UpsampledTiles
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.operations.resampling.resample_layer import plan_downsampling, plan_upsampling, run_resampling
from wk_assets.storage.mag_array import ArrayInfo, MagArray


def plan_new_mags(
    source: MagArray,
    targets: Sequence[tuple[Mag, ArrayInfo]],
    *,
    source_mag: Mag,
    layer_box: NormalizedBoundingBox,
    mode: DownsamplingMode | None,
    compute: Compute,
) -> tuple[TilePlan, ...]:
    """Say what making mags tile by tile would write and hold, before there is any array for them.

    Coarser mags with `mode`, each from the one before; finer ones with None, each from the source. `layer_box`: mag 1.
    """
    plans = []
    for mag, info in targets:
        box = layer_box.align_with_mag(mag, ceil=True).in_mag(mag)
        tiles: TileSource
        if mode is None:
            tiles = UpsampledTiles(array=source, factors=source_mag.to_vec3_int() // mag.to_vec3_int())
        else:
            factors = mag.to_vec3_int() // source_mag.to_vec3_int()
            tiles = DownsampledTiles(array=source, factors=factors, mode=mode, valid=BoundingBox.from_ndbbox(box))
            source_mag = mag
        plans.append(plan_tiles(tiles, info, (box,), compute=compute, fresh=True))
    return tuple(plans)


def downsample_mags(
    source: MagArray,
    targets: Sequence[tuple[Mag, MagArray]],
    *,
    source_mag: Mag,
    layer_box: NormalizedBoundingBox,
    mode: DownsamplingMode,
    fresh: bool,
    changed: BoundingBox | None = None,
    executor: Executor | None = None,
    buffer_shape: Vec3Int | None = None,
    compute: Compute | None = None,
    listener: ProgressListener | None = None,
) -> None:
    """Make coarser mags, finest first, each from the one before.

    `layer_box`, `changed` (what changed of the source; None: all): mag 1. With an executor, a buffer shape or a part that
    changed it goes tile by tile, and then `fresh` says that zeros need not be written. Raises PlanError, StorageError.
    """
    compute = compute or Compute.of_this_machine()
    for _, target in targets:
        remove_leftovers(target.path)
    if fresh and executor is None and buffer_shape is None and changed is None:
        one_pass = plan_downsampling_pass(
            source, targets, source_mag=source_mag, layer_box=layer_box, mode=mode, compute=compute
        )
        if one_pass is not None:
            run_array_pass(one_pass, listener=listener)
            return
    changed_in_source = None if changed is None else changed.align_with_mag(source_mag, ceil=True).in_mag(source_mag)
    for target_mag, target in targets:
        plan = plan_downsampling(
            source,
            target,
            source_mag=source_mag,
            target_mag=target_mag,
            layer_box=layer_box,
            mode=mode,
            changed_in_source=changed_in_source,
            fresh=fresh,
            compute=compute,
            buffer_shape=buffer_shape,
        )
        run_resampling(plan, executor=executor, listener=listener)
        source, source_mag = target, target_mag
        changed_in_source = None if changed is None else plan.changed_in_mag


def upsample_mags(
    source: MagArray,
    targets: Sequence[tuple[Mag, MagArray]],
    *,
    source_mag: Mag,
    layer_box: NormalizedBoundingBox,
    fresh: bool,
    executor: Executor | None = None,
    buffer_shape: Vec3Int | None = None,
    compute: Compute | None = None,
    listener: ProgressListener | None = None,
) -> None:
    """Make finer mags, each from the source. `layer_box`: mag 1. See `downsample_mags`."""
    compute = compute or Compute.of_this_machine()
    for target_mag, target in targets:
        one_pass = None
        if fresh and executor is None and buffer_shape is None:
            one_pass = plan_upsampling_pass(
                source, target, source_mag=source_mag, target_mag=target_mag, layer_box=layer_box, compute=compute
            )
        if one_pass is not None:
            run_array_pass(one_pass, listener=listener)
            continue
        plan = plan_upsampling(
            source,
            target,
            source_mag=source_mag,
            target_mag=target_mag,
            layer_box=layer_box,
            fresh=fresh,
            compute=compute,
            buffer_shape=buffer_shape,
        )
        run_resampling(plan, executor=executor, listener=listener)
