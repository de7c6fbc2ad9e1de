"""What the stand-in remembers: one SQLite file, many readers, one writer at a time.

Objects are JSON documents in tables with the columns by which they are looked up. A request runs in one transaction: it
happens as a whole or not at all, and two requests that change something never overlap.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, email TEXT UNIQUE, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, user_id TEXT, dataset_id TEXT, expires INTEGER);
CREATE TABLE IF NOT EXISTS teams (id TEXT PRIMARY KEY, name TEXT UNIQUE, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS folders (id TEXT PRIMARY KEY, parent TEXT, name TEXT, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS datasets (id TEXT PRIMARY KEY, name TEXT, directory TEXT, folder TEXT, deleted INTEGER DEFAULT 0,
    doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS datasets_by_name ON datasets (name);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, domain TEXT NOT NULL, created INTEGER, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pieces (upload_id TEXT, path TEXT, number INTEGER, PRIMARY KEY (upload_id, path, number));
CREATE TABLE IF NOT EXISTS upload_files (upload_id TEXT, path TEXT, pieces INTEGER, PRIMARY KEY (upload_id, path));
CREATE TABLE IF NOT EXISTS projects (id TEXT PRIMARY KEY, name TEXT UNIQUE, team TEXT, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task_types (id TEXT PRIMARY KEY, summary TEXT UNIQUE, team TEXT, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, project TEXT, task_type TEXT,
    dataset TEXT, instances INTEGER NOT NULL CHECK (instances >= 0), doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS tasks_by_project ON tasks (project);
CREATE TABLE IF NOT EXISTS annotations (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, typ TEXT, state TEXT,
    task TEXT, owner TEXT, dataset TEXT, modified INTEGER, version INTEGER, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS annotations_by_task ON annotations (task, state);
CREATE INDEX IF NOT EXISTS annotations_by_owner ON annotations (owner, typ, state);
CREATE TABLE IF NOT EXISTS contents (annotation TEXT, version INTEGER, name TEXT, body BLOB,
    PRIMARY KEY (annotation, version));
CREATE TABLE IF NOT EXISTS spans (annotation TEXT, owner TEXT, start INTEGER, millis INTEGER);
CREATE INDEX IF NOT EXISTS spans_by_annotation ON spans (annotation);
CREATE TABLE IF NOT EXISTS short_links (key TEXT PRIMARY KEY, link TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT, path TEXT, route TEXT,
    version INTEGER, status INTEGER);
CREATE TABLE IF NOT EXISTS faults (seq INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT NOT NULL);
"""
Row = dict[str, Any]


class Database:
    """Hold the connections: one per thread for looking, and the lock that orders those who change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        self._all: list[sqlite3.Connection] = []
        with self.writing() as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose changes all happen at the end, or, after an error, not at all. Reentrant."""
        with self._writing:
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                _end(connection, "ROLLBACK")
                raise
            _end(connection, "COMMIT")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return what a query finds, with `doc` as an object."""
        return [_row(row) for row in self._connection().execute(query, values)]

    def row(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first of what a query finds."""
        found = self._connection().execute(query, values).fetchone()
        return None if found is None else _row(found)

    def count(self, query: str, values: Sequence[Any] = ()) -> int:
        """Return the one number that a query finds; nothing counts as 0."""
        found = self._connection().execute(query, values).fetchone()
        return int(found[0] or 0) if found is not None else 0

    def change(self, query: str, values: Sequence[Any] = ()) -> int:
        """Run one statement that changes something; returns how many rows it changed."""
        with self.writing() as connection:
            return connection.execute(query, values).rowcount

    def setting(self, name: str, otherwise: str = "") -> str:
        """Return a remembered setting."""
        found = self.row("SELECT value FROM settings WHERE name = ?", (name,))
        return otherwise if found is None else str(found["value"])

    def set(self, name: str, value: str) -> None:
        """Remember a setting."""
        self.change("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close all connections."""
        with self._writing:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
            self._all.append(connection)
        return connection


def _end(connection: sqlite3.Connection, how: str) -> None:
    if connection.in_transaction:  # a script of several statements has ended it already
        connection.execute(how)


def _row(row: sqlite3.Row) -> Row:
    found = dict(row)
    if "doc" in found:
        found["doc"] = json.loads(found["doc"])
    return found


def document(value: object) -> str:
    """Return an object as it is stored."""
    return json.dumps(value, separators=(",", ":"))
