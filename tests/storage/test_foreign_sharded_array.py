"""Arrays of others that lie as ours do: every law of arrays without a manifest, and which arrays these are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, GzipCodec, ZstdCodec

from tests.storage.mag_array_conformance import MagArrayConformance
from tests.storage.mag_array_suite import values
from wk_assets.errors import PropertiesError, ShardCorruptError
from wk_assets.geometry.bounding_box import NormalizedBoundingBox
from wk_assets.properties.layer_properties import AdditionalAxisProperties, DataFormat
from wk_assets.storage.foreign_sharded_array import ForeignShardedArray
from wk_assets.storage.mag_array import ArrayInfo, MagArray
from wk_assets.storage.manifest import MANIFEST_NAME
from wk_assets.storage.open_mag_array import open_mag_array
from wk_assets.storage.plain_zarr3_array import PlainZarr3Array
from wk_assets.storage.sharded_array import ShardedArray


class TestShardsWithoutAManifest(MagArrayConformance):
    """As if another program had written what we write."""

    data_format = DataFormat.Zarr3

    # the locks are those of `ShardedArray`, whose tests have this one
    test_processes_that_write_at_the_same_time_lose_nothing = None  # type: ignore[assignment]

    def create(self, path: Path, info: ArrayInfo) -> MagArray:
        array = ShardedArray.create(path, info)
        (path / MANIFEST_NAME).unlink()
        return self.open(path, axis_order=array.info.axis_order, additional_axes=(), read_only=False)

    def open(
        self,
        path: Path,
        *,
        axis_order: Mapping[str, int] | None,
        additional_axes: Sequence[AdditionalAxisProperties],
        read_only: bool,
    ) -> MagArray:
        array = open_mag_array(
            path,
            data_format=DataFormat.Zarr3,
            axis_order=axis_order,
            additional_axes=additional_axes,
            read_only=read_only,
        )
        assert isinstance(array, ForeignShardedArray)
        return array


def by_zarr(path: Path, dimensions: str, **settings: Any) -> "zarr.Array[Any]":
    """Let zarr-python make an array of 40 voxels along each axis, 1 along t."""
    lengths = {"t": (1, 1, 1), "c": (3, 3, 3)}
    shape, chunks, shards = zip(*(lengths.get(axis, (40, 4, 20)) for axis in dimensions), strict=True)
    defaults: dict[str, Any] = {
        "shape": shape,
        "chunks": chunks,
        "shards": shards,
        "dtype": "uint16",
        "compressors": ZstdCodec(level=2),
        "dimension_names": tuple(dimensions),
        "fill_value": 0,
    }
    return zarr.create_array(path, **defaults | settings)


def opened(path: Path, axes: str | None = None) -> MagArray:
    order = {axis: axes.index(axis) for axis in "cxyz"} if axes else None
    return open_mag_array(path, data_format=DataFormat.Zarr3, axis_order=order)


@pytest.mark.parametrize("dimensions", ["czyx", "tczyx"])
@pytest.mark.parametrize("checksum", [False, True])
def test_what_zarr_python_writes_is_read_and_changed_by_our_own_code(
    tmp_path: Path, dimensions: str, checksum: bool
) -> None:
    theirs = by_zarr(tmp_path / "1", dimensions, compressors=ZstdCodec(level=2, checksum=checksum))
    model = values("uint16", theirs.shape, 1)
    theirs[...] = model
    array = opened(tmp_path / "1")

    assert isinstance(array, ForeignShardedArray)
    np.testing.assert_array_equal(array.read_box(array.info.box), np.swapaxes(model, -1, -3))
    part = NormalizedBoundingBox(
        [0] * (len(dimensions) - 3) + [3, 5, 7], [*theirs.shape[:-3], 30, 20, 10], array.info.box.axes
    )
    array.write_box(part, np.full(tuple(part.size), 7, "uint16"))
    model[..., 7:17, 5:25, 3:33] = 7
    np.testing.assert_array_equal(np.asarray(theirs[...]), model)
    assert not (tmp_path / "1" / MANIFEST_NAME).exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"shards": None},
        {"fill_value": 3},
        {"compressors": GzipCodec(level=1)},
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"serializer": BytesCodec(endian="big")},
    ],
    ids=["unsharded", "another_fill_value", "another_codec", "other_keys", "another_byte_order"],
)
def test_arrays_that_lie_otherwise_are_left_to_zarr_python(tmp_path: Path, settings: dict[str, Any]) -> None:
    theirs = by_zarr(tmp_path / "1", "czyx", **settings)
    theirs[...] = 1
    array = opened(tmp_path / "1")

    assert type(array) is PlainZarr3Array
    assert (array.read_box(array.info.box) == 1).all()


def test_the_dataset_decides_what_the_axes_are(tmp_path: Path) -> None:
    theirs = by_zarr(tmp_path / "1", "czyx", dimension_names=None)
    model = values("uint16", theirs.shape, 1)
    theirs[...] = model

    as_told = opened(tmp_path / "1", "czyx")
    otherwise = opened(tmp_path / "1", "cyxz")

    assert isinstance(as_told, ForeignShardedArray)
    assert type(otherwise) is PlainZarr3Array
    np.testing.assert_array_equal(as_told.read_box(as_told.info.box), model.transpose(0, 3, 2, 1))
    np.testing.assert_array_equal(otherwise.read_box(otherwise.info.box), model.transpose(0, 2, 1, 3))


def test_damage_is_named_and_a_changed_array_has_to_be_opened_anew(tmp_path: Path) -> None:
    theirs = by_zarr(tmp_path / "1", "czyx")
    theirs[...] = values("uint16", theirs.shape, 1)
    array = opened(tmp_path / "1")
    assert isinstance(array, ForeignShardedArray)
    shard = array.path / "c/0/0/0/0"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ShardCorruptError, match="c/0/0/0/0"):
        array.read_box(array.info.box)
    with pytest.raises(ShardCorruptError, match="c/0/0/0/0"):
        array.write_box(
            NormalizedBoundingBox((0, 0, 0, 0), (3, 1, 1, 1), ("c", "x", "y", "z")), np.ones((3, 1, 1, 1), "uint16")
        )

    document = json.loads((array.path / "zarr.json").read_bytes())
    document["fill_value"] = 12
    (array.path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(PropertiesError, match="open it anew"):
        array.read_box(array.info.box)
