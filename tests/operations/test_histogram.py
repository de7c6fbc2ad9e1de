import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.operations.layer_on_disk import MemoryArray, Voxels, pyramid, store_layer
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks.histogram import Histogram, array_histogram, histogram_svg, layer_histogram

RNG = np.random.default_rng(5)


def counted(voxels: Voxels, bins: int = 128, max_voxels: int = 1 << 25) -> Histogram:
    return array_histogram(
        MemoryArray(voxels), BoundingBox((0, 0, 0), voxels.shape[1:]), bins=bins, max_voxels=max_voxels
    )


@given(
    st.sampled_from(["uint8", "int8", "uint16", "int64", "uint64"]).flatmap(
        lambda dtype: arrays(dtype, st.tuples(st.integers(1, 2), *[st.integers(1, 9)] * 3))
    ),
    st.integers(1, 20),
)
@example(np.array([0, 2**64 - 1], "uint64").reshape(1, 1, 1, 2), 1)
def test_every_integer_is_in_the_bin_that_exact_arithmetic_says(voxels: Voxels, bins: int) -> None:
    made = counted(voxels, bins)

    expected = [0] * len(made.counts)
    for value in voxels.reshape(-1).tolist():
        expected[(value - int(made.minimum)) // int(made.bin_width)] += 1
    assert list(made.counts) == expected
    assert (made.minimum, made.maximum) == (voxels.min().item(), voxels.max().item())
    assert len(made.counts) <= bins
    assert made.complete


def test_floats_are_counted_without_those_that_are_no_numbers() -> None:
    voxels = RNG.normal(0, 1, (1, 20, 20, 20)).astype(np.float32)
    voxels[0, 0, 0, :3] = np.nan, np.inf, -np.inf

    made = counted(voxels, 16)

    finite = voxels[np.isfinite(voxels)].astype(np.float64)
    assert list(made.counts) == np.histogram(finite, bins=16)[0].tolist()
    assert made.not_finite == 3
    assert made.voxels == voxels.size


def test_one_value_is_one_bin_and_no_number_is_none() -> None:
    assert counted(np.full((1, 3, 3, 3), 7, np.uint16)).counts == (27,)
    assert counted(np.full((1, 3, 3, 3), 0.5, np.float32)).counts == (27,)
    nothing = counted(np.full((1, 3, 3, 3), np.nan, np.float32))
    assert nothing.counts == ()
    assert nothing.not_finite == 27


def test_a_large_box_is_sampled_and_read_in_blocks() -> None:
    voxels = RNG.integers(0, 200, (1, 300, 300, 100)).astype(np.uint8)
    array = MemoryArray(voxels)

    made = array_histogram(array, BoundingBox((0, 0, 0), (300, 300, 100)), max_voxels=3_000_000)

    assert not made.complete
    assert 0 < made.voxels < voxels.size
    assert sum(made.counts) == made.voxels
    assert array.largest_read <= 128**3


def test_an_empty_box_and_a_segmentation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="holds no voxel"):
        array_histogram(MemoryArray(np.zeros((1, 2, 2, 2), np.uint8)), BoundingBox((0, 0, 0), (0, 2, 2)))

    labels = pyramid(np.ones((1, 9, 9, 9), np.uint32), ("1",), DownsamplingMode.MODE)
    with pytest.raises(GeometryError, match="'layer' is a segmentation"):
        layer_histogram(store_layer(tmp_path, labels, category="segmentation"), tmp_path)


def test_a_layer_is_counted_in_the_finest_mag_that_is_small_enough(tmp_path: Path) -> None:
    voxels = RNG.integers(0, 255, (1, 20, 20, 20)).astype(np.uint8)
    record = store_layer(tmp_path, pyramid(voxels, ("1", "2", "4"), DownsamplingMode.MEDIAN))

    assert layer_histogram(record, tmp_path).voxels == 8000
    assert layer_histogram(record, tmp_path, max_voxels=1000).voxels == 1000
    assert layer_histogram(record, tmp_path, max_voxels=10).voxels == 125


@pytest.mark.parametrize("voxels", [RNG.integers(0, 255, (1, 9, 9, 9)).astype(np.uint8), np.full((1, 2, 2, 2), np.nan)])
def test_the_picture_is_small_well_formed_and_fits_its_frame(voxels: Voxels) -> None:
    svg = histogram_svg(counted(voxels), width=200, height=80)

    root = ET.fromstring(svg)  # noqa: S314 - our own text
    assert root.attrib["viewBox"] == "0 0 200 80"
    assert len(svg) < 4000
    path = next(element for element in root if element.tag.endswith("path")).attrib["d"]
    heights = [float(part.split("H")[0].rstrip("Z")) for part in path.split("V")[1:]]
    assert all(0 <= height <= 66 for height in heights)
