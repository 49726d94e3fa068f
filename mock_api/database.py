"""The server's own SQLite file: schema, one connection, transactions, and a lock so that a folder has one server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = 1
_SCHEMA = """
CREATE TABLE files (
    file_path TEXT PRIMARY KEY, internal_id TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    permissions TEXT, owner TEXT, "group" TEXT, file_type TEXT, metadata TEXT,
    saved_at TEXT NOT NULL, permissions_at TEXT NOT NULL
);
CREATE INDEX files_sha256 ON files (sha256);
CREATE TABLE events (position INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE reports (position INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
CREATE TABLE keys (
    position INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, request TEXT NOT NULL, answer TEXT NOT NULL
);
CREATE TABLE names (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class DataFolderUnusable(Exception):
    """The data folder cannot be this server's memory; the message says why."""


class Database:
    """The one writing connection. It is used from the event loop's thread alone, so calls never overlap."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        self.connection = sqlite3.connect(folder / "mock.sqlite", isolation_level=None, check_same_thread=False)
        try:
            self._prepare(folder)
        except BaseException:
            self.close()
            raise

    def _prepare(self, folder: Path) -> None:
        # NORMAL syncs at checkpoints only: a killed server loses nothing, and a permission read costs no fsync.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000"):
            self.connection.execute(f"PRAGMA {pragma}")
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self.connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise DataFolderUnusable(f"{folder}: made by another version of the mock API ({version}, here {_VERSION})")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block, or nothing. Inside another transaction it is part of that one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self.connection.close()
        self._lock.close()


def _locked(folder: Path) -> sqlite3.Connection:
    # A second database file, held exclusively for life, is a lock on every system, and the kernel frees it on a kill.
    lock = sqlite3.connect(folder / "lock.sqlite", isolation_level=None, timeout=0, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise DataFolderUnusable(f"{folder}: cannot be used, probably another mock API runs on it ({error})") from None
    return lock
