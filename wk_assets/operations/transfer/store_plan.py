"""What a dataset's copy in object storage consists of, as a value: which objects, of which content. Sends nothing.

An array's folder is named after its mag and its content, `color/2-2-1.1f3a…`: objects never change their content, so two contents
never mix. `datasource-properties.json` alone is
replaced, after everything that it names has arrived.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wk_assets.operations.transfer.upload_plan import UploadFile, plan_upload
from wk_assets.properties.layer_properties import LayerProperties, SegmentationLayerProperties
from wk_assets.storage.manifest import MANIFEST_NAME, Manifest

_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFile:
    """One object: its key below the dataset, what identifies its content, and the file that holds it."""

    key: str
    content: str
    file: UploadFile


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlan:
    """Everything that the copy consists of; `properties` is the text that makes it a dataset, and is put last."""

    dataset_path: Path
    files: tuple[StoreFile, ...]
    properties: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of all objects."""
        return sum(one.file.size_bytes for one in self.files) + len(self.properties)


def plan_store_copy(dataset_path: Path) -> StorePlan:
    """Plan to copy a dataset. Files without a manifest are read once, to know their content.

    Raises NotADatasetError, PropertiesError, and PlanError for arrays behind URLs and datasets without a layer.
    """
    sent = plan_upload(dataset_path)
    folders = [path.removeprefix("./") for layer in sent.properties.data_layers for path in _paths_of(layer)]
    renamed: dict[str, str] = {}
    files: list[StoreFile] = []
    for folder in folders:
        inside = [
            file for file in sent.files if file.relative_path == folder or file.relative_path.startswith(f"{folder}/")
        ]
        contents = {file.relative_path: _content(file) for file in inside}
        known = inside[0].content_key
        identity = known or _digest(f"{name} {content}" for name, content in sorted(contents.items()))
        renamed[folder] = f"{folder}.{identity[:_SHOWN_DIGITS]}"
        for file in inside:
            key = renamed[folder] + file.relative_path[len(folder) :]
            files.append(StoreFile(key=key, content=contents[file.relative_path], file=file))
        location = inside[0].path if inside[0].relative_path == folder else _root_of(inside[0], folder)
        if (location / MANIFEST_NAME).exists():
            files.append(_manifest(location, renamed[folder]))
    layers = tuple(_moved(layer, renamed) for layer in sent.properties.data_layers)
    return StorePlan(
        dataset_path=dataset_path,
        files=tuple(sorted(files, key=lambda one: one.key)),
        properties=sent.properties.model_copy(update={"data_layers": layers}).to_text().encode(),
    )


def _paths_of(layer: LayerProperties) -> Iterator[str]:
    """Yield where the arrays and attachments of a layer lie: what belongs together."""
    yield from (str(view.path) for view in layer.mags)
    if isinstance(layer, SegmentationLayerProperties):
        for kind in type(layer.attachments).model_fields:
            entries = getattr(layer.attachments, kind)
            yield from (one.path for one in (entries if isinstance(entries, tuple) else (entries,)) if one is not None)


def _moved(layer: LayerProperties, renamed: Mapping[str, str]) -> LayerProperties:
    changes: dict[str, Any] = {"mags": tuple(_renamed(view, renamed) for view in layer.mags)}
    if isinstance(layer, SegmentationLayerProperties):
        moved: dict[str, Any] = {}
        for kind in type(layer.attachments).model_fields:
            entries = getattr(layer.attachments, kind)
            if isinstance(entries, tuple):
                moved[kind] = tuple(_renamed(one, renamed) for one in entries)
            elif entries is not None:
                moved[kind] = _renamed(entries, renamed)
        changes["attachments"] = layer.attachments.model_copy(update=moved)
    return layer.model_copy(update=changes)


def _root_of(file: UploadFile, folder: str) -> Path:
    inside = file.relative_path[len(folder) + 1 :].split("/")
    return file.path.parents[len(inside) - 1]


def _renamed(entry: Any, renamed: Mapping[str, str]) -> Any:
    return entry.model_copy(update={"path": f"./{renamed[entry.path.removeprefix('./')]}"})


def _content(file: UploadFile) -> str:
    if file.content is not None:
        return hashlib.sha256(file.content).hexdigest()
    if file.content_key is not None and file.crc32c is not None:
        return f"{file.content_key} {file.crc32c:08x}"
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest(location: Path, folder: str) -> StoreFile:
    """Send what the array promises, so that the copy can be verified, and proves itself when it comes back."""
    data = Manifest.load(location).to_bytes()
    made = UploadFile(
        relative_path=f"{folder}/{MANIFEST_NAME}", path=location / MANIFEST_NAME, size_bytes=len(data), content=data
    )
    return StoreFile(key=made.relative_path, content=_content(made), file=made)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
