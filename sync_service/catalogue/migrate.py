"""Brings a database to this version's schema: checked first, backed up before, in one transaction."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, inspect, text

from sync_service.catalogue.engine import shown_name, sqlite_file
from sync_service.catalogue.problems import damaged
from sync_service.catalogue.readonly import connect_readonly
from sync_service.catalogue.schema import HEAD, check_version
from sync_service.models.crashpoints import point

SCRIPTS = Path(__file__).parent / "migrations"


def schema_version(conn: Connection) -> str | None:
    """The schema's revision; None for a database without our tables."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: Engine, url: URL) -> None:
    """Upgrades to HEAD where needed. An interrupted migration leaves the old schema."""
    with engine.connect() as conn:
        version = schema_version(conn)
    check_version(version, shown_name(url))
    if version == HEAD:
        return
    if version is not None and (path := sqlite_file(url)) is not None:
        backup(path, path.with_name(f"{path.name}.before-{HEAD}"))
    _upgrade(engine)


def backup(source: Path, target: Path) -> None:
    """An online copy of a live SQLite database, which it does not touch; `target` appears only when it is whole and on disk.

    The copy is checked, and is one plain file: opening it makes no -wal beside it. Raises CatalogueUnusable where it is unsound.
    """
    temporary = target.with_name(target.name + ".tmp")
    try:
        with closing(connect_readonly(source)) as old, closing(sqlite3.connect(temporary)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
            require_sound(new, str(source))
        sync_file(temporary)
        with point("backup renamed"):
            temporary.replace(target)
        sync_folder(target.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_sound(connection: sqlite3.Connection, name: str) -> None:
    """Raises CatalogueUnusable where the database fails its whole integrity check."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(name, f"it fails its integrity check: {verdict}")


def sync_file(path: Path) -> None:
    """What was written to `path` is on disk afterwards."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """The names in `folder` are on disk afterwards; where folders cannot be synced, nothing is done."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with point("schema committed"), engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, HEAD)
