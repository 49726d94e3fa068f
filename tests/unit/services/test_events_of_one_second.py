"""Logs without ids, whose times are whole seconds: equal events of one second are all counted, and none of them twice."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Event, EventType
from tests.fakes.event_log import FakeEventLog
from tests.unit.services.rig import Rig


def chmod(permissions: str, second: int = 0) -> Event:
    time = f"2026-11-21T08:00:{second:02}Z"
    return Event(EventType.CHANGE_PERMISSION, "a", permissions=permissions, timestamp=time)


@pytest.mark.parametrize("cursors", [True, False])
async def test_the_last_of_three_changes_counts(rig: Rig, cursors: bool) -> None:
    """600, 644 and 600 within one second end at 600."""
    rig.log = FakeEventLog(cursors=cursors)
    rig.open()
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    rig.log.add(chmod("600"), chmod("644"), chmod("600"))
    await rig.service.run_cycle()
    assert rig.destination.files["a"].permissions == "600"


async def test_a_list_that_comes_again_on_every_call_changes_nothing(rig: Rig) -> None:
    """The whole list, a longer one, and one that has lost its beginning: what was told before is seen before."""
    rig.log = FakeEventLog([chmod("600"), chmod("644"), chmod("600")], cursors=False)
    rig.open()
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    rig.log.add(chmod("640", 1))
    await rig.service.run_cycle()
    for _ in range(3):
        result = await rig.service.run_cycle()
        assert result.report["events_skipped"] == {"seen before": len(rig.log.entries)}
        del rig.log.entries[0]
    assert rig.destination.files["a"].permissions == "640"
