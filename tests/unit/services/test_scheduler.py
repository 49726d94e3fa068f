"""When runs come: the kind that is due, sooner after a failure, one at a time, and errors never end the schedule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueUnusable, ExitCode, StorageFull, SyncError, Unreachable
from sync_service.services.scheduler import FIRST_RETRY, LONGEST_RETRY, Scheduler
from sync_service.services.sync_service import RunResult
from tests.fakes.observer import RecordingObserver

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class FakeService:
    """Ends its runs as it is told to."""

    def __init__(self, interval: int = 300) -> None:
        self.config = SyncConfig(sync_interval=interval, scan_interval=3600)
        self.done, self.last_scan = True, NOW
        self.ends: list[ExitCode | Exception] = []
        self.runs: list[str] = []
        self.told: list[str | None] = []
        self.gate: asyncio.Event | None = None
        self.tell_error: SyncError | None = None

    async def progress(self) -> tuple[bool, datetime | None]:
        return self.done, self.last_scan

    async def tell_next_run(self, when: str | None) -> None:
        if self.tell_error:
            raise self.tell_error
        self.told.append(when)

    async def run_initial(self) -> RunResult:
        return await self._run("initial")

    async def run_scan(self) -> RunResult:
        return await self._run("scan")

    async def run_cycle(self) -> RunResult:
        return await self._run("cycle")

    async def _run(self, name: str) -> RunResult:
        self.runs.append(name)
        if self.gate is not None:
            await self.gate.wait()
        end = self.ends.pop(0) if self.ends else ExitCode.DONE
        if isinstance(end, Exception):
            raise end
        return RunResult({}, end)


class Bench:
    def __init__(self) -> None:
        self.service = FakeService()
        self.observer = RecordingObserver()
        self.time = NOW
        service: Any = self.service
        self.scheduler = Scheduler(service, self.observer, lambda: 0.5, lambda: self.time)

    def start_paused(self) -> None:
        """With its job, and no tick of its own."""
        self.scheduler._scheduler.start(paused=True)
        self.scheduler._scheduler.add_job(self.scheduler.tick, "interval", id="cycle", seconds=300, next_run_time=NOW)

    @property
    def wait(self) -> float:
        """Seconds until the next run."""
        text = self.scheduler.next_run()
        assert text is not None
        return (datetime.fromisoformat(text) - self.time).total_seconds()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.scheduler.stop()


async def test_the_kind_that_is_due_runs(bench: Bench) -> None:
    """First sync until it is through; a scan when the last one is old or unknown; else a cycle."""
    bench.service.done = False
    await bench.scheduler.run_due()
    bench.service.done = True
    await bench.scheduler.run_due()
    bench.time = NOW + timedelta(seconds=3599)
    await bench.scheduler.run_due()
    bench.time = NOW + timedelta(seconds=3600)
    await bench.scheduler.run_due()
    bench.service.last_scan = None  # type: ignore[assignment]
    await bench.scheduler.run_due()
    bench.service.last_scan = bench.time + timedelta(seconds=1)
    await bench.scheduler.run_due()
    assert bench.service.runs == ["initial", "cycle", "cycle", "scan", "scan", "scan"]


async def test_failures_bring_the_next_run_sooner_then_ever_later(bench: Bench) -> None:
    """Doubled from the first wait to the longest, and from the start again after a success."""
    bench.start_paused()
    waits = []
    for _ in range(9):
        bench.service.ends = [ExitCode.TEMPORARY]
        await bench.scheduler.run_due()
        waits.append(bench.wait)
    assert waits[:4] == [FIRST_RETRY, 20, 40, 80]
    assert waits[-1] == LONGEST_RETRY
    await bench.scheduler.run_due()
    bench.service.ends = [Unreachable("no connection")]
    await bench.scheduler.run_due()
    assert bench.wait == FIRST_RETRY
    assert bench.service.told[-1] == bench.scheduler.next_run()


@pytest.mark.parametrize("end", [ExitCode.DONE, ExitCode.PARTLY, ExitCode.GUARDED])
async def test_runs_that_did_their_work_change_no_plan(bench: Bench, end: ExitCode) -> None:
    """One bad object, or held deletes, are no reason to hurry or to wait."""
    bench.start_paused()
    bench.service.ends = [end]
    result = await bench.scheduler.run_due()
    assert result is not None
    assert result.exit_code is end
    assert bench.wait == 0


@pytest.mark.parametrize("end", [ExitCode.TEMPORARY, ExitCode.DENIED, ExitCode.USAGE, RuntimeError("a fault")])
async def test_errors_are_told_once_and_the_next_tick_comes(bench: Bench, end: ExitCode | Exception) -> None:
    """Expected or not."""
    bench.start_paused()
    bench.service.ends = [end]
    await bench.scheduler.run_due()
    assert len(bench.observer.problems) == (1 if isinstance(end, Exception) else 0)
    assert bench.wait == FIRST_RETRY
    await bench.scheduler.run_due()
    assert len(bench.service.runs) == 2


async def test_an_unusable_catalogue_ends_the_daemon(bench: Bench) -> None:
    """Nothing can be done about it by waiting."""
    ended: list[bool] = []
    bench.scheduler.on_fatal = lambda: ended.append(True)
    error = CatalogueUnusable("damaged")
    bench.service.ends = [error]
    assert await bench.scheduler.run_due() is None
    assert (bench.scheduler.fatal, ended) == (error, [True])
    assert len(bench.observer.problems) == 1


async def test_a_note_that_cannot_be_written_ends_nothing(bench: Bench) -> None:
    """The disk is full: the run's result stands, and the problem is told."""
    bench.service.tell_error = StorageFull("no space left")
    assert await bench.scheduler.run_due() is not None
    assert [facts["kind"] for _, facts in bench.observer.problems] == ["storage_full"]


async def test_runs_do_not_overlap(bench: Bench) -> None:
    """A tick while a run is under way begins none; `idle` waits for it."""
    bench.service.gate = asyncio.Event()
    await bench.scheduler.idle()
    await bench.scheduler.tick()
    await asyncio.sleep(0)
    await bench.scheduler.tick()
    await asyncio.sleep(0)
    assert bench.service.runs == ["cycle"]
    waiting = asyncio.create_task(bench.scheduler.idle())
    await asyncio.sleep(0)
    assert not waiting.done()
    bench.service.gate.set()
    await waiting
    await bench.scheduler.tick()
    await bench.scheduler.idle()
    assert bench.service.runs == ["cycle", "cycle"]


async def test_cancelling_the_wait_ends_the_run(bench: Bench) -> None:
    """Time is up: what is under way is cut."""
    bench.service.gate = asyncio.Event()
    await bench.scheduler.tick()
    waiting = asyncio.create_task(bench.scheduler.idle())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await bench.scheduler.tick()
    assert bench.scheduler._task is not None
    bench.service.gate.set()
    await bench.scheduler.idle()


async def test_the_first_tick_comes_at_once_and_none_after_stop(bench: Bench) -> None:
    """Started with its own clock; stopped, nothing is planned."""
    begun = asyncio.Event()

    async def tick() -> None:
        begun.set()

    bench.scheduler.tick = tick  # type: ignore[method-assign]
    bench.time = datetime.now(UTC)
    bench.scheduler.start()
    await asyncio.wait_for(begun.wait(), 10)
    assert bench.scheduler.next_run() is not None
    bench.scheduler.stop()
    bench.scheduler.stop()
    assert bench.scheduler.next_run() is None


async def test_new_settings_count_from_the_next_tick(bench: Bench) -> None:
    """Another service, another interval."""
    bench.start_paused()
    other: Any = FakeService(interval=60)
    bench.scheduler.replace(other)
    await bench.scheduler.run_due()
    assert (other.runs, bench.service.runs) == (["cycle"], [])
    job = bench.scheduler._scheduler.get_job("cycle")
    assert job.trigger.interval == timedelta(seconds=60)


@pytest.mark.parametrize(("days", "waits"), [(-1, False), (0, True), (1, True)])
async def test_a_clock_set_back_does_not_put_the_next_run_off(bench: Bench, days: int, waits: bool) -> None:
    """The tick that would be a day away comes at once; any other jump leaves the plan as it is."""
    bench.start_paused()
    planned = bench.scheduler.next_run()
    bench.time = NOW + timedelta(days=days)
    bench.scheduler.mind_clock()
    assert (bench.scheduler.next_run() == planned) is waits
    assert bench.wait <= 0


async def test_the_next_run_is_told_as_every_other_time(bench: Bench) -> None:
    """With milliseconds and Z."""
    bench.start_paused()
    assert bench.scheduler.next_run() == NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z")
