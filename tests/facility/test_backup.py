"""A backup is whole or it is not there; what comes back is what was kept, and nothing else is written over."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.facility_home import fill_inbox, make_home
from tests.operations.crash_lab import digest
from wk_assets.cli.dagster_home import prepare_dagster_home
from wk_assets.errors import InputError
from wk_assets.facility.backup import CONTENTS, read_backup, restore_backup, write_backup
from wk_assets.facility.configuration import Configuration, load_configuration


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """A home with a dataset's entry and with the history of one materialization."""
    home = tmp_path / "home"
    home.mkdir()
    make_home(home)
    fill_inbox(home, "brain-7")
    configuration = load_configuration(home)
    configuration.catalogue_folder.mkdir()
    (configuration.catalogue_folder / "brain-7.json").write_text('{"dataset": "brain-7"}\n')

    @dg.asset
    def made() -> None:
        return None

    with dg.DagsterInstance.from_config(str(prepare_dagster_home(configuration))) as instance:
        assert dg.materialize([made], instance=instance).success
    return configuration


def history_of(home: Path) -> tuple[int, bool]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("made"))
        return instance.get_runs_count(), event is not None


def test_what_was_kept_comes_back_with_the_history(configuration: Configuration, tmp_path: Path) -> None:
    written = write_backup(configuration, tmp_path / "backups")

    restore_backup(read_backup(written.path), tmp_path / "again")

    assert history_of(tmp_path / "again") == history_of(configuration.home) == (1, True)
    assert load_configuration(tmp_path / "again").home == tmp_path / "again"
    entry = "catalogue/brain-7.json"
    assert (tmp_path / "again" / entry).read_bytes() == (configuration.home / entry).read_bytes()
    assert not any("inbox" in name or name.startswith("datasets") for name in written.files)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [written.path.name]


def test_a_database_that_is_written_to_is_kept_as_it_was_between_two_transactions(
    configuration: Configuration, tmp_path: Path
) -> None:
    database = configuration.dagster_home / "busy.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE pairs (a INTEGER, b INTEGER)")
        connection.commit()
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            number = 0
            while not stop.is_set():
                with connection:
                    connection.execute("INSERT INTO pairs VALUES (?, 0)", (number,))
                    connection.execute("UPDATE pairs SET b = a WHERE a = ?", (number,))
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        written = write_backup(configuration, tmp_path / "backups")
    finally:
        stop.set()
        writer.join()

    with closing(sqlite3.connect(written.path / "dagster" / "busy.db")) as kept:
        rows = kept.execute("SELECT a, b FROM pairs ORDER BY a").fetchall()
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert all(a == b for a, b in rows)
    assert [a for a, _ in rows] == list(range(len(rows)))


@pytest.mark.parametrize("harm", ["changed", "missing", "contents", "outside"])
def test_a_damaged_backup_is_named_and_nothing_is_written(
    configuration: Configuration, tmp_path: Path, harm: str
) -> None:
    path = write_backup(configuration, tmp_path / "backups").path
    name = "catalogue/brain-7.json"
    if harm == "changed":
        (path / name).write_text('{"dataset": "brain-8"}\n')
    elif harm == "missing":
        (path / name).unlink()
    elif harm == "contents":
        (path / CONTENTS).write_text("{")
    else:
        name = "../escaped"
        contents = json.loads((path / CONTENTS).read_text())
        contents["files"][name] = [0, ""]
        (path / CONTENTS).write_text(json.dumps(contents))

    with pytest.raises(InputError, match="damaged") as refused:
        restore_backup(read_backup(path), tmp_path / "again")

    assert (CONTENTS if harm == "contents" else name) in str(refused.value)
    assert not (tmp_path / "again").exists()


def test_a_home_is_never_written_over(configuration: Configuration, tmp_path: Path) -> None:
    written = write_backup(configuration, tmp_path / "backups")
    before = digest(configuration.home)

    with pytest.raises(InputError, match="not empty"):
        restore_backup(written, configuration.home)

    assert digest(configuration.home) == before


def test_a_folder_that_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"holds no {CONTENTS}"):
        read_backup(tmp_path)
