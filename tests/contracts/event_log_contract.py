"""What every EventLog promises, as one suite: a test class inherits one of these and gives the fixture `world`."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from sync_service.models.data_models import Event, EventPage, Poison
from sync_service.models.errors import CursorRefused
from sync_service.ports import EventLog

MANY = 250


class World(Protocol):
    """A log, and the hand that writes to it: events as JSON values."""

    log: EventLog

    async def publish(self, *values: object) -> None: ...


def created(path: str, **more: Any) -> dict[str, Any]:
    """An event of our own vocabulary."""
    return {"event_type": "create", "file_path": path, "timestamp": "2026-11-21T06:00:00Z", **more}


async def pages(log: EventLog, cursor: str | None = None) -> list[EventPage]:
    """All pages from `cursor` to the end."""
    found = [await log.read(cursor)]
    while found[-1].has_more:
        found.append(await log.read(found[-1].cursor))
    return found


def paths(found: list[EventPage]) -> list[str | None]:
    return [entry.file_path if isinstance(entry, Event) else "poison" for page in found for entry in page.events]


class EventLogContract:
    """Holds for every log."""

    async def test_an_empty_log_has_nothing_and_no_more(self, world: World) -> None:
        """Reading an empty log ends at once."""
        page = await world.log.read(None)
        assert page.events == []
        assert not page.has_more

    async def test_all_events_come_in_their_order(self, world: World) -> None:
        """Every page together is the whole log, in the order in which it was written."""
        await world.publish(*(created(f"{number}.txt", event_id=f"e{number}") for number in range(MANY)))
        assert paths(await pages(world.log)) == [f"{number}.txt" for number in range(MANY)]

    async def test_a_damaged_event_is_poison_among_good_ones(self, world: World) -> None:
        """One bad event is an entry with a reason, and the ones around it are whole."""
        await world.publish(created("a.txt"), {"event_type": "explode", "file_path": "b.txt"}, created("c.txt"))
        (page,) = await pages(world.log)
        assert paths([page]) == ["a.txt", "poison", "c.txt"]
        assert isinstance(page.events[1], Poison)
        assert page.events[1].reason

    async def test_acknowledging_changes_nothing_for_what_comes_later(self, world: World) -> None:
        """Events published after an acknowledgement are read."""
        await world.publish(created("a.txt"))
        page = await world.log.read(None)
        await world.log.acknowledge(page.cursor)
        await world.publish(created("b.txt"))
        assert paths(await pages(world.log, page.cursor))[-1] == "b.txt"

    async def test_ping_is_quiet_where_the_log_can_be_read(self, world: World) -> None:
        """A healthy log raises nothing."""
        await world.log.ping()


class CursorContract(EventLogContract):
    """Holds for logs with a cursor."""

    async def test_reading_from_the_position_gives_only_later_events(self, world: World) -> None:
        """The position noted before a scan is where the replay begins."""
        await world.publish(*(created(f"old {number}.txt") for number in range(MANY)))
        position = await world.log.position()
        await world.publish(created("new.txt"))
        assert position is not None
        assert paths(await pages(world.log, position)) == ["new.txt"]

    async def test_reading_twice_from_one_cursor_gives_the_same(self, world: World) -> None:
        """A crash before the commit repeats the page."""
        await world.publish(created("a.txt"), created("b.txt"))
        assert await world.log.read(None) == await world.log.read(None)

    async def test_the_end_of_the_log_keeps_its_cursor(self, world: World) -> None:
        """Reading at the end gives nothing, and the cursor stays good for later events."""
        await world.publish(created("a.txt"))
        page = await world.log.read(None)
        again = await world.log.read(page.cursor)
        assert again.events == []
        await world.publish(created("b.txt"))
        assert paths(await pages(world.log, again.cursor)) == ["b.txt"]

    async def test_a_cursor_that_the_log_does_not_know_is_refused(self, world: World) -> None:
        """It raises an error of its own, and the log can still be read from its start."""
        await world.publish(created("a.txt"))
        with pytest.raises(CursorRefused):
            await world.log.read("of another log")
        assert paths(await pages(world.log)) == ["a.txt"]


class NoCursorContract(EventLogContract):
    """Holds for logs without a cursor: the same list again on every call."""

    async def test_every_read_gives_all_and_no_cursor(self, world: World) -> None:
        """The whole list comes again, and nothing pretends to be a cursor."""
        await world.publish(created("a.txt"), created("b.txt"))
        for _ in range(2):
            page = await world.log.read(None)
            assert (paths([page]), page.cursor, page.has_more) == (["a.txt", "b.txt"], None, False)

    async def test_there_is_no_position(self, world: World) -> None:
        """Everything is replayed then."""
        await world.publish(created("a.txt"))
        assert await world.log.position() is None
