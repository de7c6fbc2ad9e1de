"""One TIFF file per slice: the conformance suite over the ways in which a page can be stored."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile
import xxhash
from numpy.typing import NDArray
from PIL import Image

from tests.readers.conformance import SequenceConformance
from tests.readers.sources import read_all, select, volume
from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import BadSlicePolicy


class TiffSequence(SequenceConformance):
    """Write one page per file; `options` say how."""

    options: ClassVar[dict[str, Any]] = {}
    byteorder: ClassVar[Any] = "<"
    bigtiff: ClassVar[bool] = False

    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        for z, plane in enumerate(voxels):
            path = folder / f"slice_{z:04}.tif"
            with tifffile.TiffWriter(path, byteorder=self.byteorder, bigtiff=self.bigtiff) as tif:
                tif.write(plane, metadata=None, photometric="rgb" if self.rgb else "minisblack", **self.options)


class TestRaw(TiffSequence):
    dtype = "uint16"


class TestRawFloat(TiffSequence):
    dtype = "float32"


class TestRawStrips(TiffSequence):
    dtype = "int8"
    options: ClassVar[dict[str, Any]] = {"rowsperstrip": 7}


class TestRawBigEndian(TiffSequence):
    dtype = "int32"
    byteorder = ">"


class TestRawBigTiff(TiffSequence):
    dtype = "uint64"
    bigtiff = True
    byteorder = ">"


class TestZlibPredictorStrips(TiffSequence):
    dtype = "uint16"
    options: ClassVar[dict[str, Any]] = {"compression": "zlib", "predictor": True, "rowsperstrip": 10}


class TestLzwBigEndian(TiffSequence):
    dtype = "uint32"
    byteorder = ">"
    options: ClassVar[dict[str, Any]] = {"compression": "lzw"}


class TestZstdFloatPredictor(TiffSequence):
    dtype = "float32"
    options: ClassVar[dict[str, Any]] = {"compression": "zstd", "predictor": True}


class TestTiles(TiffSequence):
    dtype = "int16"
    options: ClassVar[dict[str, Any]] = {"tile": (16, 32), "compression": "zlib"}


class TestRawTiles(TiffSequence):
    dtype = "uint8"
    options: ClassVar[dict[str, Any]] = {"tile": (16, 16)}


class TestJpeg2000(TiffSequence):
    dtype = "uint16"
    options: ClassVar[dict[str, Any]] = {"compression": "jpeg2000"}


class TestLossyJpegTiles(TiffSequence):
    lossy = True
    options: ClassVar[dict[str, Any]] = {"tile": (32, 32), "compression": "jpeg", "compressionargs": {"level": 90}}


class TestRgb(TiffSequence):
    rgb = True


class TestRgbCompressed(TiffSequence):
    rgb = True
    options: ClassVar[dict[str, Any]] = {"compression": "zlib", "predictor": True, "rowsperstrip": 9}


class TestRgbPlanes(TiffSequence):
    rgb = True

    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        for z, plane in enumerate(voxels):
            planes = np.ascontiguousarray(np.moveaxis(plane, -1, 0))
            tifffile.imwrite(
                folder / f"slice_{z:04}.tif", planes, photometric="rgb", planarconfig="separate", metadata=None
            )


class TestOneFile(TiffSequence):
    """A folder with a single plane is a volume of one slice."""

    def test_a_single_plane_is_one_slice(self, tmp_path: Path) -> None:
        plane = volume("uint8", (7, 9))
        tifffile.imwrite(tmp_path / "overview.tif", plane)
        with open_volume(select(tmp_path)) as reader:
            np.testing.assert_array_equal(read_all(reader)[0, 0], plane)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_dtype_is_kept(tmp_path: Path, dtype: str, byteorder: Any, compression: str | None) -> None:
    voxels = volume(dtype, (2, 5, 6))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"{z}.tif", plane, byteorder=byteorder, compression=compression, metadata=None)

    with open_volume(select(tmp_path)) as reader:
        read = read_all(reader)

    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read[0], voxels)


def test_half_floats_become_floats_exactly(tmp_path: Path) -> None:
    voxels = volume("float16", (2, 5, 6))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"{z}.tif", plane, metadata=None)

    with open_volume(select(tmp_path)) as reader:
        assert reader.description.dtype == np.float32
        np.testing.assert_array_equal(read_all(reader)[0], voxels.astype("f4"))


@pytest.mark.parametrize(
    ("dtype", "said"), [("float64", "save it as float32"), ("complex64", "magnitude"), ("bool", "uint8")]
)
def test_numbers_that_no_layer_holds_are_refused_with_a_way_out(tmp_path: Path, dtype: str, said: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 8), dtype), metadata=None)

    with pytest.raises(UnreadableSliceError, match=said) as caught:
        open_volume(select(tmp_path))
    assert "a.tif" in str(caught.value)


def test_slices_may_differ_in_compression_and_byte_order(tmp_path: Path) -> None:
    """The last file of a series is often one that somebody saved again; its voxels are as good as any."""
    voxels = volume("uint16", (4, 9, 8))
    ways: list[dict[str, Any]] = [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)}]
    for z, way in enumerate(ways):
        tifffile.imwrite(tmp_path / f"{z}.tif", voxels[z], metadata=None, **way)

    with open_volume(select(tmp_path)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels)


@pytest.mark.parametrize("case", ["dtype", "signedness", "photometric", "samples"])
def test_the_first_slice_that_differs_is_named_with_what_differs(tmp_path: Path, case: str) -> None:
    plane = volume("uint8", (9, 8))
    others: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
        "dtype": (plane.astype("u2"), {}),
        "signedness": (plane.view("i1"), {}),
        "photometric": (plane, {"photometric": "miniswhite"}),
        "samples": (np.stack([plane] * 3, axis=-1), {"photometric": "rgb"}),
    }
    for z in range(5):
        tifffile.imwrite(tmp_path / f"s{z}.tif", plane, metadata=None)
    other, options = others[case]
    for z in (3, 4):
        tifffile.imwrite(tmp_path / f"s{z}.tif", other, metadata=None, **options)

    with pytest.raises(UnreadableSliceError, match=r"s3\.tif.*differs from s0\.tif") as caught:
        open_volume(select(tmp_path))
    assert "s4.tif" not in str(caught.value)


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path) -> None:
    voxels = volume("uint8", (2, 6, 7, 4))
    voxels[..., 3] = 255
    voxels[1, 2, 3, 3] = 254
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"{z}.tif", plane, photometric="rgb", extrasamples=["unassalpha"], metadata=None)

    with open_volume(select(tmp_path)) as reader:
        out = np.empty((3, 6, 7), "u1")
        reader.read_slice(0, out)
        np.testing.assert_array_equal(out, np.moveaxis(voxels[0, ..., :3], -1, 0))
        with pytest.raises(UnreadableSliceError, match=r"1\.tif.*transparent"):
            reader.read_slice(1, out)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_of_several_samples_is_chosen_by_channel(tmp_path: Path, planar: Any, compression: str | None) -> None:
    voxels = volume("uint16", (2, 6, 7, 2))
    for z, plane in enumerate(voxels):
        stored = plane if planar == "contig" else np.ascontiguousarray(np.moveaxis(plane, -1, 0))
        tifffile.imwrite(
            tmp_path / f"{z}.tif", stored, photometric="minisblack", planarconfig=planar, compression=compression,
            metadata=None,
        )  # fmt: skip

    with pytest.raises(AxesError, match="`channel`"):
        open_volume(select(tmp_path))
    with pytest.raises(AxesError, match="channel 2"):
        open_volume(select(tmp_path, channel=2))
    with open_volume(select(tmp_path, channel=1)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels[..., 1])


def test_colour_of_sixteen_bits_needs_a_choice(tmp_path: Path) -> None:
    voxels = volume("uint16", (6, 7, 3))
    tifffile.imwrite(tmp_path / "a.tif", voxels, photometric="rgb", metadata=None)

    with pytest.raises(AxesError, match="RGB uint8"):
        open_volume(select(tmp_path))
    with open_volume(select(tmp_path, channel=2)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], voxels[..., 2])


def test_a_coloured_palette_is_imported_as_numbers_only_on_demand(tmp_path: Path) -> None:
    labels = volume("uint8", (6, 7))
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256), dtype="u2")
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="palette", colormap=colours, metadata=None)

    with pytest.raises(AxesError, match="`channel: 0`"):
        open_volume(select(tmp_path))
    with open_volume(select(tmp_path, channel=0)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], labels)


def test_a_grey_palette_is_grey(tmp_path: Path) -> None:
    plane = volume("uint8", (6, 7))
    grey = np.repeat(np.arange(256, dtype="u2")[None] * 257, 3, axis=0)
    tifffile.imwrite(tmp_path / "a.tif", plane, photometric="palette", colormap=grey, metadata=None)

    with open_volume(select(tmp_path)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], plane)


def test_inverted_grey_is_not_imported_unasked(tmp_path: Path) -> None:
    plane = volume("uint8", (6, 7))
    tifffile.imwrite(tmp_path / "a.tif", plane, photometric="miniswhite", metadata=None)

    with pytest.raises(AxesError, match="0 is white"):
        open_volume(select(tmp_path))
    with open_volume(select(tmp_path, channel=0)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0, 0], plane)


def test_each_slice_may_hold_named_channels(tmp_path: Path) -> None:
    voxels = volume("uint8", (3, 2, 6, 7))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"z{z}.ome.tif", plane, metadata={"axes": "CYX"})

    with pytest.raises(AxesError, match="several channels"):
        open_volume(select(tmp_path))
    with open_volume(select(tmp_path, channel=1)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels[:, 1])


def test_a_stack_among_slices_is_refused(tmp_path: Path) -> None:
    for z in range(3):
        tifffile.imwrite(tmp_path / f"z{z}.tif", volume("uint8", (5, 6, 7)), metadata={"axes": "ZYX"})

    with pytest.raises(AxesError, match="it holds 5 slices itself"):
        open_volume(select(tmp_path))


def test_a_slice_with_a_page_too_many_is_named(tmp_path: Path) -> None:
    for z in range(3):
        tifffile.imwrite(tmp_path / f"z{z}.tif", volume("uint8", (6, 7)), metadata=None)
    tifffile.imwrite(tmp_path / "z1.tif", volume("uint8", (2, 6, 7)), metadata=None)

    with pytest.raises(UnreadableSliceError, match=r"z1\.tif: has 2 pages"):
        open_volume(select(tmp_path))


def test_thumbnails_are_no_slices(tmp_path: Path) -> None:
    voxels = volume("uint8", (3, 16, 16))
    for z, plane in enumerate(voxels):
        with tifffile.TiffWriter(tmp_path / f"z{z}.tif") as tif:
            tif.write(plane, metadata=None)
            tif.write(plane[::4, ::4], subfiletype=1, metadata=None)

    with open_volume(select(tmp_path)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """A header may promise any size; 404 kB once became 400 MB."""
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((16, 16), "u8"), metadata=None, compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tif:
        for tag in (256, 257, 278):
            tif.pages.first.tags[tag].overwrite(50_000)

    with pytest.raises(UnreadableSliceError, match=r"bomb\.tif.*bytes that one slice may have"):
        open_volume(select(tmp_path))


def test_pillow_and_its_libtiff_write_what_we_read(tmp_path: Path) -> None:
    plane = volume("uint8", (31, 45))
    for z, compression in enumerate(["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]):
        Image.fromarray(plane).save(tmp_path / f"{z}.tif", compression=compression)

    with open_volume(select(tmp_path)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], np.stack([plane] * 4))


def test_all_slices_unreadable_is_an_error_under_every_policy(tmp_path: Path) -> None:
    for z in range(3):
        (tmp_path / f"{z}.tif").write_bytes(b"II*\0")
    for policy in BadSlicePolicy:
        with pytest.raises(UnreadableSliceError, match=r"0\.tif"):
            open_volume(select(tmp_path, on_bad_slice=policy))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_files_too_large_for_memory_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str | None
) -> None:
    for module in ("tiff_pages", "tiff_sequence"):
        monkeypatch.setattr(f"wk_assets.readers.{module}.LARGEST_FILE_IN_MEMORY", 100)
    voxels = volume("uint16", (3, 40, 50))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"{z}.tif", plane, compression=compression, rowsperstrip=9, metadata=None)

    with open_volume(select(tmp_path)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels)
        record = reader.read_slice(1, np.empty((1, 40, 50), "u2"))
        digests = reader.digests()

    expected = f"xxh3_128:{xxhash.xxh3_128_hexdigest((tmp_path / '1.tif').read_bytes())}"
    assert (record.digest or digests["1.tif"]) == expected
    assert bool(record.digest) == (compression is None)


def test_links_to_files_elsewhere_are_read_under_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "acquisition").mkdir()
    voxels = volume("uint8", (3, 6, 7))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / "store" / f"x{2 - z}.tif", plane, metadata=None)
        (tmp_path / "acquisition" / f"s{z}.tif").symlink_to(tmp_path / "store" / f"x{2 - z}.tif")

    with open_volume(select(tmp_path / "acquisition")) as reader:
        assert [file.relative_path for file in reader.description.files] == ["s0.tif", "s1.tif", "s2.tif"]
        np.testing.assert_array_equal(read_all(reader)[0], voxels)


def test_the_setting_axes_may_say_what_a_sequence_says_anyway(tmp_path: Path) -> None:
    voxels = volume("uint8", (3, 6, 7))
    for z, plane in enumerate(voxels):
        tifffile.imwrite(tmp_path / f"s{z}.tif", plane, metadata=None)

    for axes in ("zyx", "yx"):
        with open_volume(select(tmp_path, axes=axes)) as reader:
            np.testing.assert_array_equal(read_all(reader)[0], voxels)
    with pytest.raises(AxesError, match=r"s0\.tif: `axes: zxy`"):
        open_volume(select(tmp_path, axes="zxy"))
