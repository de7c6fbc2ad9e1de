"""The groups around the Zarr arrays of a layer, so that other programs find its mags as one OME-Zarr image.

Written after the metadata of the dataset, which is what counts: a group that was not written in time costs nothing but
the comfort of those programs. Layers of the import pipeline get the groups of `commit_dataset`.
"""

import json
from pathlib import Path
from typing import Any

from wk_assets.operations.records.layer_record import layer_record_path
from wk_assets.properties.dataset_properties import DatasetProperties
from wk_assets.properties.layer_properties import DataFormat, LayerProperties
from wk_assets.properties.ome_zarr import group_text, layer_group_attributes
from wk_assets.storage.durable import write_atomically

_GROUP_V2 = json.dumps({"zarr_format": 2}, indent=4) + "\n"


def write_groups(dataset_path: Path, before: DatasetProperties | None, now: DatasetProperties) -> None:
    """Write the groups of those layers whose mags are others than before, and the root's if it has none."""
    known = {} if before is None else {layer.name: layer for layer in before.data_layers}
    formats = {layer.data_format for layer in now.data_layers}
    if DataFormat.Zarr in formats and not (dataset_path / ".zgroup").exists():
        write_atomically(dataset_path / ".zgroup", _GROUP_V2.encode())
    if (before is None or DataFormat.Zarr3 in formats) and not (dataset_path / "zarr.json").exists():
        write_atomically(dataset_path / "zarr.json", group_text().encode())
    for layer in now.data_layers:
        old = known.get(layer.name)
        if old is None or old.mags != layer.mags:
            _write_layer_group(dataset_path, layer, now)


def _write_layer_group(dataset_path: Path, layer: LayerProperties, dataset: DatasetProperties) -> None:
    folder = dataset_path / layer.name
    start = f"./{layer.name}/"
    own = [entry for entry in layer.mags if entry.path is not None and entry.path.startswith(start)]
    managed = layer_record_path(dataset_path, layer.name).exists()
    if not own or managed or layer.data_format not in (DataFormat.Zarr, DataFormat.Zarr3):
        return
    attributes = layer_group_attributes(
        name=layer.name,
        category=layer.category,
        voxel_size=dataset.scale,
        mags=[entry.mag for entry in own],
        paths={entry.mag: (entry.path or "").removeprefix(start) for entry in own},
        dtype=layer.dtype_np,
        channels=layer.num_channels,
        axes=_axes(layer),
    )
    if layer.data_format is DataFormat.Zarr3:
        write_atomically(folder / "zarr.json", group_text(attributes).encode())
    else:
        write_atomically(folder / ".zgroup", _GROUP_V2.encode())
        write_atomically(folder / ".zattrs", _older(attributes).encode())


def _axes(layer: LayerProperties) -> list[str]:
    """Name the dimensions of the first array, in its order."""
    places = {axis.name: axis.index for axis in layer.additional_axes or ()}
    places |= layer.mags[0].axis_order or {}
    return sorted(places, key=lambda axis: places[axis])


def _older(attributes: dict[str, Any]) -> str:
    """Say the same in OME-NGFF 0.4, which Zarr v2 has: no envelope, the version in each object."""
    content = {key: value for key, value in attributes["ome"].items() if key != "version"}
    content["multiscales"] = [{"version": "0.4", **multiscale} for multiscale in content["multiscales"]]
    return json.dumps(content, indent=4, allow_nan=False) + "\n"
