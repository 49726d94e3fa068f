"""Whether the two sides of a route answer: an outage ends a run early and condemns no object, a bad object does neither."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sync_service.models.data_models import UPLOADS, Outcome, Result
from sync_service.models.errors import Denied, SourceMoved, SyncError
from sync_service.ports import Observer
from sync_service.services.retry import Halt

_ANSWERS = frozenset({Result.DONE, Result.REFUSED, Result.MISSING, Result.STORED_WRONG})
_LEAST = 10
_PATIENCE = 5
"""So many times longer is a destination borne with that says that it is well: then it may be the objects."""


class Hearing:
    """Listens to the outcomes of one run at a time."""

    def __init__(
        self,
        ping: Callable[[], Awaitable[None]],
        ping_source: Callable[[], Awaitable[None]],
        halt: Halt,
        observer: Observer,
        workers: int,
    ) -> None:
        self._ping = ping
        self._ping_source = ping_source
        self._halt = halt
        self._observer = observer
        self._bound = max(2 * workers, _LEAST)
        self.begin()

    def begin(self) -> None:
        """A new run: nobody has answered yet."""
        self._unanswered = 0
        self._well: bool | None = None
        self._destination = self._source = False
        self.silent = self.refused = False

    def answers(self, outcome: Outcome) -> bool:
        """Whether the side that failed here has answered others in this run."""
        return self._source if outcome.at_source else self._destination

    async def well(self, at_source: bool) -> bool:
        """Whether the source, or the destination, itself says that it is well."""
        return await _well(self._ping_source if at_source else self._ping)

    async def hear(self, outcome: Outcome) -> None:
        """Halts the run where nothing but silence comes back from the destination: the rest is better tried later."""
        if outcome.result in _ANSWERS and not outcome.at_source:
            self._unanswered, self._destination = 0, True
            self._source = self._source or (outcome.result is Result.DONE and outcome.operation.kind in UPLOADS)
        elif outcome.attempts and not outcome.at_source and not source_moved(outcome):
            self._unanswered += 1
        if self._unanswered >= self._bound and not self._halt.is_set and not await self._may_be_the_objects():
            self._stop(outcome)

    async def _may_be_the_objects(self) -> bool:
        if self._well is None:
            self._well = await _well(self._ping)
        return self._well and self._unanswered < _PATIENCE * self._bound

    def _stop(self, outcome: Outcome) -> None:
        if self._halt.is_set:
            return
        self.silent, self.refused = True, outcome.error_kind == Denied.kind
        what = "refuses us" if self.refused else "does not answer"
        self._halt.set(f"the destination {what}")
        self._observer.problem(
            f"the destination {what}; the rest waits for the next cycle",
            operations=self._unanswered,
            error=outcome.error,
        )


async def _well(ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        await ping()
    except SyncError:
        return False
    return True


def source_moved(outcome: Outcome) -> bool:
    """The source was read and had another version: an answer, though not the destination's, and no failure."""
    return outcome.result is Result.SOURCE_MOVED or outcome.error_kind == SourceMoved.kind
