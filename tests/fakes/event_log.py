"""An event log in memory, with cursors or, as servers in the field, without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sync_service.event_logs.decode import decode_item
from sync_service.models.data_models import Event, EventPage, Poison
from sync_service.models.errors import CursorRefused


class FakeEventLog:
    """Holds entries in order; a cursor is the number of entries before it. Without cursors every read gives them all.

    Set up anew (`start_anew`), its cursors bear a mark, and it refuses those without.
    """

    def __init__(self, entries: Iterable[Event | Poison] = (), *, page_size: int = 100, cursors: bool = True) -> None:
        self.entries = list(entries)
        self.acknowledged: list[str | None] = []
        self.reads: list[str | None] = []
        self.closed = False
        self._page_size = page_size
        self._cursors = cursors
        self._errors: list[Exception] = []
        self._mark = ""

    def add(self, *entries: Event | Poison) -> None:
        """More entries, as decoders give them."""
        self.entries += entries

    def publish(self, *values: Mapping[str, Any] | object) -> None:
        """More events as JSON values, of any dialect."""
        for value in values:
            self.entries += decode_item(dict(value) if isinstance(value, Mapping) else value)

    def fail(self, error: Exception, times: int = 1) -> None:
        """The next calls raise `error`."""
        self._errors += [error] * times

    def start_anew(self, *, cursors: bool = True) -> None:
        """An empty log in place of this one, which knows none of the cursors that were given."""
        self.entries.clear()
        self._cursors = cursors
        self._mark += "anew-"

    async def position(self) -> str | None:
        self._raise()
        return f"{self._mark}{len(self.entries)}" if self._cursors else None

    async def read(self, cursor: str | None) -> EventPage:
        self._raise()
        self.reads.append(cursor)
        if not self._cursors:
            return EventPage(list(self.entries), None, False)
        start = self._start(cursor)
        end = min(start + self._page_size, len(self.entries))
        return EventPage(self.entries[start:end], f"{self._mark}{max(start, end)}", end < len(self.entries))

    def _start(self, cursor: str | None) -> int:
        if cursor is None:
            return 0
        number = cursor.removeprefix(self._mark)
        if not cursor.startswith(self._mark) or not number.isdecimal():
            raise CursorRefused("this log does not know the cursor", status=400)
        return int(number)

    async def acknowledge(self, cursor: str | None) -> None:
        self._raise()
        self.acknowledged.append(cursor)

    async def ping(self) -> None:
        self._raise()

    async def close(self) -> None:
        self.closed = True

    def _raise(self) -> None:
        if self._errors:
            raise self._errors.pop(0)
