"""What will be sent to a server, as a value: which files, under which names, how many bytes. Sends nothing.

Only what datasource-properties.json names is sent; our own bookkeeping and empty files are not (a server counts empty files
and never gets them). Arrays and attachments that lie outside of the dataset's directory are sent as if they lay inside.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.errors import NotADatasetError, PlanError
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties
from wk_assets.properties.layer_properties import AttachmentProperties, LayerProperties, SegmentationLayerProperties
from wk_assets.properties.names import check_dataset_name
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest
from wk_assets.storage.properties_file import array_location, read_properties

# The only hidden files that belong to an array: metadata of Zarr v2.
_HIDDEN_METADATA = frozenset({".zarray", ".zattrs", ".zgroup"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """One file to send: its name on the server, relative to the dataset, and where its bytes are.

    `crc32c`: of all its bytes, where a manifest promises it. `content_key`: what identifies the array that it belongs to (the
    checksum does not: chunks that end in their own checksum give a shard the same one whatever they hold). `content`: the
    bytes of a file that lies nowhere.
    """

    relative_path: str
    path: Path
    size_bytes: int
    crc32c: int | None = None
    content_key: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPlan:
    """Everything that an upload will send. `fingerprint` identifies it: equal files of equal dates give the same one."""

    dataset_path: Path
    name: str
    properties: DatasetProperties
    files: tuple[UploadFile, ...]
    fingerprint: str

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def plan_upload(dataset_path: Path, *, name: str | None = None, leave_out: Collection[str] = ()) -> UploadPlan:
    """Plan to send a dataset under a name; `leave_out`: layers that are on the server already.

    Raises NotADatasetError, PropertiesError, InvalidNameError for a name that no server takes, and PlanError for what can not be
    sent: arrays behind URLs, no layer at all.
    """
    stored = read_properties(dataset_path)
    layers = [layer for layer in stored.data_layers if layer.name not in leave_out]
    if not layers:
        raise PlanError(f"{dataset_path} has no layer to send; it has {[layer.name for layer in stored.data_layers]}")
    files: list[UploadFile] = []
    sent_layers = []
    for layer in layers:
        sent, found = _layer(dataset_path, layer)
        sent_layers.append(sent)
        files.extend(found)
    chosen = check_dataset_name(name or stored.name or dataset_path.resolve().name)
    properties = stored.model_copy(update={"data_layers": tuple(sent_layers), "id": {**stored.id, "name": chosen}})
    text = properties.to_text().encode()
    files.append(UploadFile(relative_path=FILE_NAME, path=dataset_path / FILE_NAME, size_bytes=len(text), content=text))
    return UploadPlan(
        dataset_path=dataset_path,
        name=chosen,
        properties=properties,
        files=tuple(sorted(files, key=lambda file: file.relative_path)),
        fingerprint=fingerprint_of(files),
    )


def _layer(dataset_path: Path, layer: LayerProperties) -> tuple[LayerProperties, list[UploadFile]]:
    files: list[UploadFile] = []
    views = []
    for view in layer.mags:
        location = array_location(dataset_path, layer.name, view.mag, view.path)
        short = f"{layer.name}/{view.mag.to_layer_name()}"
        if location is None:
            raise PlanError(
                f"mag {view.mag.to_layer_name()} of layer {layer.name!r} lies at {view.path}, which is not on this machine; "
                "link the layer on the server instead, or copy it here first"
            )
        files.extend(array_files(location, f"{short}/"))
        views.append(view.model_copy(update={"path": f"./{short}"}))
    changes: dict[str, Any] = {"mags": tuple(views)}
    if isinstance(layer, SegmentationLayerProperties):
        attachments, found = _attachments(dataset_path, layer)
        changes["attachments"] = attachments
        files.extend(found)
    return layer.model_copy(update=changes), files


def array_files(location: Path, prefix: str = "") -> Iterator[UploadFile]:
    """Yield the files of an array, each named `prefix` and its key. Raises NotADatasetError if there is no such directory."""
    if not location.is_dir():
        raise NotADatasetError(f"{location} is gone, but datasource-properties.json names it")
    manifest = Manifest.load(location) if (location / MANIFEST_NAME).exists() else None
    promised = {shard.key: shard.crc32c for shard in manifest.shards} if manifest else {}
    for path in _files_below(location):
        key = path.relative_to(location).as_posix()
        size = path.stat().st_size
        if size:
            yield UploadFile(
                relative_path=f"{prefix}{key}",
                path=path,
                size_bytes=size,
                crc32c=promised.get(key),
                content_key=manifest.content_key if manifest else None,
            )


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith(".") and part not in _HIDDEN_METADATA for part in inside)
        if path.is_file() and not hidden:
            yield path


def _attachments(dataset_path: Path, layer: SegmentationLayerProperties) -> tuple[Any, list[UploadFile]]:
    files: list[UploadFile] = []
    changes: dict[str, Any] = {}
    for kind in type(layer.attachments).model_fields:
        entries = getattr(layer.attachments, kind)
        if entries is None:
            continue
        several = isinstance(entries, tuple)
        sent = []
        for entry in entries if several else (entries,):
            placed, found = _attachment(dataset_path, layer.name, kind, entry)
            sent.append(placed)
            files.extend(found)
        changes[kind] = tuple(sent) if several else sent[0]
    return layer.attachments.model_copy(update=changes), files


def _attachment(
    dataset_path: Path, layer_name: str, kind: str, entry: AttachmentProperties
) -> tuple[AttachmentProperties, list[UploadFile]]:
    if "://" in entry.path:
        raise PlanError(f"attachment {entry.name!r} of layer {layer_name!r} lies at {entry.path}, not on this machine")
    location = dataset_path / entry.path
    target = f"{layer_name}/{kind}/{location.name}"
    placed = entry.model_copy(update={"path": f"./{target}"})
    files = list(attachment_files(location, target))
    if not files and not location.exists():
        raise NotADatasetError(f"attachment {entry.name!r} of layer {layer_name!r} is gone: {location}")
    if not files:
        raise PlanError(
            f"attachment {entry.name!r} of layer {layer_name!r} is empty: {location}; servers take no empty files"
        )
    return placed, files


def attachment_files(location: Path, target: str) -> Iterator[UploadFile]:
    """Yield the file of an attachment under the name `target`, or those of its folder under `target/…`; no empty ones."""
    if location.is_file():
        size = location.stat().st_size
        if size:
            yield UploadFile(relative_path=target, path=location, size_bytes=size)
        return
    for path in _files_below(location):
        size = path.stat().st_size
        if size:
            inside = path.relative_to(location).as_posix()
            yield UploadFile(relative_path=f"{target}/{inside}" if target else inside, path=path, size_bytes=size)


def fingerprint_of(files: Sequence[UploadFile]) -> str:
    """Identify what is sent: contents where they are known, sizes and dates elsewhere."""
    told = []
    for file in sorted(files, key=lambda one: one.relative_path):
        if file.content is not None:
            proof: object = hashlib.sha256(file.content).hexdigest()
        elif file.content_key is not None:
            proof = file.content_key
        else:
            proof = file.path.stat().st_mtime_ns
        told.append([file.relative_path, file.size_bytes, proof])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
