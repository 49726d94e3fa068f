"""The event log of `pubSubFullList`: pages after a cursor, or the same list again on every call where there is none."""

from __future__ import annotations

import asyncio

from sync_service.clients.infrastructure_api import EventList, InfrastructureAPI
from sync_service.event_logs.decode import Entries, decode_item
from sync_service.models.data_models import EventPage
from sync_service.models.errors import ConfigurationError, CursorRefused, Refused

PAGE = 100
PAGE_BUDGET = 10_000
_DECODE_IN_THREAD = 200
_NOTHING_HERE = (404, 405, 410)
_UNKNOWN_CURSOR = (400, 404, 410, 422)


class HttpReplayLog:
    """EventLog on the infrastructure API. A cursor that does not advance is the end of the log."""

    def __init__(self, api: InfrastructureAPI, *, page_budget: int = PAGE_BUDGET) -> None:
        self._api = api
        self._page_budget = page_budget

    async def position(self) -> str | None:
        """The last cursor, by walking the pages; with the budget used up an earlier one, which only replays more."""
        cursor: str | None = None
        for _ in range(self._page_budget):
            listed = await self._listed(cursor)
            advanced = listed.next_cursor not in (None, cursor)
            cursor = listed.next_cursor if advanced else cursor
            if not (advanced and listed.has_more):
                break
        return cursor

    async def read(self, cursor: str | None) -> EventPage:
        """One page; a damaged event is an entry of its own among the good ones."""
        listed = await self._listed(cursor)
        advanced = listed.next_cursor not in (None, cursor)
        next_cursor = listed.next_cursor if advanced else cursor
        return EventPage(await _decoded(listed), next_cursor, advanced and listed.has_more)

    async def _listed(self, cursor: str | None, count: int = PAGE) -> EventList:
        """The contract has no word of its own for an unknown cursor: whatever refuses a request that names one may mean it."""
        try:
            return await self._api.pub_sub_full_list(count, cursor)
        except Refused as error:
            if cursor is not None and error.status in _UNKNOWN_CURSOR:
                raise CursorRefused(error.what, status=error.status) from error
            if error.status in _NOTHING_HERE:
                raise ConfigurationError(f"MOCK_API_URL: there is no event log: {error.what}") from error
            raise

    async def acknowledge(self, cursor: str | None) -> None:
        """The log keeps everything: there is nothing to tell it."""

    async def ping(self) -> None:
        """Raises what `read` would raise now."""
        await self._listed(None, 1)

    async def close(self) -> None:
        await self._api.close()


async def _decoded(listed: EventList) -> Entries:
    """Servers that know no pages may give all they have at once: that much is decoded beside the loop."""
    if len(listed.events) <= _DECODE_IN_THREAD:
        return _entries(listed.events)
    return await asyncio.to_thread(_entries, listed.events)


def _entries(values: list[object]) -> Entries:
    return [entry for value in values for entry in decode_item(value)]
