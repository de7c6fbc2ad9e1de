"""The examples of the reference's pages run, with the import changed; and so does the README's."""

import functools
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import wk_assets
from wk_assets import (
    COLOR_CATEGORY,
    SEGMENTATION_CATEGORY,
    BoundingBox,
    Dataset,
    DatasetViewConfiguration,
    Layer,
    LayerCategoryType,
    Mag,
    MagView,
    SamplingModes,
    View,
)

RNG = np.random.default_rng(1)


@pytest.fixture
def mag1(tmp_path: Path) -> MagView[Layer]:
    ds = Dataset(tmp_path / "dataset", voxel_size=(11.2, 11.2, 25))
    layer = ds.add_layer("color", COLOR_CATEGORY, bounding_box=BoundingBox((0, 0, 0), (300, 300, 40)))
    view = layer.add_mag("1")
    view.write(RNG.integers(0, 255, (300, 300, 40)).astype(np.uint8))
    return view


def process_chunk(view: View) -> None:
    data = view.read()
    view.write(data // 2)


def process_numbered_chunk(args: tuple[View, int], threshold: float) -> None:
    chunk_view, _ = args
    data = chunk_view.read()
    chunk_view.write((data > 255 * threshold).astype(np.uint8))


def chunk_statistics(view: View, min_value: float) -> dict[str, float]:
    data = view.read()
    return {
        "mean": data[data > min_value].mean(),
        "std": data[data > min_value].std(),
        "volume": view.bounding_box.volume(),
    }


def downsample_chunk(args: tuple[View, View, int]) -> None:
    source_chunk, target_chunk, _ = args
    target_chunk.write(source_chunk.read()[:, ::2, ::2, ::2])


def test_the_examples_of_dataset(tmp_path: Path) -> None:
    ds = Dataset(tmp_path / "dataset", voxel_size=(11.2, 11.2, 25))
    ds.add_layer("my_raw_microscopy_layer", LayerCategoryType.COLOR_CATEGORY, dtype=np.uint8)
    ds.add_layer("my_segmentation_labels", LayerCategoryType.SEGMENTATION_CATEGORY, dtype=np.uint64)
    ds.get_or_add_layer("segmentation", LayerCategoryType.SEGMENTATION_CATEGORY, dtype=np.uint64)
    ds.default_view_configuration = DatasetViewConfiguration(zoom=1.5, position=(100, 100, 100))
    ds.name = "my_renamed_dataset"
    ds.get_layer("my_raw_microscopy_layer").add_mag(1).write(np.ones((9, 9, 9), np.uint8), allow_resize=True)

    assert ds.calculate_bounding_box().size == (9, 9, 9)
    vx, _, vz = ds.voxel_size
    assert (vx, vz) == (11.2, 25)
    assert [layer.name for layer in ds.get_color_layers()] == ["my_raw_microscopy_layer"]
    linked = ds.shallow_copy_dataset(tmp_path / "link", make_relative=True, layers_to_ignore=["segmentation"])
    copied = ds.copy_dataset(tmp_path / "copy", data_format="zarr", compress=True)
    assert len(linked.layers) == 2
    assert len(copied.layers) == 3
    other_ds = Dataset.open(tmp_path / "copy")
    assert ds.add_layer_as_copy(
        other_ds.get_layer("my_raw_microscopy_layer"), new_layer_name="color_copy", compress=True
    )
    ds.compress()
    ds.delete_layer("color_copy")
    ds.downsample(sampling_mode=SamplingModes.ANISOTROPIC, coarsest_mag=Mag(2))
    assert list(ds.get_layer("my_raw_microscopy_layer").mags) == [Mag(1), Mag("2-2-1")]


def test_the_example_of_mag_view(tmp_path: Path) -> None:
    ds = Dataset(tmp_path / "dataset", voxel_size=(1, 1, 1))
    box = BoundingBox((100, 200, 300), (512, 512, 128))
    layer = ds.add_layer("segmentation", SEGMENTATION_CATEGORY, bounding_box=box)
    mag1 = layer.add_mag(Mag(1))
    mag2 = layer.add_mag(Mag(2))
    data = np.ones((512, 512, 128), np.uint8)

    mag1.write(data, absolute_offset=(100, 200, 300))
    assert mag2.read(absolute_offset=(100, 200, 300), size=(512, 512, 128)).shape == (1, 256, 256, 64)
    with ThreadPoolExecutor(2) as executor:
        list(executor.map(process_chunk, mag1.get_views_on_disk()))
    assert not mag1.read().any()
    assert list(mag1.get_bounding_boxes_on_disk()) == []
    mag1.compress()
    mag1.rechunk(chunk_shape=(32, 32, 32))
    mag1.rechunk(chunk_shape=32, shard_shape=(64, 64, 64), compress=True, target_path=tmp_path / "new")


def test_the_examples_of_view(mag1: MagView[Layer]) -> None:
    layer = mag1.layer
    view = layer.get_mag("1").get_view(size=(100, 100, 10))

    assert view.read().shape == (1, 100, 100, 10)
    assert view.read(relative_offset=(10, 10, 0), size=(50, 50, 10)).shape == (1, 50, 50, 10)
    bbox = BoundingBox((0, 0, 0), (100, 100, 10))
    assert view.read(absolute_bounding_box=bbox).shape == (1, 100, 100, 10)
    assert view.info.data_type == np.uint8
    assert view.info.bounding_box.size.c == 1
    view.write(np.zeros(tuple(view.bounding_box.in_mag(view.mag).size)))
    view.write(np.ones((50, 50, 5)), relative_offset=(10, 10, 0), allow_unaligned=True)
    assert view.read().sum() == 50 * 50 * 5
    middle = mag1.get_view(absolute_offset=(10, 20, 30), size=(100, 200, 10))
    assert middle.get_view(relative_offset=(50, 60, 7), size=(10, 120, 3)).read().shape == (1, 10, 120, 3)
    large_view = middle.get_view(relative_offset=(50, 60, 70), size=(999, 120, 230), read_only=True)
    assert large_view.bounding_box.size == (999, 120, 230)
    small = BoundingBox((10, 10, 0), (50, 50, 10))
    assert middle.get_view(relative_bounding_box=small).bounding_box.topleft == (20, 30, 30)
    chunks = mag1.chunk(chunk_shape=(100, 100, 100), chunk_border_alignments=(50, 50, 50))
    assert len(list(chunks)) == 9


def test_the_examples_of_chunks(mag1: MagView[Layer]) -> None:
    stats = mag1.map_chunk(functools.partial(chunk_statistics, min_value=0.1), chunk_shape=(128, 128, 128))
    mag1.for_each_chunk(
        functools.partial(process_numbered_chunk, threshold=0.5),
        chunk_shape=(64, 64, 64),
        progress_desc="Processing chunks",
    )
    mag2_view = mag1.layer.add_mag(2)
    mag1.for_zipped_chunks(downsample_chunk, mag2_view, progress_desc="Downsampling data")

    assert sum(one["volume"] for one in stats) == 300 * 300 * 40
    assert set(np.unique(mag1.read())) == {0, 1}
    assert (mag2_view.read() == mag1.read()[:, ::2, ::2, ::2]).all()


def test_the_examples_of_slices(mag1: MagView[Layer]) -> None:
    view = mag1.get_view(size=(100, 100, 10))
    with view.get_buffered_slice_writer() as writer:
        for z in range(10):
            writer.send(np.full((100, 100), z, np.uint8))
    with view.get_buffered_slice_reader() as reader:
        read = [slice_data.max() for slice_data in reader]

    assert read == list(range(10))


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    making, converting, drawing = re.findall(
        r"```python\n(.*?)```", (repository / "README.md").read_text("utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {}  # a reader has run the first one
    for folder, program in (("making", making), ("converting", converting), ("making", drawing)):
        (tmp_path / folder / "stack").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        for z in range(3):
            tifffile.imwrite(f"stack/{z}.tif", np.full((200, 300), z + 1, np.uint8))
        exec(program, names)  # noqa: S102 - the README of this very repository

        if program == drawing:
            (row,) = names["lengths"].to_dict("records")
            assert row == {
                "name": "axon",
                "group_path": "neurons",
                "path_length_nm": pytest.approx(11.24 * 50),
            }
            assert names["nodes"]["comment"].tolist()[1] == "ends here"
            copied = Dataset.open("worm").get_segmentation_layer("somata")
            assert (copied.get_finest_mag().read() == 7).sum() == 32 * 32 * 8
        elif folder == "making":
            assert names["voxels"].shape == (1, 32, 32, 8)
            assert names["voxels"].all()
        else:
            assert names["dataset"].layers["stack"].get_finest_mag().read().max() == 3
            assert tifffile.imread("labels.ome.tif").min() == 1
    assert wk_assets.Dataset is Dataset
