"""What is kept of failed operations: their attempts, and the cycles in which they failed while others went through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Kind, Outcome, Result
from sync_service.models.errors import ClockSkewed, Denied, Throttled, Unreachable

MOST_UNCOUNTED = 10_000
"""Failures of one run that wait to be counted; of more than that the rest is counted by later runs."""

OF_THE_SIDE = frozenset({Unreachable.kind, Throttled.kind, Denied.kind, ClockSkewed.kind})
"""Failures that tell of the side that was asked rather than of the object."""

_Key = tuple[int, str]


class Failing:
    """Records failures. A cycle counts only where the side that failed answers others, once: an outage condemns nobody.

    `answers` says whether the side that failed has answered others in this run, `well` asks it how it is.
    """

    def __init__(
        self, max_attempts: int, answers: Callable[[Outcome], bool], well: Callable[[bool], Awaitable[bool]]
    ) -> None:
        self._max_attempts = max_attempts
        self._answers = answers
        self._well = well
        self._uncounted: dict[_Key, tuple[FailureRecord, Outcome]] = {}
        self._counted: set[_Key] = set()

    def begin(self) -> None:
        """A new run."""
        self._uncounted.clear()
        self._counted.clear()

    def ended(self, outcome: Outcome) -> None:
        """Whatever this operation had failed with before in this run no longer holds."""
        self._uncounted.pop(_key(outcome), None)

    def record(self, outcome: Outcome, before: FailureRecord | None, now: str) -> FailureRecord:
        """The record of a failed operation, `before` being what was known of it."""
        key = _key(outcome)
        alive = self._answers(outcome)
        record = failure_of(outcome, before, now, self._max_attempts, alive and key not in self._counted)
        if alive:
            self._remember(key)
        elif not record.quarantined and len(self._uncounted) < MOST_UNCOUNTED:
            self._uncounted[key] = (record, outcome)
        return record

    async def counted_late(self) -> list[FailureRecord]:
        """At the end of a phase: failures that came before the first answer of their side, counted after all. Where nothing
        else was tried there, its own word stands for that answer.
        """
        late = []
        for at_source in (False, True):
            waiting = [pair for pair in self._uncounted.values() if pair[1].at_source is at_source]
            if not waiting:
                continue
            if not self._answers(waiting[0][1]):
                waiting = [pair for pair in waiting if _singled_out(pair[0], len(waiting))]
                if not waiting or not await self._well(at_source):
                    continue
            late += [self._counted_once_more(record) for record, _ in waiting]
        self._uncounted.clear()
        return [record for record in late if record is not None]

    def _counted_once_more(self, record: FailureRecord) -> FailureRecord | None:
        key = (record.row_id, record.operation)
        if key in self._counted:
            return None
        self._remember(key)
        cycles = record.cycles + 1
        return replace(record, cycles=cycles, quarantined=cycles >= self._max_attempts)

    def _remember(self, key: _Key) -> None:
        if len(self._counted) < MOST_UNCOUNTED:
            self._counted.add(key)


def _singled_out(record: FailureRecord, together: int) -> bool:
    """Whether it may be the object rather than an outage: it is the only one, or has failed before while others went through."""
    return record.kind not in OF_THE_SIDE and (together == 1 or record.cycles > 0)


def failure_of(
    outcome: Outcome, before: FailureRecord | None, now: str, max_attempts: int, alive: bool
) -> FailureRecord:
    """The record of a failed operation; what was known of another revision is not carried on. `alive`: others were answered.

    What was stored wrong is repaired by an update, which is a new effect of the next revision: it is that one which is counted.
    """
    operation, repaired = outcome.operation, outcome.result is Result.STORED_WRONG
    same = before if before is not None and before.revision == operation.revision else None
    cycles = (same.cycles if same else 0) + int(alive or outcome.result is Result.REFUSED)
    return FailureRecord(
        row_id=operation.row_id,
        file_path=operation.file_path,
        operation=_key(outcome)[1],
        revision=operation.revision + repaired,
        kind=outcome.error_kind or "error",
        message=outcome.error or "",
        attempts=(same.attempts if same else 0) + outcome.attempts,
        cycles=cycles,
        first_at=same.first_at if same else now,
        last_at=now,
        quarantined=outcome.result is Result.REFUSED or cycles >= max_attempts,
    )


def _key(outcome: Outcome) -> _Key:
    """The operation that is tried again after this outcome."""
    kind = Kind.UPDATE if outcome.result is Result.STORED_WRONG else outcome.operation.kind
    return outcome.operation.row_id, str(kind)
