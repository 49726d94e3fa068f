"""Reads a catalogue file without the database toolkit, whose import takes longer than the answers of `status`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sync_service.catalogue import figures
from sync_service.catalogue.commit_count import CommitCount
from sync_service.catalogue.lock import Holder, WriterLock
from sync_service.catalogue.problems import damaged, translated
from sync_service.catalogue.schema import check_version
from sync_service.models.changes import FailureRecord, RunRecord, Totals
from sync_service.models.errors import CatalogueMissing, StorageDenied

_MAGIC = b"SQLite format 3\0"


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. In a read-only folder without a writer, where not even the WAL's index can be made, it
    takes the file as it is. Where a death while the file was made has left a journal, SQLite takes back what was begun, for
    which it has to write. Raises CatalogueMissing where there is none.
    """
    if not path.exists():
        raise missing(path)
    refuse_foreign(path)
    address = "file:" + quote(str(path.absolute()))
    folder_closed = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-shm").exists()
    cut_off = path.with_name(path.name + "-journal").exists()
    options = "?mode=ro&immutable=1" if folder_closed else "?mode=rw" if cut_off else "?mode=ro"
    connection = sqlite3.connect(address + options, uri=True, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA query_only=ON")
    return connection


def missing(path: Path) -> CatalogueMissing:
    """There is no file: never, or no longer, which its count of commits still tells."""
    if not CommitCount(path).any_before():
        return CatalogueMissing("there is no catalogue", subject=str(path))
    then = "restore FILE, or rebuild, sends only what differs; initial-sync begins anew and sends everything"
    return CatalogueMissing("the catalogue that was here is gone", subject=str(path), hint=then)


def refuse_foreign(path: Path) -> None:
    """Raises StorageDenied for a folder, CatalogueUnusable for a file that SQLite would quietly begin anew.

    Those are one too short for a header, and an empty one that was not always so: its WAL or its count of commits says it.
    """
    if path.is_dir():
        raise StorageDenied("it is a folder", subject=str(path), hint="Let DATABASE_PATH name a file")
    if not path.is_file():
        return
    with path.open("rb") as file:
        beginning = file.read(len(_MAGIC))
    if beginning and beginning != _MAGIC:
        raise damaged(str(path), "the file is not a database")
    wal = path.with_name(path.name + "-wal")
    if not beginning and wal.exists() and wal.stat().st_size > 0:
        raise damaged(str(path), "the file is empty, and its -wal is not")
    if not beginning and CommitCount(path).any_before():
        raise damaged(str(path), "it was emptied")


def schema_of(connection: sqlite3.Connection, name: str) -> str | None:
    """The schema's revision, None for a database without tables. Raises CatalogueUnusable for what is not ours."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise damaged(name, "its tables are not those of a catalogue")
    found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if len(found) != 1:
        raise damaged(name, "it does not say which schema it has")
    check_version(str(found[0][0]), name)
    return str(found[0][0])


class RouteView:
    """One route's figures, for `status`; the names are DatabaseManager's."""

    def __init__(self, ask: figures.Ask, lock: WriterLock, route_id: int, route: str) -> None:
        self._ask = ask
        self._lock = lock
        self._route_id = route_id
        self.route = route

    def totals(self) -> Totals:
        return figures.totals(self._ask, self._route_id)

    def runs(self, limit: int = 20) -> list[RunRecord]:
        return figures.runs(self._ask, self._route_id, limit)

    def list_failures(self, limit: int = 100) -> list[FailureRecord]:
        return figures.failing(self._ask, self._route_id, limit)

    def last_success(self) -> str | None:
        return figures.last_success(self._ask, self._route_id)

    def next_run(self) -> str | None:
        return figures.next_run(self._ask, self._route_id)

    def holder(self) -> Holder | None:
        return self._lock.holder()


@contextmanager
def route_views(path: Path) -> Iterator[list[RouteView]]:
    """Every route's figures as they are at one moment, beside any writer. Raises the errors of DatabaseManager."""
    with translated(str(path)):
        commits = CommitCount(path)
        commits.read()
        connection = connect_readonly(path)
        try:
            connection.execute("BEGIN")
            if schema_of(connection, str(path)) is None:
                raise CatalogueMissing("the catalogue has no tables yet", subject=str(path))
            commits.check(dict(connection.execute("SELECT name, value FROM meta").fetchall()))

            def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
                return connection.execute(sql, values).fetchall()

            lock = WriterLock(path)
            yield [RouteView(ask, lock, route_id, name) for route_id, name in figures.routes(ask)]
        finally:
            connection.close()
