"""Several observers as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync_service.models.data_models import Outcome
from sync_service.ports import Observer


class Observers:
    """Tells each of `observers`, in order. One that breaks its promise and raises is left out from then on."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        self._tell(lambda one: one.phase(name, total, total_bytes))

    def advance(self, items: int = 1, size: int = 0) -> None:
        self._tell(lambda one: one.advance(items, size))

    def outcome(self, outcome: Outcome) -> None:
        self._tell(lambda one: one.outcome(outcome))

    def note(self, message: str, **facts: Any) -> None:
        self._tell(lambda one: one.note(message, **facts))

    def problem(self, message: str, **facts: Any) -> None:
        self._tell(lambda one: one.problem(message, **facts))

    def finished(self, report: dict[str, Any]) -> None:
        self._tell(lambda one: one.finished(report))

    def close(self) -> None:
        """Ends what is drawn or told of a phase, for commands that have no run report."""
        for one in self._observers:
            if (close := getattr(one, "close", None)) is not None:
                close()

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for one in tuple(self._observers):
            try:
                tell(one)
            except Exception as error:  # a report that breaks must not break the sync it reports on
                self._leave_out(one, error)

    def _leave_out(self, broken: Observer, error: Exception) -> None:
        self._observers = [one for one in self._observers if one is not broken]
        self.problem("an observer failed and is left out", observer=type(broken).__name__, error=repr(error))
