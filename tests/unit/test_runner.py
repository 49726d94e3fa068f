"""Signals: the first one ends a command in time, the second one at once, whatever the catalogue's thread is at."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest

from sync_service import runner
from sync_service.models.errors import ExitCode
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.retry import Halt
from sync_service.stopped import Stopped

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

PATIENCE = 10
"""Seconds after which a job gives up, so that a defect fails the test and does not stop it."""


class Exits:
    """Stands for the end of the process: notes each exit code, and lets the job of the catalogue end."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.gate = threading.Event()

    def __call__(self, code: int) -> None:
        self.codes.append(code)
        self.gate.set()

    def command(self, *, again: bool) -> Callable[[Halt], Awaitable[None]]:
        """A command whose job does not end by itself; one signal comes amid it, and another one (`again`) amid its end."""

        async def run(_: Halt) -> None:
            loop, thread = asyncio.get_running_loop(), CatalogueThread()
            loop.call_soon(signal.raise_signal, signal.SIGTERM)
            try:
                await thread(self.gate.wait, PATIENCE)
            finally:
                if again:
                    loop.call_soon(signal.raise_signal, signal.SIGTERM)
                await thread.aclose()

        return run


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Exits:
    made = Exits()
    monkeypatch.setattr(os, "_exit", made)
    monkeypatch.setattr(runner, "GRACE", 0.0)
    return made


def test_a_second_signal_leaves_at_once(exits: Exits) -> None:
    """It does not wait for the catalogue's job."""
    with pytest.raises(Stopped) as stopped:
        runner.run(exits.command(again=True))
    assert (exits.codes, stopped.value.exit_code) == ([143], ExitCode.TERMINATED)


def test_a_job_that_does_not_end_is_left_in_time(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends within the promised time, with the signal's exit code."""
    monkeypatch.setattr(runner, "LATEST", 0.0)
    with pytest.raises(Stopped):
        runner.run(exits.command(again=False))
    assert exits.codes == [143]


def test_a_command_that_ends_in_time_is_not_cut(exits: Exits) -> None:
    """No exit but its own."""

    async def ends(halt: Halt) -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await halt.stopped()

    with pytest.raises(Stopped) as stopped:
        runner.run(ends)
    assert (exits.codes, stopped.value.exit_code) == ([], ExitCode.INTERRUPTED)
