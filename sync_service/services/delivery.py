"""Delivers operations in windows: marked in doubt and committed first, then carried out, then confirmed as answers come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sync_service.catalogue import delivering, looked
from sync_service.models.changes import Doubt, FailureRecord, Observation
from sync_service.models.crashpoints import point
from sync_service.models.data_models import UPLOADS, Kind, Operation, Outcome, Result
from sync_service.models.errors import BadAnswer, SourceMoved, SyncError, Unreadable
from sync_service.models.text import shown
from sync_service.ports import Engine, Source
from sync_service.services.concurrency import each
from sync_service.services.courier import Courier
from sync_service.services.failing import Failing
from sync_service.services.hearing import Hearing, source_moved
from sync_service.services.looking import Looking
from sync_service.services.observations import seen_again
from sync_service.services.outcome_records import record_of
from sync_service.services.planner import has_failed, is_final
from sync_service.services.settling import Settler
from sync_service.services.tools import Tools

WINDOW = 200
"""Operations that are marked in one transaction."""

OUTSTANDING = 1_000
"""Operations that may be marked and not yet confirmed, over all windows."""

TOGETHER = 300
"""Outcomes that are confirmed in one transaction, where so many come within LINGER."""

LINGER = 0.2
"""Seconds that an outcome waits for others to be confirmed with; not at all where no others are on their way."""

FAILED = frozenset({Result.REFUSED, Result.NOT_DONE, Result.UNKNOWN, Result.STORED_WRONG})
LOOK_AGAIN = frozenset({Result.SOURCE_MOVED, Result.MISSING, Result.STORED_WRONG})
"""Results after which the same cycle looks at the row once more and goes another round."""

_STOPPED = "halted"
WITNESSES = 3
"""Paths that a destination is asked about which it must have, before it is believed that it does not have another."""


@dataclass(slots=True)
class DeliveryCounts:
    """What a cycle has done; what failed is in the catalogue. `unlooked` says why a changed object could not be looked at."""

    done: Counter[str] = field(default_factory=Counter)
    files: int = 0
    size: int = 0
    again: bool = False
    unlooked: SyncError | None = None


class Delivery:
    """Delivers one cycle's operations of one route."""

    def __init__(
        self,
        tools: Tools,
        source: Source,
        courier: Courier,
        engine: Engine,
        max_attempts: int = 10,
    ) -> None:
        self._looking = Looking(source, tools.retry, tools.workers)
        self._courier = courier
        self._engine = engine
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now
        self._workers = tools.workers
        self.hearing = Hearing(courier.ping, source.ping, tools.retry.halt, tools.observer, tools.workers)
        self._failing = Failing(max_attempts, self.hearing.answers, self.hearing.well)
        self._settler = Settler(courier)
        self._outcomes: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self._room = asyncio.Condition()
        self._outstanding = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirmer: asyncio.Task[None] | None = None
        self._results: dict[int, Result] = {}
        self._keep_results = False
        self._run_id = ""
        self._admits: Callable[[Operation], bool] | None = None
        self.counts = DeliveryCounts()
        self._stored_wrong: set[int] = set()
        self.failed: set[int] = set()
        """Rows of which an operation has failed since `begin` or `again`: they are not tried once more until then."""

    def begin(self, run_id: str = "") -> None:
        """A new cycle: counts from nothing."""
        self._run_id = run_id
        self._admits = None
        self.counts = DeliveryCounts()
        self.failed.clear()
        self._stored_wrong.clear()
        self.hearing.begin()
        self._failing.begin()
        self._looking.begin()
        self._retry.halt.clear()

    def again(self) -> None:
        """What has failed in this run may be tried once more."""
        self.failed.clear()

    def keep_to(self, admits: Callable[[Operation], bool]) -> None:
        """Until the next `begin`, only operations that `admits` says yes to are sent."""
        self._admits = admits

    # ------------------------------------------------------------ in doubt

    async def settle(self, failed_before: bool = False) -> int:
        """Settles what earlier attempts left in doubt, before anything new is planned for those rows; how many there were.

        Those that could not be settled before (`failed_before`) come by themselves, when all others have had their turn; what
        has been given up is not asked about again before its object changes, or by command.
        """
        doubts = await self._thread(self._catalogue.doubts)
        chosen = await self._doubts_of(doubts, failed_before)
        if not chosen:
            return 0
        self._observer.note("attempts left in doubt are settled", operations=len(chosen))
        taken = await self._taken(doubts)
        for start in range(0, len(chosen), WINDOW):
            window = chosen[start : start + WINDOW]
            outcomes = await each(lambda doubt: self._settle_one(doubt, taken), window, self._workers)
            await self._confirm([o for o in outcomes if o.error_kind != _STOPPED])
        return len(chosen)

    async def _doubts_of(self, doubts: Sequence[Doubt], failed_before: bool) -> list[Doubt]:
        """An object that has changed since is another one: what its new version needs is not held up by the old failure."""
        ids = [doubt.row.id for doubt in doubts]
        failures = await self._thread(self._catalogue.failures_of, ids)
        rows = await self._thread(self._catalogue.observations_by_id, ids)
        again = [d for d in doubts if has_failed(d.operation, failures) and _still_wanted(d, rows.get(d.row.id))]
        if not failed_before:
            return [doubt for doubt in doubts if doubt not in again]
        return [d for d in again if d.row.id not in self.failed and not is_final(d.operation, failures)]

    async def _taken(self, doubts: Sequence[Doubt]) -> set[str]:
        """Paths of these attempts that other rows hold by now."""
        in_doubt = {doubt.row.id for doubt in doubts}
        paths = [p for d in doubts for p in (d.operation.file_path, d.operation.new_path) if p is not None]
        holders = await self._thread(self._catalogue.holders, paths)
        return {path for path, row_id in holders.items() if row_id not in in_doubt}

    async def _settle_one(self, doubt: Doubt, taken: set[str]) -> Outcome:
        if self._retry.halt.is_set:
            return Outcome(doubt.operation, Result.UNKNOWN, attempts=0, error_kind=_STOPPED)
        outcome = await self._settler.settle(doubt, taken)
        await self.hearing.hear(outcome)
        return outcome

    # ------------------------------------------------------------ windows

    async def send(self, operations: Sequence[Operation]) -> None:
        """Takes operations on; returns when they are marked and on their way. The next ones are prepared meanwhile."""
        if self._admits is not None:
            operations = [operation for operation in operations if self._admits(operation)]
        for start in range(0, len(operations), WINDOW):
            window = list(operations[start : start + WINDOW])
            await self._wait_for_room(len(window))
            if self._retry.halt.is_set:
                return
            with point("window marked in doubt"):
                await self._thread(self._catalogue.mark, window)
            self._outstanding += len(window)
            self._start(window)

    async def run(self, operations: Sequence[Operation]) -> dict[int, Result]:
        """Takes operations on and waits until all are confirmed; row id -> how it ended."""
        self._results, self._keep_results = {}, True
        try:
            await self.send(operations)
            await self.drain()
        finally:
            self._keep_results = False
        return self._results

    async def drain(self) -> None:
        """Waits until everything that was sent is confirmed. Raises what the catalogue raised."""
        async with self._room:
            await self._room.wait_for(lambda: self._outstanding == 0 or self._broken())
        await self._raise_if_broken()

    async def stop(self) -> None:
        """Ends what is still on its way; its rows stay in doubt, and the next cycle settles them."""
        for task in [*self._tasks, *([self._confirmer] if self._confirmer else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._confirmer = None
        self._outstanding = 0
        self._outcomes = asyncio.Queue()

    def _start(self, window: list[Operation]) -> None:
        if self._confirmer is None:
            self._confirmer = asyncio.create_task(self._confirm_for_ever())
        task = asyncio.create_task(self._deliver(window))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, window: list[Operation]) -> None:
        try:
            async for outcome in self._engine.deliver(window):
                await self.hearing.hear(outcome)
                self._outcomes.put_nowait(outcome)
        except Exception as defect:
            self._outcomes.put_nowait(defect)

    async def _ended(self) -> list[Outcome]:
        """The outcomes that have come since the last time, at least one. Raises what broke the engine: nobody waits for ever."""
        batch = [await self._outcome()]
        try:
            async with asyncio.timeout(LINGER):
                while len(batch) < min(self._outstanding, TOGETHER):
                    batch.append(await self._outcome())
        except TimeoutError:
            pass
        return batch

    async def _outcome(self) -> Outcome:
        outcome = await self._outcomes.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _wait_for_room(self, size: int) -> None:
        async with self._room:
            await self._room.wait_for(lambda: self._outstanding + size <= OUTSTANDING or self._broken())
        await self._raise_if_broken()

    def _broken(self) -> bool:
        return self._confirmer is not None and self._confirmer.done()

    async def _raise_if_broken(self) -> None:
        if self._confirmer is not None and self._confirmer.done():
            confirmer, self._confirmer = self._confirmer, None
            await self.stop()
            confirmer.result()

    async def _confirm_for_ever(self) -> None:
        try:
            while True:
                batch = await self._ended()
                await self._confirm(batch)
                async with self._room:
                    self._outstanding -= len(batch)
                    self._room.notify_all()
        finally:
            async with self._room:
                self._room.notify_all()

    # ------------------------------------------------------------ confirming

    async def _confirm(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        outcomes = await self._believed(outcomes)
        for outcome in outcomes:
            self._failing.ended(outcome)
        failed = await self._failures([o for o in outcomes if o.result in FAILED and not _to_be_planned_again(o)])
        now = self._now()
        told = [record_of(o, now, self._run_id) for o in outcomes if o.error_kind != _STOPPED]
        wrong = [o for o in outcomes if o.result is Result.STORED_WRONG]
        records = [failed[id(o)] for o in outcomes if id(o) in failed and o.result is not Result.STORED_WRONG]
        with point("outcomes confirmed"):
            await self._thread(self._catalogue.confirm, outcomes, records, told)
        if wrong:
            await self._thread(self._catalogue.confirm, [], [failed[id(o)] for o in await self._standing(wrong)])
        stuck = await self._look_again([o for o in outcomes if source_moved(o)])
        if stuck:
            failed |= await self._failures(stuck)
            await self._thread(self._catalogue.confirm, [], [failed[id(outcome)] for outcome in stuck])
        for outcome in [*outcomes, *stuck]:
            self._count(outcome, id(outcome) in failed)

    async def _believed(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """A destination that no longer has what it has confirmed, and that nothing has changed since, is not believed where it
        says that a path is not there: it may be another one, or somebody who answers in its place.
        """
        if not any(outcome.absent for outcome in outcomes):
            return outcomes
        paths = await self._thread(self._catalogue.within, delivering.some_in_step, WITNESSES)
        for path in paths:
            if await self._has(path):
                return outcomes
        if not paths:
            return outcomes
        return [_not_believed(outcome, paths[0]) if outcome.absent else outcome for outcome in outcomes]

    async def _has(self, path: str) -> bool:
        try:
            return await self._courier.get(path) is not None
        except SyncError:
            return False

    async def _failures(self, outcomes: Sequence[Outcome]) -> dict[int, FailureRecord]:
        if not outcomes:
            return {}
        before = await self._thread(self._catalogue.failures_of, [o.operation.row_id for o in outcomes])
        now = self._now()
        return {id(o): self._failing.record(o, before.get(_key(o.operation)), now) for o in outcomes}

    async def _standing(self, wrong: Sequence[Outcome]) -> list[Outcome]:
        """Those of the wrongly stored whose repair is wanted: an object that has changed meanwhile has not failed yet."""
        rows = await self._thread(self._catalogue.observations_by_id, [o.operation.row_id for o in wrong])
        now = {row_id: known.row.etag for row_id, known in rows.items()}
        return [o for o in wrong if now.get(o.operation.row_id) == o.operation.etag]

    async def count_failures(self) -> None:
        """At the end of a phase: failures that came before the first answer of their side count, too."""
        if late := await self._failing.counted_late():
            await self._thread(self._catalogue.confirm, [], late)

    async def _look_again(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The source moved on while it was read: observe it again, this is no failure. But what it shows in the very version
        that it would not give is one: those are returned as failed.
        """
        if not outcomes:
            return []
        rows = await self._thread(self._catalogue.observations_by_id, [o.operation.row_id for o in outcomes])
        answers = await self._looking.at([known.row.file_path for known in rows.values()])
        looks: list[tuple[Observation, Observation | None]] = []
        for known in rows.values():
            info = answers[known.row.file_path]
            if isinstance(info, SyncError):
                self._observer.problem(
                    "a changed object cannot be looked at", file_path=known.row.file_path, error=str(info)
                )
                self.counts.unlooked = self.counts.unlooked or info
            else:
                looks.append((known, None if info is None else seen_again(known, info)))
        await self._thread(self._catalogue.within, looked.look_taken, looks, self._now())
        shown = {known.row.id: look.row.etag for known, look in looks if look is not None}
        return [_withheld(o) for o in outcomes if shown.get(o.operation.row_id) == o.operation.etag]

    def _repaired_before(self, row_id: int) -> bool:
        """Whether this run has sent these bytes twice, and they were stored wrong each time: the next run may try again."""
        known = row_id in self._stored_wrong
        self._stored_wrong.add(row_id)
        return known

    def _count(self, outcome: Outcome, failed: bool) -> None:
        operation, counts = outcome.operation, self.counts
        if self._keep_results:
            self._results[operation.row_id] = outcome.result
        if _to_be_planned_again(outcome):
            return
        self._observer.outcome(outcome)
        self._observer.advance(1, outcome.sent_bytes)
        if outcome.result is Result.STORED_WRONG and self._repaired_before(operation.row_id):
            self.failed.add(operation.row_id)
            return
        counts.again = counts.again or outcome.result in LOOK_AGAIN or not outcome.certain or source_moved(outcome)
        if outcome.result is Result.DONE and outcome.certain:
            counts.done[str(operation.kind)] += 1
            counts.files += operation.kind in UPLOADS
            counts.size += outcome.sent_bytes
        elif failed and outcome.result is not Result.STORED_WRONG and outcome.error_kind != SourceMoved.kind:
            self.failed.add(operation.row_id)


def _still_wanted(doubt: Doubt, now: Observation | None) -> bool:
    """Whether the attempt is for what the source has now."""
    if now is None:
        return doubt.operation.kind is Kind.DELETE
    return now.row.revision == doubt.operation.revision


def _not_believed(outcome: Outcome, path: str) -> Outcome:
    why = f"it says that the path is not there, and says so of {shown(path)} too, which it had confirmed: not believed"
    return replace(outcome, result=Result.UNKNOWN, error_kind=BadAnswer.kind, error=why)


def _withheld(outcome: Outcome) -> Outcome:
    """The failure that it is where the source shows a version and does not give it."""
    why = f"the source shows this version and does not give it: {outcome.error}"
    return replace(outcome, result=Result.NOT_DONE, at_source=True, error_kind=Unreadable.kind, error=why)


def _to_be_planned_again(outcome: Outcome) -> bool:
    """Halted before it began, or found not done while it was settled: no failure."""
    return outcome.error_kind == _STOPPED or (outcome.result is Result.NOT_DONE and outcome.error_kind is None)


def _key(operation: Operation) -> tuple[int, str]:
    return operation.row_id, str(operation.kind)
