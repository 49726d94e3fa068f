"""Events go on being taken in while a run's deliveries last longer than an interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sync_service.models.errors import SyncError
from sync_service.services.event_processor import EventCounts, EventProcessor
from sync_service.services.tools import Tools

Pause = Callable[[], Awaitable[None]]
"""Waits until the log is to be read again."""


@asynccontextmanager
async def reading_on(events: EventProcessor, counts: EventCounts, tools: Tools, pause: Pause) -> AsyncIterator[None]:
    """Reads and records the log after each `pause` while the body runs; what comes goes out with its next round.

    Ended anywhere, like a process that dies: what was committed stays, the rest is read again.
    """
    reader = asyncio.create_task(_read_on(events, counts, tools, pause))
    try:
        yield
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _read_on(events: EventProcessor, counts: EventCounts, tools: Tools, pause: Pause) -> None:
    while not tools.retry.halt.is_set:
        await pause()
        try:
            await events.replay(counts, beside=True)
        except SyncError as error:
            tools.observer.note("the log could not be read while deliveries go on; it is read again", error=str(error))
