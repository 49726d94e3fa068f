"""What every observer promises: it takes whatever it is told, in any order, and never raises."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sync_service.models.data_models import Kind, Operation, Outcome, Result
from sync_service.ports import Observer

KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]]
HOSTILE = [*KEYS, "[/b]", "[bold red]", "{0} {task} %s %(a)s", "\udc80 lone surrogate", "\x1b]0;title\x07", ""]

REPORT: dict[str, Any] = {
    "sync_type": "incremental",
    "run_id": "r1",
    "route": "customer",
    "success": False,
    "duration_seconds": 3.25,
    "statistics": {"events_processed": 4, "operations_processed": 12, "operations_failed": 1, "total_size": 30_000_000},
    "event_counts": {"create": 3, "errors": 1},
}


class Unprintable:
    """An object that cannot be turned into text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def ended(path: str, result: Result = Result.DONE, **more: Any) -> Outcome:
    """An outcome of an update of `path`."""
    return Outcome(Operation(Kind.UPDATE, 1, 1, path, size=5), result, **more)


class ObserverContract:
    """Inherit it and give the fixture `observer`."""

    @pytest.fixture
    def observer(self) -> Observer:
        raise NotImplementedError

    def test_takes_a_whole_run(self, observer: Observer) -> None:
        """A run of all phases, with and without totals, goes through."""
        for name, total, size in (("scan", None, None), ("deliver", 3, 100), ("report", 0, 0)):
            observer.phase(name, total, size)
            observer.advance()
            observer.advance(2, 100)
            observer.advance(0, 0)
        observer.finished(REPORT)

    def test_takes_calls_outside_of_a_phase(self, observer: Observer) -> None:
        """Calls before the first phase and after the last one are harmless."""
        observer.advance(1, 1)
        observer.outcome(ended("a"))
        observer.finished(REPORT)
        observer.advance(1, 1)
        observer.finished(REPORT)
        observer.phase("scan")
        observer.finished(REPORT)

    @pytest.mark.parametrize("result", list(Result))
    def test_takes_every_result(self, observer: Observer, result: Result) -> None:
        """An outcome of every kind of result goes through, with and without the words of an error."""
        observer.phase("deliver", 2)
        observer.outcome(ended("a", result))
        observer.outcome(ended("a", result, error="no [/b] room", error_kind="refused", attempts=3, sent_bytes=5))
        observer.finished(REPORT)

    def test_takes_every_key(self, observer: Observer) -> None:
        """Keys of every awkward form are data in every call."""
        observer.phase("deliver", len(HOSTILE))
        for key in HOSTILE:
            observer.outcome(ended(key))
            observer.outcome(ended(key, Result.REFUSED, error=key, error_kind=key))
            observer.note(key, file_path=key)
            observer.problem(key, file_path=key)
            observer.advance(1, 5)
        observer.finished(REPORT | {"route": HOSTILE[0]})

    def test_takes_any_fact(self, observer: Observer) -> None:
        """Facts may have any name and hold any value."""
        loop: list[Any] = []
        loop.append(loop)
        for value in (
            None,
            1,
            float("nan"),
            Decimal("1.5"),
            b"\xff",
            ValueError("x"),
            {"a": {1: loop}},
            loop,
            Unprintable(),
        ):
            observer.note("note", value=value)
            observer.problem("problem", value=value)
        names = {
            "event": 1,
            "level": 2,
            "exc_info": 3,
            "stack_info": 4,
            "timestamp": 5,
            "logger": 6,
            "_record": 7,
            "figures": 8,
        }
        observer.note("note", **names)
        observer.problem("problem", **names)

    def test_takes_a_bare_report(self, observer: Observer) -> None:
        """A report without its parts, or with odd ones, goes through."""
        observer.finished({})
        observer.finished({"statistics": None, "event_counts": None, "duration_seconds": None, "sync_type": None})
        observer.finished(
            {"statistics": {"total_size": "many"}, "duration_seconds": float("inf"), "event_counts": {"x": -1}}
        )
