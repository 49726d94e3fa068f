"""Opens the database: one writing connection, and read-only ones beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import StaticPool

from sync_service.catalogue.readonly import connect_readonly, missing

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


def shown_name(url: URL) -> str:
    """The catalogue as errors name it: its file, or its address without password and options, which may hold one."""
    return str(sqlite_file(url) or url.set(query={}).render_as_string(hide_password=True))


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
        raise missing(path)
    return create_engine("sqlite://", poolclass=StaticPool, creator=lambda: connect_readonly(path))


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
