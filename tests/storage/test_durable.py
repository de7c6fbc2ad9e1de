"""Atomic replacement, and what the operating system's refusals become."""

import errno
import os
from pathlib import Path

import pytest

from wk_assets.errors import DiskFullError, StorageError, TargetNotWritableError
from wk_assets.storage.durable import remove_partials, storage_refusals, sync_names, write_atomically
from wk_assets.storage.journal import Journal


def test_writing_the_same_bytes_again_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    assert write_atomically(path, b"one")
    before = path.stat().st_mtime_ns
    assert not write_atomically(path, b"one")
    assert path.stat().st_mtime_ns == before
    assert write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".file.json.123.partial").write_bytes(b"half")
    (tmp_path / ".other.json.123.partial").write_bytes(b"half")
    remove_partials(tmp_path, "file.json")
    assert [entry.name for entry in tmp_path.iterdir()] == [".other.json.123.partial"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EROFS, TargetNotWritableError),
        (errno.EACCES, TargetNotWritableError),
        (errno.EIO, StorageError),
    ],
)
def test_a_refusal_names_the_place_and_the_remedy(tmp_path: Path, number: int, expected: type[Exception]) -> None:
    with pytest.raises(expected, match=str(tmp_path)), storage_refusals(tmp_path, 10):
        raise OSError(number, os.strerror(number))


def test_a_torn_last_line_of_a_journal_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(3):
        journal.append({"number": number})
    data = (tmp_path / "journal.jsonl").read_bytes()
    for cut in range(len(data)):
        (tmp_path / "journal.jsonl").write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        assert journal.records() == [{"number": number} for number in range(whole)]
        journal.append({"number": "next"})
        assert journal.records()[whole] == {"number": "next"}


def test_the_parts_of_a_record_count_only_with_its_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"number": 0})
    journal.append({"number": 2}, parts=[{"number": 0.5}, {"number": 1}])
    data = (tmp_path / "journal.jsonl").read_bytes()
    for cut in range(len(data)):
        (tmp_path / "journal.jsonl").write_bytes(data[:cut])
        whole = 1 if data[:cut].count(b"\n") else 0
        assert [record["number"] for record in journal.replay()] == [0] * whole
        journal.append({"number": "next"}, parts=[{"number": "first"}])
        assert [record["number"] for record in journal.replay()][whole:] == ["first", "next"]
    (tmp_path / "journal.jsonl").write_bytes(data)
    assert [record["number"] for record in journal.replay()] == [0, 0.5, 1, 2]


def test_a_line_of_a_journal_with_zeros_in_it_is_forgotten(tmp_path: Path) -> None:
    """A power cut may keep the end of a line, and its length, but not its beginning."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"number": 0})
    first = (tmp_path / "journal.jsonl").read_bytes()
    journal.append({"number": 1})
    line = (tmp_path / "journal.jsonl").read_bytes()[len(first) :]
    (tmp_path / "journal.jsonl").write_bytes(first + bytes(5) + line[5:])

    assert journal.records() == [{"number": 0}]
    journal.append({"number": 2})
    assert journal.records() == [{"number": 0}, {"number": 2}]


def test_all_names_that_lead_to_a_directory_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "root" / "a" / "b"
    inner.mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr("wk_assets.storage.durable.sync_directory", synced.append)

    sync_names(inner, tmp_path / "root")

    assert synced == [tmp_path / "root" / "a", tmp_path / "root", tmp_path]
