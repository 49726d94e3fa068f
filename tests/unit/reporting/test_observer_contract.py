"""The observer contract on every observer, the fake one among them."""

from __future__ import annotations

import io

import pytest

from sync_service.ports import Observer
from sync_service.reporting.logs import LogObserver, configure_logging
from sync_service.reporting.many import Observers
from sync_service.reporting.metrics import Metrics, MetricsObserver
from sync_service.reporting.null import NullObserver
from sync_service.reporting.progress import ProgressObserver
from tests.contracts.observer_contract import ObserverContract
from tests.fakes.observer import RecordingObserver
from tests.unit.reporting.conftest import Clock, Terminal


class TestRecording(ObserverContract):
    @pytest.fixture
    def observer(self) -> Observer:
        return RecordingObserver()


class TestNull(ObserverContract):
    @pytest.fixture
    def observer(self) -> Observer:
        return NullObserver()


class TestMany(ObserverContract):
    @pytest.fixture
    def observer(self) -> Observer:
        return Observers(NullObserver(), RecordingObserver())


class TestMetrics(ObserverContract):
    @pytest.fixture
    def observer(self, clock: Clock) -> Observer:
        return MetricsObserver(Metrics(), "customer", clock, clock)


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("fmt", ["json", "console"])
class TestLogs(ObserverContract):
    @pytest.fixture
    def observer(self, fmt: str, clock: Clock) -> Observer:
        configure_logging("debug", fmt, io.StringIO())
        return LogObserver(clock)


class TestProgress(ObserverContract):
    @pytest.fixture
    def observer(self, clock: Clock, terminal: Terminal) -> Observer:
        return ProgressObserver(terminal, clock)
