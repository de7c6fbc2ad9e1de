"""Stacks of PNG and JPEG files: the conformance suite, and what these formats hide."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.readers.conformance import SequenceConformance
from tests.readers.sources import read_all, select, smooth_volume, volume
from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import BadSlicePolicy


class TestPng(SequenceConformance):
    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        for z, plane in enumerate(voxels):
            Image.fromarray(plane).save(folder / f"slice_{z:04}.png")


class TestPng16(TestPng):
    dtype = "uint16"


class TestPngRgb(TestPng):
    rgb = True


class TestJpeg(SequenceConformance):
    lossy = True

    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        for z, plane in enumerate(voxels):
            Image.fromarray(plane).save(folder / f"slice_{z:04}.jpg", quality=92)


class TestJpegRgb(TestJpeg):
    rgb = True


def _save(folder: Path, **options: Any) -> Path:
    path = folder / "s0.jpg"
    Image.fromarray(smooth_volume((1, 200, 300))[0]).save(path, quality=90, **options)
    return path


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_whose_tail_was_never_written_is_not_read_as_grey(tmp_path: Path, progressive: bool) -> None:
    """Pillow fills up what is missing; a file still being copied has its full length and a tail of zeros."""
    path = _save(tmp_path, progressive=progressive)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))

    with open_volume(select(tmp_path)) as reader, pytest.raises(UnreadableSliceError, match=r"s0\.jpg: truncated"):
        read_all(reader)


def test_the_end_of_an_embedded_thumbnail_is_not_the_end_of_the_image(tmp_path: Path) -> None:
    path = _save(tmp_path, comment=b"\xff\xd8\xff\xd9 a thumbnail \xff\xd9")
    data = path.read_bytes()
    path.write_bytes(data[:-2])

    with open_volume(select(tmp_path)) as reader, pytest.raises(UnreadableSliceError, match="truncated"):
        read_all(reader)


def test_a_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(volume("uint8", (40, 40))).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with open_volume(select(tmp_path)) as reader, pytest.raises(UnreadableSliceError, match=r"a\.png: .*checksum"):
        read_all(reader)


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path) -> None:
    voxels = volume("uint8", (2, 6, 7, 4))
    voxels[..., 3] = 255
    voxels[1, 2, 3, 3] = 0
    for z, plane in enumerate(voxels):
        Image.fromarray(plane).save(tmp_path / f"{z}.png")

    with open_volume(select(tmp_path)) as reader:
        out = np.empty((3, 6, 7), "u1")
        reader.read_slice(0, out)
        np.testing.assert_array_equal(out, np.moveaxis(voxels[0, ..., :3], -1, 0))
        with pytest.raises(UnreadableSliceError, match=r"1\.png.*transparent"):
            reader.read_slice(1, out)


def test_a_palette_is_imported_as_numbers_only_on_demand(tmp_path: Path) -> None:
    labels = volume("uint8", (6, 7))
    image = Image.fromarray(labels, mode="L").convert("P")
    image.putdata(labels.ravel())
    image.putpalette(list(np.random.default_rng(0).integers(0, 255, 768)))
    image.save(tmp_path / "a.png")

    with pytest.raises(AxesError, match="`channel: 0`"):
        open_volume(select(tmp_path))
    with open_volume(select(tmp_path, channel=0)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], labels)


def test_a_component_is_chosen_by_channel(tmp_path: Path) -> None:
    plane = volume("uint8", (6, 7, 3))
    Image.fromarray(plane).save(tmp_path / "a.png")

    with open_volume(select(tmp_path, channel=1)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], plane[..., 1])
    with pytest.raises(AxesError, match="3 channels"):
        open_volume(select(tmp_path, channel=3))


def test_one_bit_pngs_and_cmyk_jpegs_are_refused_with_a_way_out(tmp_path: Path) -> None:
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "mask.png")
    Image.new("CMYK", (8, 8)).save(tmp_path / "print.jpg")

    for name, said in (("mask.png", "save it as 8-bit"), ("print.jpg", "CMYK")):
        with pytest.raises(UnreadableSliceError, match=said) as caught:
            open_volume(select(tmp_path, [tmp_path / name]))
        assert name in str(caught.value)


def test_a_large_picture_is_no_bomb(tmp_path: Path) -> None:
    """Pillow's own limit is 89 million pixels; a slice of an electron microscope has more."""
    Image.fromarray(np.zeros((9600, 9600), "u1")).save(tmp_path / "a.png", compress_level=1)

    with open_volume(select(tmp_path)) as reader:
        assert not read_all(reader).any()


def test_mixed_formats_are_not_one_volume(tmp_path: Path) -> None:
    plane = smooth_volume((1, 16, 16))[0]
    Image.fromarray(plane).save(tmp_path / "s0.png")
    Image.fromarray(plane).save(tmp_path / "s1.jpg")

    with pytest.raises(UnreadableSliceError, match=r"s1\.jpg: is JPEG .* not PNG"):
        open_volume(select(tmp_path))


def test_a_header_behind_a_long_comment_is_found(tmp_path: Path) -> None:
    path = _save(tmp_path, comment=b"x" * 60_000)

    with open_volume(select(tmp_path)) as reader, Image.open(path) as image:
        np.testing.assert_array_equal(read_all(reader)[0, 0], np.asarray(image))


def test_a_volume_without_a_single_readable_slice_is_an_error_under_every_policy(tmp_path: Path) -> None:
    for z in range(3):
        (tmp_path / f"{z}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for policy in BadSlicePolicy:
        with pytest.raises(UnreadableSliceError, match=r"0\.png"):
            open_volume(select(tmp_path, on_bad_slice=policy))


@pytest.mark.parametrize("axes", ["czyx", "zxy", "t"])
def test_axes_that_images_can_not_have_are_refused(tmp_path: Path, axes: str) -> None:
    _save(tmp_path)

    with pytest.raises(AxesError, match=f"`axes: {axes}`"):
        open_volume(select(tmp_path, axes=axes))


def test_a_resolution_of_a_microscope_is_told_and_one_of_a_printer_is_not(tmp_path: Path) -> None:
    for dpi, told in ((72, 0), (254_000, 1)):
        Image.fromarray(volume("uint8", (6, 7))).save(tmp_path / "a.png", dpi=(dpi, dpi))
        with open_volume(select(tmp_path)) as reader:
            assert reader.description.voxel_size is None
            assert len(reader.description.pixel_sizes) == told
