"""Stacks in one TIFF file: the conformance suite over the programs that name their axes, and files that name none."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.readers.conformance import ReaderConformance
from tests.readers.sources import read_all, select, volume
from wk_assets.errors import AxesError, GeometryError, MissingSliceError, SourceError, UnreadableSliceError
from wk_assets.readers.open_volume import open_volume
from wk_assets.readers.volume import BadSlicePolicy


class TiffStack(ReaderConformance):
    options: ClassVar[dict[str, Any]] = {}
    name: ClassVar[str] = "stack.tif"

    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        photometric: Any = "rgb" if self.rgb else "minisblack"
        axes = "ZYXS" if self.rgb else "ZYX"
        tifffile.imwrite(
            folder / self.name, voxels, photometric=photometric, **{"metadata": {"axes": axes}, **self.options}
        )


class TestNamedByTifffile(TiffStack):
    ends_in_padding = True
    dtype = "uint16"


class TestCompressed(TiffStack):
    dtype = "uint32"
    options: ClassVar[dict[str, Any]] = {"compression": "zstd", "predictor": True, "tile": (32, 16)}


class TestBigTiff(TiffStack):
    dtype = "float32"
    options: ClassVar[dict[str, Any]] = {"bigtiff": True, "byteorder": ">", "compression": "lzw", "rowsperstrip": 8}


class TestImageJ(TiffStack):
    ends_in_padding = True
    dtype = "uint16"
    options: ClassVar[dict[str, Any]] = {"imagej": True}


class TestOneHeaderForAllPlanes(TiffStack):
    """ImageJ does so beyond 4 GB: the planes lie raw behind one header."""

    dtype = "int16"
    options: ClassVar[dict[str, Any]] = {"truncate": True}


class TestOmeTiff(TiffStack):
    dtype = "int8"
    name = "stack.ome.tif"
    options: ClassVar[dict[str, Any]] = {"compression": "zlib"}


class TestRgbStack(TiffStack):
    ends_in_padding = True
    rgb = True


class TestNamedBySettings(TiffStack):
    ends_in_padding = True
    dtype = "uint8"
    settings: ClassVar[dict[str, Any]] = {"axes": "zyx"}
    options: ClassVar[dict[str, Any]] = {"metadata": None}


class TestOmeChannel(ReaderConformance):
    """One of several channels of an OME-TIFF."""

    dtype = "uint16"
    settings: ClassVar[dict[str, Any]] = {"channel": 1}

    def write(self, folder: Path, voxels: NDArray[Any]) -> None:
        channels = np.stack([voxels // 2, voxels, voxels // 3], axis=1)
        names = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
        tifffile.imwrite(folder / "c.ome.tif", channels, photometric="minisblack", metadata=names)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX", "TCZYX"])
@pytest.mark.parametrize("ome", [False, True])
def test_channels_are_found_wherever_their_axis_stands(tmp_path: Path, axes: str, ome: bool) -> None:
    voxels = volume("uint8", (5, 2, 6, 7))
    order = np.moveaxis(voxels, 1, 0) if axes[-4] == "C" else voxels
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    tifffile.imwrite(path, order[None] if axes[0] == "T" else order, photometric="minisblack", metadata={"axes": axes})

    for channel in range(2):
        with open_volume(select(tmp_path, channel=channel)) as reader:
            np.testing.assert_array_equal(read_all(reader)[0], voxels[:, channel])


def test_several_channels_are_listed_by_name(tmp_path: Path) -> None:
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", volume("uint8", (2, 6, 7)), photometric="minisblack", metadata=names)

    for channel in (None, 2, -1):
        with pytest.raises(AxesError, match=r"a\.ome\.tif: .*0 'DAPI', 1 'GFP'"):
            open_volume(select(tmp_path, channel=channel))


TIME_SERIES = [
    *(("a.ome.tif", axes) for axes in ("TZYX", "ZTYX", "TCZYX", "ZCTYX", "TYX")),
    *(("imagej", axes) for axes in ("TZYX", "TZCYX", "TYX")),  # ImageJ knows no other order
    ("settings", "TYX"),
]


@pytest.mark.parametrize(("kind", "axes"), TIME_SERIES)
def test_time_points_are_an_additional_axis(tmp_path: Path, kind: str, axes: str) -> None:
    lengths = {"T": 3, "Z": 4, "C": 2, "Y": 6, "X": 7}
    voxels = volume("uint16", tuple(lengths[axis] for axis in axes))
    named = {"metadata": None} if kind == "settings" else {"metadata": {"axes": axes}}
    name = kind if kind.endswith(".tif") else "a.tif"
    tifffile.imwrite(tmp_path / name, voxels, photometric="minisblack", imagej=kind == "imagej", **named)
    settings: dict[str, Any] = {"channel": 1} if "C" in axes else {}
    if kind == "settings":
        settings["axes"] = axes.lower()

    with open_volume(select(tmp_path, **settings)) as reader:
        described = reader.description
        assert described.additional == (("t", 3),)
        assert tuple(described.size) == (7, 6, 4 if "Z" in axes else 1)
        for t, z in np.ndindex(3, described.size.z):
            index = {"T": t, "Z": z, "C": 1}
            expected = voxels[tuple(index.get(axis, slice(None)) for axis in axes)]
            out = np.empty((1, 6, 7), "uint16")
            reader.read_slice(z, out, (t,))
            np.testing.assert_array_equal(out[0], expected)
            reader.open_rows(z, (t,)).read(2, out[:, 2:5])
            np.testing.assert_array_equal(out[0], expected)
        first = np.empty((1, 6, 7), "uint16")
        reader.read_slice(0, first)
        reader.read_slice(0, out, (0,))
        np.testing.assert_array_equal(first, out)
        for position in ((3,), (-1,), (0, 0)):
            with pytest.raises(GeometryError, match=r"additional axes are \(\('t', 3\),\)"):
                reader.read_slice(0, out, position)


def test_other_axes_than_time_are_additional_if_the_file_names_them(tmp_path: Path) -> None:
    voxels = volume("uint8", (2, 3, 4, 6, 7))
    tifffile.imwrite(tmp_path / "a.tif", voxels, photometric="minisblack", metadata={"axes": "TAZYX"})

    with open_volume(select(tmp_path)) as reader:
        assert reader.description.additional == (("t", 2), ("a", 3))
        out = np.empty((1, 6, 7), "uint8")
        reader.read_slice(3, out, (1, 2))
    np.testing.assert_array_equal(out[0], voxels[1, 2, 3])


def test_a_bad_slice_of_one_time_point_is_replaced_from_the_same_time_point(tmp_path: Path) -> None:
    voxels = volume("uint8", (3, 4, 30, 30))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, voxels, photometric="minisblack", compression="zlib", metadata={"axes": "TZYX"})
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[1 * 4]
        offset = page.dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 20)

    with open_volume(select(tmp_path, on_bad_slice=BadSlicePolicy.REPEAT)) as reader:
        out, parts = np.empty((1, 30, 30), "u1"), np.empty((1, 30, 30), "u1")
        problem = reader.read_slice(0, out, (1,)).problem
        assert reader.open_rows(0, (1,)).read(0, parts).problem == problem
    assert problem is not None
    assert (problem.z, problem.at) == (0, (1,))
    np.testing.assert_array_equal(out[0], voxels[1, 1])
    np.testing.assert_array_equal(parts, out)


def test_axes_that_nobody_names_are_never_guessed(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("uint8", (5, 6, 7)), photometric="minisblack", metadata=None)

    with pytest.raises(AxesError, match=r"a\.tif: nobody names its axes \(i=5, then yx\).*`axes: zyx`"):
        open_volume(select(tmp_path))


def test_the_settings_may_name_what_a_program_named_wrongly(tmp_path: Path) -> None:
    """Stacks that went through ImageJ often have their slices in the time axis."""
    voxels = volume("uint8", (5, 6, 7))
    tifffile.imwrite(tmp_path / "a.tif", voxels, imagej=True, metadata={"axes": "TYX"})

    with open_volume(select(tmp_path, axes="zyx")) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels)


@pytest.mark.parametrize("axes", ["zxy", "yx", "czyx", "zzyx", "z", "zyx!", "hello"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("uint8", (5, 6, 7)), photometric="minisblack", metadata=None)

    with pytest.raises(AxesError, match=rf"a\.tif: `axes: {axes}`"):
        open_volume(select(tmp_path, axes=axes))


def test_pages_of_two_shapes_are_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for height in (6, 6, 8, 6):
            tif.write(np.zeros((height, 7), "u1"), metadata=None)

    with pytest.raises(UnreadableSliceError, match=r"a\.tif: page 2: .*7 x 8, not 7 x 6"):
        open_volume(select(tmp_path, axes="zyx"))


@pytest.mark.parametrize("kept", [0.05, 0.35, 0.5, 0.95])
@pytest.mark.parametrize("named", [None, {"axes": "ZYX"}])
@pytest.mark.parametrize("policy", BadSlicePolicy)
def test_a_cut_stack_never_becomes_a_shorter_one(
    tmp_path: Path, kept: float, named: dict[str, str] | None, policy: BadSlicePolicy
) -> None:
    """tifffile gives 4 of 10 pages and one line in a log."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in volume("uint8", (10, 30, 30)):
            tif.write(plane, metadata=named, contiguous=False)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])

    with pytest.raises(SourceError, match=r"a\.tif"):
        open_volume(select(tmp_path, axes="zyx", on_bad_slice=policy))


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_fewer_pages_than_the_description_promises_is_an_error(tmp_path: Path, kind: str) -> None:
    """The chain of pages may end cleanly and too early."""
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, volume("uint8", (5, 6, 7)), metadata={"axes": "ZYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        link = tif.pages[2].offset + 2 + 12 * len(tif.pages[2].aspage().tags)
    with path.open("r+b") as stream:
        stream.seek(link)
        stream.write(bytes(4))

    with pytest.raises((MissingSliceError, UnreadableSliceError), match=r"a\.(ome\.)?tif"):
        open_volume(select(tmp_path))


def test_a_damaged_plane_of_a_stack_is_filled_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    voxels = volume("uint8", (5, 30, 30))
    tifffile.imwrite(path, voxels, metadata={"axes": "ZYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[3].dataoffsets[0]
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes(100))

    with open_volume(select(tmp_path)) as reader, pytest.raises(UnreadableSliceError, match=r"a\.tif.*segment 0"):
        read_all(reader)
    with open_volume(select(tmp_path, on_bad_slice=BadSlicePolicy.REPEAT)) as reader:
        np.testing.assert_array_equal(read_all(reader)[0], voxels[[0, 1, 2, 2, 4]])
        problem = reader.read_slice(3, np.empty((1, 30, 30), "u1")).problem
        assert problem is not None
        assert (problem.z, problem.file) == (3, "a.tif")


class TestOmeTiffOverSeveralFiles:
    """Some microscopes write one file per channel or per slice, and one OME-XML that names them all."""

    @staticmethod
    def write(folder: Path, voxels: NDArray[Any]) -> None:
        """Write (c, z, y, x) as one file per plane, each with the whole XML."""
        channels, depth, height, width = voxels.shape
        planes = [(c, z, f"p_c{c}_z{z}.ome.tif") for c in range(channels) for z in range(depth)]
        named = "".join(
            f'<TiffData FirstC="{c}" FirstZ="{z}" FirstT="0" IFD="0" PlaneCount="1">'
            f'<UUID FileName="{name}">urn:uuid:{c:08}-0000-0000-0000-{z:012}</UUID></TiffData>'
            for c, z, name in planes
        )
        for c, z, name in planes:
            xml = (
                '<?xml version="1.0" encoding="UTF-8"?>'
                '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
                f'UUID="urn:uuid:{c:08}-0000-0000-0000-{z:012}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
                f'DimensionOrder="XYZCT" Type="uint8" SizeX="{width}" SizeY="{height}" SizeZ="{depth}" '
                f'SizeC="{channels}" SizeT="1" PhysicalSizeX="4" PhysicalSizeXUnit="nm" PhysicalSizeY="4" '
                'PhysicalSizeYUnit="nm" PhysicalSizeZ="0.04"><Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>'
                f"{named}</Pixels></Image></OME>"
            )
            tifffile.imwrite(folder / name, voxels[c, z], description=xml, metadata=None)

    def test_the_xml_says_which_file_is_which_slice(self, tmp_path: Path) -> None:
        voxels = volume("uint8", (2, 3, 6, 7))
        self.write(tmp_path, voxels)

        with open_volume(select(tmp_path, channel=1)) as reader:
            np.testing.assert_array_equal(read_all(reader)[0], voxels[1])
            measured = reader.description.voxel_size
        assert measured is not None
        assert measured.voxel_size.to_nanometer() == (4, 4, 40)

    def test_a_file_that_is_gone_is_a_missing_slice(self, tmp_path: Path) -> None:
        self.write(tmp_path, volume("uint8", (2, 3, 6, 7)))
        (tmp_path / "p_c1_z1.ome.tif").unlink()

        with pytest.raises(MissingSliceError, match="missing z 1"):
            open_volume(select(tmp_path, channel=1))

    def test_a_file_that_is_not_selected_is_said_to_be(self, tmp_path: Path) -> None:
        self.write(tmp_path, volume("uint8", (2, 3, 6, 7)))
        files = [path for path in tmp_path.iterdir() if "c0" in path.name]

        with pytest.raises(MissingSliceError, match=r"p_c1_z0\.ome\.tif, which is not among"):
            open_volume(select(tmp_path, files, channel=1))
