"""Scanning a watch folder: what counts, what does not, and what a signature notices."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wk_assets.errors import WatchFolderError
from wk_assets.facility.acquisitions import scan_acquisition, scan_instrument, signature_of
from wk_assets.facility.instrument import Instrument

Fill = Callable[[str, Mapping[str, bytes | str]], Path]
Instruments = Callable[..., Instrument]


def test_every_folder_is_one_acquisition_in_natural_order(instrument: Instruments, fill: Fill) -> None:
    for name in ("run10", "run2", "run1"):
        fill(name, {"a.tif": "voxels"})
    fill("..", {})  # the inbox itself stays as it is

    assert [acquisition.name for acquisition in scan_instrument(instrument())] == ["run1", "run2", "run10"]


def test_files_are_listed_by_relative_path_with_size_and_time(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"b.tif": "12345", "sub/a.tif": "1"})
    os.utime(folder / "b.tif", ns=(1, 1_700_000_000_123_456_789))

    (acquisition,) = scan_instrument(instrument())

    assert [file.relative_path for file in acquisition.files] == ["b.tif", "sub/a.tif"]
    assert acquisition.files[0].size_bytes == 5
    assert acquisition.files[0].mtime_ns == (folder / "b.tif").stat().st_mtime_ns
    assert acquisition.files[0].path == folder / "b.tif"
    assert acquisition.size_bytes == 6
    assert acquisition.instrument == "lightsheet"


def test_what_is_no_data_is_not_listed(instrument: Instruments, fill: Fill) -> None:
    fill(
        "run",
        {
            "a.tif": "voxels",
            ".DS_Store": "x",
            ".hidden/a.tif": "x",
            "Thumbs.db": "x",
            "notes.txt~": "x",
            "run.log": "x",
            "thumbs/1.png": "x",
            "deep/cache/1.tif": "x",
        },
    )

    (acquisition,) = scan_instrument(instrument(ignore=["*.log", "thumbs/**", "cache"]))

    assert [file.relative_path for file in acquisition.files] == ["a.tif"]
    assert acquisition.in_transfer == ()


@pytest.mark.parametrize(
    "name", ["a.tif.part", "a.partial", "a.tmp", "a.filepart", ".a.tif.Xy12zZ", "a.tif.downloading"]
)
def test_what_has_a_temporary_name_is_in_transfer(name: str, instrument: Instruments, fill: Fill) -> None:
    fill("run", {"sub/" + name: "half"})

    (acquisition,) = scan_instrument(instrument(ignore=["*.part"]))

    assert acquisition.files == ()
    assert acquisition.in_transfer == (f"sub/{name}",)


def test_a_folder_with_a_temporary_name_is_no_acquisition_yet(instrument: Instruments, fill: Fill) -> None:
    fill("run.part", {"a.tif": "voxels"})
    fill(".run", {"a.tif": "voxels"})

    assert scan_instrument(instrument()) == ()


def test_the_pattern_chooses_folders_and_their_depth(instrument: Instruments, fill: Fill) -> None:
    fill("alice/run1", {"a.tif": "1"})
    fill("bob/run2", {"a.tif": "1"})
    fill("bob/trash", {"a.tif": "1"})

    found = scan_instrument(instrument(acquisitions="*/run*"))

    assert [acquisition.name for acquisition in found] == ["alice/run1", "bob/run2"]


def test_scanning_opens_no_image_and_changes_nothing(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "voxels"})
    (folder / "a.tif").chmod(0)
    before = (folder / "a.tif").stat()
    folder.chmod(0o555)

    (acquisition,) = scan_instrument(instrument())

    folder.chmod(0o755)
    after = (folder / "a.tif").stat()
    assert len(acquisition.files) == 1
    assert (before.st_atime_ns, before.st_mtime_ns) == (after.st_atime_ns, after.st_mtime_ns)


def test_the_signature_notices_every_change_and_nothing_else(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "voxels", "b.tif": "voxels"})

    def signature() -> str:
        return scan_acquisition(instrument(), folder).signature

    first = signature()
    assert signature() == first

    (folder / "x.part").write_text("in transfer")
    assert signature() == first

    os.utime(folder / "a.tif", ns=(5, 5))
    touched = signature()
    (folder / "a.tif").write_text("more voxels")
    os.utime(folder / "a.tif", ns=(5, 5))
    grown = signature()
    (folder / "b.tif").rename(folder / "c.tif")
    renamed = signature()
    (folder / "c.tif").unlink()
    removed = signature()

    assert len({first, touched, grown, renamed, removed}) == 5


def test_the_signature_does_not_depend_on_the_order_of_a_listing(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "1", "b.tif": "22"})
    files = scan_acquisition(instrument(), folder).files

    assert signature_of(files) == signature_of(reversed(files))


def test_a_missing_watch_folder_says_what_to_do(instrument: Instruments) -> None:
    with pytest.raises(
        WatchFolderError, match=r"instrument 'lightsheet': the watch folder .*/nowhere .* correct 'watch'"
    ):
        scan_instrument(instrument(watch="nowhere"))


def test_an_acquisition_may_lie_anywhere(instrument: Instruments, tmp_path: Path, fill: Fill) -> None:
    elsewhere = tmp_path / "elsewhere" / "run7"
    elsewhere.mkdir(parents=True)

    assert scan_acquisition(instrument(), elsewhere).name == "run7"
    assert scan_acquisition(instrument(), fill("alice/run1", {"a.tif": "1"})).name == "alice/run1"
    with pytest.raises(WatchFolderError, match="Name a folder that exists"):
        scan_acquisition(instrument(), tmp_path / "nowhere")


def test_links_to_folders_are_not_followed_and_links_to_nothing_do_not_count(
    instrument: Instruments, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill("run", {"a.tif": "1"})
    (folder / "circle").symlink_to(folder)
    (folder / "gone.tif").symlink_to(folder / "nothing")
    (folder / "linked.tif").symlink_to(folder / "a.tif")
    monkeypatch.chdir(folder)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door")

    assert [file.relative_path for file in scan_acquisition(instrument(), folder).files] == ["a.tif", "linked.tif"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_what_can_not_be_listed_is_told_instead_of_ending_the_scan(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "1", "locked/b.tif": "1"})
    fill("run2", {"a.tif": "1"})
    (folder / "locked").chmod(0)

    first, second = scan_instrument(instrument())

    (folder / "locked").chmod(0o755)
    assert "locked/ can not be listed" in first.unreadable[0]
    assert second.unreadable == ()


def test_a_name_that_is_no_text_is_told(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "1"})
    with open(os.fsencode(folder) + b"/\xff.tif", "wb"):  # noqa: PTH123  # pathlib knows no names of bytes
        pass

    acquisition = scan_acquisition(instrument(), folder)

    assert [file.relative_path for file in acquisition.files] == ["a.tif"]
    assert "rename it" in acquisition.unreadable[0]


def test_only_rules_that_need_a_text_get_one(instrument: Instruments, fill: Fill) -> None:
    folder = fill("run", {"a.tif": "1", "log_2.txt": "second\n", "log_10.txt": "tenth\n"})

    assert scan_acquisition(instrument(), folder).rule_text is None
    log = instrument(finished={"rule": "log", "file": "log_*.txt", "end": "END"})
    assert scan_acquisition(log, folder).rule_text == "second\n\ntenth\n"
    manifest = instrument(finished={"rule": "manifest", "file": "none.yml"})
    assert scan_acquisition(manifest, folder).rule_text is None
