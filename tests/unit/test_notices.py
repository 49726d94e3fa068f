"""What is said while a command runs: a line of the JSON log where there is one, else words."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service import console
from sync_service.cli_options import Common
from sync_service.reporting.logs import configure_logging
from sync_service.runner import run
from sync_service.services.retry import Halt
from sync_service.stopped import Stopped
from tests.unit.reporting.conftest import logging_restored

__all__ = ["logging_restored"]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logging_restored: None) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setenv("PERMISSIONS_FROM", "acl")
    yield


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_notice_is_a_line_of_the_json_log(capsys: pytest.CaptureFixture[str]) -> None:
    """With time, level and the words."""
    configure_logging("info", "json")
    console.notice("it goes on")
    console.notice("it has no effect", "warning")
    found = [(line["level"], line["event"], "timestamp" in line) for line in said(capsys)]
    assert found == [("info", "it goes on", True), ("warning", "it has no effect", True)]


def test_a_notice_is_words_where_no_json_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """To people, and of a command that writes no log."""
    configure_logging("info", "console")
    console.notice("it goes on")
    console.notice("it has no effect", "warning")
    assert capsys.readouterr().err == "it goes on\nwarning: it has no effect\n"


@pytest.mark.parametrize("logs", [True, False])
def test_warnings_of_settings_go_to_the_log_of_a_command_that_has_one(
    logs: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """status and its like write no log, and keep to words."""
    monkeypatch.setenv("LOG_FORMAT", "json")
    Common().settings(logs=logs)
    (line,) = capsys.readouterr().err.splitlines()
    if logs:
        assert json.loads(line)["event"].startswith("PERMISSIONS_FROM=acl is set")
    else:
        assert line.startswith("warning: PERMISSIONS_FROM=acl is set")


def test_word_of_a_stop_goes_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A log that is read by machines has no line that is not JSON."""
    configure_logging("info", "json")

    async def stopped(halt: Halt) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await halt.stopped()

    with pytest.raises(Stopped):
        run(stopped)
    assert [line["event"].partition(":")[0] for line in said(capsys)] == ["stopping"]
