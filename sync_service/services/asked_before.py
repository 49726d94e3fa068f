"""What a log has asked of objects before the first scan: permissions, which no listing shows."""

from __future__ import annotations

from sync_service.models.changes import GONE, EventRecord, Relook, Wish
from sync_service.models.data_models import Event
from sync_service.services.event_effects import kept_wishes, newest, wishes_standing
from sync_service.services.event_folding import asks

MOST_EVENTS = 200_000
"""Events that are remembered; where there are more, the log is better replayed whole, batch by batch."""


class AskedBefore:
    """Takes events in the order of the log, and follows renames and deletes. Memory grows with their number, to MOST_EVENTS."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._waiting: dict[str, Relook] = {}
        self._told: dict[int, EventRecord] = {}
        self._position = 0

    @property
    def too_many(self) -> bool:
        return len(self._seen) > MOST_EVENTS

    def add(self, events: list[tuple[Event, EventRecord]]) -> None:
        """Events by the names of this route, each with its record; one that is told again says nothing new."""
        placed = kept_wishes(self._waiting)
        for event, record in events:
            known = hash(record.event_key)
            if known in self._seen:
                continue
            self._seen.add(known)
            self._position += 1
            placed.append((event, self._position))
            if asks(event):
                self._told[self._position] = record
        self._waiting = {key: Relook(0, GONE, newest(wishes)) for key, wishes in wishes_standing(placed).items()}
        standing = {wish.position for relook in self._waiting.values() for wish in relook.wishes}
        self._told = {position: record for position, record in self._told.items() if position in standing}

    def found(self, after: int) -> tuple[list[EventRecord], dict[str, Relook]]:
        """The events that stand, in their order, and what waits with which keys; their positions follow `after`."""
        place = {position: after + 1 + index for index, position in enumerate(sorted(self._told))}

        def placed(wish: Wish) -> Wish:
            return wish._replace(position=place[wish.position])

        waiting = {key: Relook(0, GONE, tuple(map(placed, asked.wishes))) for key, asked in self._waiting.items()}
        return [self._told[position] for position in sorted(self._told)], waiting
