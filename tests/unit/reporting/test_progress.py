"""The progress bar: what a person sees, and that it gives the terminal back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sync_service.models.data_models import Result
from sync_service.reporting.progress import ProgressObserver
from tests.contracts.observer_contract import HOSTILE, REPORT, ended
from tests.unit.reporting.conftest import Clock, Terminal


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")


def test_a_phase_leaves_a_line_behind(clock: Clock, terminal: Terminal) -> None:
    """A phase that ended is told with files, bytes, rate, failures and time."""
    with ProgressObserver(terminal, clock) as bar:
        bar.phase("deliver", 4, 4000)
        clock.seconds += 2
        bar.advance(2, 2000)
        bar.outcome(ended("a", Result.REFUSED))
        bar.finished(REPORT)
    assert "deliver: 2 of 4 files, 2.0 kB of 4.0 kB, 1.0 kB/s, 1 failed, took 2.0 s" in terminal.getvalue()


def test_the_bar_shows_key_and_pace(clock: Clock, terminal: Terminal) -> None:
    """While a phase runs, the bar has its name, its pace and the last object, as plain text."""
    with ProgressObserver(terminal, clock) as bar:
        bar.phase("deliver", 4)
        bar.outcome(ended("dir/[/b][red]x{0}.txt"))
        clock.seconds += 1
        bar.advance(2)
        assert bar._bar is not None
        bar._bar.refresh()
    assert "2 of 4 files, 2/s, ETA 1.0 s" in terminal.getvalue()
    assert "update dir/[/b][red]x{0}.txt" in terminal.getvalue()


def test_a_key_cannot_move_the_terminal(clock: Clock, terminal: Terminal) -> None:
    """Control and bidi characters of keys never reach the terminal."""
    with ProgressObserver(terminal, clock) as bar:
        bar.phase("deliver", len(HOSTILE))
        for key in HOSTILE:
            bar.outcome(ended(key))
            assert bar._bar is not None
            bar._bar.refresh()
    assert not [char for char in "\x00\x07\u202e\u2028\udc80\x85" if char in terminal.getvalue()]
    assert "\x1b]0;" not in terminal.getvalue()


def test_the_cursor_comes_back(clock: Clock, terminal: Terminal) -> None:
    """However the run ends, the cursor is shown again."""

    def fail() -> None:
        with ProgressObserver(terminal, clock) as bar:
            bar.phase("scan")
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    shown, hidden = terminal.getvalue().rfind("\x1b[?25h"), terminal.getvalue().rfind("\x1b[?25l")
    assert shown > hidden > -1


def test_results_on_the_standard_output_are_left_alone(clock: Clock, terminal: Terminal) -> None:
    """While a bar is drawn, the standard output is the one of before."""
    before = sys.stdout
    with ProgressObserver(terminal, clock) as bar:
        bar.phase("scan")
        assert sys.stdout is before


@pytest.mark.parametrize("module", ["progress", "logs", "terminal", "null", "many"])
def test_slow_libraries_come_late(module: str) -> None:
    """Importing an observer imports neither Rich nor structlog, so that --help stays fast."""
    code = f"import sys, sync_service.reporting.{module}; print(sorted({{'rich', 'structlog'}} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
