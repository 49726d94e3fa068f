"""The readiness walk: every port's ping at once, within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sync_service.models.errors import SyncError
from sync_service.models.text import shown

Ping = Callable[[], Awaitable[None]]


async def failures(pings: Mapping[str, Ping], timeout: float) -> dict[str, str]:
    """Why each port that is not ready is not, by its name; empty where all are. Takes at most `timeout` seconds."""
    tasks = {name: asyncio.ensure_future(_problem(ping)) for name, ping in pings.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=timeout)
    finally:
        # Not awaited: a ping that does not let itself be cancelled must not hold up the answer.
        late = {name for name, task in tasks.items() if task.cancel()}
    reasons = {name: _reason(task, name in late, timeout) for name, task in tasks.items()}
    return {name: reason for name, reason in reasons.items() if reason}


async def _problem(ping: Ping) -> str:
    try:
        await ping()
    except SyncError as error:
        return shown(error)
    except Exception as error:  # its text was written for nobody in particular, and may hold anything
        return f"unexpected {type(error).__name__}"
    return ""


def _reason(task: asyncio.Future[str], late: bool, timeout: float) -> str:
    return f"no answer within {timeout:g} s" if late or task.cancelled() else task.result()
