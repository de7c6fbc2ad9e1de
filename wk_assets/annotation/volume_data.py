"""The voxels of a volume layer as they travel: one zip per layer, kept on disk until somebody looks into it.

What is in such a zip, as servers and libraries have written it (`formats` §3.3): a `datasource-properties.json` and the mags of
its one layer (zarr3); or folders of mags alone, as wkw, zarr2 or zarr3, at the top or in `volumeAnnotationData`; or nothing.
Here it becomes a dataset in a folder of its own (`unpack`). The way back is in `volume_packing`.
"""

import json
import re
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wk_assets.annotation.checked_archive import DEFAULT_LIMITS, ArchiveLimits, CheckedArchive
from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import AnnotationFileError, GeometryError, PropertiesError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.voxel_size import VoxelSize
from wk_assets.operations.datasets.existing_files import describe_existing_layer
from wk_assets.properties.dataset_properties import FILE_NAME, DatasetProperties, ScaleProperties
from wk_assets.properties.layer_properties import AttachmentsProperties, LayerProperties, SegmentationLayerProperties
from wk_assets.storage.durable import make_directory, storage_refusals
from wk_assets.storage.open_mag_array import open_mag_array

LAYER_NAME = "volumeAnnotationData"
_MAG_FOLDER = re.compile(r"\d+(-\d+-\d+)?")
_GROUP_FILES = frozenset({".zgroup", ".zattrs", "zarr.json"})  # what Zarr says of a folder of arrays
_SIGNS = {"header.wkw": "wkw", "zarr.json": "zarr3", ".zarray": "zarr"}


class Scratch:
    """Own a folder for as long as somebody refers to it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="wk-assets-annotation-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Scratch":
        return self  # files are replaced, never changed, so copies of an annotation may share them


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeData:
    """Name a zip of voxels in a scratch folder. `source`: how errors call it; `packed_bytes`: what limits count from."""

    path: Path
    scratch: Scratch
    source: str
    packed_bytes: int
    limits: ArchiveLimits = DEFAULT_LIMITS

    def open(self) -> CheckedArchive:
        """Open the zip. Raises AnnotationFileError."""
        return CheckedArchive(self.path, source=self.source, limits=self.limits, zip_bytes=self.packed_bytes)

    def look(self) -> "tuple[np.dtype[Any] | None, str | None]":
        """Return the type of a voxel and the format (wkw, zarr, zarr3), from the metadata; None where there is no array.

        Raises AnnotationFileError, PropertiesError.
        """
        with self.open() as archive:
            names = list(archive.entries)
            if FILE_NAME in names:
                layer = _described_layer(archive)
                return layer.dtype_np, str(layer.data_format)
            for name in names:
                kind = _SIGNS.get(name.rpartition("/")[2])
                if kind is not None and _is_mag_file(name):
                    return _voxel_type(kind, archive.read(name), f"{self.source}, {name}"), kind
        return None, None

    def unpack(self, target: Path, *, voxel_size: VoxelSize, largest_segment_id: int | None) -> Dataset:
        """Make a dataset of the voxels in the folder `target`, which must not exist; its one layer is `LAYER_NAME`.

        Arrays stay as they are. A zip without any gives a dataset without layers. Raises AnnotationFileError for what is
        damaged or hostile, PropertiesError, StorageError.
        """
        with self.open() as archive:
            if FILE_NAME in archive.entries:
                return _unpack_described(archive, target, voxel_size, largest_segment_id)
            return _unpack_arrays(archive, target, voxel_size, largest_segment_id)


def _described_layer(archive: CheckedArchive) -> LayerProperties:
    """Read what the zip says of its one layer."""
    try:
        text = archive.read(FILE_NAME).decode()
    except UnicodeDecodeError as error:
        raise AnnotationFileError(f"{archive.source}: {FILE_NAME} is not UTF-8 (byte {error.start})") from error
    properties = DatasetProperties.parse_text(text, source=f"{archive.source}, {FILE_NAME}")
    if len(properties.data_layers) != 1:
        raise AnnotationFileError(
            f"{archive.source}: {FILE_NAME} describes {len(properties.data_layers)} layers; the data of a volume layer is one"
        )
    layer = properties.data_layers[0]
    if not isinstance(layer, SegmentationLayerProperties):
        raise AnnotationFileError(
            f"{archive.source}: {FILE_NAME} describes {layer.name!r} as a {layer.category} layer; a volume layer is a segmentation"
        )
    return layer


def _unpack_described(
    archive: CheckedArchive, target: Path, voxel_size: VoxelSize, largest_segment_id: int | None
) -> Dataset:
    layer = _described_layer(archive)
    folders = {mag.mag: _mag_folder(archive, layer.name, mag.mag, mag.path) for mag in layer.mags}
    _unpack_files(
        archive, target, {f"{folder}/": f"{LAYER_NAME}/{mag.to_layer_name()}/" for mag, folder in folders.items()}
    )
    update: dict[str, Any] = {
        "name": LAYER_NAME,
        "mags": tuple(
            entry.model_copy(update={"path": f"./{LAYER_NAME}/{entry.mag.to_layer_name()}"}) for entry in layer.mags
        ),
        "attachments": AttachmentsProperties(),  # their files are not in the zip
    }
    if getattr(layer, "largest_segment_id", None) is None:
        update["largest_segment_id"] = largest_segment_id
    properties = DatasetProperties(
        scale_properties=ScaleProperties(factor=voxel_size.factor, unit=voxel_size.unit),
        data_layers=(layer.model_copy(update=update),),
    )
    with storage_refusals(target):
        (target / FILE_NAME).write_text(properties.to_text(), "utf-8")
    return Dataset.open(target)


def _mag_folder(archive: CheckedArchive, layer_name: str, mag: Mag, path: str | None) -> str:
    """Say in which folder of the zip the array of a mag is; one that lies elsewhere is refused."""
    if path is None:
        names = [f"{layer_name}/{name}" for name in (mag.to_layer_name(), mag.to_long_layer_name())]
        return next((one for one in names if any(entry.startswith(f"{one}/") for entry in archive.entries)), names[0])
    parts = PurePosixPath(path).parts
    if "://" in path or path.startswith("/") or "\\" in path or ".." in parts or not parts:
        raise AnnotationFileError(
            f"{archive.source}: {FILE_NAME} says that mag {mag} lies at {path!r}, which is not in the zip; nothing was read there"
        )
    return "/".join(parts)


def _unpack_arrays(
    archive: CheckedArchive, target: Path, voxel_size: VoxelSize, largest_segment_id: int | None
) -> Dataset:
    prefix = f"{LAYER_NAME}/" if all(name.startswith(f"{LAYER_NAME}/") for name in archive.entries) else ""
    folders = []
    for name in archive.entries:
        first, _, rest = name.removeprefix(prefix).partition("/")
        if rest and _MAG_FOLDER.fullmatch(first):
            folders.append(first)
        elif rest or first not in _GROUP_FILES:
            raise AnnotationFileError(
                f"{archive.source}: entry {name!r} is neither {FILE_NAME} nor in a folder that is called like a mag, as 1 or 2-2-1: "
                "this is no volume data that is known"
            )
    dataset = Dataset(target, name=LAYER_NAME, voxel_size_with_unit=voxel_size)
    if not folders:
        return dataset
    moved = {
        f"{prefix}{folder}/": f"{LAYER_NAME}/{_mag(archive, folder).to_layer_name()}/"
        for folder in dict.fromkeys(folders)
    }
    _unpack_files(archive, target, moved)
    described = describe_existing_layer(target, LAYER_NAME, "segmentation")
    dataset.add_layer_for_existing_files(
        LAYER_NAME, "segmentation", bounding_box=_stored_box(target, described), largest_segment_id=largest_segment_id
    )
    return dataset


def _mag(archive: CheckedArchive, folder: str) -> Mag:
    try:
        return Mag(folder)
    except GeometryError as error:
        raise AnnotationFileError(f"{archive.source}: folder {folder!r} is called like no mag: {error}") from error


def _stored_box(dataset_path: Path, layer: LayerProperties) -> BoundingBox:
    """Give the box (mag 1) of the chunks that are stored in the finest mag with any: old formats do not say where they end."""
    for entry in layer.mags:
        array = open_mag_array(
            dataset_path / LAYER_NAME / entry.mag.to_layer_name(),
            data_format=layer.data_format,
            axis_order=entry.axis_order,
            read_only=True,
        )
        whole = BoundingBox.empty()
        for box in array.stored_boxes():
            whole = whole.extended_by(BoundingBox.from_ndbbox(box.from_mag_to_mag1(entry.mag)))
        if not whole.is_empty():
            return BoundingBox(whole.topleft, whole.size)
    return BoundingBox.empty()


def _unpack_files(archive: CheckedArchive, target: Path, folders: dict[str, str]) -> None:
    """Write the entries that lie in the given folders, each below the folder that it is mapped to."""
    make_directory(target)
    root = target.resolve()
    for name in archive.entries:
        for folder, moved in folders.items():
            if not name.startswith(folder):
                continue
            path = root / moved / name.removeprefix(folder)
            if not path.is_relative_to(
                root
            ):  # checked_archive refuses such names already; this is the lock on the door
                raise AnnotationFileError(f"{archive.source}: entry {name!r} would be written outside of {root}")
            with storage_refusals(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    archive.unpack(name, file)


def _is_mag_file(name: str) -> bool:
    parts = name.split("/")
    return len(parts) >= 2 and _MAG_FOLDER.fullmatch(parts[-2]) is not None


def _voxel_type(kind: str, metadata: bytes, source: str) -> "np.dtype[Any]":
    """Read the type of a voxel from an array's metadata."""
    # here, not above: most annotations are zarr3
    from wk_assets.storage.wkw_header import WkwHeader

    if kind == "wkw":
        return WkwHeader.parse(metadata, source)[0].dtype
    try:
        document = json.loads(metadata)
        found: np.dtype[Any] = np.dtype(document["data_type" if kind == "zarr3" else "dtype"]).newbyteorder("=")
    except (ValueError, KeyError, TypeError) as error:
        raise PropertiesError(f"{source}: says no type of voxels ({error})") from error
    return found
