"""Permissions that a log had told of before the first scan: no listing shows them, and yet they reach the destination."""

from __future__ import annotations

from typing import Any

import pytest

from sync_service.models.data_models import Poison
from sync_service.models.errors import ExitCode, Temporary
from sync_service.services import asked_before, event_processor
from tests.fakes.destination import Stored
from tests.unit.services.rig import Rig
from tests.unit.services.workbench import event


def asked(path: str, permissions: str, **values: Any) -> Any:
    return event("change_permission", path, permissions=permissions, **values)


async def first_sync(rig: Rig) -> dict[str, str | None]:
    """Path -> permissions at the destination after a first sync of what is in the source."""
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    return permissions(rig)


def permissions(rig: Rig) -> dict[str, str | None]:
    held: dict[str, Stored] = rig.destination.files
    return {path: stored.permissions for path, stored in sorted(held.items())}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are put together by twos."""
    monkeypatch.setattr(event_processor, "BATCH", 2)


@pytest.mark.parametrize(
    ("told", "held"),
    [
        pytest.param([asked("/a", "600"), event("create", "b")], {"a": "600", "b": None}, id="set"),
        pytest.param(
            [asked("a", "600"), asked("b", "640"), asked("a", "644")],
            {"a": "644", "b": "640"},
            id="the last counts",
        ),
        pytest.param(
            [asked("a", "644", sequencer="2"), event("update", "b"), asked("a", "600", sequencer="1")],
            {"a": "644", "b": None},
            id="by sequencer",
        ),
        pytest.param(
            [asked("x", "600"), event("update", "b"), event("rename", "x", "a")], {"a": "600", "b": None}, id="renamed"
        ),
        pytest.param(
            [asked("a", "600"), event("delete", "a"), event("create", "a")], {"a": None, "b": None}, id="deleted since"
        ),
        pytest.param([asked("gone", "600")], {"a": None, "b": None}, id="of an object that is gone"),
        pytest.param(
            [asked("a", "600", id="1"), asked("a", "644", id="2"), asked("a", "600", id="1")],
            {"a": "644", "b": None},
            id="told again",
        ),
        pytest.param(
            [asked("a", "600", id="1"), event("update", "b"), asked("a", "600", id="1"), asked("b", "640")],
            {"a": "600", "b": "640"},
            id="told again in between",
        ),
    ],
)
async def test_what_was_asked_before_the_first_scan_is_sent(
    rig: Rig, told: list[Any], held: dict[str, str | None]
) -> None:
    """As the log left it, through renames and deletes; what it tells later counts more."""
    for key in ("a", "b"):
        rig.source.put(key, b"one")
    rig.log.add(Poison("no JSON", "{"), *told)
    assert await first_sync(rig) == held
    assert rig.in_step()
    rig.log.add(asked("a", "777"))
    await rig.service.run_cycle()
    assert permissions(rig) == {**held, "a": "777"}
    assert rig.open_catalogue.totals().quarantined == 0


async def test_every_page_up_to_the_position_is_read_and_no_more(rig: Rig) -> None:
    """One event a page; the replay goes on behind them."""
    rig.log._page_size = 1
    for key in ("a", "b"):
        rig.source.put(key, b"one")
    rig.log.add(asked("a", "600"), event("update", "b"), asked("b", "640"))
    assert await first_sync(rig) == {"a": "600", "b": "640"}
    assert rig.log.reads == [None, "1", "2", "3"]


async def test_a_log_that_does_not_end_is_replayed_whole(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its pages are more than are read before the first scan, nothing that was asked is lost."""
    monkeypatch.setattr(event_processor, "WALK", 2)
    monkeypatch.setattr(event_processor, "BATCH", 100)
    rig.log._page_size = 1
    rig.source.put("a", b"one")
    rig.log.add(asked("a", "600"), event("update", "a"), event("update", "a"))
    assert await first_sync(rig) == {"a": "600"}


async def test_it_is_told_by_explain_and_read_once(rig: Rig) -> None:
    """The event is in the object's story; the events themselves are not replayed, and nothing is sent for them again."""
    rig.source.put("a", b"one")
    rig.log.add(event("create", "a"), asked("a", "600"), event("update", "a"))
    await first_sync(rig)
    assert [told["event_type"] for told in rig.open_catalogue.explain("a").events] == ["change_permission"]
    rig.destination.effects.clear()
    await rig.service.run_initial()
    assert rig.destination.effects == []


async def test_more_than_can_be_remembered_is_replayed_whole(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch by batch, with the same end."""
    monkeypatch.setattr(asked_before, "MOST_EVENTS", 3)
    for key in ("a", "b"):
        rig.source.put(key, b"one")
    rig.log.add(
        asked("a", "600"), event("rename", "x", "b"), event("create", "a"), event("create", "b"), asked("b", "640")
    )
    assert await first_sync(rig) == {"a": "600", "b": "640"}


async def test_a_log_that_fails_on_the_way_is_read_later(rig: Rig) -> None:
    """The first sync goes on, and the log is replayed from its start: nothing that was asked is lost."""
    rig.source.put("a", b"one")
    rig.log.add(asked("a", "600"))
    whole = rig.log.read

    async def failing(cursor: str | None) -> Any:
        raise Temporary("answered 500")

    rig.log.read = failing  # type: ignore[method-assign]
    assert (await rig.service.run_initial()).exit_code is ExitCode.TEMPORARY
    assert permissions(rig) == {"a": None}
    rig.log.read = whole  # type: ignore[method-assign]
    assert await first_sync(rig) == {"a": "600"}
