"""The writer's lock of a catalogue in PostgreSQL: an advisory one, held by the very connection that writes."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, select, text, update

from sync_service.catalogue.engine import reader_engine, shown_name
from sync_service.catalogue.lock import TRIES, Holder, pause, taken_by
from sync_service.catalogue.problems import translated
from sync_service.catalogue.stored import stored
from sync_service.catalogue.tables import meta
from sync_service.models.errors import CatalogueLocked

NUMBER = 7_305_731
_NAME = "writer"
_HELD = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = :number "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class ServerLock:
    """Whoever writes holds it: a connection that is lost takes the lock with it, and the next one has to take it anew."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._name = shown_name(url)
        self._signature = ""
        self._signed = False

    def watch(self, engine: Engine, now: str, command: str) -> None:
        """Every connection of the writer's `engine` takes the lock, or raises CatalogueLocked with its holder."""
        self._signature = json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), now, command)))
        event.listen(engine, "connect", self._take)
        event.listen(engine, "close", _give_up)

    def sign(self, conn: Connection) -> None:
        """Leaves the holder's name in the catalogue, where others read it."""
        changed = conn.execute(update(meta).where(meta.c.name == _NAME).values(value=self._signature))
        if changed.rowcount == 0:
            conn.execute(meta.insert().values(name=_NAME, value=self._signature))
        self._signed = True

    def tell(self, trouble: str) -> None:
        """Where nothing can be committed, there is nowhere to leave word."""

    def release(self) -> None:
        """The lock went with the connection."""

    def holder(self) -> Holder | None:
        """Who holds the lock now; None where nobody does."""
        engine = reader_engine(self._url)
        try:
            with translated(self._name), engine.connect() as conn:
                if not conn.execute(_HELD, {"number": NUMBER}).scalar():
                    return None
                found = conn.execute(select(meta.c.value).where(meta.c.name == _NAME)).scalar()
                return stored(_read, found) if found else None
        finally:
            engine.dispose()

    def _take(self, driver: Any, _record: Any) -> None:
        """On a new connection, which is closed where it may not write."""
        try:
            self._take_or_refuse(driver)
        except BaseException:
            driver.close()
            raise

    def _take_or_refuse(self, driver: Any) -> None:
        """Where another process wrote since the last connection, what this run believes no longer holds: it ends once."""
        if not any(_try_lock(driver) or pause() for _ in range(TRIES)):
            raise self._locked(taken_by(self.holder()))
        if not self._signed:
            return
        (found,) = driver.execute("SELECT value FROM meta WHERE name = %s", (_NAME,)).fetchone()
        driver.execute("UPDATE meta SET value = %s WHERE name = %s", (self._signature, _NAME))
        driver.commit()
        if found != self._signature:
            raise self._locked("another process wrote this catalogue while the database was out of reach")

    def _locked(self, message: str) -> CatalogueLocked:
        return CatalogueLocked(message, subject=self._name, hint="Stop that process, or let it do the work")


def _try_lock(driver: Any) -> bool:
    """The server may not have noticed yet that a holder is gone."""
    (taken,) = driver.execute("SELECT pg_try_advisory_lock(%s)", (NUMBER,)).fetchone()
    driver.commit()
    return bool(taken)


def _give_up(driver: Any, _record: Any) -> None:
    """A connection that is closed frees the lock only when the server gets to it: whoever comes next would find it taken."""
    with suppress(Exception):
        driver.rollback()
        driver.execute("SELECT pg_advisory_unlock_all()")
        driver.commit()


def _read(found: str) -> Holder:
    return Holder(**json.loads(found))
