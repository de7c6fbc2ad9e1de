"""Files that real microscopes and real programs wrote."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.readers.sources import read_all, select
from wk_assets.errors import AxesError, UnreadableSliceError
from wk_assets.geometry.length_unit import LengthUnit
from wk_assets.readers.open_volume import open_volume


def test_zeiss_knows_its_pixels_to_the_picometer(shared_data: Path) -> None:
    """Another reader says 1.0 micrometer, silently."""
    folder = shared_data / "tiff-sem"
    with open_volume(select(folder, [folder / "test_tiff_Zeiss_SEM_512pix.tif"])) as reader:
        assert reader.description.voxel_size is None  # a section's thickness stands nowhere
        (pixel,) = reader.description.pixel_sizes
        assert (pixel.x, pixel.y, pixel.unit) == (5.825, 5.825, LengthUnit.NANOMETER)
        assert "34118" in pixel.source
        read = read_all(reader)
    np.testing.assert_array_equal(read[0, 0], tifffile.imread(folder / "test_tiff_Zeiss_SEM_512pix.tif"))


def test_fei_knows_its_pixels_and_its_dpi_are_no_resolution(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "tiff-sem" / "tiff_FEI_Helios.zip") as archive:
        for name in ("FEI-Helios-Ebeam-16bits.tif", "FEI-Helios-navcam.tif"):
            (tmp_path / name).write_bytes(archive.read(name))
    with open_volume(select(tmp_path, [tmp_path / "FEI-Helios-Ebeam-16bits.tif"])) as reader:
        (pixel,) = reader.description.pixel_sizes
        assert [pixel.x, pixel.y] == pytest.approx([3372.4, 3372.4])
        assert pixel.unit is LengthUnit.NANOMETER
    with open_volume(select(tmp_path, [tmp_path / "FEI-Helios-navcam.tif"])) as reader:
        assert reader.description.pixel_sizes == ()


def test_an_imagej_stack_says_its_spacing(shared_data: Path) -> None:
    folder = shared_data / "tiff-sem"
    with open_volume(select(folder, [folder / "test_loading_image_saved_with_imageJ_stack.tif"])) as reader:
        assert tuple(reader.description.size) == (68, 68, 2)
        assert reader.description.dtype == np.float32
        assert reader.description.voxel_size is not None
        assert reader.description.voxel_size.voxel_size.factor[2] == 2.5
        assert reader.description.voxel_size.voxel_size.unit is LengthUnit.MICROMETER


def test_a_stack_of_digital_micrograph_names_no_axes(shared_data: Path) -> None:
    folder = shared_data / "tiff-sem"
    path = folder / "test_loading_image_saved_with_DM_stack.tif"
    with pytest.raises(AxesError, match=r"DM_stack\.tif: nobody names its axes.*`axes: zyx`"):
        open_volume(select(folder, [path]))
    with open_volume(select(folder, [path], axes="zyx")) as reader:
        assert reader.description.voxel_size is None  # 72 dpi
        np.testing.assert_array_equal(read_all(reader)[0], tifffile.imread(path))


def test_olympus_keeps_two_images_in_one_file(shared_data: Path) -> None:
    folder = shared_data / "tiff-sem"
    with pytest.raises(UnreadableSliceError, match=r"olympus_SIS\.tif: page 1: differs"):
        open_volume(select(folder, [folder / "olympus_SIS.tif"]))


def test_each_channel_of_the_ome_sample_is_a_layer_of_int8(shared_data: Path) -> None:
    folder = shared_data / "ome-tiff"
    path = folder / "multi-channel-z-series.ome.tif"
    whole = tifffile.imread(path)
    with pytest.raises(AxesError, match="several channels"):
        open_volume(select(folder, [path]))
    for channel in range(3):
        with open_volume(select(folder, [path], channel=channel)) as reader:
            assert reader.description.dtype == np.int8
            assert reader.description.voxel_size is None
            np.testing.assert_array_equal(read_all(reader)[0], whole[channel])


def test_nuclei_and_their_labels(shared_data: Path) -> None:
    folder = shared_data / "lightmicroscopy-nuclei"
    for name in ("nuclei_40x256x256_uint16.ome.tif", "nuclei_label_uint32.tif"):
        with open_volume(select(folder, [folder / name])) as reader:
            np.testing.assert_array_equal(read_all(reader)[0], tifffile.imread(folder / name))
            measured = reader.description.voxel_size
        assert (measured is not None) == ("ome" in name)
        if measured is not None:
            assert measured.voxel_size.factor == (0.26, 0.26, 0.29)


def test_a_series_of_an_electron_microscope_counts_from_2600(shared_data: Path) -> None:
    folder = shared_data / "fibsem-fib25" / "grayscale"
    files = sorted(folder.glob("*.png"))
    with open_volume(select(folder, files)) as reader:
        assert tuple(reader.description.size) == (250, 250, 250)
        out = np.empty((1, 250, 250), "u1")
        for z in (0, 100, 249):
            reader.read_slice(z, out)
            with Image.open(folder / f"iso.{2600 + z}.png") as image:
                np.testing.assert_array_equal(out[0], np.asarray(image))


def test_tiles_of_a_section_are_jpegs(shared_data: Path) -> None:
    folder = shared_data / "tem-temca2-tiles" / "1" / "60"
    with open_volume(select(folder)) as reader:
        read = read_all(reader)
    for z, name in enumerate(("140.jpg", "141.jpg")):
        with Image.open(folder / name) as image:
            np.testing.assert_array_equal(read[0, z], np.asarray(image))
