"""Whose silence it is: what ends a run early, and which side has answered."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Kind, Operation, Outcome, Result
from sync_service.models.errors import Denied, Unreachable
from sync_service.services.hearing import Hearing
from sync_service.services.retry import Halt
from tests.fakes.observer import RecordingObserver

LEAST = 10
PATIENCE = 50


class Side:
    """A side that says that it is well, or not; `asked` counts."""

    def __init__(self, well: bool = True) -> None:
        self.well = well
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if not self.well:
            raise Unreachable("no connection")


class Bench:
    def __init__(self, destination: bool = True, source: bool = True) -> None:
        self.destination, self.source = Side(destination), Side(source)
        self.halt, self.observer = Halt(), RecordingObserver()
        self.hearing = Hearing(self.destination.ping, self.source.ping, self.halt, self.observer, 2)

    async def hear(self, outcome: Outcome, times: int = 1) -> None:
        for _ in range(times):
            await self.hearing.hear(outcome)


def outcome(result: Result, kind: Kind = Kind.CREATE, *, at_source: bool = False, error: str | None = None) -> Outcome:
    return Outcome(Operation(kind, 1, 1, "a"), result, error_kind=error, at_source=at_source)


SILENT = outcome(Result.UNKNOWN, error="unknown")
SOURCE_SILENT = outcome(Result.NOT_DONE, at_source=True, error="temporary")


async def test_an_outage_ends_the_run_at_the_bound() -> None:
    """Ten without an answer in a row, and the destination is not well: neither one earlier nor later."""
    bench = Bench(destination=False)
    await bench.hear(SILENT, LEAST - 1)
    assert (bench.halt.is_set, bench.hearing.silent, bench.destination.asked) == (False, False, 0)
    await bench.hear(SILENT, 3)
    assert (bench.halt.reason, bench.hearing.silent) == ("the destination does not answer", True)
    [(message, facts)] = bench.observer.problems
    assert message == "the destination does not answer; the rest waits for the next cycle"
    assert facts == {"operations": LEAST, "error": None}


async def test_refused_credentials_are_told_as_such() -> None:
    """Nobody waits for a server to come back that only refuses us."""
    bench = Bench(destination=False)
    await bench.hear(outcome(Result.NOT_DONE, error=Denied.kind), LEAST)
    assert bench.halt.reason == "the destination refuses us"


async def test_a_destination_that_is_well_is_borne_with() -> None:
    """Five times as long, and asked once a run: then it may be the objects, or it is not."""
    bench = Bench()
    await bench.hear(SILENT, PATIENCE - 1)
    assert (bench.halt.is_set, bench.destination.asked) == (False, 1)
    await bench.hear(SILENT)
    assert bench.halt.is_set
    bench.halt.clear()
    bench.hearing.begin()
    await bench.hear(SILENT, LEAST)
    assert (bench.halt.is_set, bench.hearing.silent, bench.destination.asked) == (False, False, 2)


@pytest.mark.parametrize("result", [Result.DONE, Result.REFUSED, Result.MISSING, Result.STORED_WRONG])
async def test_any_answer_ends_a_silence(result: Result) -> None:
    """The count begins anew."""
    bench = Bench(destination=False)
    for _ in range(3):
        await bench.hear(SILENT, LEAST - 1)
        await bench.hear(outcome(result))
    assert not bench.halt.is_set


@pytest.mark.parametrize(
    "other",
    [
        SOURCE_SILENT,
        outcome(Result.SOURCE_MOVED, error="source_moved"),
        outcome(Result.UNKNOWN, error="source_moved"),
        Outcome(Operation(Kind.CREATE, 1, 1, "a"), Result.NOT_DONE, attempts=0, error_kind="halted"),
    ],
)
async def test_what_is_no_silence_of_the_destination(other: Outcome) -> None:
    """The source's failures, versions that moved on, and what was not tried at all."""
    bench = Bench(destination=False)
    await bench.hear(other, 5 * PATIENCE)
    assert not bench.halt.is_set


@pytest.mark.parametrize(
    ("heard", "destination", "source"),
    [
        (SILENT, False, False),
        (SOURCE_SILENT, False, False),
        (outcome(Result.REFUSED), True, False),
        (outcome(Result.DONE, Kind.DELETE), True, False),
        (outcome(Result.DONE, Kind.CREATE), True, True),
        (outcome(Result.DONE, Kind.UPDATE), True, True),
        (outcome(Result.REFUSED, at_source=True, error="unreadable"), False, False),
    ],
)
async def test_which_side_has_answered(heard: Outcome, destination: bool, source: bool) -> None:
    """An upload that was done tells of both; a new run has heard nobody yet."""
    bench = Bench()
    await bench.hear(heard)
    assert (bench.hearing.answers(SILENT), bench.hearing.answers(SOURCE_SILENT)) == (destination, source)
    await bench.hear(outcome(Result.DONE, Kind.DELETE))
    assert bench.hearing.answers(SOURCE_SILENT) is source
    bench.hearing.begin()
    assert (bench.hearing.answers(SILENT), bench.hearing.answers(SOURCE_SILENT)) == (False, False)


@pytest.mark.parametrize(("destination", "source"), [(True, False), (False, True)])
async def test_each_side_speaks_for_itself(destination: bool, source: bool) -> None:
    """How the one is says nothing of the other."""
    bench = Bench(destination, source)
    assert (await bench.hearing.well(False), await bench.hearing.well(True)) == (destination, source)
    assert (bench.destination.asked, bench.source.asked) == (1, 1)
