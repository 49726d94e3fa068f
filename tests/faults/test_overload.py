"""A destination that is slow or down for long: nothing piles up, nothing is condemned, and what waited drains at MAX_WORKERS."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sync_service.models.data_models import Operation, Receipt
from sync_service.models.errors import ExitCode, Unreachable
from sync_service.ports import Opened
from tests.fakes.destination import FakeDestination
from tests.unit.services.rig import Rig

WORKERS = 3
"""Those of the rig."""


class CountingDestination(FakeDestination):
    """Knows how many calls were under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            return await super().apply(operation, key, content)
        finally:
            self.now -= 1


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, destination=CountingDestination(), settings={"max_attempts": 2})


async def test_an_outage_of_many_cycles_condemns_nothing(rig: Rig) -> None:
    """Cycle after cycle ends early without an answer; when it is over, one cycle sends everything, MAX_WORKERS at once."""
    assert isinstance(rig.destination, CountingDestination)
    rig.source.put("anchor", b"one")
    await rig.service.run_initial()
    rig.destination.fail(Unreachable("no connection"), times=10**9)
    for day in range(6):
        for number in range(40):
            rig.source.put(f"day {day}/{number:02}", b"body")
            rig.tell("create", f"day {day}/{number:02}")
        calls = len(rig.destination.calls)
        result = await rig.service.run_cycle()
        assert result.exit_code is ExitCode.TEMPORARY
        assert len(rig.destination.calls) - calls <= 20 + WORKERS
    totals = rig.open_catalogue.totals()
    assert (totals.pending, totals.quarantined) == (240, 0)
    rig.destination.heal()
    rig.destination.most = 0
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert rig.destination.most == WORKERS
    rig.close()


async def test_a_slow_destination_holds_a_bounded_number_in_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations are marked and taken on a window at a time, whatever is pending; the rest waits in the catalogue."""
    monkeypatch.setattr("sync_service.services.delivery.WINDOW", 5)
    monkeypatch.setattr("sync_service.services.delivery.OUTSTANDING", 10)
    marked: list[int] = []
    assert isinstance(rig.destination, CountingDestination)
    real = rig.destination.apply

    async def slow(operation: Operation, key: str, content: Opened | None) -> Receipt:
        with closing(sqlite3.connect(rig.config.database_path)) as connection:
            marked.append(connection.execute("SELECT count(*) FROM delivered WHERE doubt IS NOT NULL").fetchone()[0])
        for _ in range(20):
            await asyncio.sleep(0)
        return await real(operation, key, content)

    monkeypatch.setattr(rig.destination, "apply", slow)
    for number in range(60):
        rig.source.put(f"{number:02}", b"body")
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert 5 <= max(marked) <= 10
    assert rig.in_step()
    rig.close()
