"""LIVE_RELOAD: the daemon as a child process, ended and started anew whenever the code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sync_service.console import notice
from sync_service.models.errors import ExitCode
from sync_service.stopped import Stopped

_CHILD = "SYNC_LIVE_RELOAD_CHILD"
_CODE = Path(__file__).parent.parent
_ENDS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
_PASSED_ON = ("SIGHUP",)


def is_child() -> bool:
    """Whether this process is the one that is ended and started anew."""
    return bool(os.environ.get(_CHILD))


def run_reloading(options: Sequence[str]) -> None:
    """Runs the daemon with these options until a signal ends both processes; then raises Stopped."""
    from watchfiles import PythonFilter, watch

    keeper = Keeper([sys.executable, "-m", "sync_service.main", "daemon", *options])
    keeper.start()
    for _changes in watch(_CODE, watch_filter=PythonFilter(), stop_event=keeper.stopping):
        notice("the code was changed: the daemon is started anew")
        keeper.restart()
    raise Stopped(keeper.end())


class Keeper:
    """Keeps one daemon running and hands it every signal that comes."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._came: list[ExitCode] = []
        self._child: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()
        for number in (*_ENDS, *(getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name))):
            signal.signal(number, self._pass_on)

    def start(self) -> None:
        """In a session of its own, so that Control-C on a terminal reaches the daemon once, through us."""
        if not self.stopping.is_set():
            environment = {**os.environ, _CHILD: "1"}
            self._child = subprocess.Popen(self._command, env=environment, start_new_session=True)  # noqa: S603
        if self.stopping.is_set():
            self._send(signal.SIGTERM)

    def restart(self) -> None:
        """Ends the daemon as SIGTERM does, and starts it with the code of now."""
        self._send(signal.SIGTERM)
        self._wait()
        self.start()

    def end(self) -> ExitCode:
        """Waits for the daemon, which has had its signal; the code of that signal."""
        self._wait()
        return self._came[0]

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _ENDS:
            self._came.append(_ENDS[signal.Signals(number)])
            self.stopping.set()
        self._send(number)

    def _send(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _wait(self) -> None:
        if self._child is not None:
            self._child.wait()
