"""A process whose standard streams are closed, have no reader, or take nothing: it does its work, and its exit code says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = "http://127.0.0.1:9"
COMMAND = f"'{sys.executable}' -m sync_service.main"


def shell(folder: Path, line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One line of a shell, with a bucket that nobody serves."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "DATABASE_PATH": str(folder / "sync.db"),
        "CUSTOMER_S3_BUCKET": "bucket",
        "CUSTOMER_S3_ENDPOINT": NOBODY,
        "CUSTOMER_S3_ACCESS_KEY": "key",
        "CUSTOMER_S3_SECRET_KEY": "secret-key",
        "MOCK_API_URL": NOBODY,
        "MAX_RETRIES": "0",
        **settings,
    }
    return subprocess.run(["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("doctor", 5), ("status", 0), ("initial-sync", 5)])
def test_a_closed_stream_stops_nothing(tmp_path: Path, command: str, code: int, closed: str) -> None:
    """No socket takes its number, and nothing is written to where it was."""
    ended = shell(tmp_path, f"{COMMAND} {command} {closed}")
    assert (ended.returncode, "Traceback" in ended.stderr, "unexpected" in ended.stderr) == (code, False, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (
            "status >/dev/full",
            5,
            "error: the result cannot be written: No space left on device. What was done stays done\n",
        ),
        ("status --json >/dev/full", 5, "the result cannot be written"),
        ("status 2>/dev/full", 0, ""),
        ("nope 2>/dev/full", 2, ""),
        ("initial-sync 2>/dev/full", 5, ""),
    ],
)
def test_a_full_disk_under_the_output_is_told(tmp_path: Path, line: str, code: int, said: str) -> None:
    """A result that is not written is no success; what is said beside it changes no exit code."""
    ended = shell(tmp_path, f"{COMMAND} {line}")
    assert (ended.returncode, said in ended.stderr) == (code, True)
    assert "unexpected" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_reader_that_has_gone_changes_no_error(tmp_path: Path) -> None:
    """The error's own exit code, and no traceback, although its JSON cannot be written."""
    ended = shell(tmp_path, f"{COMMAND} status --json | true; exit ${{PIPESTATUS[0]}}", MAX_WORKERS="0")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert json.loads(shell(tmp_path, f"{COMMAND} status --json", MAX_WORKERS="0").stdout)["error"]["exit_code"] == 2


def test_a_missing_package_is_no_fault_of_the_program(tmp_path: Path) -> None:
    """Who starts it with a Python that has nothing installed is told how to."""
    bare = f"'{sys.executable}' -S -m sync_service.main status"
    ended = shell(tmp_path, bare)
    assert (ended.returncode, ended.stderr) == (
        2,
        "error: the Python package typer is missing. Run make setup, then .venv/bin/python\n",
    )
