"""One door to the array of a mag, whatever its format: find the implementation of what lies at a path."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.manifest import MANIFEST_NAME
from wk_assets.storage.sharded_array import ShardedArray


def open_mag_array(
    path: Path,
    *,
    data_format: DataFormat,
    axis_order: Mapping[str, int] | None = None,
    additional_axes: Sequence[AdditionalAxisProperties] = (),
    read_only: bool = False,
) -> MagArray:
    """Open the array of one mag.

    `axis_order` and `additional_axes` stand in datasource-properties.json; an array that names its dimensions itself does
    not need them. `read_only` arrays refuse to be written. Raises NotADatasetError where there is no such array, and
    PropertiesError for metadata that can not be understood.
    """
    # here, not above: most of these take a library that is slow to import, and one dataset needs few of them
    if data_format is DataFormat.Zarr3:
        if (path / MANIFEST_NAME).exists():
            return ShardedArray.open(path, axis_order, additional_axes, read_only=read_only)
        from wk_assets.storage.foreign_sharded_array import ForeignShardedArray

        array = ForeignShardedArray.open_if_like_ours(path, axis_order, additional_axes, read_only=read_only)
        if array is not None:
            return array
        from wk_assets.storage.plain_zarr3_array import PlainZarr3Array

        return PlainZarr3Array.open(path, axis_order, additional_axes, read_only=read_only)
    if data_format is DataFormat.WKW:
        from wk_assets.storage.wkw_array import WkwArray

        return WkwArray.open(path, axis_order, additional_axes, read_only=read_only)
    if data_format is DataFormat.Zarr:
        from wk_assets.storage.zarr2_array import Zarr2Array

        return Zarr2Array.open(path, axis_order, additional_axes, read_only=read_only)
    from wk_assets.storage.tensorstore_array import TensorstoreArray

    return TensorstoreArray.open(path, axis_order, additional_axes, read_only=read_only, data_format=data_format)
