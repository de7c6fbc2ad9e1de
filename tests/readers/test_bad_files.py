"""A corpus of damaged TIFFs: every one is refused by name, none becomes voxels silently (reliability rows 11 to 16)."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.readers.sources import read_all, select, smooth_volume
from wk_assets.errors import InputError, SourceError, UnreadableSliceError, WkAssetsError
from wk_assets.readers.open_volume import open_volume

WAYS: dict[str, dict[str, Any]] = {
    "raw": {},
    "zlib": {"compression": "zlib"},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "jpeg": {"compression": "jpeg"},
    "jpeg-tiles": {"compression": "jpeg", "tile": (64, 64)},
    "raw-tiles": {"tile": (64, 64)},
}
CUTS = [0.0, 0.001, 0.3, 0.9, 0.9999]


class Whole(dict[str, bytes]):
    """The undamaged files; hypothesis would print all their bytes."""

    def __repr__(self) -> str:
        return "the undamaged files"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    noisy = smooth_volume((1, 256, 256))[0] + np.random.default_rng(0).integers(0, 20, (256, 256), dtype="u1")
    for way, options in WAYS.items():
        tifffile.imwrite(folder / way, noisy, metadata=None, **options)
    return Whole({way: (folder / way).read_bytes() for way in WAYS})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kept", CUTS)
@pytest.mark.parametrize("big", [False, True])
def test_a_cut_tiff_is_refused_by_name(tmp_path: Path, whole: Whole, way: str, kept: float, big: bool) -> None:
    path = tmp_path / "slice_0001.tif"
    data = whole[way]
    if big:
        with tifffile.TiffFile(_written(tmp_path / "other", data)) as tif:
            tifffile.imwrite(path, tif.asarray(), bigtiff=True, metadata=None, **WAYS[way])
        (tmp_path / "other").unlink()
        data = path.read_bytes()
    path.write_bytes(data[: min(int(len(data) * kept), len(data) - 1)])

    with (
        pytest.raises(UnreadableSliceError, match=r"slice_0001\.tif"),
        open_volume(select(tmp_path)) as reader,
    ):
        read_all(reader)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("raw")])
def test_a_tail_that_was_never_written_is_refused(tmp_path: Path, whole: Whole, way: str) -> None:
    """A file still being copied may have its full size and zeros at the end; raw pixels alone can not tell."""
    data = whole[way]
    half = len(data) // 2
    _written(tmp_path / "a.tif", data[:half] + bytes(len(data) - half))

    with pytest.raises(UnreadableSliceError, match=r"a\.tif"), open_volume(select(tmp_path)) as reader:
        read_all(reader)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    way=st.sampled_from(sorted(WAYS)),
    damages=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_header_gives_an_error_of_ours_or_an_image(
    tmp_path: Path, whole: Whole, way: str, damages: list[tuple[int, int]]
) -> None:
    """Whatever stands in a header: no foreign exception, no endless loop, no memory without measure."""
    damaged = bytearray(whole[way])
    for position, value in damages:
        damaged[position] = value
    path = _written(tmp_path / "a.tif", bytes(damaged))

    try:
        with open_volume(select(tmp_path, [path])) as reader:
            described = reader.description
            if described.size.prod() * described.dtype.itemsize < 1 << 24:
                read_all(reader)
    except WkAssetsError as error:
        assert "a.tif" in str(error)  # noqa: PT017 -- an image is as good an outcome as an error


@pytest.mark.parametrize("name", ["a.tif", "b.png", "c.jpg"])
def test_what_is_no_image_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    for content in (b"", b"\0" * 4096, b"II", b"<html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"):
        _written(tmp_path / name, content)
        with pytest.raises(UnreadableSliceError, match=name.replace(".", r"\.")):
            open_volume(select(tmp_path))


def test_the_content_decides_not_the_suffix(tmp_path: Path, whole: Whole) -> None:
    _written(tmp_path / "a.png", whole["zlib"])

    with open_volume(select(tmp_path)) as reader:
        assert reader.description.format == "tiff-stack"


def test_a_folder_or_a_pipe_is_no_slice(tmp_path: Path) -> None:
    (tmp_path / "folder.tif").mkdir()
    os.mkfifo(tmp_path / "pipe.tif")
    for name in ("folder.tif", "pipe.tif"):
        with pytest.raises(UnreadableSliceError, match=f"{name}: is not a file"):
            open_volume(select(tmp_path, [tmp_path / name]))


def test_a_file_outside_of_the_acquisition_is_refused(tmp_path: Path, whole: Whole) -> None:
    (tmp_path / "acquisition").mkdir()
    path = _written(tmp_path / "a.tif", whole["raw"])

    with pytest.raises(InputError, match="is not below"):
        open_volume(select(tmp_path / "acquisition", [path]))


def test_a_file_that_is_gone_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.tif") as caught:
        open_volume(select(tmp_path, [tmp_path / "gone.tif"]))
    assert caught.value.transient


@pytest.mark.parametrize("failures", [2, 100])
def test_a_share_that_stumbles_is_asked_again_and_named_if_it_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole, failures: int
) -> None:
    _written(tmp_path / "a.tif", whole["raw"])
    reader = open_volume(select(tmp_path))
    read, left = os.preadv, [failures]

    def stumbling(descriptor: int, buffers: Any, offset: int) -> int:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", stumbling)
    if failures == 2:
        read_all(reader)
    else:
        with pytest.raises(UnreadableSliceError, match=r"a\.tif: can not be read at byte 0: Input/output error"):
            read_all(reader)
