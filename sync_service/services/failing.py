"""What is kept of failed operations: their attempts, and the cycles in which they failed while others went through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Outcome, Result

MOST_UNCOUNTED = 10_000
"""Failures of one run that wait to be counted; of more than that the rest is counted by later runs."""

_Key = tuple[int, str]


class Failing:
    """Records failures. A cycle counts only where the side that failed answers others: an outage condemns nobody."""

    def __init__(self, max_attempts: int, answers: Callable[[Outcome], bool]) -> None:
        self._max_attempts = max_attempts
        self._answers = answers
        self._uncounted: dict[_Key, tuple[FailureRecord, Outcome]] = {}

    def begin(self) -> None:
        """A new run."""
        self._uncounted.clear()

    def ended(self, outcome: Outcome) -> None:
        """Whatever this operation had failed with before in this run no longer holds."""
        self._uncounted.pop((outcome.operation.row_id, str(outcome.operation.kind)), None)

    def record(self, outcome: Outcome, before: FailureRecord | None, now: str) -> FailureRecord:
        """The record of a failed operation, `before` being what was known of it."""
        alive = self._answers(outcome)
        record = failure_of(outcome, before, now, self._max_attempts, alive)
        if not alive and not record.quarantined and len(self._uncounted) < MOST_UNCOUNTED:
            self._uncounted[record.row_id, record.operation] = (record, outcome)
        return record

    def counted_late(self) -> list[FailureRecord]:
        """At the end of a run: the failures that came before the first answer of their side, counted after all."""
        late = [self._counted(record) for record, outcome in self._uncounted.values() if self._answers(outcome)]
        self._uncounted.clear()
        return late

    def _counted(self, record: FailureRecord) -> FailureRecord:
        cycles = record.cycles + 1
        return replace(record, cycles=cycles, quarantined=record.quarantined or cycles >= self._max_attempts)


def failure_of(
    outcome: Outcome, before: FailureRecord | None, now: str, max_attempts: int, alive: bool
) -> FailureRecord:
    """The record of a failed operation; what was known of another revision is not carried on. `alive`: others were answered."""
    operation = outcome.operation
    same = before if before is not None and before.revision == operation.revision else None
    cycles = (same.cycles if same else 0) + int(alive or outcome.result is Result.REFUSED)
    return FailureRecord(
        row_id=operation.row_id,
        file_path=operation.file_path,
        operation=str(operation.kind),
        revision=operation.revision,
        kind=outcome.error_kind or "error",
        message=outcome.error or "",
        attempts=(same.attempts if same else 0) + outcome.attempts,
        cycles=cycles,
        first_at=same.first_at if same else now,
        last_at=now,
        quarantined=outcome.result is Result.REFUSED or cycles >= max_attempts,
    )
