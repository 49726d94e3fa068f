"""A driver's errors in our words: by PostgreSQL's codes, by SQLite's texts, wrapped by SQLAlchemy or bare."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from sync_service.catalogue.engine import location, shown_name, sqlite_file
from sync_service.catalogue.problems import as_sync_error, translated
from sync_service.catalogue.stored import BrokenValue, stored
from sync_service.models.errors import (
    CatalogueMissing,
    CatalogueUnusable,
    Denied,
    StorageDenied,
    StorageFull,
    Temporary,
    Throttled,
)
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import NOW


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError("database or disk is full"), StorageFull),
        (sqlite3.OperationalError("attempt to write a readonly database"), StorageDenied),
        (sqlite3.OperationalError("unable to open database file"), StorageDenied),
        (sqlite3.OperationalError("no such table: routes"), CatalogueMissing),
        (sqlite3.OperationalError("no such column: r.x"), CatalogueUnusable),
        (sqlite3.OperationalError("disk I/O error"), CatalogueUnusable),
        (sqlite3.DatabaseError("anything at all"), CatalogueUnusable),
        (sqlite3.DatabaseError("database disk image is malformed"), CatalogueUnusable),
        (sqlite3.OperationalError("database is locked"), Temporary),
        (sqlite3.IntegrityError("UNIQUE constraint failed: observed.id"), Temporary),
        (psycopg.errors.UndefinedTable('relation "meta" does not exist'), CatalogueMissing),
        (psycopg.errors.InvalidCatalogName("no such database"), CatalogueMissing),
        (psycopg.OperationalError('connection failed: FATAL:  database "x" does not exist'), CatalogueMissing),
        (psycopg.OperationalError('connection failed: FATAL:  role "x" does not exist'), Denied),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "x"'), Denied),
        (psycopg.errors.InvalidPassword("no"), Denied),
        (psycopg.errors.InsufficientPrivilege("no"), StorageDenied),
        (psycopg.errors.ReadOnlySqlTransaction("no"), StorageDenied),
        (psycopg.errors.DiskFull("could not extend file"), StorageFull),
        (psycopg.OperationalError("connection refused"), Temporary),
    ],
)
def test_each_error_has_its_meaning(error: Exception, kind: type[Exception]) -> None:
    """Bare, and in SQLAlchemy's wrapping."""
    for found in (as_sync_error(error, "sync.db"), as_sync_error(OperationalError("SELECT", {}, error), "sync.db")):
        assert type(found) is kind
        assert found.subject == "sync.db"
    with pytest.raises(kind), translated("sync.db"):
        raise OperationalError("SELECT", {}, error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), StorageFull),
        (PermissionError(13, "Permission denied"), StorageDenied),
        (BrokenValue("a value in it cannot be read: compl3te"), CatalogueUnusable),
        (b"\xff".decode, CatalogueUnusable),
        (ValueError("a fault of the program"), ValueError),
        (KeyError("a fault of the program"), KeyError),
        (Throttled("ours already"), Throttled),
        ("x\ud800".encode, UnicodeEncodeError),
        (RuntimeError("a fault of the program"), RuntimeError),
        (AttributeError("a fault of the program"), AttributeError),
    ],
)
def test_what_is_no_database_error_is_told_apart(error: object, kind: type[Exception]) -> None:
    """Files, unreadable values, our own errors, and mistakes of the program, which stay what they are and condemn no file."""
    with pytest.raises(kind), translated("sync.db"):
        if isinstance(error, Exception):
            raise error
        assert callable(error)
        error()


def test_a_mistake_inside_a_transaction_condemns_no_catalogue(tmp_path: Path) -> None:
    """A value that no catalogue could take is the caller's fault: it is told as such, and what was begun is taken back."""
    manager = DatabaseManager(tmp_path / "sync.db").open_writer(NOW)
    with pytest.raises(ValueError, match="not a number"), manager._session.transaction() as conn:
        conn.exec_driver_sql("UPDATE routes SET observed_files = 99")
        raise ValueError("not a number")
    assert manager.get_record_count() == 0
    manager.close()


def test_a_stored_value_is_read_or_named() -> None:
    """What can be made of a stored value is made; what cannot is named with the value."""
    assert stored(int, "7") == 7
    with pytest.raises(BrokenValue, match="few"):
        stored(int, "few")


def test_an_io_error_for_want_of_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite calls it so where its shared index cannot grow; by the error's name, else by how much room there is."""
    error = sqlite3.OperationalError("disk I/O error")
    name = str(tmp_path / "sync.db")
    assert isinstance(as_sync_error(error, name), CatalogueUnusable)
    assert isinstance(as_sync_error(error, str(tmp_path / "no folder" / "sync.db")), CatalogueUnusable)
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    assert isinstance(as_sync_error(error, name), StorageFull)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    assert isinstance(as_sync_error(sqlite3.OperationalError("disk I/O error"), name), StorageFull)


def test_a_location_is_a_path_or_a_url() -> None:
    """A bare PostgreSQL URL means the driver that we ship; a password is never shown."""
    assert sqlite_file(location("data/sync.db")) == Path("data/sync.db")
    assert sqlite_file(location("sqlite:////srv/sync.db")) == Path("/srv/sync.db")
    url = location("postgresql://me:hidden@host/db")
    assert url.drivername == "postgresql+psycopg"
    assert location("postgresql+psycopg://h/db").drivername == "postgresql+psycopg"
    assert sqlite_file(url) is None
    assert "hidden" not in shown_name(url)
    assert shown_name(location("data/sync.db")) == "data/sync.db"


def test_a_server_that_does_not_answer_is_temporary() -> None:
    """Exit 5, without the password."""
    target = "postgresql://me:hidden@127.0.0.1:1/db"
    for attempt in (lambda: DatabaseManager(target).open_writer(NOW), DatabaseManager(target).get_record_count):
        with pytest.raises(Temporary) as unreachable:
            attempt()
        assert "hidden" not in str(unreachable.value)
