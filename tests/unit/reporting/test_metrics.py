"""Metrics: what is counted, and that no label comes from outside."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Result
from sync_service.reporting.metrics import Metrics, MetricsObserver
from tests.contracts.observer_contract import HOSTILE, REPORT, ended
from tests.unit.reporting.conftest import Clock


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


@pytest.fixture
def observer(metrics: Metrics, clock: Clock) -> MetricsObserver:
    return MetricsObserver(metrics, "customer", clock, lambda: 1_800_000_000.0)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"s3sync_{name}", labels)


def test_operations_are_counted(metrics: Metrics, observer: MetricsObserver) -> None:
    """Each outcome counts by kind and result, with its bytes, its retries and its kind of error."""
    observer.outcome(ended("a", sent_bytes=7))
    observer.outcome(ended("b", Result.REFUSED, attempts=3, error_kind="path_taken", sent_bytes=2))
    assert value(metrics, "operations_total", route="customer", kind="update", result="done") == 1
    assert value(metrics, "operations_total", route="customer", kind="update", result="refused") == 1
    assert value(metrics, "sent_bytes_total", route="customer") == 9
    assert value(metrics, "retries_total", route="customer", kind="update") == 2
    assert value(metrics, "errors_total", route="customer", error="path_taken") == 1


def test_a_source_that_moved_is_no_error(metrics: Metrics, observer: MetricsObserver) -> None:
    """Errors count failures alone."""
    observer.outcome(ended("a", Result.SOURCE_MOVED, error_kind="source_moved"))
    observer.outcome(ended("a"))
    assert "s3sync_errors_total{" not in metrics.render().decode()


def test_runs_are_counted(metrics: Metrics, observer: MetricsObserver) -> None:
    """A run counts by type and success, with its duration and events; only a good one moves the last success."""
    observer.finished(REPORT)
    assert value(metrics, "last_success_timestamp_seconds", route="customer") is None
    observer.finished(REPORT | {"success": True})
    assert value(metrics, "runs_total", route="customer", type="incremental", success="false") == 1
    assert value(metrics, "runs_total", route="customer", type="incremental", success="true") == 1
    assert value(metrics, "run_duration_seconds_sum", route="customer", type="incremental") == 6.5
    assert value(metrics, "events_total", route="customer", type="create") == 6
    assert value(metrics, "events_total", route="customer", type="errors") == 2
    assert value(metrics, "last_success_timestamp_seconds", route="customer") == 1_800_000_000


def test_phases_are_timed(metrics: Metrics, observer: MetricsObserver, clock: Clock) -> None:
    """A phase's items and time are known when the next one begins."""
    observer.phase("scan")
    observer.advance(5)
    clock.seconds += 4
    observer.phase("deliver")
    assert value(metrics, "phase_duration_seconds_sum", route="customer", phase="scan") == 4
    assert value(metrics, "phase_items_total", route="customer", phase="scan") == 5


def test_problems_are_counted(metrics: Metrics, observer: MetricsObserver) -> None:
    """What a person has to know can be alerted on, from zero."""
    assert value(metrics, "problems_total", route="customer") == 0
    observer.problem("guard", file_path="a")
    assert value(metrics, "problems_total", route="customer") == 1


def test_no_label_comes_from_outside(metrics: Metrics, observer: MetricsObserver) -> None:
    """Whatever keys, errors, phases and types are told, the number of series does not grow with them."""
    before: set[str] = set()
    for key in ["first-key", *filter(None, HOSTILE)]:
        observer.phase(key)
        observer.advance()
        observer.outcome(ended(key, Result.REFUSED, error=key, error_kind=key))
        observer.note(key, key=key)
        observer.problem(key, key=key)
        observer.finished({"sync_type": key, "success": True, "event_counts": {key: 1}, "route": key})
        series = {line.rsplit(" ", 1)[0] for line in metrics.render().decode().splitlines()}
        assert series == (before or series)
        before = series
    assert not [line for line in before if "_created" in line]
    assert "first-key" not in metrics.render().decode()


def test_status_becomes_gauges(metrics: Metrics) -> None:
    """The figures of `status` are gauges; null has no series, also when it had one before."""
    route = {"route": "customer", "state": "DEGRADED", "pending": 4, "failed": 1, "quarantined": 2, "held_deletes": 3}
    metrics.show_status({"routes": [route | {"files": 9, "last_success": "2026-11-21T06:00:00Z"}]})
    assert value(metrics, "files", route="customer") == 9
    assert value(metrics, "last_success_timestamp_seconds", route="customer") == 1795240800
    metrics.show_status({"routes": [route | {"files": None, "last_success": None}]})
    found = {
        name: value(metrics, name, route="customer") for name in ("pending", "failed", "quarantined", "held_deletes")
    }
    assert found == {"pending": 4, "failed": 1, "quarantined": 2, "held_deletes": 3}
    assert value(metrics, "files", route="customer") is None
    assert value(metrics, "last_success_timestamp_seconds", route="customer") is None
    assert value(metrics, "state", route="customer", state="DEGRADED") == 1
    assert value(metrics, "state", route="customer", state="UP_TO_DATE") == 0


def test_registries_are_separate(metrics: Metrics) -> None:
    """Two sets of metrics in one process do not know each other."""
    other = Metrics()
    other.show_status({"routes": [{"route": "x", "pending": 1}]})
    assert value(metrics, "pending", route="x") is None
    assert value(metrics, "build_info", version="1.2.3") == 1
