"""An open catalogue, shared by the views of its routes: the writer's lock, the checks before it, and its transactions."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import URL, Connection, Engine, select, update

from sync_service.catalogue.commit_count import CommitCount
from sync_service.catalogue.engine import reader_engine, shown_name, sqlite_file, writer_engine
from sync_service.catalogue.lock import WriterLock
from sync_service.catalogue.migrate import migrate, schema_version
from sync_service.catalogue.problems import DAMAGED_HINT, damaged, translated
from sync_service.catalogue.readonly import connect_readonly, refuse_foreign, schema_of
from sync_service.catalogue.schema import check_version
from sync_service.catalogue.server_lock import ServerLock
from sync_service.catalogue.tables import meta
from sync_service.models.crashpoints import passing, point
from sync_service.models.errors import CatalogueMissing, CatalogueUnusable

CHECKED_ALWAYS = 64 * 1024 * 1024
"""Bytes; a larger file is checked when the daemon or a first sync starts, not before each command."""


class Session:
    """One process's connection to the catalogue at `url`: reads only, until `open_writer`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.name = shown_name(url)
        path = sqlite_file(url)
        self.lock: WriterLock | ServerLock = WriterLock(path) if path is not None else ServerLock(url)
        self.writing = False
        self._engine: Engine | None = None
        self._turn = threading.RLock()
        self._inode: tuple[int, int] | None = None
        self._commits = CommitCount(path) if path is not None else None

    def open_writer(self, now: str, command: str, thorough: bool) -> None:
        """Takes the lock, checks the file without touching it, brings the schema up."""
        if isinstance(self.lock, WriterLock):
            with point("lock taken"):
                self.lock.acquire(now, command)
        try:
            with translated(self.name), point("database opened"):
                self._check_file(thorough)
                self._engine = writer_engine(self.url)
                if isinstance(self.lock, ServerLock):
                    self.lock.watch(self._engine, now, command)
                migrate(self._engine, self.url)
                self._introduce(now)
                self._inode = self._file_inode()
                self.writing = True
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives up the connection, then the lock."""
        with point("catalogue closed"):
            self._disconnect()
            self.lock.release()
            self.writing = False

    def _disconnect(self) -> None:
        """SQLite brings its WAL into the file when the last connection goes."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self._commits is not None:
            self._commits.close()

    def require_file(self) -> None:
        """Raises CatalogueUnusable where the writer's file is no longer at its path: it would write what nobody can read."""
        if self._file_inode() != self._inode:
            raise CatalogueUnusable(
                "the catalogue's file was removed or replaced while it was in use",
                subject=self.name,
                hint="Start again: with the file that is there now, or after `restore FILE` or `rebuild`",
            )

    def _file_inode(self) -> tuple[int, int] | None:
        path = sqlite_file(self.url)
        if path is None or not path.exists():
            return None
        found = path.stat()
        return found.st_dev, found.st_ino

    def tell(self, trouble: str) -> None:
        """Beside the file, for readers: what ended the writer's last run."""
        self.lock.tell(trouble)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction; database errors leave it as SyncErrors. There is one connection: other threads wait for their turn."""
        with self._turn, translated(self.name):
            if self._engine is None:
                self._open_reader()
            assert self._engine is not None
            if self.writing and self._commits is not None:
                with _counted(self._engine, self._commits) as conn:
                    yield conn
            else:
                with self._engine.begin() as conn:
                    yield conn

    def _open_reader(self) -> None:
        engine = reader_engine(self.url)
        try:
            with engine.connect() as conn:
                version = self._version(conn)
            if version is None:
                self._refuse_emptied()
                raise CatalogueMissing("the catalogue has no tables yet", subject=self.name)
        except BaseException:
            engine.dispose()
            raise
        self._engine = engine

    def _version(self, conn: Connection) -> str | None:
        driver = conn.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            return schema_of(driver, self.name)
        version = schema_version(conn)
        check_version(version, self.name)
        return version

    def _check_file(self, thorough: bool) -> None:
        """By a connection that cannot write: a damaged file is left as it is, and so is its WAL."""
        path = sqlite_file(self.url)
        if path is None or not path.exists():
            return
        refuse_foreign(path)
        if path.stat().st_size == 0:
            return
        with closing(connect_readonly(path)) as connection:
            if schema_of(connection, self.name) is None:
                self._refuse_emptied()
                return
            if thorough or path.stat().st_size <= CHECKED_ALWAYS:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise CatalogueUnusable(
                        f"the catalogue fails its integrity check ({verdict})", subject=self.name, hint=DAMAGED_HINT
                    )
            if self._commits is not None:
                self._commits.read()
                self._commits.check(dict(connection.execute("SELECT name, value FROM meta").fetchall()))

    def _refuse_emptied(self) -> None:
        """A file without tables is a new catalogue, unless commits were counted in it: a first sync would forget, without a
        word, what the destination holds.
        """
        if self._commits is not None and self._commits.any_before():
            raise damaged(self.name, "it was emptied and has no tables left")

    def _introduce(self, now: str) -> None:
        assert self._engine is not None
        with self._engine.begin() as conn:
            known = set(conn.execute(select(meta.c.name)).scalars())
            for name, value in (("catalogue_id", uuid.uuid4().hex), ("created_at", now), ("next_id", "1")):
                if name not in known:
                    conn.execute(meta.insert().values(name=name, value=value))
            # Written each time, so that a file that cannot be written is found out now and not in the middle of a run.
            if conn.execute(update(meta).where(meta.c.name == "opened_at").values(value=now)).rowcount == 0:
                conn.execute(meta.insert().values(name="opened_at", value=now))
            if isinstance(self.lock, ServerLock):
                self.lock.sign(conn)
            if self._commits is not None:
                self._commits.begin(conn)


@contextmanager
def _counted(engine: Engine, commits: CommitCount) -> Iterator[Connection]:
    """A transaction that is counted where it changes something."""
    with engine.connect() as conn:
        transaction = conn.begin()
        driver = conn.connection.driver_connection
        assert driver is not None
        before, counted = driver.total_changes, False
        try:
            yield conn
            if driver.total_changes != before:
                commits.add(conn)
                counted = True
                passing("changes about to be committed")
            transaction.commit()
        except BaseException:
            if counted:
                commits.rolled_back()
            transaction.rollback()
            raise
    if counted:
        passing("changes committed")
        commits.committed()
