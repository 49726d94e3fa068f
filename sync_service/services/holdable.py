"""Skins around source and log for a database that cannot hold every key: PostgreSQL has no text with a NUL in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace

from sync_service.models.data_models import Event, EventPage, ListingPage, Poison
from sync_service.models.text import escaped
from sync_service.ports import EventLog, Source

UNHOLDABLE = "\0"

POISONED = "it holds a NUL, which PostgreSQL cannot keep"


class HoldableSource:
    """A source whose listing has no such keys; those of each page are given to `leave_out` instead."""

    def __init__(self, real: Source, leave_out: Callable[[list[str]], Awaitable[None]]) -> None:
        self._real = real
        self._leave_out = leave_out
        self.identity, self.look, self.open = real.identity, real.look, real.open
        self.ping, self.close = real.ping, real.close

    async def list_page(self, token: str | None = None) -> ListingPage:
        page = await self._real.list_page(token)
        odd = [entry.key for entry in page.entries if UNHOLDABLE in entry.key]
        if not odd:
            return page
        await self._leave_out(odd)
        return ListingPage([entry for entry in page.entries if UNHOLDABLE not in entry.key], page.next_token)


class HoldableLog:
    """A log whose events can be kept; one that cannot is poison, and the next scan finds what it meant."""

    def __init__(self, real: EventLog) -> None:
        self._real = real
        self.position, self.acknowledge = real.position, real.acknowledge
        self.ping, self.close = real.ping, real.close

    async def read(self, cursor: str | None) -> EventPage:
        page = await self._real.read(cursor)
        return replace(page, events=[_held(event) for event in page.events])


def _held(event: Event | Poison) -> Event | Poison:
    if not any(isinstance(value, str) and UNHOLDABLE in value for value in astuple(event)):
        return event
    return Poison(POISONED, escaped(event.raw))
