"""Delivers operations in windows: marked in doubt and committed first, then carried out, then confirmed as answers come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sync_service.models.changes import Confirmation, Doubt, FailureRecord, Observation
from sync_service.models.crashpoints import point
from sync_service.models.data_models import PATH_CHANGES, UPLOADS, Kind, Operation, Outcome, Result
from sync_service.models.errors import SourceMoved, SyncError
from sync_service.ports import Engine, Source
from sync_service.services.concurrency import each
from sync_service.services.courier import Courier
from sync_service.services.observations import seen_again
from sync_service.services.outcome_records import record_of
from sync_service.services.tools import Tools

WINDOW = 200
"""Operations that are marked in one transaction."""

OUTSTANDING = 1_000
"""Operations that may be marked and not yet confirmed, over all windows."""

FAILED = frozenset({Result.REFUSED, Result.NOT_DONE, Result.UNKNOWN, Result.STORED_WRONG})
LOOK_AGAIN = frozenset({Result.SOURCE_MOVED, Result.MISSING, Result.STORED_WRONG})
"""Results after which the same cycle looks at the row once more and goes another round."""

_ALIVE = frozenset({Result.DONE, Result.REFUSED, Result.MISSING, Result.STORED_WRONG})
_STOPPED = "halted"
ERRORS_KEPT = 100


@dataclass(slots=True)
class DeliveryCounts:
    """What became of a cycle's operations. `errors` holds the first hundred failed ones."""

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    files: int = 0
    files_failed: int = 0
    size: int = 0
    again: bool = False
    errors: list[tuple[Outcome, FailureRecord | None]] = field(default_factory=list)


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
        self._source = source
        self._courier = courier
        self._engine = engine
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now
        self._workers = tools.workers
        self._max_attempts = max_attempts
        self._outcomes: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self._room = asyncio.Condition()
        self._outstanding = 0
        self._unanswered = 0
        self._alive = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirmer: asyncio.Task[None] | None = None
        self._results: dict[int, Result] = {}
        self._keep_results = False
        self._run_id = ""
        self._admits: Callable[[Operation], bool] | None = None
        self.counts = DeliveryCounts()
        self.silent = False

    def begin(self, run_id: str = "") -> None:
        """A new cycle: counts from nothing."""
        self._run_id = run_id
        self._admits = None
        self.counts = DeliveryCounts()
        self._unanswered = 0
        self._alive = False
        self.silent = False
        self._retry.halt.clear()

    def keep_to(self, admits: Callable[[Operation], bool]) -> None:
        """Until the next `begin`, only operations that `admits` says yes to are sent."""
        self._admits = admits

    # ------------------------------------------------------------ in doubt

    async def settle(self) -> None:
        """Settles what an earlier attempt left in doubt, before anything new is planned for those rows."""
        doubts = await self._thread(self._catalogue.doubts)
        if not doubts:
            return
        self._observer.note("attempts left in doubt are settled first", operations=len(doubts))
        in_doubt = {doubt.row.id for doubt in doubts}
        paths = [p for d in doubts for p in (d.operation.file_path, d.operation.new_path) if p is not None]
        holders = await self._thread(self._catalogue.holders, paths)
        taken = {path for path, row_id in holders.items() if row_id not in in_doubt}
        for start in range(0, len(doubts), WINDOW):
            window = doubts[start : start + WINDOW]
            outcomes = await each(lambda doubt: self._settle_watched(doubt, taken), window, self._workers)
            await self._confirm([o for o in outcomes if o.error_kind != _STOPPED])

    async def _settle_watched(self, doubt: Doubt, taken: set[str]) -> Outcome:
        if self._retry.halt.is_set:
            return Outcome(doubt.operation, Result.UNKNOWN, attempts=0, error_kind=_STOPPED)
        outcome = await self._settle_one(doubt, taken)
        self._watch(outcome)
        return outcome

    async def _settle_one(self, doubt: Doubt, taken: set[str]) -> Outcome:
        operation = doubt.operation
        try:
            if operation.kind in UPLOADS:
                return await self._settle_upload(operation, taken)
            if operation.kind in PATH_CHANGES:
                return await self._settle_path_change(operation, taken)
            return await self._settle_in_place(operation, taken)
        except SyncError as error:
            return Outcome(operation, Result.UNKNOWN, error_kind=error.kind, error=str(error))

    async def _settle_upload(self, operation: Operation, taken: set[str]) -> Outcome:
        """An upload is repeated as it was, under its own key, while the source has that version; else `get` tells."""
        if operation.file_path not in taken:
            outcome = await self._courier.carry(operation)
            if outcome.result not in (Result.SOURCE_MOVED, Result.REFUSED, Result.MISSING, Result.NOT_DONE):
                if outcome.error_kind != SourceMoved.kind:
                    return outcome
            elif outcome.result is Result.NOT_DONE:
                return replace(outcome, result=Result.UNKNOWN)
            self.counts.again = True
            if (found := await self._courier.get(operation.file_path)) is not None:
                return Outcome(operation, Result.DONE, found, certain=False)
        return Outcome(operation, Result.MISSING)

    async def _settle_path_change(self, operation: Operation, taken: set[str]) -> Outcome:
        assert operation.new_path is not None
        if operation.new_path not in taken:
            return await self._courier.locate(operation)
        found = None if operation.file_path in taken else await self._courier.get(operation.file_path)
        return Outcome(operation, Result.NOT_DONE if found is not None else Result.MISSING)

    async def _settle_in_place(self, operation: Operation, taken: set[str]) -> Outcome:
        """A delete is not done where the path is still there. Which permissions hold after a change in doubt nobody says."""
        found = None if operation.file_path in taken else await self._courier.get(operation.file_path)
        if operation.kind is Kind.DELETE:
            return Outcome(operation, Result.NOT_DONE if found is not None else Result.DONE)
        return Outcome(operation, Result.DONE if found is not None else Result.MISSING, certain=False)

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
        await self.send(operations)
        await self.drain()
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
                self._watch(outcome)
                self._outcomes.put_nowait(outcome)
        except Exception as defect:
            self._outcomes.put_nowait(defect)

    async def _ended(self) -> list[Outcome]:
        """The outcomes that have come since the last time, at least one. Raises what broke the engine: nobody waits for ever."""
        batch: list[Outcome] = []
        while not batch or (not self._outcomes.empty() and len(batch) < OUTSTANDING):
            outcome = await self._outcomes.get()
            if isinstance(outcome, Exception):
                raise outcome
            batch.append(outcome)
        return batch

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

    def _watch(self, outcome: Outcome) -> None:
        """Stops the cycle's deliveries when nothing but silence comes back: the rest is better tried later."""
        if outcome.result in _ALIVE:
            self._unanswered, self._alive = 0, True
        elif outcome.attempts and not _source_moved(outcome):
            self._unanswered += 1
        if self._unanswered >= max(2 * self._workers, 10) and not self._retry.halt.is_set:
            self.silent = True
            self._retry.halt.set("the destination does not answer")
            self._observer.problem(
                "the destination does not answer; the rest waits for the next cycle",
                operations=self._unanswered,
                error=outcome.error,
            )

    # ------------------------------------------------------------ confirming

    async def _confirm(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        confirmations = await self._learned(outcomes)
        failed = await self._failures([o for o in outcomes if o.result in FAILED and not _to_be_planned_again(o)])
        now = self._now()
        told = [record_of(o, now, self._run_id) for o in outcomes if o.error_kind != _STOPPED]
        with point("outcomes confirmed"):
            await self._thread(self._catalogue.confirm, confirmations, list(failed.values()), told)
        await self._look_again([o for o in outcomes if _source_moved(o)])
        for outcome in outcomes:
            self._count(outcome, failed.get(id(outcome)))

    async def _learned(self, outcomes: Sequence[Outcome]) -> list[Confirmation]:
        """What the objects' own headers told while they were sent, for rows that only a listing had shown."""
        creates = [
            o for o in outcomes if o.result is Result.DONE and o.operation.kind is Kind.CREATE and o.info is not None
        ]
        rows: dict[int, Observation] = {}
        if creates:
            rows = await self._thread(self._catalogue.observations_by_id, [o.operation.row_id for o in creates])
        return [Confirmation(o, learned_of(o, rows.get(o.operation.row_id))) for o in outcomes]

    async def _failures(self, outcomes: Sequence[Outcome]) -> dict[int, FailureRecord]:
        if not outcomes:
            return {}
        before = await self._thread(self._catalogue.failures_of, [o.operation.row_id for o in outcomes])
        now = self._now()
        return {
            id(o): failure_of(
                o, before.get((o.operation.row_id, str(o.operation.kind))), now, self._max_attempts, self._alive
            )
            for o in outcomes
        }

    async def _look_again(self, outcomes: Sequence[Outcome]) -> None:
        """The source moved on while it was read: observe it again, this is no failure."""
        if not outcomes:
            return
        rows = await self._thread(self._catalogue.observations_by_id, [o.operation.row_id for o in outcomes])
        seen: list[Observation] = []
        gone: list[int] = []
        for known in rows.values():
            try:
                path = known.row.file_path
                info = await self._retry.call(lambda: self._source.look(path))  # noqa: B023 - called before the next turn
            except SyncError as error:
                self._observer.problem(
                    "a changed object cannot be looked at", file_path=known.row.file_path, error=str(error)
                )
                continue
            if info is None:
                gone.append(known.row.id)
            else:
                seen.append(seen_again(known, info))
        await self._thread(self._catalogue.observe, seen, gone, self._now())

    def _count(self, outcome: Outcome, failure: FailureRecord | None) -> None:
        operation, counts = outcome.operation, self.counts
        if self._keep_results:
            self._results[operation.row_id] = outcome.result
        if _to_be_planned_again(outcome):
            return
        self._observer.outcome(outcome)
        self._observer.advance(1, outcome.sent_bytes)
        counts.again = counts.again or outcome.result in LOOK_AGAIN or _source_moved(outcome)
        if outcome.result is Result.DONE and outcome.certain:
            counts.done[str(operation.kind)] += 1
            counts.files += operation.kind in UPLOADS
            counts.size += outcome.sent_bytes
        elif (
            failure is not None and outcome.result is not Result.STORED_WRONG and outcome.error_kind != SourceMoved.kind
        ):
            counts.failed[str(operation.kind)] += 1
            counts.files_failed += operation.kind in UPLOADS
            if len(counts.errors) < ERRORS_KEPT:
                counts.errors.append((outcome, failure))


def _source_moved(outcome: Outcome) -> bool:
    """The source was read and had another version: an answer, though not the destination's, and no failure."""
    return outcome.result is Result.SOURCE_MOVED or outcome.error_kind == SourceMoved.kind


def _to_be_planned_again(outcome: Outcome) -> bool:
    """Halted before it began, or found not done while it was settled: no failure."""
    return outcome.error_kind == _STOPPED or (outcome.result is Result.NOT_DONE and outcome.error_kind is None)


def learned_of(outcome: Outcome, known: Observation | None) -> Observation | None:
    """The row with the attributes that came with its bytes; it keeps its revision, since nothing else is wanted by it."""
    if known is None or outcome.info is None or known.row.etag != outcome.info.etag:
        return None
    learned = seen_again(known, outcome.info)
    return replace(learned, row=replace(learned.row, revision=known.row.revision))


def failure_of(
    outcome: Outcome, before: FailureRecord | None, now: str, max_attempts: int, alive: bool
) -> FailureRecord:
    """The record of a failed operation. Cycles count only while the destination answers others: an outage condemns nobody."""
    operation = outcome.operation
    same = before is not None and before.revision == operation.revision
    cycles = (before.cycles if before is not None and same else 0) + int(alive or outcome.result is Result.REFUSED)
    return FailureRecord(
        row_id=operation.row_id,
        file_path=operation.file_path,
        operation=str(operation.kind),
        revision=operation.revision,
        kind=outcome.error_kind or "error",
        message=outcome.error or "",
        attempts=(before.attempts if before is not None and same else 0) + outcome.attempts,
        cycles=cycles,
        first_at=before.first_at if before is not None and same else now,
        last_at=now,
        quarantined=outcome.result is Result.REFUSED or cycles >= max_attempts,
    )
