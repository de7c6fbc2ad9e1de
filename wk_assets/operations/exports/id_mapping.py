"""Which segment id becomes which: read from JSON, CSV or an agglomerate attachment, and applied to voxels.

Ids are exact up to 64 bits. Background stays background.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_assets.errors import InputError, NotInDatasetError
from wk_assets.properties.layer_properties import (
    AttachmentProperties,
    LayerProperties,
    SegmentationLayerProperties,
)
from wk_assets.storage.local_path import is_url


@dataclass(frozen=True, slots=True, eq=False)
class IdMapping:
    """Map ids: `sources` ascending, each becomes the id of `targets` at the same place; 0 stays 0.

    `complete`: an id that is not among the sources is an error; else it stays as it is.
    """

    name: str
    sources: NDArray[np.uint64]
    targets: NDArray[np.uint64]
    complete: bool

    def target_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype that holds mapped ids: that of the voxels where the targets fit into it, else uint64."""
        largest = int(self.targets.max()) if self.targets.size else 0
        return dtype if largest <= int(np.iinfo(dtype).max) else np.dtype(np.uint64)

    def apply(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return mapped voxels, C-contiguous. Raises InputError for an id that the mapping does not know, if complete."""
        mapped = np.ascontiguousarray(voxels, self.target_dtype(voxels.dtype))
        ids = voxels.astype(np.uint64, copy=False)
        if not self.sources.size:
            return mapped
        places = np.searchsorted(self.sources, ids).clip(max=self.sources.size - 1)
        known = self.sources[places] == ids
        if self.complete and not (known | (ids == 0)).all():
            stranger = int(ids[~known & (ids != 0)][0])
            raise InputError(
                f"{self.name}: knows no segment id {stranger}, which the layer has; it belongs to another layer"
            )
        known &= ids != 0
        np.copyto(mapped, self.targets[places].astype(mapped.dtype), where=known)
        return mapped


def load_mapping(dataset_path: Path, layer: LayerProperties, name: str) -> IdMapping:
    """Load the mapping called `name`: an agglomerate of the layer, or a JSON object or a CSV file with two columns.

    Raises InputError for a layer that is no segmentation and for a file of another form, NotADatasetError and
    PropertiesError for an agglomerate file that is gone or damaged, NotInDatasetError for a name that is neither.
    """
    if not isinstance(layer, SegmentationLayerProperties):
        raise InputError(f"mapping {name!r}: layer {layer.name!r} is no segmentation, its voxels are no ids")
    agglomerates = {one.name: one for one in layer.attachments.agglomerates or ()}
    if name in agglomerates:
        return _of_agglomerate(dataset_path, layer.name, agglomerates[name])
    path = Path(name)
    if path.suffix.lower() in {".json", ".csv"} and path.is_file():
        return _of_pairs(_json_pairs(path) if path.suffix.lower() == ".json" else _csv_pairs(path), name)
    known = ", ".join(agglomerates) or "none"
    raise NotInDatasetError(
        f"mapping {name!r} is no agglomerate of layer {layer.name!r} (there are {known}), and no .json or .csv file"
    )


def _of_agglomerate(dataset_path: Path, layer_name: str, found: AttachmentProperties) -> IdMapping:
    """Read at index i the agglomerate of segment i. A relative path is the dataset's, in old datasets the layer's."""
    # here: its libraries take half a second, and few exports map ids
    from wk_assets.storage.agglomerate_file import read_segment_to_agglomerate

    if is_url(found.path):
        raise InputError(f"agglomerate {found.name!r} at {found.path} is not on this machine; copy it and add the copy")
    path = next(
        (place for place in (dataset_path / found.path, dataset_path / layer_name / found.path) if place.exists()),
        dataset_path / found.path,
    )
    targets = read_segment_to_agglomerate(path, found.data_format)
    return IdMapping(found.name, np.arange(targets.size, dtype=np.uint64), targets, complete=True)


def _json_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_int=str, parse_float=str)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise InputError(f'{path}: write an object like {{"17": 3, "18": 3}}, segment id to new id')
    return [(key, str(value)) for key, value in document.items()]


def _csv_pairs(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not rows[0][0].strip().isdecimal():
        rows = rows[1:]  # a heading
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None:
        raise InputError(f"{path}: row {wrong} has {len(wrong)} columns; write two, segment id and new id")
    return [(source, target) for source, target in rows]


def _of_pairs(pairs: list[tuple[str, str]], name: str) -> IdMapping:
    ids: dict[int, int] = {}
    for source, target in pairs:
        if not (source.strip().isdecimal() and target.strip().isdecimal()) or int(source) >> 64 or int(target) >> 64:
            raise InputError(f"{name}: {source!r} -> {target!r} are not two ids (whole numbers from 0 to 2^64 - 1)")
        if ids.setdefault(int(source), int(target)) != int(target):
            raise InputError(f"{name}: segment id {int(source)} stands there twice, with different new ids")
    order = sorted(ids)
    return IdMapping(
        name,
        np.array(order, np.uint64),
        np.array([ids[source] for source in order], np.uint64),
        complete=False,
    )
