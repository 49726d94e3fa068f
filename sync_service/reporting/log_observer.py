"""The observer that writes log lines: phases, progress, failures, summaries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sync_service.models.data_models import Outcome, Result
from sync_service.models.text import counted
from sync_service.reporting.lines import FIGURES
from sync_service.reporting.pace import Pace
from sync_service.reporting.words import duration_text, size_text

_LOGGER = "sync_service.sync"
_LONG = 1.0  # seconds; a phase that did nothing and was shorter is no line in a log that runs for months
_RESERVED = {"event", "timestamp", "level", "logger", "exc_info", "stack_info", "exception", FIGURES}

_NEXT = {
    Result.REFUSED: "left alone until the object changes, or by retry-failed",
    Result.NOT_DONE: "tried again in the next cycle",
    Result.UNKNOWN: "may have been applied: settled first in the next cycle",
    Result.MISSING: "looked up at the destination, planned anew in the next cycle",
    Result.STORED_WRONG: "sent again in the next cycle",
}


class LogObserver:
    """Writes what happens as log lines: phases, failures, a progress line every `every` seconds, each run's summary.

    `now` is a monotonic clock in seconds. With `progress=False` (a bar is shown beside it) phases are debug lines.
    Of each phase, the first `most_failures` failures get a line each, the others a count: a destination that is down
    must not fill the disk.
    """

    def __init__(
        self, now: Callable[[], float], *, every: float = 10.0, progress: bool = True, most_failures: int = 1000
    ) -> None:
        import structlog

        self._log: Any = structlog.get_logger(_LOGGER)
        self._now = now
        self._every = every
        self._steps = "info" if progress else "debug"
        self._most_failures = most_failures
        self._pace: Pace | None = None
        self._told = 0.0
        self._failures = 0

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        self._end_phase()
        self._told = self._now()
        self._pace = Pace(name, self._told, total, total_bytes)
        level = self._steps if total else "debug"
        self._say(level, f"{name} begins", {"phase": name, "total": total, "total_bytes": total_bytes})

    def advance(self, items: int = 1, size: int = 0) -> None:
        if self._pace is None:
            return
        self._pace.add(items, size)
        now = self._now()
        if now - self._told >= self._every:
            self._told = now
            self._tell_pace(self._pace, f"{self._pace.name}: {self._pace.text(now)}", now)

    def outcome(self, outcome: Outcome) -> None:
        operation = outcome.operation
        if outcome.result is Result.DONE:
            self._log.debug("done", **_about(outcome))
        elif outcome.result is Result.SOURCE_MOVED:
            facts = _about(outcome) | {"next": "looked at again"}
            self._log.info(f"{operation.kind} put off: the object changed meanwhile", **facts)
        else:
            self._fail(outcome)

    def note(self, message: str, **facts: Any) -> None:
        self._say("info", message, facts)

    def problem(self, message: str, **facts: Any) -> None:
        self._say("error", message, facts)

    def finished(self, report: dict[str, Any]) -> None:
        self._end_phase()
        facts = {name: report.get(name) for name in ("route", "run_id", "sync_type")}
        figures = {"duration_seconds": report.get("duration_seconds")} | _mapping(report.get("statistics"))
        self._say("info" if report.get("success") else "warning", _summary(report), facts, {FIGURES: figures})

    def close(self) -> None:
        """Ends the phase that is told of; may be called again."""
        self._end_phase()

    def _fail(self, outcome: Outcome) -> None:
        self._failures += 1
        if self._failures > self._most_failures:
            return
        reason = outcome.error or outcome.result.value
        kind = outcome.error_kind or outcome.result.value
        facts = _about(outcome) | {"reason": reason, "kind": kind, "next": _NEXT[outcome.result]}
        self._log.warning(f"{outcome.operation.kind} failed", **facts)

    def _end_phase(self) -> None:
        pace, self._pace = self._pace, None
        if pace is not None:
            now = self._now()
            worth_it = pace.items > 0 or pace.seconds(now) >= _LONG
            self._tell_pace(pace, f"{pace.name} ended after {duration_text(pace.seconds(now))}", now, worth_it)
        untold = self._failures - self._most_failures
        self._failures = 0
        if untold > 0:
            self._log.warning(f"{untold:,} more failures of this phase have no line of their own; `runs` counts them")

    def _tell_pace(self, pace: Pace, message: str, now: float, worth_it: bool = True) -> None:
        level = self._steps if worth_it else "debug"
        self._say(level, message, {"phase": pace.name}, {FIGURES: pace.figures(now)})

    def _say(self, level: str, message: str, facts: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> None:
        safe = {f"{name}_" if name in _RESERVED else name: value for name, value in facts.items()}
        getattr(self._log, level)(message, **safe, **(own or {}))


def _about(outcome: Outcome) -> dict[str, Any]:
    operation = outcome.operation
    facts: dict[str, Any] = {"object": operation.file_path, "operation": operation.kind.value}
    if operation.new_path is not None:
        facts["new_path"] = operation.new_path
    return facts | {"attempts": outcome.attempts}


def _summary(report: Mapping[str, Any]) -> str:
    """`incremental sync done in 3.2 s: 12 operations, 1 failed, 4 events, 30.0 MB`."""
    figures = _mapping(report.get("statistics"))
    done = "done" if report.get("success") else "ended with failures"
    counts = [
        counted(int(_number(figures.get("operations_processed"))), "operation"),
        f"{_number(figures.get('operations_failed')):,.0f} failed",
        counted(int(_number(figures.get("events_processed"))), "event"),
        size_text(_number(figures.get("total_size"))),
    ]
    took = duration_text(_number(report.get("duration_seconds")))
    return f"{report.get('sync_type') or 'sync'} run {done} in {took}: {', '.join(counts)}"


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
