"""Rounds of snapshot, diff, plan, guard and deliver: what a run sends, until source and destination agree."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sync_service.catalogue import ledger
from sync_service.models.changes import ScanStatus
from sync_service.models.crashpoints import passing, point
from sync_service.models.data_models import Kind, Operation, Result
from sync_service.models.errors import SyncError
from sync_service.ports import Observer
from sync_service.services.csv_processor import CsvProcessor
from sync_service.services.delivery import Delivery
from sync_service.services.guard import Guard, judge
from sync_service.services.planner import Planner
from sync_service.services.reports import RunFacts
from sync_service.services.scanner import Scanner
from sync_service.services.tools import Tools

T = TypeVar("T")

ROUNDS = 5
"""Times that one run goes round where objects change while they are sent."""

STEP = 1_000
"""Deletes that are looked up and sent at once."""


async def attempt(facts: RunFacts, observer: Observer, step: Awaitable[T]) -> T | None:
    """A step whose expected errors end that step alone."""
    try:
        return await step
    except SyncError as error:
        facts.problems.append(error)
        observer.problem(str(error), kind=error.kind)
        return None


class Rounds:
    """Delivers what is pending of one route."""

    def __init__(
        self,
        tools: Tools,
        csv: CsvProcessor,
        planner: Planner,
        delivery: Delivery,
        guard: Guard,
        scanner: Scanner,
        stamp: Callable[[], str],
        trust_events: bool = False,
    ) -> None:
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._observer = tools.observer
        self._now = tools.now
        self._halt = tools.retry.halt
        self._csv = csv
        self._planner = planner
        self._delivery = delivery
        self._guard = guard
        self._scanner = scanner
        self._stamp = stamp
        self._trust_events = trust_events

    async def deliver(self, facts: RunFacts) -> None:
        """Goes round until the states agree, or nothing more can be done now."""
        for _ in range(ROUNDS):
            if self._halted(facts):
                return
            self._delivery.counts.again = False
            await self._deliver_round(facts)
            if not self._delivery.counts.again:
                return

    async def _deliver_round(self, facts: RunFacts) -> None:
        pair = await self._thread(self._csv.snapshot, self._catalogue, self._stamp(), facts.run_id)
        waiting: dict[int, tuple[Kind, ...]] = {}
        failed_before: dict[int, tuple[Kind, ...]] = {}
        deletes = array("q")
        windows = self._csv.diff(pair)
        while (window := await asyncio.to_thread(next, windows, None)) is not None:
            passing("diff computed")
            plan = await self._planner.sort(window)
            passing("window planned")
            waiting |= plan.waiting
            failed_before |= plan.failed_before
            deletes.extend(plan.deletes)
            await self._delivery.send(plan.ready)
        await self._delivery.drain()
        failed = await self._deliver_waiting(facts, waiting)
        allowed = await self._deliver_deletes(facts, deletes, failed)
        await self._deliver_failed_before(facts, failed_before, allowed)
        self._halted(facts)

    async def _deliver_failed_before(
        self, facts: RunFacts, waiting: dict[int, tuple[Kind, ...]], deletes: list[int]
    ) -> None:
        """What has failed before goes last. Where it goes through now, others may have waited for its path: once more round."""
        waiting = {row_id: kinds for row_id, kinds in waiting.items() if row_id not in self._delivery.failed}
        tried = len(waiting)
        failed = await self._deliver_waiting(facts, waiting)
        left = [row_id for row_id in deletes if row_id not in self._delivery.failed]
        await self._send_deletes(facts, left, failed_before=True)
        await self._delivery.drain()
        self._delivery.counts.again = self._delivery.counts.again or len(failed) < tried

    async def _deliver_waiting(self, facts: RunFacts, waiting: dict[int, tuple[Kind, ...]]) -> set[int]:
        """Rows with several operations, or whose path another row holds: wave after wave, as paths become free.

        Returns the rows that failed; each is tried once a round.
        """
        failed: set[int] = set()
        room = (await self._thread(self._catalogue.scan_state)).suspicion is None
        while waiting and not self._halted(facts):
            wave = await self._planner.wave(waiting, failed, room)
            if not wave:
                break
            results = await self._delivery.run(wave)
            failed |= {o.row_id for o in wave if results.get(o.row_id) is not Result.DONE}
            for operation in wave:
                self._advance(waiting, operation, results.get(operation.row_id))
        return failed

    def _advance(self, waiting: dict[int, tuple[Kind, ...]], operation: Operation, result: Result | None) -> None:
        """What remains to be done of a row after one of its operations; a row that failed waits for the next cycle."""
        kinds = waiting.get(operation.row_id, ())
        if result is Result.DONE and self._planner.is_aside(operation):
            return
        if result is Result.DONE and kinds[1:]:
            waiting[operation.row_id] = kinds[1:]
        else:
            waiting.pop(operation.row_id, None)

    async def _deliver_deletes(self, facts: RunFacts, ids: array[int], failed: set[int]) -> list[int]:
        """Deletes come last, and not past the guard; those that failed while they made room wait for the next cycle.

        Returns the rows whose deletes are allowed.
        """
        causes = await self._thread(self._catalogue.delete_causes, list(ids))
        approved = set(await self._thread(self._catalogue.approved))
        files = await self._thread(self._catalogue.delivered_count)
        scan = await self._thread(self._catalogue.scan_state)
        held_for = await self._thread(self._catalogue.within, ledger.held_for)
        verdict = judge(self._guard, list(causes), approved, files, scan.suspicion, held_for)
        facts.held, facts.held_reason = verdict.held, verdict.reason
        if scan.suspicion is not None and scan.status is ScanStatus.COMPLETE and not verdict.held:
            await attempt(facts, self._observer, self._scanner.accept_source())
        with point("deletes judged"):
            await self._thread(self._catalogue.put_held, verdict.held, verdict.reason, self._now())
        if verdict.held:
            self._observer.problem(
                "deletes are held until a person agrees", deletes=verdict.held, reason=verdict.reason
            )
        allowed = [row_id for row_id in verdict.allowed if row_id not in failed]
        await self._send_deletes(facts, allowed)
        await self._delivery.drain()
        return allowed

    async def _send_deletes(self, facts: RunFacts, ids: list[int], failed_before: bool = False) -> None:
        for start in range(0, len(ids), STEP):
            if self._halted(facts):
                return
            planned = await self._planner.deletes(ids[start : start + STEP], failed_before)
            await self._delivery.send(await self._still_gone(facts, planned))

    async def _still_gone(self, facts: RunFacts, deletes: list[Operation]) -> list[Operation]:
        """Those that may go now: an object that came back is no longer deleted, one that nobody can look at waits."""
        if self._trust_events:
            return deletes
        gone, problem = await self._scanner.still_gone(deletes, facts.started_at)
        if problem is not None:
            facts.problems.append(problem)
            self._observer.problem(
                f"deletes wait, since their objects cannot be looked at: {problem}", kind=problem.kind
            )
        self._delivery.counts.again = self._delivery.counts.again or (len(gone) < len(deletes) and problem is None)
        return gone

    def _halted(self, facts: RunFacts) -> bool:
        """Whether to stop here: a signal came, or the destination does not answer."""
        hearing = self._delivery.hearing
        if hearing.silent:
            facts.silent, facts.refused = True, hearing.refused
        return facts.silent or self._halt.is_set
