from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wk_assets.operations.imports.category_rule import category_of
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import SourceSelection


def category(folder: Path, zyx: NDArray[Any], names: tuple[str, ...] = ()) -> str:
    path = folder / "volume.tif"
    rgb = zyx.ndim == 4
    tifffile.imwrite(path, zyx, metadata={"axes": "ZYXS" if rgb else "ZYX"}, photometric="rgb" if rgb else "minisblack")
    with open_volume(SourceSelection(root=folder, files=(path,))) as reader:
        return category_of(reader, names)


def labels(count: int, seed: int = 1) -> NDArray[Any]:
    """Make boxes of labels, some of them background."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, count, (2, 5, 6)), np.ones((3, 9, 11), int)).astype(np.uint32)


@given(seed=st.integers(0, 2**32 - 1), spread=st.integers(4, 200))
@settings(max_examples=20, deadline=None)
def test_noisy_grey_values_are_an_image(tmp_path_factory: pytest.TempPathFactory, seed: int, spread: int) -> None:
    grey = np.random.default_rng(seed).integers(20, 20 + spread, (3, 30, 40)).astype(np.uint8)

    assert category(tmp_path_factory.mktemp("c"), grey) == "color"


@pytest.mark.parametrize("count", [2, 40, 100_000])
def test_regions_of_equal_values_are_labels(tmp_path: Path, count: int) -> None:
    assert category(tmp_path, labels(count)) == "segmentation"


def test_a_dark_image_with_a_few_bright_noisy_spots_is_an_image(tmp_path: Path) -> None:
    """Background is alike everywhere, which says nothing: only voxels that are not 0 count."""
    rng = np.random.default_rng(2)
    spots = np.where(labels(30) == 7, rng.integers(50, 250, (6, 45, 66)), 0).astype(np.uint8)

    assert category(tmp_path, spots) == "color"


@pytest.mark.parametrize(
    "zyx",
    [
        labels(9).astype(np.float32),
        np.stack([labels(9).astype(np.uint8)] * 3, axis=-1),
        np.zeros((3, 20, 20), np.uint8),
        labels(9).astype(np.int16) - 1,
    ],
    ids=["floats", "RGB", "all zero", "negative"],
)
def test_what_can_not_be_labels_is_an_image(tmp_path: Path, zyx: NDArray[Any]) -> None:
    assert category(tmp_path, zyx) == "color"


@pytest.mark.parametrize(
    "name", ["labels.tif", "nuclei_label_uint32.tif", "Segmentation", "em-seg.tif", "seg_001.tif", "segments"]
)
def test_a_name_that_says_labels_decides(tmp_path: Path, name: str) -> None:
    grey = np.random.default_rng(3).integers(0, 255, (2, 20, 20)).astype(np.uint8)

    assert category(tmp_path, grey, (name,)) == "segmentation"


@pytest.mark.parametrize("name", ["unlabeled.tif", "em.tif", "dissegregated", "voids.tif", "labelled_by_hand"])
def test_words_that_merely_contain_such_a_name_do_not(tmp_path: Path, name: str) -> None:
    grey = np.random.default_rng(3).integers(0, 255, (2, 20, 20)).astype(np.uint8)

    assert category(tmp_path, grey, (name,)) == "color"


@pytest.mark.parametrize(
    ("file", "axes", "expected"),
    [
        ("fibsem-fib25/groundtruth_bodies_uint32.tif", None, "segmentation"),
        ("fibsem-fib25/supervoxels_uint32.tif", None, "segmentation"),
        ("lightmicroscopy-nuclei/nuclei_40x256x256_uint16.ome.tif", None, "color"),
        ("lightmicroscopy-nuclei/nuclei_label_uint32.tif", "zyx", "segmentation"),
        ("fibsem-fib25/grayscale/iso.2700.png", None, "color"),
        ("tiff-sem/test_tiff_Zeiss_SEM_512pix.tif", None, "color"),
    ],
)
def test_real_volumes_are_what_they_are_whatever_they_are_called(
    shared_data: Path, file: str, axes: str | None, expected: str
) -> None:
    path = shared_data / file

    with open_volume(SourceSelection(root=path.parent, files=(path,), axes=axes)) as reader:
        assert category_of(reader, ()) == expected
