"""What an event asked of an object goes along with it, also where its renames are told later than the source shows them."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Event, EventType
from sync_service.models.errors import Temporary
from sync_service.services import event_processor
from tests.unit.services.rig import Rig


async def synced(rig: Rig, **told: str) -> None:
    """Object `a` is in step, after an event has set what is `told`."""
    rig.source.put("a", b"one")
    rig.source.put("z", b"zz")
    await rig.service.run_initial()
    if told:
        rig.tell("change_permission", "a", **told)
        await rig.service.run_cycle()


def wanted(rig: Rig, path: str) -> tuple[str | None, str | None]:
    stored = rig.destination.files[path]
    return stored.permissions, stored.owner


async def test_two_renames_that_are_told_one_by_one(rig: Rig) -> None:
    """The first is told when its new key is gone again: the permissions wait there for the second."""
    await synced(rig, permissions="600", owner="me")
    rig.source.rename("a", "c")
    rig.tell("rename", "a", "b")
    await rig.service.run_cycle()
    rig.tell("rename", "b", "c")
    await rig.service.run_cycle()
    assert rig.in_step()
    assert wanted(rig, "c") == ("600", "me")
    assert rig.open_catalogue.relooks_due() == {}


async def test_three_renames_that_are_told_one_by_one(rig: Rig) -> None:
    """What waits moves on with each rename that is told."""
    await synced(rig, permissions="600")
    rig.source.rename("a", "d")
    for old, new in (("a", "b"), ("b", "c"), ("c", "d")):
        rig.tell("rename", old, new)
        await rig.service.run_cycle()
    assert wanted(rig, "d") == ("600", None)


async def test_permissions_that_are_told_of_a_key_that_is_gone_already(rig: Rig) -> None:
    """The object was renamed between the reading of the log and the look: the next event says where it went."""
    await synced(rig)
    rig.source.rename("a", "b")
    rig.tell("change_permission", "a", permissions="600")
    await rig.service.run_cycle()
    rig.tell("rename", "a", "b")
    await rig.service.run_cycle()
    assert wanted(rig, "b") == ("600", None)


async def test_a_row_that_a_look_finds_gone_before_its_rename_is_told(rig: Rig) -> None:
    """Permissions of long ago go along as well, and the newest of two counts."""
    await synced(rig, permissions="600", owner="me")
    rig.source.rename("a", "b")
    rig.tell("update", "a")
    rig.tell("change_permission", "a", permissions="640")
    await rig.service.run_cycle()
    rig.tell("rename", "a", "b")
    rig.tell("change_permission", "b", owner="you")
    await rig.service.run_cycle()
    assert wanted(rig, "b") == ("640", "you")


async def test_a_new_key_that_has_no_answer_keeps_what_was_asked(rig: Rig) -> None:
    """The rename is true, and the source does not answer for the new key until the next cycle."""
    await synced(rig, permissions="600")
    rig.source.rename("a", "b")
    rig.tell("rename", "a", "b")
    rig.source.fail("look", Temporary("not now"), key="b")
    await rig.service.run_cycle()
    await rig.service.run_cycle()
    assert wanted(rig, "b") == ("600", None)


@pytest.mark.parametrize("told", [["delete a"], ["update a", "delete a"], ["rename a b", "delete b"]])
async def test_what_was_asked_of_a_deleted_object_is_forgotten(rig: Rig, told: list[str]) -> None:
    """In the same batch or a later one: a new object under the key has no permissions of the old one."""
    await synced(rig, permissions="600")
    rig.source.delete("a")
    for line in told:
        rig.tell(*line.split())
        await rig.service.run_cycle()
    assert rig.open_catalogue.relooks_due() == {}
    for key in ("a", "b"):
        rig.source.put(key, b"another one")
        rig.tell("create", key)
    await rig.service.run_cycle()
    assert wanted(rig, "a") == wanted(rig, "b") == (None, None)


async def test_metadata_goes_along_by_itself(rig: Rig) -> None:
    """What the object itself says is read where it is found, so nothing waits for it."""
    rig.source.put("a", b"one", {"permissions": "600"})
    rig.source.put("z", b"zz")
    await rig.service.run_initial()
    rig.tell("update", "a")
    await rig.service.run_cycle()
    rig.source.delete("a")
    rig.tell("update", "a")
    await rig.service.run_cycle()
    assert rig.open_catalogue.relooks_due() == {}


async def test_the_waiting_ends_after_so_many_cycles(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object whose delete was never told is looked for in vain; nobody is told of it, and nothing is said to be silent."""
    monkeypatch.setattr(event_processor, "RELOOKS", 2)
    await synced(rig, permissions="600")
    rig.source.delete("a")
    rig.tell("update", "a")
    for left in (["a"], ["a"], []):
        await rig.service.run_cycle()
        assert list(rig.open_catalogue.relooks_due()) == left
        assert rig.open_catalogue.explain("a").relook is None
    assert rig.observer.problems == []


async def test_the_same_wish_told_without_end_waits_once(rig: Rig) -> None:
    """A server that tells the same of a key that is not there on each call makes nothing grow."""
    await synced(rig)
    for number in range(5):
        time = f"2026-11-21T08:00:0{number}Z"
        rig.log.add(Event(EventType.CHANGE_PERMISSION, "not there", permissions="600", timestamp=time))
        await rig.service.run_cycle()
    assert len(rig.open_catalogue.relooks_due()["not there"].wishes) == 1
