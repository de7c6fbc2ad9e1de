"""How a new array of our own lies on disk, by its description, and how an array's directory appears: whole, at once."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from wk_assets.errors import StorageError
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.array_layout import ArrayLayout, Layout
from wk_assets.storage.durable import (
    PARTIAL_SUFFIX,
    make_directory,
    remove_tree,
    storage_refusals,
    sync_directory,
    write_atomically,
)
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.mag_box import box_from_origin

# near the knee of time and size for images as well as for labels
DEFAULT_ZSTD_LEVEL = 3
_TYPES = frozenset(
    ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"),
)


def layout_of(info: ArrayInfo) -> ArrayLayout | None:
    """Return the layout of a Zarr v3 array; None if its axes, codecs or keys are none that our own arrays have.

    Raises PropertiesError for shapes that no array can have.
    """
    additional = tuple((axis, info.box.get_shape(axis)) for axis in info.dimension_names[:-4])
    config = info.compression_mode
    order = tuple(sorted(info.axis_order, key=lambda axis: info.axis_order[axis])) or tuple("cxyz")
    layout = {tuple("czyx"): Layout.OME, tuple("cxyz"): Layout.WEBKNOSSOS}.get(order[-4:])
    codecs = config.codecs if isinstance(config, Zarr3Config) else None
    level = DEFAULT_ZSTD_LEVEL if config else None
    if codecs is not None:
        level = next((codec.get("configuration", {}).get("level") for codec in codecs if codec["name"] == "zstd"), None)
    if layout is None or info.voxel_type.name not in _TYPES:
        return None
    found = ArrayLayout(
        layout=layout,
        channels=info.num_channels,
        size=info.box.bottomright_xyz,
        dtype=info.voxel_type,
        chunk_shape=info.chunk_shape,
        shard_shape=info.shard_shape,
        zstd_level=level,
        additional=additional,
    )
    if any(found.axes.index(axis) != place for axis, place in info.axis_order.items() if axis in found.axes):
        return None
    if isinstance(config, Zarr3Config):
        ours = json.loads(found.to_zarr_json())
        keys = config.chunk_key_encoding
        if keys is not None and keys not in (ours["chunk_key_encoding"], {"name": "default"}):
            return None
        if codecs is not None and list(codecs) != ours["codecs"][0]["configuration"]["codecs"]:
            return None
    return found


def info_of(layout: ArrayLayout) -> ArrayInfo:
    """Describe an array of our own."""
    axes = (*(name for name, _ in layout.additional), *"cxyz")
    shape = dict(zip(layout.axes, layout.array_shape, strict=True))
    return ArrayInfo(
        data_format=DataFormat.Zarr3,
        voxel_type=layout.dtype,
        box=box_from_origin(axes, [shape[axis] for axis in axes]),
        chunk_shape=layout.chunk_shape,
        shard_shape=layout.shard_shape,
        compression_mode=layout.zstd_level is not None,
        axis_order={axis: layout.axes.index(axis) for axis in "cxyz"},
    )


def make_array_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """Make the directory `path` with some files, durably and at once. Raises StorageError if there is anything in it already."""
    make_directory(path.parent)
    staged = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    remove_tree(staged)
    try:
        for name, data in files.items():
            write_atomically(staged / name, data)
        with storage_refusals(path):
            try:
                staged.replace(path)
            except OSError as error:
                if not path.exists():
                    raise
                raise StorageError(
                    f"{path} is there already, and not empty; remove it, or choose another name"
                ) from error
            sync_directory(path.parent)
    except BaseException:
        remove_tree(staged)
        raise
