"""SyncService: one route kept in step, by a cycle that reads aloud (events, snapshot, diff, plan, guard, deliver, report)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sync_service import __version__
from sync_service.catalogue.failing import failing_since
from sync_service.models.changes import RunRecord, ScanState, ScanStatus
from sync_service.models.crashpoints import point
from sync_service.models.data_models import SyncType
from sync_service.models.errors import (
    Archived,
    CatalogueMissing,
    ExitCode,
    Interrupted,
    PlanChanged,
    Refused,
    SyncError,
    Unreachable,
)
from sync_service.ports import Destination, Engine, EventLog, Source
from sync_service.services import status
from sync_service.services.check_results import take_check_requests
from sync_service.services.courier import Courier, idempotency_key
from sync_service.services.csv_processor import CsvProcessor
from sync_service.services.delivery import Delivery
from sync_service.services.event_processor import EventProcessor, Scope
from sync_service.services.guard import Guard
from sync_service.services.planned import Planned
from sync_service.services.planner import Planner
from sync_service.services.reading_on import reading_on
from sync_service.services.reports import ERRORS_SHOWN, RunFacts, build_report, keep_report
from sync_service.services.requests import Trouble, take_approvals, take_retries
from sync_service.services.rounds import Rounds, attempt
from sync_service.services.scanner import Scanner
from sync_service.services.tools import Tools
from sync_service.services.verifier import Verifier

if TYPE_CHECKING:
    from sync_service.models.config import SyncConfig


@dataclass(frozen=True, slots=True)
class RouteParts:
    """The adapters of one route, and what its services work with. `new_run_id` and the clocks come in from outside."""

    route: str
    tools: Tools
    source: Source
    log: EventLog | None
    destination: Destination
    engine: Callable[[Courier], Engine]
    scope: Scope
    stamp: Callable[[], str]
    new_run_id: Callable[[], str]
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: its report (CONTRACT, section 4) and the exit code that it means."""

    report: dict[str, Any]
    exit_code: ExitCode


class SyncService:
    """Keeps one route in step. Made from a config alone it can tell the status; `bootstrap` gives it its parts for more."""

    def __init__(self, config: SyncConfig, parts: RouteParts | None = None) -> None:
        self.config = config
        self.parts = parts
        if parts is not None:
            self._assemble(parts)

    def _assemble(self, parts: RouteParts) -> None:
        config, tools = self.config, parts.tools
        catalogue_id = tools.catalogue.catalogue_id
        courier = Courier(
            parts.source,
            parts.destination,
            tools.retry,
            lambda o: idempotency_key(catalogue_id, parts.route, o),
            parts.monotonic,
        )
        self._tools = tools
        self._catalogue, self._thread, self._observer = tools.catalogue, tools.thread, tools.observer
        self._scanner = Scanner(tools, parts.source)
        self._verifier = Verifier(tools, parts.source, parts.destination)
        trust = config.event_trust == "event"
        self._events = None
        if parts.log is not None:
            self._events = EventProcessor(tools, parts.log, parts.source, parts.scope, trust)
        self._csv = CsvProcessor(config.snapshots_dir, config.snapshot_retention, config.snapshot_scope == "full")
        self._delivery = Delivery(tools, parts.source, courier, parts.engine(courier), config.max_attempts)
        planner = Planner(tools.catalogue, tools.thread, catalogue_id)
        guard = Guard(config.max_delete, config.max_delete_percent)
        self._rounds = Rounds(tools, self._csv, planner, self._delivery, guard, self._scanner, parts.stamp, trust)

    # ------------------------------------------------------------ status

    def get_sync_status(self) -> dict[str, Any]:
        """The JSON of `status` (CONTRACT, section 4), from the catalogue alone, also while a daemon runs."""
        return status.read_status(self.config)

    async def progress(self) -> tuple[bool, datetime | None]:
        """(whether the first sync is through, when the last full scan ended)."""
        totals = await self._thread(self._catalogue.totals)
        ended = totals.scan.finished_at
        return totals.initial_done, datetime.fromisoformat(ended) if ended else None

    async def tell_next_run(self, when: str | None) -> None:
        """Notes for `status` when the next run comes."""
        await self._thread(self._catalogue.set_next_run, when)

    # ------------------------------------------------------------ runs

    async def run_initial(self) -> RunResult:
        """The first sync: position, scan, deliver, replay. Run again it scans again, and sends what is missing."""
        return await self._run("initial", self._initial_steps)

    async def run_cycle(self) -> RunResult:
        """One cycle: what the log tells, delivered. Raises CatalogueMissing before the first sync is through."""
        await self._require_initial()
        return await self._run("incremental", self._cycle_steps)

    async def run_planned(self, planned: Planned) -> RunResult:
        """One cycle that sends exactly what the plan names, or nothing. Raises ConfigurationError for a plan not ours."""
        await self._require_initial()
        planned.plan.require(self._catalogue.catalogue_id, self._require_parts().route)
        return await self._run("incremental", lambda facts: self._planned_steps(facts, planned))

    async def run_pending(self) -> RunResult:
        """A cycle that reads no events: it delivers what is pending."""
        await self._require_initial()
        return await self._run("incremental", self._pending_steps)

    async def run_scan(self) -> RunResult:
        """A cycle with a full scan, which finds what events have lost."""
        await self._require_initial()
        return await self._run("scan", self._scan_steps)

    async def _initial_steps(self, facts: RunFacts) -> None:
        if self._events is not None:
            await self._events.note_position()
        if await self._verifier.needed():
            await self._compare(facts)
        else:
            await self._scan_first(facts)
        await self._deliver_all(facts)
        await self._read_events(facts)
        await self._scan_in_place_of_events(facts)
        await self._deliver_all(facts)
        if not facts.silent and not facts.problems and not self._tools.retry.halt.is_set:
            await self._thread(self._csv.snapshot, self._catalogue, self._stamp(), facts.run_id, True)
            with point("first sync finished"):
                await self._thread(self._catalogue.finish_initial)

    async def _cycle_steps(self, facts: RunFacts) -> None:
        if await self._verifier.needed() or await self._scanner.source_changed():
            await self._scan_steps(facts)
            return
        await self._read_events(facts)
        await self._deliver_all(facts)

    async def _pending_steps(self, facts: RunFacts) -> None:
        if await self._scanner.source_changed():
            await self._scan_steps(facts)
            return
        await self._deliver_all(facts)

    async def _planned_steps(self, facts: RunFacts, planned: Planned) -> None:
        if await self._scanner.source_changed():
            raise PlanChanged("the source is not the one that was seen before; nothing was sent")
        await self._read_events(facts)
        if facts.problems or self._tools.retry.halt.is_set:
            return
        try:
            await planned.check()
            self._delivery.keep_to(planned.admits)
            await self._deliver_all(facts)
            planned.ended()
        finally:
            facts.plan = planned.as_json()

    async def _scan_steps(self, facts: RunFacts) -> None:
        if await self._verifier.needed():
            await self._compare(facts)
        else:
            state = await self._scanner.begin()
            await self._read_events(facts)
            await attempt(facts, self._observer, self._scan(facts, state))
        await self._deliver_all(facts)

    # ------------------------------------------------------------ the steps of a cycle

    async def _scan_first(self, facts: RunFacts) -> None:
        """The scan of a first sync; one that is complete, with delivery cut off behind it, is not done again."""
        state = await self._thread(self._catalogue.scan_state)
        totals = await self._thread(self._catalogue.totals)
        if state.status is ScanStatus.COMPLETE and not totals.initial_done and not await self._scanner.source_changed():
            return
        await self._scan(facts)

    async def _scan_in_place_of_events(self, facts: RunFacts) -> None:
        """Where the log cannot be read, nothing else tells what came since the scan that an earlier first sync completed."""
        if facts.problems and facts.keys_scanned is None and not self._tools.retry.halt.is_set:
            await attempt(facts, self._observer, self._scan(facts))

    async def _scan(self, facts: RunFacts, begun: ScanState | None = None) -> None:
        state = await self._scanner.scan(begun)
        facts.keys_scanned = state.keys

    async def _compare(self, facts: RunFacts) -> None:
        """After a restore or rebuild nothing goes out before the source was listed and the destination asked: where either
        fails, the run ends here.
        """
        await self._read_events(facts)
        if (await self._thread(self._catalogue.scan_state)).status is not ScanStatus.COMPLETE:
            await self._scan(facts)
        await self._verifier.run()

    async def _read_events(self, facts: RunFacts) -> None:
        """Reads and records the log. Where it fails, what is pending goes out all the same."""
        if self._events is not None and not self._tools.retry.halt.is_set:
            await attempt(facts, self._observer, self._events.replay(facts.events))

    async def _deliver_all(self, facts: RunFacts) -> None:
        """Rounds of snapshot, diff, plan and deliver, until the states agree or nothing more can be done now."""
        self._observer.phase("deliver", *await self._thread(self._expected))
        self._delivery.again()
        await self._delivery.settle()
        async with self._reading_on(facts):
            await self._rounds.deliver(facts)
            if not self._tools.retry.halt.is_set and await self._delivery.settle(failed_before=True):
                await self._rounds.deliver(facts)
        await self._delivery.count_failures()
        if (unlooked := self._delivery.counts.unlooked) is not None:
            facts.problems.append(unlooked)
            self._delivery.counts.unlooked = None

    def _reading_on(self, facts: RunFacts) -> AbstractAsyncContextManager[None]:
        parts = self._require_parts()
        if self._events is None:
            return nullcontext()
        return reading_on(self._events, facts.events, parts.tools, lambda: parts.pause(self.config.sync_interval))

    def _expected(self) -> tuple[int, int | None]:
        """(operations, bytes) to be sent; of the bytes only a first sync knows: None."""
        totals = self._catalogue.totals()
        return totals.pending, totals.size if totals.pending and not totals.initial_done else None

    async def _take_requests(self) -> None:
        """What a person asked for beside a running daemon; what cannot be taken up is told, and stops no run."""
        folder, now, catalogue = self.config.requests_dir, self._tools.now(), self._catalogue
        troubles: list[Trouble] = []
        tell = troubles.append
        await self._thread(take_approvals, folder, lambda deletes: catalogue.approve(deletes, now), tell)
        await self._thread(take_retries, folder, lambda paths: catalogue.try_again(paths, now), tell)
        await self._thread(take_check_requests, catalogue, folder, now, tell)
        for trouble in troubles:
            self._observer.problem("a request is not taken up", file=str(trouble.file), why=trouble.why)

    # ------------------------------------------------------------ around the steps

    async def _run(self, sync_type: SyncType, steps: Callable[[RunFacts], Any]) -> RunResult:
        """A run, and word of it for `status` where it ends before its record could be written."""
        try:
            result = await self._run_steps(sync_type, steps)
        except SyncError as error:
            await self._thread(self._catalogue.tell_trouble, str(error))
            raise
        await self._thread(self._catalogue.tell_trouble, "")
        return result

    async def _run_steps(self, sync_type: SyncType, steps: Callable[[RunFacts], Any]) -> RunResult:
        parts = self._require_parts()
        began = parts.monotonic()
        facts = RunFacts(parts.new_run_id(), sync_type, parts.route, self._tools.now())
        run = RunRecord(facts.run_id, parts.route, sync_type, facts.started_at)
        with point("run begun"):
            await self._thread(self._catalogue.begin_run, run)
        self._delivery.begin(facts.run_id)
        await self._take_requests()
        try:
            await attempt(facts, self._observer, steps(facts))
        finally:
            await self._delivery.stop()
        return await self._end(facts, began)

    async def _end(self, facts: RunFacts, began: float) -> RunResult:
        parts = self._require_parts()
        facts.delivery = self._delivery.counts
        facts.stopped = self._tools.retry.halt.is_set
        if self._tools.retry.halt.stopping:
            stop = Interrupted(self._tools.retry.halt.reason, hint="The next run goes on where it was")
            facts.problems = [stop, *(problem for problem in facts.problems if not isinstance(problem, Interrupted))]
        with point("catalogue tidied"):
            await self._thread(self._catalogue.tidy)
        facts.failing = await self._thread(self._catalogue.within, failing_since, facts.started_at)
        facts.still_failing = await self._thread(self._catalogue.list_failures, ERRORS_SHOWN)
        exit_code = exit_code_of(facts)
        service = await self._thread(self._service_info)
        report = build_report(facts, exit_code is ExitCode.DONE, parts.monotonic() - began, service)
        self._observer.phase("report")
        run = RunRecord(
            facts.run_id, parts.route, facts.sync_type, facts.started_at, self._tools.now(), exit_code is ExitCode.DONE,
            int(exit_code), report,
        )  # fmt: skip
        with point("report queued"):
            await self._thread(self._catalogue.end_run, run)
        await attempt(facts, self._observer, self._thread(keep_report, self.config.reports_dir, self._stamp(), report))
        await self._hand_over_reports()
        self._observer.finished(report)
        return RunResult(report, exit_code)

    async def _hand_over_reports(self) -> None:
        """This run's report, and those that were not received before. A failing report never fails a sync."""
        waiting = await self._thread(self._catalogue.runs, 20, True)
        for run in reversed(waiting):
            try:
                await self._hand_over(run)
            except SyncError as error:
                self._observer.note(
                    "a run report was not received; it is sent again with the next run", error=str(error)
                )
                return
            with point("report marked as received"):
                await self._thread(self._catalogue.mark_reported, run.run_id)

    async def _hand_over(self, run: RunRecord) -> None:
        """One report; a final no gives it up, so that it does not stand in the way of the newer ones."""
        try:
            with point("report sent"):
                await self._require_parts().destination.report(run.report or {})
        except Refused as error:
            self._observer.note("a run report was refused and is not sent again", run=run.run_id, error=str(error))

    def _service_info(self) -> dict[str, Any]:
        return {
            "database_path": str(self.config.database_path),
            "customer_bucket": self.config.customer.bucket or None,
            "record_count": self._catalogue.get_record_count(),
            "version": __version__,
        }

    async def _require_initial(self) -> None:
        if not (await self._thread(self._catalogue.totals)).initial_done:
            raise CatalogueMissing("the first sync has not been completed", hint="Run initial-sync first")

    def _require_parts(self) -> RouteParts:
        assert self.parts is not None, "made from a config alone, it only tells the status"
        return self.parts

    def _stamp(self) -> str:
        return self._require_parts().stamp()


def exit_code_of(facts: RunFacts) -> ExitCode:
    """What a run's end means to who started it: first what kept it from its end, then what waits for a person to agree,
    then objects that failed. One object in quarantine would otherwise hide every held delete from now on.
    """
    if facts.problems:
        return facts.problems[0].exit_code
    failing = [failure for failure in facts.still_failing if failure.kind != Archived.kind]
    kinds = {failure.kind for failure in failing}
    if kinds and kinds <= {"denied", "clock_skew"} and not facts.delivery.done:
        return ExitCode.DENIED
    if facts.refused:
        return ExitCode.DENIED
    if facts.silent or facts.stopped or (kinds == {Unreachable.kind} and not facts.delivery.done):
        return ExitCode.TEMPORARY
    if facts.held:
        return ExitCode.GUARDED
    return ExitCode.PARTLY if facts.failing.since or failing else ExitCode.DONE
