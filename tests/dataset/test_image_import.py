"""Images and arrays become layers: every voxel, whatever the format, the flips and the channels; again, and after a crash."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.dataset.dataset import Dataset
from wk_assets.errors import (
    AlreadyThereError,
    AxesError,
    GeometryError,
    InputError,
    MissingSliceError,
    ReadOnlyError,
    VoxelSizeError,
)
from wk_assets.geometry.mag import Mag
from wk_assets.operations.imports import import_array
from wk_assets.operations.imports.layer_mapping import ConversionLayerMapping

SIZE = (10.0, 10.0, 30.0)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Leave slices whose names do not sort as text."""
    folder = tmp_path / "stack"
    folder.mkdir()
    for z, voxels in enumerate(grey()):
        tifffile.imwrite(folder / f"slice_{z + 8}.tif", voxels, metadata=None)
    return folder


def grey() -> NDArray[Any]:
    return np.random.default_rng(5).integers(1, 255, (4, 30, 41), np.uint8)


def read(dataset: Dataset, name: str) -> NDArray[Any]:
    """Give all voxels of a layer's finest mag as c, z, y, x."""
    voxels: NDArray[Any] = dataset.get_layer(name).get_finest_mag().read()
    return np.moveaxis(voxels, (-3, -1), (-1, -3))


# ---------------------------------------------------------------------- from_images


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_a_folder_of_slices_becomes_a_layer_in_any_format(stack: Path, tmp_path: Path, data_format: str) -> None:
    dataset = Dataset.from_images(stack, tmp_path / "ds", SIZE, data_format=data_format)

    layer = dataset.get_layer("stack")
    assert (layer.category, layer.data_format.value, list(layer.mags)) == ("color", data_format, [Mag(1)])
    np.testing.assert_array_equal(read(dataset, "stack")[0], grey())
    view = layer.default_view_configuration
    assert view is not None
    assert (view.min, view.max) == (int(grey().min()), int(grey().max()))


@given(
    flips=st.sets(st.sampled_from(["flip_x", "flip_y", "flip_z"])),
    swap_xy=st.booleans(),
    data_format=st.sampled_from(["zarr3", "zarr"]),
)
@settings(max_examples=12, deadline=None)
def test_flips_and_swaps_turn_the_axes_of_the_dataset(
    tmp_path_factory: pytest.TempPathFactory, flips: set[str], swap_xy: bool, data_format: str
) -> None:
    """`flip_x` turns x, `flip_y` y: not, as in WEBKNOSSOS' own library, the other one unless x and y are swapped."""
    folder = tmp_path_factory.mktemp("flips")
    for z, voxels in enumerate(grey()[:2]):
        tifffile.imwrite(folder / f"s_{z}.tif", voxels, metadata=None)

    dataset = Dataset.from_images(
        folder,
        folder / "ds",
        SIZE,
        layer_name="em",
        data_format=data_format,
        swap_xy=swap_xy,
        flip_x="flip_x" in flips,
        flip_y="flip_y" in flips,
        flip_z="flip_z" in flips,
    )

    expected = grey()[:2].swapaxes(1, 2) if swap_xy else grey()[:2]
    expected = np.flip(expected, tuple({"flip_z": 0, "flip_y": 1, "flip_x": 2}[flip] for flip in flips))
    np.testing.assert_array_equal(read(dataset, "em")[0], expected)


def test_slices_are_ordered_by_a_key_if_there_is_one(stack: Path, tmp_path: Path) -> None:
    dataset = Dataset.from_images(stack, tmp_path / "ds", SIZE, z_slices_sort_key=lambda path: path.name)

    np.testing.assert_array_equal(read(dataset, "stack")[0], grey()[[2, 3, 0, 1]])  # slice_10 before slice_8


def test_numbers_that_are_missing_leave_no_gap(stack: Path, tmp_path: Path) -> None:
    (stack / "slice_9.tif").unlink()

    np.testing.assert_array_equal(
        read(Dataset.from_images(stack, tmp_path / "ds", SIZE), "stack")[0], grey()[[0, 2, 3]]
    )


def test_channels_become_layers_in_their_colors(tmp_path: Path) -> None:
    voxels = np.random.default_rng(6).integers(0, 999, (2, 5, 20, 22), np.uint16)
    tifffile.imwrite(tmp_path / "multi.ome.tif", voxels, metadata={"axes": "ZCYX"})

    dataset = Dataset.from_images(tmp_path / "multi.ome.tif", tmp_path / "ds", SIZE)

    assert list(dataset.layers) == [f"multi.ome.tif__channel{channel}" for channel in range(5)]
    for channel, layer in enumerate(dataset.layers.values()):
        np.testing.assert_array_equal(read(dataset, layer.name)[0], voxels[:, channel])
    views = [layer.default_view_configuration for layer in dataset.layers.values()]
    colors = [view.color for view in views if view is not None]
    assert colors == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 38, 38), (38, 101, 255)]


def test_colours_stay_together(tmp_path: Path) -> None:
    voxels = np.random.default_rng(6).integers(0, 255, (20, 22, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", voxels, photometric="rgb")

    dataset = Dataset.from_images(tmp_path / "rgb.tif", tmp_path / "ds", SIZE, layer_name="rgb")

    np.testing.assert_array_equal(read(dataset, "rgb")[:, 0], np.moveaxis(voxels, -1, 0))


@pytest.mark.parametrize("data_format", ["zarr3", "zarr"])
def test_a_time_series_becomes_a_layer_with_an_axis_more(tmp_path: Path, data_format: str) -> None:
    voxels = np.random.default_rng(6).integers(0, 999, (3, 4, 20, 22), np.uint16)
    tifffile.imwrite(tmp_path / "time.ome.tif", voxels, metadata={"axes": "TZYX"})

    dataset = Dataset.from_images(
        tmp_path / "time.ome.tif", tmp_path / "ds", SIZE, layer_name="em", data_format=data_format
    )

    layer = dataset.get_layer("em")
    assert [(axis.name, axis.bounds) for axis in layer.additional_axes] == [("t", (0, 3))]
    np.testing.assert_array_equal(read(dataset, "em")[:, 0], voxels)


def test_each_layer_has_the_category_that_its_files_say(tmp_path: Path, stack: Path) -> None:
    (stack.parent / "all" / "labels").mkdir(parents=True)
    stack.rename(stack.parent / "all" / "em")
    ids = np.kron(np.arange(12).reshape(3, 4), np.ones((8, 9))).astype(np.uint32)
    tifffile.imwrite(tmp_path / "all" / "labels" / "s_0.tif", ids, metadata=None)

    dataset = Dataset.from_images(tmp_path / "all", tmp_path / "ds", SIZE)

    assert {layer.name: layer.category for layer in dataset.layers.values()} == {
        "em": "color",
        "labels": "segmentation",
    }
    assert dataset.get_segmentation_layer("labels").largest_segment_id == 11


def test_too_many_layers_are_refused_before_anything_is_written(stack: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"would make 4 layers .* more than 3"):
        Dataset.from_images(
            stack,
            tmp_path / "ds",
            SIZE,
            max_layers=3,
            map_filepath_to_layer_name=ConversionLayerMapping.ENFORCE_LAYER_PER_FILE,
        )
    assert not (tmp_path / "ds").exists()


def test_without_a_voxel_size_the_files_must_say_it(stack: Path, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "sized.ome.tif",
        grey(),
        metadata={"axes": "ZYX"} | {f"PhysicalSize{axis}": 0.5 for axis in "XYZ"},
    )

    dataset = Dataset.from_images(tmp_path / "sized.ome.tif", tmp_path / "ds")

    assert dataset.voxel_size == (500.0, 500.0, 500.0)
    with pytest.raises(VoxelSizeError, match=r"pass voxel_size"):
        Dataset.from_images(stack, tmp_path / "other")


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_an_import_that_was_killed_is_gone_on_with(
    stack: Path, tmp_path: Path, data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Dataset.from_images(stack, tmp_path / "whole", SIZE, data_format=data_format)

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_array, "change_properties", killed)
    if data_format == "wkw":
        with pytest.raises(KeyboardInterrupt):
            Dataset.from_images(stack, tmp_path / "ds", SIZE, data_format=data_format)
        assert not Dataset.open(tmp_path / "ds").layers, "a layer is named when it is whole"
    monkeypatch.undo()

    dataset = Dataset.from_images(stack, tmp_path / "ds", SIZE, data_format=data_format)

    np.testing.assert_array_equal(read(dataset, "stack"), read(whole, "stack"))
    assert not list((tmp_path / "ds" / ".wk-assets" / "staging").rglob("array"))


# ---------------------------------------------------------------------- add_layer_from_images


@pytest.mark.parametrize("data_format", ["zarr3", "zarr"])
def test_a_layer_can_begin_anywhere_and_hold_another_type(stack: Path, tmp_path: Path, data_format: str) -> None:
    dataset = Dataset(tmp_path / "ds", SIZE)

    layer = dataset.add_layer_from_images(
        str(stack / "*.tif"), "em", data_format=data_format, topleft=(7, 9, 3), dtype="uint16"
    )

    assert tuple(layer.bounding_box.topleft) == (7, 9, 3)
    assert layer.dtype == np.uint16
    np.testing.assert_array_equal(read(dataset, "em")[0], grey())
    everything = layer.get_mag(1).read(absolute_offset=(0, 0, 0), size=(48, 39, 7))
    assert int(everything.sum()) == int(grey().sum())


@pytest.mark.parametrize("data_format", ["zarr3", "zarr"])
def test_images_may_be_a_coarser_mag(stack: Path, tmp_path: Path, data_format: str) -> None:
    dataset = Dataset(tmp_path / "ds", SIZE)

    layer = dataset.add_layer_from_images(
        str(stack), "em", mag="2-2-1", topleft=(8, 4, 2), data_format=data_format, shard_shape=32
    )

    assert list(layer.mags) == [Mag("2-2-1")]
    assert tuple(layer.bounding_box.topleft) == (8, 4, 2)
    assert tuple(layer.bounding_box.size) == (82, 60, 4)
    np.testing.assert_array_equal(read(dataset, "em")[0], grey())


def test_a_list_of_files_keeps_its_order(stack: Path, tmp_path: Path) -> None:
    files = [stack / f"slice_{number}.tif" for number in (10, 8, 11)]

    Dataset(tmp_path / "ds", SIZE).add_layer_from_images(files, "em")

    np.testing.assert_array_equal(read(Dataset.open(tmp_path / "ds"), "em")[0], grey()[[2, 0, 3]])


def test_a_channel_and_a_time_can_be_chosen(tmp_path: Path) -> None:
    voxels = np.random.default_rng(6).integers(0, 999, (3, 2, 2, 20, 22), np.uint16)
    tifffile.imwrite(tmp_path / "t.ome.tif", voxels, metadata={"axes": "TZCYX"})
    dataset = Dataset(tmp_path / "ds", SIZE)

    dataset.add_layer_from_images(str(tmp_path / "t.ome.tif"), "em", channel=1, timepoint=2)

    np.testing.assert_array_equal(read(dataset, "em")[0], voxels[2, :, 1])
    with pytest.raises(InputError, match=r"timepoint 3 is not there; it has t 0 to 2"):
        dataset.add_layer_from_images(str(tmp_path / "t.ome.tif"), "other", channel=1, timepoint=3)


def test_of_two_channels_the_first_is_taken_with_a_warning_and_of_three_none(tmp_path: Path) -> None:
    voxels = np.random.default_rng(6).integers(0, 999, (3, 20, 22), np.uint16)
    tifffile.imwrite(tmp_path / "two.ome.tif", voxels[:2], metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "three.ome.tif", voxels, metadata={"axes": "CYX"})
    dataset = Dataset(tmp_path / "ds", SIZE)

    with pytest.warns(UserWarning, match=r"of its 2 channels, the first is taken"):
        dataset.add_layer_from_images(str(tmp_path / "two.ome.tif"), "two")
    np.testing.assert_array_equal(read(dataset, "two")[0, 0], voxels[0])
    with pytest.raises(AxesError, match=r"has 3 channels, and a layer is one"):
        dataset.add_layer_from_images(str(tmp_path / "three.ome.tif"), "three")
    first = dataset.add_layer_from_images(str(tmp_path / "three.ome.tif"), "three", allow_multiple_layers=True)
    assert first.name == "three__channel0"
    assert {"three__channel1", "three__channel2"} <= set(dataset.layers)


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        ({"use_bioformats": True}, InputError, "no Bio-Formats here"),
        ({"czi_channel": 0}, InputError, "CZI files are not read"),
        ({"images": "/nowhere/*.tif"}, MissingSliceError, "no file matches it"),
        ({"images": []}, MissingSliceError, "the list is empty"),
        ({"batch_size": 0}, InputError, "give at least 1"),
        ({"data_format": "wkw", "layer_name": "there"}, AlreadyThereError, "has a layer 'there' already"),
        ({"layer_name": "there"}, AlreadyThereError, "has a layer 'there' that was not imported"),
        ({"chunk_shape": 24, "data_format": "wkw"}, GeometryError, "power of two"),
    ],
)
def test_what_can_not_be_done_is_refused(
    stack: Path, tmp_path: Path, wrong: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    dataset = Dataset(tmp_path / "ds", SIZE)
    dataset.add_layer("there", "color")
    given = {"images": str(stack), "layer_name": "em"} | wrong

    with pytest.raises(error, match=sentence):
        dataset.add_layer_from_images(**given)
    assert list(Dataset.open(tmp_path / "ds").layers) == ["there"]


def test_a_dataset_opened_for_reading_takes_no_images(stack: Path, tmp_path: Path) -> None:
    Dataset(tmp_path / "ds", SIZE)

    with pytest.raises(ReadOnlyError):
        Dataset.open(tmp_path / "ds", read_only=True).add_layer_from_images(str(stack), "em")


def test_memory_does_not_change_what_is_written(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_array, "_SLAB_BYTES", 500)
    dataset = Dataset(tmp_path / "ds", SIZE)

    dataset.add_layer_from_images(
        str(stack), "em", data_format="zarr3", mag="2-2-1", shard_shape=64, topleft=(6, 10, 6)
    )

    np.testing.assert_array_equal(read(dataset, "em")[0], grey())


# ---------------------------------------------------------------------- write_layer


@pytest.mark.parametrize("data_format", ["zarr3", "zarr", "wkw"])
def test_an_array_becomes_a_layer_with_coarser_mags(tmp_path: Path, data_format: str) -> None:
    voxels = np.random.default_rng(1).integers(0, 255, (40, 30, 10), np.uint8)
    dataset = Dataset(tmp_path / "ds", (11.24, 11.24, 25))

    layer = dataset.write_layer("em", "color", voxels, absolute_offset=(5, 6, 7), data_format=data_format)

    assert tuple(layer.bounding_box.topleft) == (5, 6, 7)
    assert [str(mag) for mag in layer.mags] == ["1", "2-2-1", "4-4-2"]
    np.testing.assert_array_equal(layer.get_mag(1).read()[0], voxels)


@pytest.mark.parametrize("axes", [("t", "c", "x", "y", "z"), ("x", "y", "z", "c", "t"), ("z", "t", "y", "c", "x")])
def test_axes_may_come_in_any_order(tmp_path: Path, axes: tuple[str, ...]) -> None:
    extents = {"t": 2, "c": 3, "x": 12, "y": 9, "z": 4}
    voxels = np.random.default_rng(1).integers(0, 255, [extents[axis] for axis in axes], np.uint8)

    layer = Dataset(tmp_path / "ds", SIZE).write_layer("em", "color", voxels, axes=axes, downsample=False)

    ordered = voxels.transpose([axes.index(axis) for axis in ("t", "c", "x", "y", "z")])
    np.testing.assert_array_equal(layer.get_mag(1).read(), ordered)


def test_the_largest_id_of_an_array_is_known_exactly(tmp_path: Path) -> None:
    ids = np.array([0, 2**63 + 1, 5], np.uint64).reshape(3, 1, 1)

    layer = Dataset(tmp_path / "ds", SIZE).write_layer("ids", "segmentation", ids, downsample=False)

    assert layer.as_segmentation_layer().largest_segment_id == 2**63 + 1


def test_an_array_may_be_a_coarser_mag(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).integers(0, 255, (10, 12, 5), np.uint8)

    layer = Dataset(tmp_path / "ds", SIZE).write_layer(
        "em", "color", voxels, mag="2-2-1", absolute_offset=(4, 2, 1), downsample=False
    )

    assert tuple(layer.bounding_box.size) == (20, 24, 5)
    np.testing.assert_array_equal(layer.get_mag("2-2-1").read()[0], voxels)


@pytest.mark.parametrize(
    ("shape", "axes", "offset"),
    [
        ((2, 2), None, None),
        ((2, 2, 2, 2, 2), None, None),
        ((2, 2, 2), ("x", "y"), None),
        ((2, 2, 2), ("x", "y", "t"), None),
        ((2, 2, 2), None, (1, 2)),
    ],
)
def test_axes_that_do_not_fit_are_refused(
    tmp_path: Path, shape: tuple[int, ...], axes: tuple[str, ...] | None, offset: tuple[int, ...] | None
) -> None:
    dataset = Dataset(tmp_path / "ds", SIZE)

    with pytest.raises(GeometryError):
        dataset.write_layer("em", "color", np.ones(shape, np.uint8), axes=axes, absolute_offset=offset)
    assert not dataset.layers


# ---------------------------------------------------------------------- real images, and what the reference makes of them


@pytest.mark.parametrize(
    ("file", "sums"),
    [
        (
            "multi-channel-z-series.ome.tif",
            {
                "multi-channel-z-series.ome.tif__channel0": 17_299_318,
                "multi-channel-z-series.ome.tif__channel1": 17_298_043,
                "multi-channel-z-series.ome.tif__channel2": 17_297_388,
            },
        ),
        ("single-channel.ome.tiff", {"single": 3_489_081}),
    ],
)
def test_real_images_hold_what_the_reference_reads(
    shared_data: Path, tmp_path: Path, file: str, sums: dict[str, int]
) -> None:
    """Sums of voxels, from WEBKNOSSOS' own library (4.3.3)."""
    name = "single" if "single" in sums else None

    dataset = Dataset.from_images(shared_data / "ome-tiff" / file, tmp_path / "ds", SIZE, layer_name=name)

    assert {layer.name: int(read(dataset, layer.name).sum(dtype=np.int64)) for layer in dataset.layers.values()} == sums
