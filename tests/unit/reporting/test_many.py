"""Several observers as one."""

from __future__ import annotations

from typing import Any

from sync_service.reporting.many import Observers
from sync_service.reporting.null import NullObserver
from sync_service.reporting.progress import ProgressObserver
from tests.contracts.observer_contract import REPORT, ended
from tests.fakes.observer import RecordingObserver
from tests.unit.reporting.conftest import Clock, Terminal


class Broken(NullObserver):
    """An observer that breaks its promise."""

    def note(self, message: str, **facts: Any) -> None:
        raise RuntimeError("broken")


def tell(observer: Observers) -> None:
    observer.phase("scan", 1, 2)
    observer.advance(3, 4)
    observer.outcome(ended("a"))
    observer.note("n", key="k")
    observer.problem("p", key="k")
    observer.finished(REPORT)


def test_everyone_is_told_everything() -> None:
    """Each observer gets every call with all of its arguments."""
    first, second = RecordingObserver(), RecordingObserver()
    tell(Observers(first, second))
    assert first.calls == second.calls
    assert [name for name, _ in first.calls] == ["phase", "advance", "outcome", "note", "problem", "finished"]
    assert first.of("phase") == [("scan", 1, 2)]
    assert first.notes == [("n", {"key": "k"})]


def test_closing_ends_what_is_drawn_or_told(clock: Clock, terminal: Terminal) -> None:
    """For commands without a run report: a bar gives the terminal back, and observers without anything to end are left be."""
    bar = ProgressObserver(terminal, clock)
    observers = Observers(bar, RecordingObserver())
    observers.phase("check", 3)
    observers.advance(2)
    observers.close()
    observers.close()
    assert bar._bar is None
    assert "check: 2 of 3 files" in terminal.getvalue()


def test_a_broken_observer_stops_nobody() -> None:
    """One that raises is left out and named to the others, which hear everything."""
    other = RecordingObserver()
    observers = Observers(Broken(), other)
    tell(observers)
    tell(observers)
    assert [facts.get("observer") for _, facts in other.problems] == ["Broken", None, None]
    assert len(other.notes) == len(other.reports) == 2
