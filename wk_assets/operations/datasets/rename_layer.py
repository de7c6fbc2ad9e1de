"""Give a layer another name: its directory, the paths in the metadata and in the ledger of the import pipeline."""

from collections.abc import Callable
from pathlib import Path

from wk_assets.errors import AlreadyThereError
from wk_assets.operations.datasets.change_properties import write_properties
from wk_assets.operations.records.layer_record import (
    layer_record_path,
    ledger_lock,
    read_layer_record,
    write_layer_record,
)
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import (
    AttachmentProperties,
    LayerProperties,
    SegmentationLayerProperties,
)
from wk_assets.properties.names import check_layer_name
from wk_assets.storage.durable import move_into_place
from wk_assets.storage.exchange import exchange


def rename_layer(dataset_path: Path, stored: DatasetProperties, old_name: str, new_name: str) -> DatasetProperties:
    """Rename directory and ledger, and return the metadata that goes with them. The caller holds the dataset's lock.

    The metadata is written here, so that whoever reads it finds the directory, whatever fails and crashes when. Raises InvalidNameError,
    AlreadyThereError, StorageError.
    """
    check_layer_name(new_name)
    layer = stored.layer(old_name)
    if any(other.name == new_name for other in stored.data_layers):
        raise AlreadyThereError(
            f"layer {old_name!r} can not be called {new_name!r}: the dataset has a layer of that name"
        )
    old, new = dataset_path / old_name, dataset_path / new_name
    if new.exists() or new.is_symlink():
        raise AlreadyThereError(f"layer {old_name!r} can not be called {new_name!r}: there is something at {new}")
    renamed = _renamed(layer, old_name, new_name)
    layers = tuple(renamed if other.name == old_name else other for other in stored.data_layers)
    changed = stored.model_copy(update={"data_layers": layers})
    with ledger_lock(dataset_path, old_name), ledger_lock(dataset_path, new_name):
        if old.exists():
            _rename_with(old, new, lambda: write_properties(dataset_path, changed))
        else:
            write_properties(dataset_path, changed)
        _rename_ledger(dataset_path, old_name, new_name)
    return changed


def _rename_with(old: Path, new: Path, write_metadata: Callable[[], None]) -> None:
    """Rename a directory and write what names it: while both happen, its new name is a link to the old one.

    A file system without links gets the directory renamed first, and back if the metadata can not be written.
    """
    try:
        new.symlink_to(old.name, target_is_directory=True)
    except OSError:
        move_into_place(old, new)
        try:
            write_metadata()
        except BaseException:
            move_into_place(new, old)
            raise
        return
    try:
        write_metadata()
    except BaseException:
        new.unlink()
        raise
    exchange(new, old)
    old.unlink()


def _renamed(layer: LayerProperties, old_name: str, new_name: str) -> LayerProperties:
    def moved(path: str | None) -> str | None:
        for start in (f"./{old_name}/", f"{old_name}/"):
            if path is not None and path.startswith(start):
                return f"./{new_name}/{path.removeprefix(start)}"
        return path

    mags = tuple(entry.model_copy(update={"path": moved(entry.path)}) for entry in layer.mags)
    update: dict[str, object] = {"name": new_name, "mags": mags}
    if isinstance(layer, SegmentationLayerProperties):
        kinds = layer.attachments
        update["attachments"] = kinds.model_copy(
            update={
                kind: _each(getattr(kinds, kind), lambda entry: entry.model_copy(update={"path": moved(entry.path)}))
                for kind in type(kinds).model_fields
            }
        )
    return layer.model_copy(update=update)


def _each(
    entries: tuple[AttachmentProperties, ...] | AttachmentProperties | None,
    change: Callable[[AttachmentProperties], AttachmentProperties],
) -> tuple[AttachmentProperties, ...] | AttachmentProperties | None:
    if entries is None or isinstance(entries, AttachmentProperties):
        return None if entries is None else change(entries)
    return tuple(change(entry) for entry in entries)


def _rename_ledger(dataset_path: Path, old_name: str, new_name: str) -> None:
    record = read_layer_record(dataset_path, old_name)
    if record is None:
        return
    mags = tuple(
        mag.model_copy(update={"path": f"{new_name}/{mag.path.removeprefix(f'{old_name}/')}"}) for mag in record.mags
    )
    write_layer_record(dataset_path, record.model_copy(update={"layer_name": new_name, "mags": mags}))
    layer_record_path(dataset_path, old_name).unlink()
