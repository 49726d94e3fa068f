"""Brings a database to this version's schema: checked first, backed up before, in one transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, inspect, text

from sync_service.catalogue.engine import shown_name, sqlite_file
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
    """An online copy of a live SQLite database, which it does not touch; `target` appears only when it is whole."""
    temporary = target.with_name(target.name + ".tmp")
    try:
        with closing(connect_readonly(source)) as old, closing(sqlite3.connect(temporary)) as new:
            old.backup(new)
        with point("backup renamed"):
            temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with point("schema committed"), engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, HEAD)
