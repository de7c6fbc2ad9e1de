"""One door to a new array of a mag: make it, empty, in the format that its description asks for."""

from pathlib import Path

from wk_assets.errors import ReadOnlyError
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.sharded_array import ShardedArray


def create_mag_array(path: Path, info: ArrayInfo) -> MagArray:
    """Make the array that `info` describes in the directory `path`, which may not exist or be empty.

    Arrays appear at once: nobody ever sees half of one. Zarr v3 arrays get a manifest, so that lost shards are noticed
    (`ShardedArray`), unless their codecs or keys are others than those that it writes (`PlainZarr3Array`).
    `info.axis_order` chooses how axes lie: c, z, y, x or (also if it is empty) c, x, y, z, after additional axes.
    Raises ReadOnlyError for formats that are only read, PropertiesError for what the format can not hold, StorageError.
    """
    # here, not above: most of these take a library that is slow to import, and one dataset needs few of them
    if info.data_format is DataFormat.Zarr3:
        if ShardedArray.offers(info):
            return ShardedArray.create(path, info)
        from wk_assets.storage.plain_zarr3_array import PlainZarr3Array

        return PlainZarr3Array.create(path, info)
    if info.data_format is DataFormat.WKW:
        from wk_assets.storage.wkw_array import WkwArray

        return WkwArray.create(path, info)
    if info.data_format is DataFormat.Zarr:
        from wk_assets.storage.zarr2_array import Zarr2Array

        return Zarr2Array.create(path, info)
    raise ReadOnlyError(f"{path}: arrays in {info.data_format.value} are only read; choose zarr3, zarr or wkw")
