"""The observer that counts for Prometheus, with a registry of its own; no label ever holds a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from sync_service.models.data_models import EventType, Outcome, Result
from sync_service.models.errors import SyncError

STATES = ("UP_TO_DATE", "SYNCING", "DEGRADED", "STOPPED", "NEVER_SYNCED")
OTHER = "other"
_PHASES = ("scan", "events", "compare", "snapshot", "diff", "deliver", "report")
_TYPES = ("initial", "incremental", "scan")
_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)
_COUNTS = {
    "files": "Files tracked.",
    "bytes": "Bytes tracked.",
    "pending": "Operations that wait for delivery.",
    "failed": "Objects whose last attempt failed.",
    "quarantined": "Objects and events set aside after too many attempts, or refused.",
    "held_deletes": "Deletes that the guard holds until a person agrees.",
}
_MOMENTS = {
    "last_run": "When the last run ended",
    "last_success": "When the last run without a failure ended",
    "last_check": "When the last full check ended",
    "next_run": "When the next run is due",
    "oldest_pending": "Since when the oldest pending operation waits",
}


class Metrics:
    """The service's instruments, all named `s3sync_*`, in one registry."""

    def __init__(self, version: str = "") -> None:
        # Else each counter has a twin that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.operations = self._counter("operations", "Operations that ended.", "route", "kind", "result")
        self.retries = self._counter("retries", "Attempts after the first one.", "route", "kind")
        self.errors = self._counter("errors", "Operations that failed, by kind of error.", "route", "error")
        self.sent_bytes = self._counter("sent_bytes", "Bytes sent to the destination.", "route")
        self.items = self._counter(
            "phase_items", "Keys, events or operations that a phase put through.", "route", "phase"
        )
        self.events = self._counter("events", "Events handled, by type.", "route", "type")
        self.problems = self._counter("problems", "Problems that a person has to know of.", "route")
        self.runs = self._counter("runs", "Runs that ended.", "route", "type", "success")
        self.run_seconds = self._histogram("run_duration_seconds", "How long runs took.", "route", "type")
        self.phase_seconds = self._histogram("phase_duration_seconds", "How long phases took.", "route", "phase")
        self._counts = {name: self._gauge(name, text, "route") for name, text in _COUNTS.items()}
        self._moments = {name: self._moment(name, text) for name, text in _MOMENTS.items()}
        self._state = self._gauge("state", "1 for the state that the route is in.", "route", "state")
        self._gauge("build_info", "Always 1; its label is the version.", "version").labels(version).set(1)

    def render(self) -> bytes:
        """All series in Prometheus' text form."""
        return generate_latest(self.registry)

    def show_status(self, status: Mapping[str, Any]) -> None:
        """Sets the gauges from the JSON of `status` (CONTRACT.md, section 4); what is null there has no series."""
        for route in status.get("routes", ()):
            self._show_route(str(route["route"]), route)

    def succeeded(self, route: str, moment: float) -> None:
        """A run of `route` ended without a failure at `moment` (seconds since 1970)."""
        self._moments["last_success"].labels(route).set(moment)

    def _show_route(self, name: str, route: Mapping[str, Any]) -> None:
        for field, gauge in self._counts.items():
            _set(gauge, name, route.get(field))
        for field, gauge in self._moments.items():
            _set(gauge, name, _seconds_of(route.get(field)))
        for state in STATES:
            self._state.labels(name, state).set(route.get("state") == state)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"s3sync_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"s3sync_{name}", text, labels, registry=self.registry)

    def _moment(self, name: str, text: str) -> Gauge:
        return self._gauge(f"{name}_timestamp_seconds", f"{text}, in seconds since 1970.", "route")

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"s3sync_{name}", text, labels, registry=self.registry, buckets=_SECONDS)


class MetricsObserver:
    """Counts what happens on one route. `now` is a monotonic clock, `wall` the time of day, both in seconds."""

    def __init__(self, metrics: Metrics, route: str, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._metrics = metrics
        self._route = route
        self._now = now
        self._wall = wall
        self._phase: tuple[str, float] | None = None
        # Zeros from the start: an alert on a series that does not exist never fires.
        for kind in _TYPES:
            for success in ("true", "false"):
                metrics.runs.labels(route, kind, success)
        metrics.problems.labels(route)
        metrics.sent_bytes.labels(route)

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        self._end_phase()
        self._phase = (_known(name, _PHASES), self._now())

    def advance(self, items: int = 1, size: int = 0) -> None:
        if self._phase is not None:
            self._metrics.items.labels(self._route, self._phase[0]).inc(max(items, 0))

    def outcome(self, outcome: Outcome) -> None:
        kind, metrics = outcome.operation.kind.value, self._metrics
        metrics.operations.labels(self._route, kind, outcome.result.value).inc()
        metrics.retries.labels(self._route, kind).inc(max(outcome.attempts - 1, 0))
        metrics.sent_bytes.labels(self._route).inc(max(outcome.sent_bytes, 0))
        if outcome.result not in (Result.DONE, Result.SOURCE_MOVED):
            metrics.errors.labels(self._route, _known(outcome.error_kind or outcome.result.value, _error_kinds())).inc()

    def note(self, message: str, **facts: Any) -> None: ...

    def problem(self, message: str, **facts: Any) -> None:
        self._metrics.problems.labels(self._route).inc()

    def finished(self, report: dict[str, Any]) -> None:
        self._end_phase()
        kind = _known(report.get("sync_type"), _TYPES)
        success = bool(report.get("success"))
        self._metrics.runs.labels(self._route, kind, str(success).lower()).inc()
        self._metrics.run_seconds.labels(self._route, kind).observe(_number(report.get("duration_seconds")) or 0.0)
        self._count_events(report.get("event_counts"))
        if success:
            self._metrics.succeeded(self._route, self._wall())

    def _count_events(self, counts: object) -> None:
        for name, number in counts.items() if isinstance(counts, Mapping) else ():
            kind = _known(name, (*EventType, "errors"))
            self._metrics.events.labels(self._route, kind).inc(max(_number(number) or 0.0, 0.0))

    def _end_phase(self) -> None:
        phase, self._phase = self._phase, None
        if phase is not None:
            self._metrics.phase_seconds.labels(self._route, phase[0]).observe(max(self._now() - phase[1], 0.0))


def _known(word: object, words: tuple[str, ...] | frozenset[str]) -> str:
    """`word` where it is one of `words`: a label from outside would make a series for each value that it takes."""
    return str(word) if isinstance(word, str) and word in words else OTHER


def _error_kinds() -> frozenset[str]:
    kinds, classes = {result.value for result in Result}, [SyncError]
    while classes:
        one = classes.pop()
        kinds.add(one.kind)
        classes += one.__subclasses__()
    return frozenset(kinds)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _seconds_of(moment: object) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else None


def _set(gauge: Gauge, route: str, value: object) -> None:
    number = _number(value)
    if number is None:
        gauge.remove(route)
    else:
        gauge.labels(route).set(number)
