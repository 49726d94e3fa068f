"""One route on fakes and a real catalogue: what the tests of the services drive."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sync_service.engines.in_process import InProcessEngine
from sync_service.models.config import SyncConfig
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.event_processor import Scope
from sync_service.services.retry import Halt, RetryPolicy
from sync_service.services.sync_service import RouteParts, SyncService
from sync_service.services.tools import Tools
from tests.fakes.destination import FakeDestination
from tests.fakes.event_log import FakeEventLog
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource

START = 1_795_248_000


def clock() -> Callable[[], str]:
    """ISO 8601 UTC, a millisecond later at each call."""
    ticks = itertools.count()
    return lambda: f"2026-11-21T08:{next(ticks) // 1000:02}:00.{next(ticks) % 1000:03}Z"


@dataclass
class Rig:
    """The parts of a service, for tests to reach into. `open` makes the service anew, as after a restart."""

    folder: Path
    with_log: bool = True
    settings: dict[str, object] = field(default_factory=dict)
    retries: int = 0
    source: FakeSource = field(default_factory=lambda: FakeSource(page_size=2))
    log: FakeEventLog = field(default_factory=FakeEventLog)
    destination: FakeDestination = field(default_factory=FakeDestination)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        values = {"database_path": self.folder / "sync.db", "customer_s3_bucket": "bucket", **self.settings}
        self.config = SyncConfig(**values)  # type: ignore[arg-type]
        self.now = clock()
        self._runs = itertools.count(1)
        self._stamps = itertools.count(1)
        self.catalogue: DatabaseManager | None = None
        self.thread: CatalogueThread | None = None
        self.service = self.open()

    def open(self) -> SyncService:
        self.close()
        self.observer = RecordingObserver()
        self.halt = Halt()
        self.catalogue = DatabaseManager(self.config.database_path).open_writer(self.now(), "test")
        self.thread = CatalogueThread()
        retry = RetryPolicy(self.retries, 0, self.halt)
        tools = Tools(self.catalogue, self.thread, retry, self.observer, self.now, 3)
        parts = RouteParts(
            "customer",
            tools,
            self.source,
            self.log if self.with_log else None,
            self.destination,
            lambda courier: InProcessEngine(courier.carry, 3),
            Scope("bucket", ""),
            lambda: f"20261121T080000.{next(self._stamps):06}Z",
            lambda: f"{next(self._runs):08x}",
            itertools.count().__next__,
            self.pause,
        )
        self.service = SyncService(self.config, parts)
        return self.service

    @property
    def open_catalogue(self) -> DatabaseManager:
        assert self.catalogue is not None
        return self.catalogue

    def close(self) -> None:
        if self.thread is not None:
            self.thread.close()
            self.thread = None
        if self.catalogue is not None:
            self.catalogue.close()
            self.catalogue = None

    def tell(self, kind: str, path: str, new_path: str | None = None, **metadata: str) -> None:
        """An event in the log."""
        number = len(self.log.entries) + 1
        event: dict[str, object] = {
            "event_id": f"e{number}",
            "event_type": kind,
            "file_path": path,
            "metadata": metadata,
            "timestamp": "2026-11-21T08:00:00Z",
        }
        self.log.publish(event if new_path is None else {**event, "new_path": new_path})

    def in_step(self) -> bool:
        """Whether the destination holds what the source holds."""
        return self.destination.contents == self.source.objects

    def files(self, name: str) -> list[str]:
        """The names in a folder beside the database."""
        folder = self.config.data_dir / name
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
