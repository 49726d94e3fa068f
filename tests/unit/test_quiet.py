"""-q: nothing where all went well, and what failed on the standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from sync_service import bootstrap, cli
from sync_service.cli_options import Common
from sync_service.models.changes import Failing, FailureRecord
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode
from sync_service.reporting.metrics import Metrics
from sync_service.services.reports import RunFacts, build_report
from sync_service.services.sync_service import RunResult
from tests.fakes.catalogues import NOW

QUIET = Common(quiet=True)


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The logger of this program, and its level put back."""
    ours = logging.getLogger("sync_service")
    before, handlers = ours.level, list(logging.getLogger().handlers)
    yield ours
    ours.setLevel(before)
    logging.getLogger().handlers[:] = handlers


def ended(facts: RunFacts, code: ExitCode) -> RunResult:
    return RunResult(build_report(facts, code is ExitCode.DONE, 1.0, {"record_count": 1}), code)


def test_a_run_that_is_done_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on the standard output nor on the standard error."""
    assert cli._tell(QUIET, ended(RunFacts("r1", "scan", "customer", NOW), ExitCode.DONE)) == 0
    assert capsys.readouterr() == ("", "")


def test_a_refused_object_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With what was refused, why, and what is held besides; the standard output stays empty."""
    facts = RunFacts("r1", "scan", "customer", NOW, failing=Failing(1, {"create": 1}), held=2, held_reason="many")
    facts.still_failing = [FailureRecord(1, "bad\x1b.txt", "create", 1, "refused", "422 no", 1, 1, NOW, NOW, True)]
    assert cli._tell(QUIET, ended(facts, ExitCode.PARTLY)) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "scan run r1 NOT COMPLETE" in said.err
    assert "held         2 deletes: many" in said.err
    assert "failed       create bad\\x1b.txt: 422 no" in said.err


@pytest.mark.parametrize(("metrics", "level"), [(None, logging.ERROR), (Metrics("1"), logging.WARNING)])
def test_a_quiet_daemon_still_logs_what_failed(metrics: Metrics | None, level: int, log: logging.Logger) -> None:
    """Failed objects are warnings of the log; a command tells them at its end instead."""
    bootstrap.make_observer(SyncConfig.from_env({}, None), quiet=True, metrics=metrics)
    assert log.level == level
    bootstrap.make_observer(SyncConfig.from_env({"LOG_LEVEL": "critical"}, None), quiet=True, metrics=metrics)
    assert log.level == logging.CRITICAL
