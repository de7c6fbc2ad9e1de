"""The ledger as it would be if it knew of edits: mags that were changed in place through the object interface.

The manifest of an array knows every edit (its content key changes with them), the ledger does not. What is made from a
mag must depend on what the mag is now. Only reads; who writes the ledger, holding its lock, is `run_layer`.
"""

import hashlib
from pathlib import Path

from wk_assets.errors import NotADatasetError, PropertiesError
from wk_assets.operations.records.layer_record import LayerRecord, MagRecord, read_layer_record
from wk_assets.storage.manifest import Manifest


def current_record(dataset_path: Path, layer_name: str) -> LayerRecord | None:
    """Read the ledger of a layer, corrected for edits: keys, shards and bytes are those of the arrays as they are now.

    A mag whose array is gone or unreadable stays as the ledger says: making it anew repairs it. Raises PropertiesError
    for a ledger that can not be read.
    """
    record = read_layer_record(dataset_path, layer_name)
    if record is None:
        return None
    mags = tuple(_current(dataset_path, mag) for mag in record.mags)
    return record if mags == record.mags else record.model_copy(update={"mags": mags})


def edited_mags(dataset_path: Path, record: LayerRecord) -> tuple[str, ...]:
    """Name the mags that were changed in place since the ledger was written, finest first."""
    return tuple(mag.mag for mag in record.mags if _current(dataset_path, mag) != mag)


def _current(dataset_path: Path, mag: MagRecord) -> MagRecord:
    try:
        manifest = Manifest.load(dataset_path / mag.path)
    except (NotADatasetError, PropertiesError):
        return mag
    if manifest.edited_from is None or manifest.content_key == mag.key:
        return mag
    return mag.model_copy(
        update={
            "key": manifest.content_key,
            "voxels_key": hashlib.sha256(f"edited {manifest.content_key}".encode()).hexdigest()[:32],
            "shards": len(manifest.shards),
            "stored_bytes": manifest.stored_bytes,
        }
    )
