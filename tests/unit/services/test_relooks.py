"""Keys that the source does not answer for are looked at again, and counted by cycles."""

from __future__ import annotations

import pytest

from sync_service.models.errors import Denied, ExitCode, Temporary
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


@pytest.mark.parametrize("error", [Temporary("answered 503"), Denied("access to it was taken away")])
@pytest.mark.parametrize("keys", [["bad"], ["bad", "worse", "worst"]])
async def test_nothing_is_lost_however_long_the_source_does_not_answer(
    rig: Rig, keys: list[str], error: Exception
) -> None:
    """Days without an answer for these objects: each run says so, and when it comes cycles alone bring all in step."""
    rig.source.put("good", b"one")
    rig.source.put("bad", b"one")
    await rig.service.run_initial()
    rig.source.put("bad", b"two")
    rig.tell("update", "bad")
    for key in keys[1:]:
        rig.source.put(key, b"new")
        rig.tell("create", key)
    for key in keys:
        rig.source.fail("look", error, key=key, times=999)
    for _ in range(RELOOKS + 3):
        ended = await rig.service.run_cycle()
        assert (ended.exit_code, ended.report["success"]) == (ExitCode.PARTLY, False)
    told = [(one["file_path"], one["operation"], one["kind"], one["message"]) for one in ended.report["errors"]]
    assert told == [(key, "look", "unanswered", str(error)) for key in keys]
    status = rig.service.get_sync_status()["routes"][0]
    assert (status["state"], status["pending"], status["failed"]) == ("DEGRADED", len(keys), len(keys))
    assert status["error_counts"] == {"unanswered": len(keys)}
    assert [one["file_path"] for one in status["errors"]] == keys
    assert "the source, which does not answer for" in status["reason"]
    rig.source.faults.clear()
    ended = await rig.service.run_cycle()
    assert (ended.exit_code, rig.in_step()) == (ExitCode.DONE, True)
    assert rig.service.get_sync_status()["routes"][0]["state"] == "UP_TO_DATE"


async def test_a_key_without_an_answer_for_long_is_asked_about_once_a_run(rig: Rig) -> None:
    """Its repetitions, and the waits between them, would hold up each cycle."""
    rig.retries = 2
    service = rig.open()
    rig.source.put("good", b"one")
    await service.run_initial()
    rig.source.put("bad", b"one")
    rig.tell("create", "bad")
    rig.source.fail("look", Temporary("not now"), key="bad", times=999)
    asked: list[int] = []
    for _ in range(RELOOKS + 2):
        before = rig.source.calls.count(("look", "bad"))
        await service.run_cycle()
        asked.append(rig.source.calls.count(("look", "bad")) - before)
    assert asked == [3] * (RELOOKS + 1) + [1]


async def test_many_without_an_answer_hold_up_no_others(rig: Rig) -> None:
    """However many there are, and wherever they stand in the order of keys: the first run delivers the rest."""
    rig.source.put("good", b"one")
    await rig.service.run_initial()
    bad = [f"a/{number:02}" for number in range(30)]
    for key in [*bad, "z"]:
        rig.source.put(key, b"new")
        rig.tell("create", key)
    for key in bad:
        rig.source.fail("look", Temporary("answered 500"), key=key, times=999)
    await rig.service.run_cycle()
    assert sorted(rig.destination.contents) == ["good", "z"]
