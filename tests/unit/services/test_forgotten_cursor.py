"""A log that no longer knows the cursor is read from its start, and a full scan finds what it has lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.models.changes import ScanStatus
from sync_service.models.errors import CursorRefused, ExitCode, Refused, Unreachable
from sync_service.services.event_processor import EventCounts, EventProcessor, Scope
from tests.fakes.event_log import FakeEventLog
from tests.unit.services.rig import Rig
from tests.unit.services.workbench import Bench, event, workbench

TOLD = "no longer knows where it was read up to"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path) as made:
        yield made


async def sync(rig: Rig) -> None:
    """The log has been read up to a cursor."""
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    rig.tell("update", "a")
    await rig.service.run_cycle()
    rig.observer.calls.clear()


def told(rig: Rig) -> int:
    return sum(TOLD in message for message, _ in rig.observer.problems)


async def test_a_log_that_was_set_up_anew_is_read_from_its_start(rig: Rig) -> None:
    """Its events are taken in by the very next cycle, a person is told once, and later cycles go on from its own cursor."""
    await sync(rig)
    rig.log.start_anew()
    rig.source.put("b", b"two")
    rig.log.add(event("create", "b", id="new 1"))
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    rig.source.put("c", b"three")
    rig.log.add(event("create", "c", id="new 2"))
    await rig.service.run_cycle()
    assert rig.in_step()
    assert told(rig) == 1


async def test_a_full_scan_is_due_then(rig: Rig) -> None:
    """What the old log told and nobody read is found by the daemon's next run, which is a scan."""
    await sync(rig)
    rig.source.put("b", b"told to nobody")
    rig.log.start_anew()
    await rig.service.run_cycle()
    assert await rig.service.progress() == (True, None)
    await rig.service.run_scan()
    _, scanned = await rig.service.progress()
    assert scanned is not None
    assert rig.in_step()


async def test_an_interrupted_scan_does_not_count_for_it(rig: Rig) -> None:
    """The keys that it had listed may have changed since, so the listing begins anew."""
    await sync(rig)
    for key in ("b", "c", "d", "e"):
        rig.source.put(key, b"two")
    rig.source.fail("list_page", Unreachable("no"))
    await rig.service.run_scan()
    assert rig.open_catalogue.scan_state().status is ScanStatus.RUNNING
    rig.log.start_anew()
    await rig.service.run_cycle()
    assert rig.open_catalogue.scan_state().status is ScanStatus.NONE


async def test_a_log_without_cursors_may_stand_in(rig: Rig) -> None:
    """It gives no cursor to go on with: the old one is forgotten all the same, and is asked for no more."""
    await sync(rig)
    rig.log.start_anew(cursors=False)
    read = rig.log.read

    async def strict(cursor: str | None) -> object:
        if cursor is not None:
            raise CursorRefused("unknown", status=400)
        return await read(cursor)

    rig.log.read = strict  # type: ignore[method-assign, assignment]
    for _ in range(2):
        assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert told(rig) == 1


async def test_a_log_that_refuses_everything_is_an_ordinary_error(rig: Rig) -> None:
    """Nothing is forgotten before the log has answered: the cursor stays, and no scan is due."""
    await sync(rig)
    cursor = rig.open_catalogue.cursor()
    rig.log.fail(CursorRefused("unknown", status=404))
    rig.log.fail(Refused("not found", status=404))
    assert (await rig.service.run_cycle()).exit_code is ExitCode.PARTLY
    assert rig.open_catalogue.cursor() == cursor is not None
    _, scanned = await rig.service.progress()
    assert scanned is not None
    assert told(rig) == 0


async def test_a_log_that_refuses_its_own_cursors_is_begun_anew_once_a_cycle(bench: Bench) -> None:
    """It gives a cursor, refuses it, and would be read from its start for ever: the second refusal is an error."""
    log = FakeEventLog([event("update", "a", id="1"), event("update", "b", id="2")], page_size=1)
    read, starts = log.read, 0

    async def forgetful(cursor: str | None) -> object:
        nonlocal starts
        if cursor is not None:
            raise CursorRefused("unknown", status=400)
        starts += 1
        return await read(cursor)

    log.read = forgetful  # type: ignore[method-assign, assignment]
    with pytest.raises(CursorRefused):
        await EventProcessor(bench.tools, log, bench.source, Scope(None)).replay(EventCounts())
    assert starts == 2
