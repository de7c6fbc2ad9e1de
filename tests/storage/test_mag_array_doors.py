"""The doors: which implementation an array gets, and what none of them takes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wk_assets.errors import PropertiesError, ReadOnlyError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.geometry.vec3_int import Vec3Int
from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.create_mag_array import create_mag_array
from wk_assets.storage.mag_array import ArrayInfo, Zarr3Config
from wk_assets.storage.open_mag_array import open_mag_array

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}}
INFO = ArrayInfo(
    data_format=DataFormat.Zarr3,
    voxel_type=np.dtype("uint16"),
    box=BoundingBox((0, 0, 0), (50, 40, 30)).normalize_axes(1),
    chunk_shape=Vec3Int(32, 32, 32),
    shard_shape=Vec3Int(32, 32, 32),
)


def zstd(level: int, *, checksum: bool) -> dict[str, Any]:
    return {"name": "zstd", "configuration": {"level": level, "checksum": checksum}}


@pytest.mark.parametrize("data_format", [DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW])
def test_what_is_made_is_opened_as_the_same(tmp_path: Path, data_format: DataFormat) -> None:
    made = create_mag_array(tmp_path / "1", replace(INFO, data_format=data_format))
    voxels = np.random.default_rng(1).integers(0, 9, INFO.shape).astype("uint16")
    made.write_box(INFO.box, voxels)

    opened = open_mag_array(tmp_path / "1", data_format=data_format, axis_order=made.info.axis_order)

    assert type(opened) is type(made)
    assert opened.info.data_format is data_format
    np.testing.assert_array_equal(opened.read_box(INFO.box), voxels)


@pytest.mark.parametrize("data_format", [DataFormat.N5, DataFormat.NeuroglancerPrecomputed])
def test_formats_that_are_only_read_are_not_made(tmp_path: Path, data_format: DataFormat) -> None:
    with pytest.raises(ReadOnlyError, match=rf"{data_format.value}.*zarr3, zarr or wkw"):
        create_mag_array(tmp_path / "1", replace(INFO, data_format=data_format))
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize(
    ("mode", "axes", "expected"),
    [
        (True, "cxyz", "ShardedArray"),
        (False, "czyx", "ShardedArray"),
        (True, "cyxz", "PlainZarr3Array"),
        (Zarr3Config(), "cxyz", "ShardedArray"),
        (Zarr3Config(codecs=(TRANSPOSE, BYTES, zstd(9, checksum=True))), "cxyz", "ShardedArray"),
        (Zarr3Config(codecs=(BYTES, zstd(9, checksum=True))), "czyx", "ShardedArray"),
        (Zarr3Config(codecs=(BYTES, zstd(9, checksum=True))), "cxyz", "PlainZarr3Array"),
        (Zarr3Config(codecs=(BYTES, zstd(9, checksum=False))), "czyx", "PlainZarr3Array"),
        (Zarr3Config(codecs=(BYTES,)), "czyx", "PlainZarr3Array"),
        (Zarr3Config(chunk_key_encoding={"name": "default"}), "cxyz", "ShardedArray"),
        (Zarr3Config(chunk_key_encoding={"name": "v2"}), "cxyz", "PlainZarr3Array"),
    ],
)
def test_codecs_keys_and_axes_decide_who_keeps_a_zarr3_array(
    tmp_path: Path, mode: bool | Zarr3Config, axes: str, expected: str
) -> None:
    order: Mapping[str, int] = {axis: axes.index(axis) for axis in "cxyz"}
    array = create_mag_array(tmp_path / "1", replace(INFO, compression_mode=mode, axis_order=order))
    array.write_box(INFO.box, np.ones(INFO.shape, "uint16"))

    assert type(array).__name__ == expected
    assert type(open_mag_array(tmp_path / "1", data_format=DataFormat.Zarr3)).__name__ == expected
    assert array.info.axis_order == order


def test_a_shape_that_no_array_has_is_refused(tmp_path: Path) -> None:
    for mode in (True, Zarr3Config(chunk_key_encoding={"name": "v2"})):
        with pytest.raises(PropertiesError, match="not a multiple"):
            create_mag_array(tmp_path / "1", replace(INFO, shard_shape=Vec3Int(48, 64, 64), compression_mode=mode))
    with pytest.raises(PropertiesError, match="axis order"):
        create_mag_array(tmp_path / "1", replace(INFO, axis_order={"c": 0, "x": 1, "y": 1, "z": 3}))
    assert not (tmp_path / "1").exists()
