"""One route in this process: the real S3 adapter and catalogue, joined by bootstrap, and a file manager that is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_service import bootstrap
from sync_service.clients.s3_manager import S3Manager
from sync_service.models.config import SyncConfig
from sync_service.ports import Destination
from sync_service.services.retry import Halt
from sync_service.services.sync_service import RunResult, SyncService
from sync_service.sources.s3_bucket import S3BucketSource
from tests.fakes.destination import FakeDestination
from tests.fakes.event_log import FakeEventLog
from tests.fakes.observer import RecordingObserver

KEYS = {"access_key": "minioadmin", "secret_key": "minioadmin", "region": "us-east-1"}
ROUNDS = 4
"""Runs in which a route must have come to rest after its last fault."""


@dataclass
class Route:
    """`files` is the destination, unless a test gives another. A run is a process of its own, but inside `service`."""

    folder: Path
    endpoint: str
    bucket: str = "bkt"
    page_size: int = 4
    retries: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    make_manager: Callable[[], S3Manager] | None = None
    log: FakeEventLog = field(default_factory=FakeEventLog)
    files: FakeDestination = field(default_factory=FakeDestination)
    destination: Callable[[], Destination] | None = None
    observer: RecordingObserver = field(default_factory=RecordingObserver)

    def __post_init__(self) -> None:
        values = {"database_path": self.folder / "sync.db", "customer_s3_bucket": self.bucket, "max_workers": 3}
        self.config = SyncConfig(**values, max_retries=self.retries, retry_delay=0, **self.settings)  # type: ignore[arg-type]
        self.results: list[RunResult] = []
        self._open: SyncService | None = None

    @asynccontextmanager
    async def service(self) -> AsyncIterator[SyncService]:
        """The service, as a process that starts and ends."""
        catalogue = bootstrap.open_catalogue(self.config, "test", thorough=False)
        adapters = bootstrap.Adapters(
            S3BucketSource(self._manager(), page_size=self.page_size),
            self.log,
            self.destination() if self.destination else self.files,
        )
        try:
            async with bootstrap.customer_service(self.config, catalogue, self.observer, Halt(), adapters) as service:
                self._open = service
                yield service
        finally:
            self._open = None
            catalogue.close()

    def _manager(self) -> S3Manager:
        if self.make_manager is not None:
            return self.make_manager()
        return S3Manager(bucket=self.bucket, endpoint=self.endpoint, read_timeout=0.15, **KEYS)

    async def run(self, kind: str) -> RunResult:
        """One run: `initial`, `cycle` or `scan`."""
        if self._open is None:
            async with self.service():
                return await self.run(kind)
        result: RunResult = await getattr(self._open, f"run_{kind}")()
        self.results.append(result)
        return result

    async def until(self, done: Callable[[], bool], kind: str) -> None:
        """Runs until `done`, without a hand; fails where it does not come to that."""
        for _ in range(ROUNDS):
            result = await self.run(kind)
            if done() and result.exit_code == 0:
                return
        raise AssertionError(f"not converged by {kind}: {self.results[-1].report}")

    def tell(self, kind: str, path: str) -> None:
        """An event about `path`."""
        number = len(self.log.entries) + 1
        self.log.publish({"event_id": f"e{number}", "event_type": kind, "file_path": path})

    @property
    def kinds(self) -> set[str]:
        """The kinds of all errors of the newest run, whole steps and single objects."""
        return {error["kind"] for error in self.results[-1].report["errors"]}

    def status(self) -> dict[str, Any]:
        """This route's part of the status."""
        routes: list[dict[str, Any]] = SyncService(self.config).get_sync_status()["routes"]
        return routes[0]
