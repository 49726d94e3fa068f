"""When a failure counts against its object: once a run, and only where its side answers others or says that it is well."""

from __future__ import annotations

import pytest

from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Kind, Operation, Outcome, Result
from sync_service.services import failing
from sync_service.services.failing import Failing

NOW = "2026-11-26T08:00:00.000Z"


class Bench:
    """`answered` holds the sides (True: the source) that answered others in this run, `well` those that say they are well."""

    def __init__(self, max_attempts: int = 3) -> None:
        self.answered: set[bool] = set()
        self.well: set[bool] = set()
        self.failing = Failing(max_attempts, lambda outcome: outcome.at_source in self.answered, self._well)

    async def _well(self, at_source: bool) -> bool:
        return at_source in self.well

    def fail(self, row_id: int, kind: Kind = Kind.CREATE, *, at_source: bool = False, before: int = 0) -> FailureRecord:
        known = FailureRecord(row_id, "a", str(kind), 1, "unknown", "", 1, before, NOW, NOW, False) if before else None
        return self.failing.record(outcome(row_id, kind, at_source=at_source), known, NOW)

    async def late(self) -> list[tuple[int, int, bool]]:
        return [(record.row_id, record.cycles, record.quarantined) for record in await self.failing.counted_late()]


def outcome(row_id: int, kind: Kind = Kind.CREATE, *, at_source: bool = False, error: str = "unknown") -> Outcome:
    return Outcome(Operation(kind, row_id, 1, "a"), Result.UNKNOWN, error_kind=error, at_source=at_source)


async def test_it_counts_at_once_where_others_were_answered() -> None:
    """And not again in the same run, whatever is tried of it then; in the next one it does."""
    bench = Bench()
    bench.answered = {False}
    assert bench.fail(1).cycles == 1
    assert bench.fail(1, before=1).cycles == 1
    assert bench.fail(1, Kind.CHANGE_PERMISSION, before=1).cycles == 2
    assert await bench.late() == []
    bench.failing.begin()
    assert bench.fail(1, before=1).cycles == 2


async def test_it_counts_late_where_others_were_answered_later() -> None:
    """All that came before the first answer of their side, and of the other side nothing."""
    bench = Bench()
    assert [bench.fail(1).cycles, bench.fail(2, before=2).cycles, bench.fail(3, at_source=True).cycles] == [0, 2, 0]
    bench.answered = {False}
    assert await bench.late() == [(1, 1, False), (2, 3, True)]
    assert await bench.late() == []


async def test_each_side_counts_its_own() -> None:
    """Both sides may have something to count."""
    bench = Bench()
    bench.fail(1), bench.fail(2, at_source=True)
    bench.answered = {False, True}
    assert await bench.late() == [(1, 1, False), (2, 1, False)]
    bench.failing.begin()
    bench.answered = set()
    bench.fail(1), bench.fail(2, at_source=True)
    bench.well = {True}
    assert await bench.late() == [(2, 1, False)]


async def test_a_failure_counted_late_counts_once() -> None:
    """It may be tried again in the same run, before and after the events were read."""
    bench = Bench()
    bench.well = {False}
    for _ in range(2):
        bench.fail(1)
        counted = await bench.late()
    assert counted == []


async def test_what_ended_well_later_is_not_counted() -> None:
    """Of the same operation alone."""
    bench = Bench()
    bench.fail(1), bench.fail(1, Kind.DELETE)
    bench.failing.ended(outcome(1, Kind.DELETE))
    bench.answered = {False}
    assert await bench.late() == [(1, 1, False)]


async def test_what_is_remembered_of_a_run_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a million failures some are counted, the others by later runs; those in quarantine wait for nothing."""
    monkeypatch.setattr(failing, "MOST_UNCOUNTED", 2)
    bench = Bench()
    bench.failing.record(Outcome(Operation(Kind.CREATE, 9, 1, "a"), Result.REFUSED), None, NOW)
    for row_id in range(4):
        bench.fail(row_id)
    bench.answered = {False}
    assert await bench.late() == [(0, 1, False), (1, 1, False)]
