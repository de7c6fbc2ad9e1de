"""A zip from elsewhere writes nothing outside and grows to nothing endless; what is refused says file, entry and reason."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.annotation.volumes import nml_text, zipped
from wk_assets.annotation.annotation_file import read_annotation_file
from wk_assets.annotation.checked_archive import ArchiveLimits, CheckedArchive
from wk_assets.errors import AnnotationFileError, InputError, PropertiesError, StorageError

VOLUME = '<volume id="0" location="data_Volume.zip"/>'


def written(path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for info, body in entries:
            archive.writestr(info, body)
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside", "leads out of the folder"),
        ("a/../../outside", "leads out of the folder"),
        ("/etc/outside", "absolute"),
        ("C:/outside", "absolute"),
        ("a//b", "leads out of the folder"),
        ("./a", "leads out of the folder"),
        ("a\\..\\b", "characters"),
        ("a\nb", "characters"),
        ("x" * 300, "longer than file systems"),
    ],
)
def test_a_name_that_leads_elsewhere_refuses_the_whole_zip(tmp_path: Path, name: str, reason: str) -> None:
    path = written(tmp_path / "a.zip", [("a.nml", nml_text()), (zipfile.ZipInfo(name), b"x")])

    with pytest.raises(AnnotationFileError, match=reason) as caught:
        read_annotation_file(path)

    assert str(path) in str(caught.value)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    path = written(tmp_path / "a.zip", [("a.nml", nml_text()), (info, b"/etc/passwd")])

    with pytest.raises(AnnotationFileError, match="entry 'link' is refused: it is a link or a device"):
        read_annotation_file(path)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = written(tmp_path / "a.zip", [("a.nml", nml_text()), ("b", b"1"), ("b", b"2")])

    with pytest.raises(AnnotationFileError, match="'b' is refused: the name stands twice"):
        read_annotation_file(path)


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", [("a.nml", nml_text()), ("b", b"1"), ("b/c", b"2")])

    with pytest.raises(AnnotationFileError, match="'b' is a file, so nothing can be in it"):
        read_annotation_file(path)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    body = bytearray(zipped({"a.nml": nml_text()}))
    body[6] |= 1  # the flag in the entry
    central = body.rindex(b"PK\x01\x02")
    body[central + 8] |= 1
    (tmp_path / "a.zip").write_bytes(body)

    with pytest.raises(AnnotationFileError, match=r"'a\.nml' is refused: it is encrypted"):
        read_annotation_file(tmp_path / "a.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_no_server_writes_is_refused(tmp_path: Path, method: int) -> None:
    path = written(tmp_path / "a.zip", [("a.nml", nml_text())], method)

    with pytest.raises(AnnotationFileError, match="is none of stored and deflated"):
        read_annotation_file(path)


def test_a_bomb_is_stopped_while_it_grows(tmp_path: Path) -> None:
    limits = ArchiveLimits(always_allowed_bytes=1 << 20, ratio=100)
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.nml": nml_text(VOLUME), "data_Volume.zip": bytes(8 << 20)}))

    with pytest.raises(AnnotationFileError, match=r"'data_Volume.zip' is refused: more comes out .* zip bomb"):
        read_annotation_file(path, limits=limits)


def test_a_bomb_within_a_bomb_counts_from_the_outer_zip(tmp_path: Path) -> None:
    limits = ArchiveLimits(always_allowed_bytes=1 << 20, ratio=100)
    inner = zipped({f"1/c.0.0.0.{number}": bytes(1 << 20) for number in range(20)})
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.nml": nml_text(VOLUME), "data_Volume.zip": inner}))

    data = read_annotation_file(path, limits=limits).volumes["data_Volume.zip"]

    with data.open() as archive, pytest.raises(AnnotationFileError, match="zip bomb"):
        _ = [archive.read(name) for name in archive.entries]


def test_an_honest_size_is_not_believed_if_it_is_a_lie(tmp_path: Path) -> None:
    body = bytearray(zipped({"a.nml": nml_text(), "b": bytes(4 << 20)}))
    central = body.rindex(b"PK\x01\x02")
    body[central + 24 : central + 28] = struct.pack("<I", 10)  # what the directory says comes out
    (tmp_path / "a.zip").write_bytes(body)

    with CheckedArchive(tmp_path / "a.zip") as archive, pytest.raises(AnnotationFileError, match="damaged"):
        archive.read("b")


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", [(f"{number}", b"") for number in range(11)])

    with pytest.raises(AnnotationFileError, match="holds 11 entries, more than the 10"):
        CheckedArchive(path, limits=ArchiveLimits(entries=10))


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """A zip whose directory names one compressed block a thousand times grows without a large ratio of any entry."""
    body = bytearray(zipped({"a.nml": nml_text(), "b": b"0123456789" * 400, "c": b"0123456789" * 400}))
    central = body.rindex(b"PK\x01\x02")
    body[central + 20 : central + 24] = struct.pack("<I", len(body))
    (tmp_path / "a.zip").write_bytes(body)

    with pytest.raises(AnnotationFileError, match=r"overlap|no zip file"):
        CheckedArchive(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "holds no NML file at its top; this is no annotation"),
        ({"folder/a.nml": nml_text()}, "holds no NML file at its top; it holds folder/a.nml"),
        ({"a.zip": b""}, "holds a.zip: unpack it and load what is inside"),
        (
            {"a.nml": nml_text(), "b.nml": nml_text()},
            r"holds 2 NML files \(a.nml, b.nml\): these are several annotations",
        ),
        ({"a.nml": nml_text(VOLUME)}, "'data_Volume.zip', and there is no such entry"),
        ({"a.nml": nml_text('<volume id="0" location="../x"/>')}, "'../x', and there is no such entry"),
    ],
)
def test_a_zip_that_is_no_annotation_says_what_is_missing(
    tmp_path: Path, entries: dict[str, bytes], reason: str
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(entries))

    with pytest.raises(AnnotationFileError, match=reason):
        read_annotation_file(tmp_path / "a.zip")


def _good_zip() -> bytes:
    inner = zipped({"1/zarr.json": b"{}", "1/c.0.0.0.0": bytes(range(64))})
    return zipped({"a.nml": nml_text(VOLUME), "data_Volume.zip": inner})


@example(changes=[(1750, 2)], cut=0)  # an entry that begins before the zip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6), cut=st.integers(0, 2000))
def test_a_zip_with_any_bytes_is_read_or_refused_and_writes_nothing_outside(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    body = bytearray(_good_zip())
    for place, value in changes:
        body[place % len(body)] = value
    body = body[: max(4, len(body) - cut % 200)] if cut % 3 == 0 else body
    path = tmp_path / "fuzzed.zip"
    path.write_bytes(body)

    refusal = "fuzzed.zip"
    try:
        for data in read_annotation_file(path).volumes.values():
            data.look()
    except (InputError, PropertiesError, StorageError) as error:
        refusal = str(error)

    assert "fuzzed.zip" in refusal
    assert [one.name for one in tmp_path.iterdir()] == ["fuzzed.zip"]


def test_a_zip_can_be_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(_good_zip())

    with CheckedArchive(path) as archive:
        out = io.BytesIO()
        archive.unpack("a.nml", out)

        assert list(archive.entries) == ["a.nml", "data_Volume.zip"]
        assert out.getvalue() == nml_text(VOLUME)
