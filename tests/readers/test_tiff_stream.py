"""Strips that are too long to be decoded whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.readers.sources import select, volume
from wk_assets.errors import UnreadableSliceError
from wk_assets.readers import tiff_rows
from wk_assets.readers.open_volume import open_volume


@pytest.fixture(autouse=True)
def _every_strip_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_rows, "LARGEST_SEGMENT_BYTES", 0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_of_any_strips_give_the_voxels(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["uint8", "int16", "uint32", "uint64", "float32"]))
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rgb = dtype == "uint8" and data.draw(st.booleans())
    voxels = volume(dtype, (height, width, 3) if rgb else (height, width))
    folder = tmp_path_factory.mktemp("acquisition")
    planar = rgb and data.draw(st.booleans())
    tifffile.imwrite(
        folder / "a.tif",
        np.moveaxis(voxels, -1, 0) if planar else voxels,
        photometric="rgb" if rgb else "minisblack",
        planarconfig=("separate" if planar else "contig") if rgb else None,
        byteorder=data.draw(st.sampled_from("<>")),
        compression=data.draw(st.sampled_from(["zlib", "zstd", "lzw"])),
        predictor=np.dtype(dtype).itemsize < 8 and data.draw(st.booleans()),
        rowsperstrip=data.draw(st.integers(1, height)),
        metadata=None,
    )
    expected = np.moveaxis(voxels, -1, 0) if rgb else voxels[None]

    with open_volume(select(folder)) as reader:
        rows = reader.open_rows(0)
        for _ in range(3):
            first = data.draw(st.integers(0, height - 1))
            last = data.draw(st.integers(first + 1, height))
            out = np.zeros((len(expected), last - first, width), dtype)
            rows.read(first, out)
            np.testing.assert_array_equal(out, expected[:, first:last])


def packed(folder: Path, compression: str, cut: slice, flip: int | None = None) -> Path:
    """Write one strip of 4000 rows, then damage what is packed."""
    voxels = volume("uint8", (4000, 50))
    path = folder / "a.tif"
    tifffile.imwrite(path, voxels, compression=compression, rowsperstrip=4000, metadata=None)
    with tifffile.TiffFile(path) as tif:
        offset, size = tif.pages.first.dataoffsets[0], tif.pages.first.databytecounts[0]
    data = bytearray(path.read_bytes())
    strip = data[offset : offset + size]
    if flip is not None:
        strip[flip] ^= 0x55
    kept = strip[cut]
    data[offset : offset + size] = kept + bytes(size - len(kept))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("compression", "damage"),
    [  # zstd streams in TIFF have no checksum: another number in them can not be found
        ("zlib", {"cut": slice(100_000)}),
        ("zstd", {"cut": slice(100_000)}),
        ("zlib", {"cut": slice(None), "flip": 120_000}),
    ],
)
def test_a_damaged_stream_is_named(tmp_path: Path, compression: str, damage: dict[str, Any]) -> None:
    packed(tmp_path, compression, **damage)
    with open_volume(select(tmp_path)) as reader:
        rows = reader.open_rows(0)
        rows.read(0, np.empty((1, 10, 50), "uint8"))
        with pytest.raises(UnreadableSliceError, match=r"a\.tif: segment 0 (ends|can not be decoded)"):
            rows.read(10, np.empty((1, 3990, 50), "uint8"))


def test_a_wrong_checksum_at_the_end_of_a_stream_is_found(tmp_path: Path) -> None:
    packed(tmp_path, "zlib", slice(None), flip=-1)
    with open_volume(select(tmp_path)) as reader, pytest.raises(UnreadableSliceError, match="incorrect data check"):
        reader.open_rows(0).read(0, np.empty((1, 4000, 50), "uint8"))


def test_a_stream_holds_little_of_what_it_decodes(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("uint8", (90, 50)), compression="zlib", rowsperstrip=90, metadata=None)
    with open_volume(select(tmp_path)) as reader:
        access = reader.description.rows
    assert access.in_order
    assert access.unit == 1
    assert access.held_bytes < 5 << 20
