"""Arrays that WEBKNOSSOS and its libraries wrote, in each of the five formats, read through the one door.

What is expected of them was read once with the reference library (4.3.3).
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wk_assets.properties.layer_properties import DataFormat
from wk_assets.storage.mag_array import MagArray
from wk_assets.storage.open_mag_array import open_mag_array

_SUM_OF_A_CHANNEL = 1_762_560


@pytest.mark.parametrize(
    ("folder", "data_format", "dtype", "sum_of_a_channel"),
    [
        ("simple_zarr3_dataset/color/1", DataFormat.Zarr3, "uint8", _SUM_OF_A_CHANNEL),
        ("simple_zarr_dataset/color/1-1-1", DataFormat.Zarr, "uint8", _SUM_OF_A_CHANNEL),
        ("simple_n5_dataset/color/1", DataFormat.N5, "uint32", _SUM_OF_A_CHANNEL),
        ("simple_ng_dataset/color/1", DataFormat.NeuroglancerPrecomputed, "uint8", _SUM_OF_A_CHANNEL),
        ("simple_wkw_dataset/color/1", DataFormat.WKW, "uint8", 0),  # its only file holds zeros
    ],
)
def test_the_sample_datasets_are_read_as_the_reference_reads_them(
    shared_data: Path, folder: str, data_format: DataFormat, dtype: str, sum_of_a_channel: int
) -> None:
    path = shared_data / "webknossos-datasets" / folder
    array = open_mag_array(path, data_format=data_format, read_only=True)
    voxels = array.read_box(array.info.box.with_bounds("x", 0, 24).with_bounds("y", 0, 24).with_bounds("z", 0, 24))
    assert voxels.shape == (3, 24, 24, 24)
    assert array.info.voxel_type == np.dtype(dtype)
    assert voxels.sum(axis=(1, 2, 3), dtype=np.uint64).tolist() == [sum_of_a_channel] * 3
    assert len(list(array.stored_boxes())) == (3 if data_format is DataFormat.N5 else 1)


def test_the_sample_datasets_hold_the_same_voxels(shared_data: Path) -> None:
    folder = shared_data / "webknossos-datasets"
    arrays = [
        open_mag_array(folder / "simple_zarr3_dataset/color/1", data_format=DataFormat.Zarr3),
        open_mag_array(folder / "simple_zarr_dataset/color/1-1-1", data_format=DataFormat.Zarr),
        open_mag_array(folder / "simple_n5_dataset/color/1", data_format=DataFormat.N5),
        open_mag_array(folder / "simple_ng_dataset/color/1", data_format=DataFormat.NeuroglancerPrecomputed),
    ]
    first, *others = (array.read_box(array.info.box) for array in arrays)
    for voxels in others:
        np.testing.assert_array_equal(voxels, first)


def unpacked(zip_file: Path, folder: Path) -> Path:
    """Unpack the volume of an annotation."""
    with zipfile.ZipFile(zip_file) as outer, zipfile.ZipFile(io.BytesIO(outer.read("data_Volume.zip"))) as volume:
        volume.extractall(folder)
    return folder


def drawn(array: MagArray) -> tuple[int, int, int]:
    """Count stored boxes and voxels with an id, and add up the ids."""
    boxes = voxels = total = 0
    for box in array.stored_boxes():
        found = array.read_box(box)
        boxes, voxels, total = boxes + 1, voxels + int(np.count_nonzero(found)), total + int(found.sum(dtype=np.uint64))
    return boxes, voxels, total


def test_a_volume_that_a_server_exported_as_wkw_is_read(shared_data: Path, tmp_path: Path) -> None:
    """LZ4, one block of 32³ per file."""
    name = "l4dense_motta_et_al_demo_v2__explorational__4a6356.zip"
    folder = unpacked(shared_data / "webknossos-annotations" / name, tmp_path)
    found = {
        mag.name: drawn(open_mag_array(mag, data_format=DataFormat.WKW, read_only=True)) for mag in folder.iterdir()
    }
    assert len(found) == 11
    assert {mag: found[mag] for mag in ("1", "2-2-1", "8-8-4", "128-128-64", "1024-1024-512")} == {
        "1": (94, 3_080_192, 761_970_992_223),
        "2-2-1": (30, 983_040, 227_295_577_996),
        "8-8-4": (4, 131_072, 32_398_593_186),
        "128-128-64": (1, 29_760, 4_010_292_870),
        "1024-1024-512": (1, 140, 6_265_751),
    }


def test_a_volume_that_a_server_exported_as_zarr3_is_read(shared_data: Path, tmp_path: Path) -> None:
    """No shards, keys with dots, blosc, and a transpose codec with the order "F", which never became part of Zarr v3."""
    name = "l4_sample__explorational__suser__94b271.zip"
    folder = unpacked(shared_data / "webknossos-annotations" / name, tmp_path) / "volumeAnnotationData"
    found = {
        mag.name: drawn(open_mag_array(mag, data_format=DataFormat.Zarr3, read_only=True)) for mag in folder.iterdir()
    }
    assert found == {
        "1": (111, 64_576, 64_576),
        "2-2-1": (44, 16_144, 16_144),
        "4-4-1": (21, 4_036, 4_036),
        "8-8-2": (6, 1_113, 1_113),
        "16-16-4": (4, 333, 333),
    }


def test_an_annotation_without_a_stroke_has_headers_only(shared_data: Path, tmp_path: Path) -> None:
    folder = unpacked(shared_data / "webknossos-annotations" / "empty_volume_annotation.zip", tmp_path)
    for mag in folder.iterdir():
        array = open_mag_array(mag, data_format=DataFormat.WKW, read_only=True)
        assert drawn(array) == (0, 0, 0)
        assert array.info.box.size_xyz == (0, 0, 0)
