"""Runs a command's coroutine: the event loop, and what signals mean (stop taking work, hand back, leave)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from sync_service.console import notice
from sync_service.models.crashpoints import passing
from sync_service.models.errors import ExitCode
from sync_service.services.retry import Halt
from sync_service.stopped import Stopped

T = TypeVar("T")

GRACE = 20.0
"""Seconds that requests under way have to end after the first signal; the rest of the 30 s is for handing back."""

LATEST = 29.0
"""Seconds after the first signal when the process leaves all the same, as after a second one: what a job of the catalogue
has begun is then as a crash leaves it.
"""

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


def run(command: Callable[[Halt], Awaitable[T]]) -> T:
    """`command`'s result. Raises Stopped where a signal ended it; a second signal leaves the process at once."""
    if sys.platform != "win32":
        with suppress(ImportError):
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_guarded(command))
    return asyncio.run(_guarded(command))


async def _guarded(command: Callable[[Halt], Awaitable[T]]) -> T:
    halt = Halt()
    task = asyncio.ensure_future(command(halt))
    came: list[ExitCode] = []

    def stop(number: int) -> None:
        if came:
            os._exit(_CODES[signal.Signals(number)])
        came.append(_CODES[signal.Signals(number)])
        passing("stop asked for")
        halt.stop(f"stopped by {signal.Signals(number).name}")
        notice("stopping: what is under way is finished or handed back (again: leave at once)")
        loop = asyncio.get_running_loop()
        loop.call_later(GRACE, task.cancel)
        loop.call_later(LATEST, os._exit, came[0])

    for number in _CODES:
        with suppress(NotImplementedError, ValueError):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        result = await task
    except asyncio.CancelledError:
        if came:
            raise Stopped(came[0]) from None
        raise
    except Exception:
        if came:
            raise Stopped(came[0]) from None
        raise
    if came:
        raise Stopped(came[0])
    return result
