"""Brings a database to this version's schema: checked first, backed up before, in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, inspect, text

from sync_service.catalogue.engine import sqlite_file
from sync_service.models.errors import CatalogueUnusable

HEAD = "0001"
_KNOWN = ("0001",)


def schema_version(conn: Connection) -> str | None:
    """The schema's revision; None for a database without our tables."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check_version(version: str | None, name: str) -> None:
    """Raises CatalogueUnusable for a schema that this version does not know."""
    if version is not None and version not in _KNOWN:
        raise CatalogueUnusable(
            f"the catalogue has schema {version}, newer than this version knows ({HEAD})",
            subject=name,
            hint="Run the newer version of the service; the file was left as it is",
        )


def migrate(engine: Engine, url: URL) -> None:
    """Upgrades to HEAD where needed. An interrupted migration leaves the old schema."""
    with engine.connect() as conn:
        version = schema_version(conn)
    check_version(version, str(sqlite_file(url) or url.render_as_string()))
    if version == HEAD:
        return
    if version is not None and (path := sqlite_file(url)) is not None:
        backup(path, path.with_name(f"{path.name}.before-{HEAD}"))
    _upgrade(engine)


def backup(source: Path, target: Path) -> None:
    """An online copy of a live SQLite database; `target` appears only when it is whole."""
    temporary = target.with_name(target.name + ".tmp")
    with sqlite3.connect(source) as old, sqlite3.connect(temporary) as new:
        old.backup(new)
    old.close()
    new.close()
    temporary.replace(target)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, HEAD)
