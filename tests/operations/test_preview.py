import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.operations.layer_on_disk import MemoryArray, pyramid, store_layer
from wk_assets.errors import GeometryError
from wk_assets.geometry.bounding_box import BoundingBox
from wk_assets.kernels.modes import DownsamplingMode
from wk_assets.operations.checks import preview as preview_module
from wk_assets.operations.checks.preview import Preview, choose_preview_mag, preview_layer, render_preview
from wk_assets.operations.datasets.label_colors import label_colors
from wk_assets.operations.records.layer_record import BoxRecord, MagRecord

RNG = np.random.default_rng(1)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(opened(png))


def drawn(
    voxels: NDArray[np.generic], category: str = "color", edges: tuple[float, float, float] = (1, 1, 1)
) -> Preview:
    box = BoundingBox((0, 0, 0), voxels.shape[1:])
    return render_preview(MemoryArray(voxels), box, "color" if category == "color" else "segmentation", None, edges)


@pytest.mark.parametrize(
    ("size", "edges", "xy", "xz", "yz"),
    [
        ((200, 100, 50), (1, 1, 1), (256, 128), (256, 64), (64, 128)),
        ((200, 100, 50), (1, 1, 4), (256, 128), (256, 256), (256, 128)),
        ((10, 10, 100), (4, 4, 40), (3, 3), (3, 256), (256, 3)),
        ((900, 300, 1), (1, 1, 1), (256, 85), (256, 1), (1, 85)),
    ],
)
def test_pictures_are_as_long_as_the_axes_are_in_space(
    size: tuple[int, int, int],
    edges: tuple[float, float, float],
    xy: tuple[int, int],
    xz: tuple[int, int],
    yz: tuple[int, int],
) -> None:
    made = drawn(RNG.integers(0, 255, (1, *size)).astype(np.uint8), edges=edges)

    assert (opened(made.xy).size, opened(made.xz).size, opened(made.yz).size) == (xy, xz, yz)
    assert max(opened(made.thumbnail).size) <= 48
    assert opened(made.thumbnail).format == "WEBP"


def test_each_axis_runs_as_in_the_viewports_of_webknossos() -> None:
    x, y, z = np.mgrid[0:64, 0:64, 0:64]
    ramps = {"x": x, "y": y, "z": z}
    expected = {  # the axis that grows to the right, and the one that grows down
        "xy": ("x", "y"),
        "xz": ("x", "z"),
        "yz": ("z", "y"),
    }

    for name, (right, down) in expected.items():
        for axis, ramp in ramps.items():
            picture = pixels(getattr(drawn(ramp[np.newaxis].astype(np.uint8)), name)).astype(int)
            assert (picture[0, -1] > picture[0, 0]) == (axis == right), (name, axis)
            assert (picture[-1, 0] > picture[0, 0]) == (axis == down), (name, axis)


def test_contrast_ignores_a_hot_pixel() -> None:
    voxels = RNG.normal(1000, 50, (1, 128, 128, 64)).astype(np.uint16)
    voxels[0, 64, 64, 32] = 65535

    assert 100 < pixels(drawn(voxels).xy).mean() < 156


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "int32", "float32"])
def test_every_dtype_of_an_image_is_drawn(dtype: str) -> None:
    voxels = RNG.integers(0, 100, (1, 32, 32, 32)).astype(dtype)

    picture = pixels(drawn(voxels).xy)

    assert picture.min() < 20
    assert picture.max() > 235


def test_nan_and_infinity_do_not_spoil_a_picture() -> None:
    voxels = RNG.normal(0, 1, (1, 64, 64, 64)).astype(np.float32)
    voxels[0, :8, :, :] = np.nan
    voxels[0, -8:, :, :] = np.inf

    picture = pixels(drawn(voxels).xy)

    assert picture[:, :16].max() == 0
    assert picture[:, -16:].min() == 255
    assert 80 < picture[:, 40:-40].mean() < 176


@pytest.mark.parametrize(("value", "gray"), [(0, 0), (7, 128)])
def test_a_layer_of_one_value_is_drawn_flat(value: int, gray: int) -> None:
    assert set(np.unique(pixels(drawn(np.full((1, 9, 9, 9), value, np.uint8)).xy))) == {gray}


def test_rgb_is_drawn_in_its_own_colors() -> None:
    voxels = np.zeros((3, 40, 40, 8), np.uint8)
    voxels[0, :20] = 200
    voxels[2, 20:] = 90

    picture = pixels(drawn(voxels).xy)

    assert picture[128, 10].tolist() == [200, 0, 0]
    assert picture[128, -10].tolist() == [0, 0, 90]


def test_a_given_range_becomes_black_and_white() -> None:
    voxels = np.repeat(np.arange(0, 40, dtype=np.uint16)[np.newaxis, :, np.newaxis, np.newaxis], 40, axis=2)

    made = render_preview(MemoryArray(voxels), BoundingBox((0, 0, 0), (40, 40, 1)), "color", (10, 30))
    picture = pixels(made.xy)

    assert picture[0, 60] == 0
    assert picture[0, 200] == 255


def test_labels_have_no_color_but_that_of_their_id_and_0_is_black() -> None:
    voxels = np.zeros((1, 30, 30, 30), np.uint64)
    voxels[0, :10] = 1
    voxels[0, 20:] = 2**60 + 1

    colors = {tuple(color) for color in pixels(drawn(voxels, "segmentation").xy).reshape(-1, 3).tolist()}

    assert colors == {(0, 0, 0), *(tuple(c) for c in label_colors(np.array([1, 2**60 + 1], np.uint64)).tolist())}


def test_label_colors_depend_on_the_id_alone_and_are_bright_and_many() -> None:
    ids = np.arange(1, 2000)
    colors = label_colors(ids)

    assert (label_colors(ids[::-1].astype(np.uint64))[::-1] == colors).all()
    assert colors.max(axis=1).min() >= 190
    assert len(np.unique(colors, axis=0)) > 1950
    assert label_colors(np.array([-5, 0], np.int16))[1].tolist() == [0, 0, 0]


def test_an_empty_middle_does_not_make_an_empty_picture() -> None:
    voxels = np.zeros((1, 40, 40, 40), np.uint8)
    voxels[0, 8:32, 8:32, 12:16] = RNG.integers(1, 255, (24, 24, 4))

    assert pixels(drawn(voxels).xy).any()


def test_the_box_decides_what_is_drawn() -> None:
    voxels = np.zeros((1, 40, 40, 40), np.uint8)
    voxels[0, 10:20, 10:20, 10:20] = RNG.integers(100, 255, (10, 10, 10))

    made = render_preview(MemoryArray(voxels), BoundingBox((10, 10, 10), (10, 10, 10)), "color", (0, 99))

    assert pixels(made.xy).min() == 255


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(GeometryError, match="holds no voxel"):
        render_preview(MemoryArray(np.zeros((1, 4, 4, 4), np.uint8)), BoundingBox((0, 0, 0), (4, 4, 0)), "color")


def test_a_wide_slice_is_read_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "TILE_VOXELS", 5000)
    voxels = RNG.integers(0, 255, (1, 1300, 1700, 3)).astype(np.uint8)
    array = MemoryArray(voxels)
    box = BoundingBox((0, 0, 0), voxels.shape[1:])

    made = render_preview(array, box, "color", (0, 255))

    assert array.largest_read <= 5000
    monkeypatch.undo()
    assert render_preview(MemoryArray(voxels), box, "color", (0, 255)) == made


@pytest.mark.parametrize("category", ["color", "segmentation"])
def test_a_thumbnail_fits_inline_whatever_it_shows(category: str) -> None:
    made = drawn(RNG.integers(0, 255, (1, 128, 128, 128)).astype(np.uint8), category)

    markdown = f"![xy](data:image/webp;base64,{base64.b64encode(made.thumbnail).decode()})"

    assert len(markdown) < 1000  # longer Markdown is shown as a link by Dagster's UI


def mag(name: str, *size: int) -> MagRecord:
    return MagRecord(
        mag=name,
        path=name,
        key="k",
        voxels_key="v",
        parent_key=None,
        box_in_mag=BoxRecord(topleft=(0, 0, 0), size=(size[0], size[1], size[2])),
        shards=1,
        stored_bytes=1,
        raw_bytes=1,
    )


def test_the_coarsest_mag_that_is_still_sharp_is_drawn() -> None:
    mags = [mag("1", 900, 800, 10), mag("2-2-1", 450, 400, 10), mag("4-4-2", 225, 200, 5), mag("8", 113, 100, 2)]

    assert choose_preview_mag(mags).mag == "4-4-2"
    assert choose_preview_mag(mags, 1000).mag == "1"


def test_the_same_layer_gives_the_same_bytes(tmp_path: Path) -> None:
    voxels = RNG.integers(0, 255, (1, 60, 50, 20)).astype(np.uint8)
    record = store_layer(tmp_path, pyramid(voxels, ("1", "2"), DownsamplingMode.MEDIAN), voxel_size=(10, 10, 30))

    made = preview_layer(record, tmp_path)

    assert made == preview_layer(record, tmp_path)
    assert opened(made.xy).size == (256, 213)
    assert opened(made.yz).size == (256, 213)
