"""The fakes, rigged: each call takes its turn, may meet a planned fault, and ends for good when the process has died."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sync_service.models.data_models import UPLOADS, EventPage, ListingPage, ObjectInfo, Operation, Receipt
from sync_service.models.errors import (
    Denied,
    OutcomeUnknown,
    Refused,
    SourceMoved,
    StoredWrong,
    SyncError,
    Temporary,
    Throttled,
    Unreachable,
    Unreadable,
)
from sync_service.ports import Opened
from sync_service.services.concurrency import CatalogueThread
from tests.fakes.destination import FakeDestination, Stored
from tests.fakes.event_log import FakeEventLog
from tests.fakes.source import FakeOpened, FakeSource

WRONG = b"half of it"
"""What a destination holds that has stored other bytes than were sent."""


class Crash(BaseException):
    """The process has died here: no error of ours, and nothing that anyone may catch and go on after."""


ERRORS: dict[str, Callable[[], SyncError]] = {
    "refuse": lambda: Refused("no", status=422),
    "unknown": lambda: OutcomeUnknown("no answer"),
    "unreachable": lambda: Unreachable("no connection"),
    "throttled": lambda: Throttled("slow down"),
    "temporary": lambda: Temporary("not now"),
    "denied": lambda: Denied("not you"),
    "unreadable": lambda: Unreadable("archived"),
    "moved": lambda: SourceMoved("another version"),
    "wrong": lambda: StoredWrong("other bytes"),
}

SITES = {
    "apply": ("refuse", "unknown", "lost answer", "unreachable", "throttled", "wrong", "crash", "crash after"),
    "get": ("unknown", "unreachable", "crash"),
    "report": ("unknown",),
    "look": ("temporary", "denied", "unreadable"),
    "open": ("temporary", "denied", "unreadable", "moved"),
    "body": ("cut",),
    "list_page": ("temporary",),
    "log": ("temporary",),
}
"""Where faults happen, and which."""


@dataclass(frozen=True)
class Fault:
    """Calls number `nth` to `nth + times - 1` of `site` in this run go wrong."""

    site: str
    what: str
    nth: int
    times: int = 1


class Fate:
    """What happens to one run: faults, the moment of death, the moment of a signal, changes by others, whose turn it is."""

    def __init__(
        self,
        faults: tuple[Fault, ...] = (),
        crash_at: int | None = None,
        halt_at: int | None = None,
        meddling: dict[int, Callable[[], None]] | None = None,
        seed: int = 0,
    ) -> None:
        self.faults = faults
        self.crash_at, self.halt_at = crash_at, halt_at
        self.meddling = meddling or {}
        self.dead = asyncio.Event()
        self.halt: Callable[[], None] = lambda: None
        self.ticks = 0
        self._seen: dict[str, int] = {}
        self._source_calls = 0
        self._turns = random.Random(seed)
        self._seed = seed

    def __repr__(self) -> str:
        return f"Fate({self.faults!r}, {self.crash_at!r}, {self.halt_at!r}, seed={self._seed!r})"

    def tick(self) -> None:
        """One more moment at which the process may die or be told to stop."""
        self.ticks += 1
        if self.ticks == self.crash_at:
            self.dead.set()
        if self.ticks == self.halt_at:
            self.halt()
        if self.dead.is_set():
            raise Crash

    async def turn(self) -> None:
        """Lets others go first, now and then."""
        self.tick()
        for _ in range(self._turns.randrange(3)):
            await asyncio.sleep(0)
        self.tick()

    async def pause(self, seconds: float) -> None:
        """An interval is a few turns long: the log is read again while deliveries go on."""
        for _ in range(5 + self._turns.randrange(30)):
            await asyncio.sleep(0)

    def meddle(self) -> None:
        self._source_calls += 1
        if (change := self.meddling.get(self._source_calls)) is not None:
            change()

    def fault(self, site: str) -> str | None:
        """What goes wrong with this call of `site`."""
        count = self._seen[site] = self._seen.get(site, 0) + 1
        return next((f.what for f in self.faults if f.site == site and f.nth <= count < f.nth + f.times), None)

    def count(self, site: str) -> int:
        """How many calls of `site` have come."""
        return self._seen.get(site, 0)

    def strike(self, site: str) -> None:
        if (what := self.fault(site)) is not None:
            self.die_of(what)
            raise ERRORS[what]()

    def die_of(self, what: str | None) -> None:
        if what == "crash":
            self.dead.set()
            raise Crash


class InlineExecutor(ThreadPoolExecutor):
    """Runs everything at once in the calling thread: runs of the same plan are the same."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class RiggedThread(CatalogueThread):
    """The catalogue's calls, each between two moments at which the process may die."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def __call__(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        await self._fate.turn()
        answer = function(*args, **kwargs)
        self._fate.tick()
        return answer


class RiggedSource(FakeSource):
    """A bucket in which others change objects between our calls."""

    fate: Fate

    async def list_page(self, token: str | None = None) -> ListingPage:
        await self._call("list_page")
        return await super().list_page(token)

    async def look(self, key: str) -> ObjectInfo | None:
        await self._call("look")
        return await super().look(key)

    @asynccontextmanager
    async def open(
        self, key: str, *, etag: str | None = None, version_id: str | None = None
    ) -> AsyncIterator[FakeOpened]:
        await self._call("open")
        if self.fate.fault("body") and self.objects.get(key):
            self.cut(key, len(self.objects[key]) // 2)
        async with super().open(key, etag=etag, version_id=version_id) as opened:
            self._cuts.clear()
            await self.fate.turn()
            yield opened

    async def _call(self, name: str) -> None:
        await self.fate.turn()
        self.fate.meddle()
        self.fate.strike(name)


class RiggedLog(FakeEventLog):
    """A log that fails now and then."""

    fate: Fate

    async def position(self) -> str | None:
        await self._call()
        return await super().position()

    async def read(self, cursor: str | None) -> EventPage:
        await self._call()
        return await super().read(cursor)

    async def acknowledge(self, cursor: str | None) -> None:
        await self._call()
        await super().acknowledge(cursor)

    async def _call(self) -> None:
        await self.fate.turn()
        self.fate.strike("log")


class RiggedDestination(FakeDestination):
    """A file manager that loses answers, refuses, and stores the wrong bytes."""

    fate: Fate

    def __init__(self, *, memory: bool) -> None:
        super().__init__(memory=memory)
        self._spoiled: set[str] = set()

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        await self.fate.turn()
        what = self.fate.fault("apply")
        self.fate.die_of(what)
        if what in ("refuse", "unknown", "unreachable", "throttled"):
            raise ERRORS[what]()
        if operation.kind in UPLOADS and (what == "wrong" or (self.memory and key in self._spoiled)):
            self._spoil(operation, key)
        receipt = await super().apply(operation, key, content)
        if what == "crash after":
            self.fate.die_of("crash")
        await self.fate.turn()
        if what == "lost answer":
            raise ERRORS["unknown"]()
        return receipt

    async def get(self, file_path: str) -> Receipt | None:
        await self.fate.turn()
        self.fate.strike("get")
        return await super().get(file_path)

    async def report(self, report: dict[str, Any]) -> None:
        await self.fate.turn()
        self.fate.strike("report")
        await super().report(report)

    def _spoil(self, operation: Operation, key: str) -> None:
        """Stores other bytes; with a memory, the same key is answered so again, whatever comes with it."""
        self.calls.append((operation, key))
        if key not in self._spoiled:
            old = self.files.get(operation.file_path, Stored(b"", None, None, None, "id-wrong"))
            self.files[operation.file_path] = old._replace(content=WRONG)
            self._spoiled.add(key)
        raise ERRORS["wrong"]()
