"""Migrations: the written schema is the one in use, and an upgrade is whole or did not happen."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event

from sync_service.catalogue import migrate, schema
from sync_service.catalogue.engine import location, writer_engine
from sync_service.catalogue.tables import metadata
from sync_service.models.changes import RunRecord
from sync_service.models.errors import CatalogueUnusable, ExitCode, StorageFull
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import NOW, deliver_all, scan
from tests.real_postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

LATER = "9998"

NEXT = f'''
"""One more revision of several statements, for tests."""
from alembic import op
import sqlalchemy as sa
revision = "{LATER}"
down_revision = "{schema.HEAD}"

def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text))
    op.execute("INSERT INTO extra (id, note) VALUES (1, 'one')")
    op.add_column("runs", sa.Column("comment", sa.Text))
    op.create_index("extra_note", "extra", ["note"])
'''


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sync.db"


@pytest.fixture
def old(path: Path) -> Path:
    """A catalogue of this version with two rows."""
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "a", "b")
    manager.close()
    return path


@pytest.fixture
def next_revision(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this program were one revision further."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "later.py").write_text(NEXT)
    monkeypatch.setattr(migrate, "SCRIPTS", folder)
    monkeypatch.setattr(migrate, "HEAD", LATER)
    monkeypatch.setattr(schema, "KNOWN", (*schema.KNOWN, LATER))


@pytest.fixture
def first_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with two rows, as the first version left it."""
    with monkeypatch.context() as before:
        before.setattr(migrate, "HEAD", "0001")
        manager = DatabaseManager(path).open_writer(NOW)
        scan(manager, "a", "b")
        manager.close()
    return path


def tables_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def revision_of(path: Path) -> str:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def differences(engine: Engine) -> list[Any]:
    with engine.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True, "include_object": _ours}
        )
        return list(compare_metadata(context, metadata))


def _ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    return not (kind == "table" and name == "alembic_version")


def test_the_head_is_the_last_script() -> None:
    """HEAD names the newest revision, and all known ones have a script."""
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == set(schema.KNOWN)


def test_the_first_revision_does_not_follow_the_tables_module() -> None:
    """A migration is frozen: it may not import what later versions change."""
    for script in (migrate.SCRIPTS / "versions").glob("*.py"):
        assert "sync_service" not in script.read_text()


def test_the_migrated_schema_is_the_schema_in_use(path: Path) -> None:
    """In SQLite: no difference in tables, columns, types, defaults, indexes or constraints."""
    DatabaseManager(path).open_writer(NOW).close()
    engine = create_engine(f"sqlite:///{path}")
    assert differences(engine) == []
    engine.dispose()
    assert create_statements(path) == declared_statements()


def create_statements(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in found if name != "alembic_version"}


def declared_statements() -> dict[str, str]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as conn:
        found = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    engine.dispose()
    return {name: " ".join(sql.split()) for name, sql in found}


@pytest.mark.real
def test_the_migrated_schema_is_the_schema_in_use_on_postgresql(postgres_url: str) -> None:
    """In PostgreSQL, too; with the keys' collation, which orders as S3 does."""
    DatabaseManager(postgres_url).open_writer(NOW).close()
    engine = create_engine(location(postgres_url))
    assert differences(engine) == []
    with engine.connect() as conn:
        query = (
            "SELECT count(*) FROM information_schema.columns WHERE column_name = 'file_path' AND collation_name = 'C'"
        )
        assert conn.exec_driver_sql(query).scalar_one() == 7
    engine.dispose()


@pytest.mark.usefixtures("next_revision")
def test_an_upgrade_keeps_the_rows_and_a_backup(old: Path) -> None:
    """The new tables are there, the rows too, and beside the file lies what it was before."""
    manager = DatabaseManager(old).open_writer(NOW)
    assert manager.get_record_count() == 2
    manager.close()
    assert revision_of(old) == LATER
    backup = old.with_name(f"sync.db.before-{LATER}")
    assert "extra" in tables_of(old)
    assert "extra" not in tables_of(backup)
    assert revision_of(backup) == schema.HEAD
    assert not list(old.parent.glob("*.tmp"))


@pytest.mark.usefixtures("next_revision")
def test_an_upgrade_cut_off_at_any_statement_leaves_the_old_schema(old: Path) -> None:
    """Killed at the first, the second ... the last statement: always the old schema, whole; then it goes through."""
    before = tables_of(old)
    for nth in range(1, 100):
        if not upgrade_is_killed_at(nth, old):
            break
        assert tables_of(old) == before
        assert revision_of(old) == schema.HEAD
    assert nth > 5
    assert revision_of(old) == LATER


def upgrade_is_killed_at(nth: int, path: Path) -> bool:
    """Whether the upgrade had an nth statement to be killed at."""
    engine = writer_engine(location(path))
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            raise Killed

    event.listen(engine, "before_cursor_execute", count)
    try:
        migrate.migrate(engine, location(path))
    except Killed:
        return True
    finally:
        engine.dispose()
    return False


def test_the_first_tables_come_all_or_none(path: Path) -> None:
    """A creation that is cut off leaves a file without tables, which the next start fills."""
    for nth in range(1, 200):
        if not upgrade_is_killed_at(nth, path):
            break
        assert tables_of(path) == set()
    assert nth > 15
    manager = DatabaseManager(path).open_writer(NOW)
    assert manager.get_record_count() == 0
    manager.close()


@pytest.mark.usefixtures("next_revision")
def test_without_room_for_the_backup_nothing_is_upgraded(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No backup, no upgrade; what was begun of the copy is taken away."""

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageFull):
        DatabaseManager(old).open_writer(NOW)
    assert revision_of(old) == schema.HEAD
    assert not list(old.parent.glob("*.tmp"))


def test_a_newer_schema_is_left_alone(old: Path) -> None:
    """Readers and writers of an older program say so, with exit 13, and do not touch the file."""
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    content = old.read_bytes()
    with pytest.raises(CatalogueUnusable, match="newer") as written:
        DatabaseManager(old).open_writer(NOW)
    with pytest.raises(CatalogueUnusable, match="newer") as read:
        DatabaseManager(old).get_record_count()
    assert written.value.exit_code is read.value.exit_code is ExitCode.CATALOGUE_UNUSABLE
    assert old.read_bytes() == content


@pytest.mark.real
def test_a_newer_schema_is_left_alone_on_postgresql(postgres_url: str) -> None:
    """The same on a server."""
    DatabaseManager(postgres_url).open_writer(NOW).close()
    engine = create_engine(location(postgres_url))
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    for attempt in (lambda: DatabaseManager(postgres_url).open_writer(NOW), DatabaseManager(postgres_url).totals):
        with pytest.raises(CatalogueUnusable, match="newer"):
            attempt()


def test_the_first_schema_is_read_as_it_is(first_schema: Path) -> None:
    """A reader upgrades nothing: it tells what there is, and of a history that there is none."""
    reader = DatabaseManager(first_schema)
    found = reader.explain("a")
    reader.close()
    assert (found.observed is not None, found.operations) == (True, [])
    assert revision_of(first_schema) == "0001"


def test_the_first_schema_is_upgraded_with_a_backup(first_schema: Path) -> None:
    """The first writer of this version adds the history and keeps the file as it was beside it."""
    manager = DatabaseManager(first_schema).open_writer(NOW)
    assert manager.get_record_count() == 2
    deliver_all(manager)
    manager.close()
    backup = first_schema.with_name(f"sync.db.before-{schema.HEAD}")
    assert ("operations" in tables_of(first_schema), "operations" in tables_of(backup)) == (True, False)
    assert create_statements(first_schema) == declared_statements()


def test_runs_of_an_older_schema_keep_their_order(first_schema: Path) -> None:
    """What their times told before the upgrade, their count tells after it, and a new run comes behind them."""
    with closing(sqlite3.connect(first_schema)) as conn, conn:
        for run_id, at in (("late", "3"), ("early", "1"), ("same", "1")):
            conn.execute(
                "INSERT INTO runs (run_id, route_id, sync_type, started_at) VALUES (?, 1, 'scan', ?)", (run_id, at)
            )
    reader = DatabaseManager(first_schema)
    assert reader.runs()[0].run_id == "late"
    reader.close()
    manager = DatabaseManager(first_schema).open_writer(NOW)
    manager.begin_run(RunRecord("new", "customer", "scan", "2"))
    assert [run.run_id for run in manager.runs()] == ["new", "late", "same", "early"]
    manager.close()


@pytest.mark.real
def test_the_first_schema_is_upgraded_on_postgresql(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a server."""
    with monkeypatch.context() as before:
        before.setattr(migrate, "HEAD", "0001")
        DatabaseManager(postgres_url).open_writer(NOW).close()
    reader = DatabaseManager(postgres_url)
    assert reader.explain("a").operations == []
    reader.close()
    DatabaseManager(postgres_url).open_writer(NOW).close()
    engine = create_engine(location(postgres_url))
    assert differences(engine) == []
    engine.dispose()
