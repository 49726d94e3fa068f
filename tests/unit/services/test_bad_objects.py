"""Objects that fail hold up no others: what can go goes, what fails is named, counted and set aside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sync_service.catalogue import looked
from sync_service.models.errors import (
    Denied,
    ExitCode,
    NotAtDestination,
    OutcomeUnknown,
    SourceMoved,
    StoredWrong,
    Temporary,
    Throttled,
    Unreachable,
)
from sync_service.services.delivery import WINDOW
from sync_service.services.observations import seen_again
from tests.fakes.destination import Fault
from tests.unit.services.rig import Rig

UNKNOWN = OutcomeUnknown("answered 500")


def keys(prefix: str, count: int) -> list[str]:
    return [f"{prefix}/{number:03}" for number in range(count)]


def fill(rig: Rig, *names: str, body: bytes = b"x") -> None:
    for name in names:
        rig.source.put(name, body)


def at_source(rig: Rig, prefix: str, error: Exception) -> None:
    """The source lists these objects and will not give them."""

    def before(call: str, key: str) -> None:
        if call == "open" and key.startswith(prefix):
            raise error

    rig.source.before = before


def at_destination(rig: Rig, prefix: str, error: Exception) -> None:
    """The destination says that it is well, and fails for these paths."""
    rig.destination.on_call = lambda kind, path: Fault(error) if path.startswith(prefix) else None


@pytest.mark.parametrize("error", [Denied("no access to its key"), Temporary("answered 500")])
async def test_a_folder_that_the_source_does_not_give(rig: Rig, error: Exception) -> None:
    """However many and wherever they stand in the listing: the rest arrives in the same run, and they are set aside in time."""
    rig.config = rig.config.model_copy(update={"max_attempts": 3})
    service = rig.open()
    fill(rig, *keys("a", 60), *keys("b", 20))
    at_source(rig, "a/", error)
    first = await service.run_initial()
    assert sorted(rig.destination.contents) == keys("b", 20)
    assert first.report["success"] is False
    for number in range(3):
        fill(rig, "b/000", body=b"%d" % number)
        rig.tell("update", "b/000")
        await service.run_cycle() if number else await service.run_initial()
    assert service.get_sync_status()["routes"][0]["quarantined"] == 60


async def test_a_folder_that_the_destination_fails_for(rig: Rig) -> None:
    """A destination that says that it is well is borne with; next time what failed goes behind what did not."""
    service = rig.service
    fill(rig, *keys("a", 40), *keys("b", 20))
    at_destination(rig, "a/", UNKNOWN)
    await service.run_initial()
    assert sorted(rig.destination.contents) == keys("b", 20)


async def test_an_outage_still_ends_the_run_early(rig: Rig) -> None:
    """Where the destination itself is not well, nobody waits for each object to fail."""
    service = rig.service
    fill(rig, *keys("a", 900))
    rig.destination.on_call = lambda _kind, _path: Fault(Unreachable("no connection"))
    ended = await service.run_initial()
    assert ended.exit_code is ExitCode.TEMPORARY
    assert len(rig.destination.calls) <= 2 * WINDOW


async def test_an_outage_is_told_as_one_however_little_there_is_to_send(rig: Rig) -> None:
    """Exit 5: nobody could be reached, and nothing is wrong with the one object."""
    fill(rig, "a")
    rig.destination.on_call = lambda _kind, _path: Fault(Unreachable("no connection"))
    assert (await rig.service.run_initial()).exit_code is ExitCode.TEMPORARY


async def test_attempts_in_doubt_that_cannot_be_settled_hold_up_nothing(rig: Rig) -> None:
    """They are asked about when the others are through, and deletes go out as well."""
    service = rig.service
    fill(rig, *keys("a", 40), *keys("b", 12), "gone")
    await service.run_initial()
    fill(rig, *keys("a", 40), body=b"yy")
    for key in keys("a", 40):
        rig.tell("update", key)
    at_destination(rig, "a/", UNKNOWN)
    await service.run_cycle()
    fill(rig, *keys("b", 12), body=b"zz")
    for key in keys("b", 12):
        rig.tell("update", key)
    rig.source.delete("gone")
    rig.tell("delete", "gone")
    await service.run_cycle()
    assert [rig.destination.contents[key] for key in keys("b", 12)] == [b"zz"] * 12
    assert "gone" not in rig.destination.contents
    rig.destination.heal()
    await service.run_cycle()
    assert rig.in_step()


async def test_failures_before_the_first_answer_count_too(rig: Rig) -> None:
    """Whether others were answered is known at the end of a run."""
    rig.config = rig.config.model_copy(update={"max_attempts": 1})
    service = rig.open()
    fill(rig, "a", "b")
    at_destination(rig, "a", UNKNOWN)
    await service.run_initial()
    [failure] = rig.open_catalogue.list_failures()
    assert (failure.file_path, failure.cycles, failure.quarantined) == ("a", 1, True)


@pytest.mark.parametrize("side", [at_source, at_destination])
async def test_an_object_that_fails_alone_is_set_aside(rig: Rig, side: Callable[[Rig, str, Exception], None]) -> None:
    """Nothing else is there to be sent, but its side says that it is well: after so many cycles the object is given up."""
    rig.config = rig.config.model_copy(update={"max_attempts": 3})
    service = rig.open()
    fill(rig, "a")
    await service.run_initial()
    side(rig, "b", UNKNOWN if side is at_destination else Temporary("answered 500"))
    fill(rig, "b")
    rig.tell("create", "b")
    counted = []
    for _ in range(4):
        await service.run_cycle()
        [failure] = rig.open_catalogue.list_failures()
        counted.append((failure.cycles, failure.quarantined))
    assert counted == [(1, False), (2, False), (3, True), (3, True)]


async def test_two_that_failed_while_others_went_through_are_set_aside_alone(rig: Rig) -> None:
    """They were singled out before; from then on the word of a destination that is well will do."""
    rig.config = rig.config.model_copy(update={"max_attempts": 3})
    service = rig.open()
    at_destination(rig, "b/", UNKNOWN)
    fill(rig, "a", "b/1", "b/2")
    for _ in range(3):
        await service.run_initial()
    assert service.get_sync_status()["routes"][0]["quarantined"] == 2


async def test_a_run_counts_a_failure_once(rig: Rig) -> None:
    """A first sync delivers twice, before and after the events: that is one cycle."""
    service = rig.service
    at_destination(rig, "b", UNKNOWN)
    fill(rig, "a", "b")
    await service.run_initial()
    [failure] = rig.open_catalogue.list_failures()
    assert failure.cycles == 1


@pytest.mark.parametrize("alone", [True, False])
async def test_what_is_stored_wrong_each_time_is_set_aside(rig: Rig, alone: bool) -> None:
    """It is sent twice a run, as a new effect each time, and its cycles count; a new version of it goes out."""
    rig.config = rig.config.model_copy(update={"max_attempts": 3})
    service = rig.open()
    if not alone:
        fill(rig, "good")
    await service.run_initial()
    fill(rig, "bad")
    rig.tell("create", "bad")
    rig.destination.on_call = lambda kind, path: Fault(StoredWrong("other bytes")) if path == "bad" else None
    sent, counted = [], []
    for number in range(4):
        if not alone:
            fill(rig, "good", body=b"%d" % number)
            rig.tell("update", "good")
        before = len(rig.destination.calls)
        ended = await service.run_cycle()
        sent.append(sum(operation.file_path == "bad" for operation, _ in rig.destination.calls[before:]))
        [failure] = rig.open_catalogue.list_failures()
        counted.append((failure.operation, failure.cycles, failure.quarantined))
        assert ended.exit_code is ExitCode.PARTLY
    assert counted == [("update", 1, False), ("update", 2, False), ("update", 3, True), ("update", 3, True)]
    assert sent == [2, 2, 1, 0]
    rig.destination.heal()
    fill(rig, "bad", body=b"a new version")
    rig.tell("update", "bad")
    await service.run_cycle()
    assert rig.in_step()
    assert rig.open_catalogue.list_failures() == []


async def test_a_new_version_does_not_inherit_that_the_old_one_was_stored_wrong(rig: Rig) -> None:
    """It came while the old one was sent for the last time: it has not failed yet."""
    rig.config = rig.config.model_copy(update={"max_attempts": 1})
    service = rig.open()
    fill(rig, "good")
    await service.run_initial()
    fill(rig, "bad")
    rig.tell("create", "bad")

    def changed_meanwhile(kind: str, path: str) -> Fault | None:
        if path != "bad" or rig.source.objects["bad"] != b"x":
            return None
        fill(rig, "bad", body=b"two")
        row = rig.open_catalogue.observations_at(["bad"])["bad"]
        now = seen_again(row, rig.source.info("bad"))
        rig.open_catalogue.within(looked.look_taken, [(row, now)], rig.now())
        return Fault(StoredWrong("other bytes"))

    rig.destination.on_call = changed_meanwhile
    for _ in range(2):
        await service.run_cycle()
    assert (rig.in_step(), rig.open_catalogue.list_failures()) == (True, [])


@pytest.mark.parametrize(
    ("names", "error", "ping_too"),
    [
        (("b",), UNKNOWN, True),
        (("b", "c"), UNKNOWN, False),
        (("b",), Throttled("slow down"), False),
        (("b",), Denied("answered 401"), False),
        (("b",), Unreachable("no connection"), False),
    ],
)
async def test_what_may_be_an_outage_condemns_no_object(
    rig: Rig, names: tuple[str, ...], error: Exception, ping_too: bool
) -> None:
    """The destination is not well, several new objects fail at once, or the answer tells of the server, not of the object."""
    rig.config = rig.config.model_copy(update={"max_attempts": 2})
    service = rig.open()
    fill(rig, "a")
    await service.run_initial()
    rig.destination.on_call = lambda kind, _path: Fault(error) if ping_too or kind != "ping" else None
    fill(rig, *names)
    for name in names:
        rig.tell("create", name)
    for _ in range(4):
        await service.run_cycle()
    assert {(failure.cycles, failure.quarantined) for failure in rig.open_catalogue.list_failures()} == {(0, False)}
    rig.destination.heal()
    await service.run_cycle()
    assert rig.in_step()


async def test_a_new_version_is_not_held_up_by_the_doubt_about_an_old_one(rig: Rig) -> None:
    """An attempt that was given up is settled when the object has changed since."""
    rig.config = rig.config.model_copy(update={"max_attempts": 1})
    service = rig.open()
    fill(rig, "a", "b")
    at_destination(rig, "a", UNKNOWN)
    await service.run_initial()
    await service.run_initial()
    rig.destination.heal()
    fill(rig, "a", body=b"new")
    rig.tell("update", "a")
    for _ in range(2):
        await service.run_initial()
    assert rig.in_step()


async def test_what_is_shown_and_never_given_is_a_failure(rig: Rig) -> None:
    """LIST and HEAD have the object, GET says that it is gone: the run is no success, and others go on."""
    service = rig.service
    fill(rig, "a", "b")
    at_source(rig, "a", SourceMoved("answered 404"))
    ended = await service.run_initial()
    assert (ended.exit_code, ended.report["success"]) == (ExitCode.PARTLY, False)
    [error] = ended.report["errors"]
    assert (error["file_path"], error["kind"]) == ("a", "unreadable")
    assert "shows this version and does not give it: answered 404" in error["message"]
    assert set(rig.destination.contents) == {"b"}
    rig.source.before = None
    await service.run_initial()
    assert rig.in_step()


@pytest.mark.parametrize("count", [5, 60])
async def test_a_refused_token_is_told_as_one_however_much_there_is_to_send(rig: Rig, count: int) -> None:
    """Exit 12, not "try again later"."""
    fill(rig, *keys("a", count))
    rig.destination.on_call = lambda _kind, _path: Fault(Denied("answered 401"))
    assert (await rig.service.run_initial()).exit_code is ExitCode.DENIED


async def test_a_silent_source_is_not_waited_for_object_by_object(rig: Rig) -> None:
    """Hundreds of objects moved on, then the source went away: a few are tried, the run ends and says why."""
    service = rig.service
    fill(rig, *keys("a", 300))
    scan = service._scanner.scan

    async def scan_then_outage(*arguments: object) -> object:
        state = await scan(*arguments)  # type: ignore[arg-type]
        fill(rig, *keys("a", 300), body=b"changed")
        rig.source.before = outage
        return state

    looks: list[str] = []

    def outage(call: str, key: str) -> None:
        if call == "look":
            looks.append(key)
        if call in ("look", "ping"):
            raise Temporary("no connection")

    service._scanner.scan = scan_then_outage  # type: ignore[method-assign,assignment]
    ended = await service.run_initial()
    assert ended.exit_code is ExitCode.TEMPORARY
    assert len(looks) < 40


@pytest.mark.parametrize("change", ["delete", "rename", "update"])
async def test_a_destination_that_says_404_to_everything_for_a_while(rig: Rig, change: str) -> None:
    """It says so of files that it had confirmed, too: nothing is taken for gone, and when it is back all is as it should be."""
    service = rig.service
    fill(rig, "a", "b", "c")
    await service.run_initial()
    if change == "delete":
        rig.source.delete("a")
    elif change == "update":
        fill(rig, "a", body=b"new")
    else:
        rig.source.rename("a", "z")
    rig.tell(change, "a", *(["z"] if change == "rename" else []))
    held = dict(rig.destination.files)
    rig.destination.on_call = lambda kind, path: (
        Fault(NotAtDestination("Not Found", status=404)) if kind not in ("get", "ping", "report") else None
    )
    rig.destination.files.clear()
    ended = await service.run_cycle()
    assert ended.report["success"] is False
    rig.destination.heal()
    rig.destination.files.update(held)
    for _ in range(2):
        await service.run_cycle()
    assert rig.in_step()
