"""Keep what a home knows: configuration, catalogue, publications, and Dagster's history.

What lies under the storage root is not part of it: datasets are copied with `copy-dataset` or `push`, or made again from the raw
data; annotations that came home (`<storage root>/.campaigns`) are copied as files, or brought home again from the server.

A backup is one folder,
written beside its name and renamed when it is whole; `contents.json` in it names every file with its length and SHA-256, and
a restore looks at all of them before it writes anything. SQLite databases are taken through SQLite's own backup (a copied
file of a database that is written to is none); a Postgres database through pg_dump in its custom format.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wk_assets.errors import InputError, StorageError
from wk_assets.facility.configuration import FILE_NAME, Configuration
from wk_assets.storage.durable import (
    make_directory,
    move_into_place,
    remove_tree,
    storage_refusals,
    sync_directory,
    sync_file,
)
from wk_assets.version import __version__

CONTENTS = "contents.json"
DUMP = "dagster.dump"
_FORMAT = 1
_SQLITE_HEADER = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, section 1.3
_LEFT_OUT = (".lock", ".lock.note", "-wal", "-shm", "-journal", ".partial")
_COMPUTE_LOGS = "storage"
_PASSWORD = "WK_ASSETS_POSTGRES_PASSWORD"  # noqa: S105 - a variable's name
# What PostgreSQL's programs read, and where it comes from: https://www.postgresql.org/docs/current/libpq-envars.html
_POSTGRES = {
    "PGHOST": "WK_ASSETS_POSTGRES_HOST",
    "PGPORT": "WK_ASSETS_POSTGRES_PORT",
    "PGDATABASE": "WK_ASSETS_POSTGRES_DATABASE",
    "PGUSER": "WK_ASSETS_POSTGRES_USER",
    "PGPASSWORD": _PASSWORD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """Describe a backup: its folder, what it holds, and the version of wk-assets that wrote it."""

    path: Path
    files: Mapping[str, tuple[int, str]]
    version: str
    with_postgres: bool

    @property
    def size_bytes(self) -> int:
        """Add up the lengths of the files."""
        return sum(length for length, _ in self.files.values())


def write_backup(configuration: Configuration, folder: Path, environment: Mapping[str, str] = os.environ) -> Backup:
    """Write a backup of the home into a new folder inside `folder`, named after the moment (UTC).

    Everything may go on running. Raises StorageError, InputError if Dagster's state lies in Postgres and pg_dump fails.
    """
    name = f"wk-assets-{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}"
    target, staged = folder / name, folder / f"{name}.partial"
    if target.exists():
        raise InputError(f"there is a backup {target} already; wait a second, or choose another folder")
    remove_tree(staged)
    make_directory(staged)
    for path, relative in _files_of(configuration):
        _take(path, staged / relative)
    with_postgres = _in_postgres(configuration)
    if with_postgres:
        _postgres(["pg_dump", "--format=custom", "--file", str(staged / DUMP)], environment)
        sync_file(staged / DUMP)
    files = {
        path.relative_to(staged).as_posix(): (path.stat().st_size, _digest(path))
        for path in sorted(staged.rglob("*"))
        if path.is_file()
    }
    contents = {"format": _FORMAT, "version": __version__, "postgres": with_postgres, "files": files}
    with storage_refusals(staged):
        (staged / CONTENTS).write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sync_file(staged / CONTENTS)
    for directory in (*(path for path in staged.rglob("*") if path.is_dir()), staged):
        sync_directory(directory)
    move_into_place(staged, target)
    return read_backup(target)


def read_backup(path: Path) -> Backup:
    """Read and verify a backup: every file is there and is what it was. Raises InputError with all that is not."""
    try:
        contents = json.loads((path / CONTENTS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is no backup: it holds no {CONTENTS}; name the folder that `backup` printed"
        ) from error
    except ValueError as error:
        raise InputError(f"{path / CONTENTS} is damaged: {error}; take another backup") from error
    if contents.get("format") != _FORMAT:
        raise InputError(f"{path} has format {contents.get('format')!r}; this wk-assets reads {_FORMAT}")
    files = {name: (int(length), str(digest)) for name, (length, digest) in contents["files"].items()}
    wrong = [finding for name in sorted(files) if (finding := _finding(path, name, files[name])) is not None]
    if wrong:
        raise InputError(f"the backup {path} is damaged: {'; '.join(wrong)}. Take another one")
    return Backup(path=path, files=files, version=contents["version"], with_postgres=bool(contents["postgres"]))


def restore_backup(backup: Backup, home: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Bring a verified backup back as `home`, which must not exist or be empty.

    The home has its name when it is whole; a Postgres database is restored before, in one transaction, and what its tables
    held is replaced. Raises InputError, StorageError.
    """
    if home.exists() and any(home.iterdir()):
        raise InputError(
            f"{home} is not empty; move it away first (a home is never overwritten), or restore to another folder"
        )
    staged = home.with_name(f"{home.name}.partial")
    remove_tree(staged)
    for name in backup.files:
        if name == DUMP:
            continue
        make_directory((staged / name).parent)
        with storage_refusals(staged / name):
            shutil.copyfile(backup.path / name, staged / name)
        sync_file(staged / name)
    if backup.with_postgres:
        options = ("--clean", "--if-exists", "--no-owner", "--exit-on-error", "--single-transaction")
        database = environment.get(_POSTGRES["PGDATABASE"], "")
        _postgres(["pg_restore", *options, "--dbname", database, str(backup.path / DUMP)], environment)
    if home.exists():
        home.rmdir()
    move_into_place(staged, home)


# ---------------------------------------------------------------------- what belongs to it


def _files_of(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    home = configuration.home
    yield home / FILE_NAME, FILE_NAME
    folders = (configuration.catalogue_folder, configuration.publications_folder, configuration.dagster_home)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(home).as_posix()
            logs = path.is_relative_to(configuration.dagster_home / _COMPUTE_LOGS)
            if path.is_file() and not logs and not path.name.endswith(_LEFT_OUT):
                yield path, relative


def _in_postgres(configuration: Configuration) -> bool:
    import yaml

    settings = configuration.dagster_home / "dagster.yaml"
    read = yaml.safe_load(settings.read_text(encoding="utf-8")) if settings.is_file() else None
    return "postgres" in ((read or {}).get("storage") or {})


def _take(source: Path, target: Path) -> None:
    make_directory(target.parent)
    with storage_refusals(target):
        with source.open("rb") as stream:
            is_database = stream.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
        if is_database:
            with (
                closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as held,
                closing(sqlite3.connect(target)) as copy,
            ):
                held.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        else:
            shutil.copyfile(source, target)
    sync_file(target)


def _finding(path: Path, name: str, expected: tuple[int, str]) -> str | None:
    file = path / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        return f"{name} lies outside of it"
    if not file.is_file():
        return f"{name} is missing"
    if (file.stat().st_size, _digest(file)) != expected:
        return f"{name} has changed"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _postgres(command: list[str], environment: Mapping[str, str]) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, where no list of processes shows it."""
    given = {name: environment[source] for name, source in _POSTGRES.items() if environment.get(source)}
    kept = {name: value for name, value in environment.items() if name in {"PATH", "HOME", "LANG"}}
    try:
        done = subprocess.run(  # noqa: S603 - a program and options named above
            command, env={**kept, **given}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise StorageError(
            f"{command[0]} is not installed, and Dagster's state lies in Postgres; install its client (Debian: "
            "apt-get install postgresql-client)"
        ) from error
    if done.returncode:
        raise InputError(f"{command[0]} failed: {done.stderr.strip()[-1000:]}")
