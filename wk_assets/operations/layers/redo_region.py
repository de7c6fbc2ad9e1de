"""Build a new version of a mag of which only some shards change: the others are links to those of the version before.

Everything happens in the staging directory; who publishes it is `run_layer`. Shards that are linked are whole files that
nobody ever changes in place: an edit gives a shard's name to another file.
"""

import os
from pathlib import Path

from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.compute import Compute
from wk_assets.operations.layers.layer_plan import PlannedRedo
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.operations.resampling.resample_layer import box_with_axes, plan_downsampling, run_resampling
from wk_assets.storage.durable import make_directory, remove_tree, storage_refusals, sync_directory, write_atomically
from wk_assets.storage.edit_log import EDIT_LOG_NAME
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.shard import ShardEntry, copy_shard
from wk_assets.storage.sharded_array import ShardedArray


def redo_shards(
    source_path: Path,
    target_path: Path,
    redo: PlannedRedo,
    *,
    source_mag: Mag,
    target_mag: Mag,
    layer_box: BoundingBox,
    mode: DownsamplingMode,
    compute: Compute,
    listener: ProgressListener | None = None,
) -> tuple[tuple[ShardEntry, ...], int]:
    """Build the array at `target_path`, in staging; return its shards, and how many bytes of them were written.

    `source_path`: the finer mag. `layer_box`: mag 1. What an earlier run left at `target_path` goes first. Raises
    ShardMissingError and ShardCorruptError if a shard of the finer mag, or one that must be copied, is damaged.
    """
    remove_tree(target_path)
    before = _linked_version(redo.replaces, target_path)
    source = ShardedArray.open(source_path, read_only=True)
    target = ShardedArray.open(target_path)
    plan = plan_downsampling(
        source,
        target,
        source_mag=source_mag,
        target_mag=target_mag,
        layer_box=box_with_axes(layer_box, source.layout.channels, source.layout.additional),
        mode=mode,
        changed_in_source=redo.changed_in_parent,
        compute=compute,
    )
    run_resampling(plan, listener=listener)
    after = Manifest.load(target_path).shards
    with storage_refusals(target_path):
        (target_path / EDIT_LOG_NAME).unlink(missing_ok=True)
    known = {(shard.key, shard.size_bytes, shard.crc32c) for shard in before}
    return after, sum(shard.size_bytes for shard in after if (shard.key, shard.size_bytes, shard.crc32c) not in known)


def _linked_version(old: Path, new: Path) -> tuple[ShardEntry, ...]:
    """Make the array `new` of the shards of `old`: the same files under another name, copies where that is impossible."""
    manifest = Manifest.load(old)
    directories = {new}
    for shard in manifest.shards:
        target = new / shard.key
        if target.parent not in directories:
            make_directory(target.parent)
            directories.update(parent for parent in target.parents if parent.is_relative_to(new))
        try:
            os.link(old / shard.key, target)
        except OSError:
            # another file system, one without links, too many of them, or no such file: a copy says what is wrong
            copy_shard(old, new, shard)
    write_atomically(new / "zarr.json", (old / "zarr.json").read_bytes())
    write_atomically(new / MANIFEST_NAME, manifest.to_bytes())
    for directory in sorted(directories, key=lambda one: len(one.parts), reverse=True):
        sync_directory(directory)
    return manifest.shards
