"""Events go on being taken in while a run's deliveries last longer than an interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sync_service.models.errors import CATALOGUE_ERRORS, SyncError
from sync_service.services.event_processor import EventCounts, EventProcessor
from sync_service.services.tools import Tools

Pause = Callable[[], Awaitable[None]]
"""Waits until the log is to be read again."""


@asynccontextmanager
async def reading_on(events: EventProcessor, counts: EventCounts, tools: Tools, pause: Pause) -> AsyncIterator[None]:
    """Reads and records the log after each `pause` while the body runs; what comes goes out with its next round.

    Ended anywhere, like a process that dies: what was committed stays, the rest is read again. Raises, behind the body, a
    defect of the reading and what the catalogue raised there.
    """
    reader = asyncio.create_task(_read_or_halt(events, counts, tools, pause))
    try:
        yield
    finally:
        reader.cancel()
        # Not gathered: where the body raises as well, its error goes up, and asyncio's own log tells of the reader's.
        await asyncio.wait([reader])
    if not reader.cancelled():
        reader.result()


async def _read_or_halt(events: EventProcessor, counts: EventCounts, tools: Tools, pause: Pause) -> None:
    """A run whose events can no longer be recorded begins nothing more, so that it soon ends and says why."""
    try:
        await _read_on(events, counts, tools, pause)
    except Exception:
        tools.retry.halt.set("reading the log beside the deliveries has failed")
        raise


async def _read_on(events: EventProcessor, counts: EventCounts, tools: Tools, pause: Pause) -> None:
    while not tools.retry.halt.is_set:
        await pause()
        try:
            await events.replay(counts, beside=True)
        except CATALOGUE_ERRORS:
            raise
        except SyncError as error:
            tools.observer.note("the log could not be read while deliveries go on; it is read again", error=str(error))
