"""SIGHUP: runs and pages take the new settings, and the old connections are closed once no run uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sync_service import bootstrap
from sync_service.commands import daemon as daemon_module
from sync_service.commands.daemon import Daemon, status_app
from sync_service.models.config import SyncConfig
from sync_service.models.errors import Denied, ExitCode
from sync_service.reporting.metrics import Metrics
from sync_service.reporting.secrets import PROCESS, known
from sync_service.services.retry import Halt
from sync_service.services.sync_service import SyncService
from tests.fakes.destination import FakeDestination
from tests.fakes.event_log import FakeEventLog
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource
from tests.unit.web.asgi import ask

OPEN, CLOSED = (False,) * 3, (True,) * 3


class GatedLog(FakeEventLog):
    """A log that answers when `gate` opens; `asked` says that somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def position(self) -> str | None:
        self.asked.set()
        await self.gate.wait()
        return await super().position()


@dataclass
class Outside:
    """The adapters of one set of settings."""

    source: FakeSource = field(default_factory=FakeSource)
    log: GatedLog = field(default_factory=GatedLog)
    destination: FakeDestination = field(default_factory=FakeDestination)

    @property
    def closed(self) -> tuple[bool, bool, bool]:
        return self.source.closed, self.log.closed, self.destination.closed


class Bench:
    """A daemon on fakes, a new set of them for each set of settings; `app` is what its pages serve."""

    port = 8090

    def __init__(self, config: SyncConfig) -> None:
        self.made: list[Outside] = []
        self.observer = RecordingObserver()
        self.halt = Halt()
        self.app: Any = None
        self.catalogue = bootstrap.open_catalogue(config, "test")
        self.logs_begun: list[SyncConfig] = []
        self.daemon = Daemon(config, self.catalogue, self.observer, Metrics("test"), self.halt, self.logs_begun.append)

    def adapters(self, config: SyncConfig) -> bootstrap.Adapters:
        known(config)
        self.made.append(Outside())
        return bootstrap.Adapters(self.made[-1].source, self.made[-1].log, self.made[-1].destination)

    def pages(self, config: SyncConfig, serving: Any, metrics: Metrics) -> Bench:
        self.app = status_app(config, serving, metrics)
        return self

    async def __aenter__(self) -> Bench:
        """The pages are served."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """They are not any more."""

    async def start(self) -> None:
        """The daemon runs; its first run waits for the log."""
        self.running = asyncio.create_task(self.daemon.run())
        await self.until(lambda: bool(self.made) and self.made[0].log.asked.is_set())

    async def stop(self) -> ExitCode:
        """The log answers, and the daemon is asked to end."""
        self.made[0].log.gate.set()
        self.halt.stop("test")
        return await self.running

    async def reload(self) -> None:
        """SIGHUP, until it is taken up or refused."""
        told = len(self.observer.calls)
        self.daemon.reload()
        await self.until(lambda: any("settings" in str(call[1]) for call in self.observer.calls[told:]))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Lets the daemon go on until `holds`; raises what has ended it before."""
        while not holds():
            if self.running.done():
                raise AssertionError(f"the daemon has ended: {self.running.exception()!r}")
            await asyncio.sleep(0)

    async def ready(self) -> dict[str, str]:
        failed = (await ask(self.app, "/readyz")).json["failed"]
        return {one["port"]: one["reason"] for one in failed}


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUSTOMER_S3_BUCKET", "bucket")
    made = Bench(SyncConfig.from_env())
    monkeypatch.setattr(bootstrap, "customer_adapters", made.adapters)
    monkeypatch.setattr(daemon_module, "status_pages", made.pages)
    yield made
    made.catalogue.close()


async def test_old_connections_are_closed_when_their_run_has_ended(bench: Bench) -> None:
    """The run under way keeps its own; whatever the number of reloads, only the newest stay open, until the end."""
    await bench.start()
    for _ in range(3):
        await bench.reload()
    assert [outside.closed for outside in bench.made] == [OPEN] * 4
    bench.made[0].log.gate.set()
    await bench.until(lambda: bench.made[2].closed == CLOSED)
    assert [outside.closed for outside in bench.made] == [CLOSED] * 3 + [OPEN]
    assert await bench.stop() is ExitCode.DONE
    assert bench.made[3].closed == CLOSED


async def test_pages_ask_the_settings_in_force(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness asks the new adapters, and no answer shows a new secret."""
    await bench.start()
    bench.made[0].source.fail("ping", Denied("the old key"), times=9)
    assert await bench.ready() == {"source": "the old key"}
    monkeypatch.setenv("CUSTOMER_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("CUSTOMER_S3_SECRET_KEY", "a-new-secret")
    await bench.reload()
    assert await bench.ready() == {}
    bench.made[1].destination.fail(Denied("a-new-secret is wrong"), kind="ping", times=9)
    assert await bench.ready() == {"destination": "*** is wrong"}
    assert PROCESS("a-new-secret") == "***"
    assert await bench.stop() is ExitCode.DONE


async def test_status_and_metrics_tell_by_the_settings_in_force(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ask the newest service."""
    await bench.start()
    asked: list[float] = []

    def status(service: SyncService) -> dict[str, Any]:
        asked.append(service.config.sync_interval)
        return {"version": "1", "routes": []}

    monkeypatch.setattr(SyncService, "get_sync_status", status)
    monkeypatch.setenv("SYNC_INTERVAL", "77")
    for path in ("/status", "/metrics"):
        await ask(bench.app, path)
    await bench.reload()
    for path in ("/status", "/metrics"):
        await ask(bench.app, path)
    assert asked == [300, 300, 77, 77]
    await bench.stop()


async def test_the_log_is_written_by_the_settings_in_force(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its level and form change with SIGHUP; with settings that cannot be used they stay."""
    await bench.start()
    monkeypatch.setenv("LOG_LEVEL", "debug")
    await bench.reload()
    assert [config.log_level for config in bench.logs_begun] == ["debug"]
    monkeypatch.setenv("STATUS_PORT", "1")
    await bench.reload()
    assert len(bench.logs_begun) == 1
    await bench.stop()


async def test_wrong_settings_change_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told; what was in force stays open and in use."""
    await bench.start()
    monkeypatch.setenv("STATUS_PORT", "1")
    await bench.reload()
    assert "STATUS_PORT" in bench.observer.problems[0][1]["error"]
    assert [outside.closed for outside in bench.made] == [OPEN]
    assert await bench.stop() is ExitCode.DONE
    assert bench.made[0].closed == CLOSED
