"""Coarser and finer mags of layers through the object interface: any format, any axes, as a whole and in part."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.operations import crash_lab
from tests.operations.layer_on_disk import pyramid
from wk_assets.dataset.dataset import Dataset
from wk_assets.dataset.layer import Layer
from wk_assets.errors import (
    AlreadyThereError,
    DownsamplingError,
    GeometryError,
    NotInDatasetError,
    PlanError,
    ReadOnlyError,
    ShardMissingError,
)
from wk_assets.geometry.bounding_box import BoundingBox, NDBoundingBox
from wk_assets.geometry.mag import Mag
from wk_assets.geometry.mag_ladder import SamplingMode
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.properties.layer_properties import DataFormat

SIZE = (50, 36, 28)
CUT: dict[str, Any] = {"chunk_shape": 8, "shard_shape": 16}  # so that small layers have many shards

pytestmark = pytest.mark.filterwarnings("ignore:chunks of .* are slow in WEBKNOSSOS")


def voxels_of(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    voxels = np.random.default_rng(seed).integers(0, 6, shape).astype(dtype)
    voxels[..., shape[-3] // 2 :, :, :] = 0
    return voxels


def layer_in(
    folder: Path,
    *,
    category: str = "color",
    topleft: tuple[int, int, int] = (0, 0, 0),
    size: tuple[int, int, int] = SIZE,
    mag: str = "1",
    voxel_size: tuple[float, float, float] = (1, 1, 1),
    data_format: DataFormat = DataFormat.Zarr3,
    **cut: Any,
) -> tuple[Layer, NDArray[Any]]:
    """Make a dataset with one layer that has one mag."""
    dataset = Dataset(folder, voxel_size=voxel_size)
    layer = dataset.add_layer(
        "layer", category, dtype="uint8", bounding_box=BoundingBox(topleft, size), data_format=data_format
    )
    shape = layer.bounding_box.align_with_mag(Mag(mag), ceil=True).in_mag(Mag(mag)).size
    voxels = voxels_of((1, *shape))
    layer.add_mag(mag, **(CUT if not cut and data_format is DataFormat.Zarr3 else cut)).write(voxels)
    return layer, voxels


def read(layer: Layer, mag: str) -> NDArray[Any]:
    return layer.get_mag(mag).read()


def names(layer: Layer) -> list[str]:
    return [view.name for view in layer.mags.values()]


def inodes(layer: Layer, mag: str) -> dict[str, tuple[int, int]]:
    path = Path(layer.get_mag(mag).path)
    return {
        str(shard.relative_to(path)): (shard.stat().st_ino, shard.stat().st_mtime_ns)
        for shard in (path / "c").rglob("*")
        if shard.is_file()
    }


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topleft=st.tuples(*[st.integers(0, 20)] * 3),
    category=st.sampled_from(["color", "segmentation"]),
    data_format=st.sampled_from([DataFormat.Zarr3, DataFormat.Zarr, DataFormat.WKW]),
    threads=st.booleans(),
)
def test_all_usual_mags_are_made_each_from_the_one_before(
    tmp_path_factory: pytest.TempPathFactory,
    topleft: tuple[int, int, int],
    category: str,
    data_format: DataFormat,
    threads: bool,  # noqa: FBT001  # hypothesis' argument
) -> None:
    folder = tmp_path_factory.mktemp("dataset") / "dataset"
    cut: dict[str, Any] = {} if data_format is DataFormat.Zarr3 else {"chunk_shape": 32}
    if data_format is DataFormat.WKW:
        cut["shard_shape"] = 32
    layer, voxels = layer_in(
        folder, category=category, topleft=topleft, voxel_size=(4, 4, 20), data_format=data_format, **cut
    )

    with ThreadPoolExecutor(1) as pool:
        layer.downsample(coarsest_mag=Mag(8), executor=pool if threads else None, **(cut or CUT))

    assert names(layer) == ["1", "2-2-1", "4-4-1", "8-8-2"]
    mode = DownsamplingMode.MEDIAN if category == "color" else DownsamplingMode.MODE
    for name, expected in pyramid(voxels, tuple(names(layer)), mode, topleft).items():
        np.testing.assert_array_equal(read(layer, name), expected, err_msg=name)
    assert names(Dataset.open(folder).get_layer("layer")) == names(layer)


@pytest.mark.parametrize("mode", ["median", "mode", "max", "min", "mean", "nearest", "bilinear"])
def test_every_mode_is_what_its_name_says(tmp_path: Path, mode: str) -> None:
    layer, voxels = layer_in(tmp_path / "d", size=(20, 10, 6))
    layer.downsample_mag(Mag(1), Mag("2-2-1"), interpolation_mode=mode)
    kernel = DownsamplingMode.MEAN if mode == "bilinear" else DownsamplingMode(mode)
    np.testing.assert_array_equal(read(layer, "2-2-1"), pyramid(voxels, ("1", "2-2-1"), kernel)["2-2-1"])


def test_bicubic_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    with pytest.raises(DownsamplingError, match="bicubic"):
        layer.downsample(interpolation_mode="bicubic")
    assert names(layer) == ["1"]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("anisotropic", ["1", "2-2-1", "4-4-1", "8-8-2"]),
        (SamplingMode.ISOTROPIC, ["1", "2", "4", "8"]),
        ("constant_z", ["1", "2-2-1", "4-4-1", "8-8-1"]),
        ("CONSTANT_Z", ["1", "2-2-1", "4-4-1", "8-8-1"]),
    ],
)
def test_the_sampling_mode_chooses_the_mags(tmp_path: Path, sampling: str, expected: list[str]) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6), voxel_size=(4, 4, 20))
    layer.downsample(sampling_mode=sampling, coarsest_mag=Mag(8), only_setup_mags=True)
    assert names(layer) == expected
    assert not read(layer, expected[-1]).any()


def test_an_unknown_sampling_mode_is_refused(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    with pytest.raises(GeometryError, match="anisotropic"):
        layer.downsample(sampling_mode="sideways")


def test_mags_agree_with_those_of_other_layers_if_that_is_wanted(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6), voxel_size=(4, 4, 20))
    other = layer.dataset.add_layer_like(layer, "other")  # type: ignore[attr-defined]
    other.add_mag("2-2-2", **CUT)
    alone = layer.dataset.add_layer_like(layer, "alone")  # type: ignore[attr-defined]
    alone.add_mag("1", **CUT)
    elsewhere, _ = layer_in(tmp_path / "e", size=(20, 10, 6), mag="2-1-1")

    layer.downsample(coarsest_mag=Mag(4))
    alone.downsample(coarsest_mag=Mag(4), align_with_other_layers=elsewhere.dataset)

    assert names(layer) == ["1", "2", "4-4-2"]
    assert names(alone) == ["1", "2-1-1", "4-4-1"]


def test_the_coarsest_mag_that_is_there_goes_on_by_default(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    layer.downsample(coarsest_mag=Mag(2))
    layer.downsample(coarsest_mag=Mag(8))
    assert names(layer) == ["1", "2", "4", "8"]
    layer.downsample(coarsest_mag=Mag(8))
    assert names(layer) == ["1", "2", "4", "8"]


def test_a_mag_of_another_layer_can_be_what_is_made_smaller(tmp_path: Path) -> None:
    source, voxels = layer_in(tmp_path / "source", size=(20, 10, 6))
    layer = source.dataset.add_layer_like(source, "target")  # type: ignore[attr-defined]
    layer.downsample(from_mag_view=source.get_mag(1), coarsest_mag=Mag(4))
    assert names(layer) == ["2", "4"]
    np.testing.assert_array_equal(read(layer, "2"), pyramid(voxels, ("1", "2"), DownsamplingMode.MEDIAN)["2"])
    with pytest.raises(PlanError, match="from_mag_view is of mag 1"):
        layer.downsample_mag(Mag(2), Mag(8), from_mag_view=source.get_mag(1))


def test_what_is_there_is_only_made_anew_on_demand(tmp_path: Path) -> None:
    layer, voxels = layer_in(tmp_path / "d", size=(40, 20, 20))
    layer.downsample_mag_list(Mag(1), [Mag(2), Mag(4)], interpolation_mode="max")
    with pytest.raises(AlreadyThereError, match="2, 4"):
        layer.downsample_mag_list(Mag(1), [Mag(2), Mag(4)])

    layer.downsample_mag_list(Mag(1), [Mag(2), Mag(4)], interpolation_mode="min", allow_overwrite=True)

    for name, expected in pyramid(voxels, ("1", "2", "4"), DownsamplingMode.MIN).items():
        np.testing.assert_array_equal(read(layer, name), expected)


@pytest.mark.parametrize("with_threads", [False, True])
def test_mags_that_can_not_be_filled_are_no_mags_of_the_layer(tmp_path: Path, with_threads: bool) -> None:  # noqa: FBT001  # a parameter
    layer, _ = layer_in(tmp_path / "d")
    shard = next(path for path in sorted((Path(layer.get_mag(1).path) / "c").rglob("*")) if path.is_file())
    shard.unlink()

    with pytest.raises(ShardMissingError, match=str(shard)), ThreadPoolExecutor(1) as pool:
        layer.downsample(coarsest_mag=Mag(4), executor=pool if with_threads else None, **CUT)

    assert names(layer) == names(Dataset.open(tmp_path / "d").get_layer("layer")) == ["1"]
    assert sorted(path.name for path in Path(layer.path).iterdir() if path.is_dir()) == ["1"]


@pytest.mark.parametrize("mags", [[Mag(4), Mag(2)], [Mag(2), Mag(2)], [Mag("2-2-1"), Mag("4-4-2"), Mag("8-8-1")]])
def test_mags_in_no_order_are_refused(tmp_path: Path, mags: list[Mag]) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    with pytest.raises(PlanError, match="ascending order"):
        layer.downsample_mag_list(Mag(1), mags)
    assert names(layer) == ["1"]


def test_a_mag_that_is_not_there_is_named(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    attempts: list[Callable[[], None]] = [
        lambda: layer.downsample(from_mag=Mag(2), coarsest_mag=Mag(4)),
        lambda: layer.downsample_mag(Mag(2), Mag(4)),
        lambda: layer.upsample(Mag(2)),
    ]
    for work in attempts:
        with pytest.raises(NotInDatasetError, match="no mag 2"):
            work()
    empty = layer.dataset.add_layer_like(layer, "empty")  # type: ignore[attr-defined]
    with pytest.raises(NotInDatasetError, match="'empty'"):
        empty.downsample()


def test_a_dataset_opened_for_reading_is_left_alone(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    layer.downsample(coarsest_mag=Mag(2))
    opened = Dataset.open(tmp_path / "d", read_only=True).get_layer("layer")
    attempts: list[Callable[[], None]] = [
        lambda: opened.downsample(coarsest_mag=Mag(4)),
        opened.redownsample,
        lambda: opened.downsample_mag(Mag(1), Mag(2), allow_overwrite=True),
    ]
    for work in attempts:
        with pytest.raises(ReadOnlyError):
            work()


def test_all_layers_of_a_dataset_get_their_mags(tmp_path: Path) -> None:
    layer, _ = layer_in(tmp_path / "d", size=(20, 10, 6))
    dataset = Dataset.open(tmp_path / "d")
    labels = dataset.add_layer(
        "labels", "segmentation", dtype="uint32", bounding_box=BoundingBox((0, 0, 0), (20, 10, 6))
    )
    labels.add_mag(1, **CUT)
    dataset.downsample(coarsest_mag=Mag(4))
    assert [names(one) for one in dataset.layers.values()] == [["1", "2", "4"]] * 2
    assert layer.name == "layer"


def test_time_series_and_channels_are_made_smaller_position_by_position(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    box = NDBoundingBox((0, 3, 0, 0), (3, 20, 12, 9), axes=("t", "x", "y", "z"))
    layer = dataset.add_layer("movie", "color", dtype="uint16", num_channels=1, bounding_box=box)
    voxels = voxels_of((3, 1, 20, 12, 9), "uint16")
    layer.add_mag(1, **CUT).write(voxels)

    layer.downsample(coarsest_mag=Mag(4))

    found = read(layer, "2")
    for t in range(3):
        expected = pyramid(voxels[t], ("1", "2"), DownsamplingMode.MEDIAN, (3, 0, 0))["2"]
        np.testing.assert_array_equal(found[t], expected)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corner=st.tuples(*[st.integers(0, edge - 1) for edge in SIZE]),
    size=st.tuples(*[st.integers(1, 20)] * 3),
    topleft=st.tuples(*[st.integers(0, 9)] * 3),
)
def test_a_partial_redo_touches_only_the_shards_above_and_ends_with_the_bytes_of_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, corner: Any, size: Any, topleft: Any
) -> None:
    folder = tmp_path_factory.mktemp("redo")
    layers = [layer_in(folder / way, topleft=topleft)[0] for way in ("part", "whole")]
    changed = BoundingBox(corner, size).offset(topleft).intersected_with(BoundingBox(topleft, SIZE))
    for layer in layers:
        layer.downsample(coarsest_mag=Mag(4), **CUT)
        painted = np.full((1, *changed.size), 77, "uint8")
        layer.get_mag(1).write(painted, absolute_bounding_box=changed, allow_unaligned=True)
    in_part, as_whole = layers
    before = {mag: inodes(in_part, mag) for mag in ("2", "4")}

    in_part.redownsample(bounding_box=changed)
    as_whole.redownsample()

    for mag in ("2", "4"):
        after = inodes(in_part, mag)
        path, other = Path(in_part.get_mag(mag).path), Path(as_whole.get_mag(mag).path)
        assert crash_lab.digest(path / "c") == crash_lab.digest(other / "c")
        reached = changed.align_with_mag(Mag(mag), ceil=True).in_mag(Mag(mag)).align_with_mag(Mag(16), ceil=True)
        above = {"c/0/" + "/".join(map(str, cell.topleft // 16)) for cell in reached.chunk((16, 16, 16))}
        touched = {key for key in after if after[key] != before[mag].get(key)}
        assert touched <= above
    expected = pyramid(read(in_part, "1"), ("1", "2", "4"), DownsamplingMode.MEDIAN, topleft)
    for mag in ("2", "4"):
        np.testing.assert_array_equal(read(in_part, mag), expected[mag])


@pytest.mark.parametrize("data_format", [DataFormat.Zarr, DataFormat.WKW])
def test_a_partial_redo_of_other_formats_ends_with_the_voxels_of_a_whole_one(
    tmp_path: Path, data_format: DataFormat
) -> None:
    cut: dict[str, Any] = {"chunk_shape": 32, "shard_shape": 32}
    layer, _ = layer_in(tmp_path / "d", data_format=data_format, **cut)
    layer.downsample(coarsest_mag=Mag(4), **cut)
    changed = BoundingBox((3, 4, 5), (20, 6, 7))
    layer.get_mag(1).write(np.full((1, *changed.size), 9, "uint8"), absolute_bounding_box=changed, allow_unaligned=True)
    layer.redownsample(bounding_box=changed)
    expected = pyramid(read(layer, "1"), ("1", "2", "4"), DownsamplingMode.MEDIAN)
    for mag in ("2", "4"):
        np.testing.assert_array_equal(read(layer, mag), expected[mag])


@pytest.mark.parametrize(
    ("from_mag", "finest", "sampling", "expected"),
    [
        ("8-8-2", "1", "anisotropic", ["1", "2-2-1", "4-4-1", "8-8-2"]),
        ("8-8-2", "2-2-1", "anisotropic", ["2-2-1", "4-4-1", "8-8-2"]),
        ("4", "1", "isotropic", ["1", "2", "4"]),
        ("4", "1", "constant_z", ["1-1-4", "2-2-4", "4"]),
    ],
)
def test_upsampling_repeats_voxels_without_holes(
    tmp_path: Path, from_mag: str, finest: str, sampling: str, expected: list[str]
) -> None:
    layer, voxels = layer_in(tmp_path / "d", topleft=(8, 8, 4), mag=from_mag, voxel_size=(4, 4, 20))

    layer.upsample(Mag(from_mag), finest_mag=Mag(finest), sampling_mode=sampling, **CUT)

    assert names(layer) == expected
    corner = layer.bounding_box.topleft
    for pair in pairwise([*expected[:-1], from_mag]):
        mag = Mag(pair[0])
        found = read(layer, pair[0])
        factors = Mag(from_mag).to_vec3_int() // mag.to_vec3_int()
        repeated = voxels
        for axis, factor in enumerate(factors, start=1):
            first = corner[axis - 1] // mag.to_vec3_int()[axis - 1]
            indices = (np.arange(first, first + found.shape[axis]) // factor) - first // factor
            repeated = np.take(repeated, indices, axis=axis)
        np.testing.assert_array_equal(found, repeated, err_msg=pair[0])


def test_upsampling_and_downsampling_again_gives_the_first_voxels(tmp_path: Path) -> None:
    layer, voxels = layer_in(tmp_path / "d", mag="4")
    layer.upsample(Mag(4), **CUT)
    layer.delete_mag("4")
    layer.delete_mag("2")
    layer.downsample(from_mag=Mag(1), coarsest_mag=Mag(4))
    np.testing.assert_array_equal(read(layer, "4"), voxels)


def test_a_layer_can_be_upsampled_from_another_ones_mag(tmp_path: Path) -> None:
    source, _ = layer_in(tmp_path / "d", mag="2")
    layer = source.dataset.add_layer_like(source, "finer")  # type: ignore[attr-defined]
    layer.upsample(Mag(2), from_mag_view=source.get_mag(2), **CUT)
    assert names(layer) == ["1"]
    assert read(layer, "1").any()


def imported(folder: Path) -> Dataset:
    crash_lab.write_slices(folder / "inbox", 40)
    crash_lab.make_dataset(folder / "inbox", folder / "dataset")
    return Dataset.open(folder / "dataset")


def test_an_imported_layer_is_made_anew_as_new_versions_in_part_and_committed(tmp_path: Path) -> None:
    layer = imported(tmp_path).get_layer("color")
    changed = BoundingBox((3, 5, 17), (6, 4, 5))
    before = inodes(layer, "2")
    layer.get_mag(1).write(
        np.full((1, *changed.size), 250, "uint8"), absolute_bounding_box=changed, allow_unaligned=True
    )

    layer.redownsample(bounding_box=changed)

    assert Path(layer.get_mag(2).path).name.startswith("2.")
    expected = pyramid(read(layer, "1"), ("1", "2", "4"), DownsamplingMode.MEDIAN)
    for mag in ("2", "4"):
        np.testing.assert_array_equal(read(layer, mag), expected[mag])
    after = inodes(layer, "2")
    assert {key for key in after if after[key][0] != before[key][0]} == {"c/0/0/0/0"}
    assert names(Dataset.open(tmp_path / "dataset").get_layer("color")) == ["1", "2", "4"]


def test_coarser_mags_of_an_imported_layer_go_through_its_ledger(tmp_path: Path) -> None:
    layer = imported(tmp_path).get_layer("color")
    layer.downsample(coarsest_mag=Mag(16))
    assert names(layer) == ["1", "2", "4", "8", "16"]
    with pytest.raises(PlanError, match="was imported"):
        layer.downsample(coarsest_mag=Mag(32), chunk_shape=32)
    with pytest.raises(PlanError, match="was imported"):
        layer.upsample(Mag(4), finest_mag=Mag("2-2-1"))
