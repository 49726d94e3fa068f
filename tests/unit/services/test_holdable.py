"""Keys that PostgreSQL cannot hold affect themselves alone, where there is a PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync_service import bootstrap
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode
from sync_service.services.retry import Halt
from sync_service.services.sync_service import SyncService
from tests.fakes.destination import FakeDestination
from tests.fakes.event_log import FakeEventLog
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource
from tests.real_postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

pytestmark = pytest.mark.real


@dataclass
class Route:
    """A service whose catalogue is in PostgreSQL, and its outside."""

    service: SyncService
    source: FakeSource
    log: FakeEventLog
    destination: FakeDestination
    observer: RecordingObserver

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.get_sync_status()["routes"][0]
        return found


@pytest.fixture
async def route(postgres_url: str, tmp_path: Path) -> AsyncIterator[Route]:
    config = SyncConfig(database_url=postgres_url, database_path=tmp_path / "sync.db", customer_s3_bucket="bucket")
    catalogue = bootstrap.open_catalogue(config, "test")
    source, log, destination, observer = FakeSource(page_size=2), FakeEventLog(), FakeDestination(), RecordingObserver()
    for key in ("a", "b\0c", "z"):
        source.put(key, key.encode())
    adapters = bootstrap.Adapters(source, log, destination)
    async with bootstrap.customer_service(config, catalogue, observer, Halt(), adapters) as service:
        yield Route(service, source, log, destination, observer)
    catalogue.close()


async def test_a_listed_key_with_a_nul_is_left_out(route: Route) -> None:
    """Everything else is delivered; the key is named in the report and in the status until it is gone."""
    assert (await route.service.run_initial()).exit_code is ExitCode.PARTLY
    assert sorted(route.destination.contents) == ["a", "z"]
    assert ("PostgreSQL cannot hold this key; the object is left out", {"file_path": "b\0c"}) in route.observer.problems
    status = route.status()
    assert (status["state"], status["quarantined"]) == ("DEGRADED", 1)
    assert [(error["file_path"], error["kind"]) for error in status["errors"]] == [("b\\x00c", "left_out")]
    route.source.delete("b\0c")
    assert (await route.service.run_scan()).exit_code is ExitCode.DONE
    assert (route.status()["state"], route.status()["errors"]) == ("UP_TO_DATE", [])


async def test_an_event_with_a_nul_is_kept_in_quarantine(route: Route) -> None:
    """It stops no other event of its page."""
    await route.service.run_initial()
    route.source.put("new", b"new")
    for path in ("b\0c", "new"):
        event = {"event_type": "create", "file_path": path, "timestamp": "2026-11-21T08:00:00Z"}
        route.log.publish(event)
    result = await route.service.run_cycle()
    assert result.report["event_counts"] == {"create": 1, "errors": 1}
    assert sorted(route.destination.contents) == ["a", "new", "z"]
    assert route.status()["quarantined"] == 2
