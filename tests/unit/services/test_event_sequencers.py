"""Sequencers order the events of one key only, also where a row leaves that key for another."""

from __future__ import annotations

import pytest

from sync_service.models.changes import Observation
from sync_service.models.data_models import Event, EventType, ObjectInfo, Row, Seen
from sync_service.services.event_effects import Looks, effects_of
from tests.unit.services.rig import Rig


def permit(path: str, permissions: str, sequencer: str | None) -> Event:
    return Event(EventType.CHANGE_PERMISSION, path, permissions=permissions, sequencer=sequencer)


def rename(old: str, new: str, permissions: str | None = None, sequencer: str | None = "0001") -> Event:
    return Event(EventType.RENAME, old, new, permissions=permissions, sequencer=sequencer)


def after(events: list[Event], at: str, first: int = 10, position: int = 5) -> Observation:
    """Row 1, which event `position` with sequencer 00F0 has given 600 at key a, once the events were read and it is at `at`."""
    row = Row(1, "a", 1, "e1", "t", "600", file_type="text/plain")
    keys = sorted({path for e in events for path in (e.file_path, e.new_path) if path is not None})
    there = ObjectInfo(at, 1, "e1", "t", "text/plain")
    looks = Looks({key: there if key == at else None for key in keys})
    known = {"a": Observation(row, Seen(None, None, None, "00F0", position))}
    (found,) = effects_of(list(zip(events, range(first, 99), strict=False)), keys, known, looks).observations
    return found


async def test_permissions_set_after_a_rename_are_not_compared_with_the_old_key(rig: Rig) -> None:
    """The new key's sequencers begin low, and its event counts all the same."""
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    rig.log.add(permit("a", "600", "00F0"))
    await rig.service.run_cycle()
    rig.source.rename("a", "b")
    rig.log.add(rename("a", "b"))
    await rig.service.run_cycle()
    rig.log.add(permit("b", "644", "0002"))
    await rig.service.run_cycle()
    assert rig.destination.files["b"].permissions == "644"


@pytest.mark.parametrize(
    ("events", "at", "permissions"),
    [
        pytest.param([rename("a", "b"), permit("b", "644", "0002")], "b", "644", id="all in one batch"),
        pytest.param([permit("a", "640", "00F1"), rename("a", "b"), permit("b", "644", "0002")], "b", "644",
                     id="before and after"),
        pytest.param([permit("a", "640", "00A0"), rename("a", "b")], "b", "600", id="an old one of the old key"),
        pytest.param([rename("a", "b", "644", "0002")], "b", "644", id="by the rename itself"),
        pytest.param([rename("a", "b"), permit("b", "644", "0003"), permit("b", "640", "0002")], "b", "644",
                     id="two of the new key in the wrong order"),
        pytest.param([rename("a", "b"), permit("b", "644", "0003"), rename("b", "c"), permit("c", "640", "0001")], "c",
                     "640", id="over two keys"),
    ],
)  # fmt: skip
def test_each_key_has_an_order_of_its_own(events: list[Event], at: str, permissions: str) -> None:
    """Events are compared with those before them of the same key; between keys the log's order counts."""
    assert after(events, at).row.permissions == permissions


@pytest.mark.parametrize(
    ("events", "at", "sequencer"),
    [
        pytest.param([rename("a", "b")], "b", None, id="none of the new key"),
        pytest.param([permit("a", "640", "00F1"), rename("a", "b")], "b", None, id="the old key's"),
        pytest.param([rename("a", "b"), permit("b", "644", "0002")], "b", "0002", id="the new key's"),
        pytest.param([permit("a", "644", "00F1")], "a", "00F1", id="no rename"),
    ],
)
def test_a_row_keeps_the_sequencer_of_its_own_key(events: list[Event], at: str, sequencer: str | None) -> None:
    """What it is compared with next is of the key that it is at."""
    assert after(events, at).seen.event_sequencer == sequencer


def test_an_event_that_does_not_count_leaves_the_order_as_it_was() -> None:
    """A late event of another key, from before the row's last one, takes nothing away from the row."""
    found = after([rename("a", "b"), permit("b", "644", "0002")], "b", first=1, position=50)
    assert (found.row.permissions, found.seen.event_position) == ("600", 50)
