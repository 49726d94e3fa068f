"""Opens the database: one writing connection, read-only ones beside it, and its errors in our words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from sync_service.models.errors import (
    CatalogueMissing,
    CatalogueUnusable,
    StorageDenied,
    StorageFull,
    SyncError,
    Temporary,
)

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=60000",
    "PRAGMA cache_size=-32000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)


def location(target: str | Path) -> URL:
    """A database URL from a path or a URL; a bare `postgresql:` URL means the driver that we ship."""
    text = str(target)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    url = make_url(text)
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def sqlite_file(url: URL) -> Path | None:
    """The database file, or None where the database is a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def writer_engine(url: URL) -> Engine:
    """An engine with one connection, for the one writer; every transaction takes the write lock when it begins."""
    if sqlite_file(url) is None:
        return create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    _begin_immediate(engine, _WRITER_PRAGMAS)
    return engine


def reader_engine(url: URL) -> Engine:
    """An engine that cannot write. Raises CatalogueMissing where there is no database file."""
    path = sqlite_file(url)
    if path is None:
        return create_engine(url, pool_size=2, execution_options={"postgresql_readonly": True})
    if not path.exists():
        raise CatalogueMissing("there is no catalogue", subject=str(path))
    return create_engine(
        "sqlite://",
        poolclass=StaticPool,
        creator=lambda: _connect_readonly(path),
    )


def _connect_readonly(path: Path) -> sqlite3.Connection:
    """A read-only connection; where not even the WAL's index can be made (read-only folder, no writer), the file as it is."""
    address = "file:" + quote(str(path.absolute()))
    folder_closed = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-shm").exists()
    options = "?mode=ro&immutable=1" if folder_closed else "?mode=ro"
    connection = sqlite3.connect(address + options, uri=True, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _begin_immediate(engine: Engine, pragmas: tuple[str, ...]) -> None:
    """A deferred BEGIN that later writes fails at once when a reader upgrades; taking the lock first waits instead."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Runs a block whose database errors leave as SyncErrors that name the file and say what to do."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise as_sync_error(error, url) from error


def as_sync_error(error: Exception, url: URL) -> SyncError:
    """The SyncError that a driver's error stands for."""
    name = url.render_as_string(hide_password=True) if sqlite_file(url) is None else str(sqlite_file(url))
    original = getattr(error, "orig", None) or error
    text = str(original)
    for words, make in _MEANINGS:
        if any(word in text for word in words):
            return make(name, text)
    if isinstance(original, sqlite3.DatabaseError) and not isinstance(
        original, sqlite3.OperationalError | sqlite3.IntegrityError
    ):
        return _damaged(name, text)
    return Temporary(f"the catalogue did not answer: {text}", subject=name)


def _full(name: str, text: str) -> SyncError:
    return StorageFull(
        f"no space left for the catalogue ({text})",
        subject=name,
        hint="Nothing was lost: free some space, the next run goes on",
    )


def _denied(name: str, text: str) -> SyncError:
    return StorageDenied(
        f"the catalogue cannot be written ({text})",
        subject=name,
        hint="Make its folder writable for this user, or point DATABASE_PATH elsewhere",
    )


def _damaged(name: str, text: str) -> SyncError:
    return CatalogueUnusable(
        f"the catalogue is damaged ({text})",
        subject=name,
        hint="The file was left as it is. Move it aside (with its -wal and -shm) and put a backup in its place, or run "
        "initial-sync to build a new one from the bucket",
    )


def _missing(name: str, _text: str) -> SyncError:
    return CatalogueMissing("the catalogue has no tables yet", subject=name)


_MEANINGS = (
    (("disk is full", "No space left"), _full),
    (("readonly", "read-only", "unable to open database file", "Permission denied"), _denied),
    (("malformed", "not a database", "disk I/O error", "file is encrypted"), _damaged),
    (("no such table", "UndefinedTable", "does not exist"), _missing),
)
