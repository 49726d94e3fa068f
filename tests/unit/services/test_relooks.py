"""Keys that the source does not answer for are looked at again, and counted by cycles."""

from __future__ import annotations

import pytest

from sync_service.models.errors import Temporary
from sync_service.services import event_processor
from sync_service.services.event_processor import RELOOKS
from tests.unit.services.rig import Rig


async def read_in_small_batches(rig: Rig, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """A cycle that reads an event about `bad`, which has no answer in all of it, and more batches than a key has looks."""
    monkeypatch.setattr(event_processor, "BATCH", 1)
    rig.log._page_size = 1
    rig.source.put("bad", b"one")
    rig.tell("create", "bad", permissions="600")
    for number in range(batches):
        rig.source.put(f"k{number}", b"two")
        rig.tell("create", f"k{number}")
    rig.source.fail("look", Temporary("a minute's trouble"), key="bad", times=batches + 9)
    await rig.service.run_cycle()
    rig.source.faults.clear()


async def test_the_batches_of_one_cycle_count_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute's trouble is over in the next cycle, however many batches it lasted: object and permissions go out then."""
    await rig.service.run_initial()
    await read_in_small_batches(rig, monkeypatch, RELOOKS + 5)
    assert rig.open_catalogue.relooks_due()["bad"].attempts == 1
    await rig.service.run_cycle()
    assert rig.in_step()
    assert rig.destination.files["bad"].permissions == "600"


async def test_it_is_told_once_a_cycle(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for one object, not one for each batch."""
    await rig.service.run_initial()
    await read_in_small_batches(rig, monkeypatch, 5)
    assert [facts["file_path"] for message, facts in rig.observer.problems if "does not answer" in message] == ["bad"]


async def test_a_key_is_given_up_after_so_many_cycles(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no answer in any of them is left to the next full scan."""
    monkeypatch.setattr(event_processor, "RELOOKS", 2)
    await rig.service.run_initial()
    rig.source.put("bad", b"one")
    rig.tell("create", "bad")
    rig.source.fail("look", Temporary("not now"), key="bad", times=99)
    for left in ({"bad"}, {"bad"}, set()):
        await rig.service.run_cycle()
        assert set(rig.open_catalogue.relooks_due()) == left
