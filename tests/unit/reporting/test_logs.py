"""Log lines: format, escaping, secrets, and what the log observer says."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest
import structlog

from sync_service.models.data_models import Kind, Operation, Outcome, Result
from sync_service.models.errors import ConfigurationError
from sync_service.reporting.logs import LogObserver, configure_logging
from tests.contracts.observer_contract import HOSTILE, REPORT, ended
from tests.unit.reporting.conftest import Clock, Terminal

pytestmark = pytest.mark.usefixtures("logging_restored")

SECRET = 'p@ss"w\\ord/é&<1>'


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(level: str = "info", **options: Any) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, "json", stream, **options)
    return stream


def test_a_line_is_one_json_object() -> None:
    """A JSON line has time, level, message and facts."""
    stream = logged()
    structlog.get_logger("sync_service.x").info("hello", count=3, nothing=None, parts=["a"])
    (line,) = written(stream)
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["logger"]) == ("info", "hello", "sync_service.x")
    assert (line["count"], line["nothing"], line["parts"]) == (3, None, ["a"])


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_every_hostile_text_stays_one_line(fmt: str) -> None:
    """A key can neither break a line nor move the terminal, as message, fact or name of a fact."""
    stream = io.StringIO()
    configure_logging("debug", fmt, stream)
    observer = LogObserver(lambda: 0.0)
    for key in HOSTILE:
        observer.note(key, file_path=key, nested={"a": [key]})
        observer.outcome(ended(key, Result.REFUSED, error=key))
    lines = stream.getvalue().split("\n")
    assert len(lines) == 2 * len(HOSTILE) + 1
    assert "was lost" not in stream.getvalue()
    assert not [char for char in "\x1b\r\x00\u202e\u2028\udc80\x85" if char in stream.getvalue()]


def test_a_long_key_is_told_whole() -> None:
    """A key of 1024 characters is not cut: it could not be looked for."""
    stream = logged()
    LogObserver(lambda: 0.0).problem("bad", file_path="k" * 1024)
    assert written(stream)[0]["file_path"] == "k" * 1024


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_no_line_shows_a_secret(fmt: str) -> None:
    """Secrets are masked in messages, facts, nested values, tracebacks, and in libraries' lines."""
    stream = io.StringIO()
    configure_logging("debug", fmt, stream, secrets=[SECRET, "", "other-secret"])
    log = structlog.get_logger("sync_service.x")
    log.info(f"with {SECRET}", key=SECRET, deep={"a": [f"{SECRET}!"]}, **{SECRET: 1})
    log.info("x" * 1995 + SECRET)
    logging.getLogger("botocore").warning("sent %s and %r", SECRET, "other-secret")
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError as error:
        log.exception("failed", detail=repr(SECRET), error=error)
        logging.getLogger("asyncio").exception("task died: %s", SECRET)
    text = stream.getvalue()
    assert text.count("Traceback") == 2
    for form in ("p@ss", "w\\ord", "w\\\\ord", "other-secret"):
        assert form not in text
    assert "***" in text


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_keys_are_told_byte_for_byte(fmt: str) -> None:
    """A key that has a short secret in it, or is one, is told as it is; what is said beside it is masked."""
    stream = io.StringIO()
    configure_logging("info", fmt, stream, secrets=["test"])
    structlog.get_logger("x").warning("create failed", object="test", new_path="a/test/b", reason="with test: refused")
    assert stream.getvalue().count("test") == 2
    assert "with ***: refused" in stream.getvalue()


def test_a_secret_is_masked_in_the_forms_that_it_travels_in() -> None:
    """The URL-quoted, JSON-escaped and HTML-escaped secret is as secret."""
    stream = logged(secrets=["a b/c+é\n"])
    for form in ("a%20b%2Fc%2B%C3%A9", "a+b%2Fc%2B%C3%A9", r"a b/c+\u00e9", "a b/c+é"):
        structlog.get_logger("sync_service.x").info(f"<{form}>")
    assert {line["event"] for line in written(stream)} == {"<***>"}


def test_a_traceback_is_escaped_line_by_line() -> None:
    """A traceback keeps its lines, and a key in it cannot move the terminal."""
    stream = io.StringIO()
    configure_logging("info", "console", stream)
    try:
        raise ValueError("key \x1b[31m\u202e")
    except ValueError:
        structlog.get_logger("sync_service.x").exception("failed")
    assert r"ValueError: key \x1b[31m\u202e" in stream.getvalue().splitlines()


def test_library_lines_go_the_same_way() -> None:
    """Warnings of libraries are routed here; their debug lines, which print signed requests, never are."""
    stream = logged("debug")
    library = logging.getLogger("some.library")
    library.debug("canonical request")
    library.info("info")
    library.warning("careful %d", 1)
    assert [(line["event"], line["level"], line["logger"]) for line in written(stream)] == [
        ("info", "info", "some.library"),
        ("careful 1", "warning", "some.library"),
    ]


def test_the_level_holds() -> None:
    """Lines below the level are not written, ours and the libraries'."""
    stream = logged("error")
    observer = LogObserver(lambda: 0.0)
    observer.note("no")
    observer.outcome(ended("a", Result.REFUSED))
    observer.problem("yes")
    logging.getLogger("sync_service.y").warning("no")
    assert [line["event"] for line in written(stream)] == ["yes"]


def test_set_up_again_replaces() -> None:
    """The last set-up counts: no line is written twice, or to the stream of before."""
    first = logged()
    second = logged()
    structlog.get_logger("sync_service.x").info("once")
    assert (first.getvalue(), len(written(second))) == ("", 1)


def test_all_wrong_settings_are_told_at_once() -> None:
    """A level and a format that do not exist are two problems of one error."""
    with pytest.raises(ConfigurationError) as caught:
        configure_logging("loud", "xml", io.StringIO())
    assert [problem.split()[0] for problem in caught.value.problems] == ["LOG_LEVEL", "LOG_FORMAT"]


@pytest.mark.parametrize(
    ("environ", "stream", "starts", "coloured"),
    [
        ({}, Terminal(), "2", True),
        ({"NO_COLOR": "1"}, Terminal(), "2", False),
        ({"TERM": "dumb"}, Terminal(), "2", False),
        ({}, io.StringIO(), "{", False),
    ],
)
def test_auto_is_for_people_on_a_terminal(
    environ: dict[str, str], stream: io.StringIO, starts: str, coloured: bool
) -> None:
    """LOG_FORMAT=auto is JSON but on a terminal, with colour only where it is wanted."""
    configure_logging("info", "auto", stream, environ=environ)
    structlog.get_logger("sync_service.x").info("hello")
    assert stream.getvalue().startswith(starts)
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_console_without_a_terminal_has_no_colour() -> None:
    """LOG_FORMAT=console into a file is plain text; values with spaces are quoted."""
    stream = io.StringIO()
    configure_logging("info", "console", stream, environ={})
    LogObserver(lambda: 0.0).note("hello", key="a b", plain="c", figures={"n": 1})
    assert stream.getvalue().split(" ", 1)[1] == 'info     hello key="a b" plain=c figures_={"n": 1}\n'


def test_the_standard_error_is_the_one_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a stream, lines go to the standard error of the moment, which a progress bar replaces."""
    configure_logging("info", "json")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    structlog.get_logger("sync_service.x").info("late")
    assert "late" in later.getvalue()


def test_a_line_that_cannot_be_made_is_told_without_its_content() -> None:
    """The standard library would print a lost line's arguments raw, secrets and all."""
    stream = logged(secrets=["hidden"])
    ours = next(one for one in logging.getLogger().handlers if type(one).__module__.startswith("sync_service"))
    ours.handle(logging.makeLogRecord({"name": "some.library", "msg": "%d", "args": ("hidden",)}))
    assert stream.getvalue() == "a log line of some.library was lost: TypeError\n"


def test_a_stream_that_broke_stops_nobody() -> None:
    """A closed standard error is no reason to end a sync."""
    stream = logged()
    stream.close()
    LogObserver(lambda: 0.0).problem("nobody reads this")


# ---------------------------------------------------------------- the observer


def test_a_failure_names_object_operation_reason_and_what_follows() -> None:
    """A failed operation is one line with all that a person needs."""
    stream = logged()
    operation = Operation(Kind.RENAME, 1, 1, "old.txt", "new.txt")
    LogObserver(lambda: 0.0).outcome(
        Outcome(operation, Result.REFUSED, attempts=2, error_kind="path_taken", error="409: taken")
    )
    (line,) = written(stream)
    assert (line["level"], line["event"], line["object"], line["new_path"]) == (
        "warning",
        "rename failed",
        "old.txt",
        "new.txt",
    )
    assert (line["operation"], line["reason"], line["kind"], line["attempts"]) == (
        "rename",
        "409: taken",
        "path_taken",
        2,
    )
    assert "retry-failed" in line["next"]


@pytest.mark.parametrize("result", sorted(set(Result) - {Result.DONE, Result.SOURCE_MOVED}))
def test_every_failure_says_what_happens_next(result: Result) -> None:
    """No result of a failure is without its next step."""
    stream = logged()
    LogObserver(lambda: 0.0).outcome(ended("a", result))
    assert written(stream)[0]["next"]


def test_a_source_that_moved_is_no_failure() -> None:
    """An object that changed meanwhile is told as information."""
    stream = logged()
    LogObserver(lambda: 0.0).outcome(ended("a", Result.SOURCE_MOVED))
    assert written(stream)[0]["level"] == "info"


def test_progress_is_told_every_ten_seconds(clock: Clock) -> None:
    """One progress line in ten seconds of the given clock, with files, bytes, rate and time left."""
    stream = logged()
    observer = LogObserver(clock)
    observer.phase("deliver", 1000, 4_000_000)
    for _ in range(100):
        clock.seconds += 0.25
        observer.advance(2, 4000)
    lines = [line for line in written(stream) if line["event"].startswith("deliver: ")]
    assert len(lines) == 2
    assert lines[0]["event"] == "deliver: 80 of 1,000 files, 160 kB of 4.0 MB, 16.0 kB/s, ETA 4 min"
    assert lines[1]["figures"] == {
        "items": 160,
        "items_total": 1000,
        "bytes": 320_000,
        "bytes_total": 4_000_000,
        "bytes_per_second": 16_000,
        "seconds": 20.0,
        "seconds_left": 230.0,
    }


def test_a_phase_is_told_at_both_ends(clock: Clock) -> None:
    """A phase with work ahead has a line when it begins and when it ends; one that did nothing, in no time, has none."""
    stream = logged()
    observer = LogObserver(clock)
    observer.phase("scan")
    clock.seconds += 12
    observer.phase("deliver", 2)
    observer.advance(2)
    observer.phase("report")
    observer.finished(REPORT)
    assert [line["event"] for line in written(stream)] == [
        "scan ended after 12 s",
        "deliver begins",
        "deliver ended after 0.0 s",
        "incremental run ended with failures in 3.2 s: 12 operations, 1 failed, 4 events, 30.0 MB",
    ]


def test_a_phase_without_a_report_is_ended_by_closing(clock: Clock) -> None:
    """A check has no run report; its end is told once."""
    stream = logged()
    observer = LogObserver(clock)
    observer.phase("check", 2)
    observer.advance(2)
    observer.close()
    observer.close()
    assert [line["event"] for line in written(stream)] == ["check begins", "check ended after 0.0 s"]


def test_beside_a_bar_the_phases_are_not_told(clock: Clock) -> None:
    """With progress=False the phases are debug lines, failures and summaries stay."""
    stream = logged()
    observer = LogObserver(clock, progress=False)
    observer.phase("deliver", 2)
    clock.seconds += 60
    observer.advance()
    observer.outcome(ended("a", Result.UNKNOWN))
    observer.finished(REPORT | {"success": True})
    assert [(line["level"], line["event"].split()[0]) for line in written(stream)] == [
        ("warning", "update"),
        ("info", "incremental"),
    ]


def test_a_flood_of_failures_ends_in_a_count(clock: Clock) -> None:
    """A destination that is down does not fill the disk: after the first failures of a phase the rest is a number."""
    stream = logged()
    observer = LogObserver(clock, most_failures=3)
    for _ in range(2):
        observer.phase("deliver")
        for number in range(10):
            observer.outcome(ended(f"k{number}", Result.NOT_DONE))
    observer.finished(REPORT)
    events = [line["event"] for line in written(stream)]
    assert events.count("update failed") == 6
    assert [event for event in events if event.startswith("7 more failures")] == [
        "7 more failures of this phase have no line of their own; `runs` counts them"
    ] * 2
