"""A database's errors in our words, without importing any driver: what happened, which file, what to do."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sync_service.catalogue.stored import BrokenValue
from sync_service.models.errors import (
    CatalogueMissing,
    CatalogueUnusable,
    Denied,
    StorageDenied,
    StorageFailed,
    StorageFull,
    SyncError,
    Temporary,
)

DAMAGED_HINT = (
    "The file was left as it is. With a backup: restore FILE. Without one: rebuild, which makes a new catalogue from bucket and "
    "file manager and sends only what is not right there"
)

_LITTLE = 1024 * 1024


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Runs a block whose database errors leave as SyncErrors that name the catalogue `name` and say what to do.

    A stored value that cannot be what it stands for (BrokenValue) is damage, too, and so is a text that the driver cannot
    decode. Every other error is a mistake of the program, in the block or in what it was given, and stays what it is: no
    catalogue is condemned for it.
    """
    try:
        yield
    except SyncError:
        raise
    except sqlite3.Error as error:
        raise as_sync_error(error, name) from error
    except OSError as error:
        raise _BY_NUMBER.get(error.errno or 0, _denied)(name, error.strerror or str(error)) from error
    except (BrokenValue, UnicodeDecodeError) as error:
        raise damaged(name, str(error)) from error
    except Exception as error:
        if getattr(error, "orig", None) is None:
            raise
        raise as_sync_error(error, name) from error


def as_sync_error(error: Exception, name: str) -> SyncError:
    """The SyncError that a driver's error stands for, whether or not SQLAlchemy has wrapped it."""
    original: Exception = getattr(error, "orig", None) or error
    text = str(original).strip()
    if (make := _BY_STATE.get(str(getattr(original, "sqlstate", "") or "")[:5])) is not None:
        return make(name, text)
    if "disk I/O error" in text and _no_room(original, name):
        return _full(name, text)
    for words, make in _BY_WORDS:
        if any(word in text for word in words):
            return make(name, text)
    if isinstance(original, sqlite3.DatabaseError) and type(original) is sqlite3.DatabaseError:
        return damaged(name, text)
    return Temporary(f"the catalogue did not answer: {text}", subject=name)


def _no_room(error: Exception, name: str) -> bool:
    """Whether an I/O error is a full disk in disguise: SQLite says so where its shared index cannot grow."""
    if str(getattr(error, "sqlite_errorname", "")) in ("SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP"):
        return True
    try:
        return shutil.disk_usage(Path(name).parent).free < _LITTLE
    except OSError:
        return False


def damaged(name: str, text: str) -> CatalogueUnusable:
    """The error for a catalogue that cannot be trusted."""
    return CatalogueUnusable(f"the catalogue is damaged ({text})", subject=name, hint=DAMAGED_HINT)


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


def _failed(name: str, text: str) -> SyncError:
    return StorageFailed(
        f"the disk failed ({text})", subject=name, hint="What was committed is kept; look at the disk and its logs"
    )


def _no_login(name: str, text: str) -> SyncError:
    return Denied(f"the database refuses us ({text})", subject=name, hint="Set the user and password in DATABASE_URL")


def _no_tables(name: str, _text: str) -> SyncError:
    return CatalogueMissing("the catalogue has no tables yet", subject=name)


def _no_database(name: str, _text: str) -> SyncError:
    return CatalogueMissing("the server has no such database", subject=name, hint="Create it, or change DATABASE_URL")


_Make = Callable[[str, str], SyncError]

_BY_NUMBER: dict[int, _Make] = {errno.ENOSPC: _full, errno.EDQUOT: _full, errno.EIO: _failed}

_BY_STATE: dict[str, _Make] = {
    "42P01": _no_tables,
    "3D000": _no_database,
    "28000": _no_login,
    "28P01": _no_login,
    "42501": _denied,
    "25006": _denied,
    "53100": _full,
}
"""PostgreSQL's five characters for what went wrong."""

_BY_WORDS: tuple[tuple[tuple[str, ...], _Make], ...] = (
    (("disk is full", "No space left"), _full),
    (("readonly", "read-only", "unable to open database file", "Permission denied"), _denied),
    (("authentication failed", "no password supplied", 'FATAL:  role "'), _no_login),
    (('FATAL:  database "',), _no_database),
    (
        (
            "malformed", "not a database", "disk I/O error", "file is encrypted", "unsupported file format",
            "Could not decode to UTF-8", "no such column", "has no column named", "already exists", "syntax error",
            "unrecognized token", "no such collation",
        ),
        damaged,
    ),
    (("no such table",), _no_tables),
)  # fmt: skip
