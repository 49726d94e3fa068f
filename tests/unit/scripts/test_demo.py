"""The demo's own rules: what counts as proof, what is printed, and that it clears up. The story itself: make demo."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from scripts import demo
from scripts.demo_bucket import (
    CREATED,
    DELETED,
    MOVED,
    PERMITTED,
    RENAMED,
    SWAPPED,
    UPDATED,
    Bucket,
    Held,
    bytes_to_send,
    swap_events,
)
from scripts.demo_proof import KINDS, check_report, differences, digest_of, prove
from scripts.demo_screen import Screen, StepFailed, wants_colour
from scripts.demo_signals import Interrupted, held_back, interruptible
from scripts.demo_stage import Stage
from scripts.shield import is_foreign, shielded

HELD = Held(3, "aa", "0640", "finance", None)


# ---------------------------------------------------------------- proof


def test_equal_sides_have_no_differences() -> None:
    """The same paths with the same bytes and attributes are proof, and the table says so."""
    lines = prove({"a": HELD, "dir/": HELD}, {"a": HELD, "dir/": HELD})

    assert lines[-1] == "differences: 0"
    assert lines[1].split()[1:5] == ["2", "1", "6", "2"]
    assert lines[1].split()[1:] == lines[2].split()[2:]


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ({}, "a: only in the bucket"),
        ({"a": HELD, "b": HELD}, "b: only at the file manager"),
        ({"a": replace(HELD, sha256="bb")}, "a: other bytes (3 in the bucket, 3 at the file manager)"),
        ({"a": replace(HELD, size=4)}, "a: other bytes (3 in the bucket, 4 at the file manager)"),
        ({"a": replace(HELD, owner=None)}, "a: owner finance in the bucket, None at the file manager"),
    ],
)
def test_each_difference_is_named(manager: dict[str, Held], line: str) -> None:
    """What is missing, too much, or not the same is a line, and the proof fails with it."""
    assert differences({"a": HELD}, manager) == [line]

    with pytest.raises(StepFailed, match="1 places") as failure:
        prove({"a": HELD}, manager)
    assert failure.value.lines[-2:] == ["differences: 1", line]


def test_what_the_bucket_does_not_tell_is_no_difference() -> None:
    """A file manager may know a group of which the object says nothing."""
    assert differences({"a": HELD}, {"a": replace(HELD, group="staff")}) == []


def test_an_empty_bucket_proves_nothing() -> None:
    """Two empty sides are equal and yet no proof."""
    with pytest.raises(StepFailed, match="empty"):
        prove({}, {})


def test_the_digest_is_of_paths_and_contents() -> None:
    """Contents under exchanged names are another whole."""
    other = replace(HELD, sha256="bb")

    assert digest_of({"a": HELD, "b": other}) == digest_of({"b": other, "a": HELD})
    assert digest_of({"a": HELD, "b": other}) != digest_of({"a": other, "b": HELD})


def test_a_kind_of_operation_that_was_not_done_fails() -> None:
    """The run must have done every kind, and sent only what is new."""
    report = {"operation_counts": dict.fromkeys(KINDS, 1), "statistics": {"total_size": 52}}

    assert "52 bytes" in check_report(report, 52)[0]
    with pytest.raises(StepFailed, match="sent 52 bytes"):
        check_report(report, 51)
    with pytest.raises(StepFailed, match="did no move"):
        check_report({**report, "operation_counts": dict.fromkeys(set(KINDS) - {"move"}, 1)}, 52)


# ---------------------------------------------------------------- bucket


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket in memory with the objects that the demo changes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "demo")
    with mock_aws():
        made = Bucket(boto3.client("s3", region_name="us-east-1"), "customer-data")
        made.client.create_bucket(Bucket=made.name)
        for key in (UPDATED, DELETED, RENAMED[0], MOVED[0], PERMITTED, *SWAPPED):
            made.client.put_object(Bucket=made.name, Key=key, Body=key.encode(), ContentType="text/x-of-the-test")
        yield made


def test_the_changes_are_one_of_each_kind(bucket: Bucket) -> None:
    """After the changes each object is where, and what, its line says."""
    before = bucket.contents()

    lines = bucket.change()

    after = bucket.contents()
    assert {line.split()[0] for line in lines} == {*KINDS, "swap"}
    assert after.keys() - before.keys() == {CREATED, RENAMED[1], MOVED[1]}
    assert before.keys() - after.keys() == {DELETED, RENAMED[0], MOVED[0]}
    assert after[UPDATED] != before[UPDATED]
    assert after[PERMITTED] == replace(before[PERMITTED], permissions="0600", owner="audit", group="sales")
    assert (after[SWAPPED[0]], after[SWAPPED[1]]) == (before[SWAPPED[1]], before[SWAPPED[0]])
    assert bytes_to_send() == after[CREATED].size + after[UPDATED].size


def test_a_change_of_permissions_is_nothing_else(bucket: Bucket) -> None:
    """The content type stays, so that no update of the content comes of it."""
    bucket.change()

    assert bucket.client.head_object(Bucket=bucket.name, Key=PERMITTED)["ContentType"] == "text/x-of-the-test"


def test_the_swap_is_told_as_it_was_done() -> None:
    """Followed one by one, the events exchange the two names."""
    at = dict(zip(SWAPPED, ("first", "second"), strict=True))

    for event in swap_events("2026-01-01T00:00:00+00:00"):
        at[event["new_path"]] = at.pop(event["file_path"])

    assert at == dict(zip(SWAPPED, ("second", "first"), strict=True))


# ---------------------------------------------------------------- screen


def test_a_step_is_a_numbered_line_with_what_it_did_below() -> None:
    """Plain text, one clock, and nothing in a name can move the cursor."""
    out, clock = io.StringIO(), iter([0.0, 1.25, 10.0, 12.0])
    screen = Screen(out, colour=False, clock=lambda: next(clock))

    screen.step("Load", lambda: ["\x1b[2Jkey"])
    screen.step("Look", list)

    first, below, second = out.getvalue().splitlines()
    assert first.startswith("  1. Load ....")
    assert first.endswith(". 1.2 s")
    assert below == "       \\x1b[2Jkey"
    assert second.startswith("  2. Look .")
    assert len(first) == len(second) == 79


def test_a_failed_step_shows_what_it_printed() -> None:
    """The lines before the failure are the ones that explain it."""
    out = io.StringIO()

    def fail() -> list[str]:
        raise StepFailed("exit code 3", ["3 objects failed"])

    with pytest.raises(StepFailed):
        Screen(out, colour=False).step("Sync", fail)
    assert out.getvalue().splitlines()[0].endswith(". failed")
    assert out.getvalue().splitlines()[1] == "       3 objects failed"


def test_colour_is_for_terminals_that_want_it() -> None:
    """A pipe, NO_COLOR and a dumb terminal get plain text."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert wants_colour(Terminal(), {"TERM": "xterm"})
    assert not wants_colour(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert not wants_colour(Terminal(), {"TERM": "dumb"})
    assert not wants_colour(io.StringIO(), {"TERM": "xterm"})
    painted, plain = io.StringIO(), io.StringIO()
    Screen(painted, colour=True).line("done", "good")
    Screen(plain, colour=False).line("done", "good")
    assert (painted.getvalue(), plain.getvalue()) == ("\x1b[32mdone\x1b[0m\n", "done\n")


# ---------------------------------------------------------------- stage


def test_nothing_in_the_environment_leads_to_a_real_server() -> None:
    """Settings of the service, AWS and proxies are left out; what the interpreter needs stays."""
    foreign = ["CUSTOMER_S3_BUCKET", "TARGET_S3_SECRET_KEY_FILE", "DATABASE_URL", "AWS_PROFILE", "https_proxy"]

    assert all(map(is_foreign, foreign))
    inherited = shielded({**dict.fromkeys(foreign, "x"), "PATH": "/bin", "AWS_CONFIG_FILE": "x"})
    assert inherited["PATH"] == "/bin"
    assert inherited["AWS_CONFIG_FILE"] == os.devnull
    assert not inherited.keys() & set(foreign)


def test_a_command_that_fails_is_a_failed_step(tmp_path: Path) -> None:
    """Its command line, its results and the end of its messages are shown, and its messages are in the log."""
    stage = Stage(tmp_path, dict(os.environ))

    with pytest.raises(StepFailed, match="exit code") as failure:
        stage.command("json.tool", "no such file")

    assert failure.value.lines[0] == "$ python -m json.tool no such file"
    assert "no such file" in failure.value.lines[-1]
    assert "no such file" in (stage.logs / "commands.log").read_text()


def test_a_server_that_does_not_start_is_a_failed_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its log says why."""
    log = tmp_path / "logs" / "s3.log"

    def start(*_: object) -> object:
        log.parent.mkdir(exist_ok=True)
        log.write_text("Address family not supported\n")
        return demo_process(alive=False)

    monkeypatch.setattr("scripts.processes.start", start)
    with pytest.raises(StepFailed, match="s3 did not start") as failure:
        Stage(tmp_path, {}).start()
    assert failure.value.lines == ["Address family not supported"]


def demo_process(alive: bool) -> object:
    """Something that is alive or not, and is no process."""
    return type("Process", (), {"alive": alive})()


# ---------------------------------------------------------------- clearing up


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int | BaseException, str, list[Path]]]:
    """Runs a story of one step: how it ended, what was printed, and which folders are left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(action: Callable[[], list[str]], keep: bool = False) -> tuple[int | BaseException, str, list[Path]]:
        monkeypatch.setattr(demo.Story, "steps", lambda _: [("The step", action)])
        out = io.StringIO()
        ended: int | BaseException
        try:
            with interruptible():
                ended = demo.run(keep, Screen(out, colour=False))
        except BaseException as problem:
            ended = problem
        return ended, out.getvalue(), list(tmp_path.iterdir())

    return run


def test_a_demo_that_went_well_leaves_nothing(play: Callable[..., tuple[int, str, list[Path]]]) -> None:
    """The folder is gone unless it is to be kept."""
    assert play(list)[::2] == (0, [])

    code, printed, left = play(list, keep=True)

    assert code == 0
    assert f"Kept: {left[0]}" in printed


@pytest.mark.parametrize("problem", [StepFailed("exit code 3"), KeyError("x")])
def test_a_demo_that_failed_keeps_its_logs(
    play: Callable[..., tuple[int, str, list[Path]]], problem: Exception
) -> None:
    """Exit code 1, what went wrong, and where the logs are."""

    def fail() -> list[str]:
        raise problem

    code, printed, left = play(fail)

    assert code == 1
    assert printed.splitlines()[0].endswith(". failed")
    assert "The demo failed: " in printed
    assert "holds what the bucket holds" not in printed
    assert f"logs in {left[0] / 'logs'}" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_nothing(
    play: Callable[..., tuple[BaseException, str, list[Path]]], number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end it with their exit code, and the folder is gone."""

    def interrupt() -> list[str]:
        signal.raise_signal(number)
        return []

    ended, printed, left = play(interrupt)

    assert isinstance(ended, Interrupted)
    assert (ended.exit_code, left) == (128 + number, [])
    assert "stopped" in printed


def test_a_signal_waits_while_something_is_being_started() -> None:
    """What is started in the block is known before the signal ends the demo."""
    known = []

    with pytest.raises(Interrupted), interruptible(), held_back():
        signal.raise_signal(signal.SIGINT)
        known.append("started")

    assert known == ["started"]
