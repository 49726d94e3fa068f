"""When cycles run: first sync, then a cycle each interval, a full scan each longer one, later while nothing answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from sync_service.models.errors import CatalogueUnusable, ExitCode, SyncError
from sync_service.ports import Observer
from sync_service.services.sync_service import RunResult, SyncService

FIRST_RETRY = 10.0
LONGEST_RETRY = 900.0
"""Seconds between tries while nothing answers: doubled from the first to the longest."""

CLOCK_WATCH = 30.0
"""Seconds, of a clock that never jumps, between looks at whether the system's clock was set back."""

_JOB = "cycle"


class Scheduler:
    """Runs one route's cycles until it is stopped. One job only, so that nothing overlaps and no tick piles up."""

    def __init__(
        self,
        service: SyncService,
        observer: Observer,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service = service
        self._observer = observer
        self._draw = draw
        self._now = now
        self._failures = 0
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._task: asyncio.Task[RunResult | None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.fatal: SyncError | None = None
        self.on_fatal: Callable[[], None] = lambda: None

    def start(self) -> None:
        """The first tick comes at once."""
        self._scheduler.add_job(
            self.tick, "interval", id=_JOB, seconds=self._service.config.sync_interval, next_run_time=self._now()
        )
        self._scheduler.start()
        self._watch_clock()

    def replace(self, service: SyncService) -> None:
        """From the next tick on, this service with its settings."""
        self._service = service
        self._scheduler.reschedule_job(_JOB, trigger="interval", seconds=service.config.sync_interval)

    def stop(self) -> None:
        """No further tick."""
        if self._watch is not None:
            self._watch.cancel()
        if self._scheduler.running:
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=False)

    async def idle(self) -> None:
        """Waits until no run is under way. Cancelled, it ends that run: what it has sent stays in doubt."""
        task = self._task
        if task is None:
            return
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def run_ended(self) -> None:
        """Waits until the run that is under way now has ended, in whatever way; it is never ended by this."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _watch_clock(self) -> None:
        self.mind_clock()
        self._watch = asyncio.get_running_loop().call_later(CLOCK_WATCH, self._watch_clock)

    def mind_clock(self) -> None:
        """A clock that was set back would put the next tick far off: it comes at once then."""
        job = self._scheduler.get_job(_JOB)
        longest = timedelta(seconds=1.25 * max(LONGEST_RETRY, self._service.config.sync_interval))
        if job is not None and job.next_run_time is not None and job.next_run_time - self._now() > longest:
            self._scheduler.modify_job(_JOB, next_run_time=self._now())
            self._observer.note("the clock was set back; the next run comes now")

    async def tick(self) -> None:
        """Begins the run that is due, as a task of our own that the scheduler cannot cut; none while one is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.run_due())

    async def run_due(self) -> RunResult | None:
        """One run of the kind that is due. An error is logged once, and the next tick comes."""
        result = await self._one()
        try:
            await self._service.tell_next_run(self.next_run())
        except SyncError as error:
            self._observer.problem(str(error), kind=error.kind)
        return result

    async def _one(self) -> RunResult | None:
        try:
            result = await (await self._due())()
        except CatalogueUnusable as error:
            self._observer.problem(str(error), kind=error.kind)
            self.fatal = error
            self.on_fatal()
            return None
        except SyncError as error:
            self._observer.problem(str(error), kind=error.kind)
            self._postpone(error.exit_code)
            return None
        except Exception as error:
            self._observer.problem("a run ended with an error of the program itself", error=repr(error))
            self._postpone(ExitCode.UNCLASSIFIED)
            return None
        self._postpone(result.exit_code)
        return result

    def next_run(self) -> str | None:
        """When the next tick comes, ISO 8601 UTC."""
        job = self._scheduler.get_job(_JOB)
        if job is None or job.next_run_time is None:
            return None
        moment: str = job.next_run_time.astimezone(UTC).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z")

    async def _due(self) -> Callable[[], Awaitable[RunResult]]:
        initial_done, last_scan = await self._service.progress()
        if not initial_done:
            return self._service.run_initial
        interval = timedelta(seconds=self._service.config.scan_interval)
        if last_scan is None or not timedelta() <= self._now() - last_scan < interval:
            return self._service.run_scan
        return self._service.run_cycle

    def _postpone(self, exit_code: ExitCode) -> None:
        """Tries again soon after the first failure, and ever later while nothing answers; jitter keeps herds apart."""
        if exit_code not in (ExitCode.TEMPORARY, ExitCode.UNCLASSIFIED, ExitCode.DENIED, ExitCode.USAGE):
            self._failures = 0
            return
        self._failures += 1
        longest = max(LONGEST_RETRY, self._service.config.sync_interval)
        wait = min(longest, FIRST_RETRY * 2 ** min(self._failures - 1, 20)) * (0.75 + 0.5 * self._draw())
        if self._scheduler.get_job(_JOB) is not None:
            self._scheduler.modify_job(_JOB, next_run_time=self._now() + timedelta(seconds=wait))
            self._observer.note("the next run comes sooner or later than planned", in_seconds=round(wait))
