"""Open a Zarr array with tensorstore, for people who want its own interface."""

import os
from pathlib import Path
from typing import Any

from wk_assets.errors import NotADatasetError
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.manifest import MANIFEST_NAME


def open_tensorstore(path: Path, data_format: DataFormat, *, read_only: bool) -> Any:
    """Give a `tensorstore.TensorStore` with the axes of the stored array.

    Arrays with a manifest are opened for reading: it would not know what is written past it. Raises NotADatasetError.
    """
    # here, not above: tensorstore takes long to load
    import tensorstore

    spec = {
        "driver": "zarr3" if data_format is DataFormat.Zarr3 else "zarr",
        "kvstore": {"driver": "file", "path": f"{os.fspath(path.resolve())}/"},
    }
    writable = not read_only and not (path / MANIFEST_NAME).exists()
    try:
        return tensorstore.open(spec, read=True, write=writable).result()
    except ValueError as error:
        raise NotADatasetError(f"{path}: tensorstore can not open this array ({error})") from error
