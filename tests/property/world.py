"""A bucket, its log, a file manager, and the real service between them on a real catalogue: what the machine drives."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sync_service.catalogue import repairing
from sync_service.engines.in_process import InProcessEngine
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import Event, EventType
from sync_service.models.errors import ExitCode
from sync_service.models.findings import CheckOptions, Finding
from sync_service.services.checker import Checker
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.event_processor import Scope
from sync_service.services.retry import Halt, RetryPolicy
from sync_service.services.sync_service import RouteParts, RunResult, SyncService
from sync_service.services.tools import Tools
from tests.fakes.observer import RecordingObserver
from tests.property.rigged import WRONG, Fate, InlineExecutor, RiggedDestination, RiggedLog, RiggedSource, RiggedThread

MEMORY_DISK = Path("/dev/shm")
HANGS_AFTER = 60.0
SMALL = {
    "sync_service.services.scanner.STRETCH": 2,
    "sync_service.services.delivery.WINDOW": 2,
    "sync_service.services.delivery.OUTSTANDING": 4,
    "sync_service.services.planner.CHUNK": 3,
    "sync_service.services.rounds.STEP": 2,
    "sync_service.services.checker.STRETCH": 3,
    "sync_service.services.checker.PAGE": 2,
    "sync_service.services.checker.FORMER_PAGE": 2,
}
"""Bounds of the services, made small, so that a handful of objects reaches them."""

_template: list[bytes] = []


def fast_folder() -> Path:
    """A new folder, in memory where the system has such a place."""
    return Path(tempfile.mkdtemp(prefix="sync-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None))


def lay_catalogue(path: Path) -> None:
    """An empty catalogue with its tables: migrated once, copied from then on."""
    if not _template:
        DatabaseManager(path).open_writer("t").close()
        _template.append(path.read_bytes())
    path.write_bytes(_template[0])


@dataclass
class Wishes:
    """Which permissions a path may end with: `exact` where one wish was certainly the last."""

    possible: set[str | None] = field(default_factory=set)
    exact: str | None = None


class World:
    """Others change the bucket (`put`, `rename`, ...) and tell the log or do not; `run` lets the service work."""

    def __init__(
        self, *, memory: bool = True, cursors: bool = True, ids: bool = True, batch: int = 10_000, full: bool = False
    ) -> None:
        self.folder = fast_folder()
        self.runner = asyncio.Runner()
        self.runner.get_loop().set_default_executor(InlineExecutor())
        self.runner.get_loop().set_exception_handler(lambda *_: None)
        self.source, self.log = RiggedSource(page_size=2), RiggedLog(page_size=3, cursors=cursors)
        self.destination = RiggedDestination(memory=memory)
        self.ids, self.full = ids, full
        self.config = SyncConfig(
            database_path=self.folder / "sync.db", snapshot_retention=1, snapshot_scope="full" if full else "touched"
        )
        self.ever: set[bytes] = set()
        self.wishes: dict[str, Wishes] = {}
        self.lost = False
        self.lied = False
        self.days = 0
        self._count = 0
        small = {**SMALL, "sync_service.services.event_processor.BATCH": batch}
        self._patches = [patch(name, value) for name, value in small.items()]
        for one in self._patches:
            one.start()
        lay_catalogue(self.config.database_path)
        self.catalogue: DatabaseManager | None = None

    def close(self) -> None:
        for one in self._patches:
            one.stop()
        if self.catalogue is not None:
            self.catalogue.close()
        self.runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def count(self) -> int:
        self._count += 1
        return self._count

    # ------------------------------------------------------------ the bucket's other users

    def put(self, key: str, body: bytes, permissions: str | None = None, told: bool = True) -> None:
        kind = EventType.UPDATE if key in self.source.objects else EventType.CREATE
        self.ever.add(body)
        self.source.put(key, body, {} if permissions is None else {"permissions": permissions})
        self._may(key, permissions)
        self.tell(kind, key, told=told)

    def delete(self, key: str, told: bool = True) -> None:
        if key in self.source.objects:
            self.source.delete(key)
            self.tell(EventType.DELETE, key, told=told)

    def rename(self, old: str, new: str, told: bool = True) -> None:
        if old in self.source.objects and old != new:
            self.source.rename(old, new)
            before = self.wishes.get(old, Wishes())
            self._may(new, *before.possible, None)
            self.tell(EventType.RENAME, old, new, told=told)

    def permit(self, key: str, permissions: str, told: bool = True) -> None:
        """A change of permissions that only the event tells."""
        self._may(key, permissions)
        if told and key in self.source.objects and self.rows("SELECT 1 FROM routes WHERE positioned = 1"):
            self.wishes[key].exact = permissions
        self.tell(EventType.CHANGE_PERMISSION, key, permissions=permissions, told=told)

    def permit_anew(self, key: str, told: bool = True) -> None:
        """Permissions that nobody asked for before."""
        self.permit(key, f"p{self.count()}", told)

    def swap(self, one: str, other: str) -> None:
        """Two objects change places by way of a third path."""
        for old, new in ((one, "t"), (other, one), ("t", other)):
            self.rename(old, new)

    def _may(self, key: str, *permissions: str | None) -> None:
        wishes = self.wishes.setdefault(key, Wishes({None}))
        wishes.possible |= set(permissions)
        wishes.exact = None

    def tell(
        self, kind: EventType, key: str, new: str | None = None, permissions: str | None = None, told: bool = True
    ) -> None:
        """An event, true or not. One that is not told is lost, and a scan has to find what it meant."""
        number = self.count()
        event = Event(
            kind, key, new, event_id=f"e{number}" if self.ids else None, permissions=permissions,
            sequencer=f"{number:08X}" if permissions else None, timestamp=f"2026-11-21T00:00:00.{number:06}Z",
        )  # fmt: skip
        if told:
            self.log.add(event)
        else:
            self.lost = True

    # ------------------------------------------------------------ the log's own faults

    def bogus(self, kind: EventType, key: str, new: str) -> None:
        """An event of something that never was."""
        self.tell(kind, key, new if kind in (EventType.RENAME, EventType.MOVE) else None)
        self.vague(lied=True)

    def replay(self, chance: random.Random) -> None:
        """A few events come again."""
        known = list(self.log.entries)
        self.log.add(*(chance.choice(known) for _ in range(3) if known))

    def shuffle(self, chance: random.Random) -> None:
        """What was not yet read comes in another order."""
        late = self.log.entries[self._read() :]
        chance.shuffle(late)
        self.log.entries[self._read() :] = late
        self.vague(lied=True)

    def lose(self, chance: random.Random) -> None:
        """One event that was not yet read is gone for ever."""
        if self._read() < len(self.log.entries):
            self.log.entries.pop(chance.randrange(self._read(), len(self.log.entries)))
            self.lost = True
            self.vague()

    def _read(self) -> int:
        """How many entries the log may forget: up to the cursor that is committed."""
        [(cursor,)] = self.rows("SELECT cursor FROM routes")
        return int(cursor or 0)

    def vague(self, lied: bool = False) -> None:
        """From here on it is no longer certain which wish was the last; where the log `lied`, nor whose it was."""
        self.lied = self.lied or lied
        for wishes in self.wishes.values():
            wishes.exact = None

    # ------------------------------------------------------------ the service

    def run(self, how: str = "cycle", fate: Fate | None = None) -> RunResult | None:
        """One run (`cycle` or `scan`; the first sync until it is through); None where the process died in it."""
        return self.runner.run(self._run(how, fate or Fate()))

    async def _run(self, how: str, fate: Fate) -> RunResult | None:
        try:
            service = self._service(fate)
            start = asyncio.ensure_future(self._started(service, how))
            death = asyncio.ensure_future(fate.dead.wait())
            await asyncio.wait({start, death}, timeout=HANGS_AFTER, return_when=asyncio.FIRST_COMPLETED)
            assert start.done() or death.done(), "the run hangs"
            if fate.dead.is_set():
                return None
            return start.result()
        finally:
            await self._bury()
            if fate.dead.is_set() and self.catalogue is not None:
                self.catalogue.close()
                self.catalogue = None

    async def _bury(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _started(self, service: SyncService, how: str) -> RunResult:
        initial, _ = await service.progress()
        if not initial:
            return await service.run_initial()
        return await (service.run_scan() if how == "scan" else service.run_cycle())

    def check(self, repair: bool = False) -> list[Finding]:
        """What a full check finds that reads every byte; with `repair` it is made pending."""
        findings: list[Finding] = []
        tools = self._tools(Fate())
        checker = Checker(tools, self.source, self.destination, CheckOptions(read_data=True))
        self.runner.run(checker.run(findings.append))
        if repair:
            repairs = [one for finding in findings for one in finding.repairs]
            tools.catalogue.within(repairing.repair, repairs, self._now())
        return findings

    def _tools(self, fate: Fate) -> Tools:
        if self.catalogue is None:
            self.catalogue = DatabaseManager(self.config.database_path).open_writer("t")
        self.source.fate = self.log.fate = self.destination.fate = fate
        halt = Halt()
        fate.halt = lambda: halt.set("told to stop")
        self.observer = RecordingObserver()
        retry = RetryPolicy(2, 0, halt)
        return Tools(self.catalogue, RiggedThread(fate), retry, self.observer, self._now, 3)

    def _service(self, fate: Fate) -> SyncService:
        tools = self._tools(fate)
        parts = RouteParts(
            "customer", tools, self.source, self.log, self.destination, lambda c: InProcessEngine(c.carry, 3),
            Scope(None), lambda: f"{self.count():08}", lambda: f"{self.count():08x}", lambda: 0.0,
            fate.pause,
        )  # fmt: skip
        return SyncService(self.config, parts)

    def jump(self, chance: random.Random) -> None:
        """The clock is set a day forward or back."""
        self.days += chance.choice([-1, 1])

    def _now(self) -> str:
        return (datetime(2026, 11, 21) + timedelta(days=self.days, seconds=self.count())).isoformat() + "Z"

    # ------------------------------------------------------------ what must hold

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The catalogue's file, past the service."""
        connection = sqlite3.connect(self.config.database_path)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def rows(self, query: str) -> list[Any]:
        with self.database() as connection:
            return connection.execute(query).fetchall()

    def retry_failed(self) -> None:
        """What a person does about refused operations."""
        with self.database() as connection:
            connection.execute("DELETE FROM failures")

    def is_scanned_anew(self) -> bool:
        """Whether the next scan sees every key; one that goes on where it was interrupted has passed some already."""
        resumes = self.rows("SELECT 1 FROM scans WHERE state = 'running'")
        return not resumes and bool(self.rows("SELECT 1 FROM routes WHERE initial_done = 1"))

    def check_always(self) -> None:
        """Holds after each run, whatever happened in it."""
        for message, facts in self.observer.problems:
            assert "catalogue did not answer" not in message, (message, facts)
        held: dict[str, int] = {}
        query = "SELECT id, file_path, etag, permissions FROM delivered WHERE doubt IS NULL ORDER BY id"
        for row_id, path, etag, permissions in self.rows(query):
            assert path not in held, f"rows {held[path]} and {row_id} both hold {path}"
            held[path] = row_id
            assert path in self.destination.files, f"row {row_id} holds {path}, the destination does not"
            stored = self.destination.files[path]
            assert etag == "?" or etag == _etag(stored.content), f"{path} holds other bytes than row {row_id} says"
            assert permissions is None or permissions == stored.permissions, f"{path} has other permissions"
        for path, content in self.destination.contents.items():
            assert content in self.ever or content == WRONG, f"{path} holds bytes that the source never had"

    def converge(self) -> None:
        """Without further faults, cycles alone (and a scan where events were lost) bring the destination to the source."""
        self.retry_failed()
        for _ in range(3):
            self._well("cycle")
        if self.lost and not self.is_scanned_anew():
            self._well("scan")
        if self.lost:
            self._well("scan")
        self.lost = False
        self._check_in_step()
        effects = len(self.destination.effects)
        self._well("cycle")
        self._well("scan")
        findings = self.check()
        assert not findings, f"a full check finds {findings}"
        idle = self.destination.effects[effects:]
        assert not idle, f"an idle cycle has effects: {idle}"
        self._check_in_step()

    def _well(self, how: str) -> None:
        result = self.run(how)
        assert result is not None and result.exit_code is ExitCode.DONE, result
        self.check_always()

    def _check_in_step(self) -> None:
        assert self.destination.contents == self.source.objects, (
            self.destination.contents,
            self.source.objects,
            self.rows("SELECT id, file_path, etag, revision, event_position FROM observed"),
            self.rows("SELECT id, file_path, etag, revision FROM delivered"),
        )
        assert not self.rows("SELECT * FROM touched"), "something is pending"
        assert not self.rows("SELECT * FROM delivered WHERE doubt IS NOT NULL"), "something is in doubt"
        for path, wanted in self.rows("SELECT file_path, permissions FROM observed WHERE permissions IS NOT NULL"):
            assert self.destination.files[path].permissions == wanted, f"{path} does not have what is wished for"
        for path, stored in self.destination.files.items():
            wishes = self.wishes[path]
            assert self.lied or stored.permissions in wishes.possible, (
                f"nobody asked for {stored.permissions} on {path}"
            )
            assert wishes.exact in (None, stored.permissions), f"{path}: {wishes.exact} was the last wish"


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
