"""Store one array in another way at the same place: made beside the old one, exchanged when it is whole."""

from concurrent.futures import Executor
from pathlib import Path

from wk_assets.errors import LockedError, NotADatasetError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.operations.arrays.copy_mag import copy_mag
from wk_assets.operations.records.layer_request import ProgressListener
from wk_assets.storage.array_locks import ArrayLocks
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.durable import make_directory, remove_tree
from wk_assets.storage.exchange import exchange
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.manifest import Manifest


def is_compressed(info: ArrayInfo) -> bool:
    """Say whether an array's chunks are compressed at all."""
    return info.compression_mode is not False


def rewrite_mag(
    source: MagArray,
    info: ArrayInfo,
    box_in_mag: NormalizedBoundingBox,
    work_place: Path,
    *,
    executor: Executor | None = None,
    listener: ProgressListener | None = None,
) -> None:
    """Replace an array by one that holds the same voxels and is what `info` says. `box_in_mag`: all that is kept.

    `work_place`: where the new one is made; the caller holds the mag's lock (see `mag_lock`).

    Raises LockedError, and leaves the old array, if somebody writes into it, or has written meanwhile (arrays with a
    manifest can tell that); what `copy_mag` raises, StorageError.
    """
    path = source.path.resolve()
    remove_tree(work_place)
    make_directory(work_place.parent)
    before = _content(path)
    try:
        target = create_mag_array(work_place, info)
        copy_mag(source, target, box_in_mag, executor=executor, listener=listener)
        with ArrayLocks(path).everything() as alone:
            if not alone or _content(path) != before:
                raise LockedError(f"{path} was written while it was rewritten; wait until nobody writes, and run again")
            exchange(work_place, path)
    finally:
        remove_tree(work_place)


def _content(path: Path) -> str | None:
    try:
        return Manifest.load(path).content_key
    except NotADatasetError:
        return None
