"""The runs of one route on fakes: first sync, cycle and scan, interrupted and resumed, with their reports and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sync_service.models.changes import ScanStatus
from sync_service.models.config import SyncConfig
from sync_service.models.errors import (
    CatalogueMissing,
    Denied,
    ExitCode,
    ListingBroken,
    OutcomeUnknown,
    Refused,
    StorageFull,
    Unreachable,
)
from sync_service.services.requests import leave_approval
from sync_service.services.sync_service import SyncService
from tests.fakes.catalogues import ids
from tests.unit.services.rig import Rig

Make = Callable[..., Rig]


def put(rig: Rig, *keys: str) -> None:
    for key in keys:
        rig.source.put(key, f"body of {key}".encode())


async def synced(rig: Rig, *keys: str) -> Rig:
    """After a first sync of these keys, with nothing recorded of it in the fakes."""
    put(rig, *keys)
    result = await rig.service.run_initial()
    assert result.exit_code is ExitCode.DONE
    rig.source.calls.clear()
    rig.destination.calls.clear()
    rig.destination.effects.clear()
    rig.destination.reports.clear()
    return rig


# ---------------------------------------------------------------- the first sync


async def test_a_first_sync_sends_everything_and_says_so(rig: Rig) -> None:
    """Position first, then list, deliver, replay, the final pair of CSVs, and the report."""
    put(rig, "a", "b/c", "d")
    rig.tell("create", "a")
    result = await rig.service.run_initial()
    assert (result.exit_code, result.report["success"], result.report["sync_type"]) == (ExitCode.DONE, True, "initial")
    assert rig.in_step()
    assert result.report["operation_counts"] == {"create": 3}
    assert (result.report["statistics"]["files_processed"], result.report["statistics"]["keys_scanned"]) == (3, 3)
    assert result.report["service_info"]["record_count"] == 3
    assert rig.log.reads == [None, "1"]
    assert rig.open_catalogue.totals().initial_done
    assert rig.destination.reports == [result.report]
    assert rig.observer.reports == [result.report]
    last = sorted(name for name in rig.files("snapshots") if name.endswith("manifest.json"))[-1]
    manifest = json.loads((rig.config.snapshots_dir / last).read_text())
    assert (manifest["scope"], [file["rows"] for file in manifest["files"]]) == ("full", [3, 3])
    (kept,) = rig.files("reports")
    assert json.loads((rig.config.reports_dir / kept).read_text()) == result.report


async def test_a_second_first_sync_sends_nothing(rig: Rig) -> None:
    """It scans again and finds all in place."""
    await synced(rig, "a", "b")
    result = await rig.service.run_initial()
    assert (result.exit_code, rig.destination.calls) == (ExitCode.DONE, [])
    assert result.report["statistics"]["keys_scanned"] == 2


async def test_an_empty_bucket_is_a_first_sync(rig: Rig) -> None:
    """Nothing to do is done."""
    result = await rig.service.run_initial()
    assert result.exit_code is ExitCode.DONE
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE


async def test_changes_during_the_first_sync_are_replayed(rig: Rig) -> None:
    """An object that comes behind the listing's back is in the log after the noted position."""
    put(rig, "a", "b")

    def sneak(call: str, key: str | None) -> None:
        if call == "open" and key == "b":
            rig.source.before = None
            put(rig, "A first in order")
            rig.tell("create", "A first in order")

    rig.source.before = sneak
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert "A first in order" in rig.destination.files


async def test_without_a_log_the_first_sync_is_scan_and_deliver(make_rig: Make) -> None:
    """An event log is no condition."""
    rig = make_rig(with_log=False)
    await synced(rig, "a")
    assert rig.in_step()
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE


async def test_a_listing_that_fails_ends_the_first_sync_and_the_next_goes_on(rig: Rig) -> None:
    """Exit 5; the pages that were committed are not listed again."""
    put(rig, "a", "b", "c", "d", "e")
    count = iter(range(100))

    def fail(call: str, _: str | None) -> None:
        if call == "list_page" and next(count) >= 2:
            raise Unreachable("no connection")

    rig.source.before = fail
    result = await rig.service.run_initial()
    assert (result.exit_code, result.report["success"]) == (ExitCode.TEMPORARY, False)
    assert result.report["errors"][0]["kind"] == "unreachable"
    assert not rig.open_catalogue.totals().initial_done
    with pytest.raises(CatalogueMissing, match="not been completed"):
        await rig.service.run_cycle()
    rig.source.before = None
    rig.open()
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert rig.in_step()


@pytest.mark.parametrize("nth", range(1, 12))
async def test_a_first_sync_that_dies_anywhere_goes_on(rig: Rig, nth: int) -> None:
    """Killed at the nth request to the source or the destination: the next process completes it, nothing twice."""
    put(rig, "a", "b", "c")
    seen = 0

    def die(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            raise KilledError

    rig.source.before = die
    with pytest.raises((KilledError, BaseExceptionGroup)):
        await rig.service.run_initial()
        raise KilledError
    rig.source.before = None
    rig.open()
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert len(rig.destination.effects) == len(set(rig.destination.effects)) == 3


class KilledError(Exception):
    """Stands for the end of the process."""


async def test_an_interrupted_delivery_does_not_scan_again(rig: Rig) -> None:
    """The scan is complete: the next first sync delivers what is left."""
    put(rig, *(f"k{n:02}" for n in range(20)))
    rig.destination.fail(Unreachable("no connection"), times=100)
    result = await rig.service.run_initial()
    assert (result.exit_code, rig.open_catalogue.totals().initial_done) == (ExitCode.TEMPORARY, False)
    assert rig.open_catalogue.scan_state().status is ScanStatus.COMPLETE
    rig.destination.heal()
    rig.open()
    rig.source.calls.clear()
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert [call for call, _ in rig.source.calls if call == "list_page"] == []
    assert rig.in_step()


async def test_one_refused_object_does_not_hold_up_the_others(rig: Rig) -> None:
    """Exit 3, success false, the object named; it stays pending and the rest is there."""
    put(rig, "a", "bad", "c")
    rig.destination.fail(Refused("422 not this one", status=422), path="bad", times=100)
    result = await rig.service.run_initial()
    assert (result.exit_code, result.report["success"]) == (ExitCode.PARTLY, False)
    assert set(rig.destination.files) == {"a", "c"}
    (error,) = result.report["errors"]
    assert (error["file_path"], error["operation"], error["kind"]) == ("bad", "create", "refused")
    assert rig.open_catalogue.totals().initial_done
    again = await rig.service.run_cycle()
    assert again.exit_code is ExitCode.PARTLY
    assert sum(operation.file_path == "bad" for operation, _ in rig.destination.calls) == 1


async def test_wrong_credentials_are_exit_12(rig: Rig) -> None:
    """Told by the step that met them."""
    put(rig, "a")
    rig.source.fail("list_page", Denied("403 AccessDenied"), times=9)
    result = await rig.service.run_initial()
    assert result.exit_code is ExitCode.DENIED
    assert result.report["errors"][0]["kind"] == "denied"


# ---------------------------------------------------------------- the cycle


async def test_every_kind_of_change_reaches_the_destination(rig: Rig) -> None:
    """Each as itself; no bytes for a rename or a move; no LIST."""
    await synced(rig, "same", "changed", "old", "d/move", "gone", "perm")
    put(rig, "new")
    rig.source.put("changed", b"other bytes")
    rig.source.rename("old", "renamed")
    rig.source.rename("d/move", "e/move")
    rig.source.delete("gone")
    rig.tell("create", "new")
    rig.tell("update", "changed")
    rig.tell("rename", "old", "renamed")
    rig.tell("move", "d/move", "e/move")
    rig.tell("delete", "gone")
    rig.tell("change_permission", "perm", new_permissions="600")
    result = await rig.service.run_cycle()
    assert result.exit_code is ExitCode.DONE
    assert sorted(rig.destination.effects) == [
        "change_permission perm",
        "create new",
        "delete gone",
        "move d/move -> e/move",
        "rename old -> renamed",
        "update changed",
    ]
    assert rig.in_step()
    assert rig.destination.files["perm"].permissions == "600"
    asked = [call for call, _ in rig.source.calls]
    assert "list_page" not in asked
    assert asked.count("open") == 2
    assert result.report["event_counts"]["rename"] == 1
    assert (await rig.service.run_cycle()).report["operation_counts"] == {}


async def test_a_quiet_cycle_does_nothing(rig: Rig) -> None:
    """No call but the report."""
    await synced(rig, "a")
    result = await rig.service.run_cycle()
    assert (result.exit_code, rig.destination.calls, len(rig.destination.reports)) == (ExitCode.DONE, [], 1)


async def test_a_log_that_fails_holds_up_nothing(rig: Rig) -> None:
    """What is pending goes out all the same; the run says what failed, exit 5."""
    await synced(rig, "a")
    rig.source.put("a", b"changed")
    rig.tell("update", "a")
    rig.destination.fail(OutcomeUnknown("500"), times=2)
    assert (await rig.service.run_cycle()).exit_code is not ExitCode.DONE
    rig.log.fail(Unreachable("no log"), times=9)
    result = await rig.service.run_cycle()
    assert result.exit_code is ExitCode.TEMPORARY
    assert rig.in_step()
    rig.log._errors.clear()
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE


@pytest.mark.parametrize("applied", [False, True])
async def test_a_lost_answer_is_one_effect(rig: Rig, applied: bool) -> None:
    """In doubt, settled by the next cycle under the same key."""
    await synced(rig, "a", "b")
    rig.source.put("a", b"changed")
    rig.tell("update", "a")
    rig.destination.fail(OutcomeUnknown("reset"), path="a", applied=applied)
    first = await rig.service.run_cycle()
    assert first.exit_code is not ExitCode.DONE
    rig.open()
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert rig.destination.effects == ["update a"]
    assert len({key for _, key in rig.destination.calls}) == 1


async def test_a_circle_of_renames_goes_through_a_temporary_path(rig: Rig) -> None:
    """No bytes, and every row where it belongs."""
    await synced(rig, "a", "b", "c")
    known = ids(rig.open_catalogue)
    bodies = rig.source.objects
    rig.source.rename("a", "t")
    rig.source.rename("c", "a")
    rig.source.rename("b", "c")
    rig.source.rename("t", "b")
    rig.tell("rename", "a", "t")
    rig.tell("rename", "c", "a")
    rig.tell("rename", "b", "c")
    rig.tell("rename", "t", "b")
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.destination.contents == {"b": bodies["a"], "a": bodies["c"], "c": bodies["b"]}
    assert ids(rig.open_catalogue) == {"b": known["a"], "a": known["c"], "c": known["b"]}
    assert len(rig.destination.effects) == 4
    assert all(effect.startswith("rename") for effect in rig.destination.effects)


async def test_a_failed_step_holds_up_what_depends_on_it(rig: Rig) -> None:
    """The path is not free: its taker waits for the next cycle."""
    await synced(rig, "a", "b")
    rig.source.rename("b", "c")
    rig.source.rename("a", "b")
    rig.tell("rename", "b", "c")
    rig.tell("rename", "a", "b")
    rig.destination.fail(Unreachable("no connection"), path="b", kind="rename")
    assert (await rig.service.run_cycle()).exit_code is not ExitCode.DONE
    assert set(rig.destination.files) == {"a", "b"}
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_an_object_that_changes_while_it_is_sent_is_sent_as_it_is_then(rig: Rig) -> None:
    """The same cycle goes another round; it is no failure."""
    await synced(rig, "a")
    rig.source.put("a", b"second")
    rig.tell("update", "a")

    def change(call: str, _: str | None) -> None:
        if call == "open":
            rig.source.before = None
            rig.source.put("a", b"third")

    rig.source.before = change
    result = await rig.service.run_cycle()
    assert (result.exit_code, rig.destination.contents) == (ExitCode.DONE, {"a": b"third"})


async def test_an_object_that_never_keeps_still_ends_the_rounds(rig: Rig) -> None:
    """Bounded rounds; it is pending, and the next cycle has it."""
    await synced(rig, "a")
    rig.source.put("a", b"second")
    rig.tell("update", "a")
    turn = iter(range(1000))

    def change(call: str, _: str | None) -> None:
        if call == "open":
            rig.source.put("a", b"version %d" % next(turn))

    rig.source.before = change
    await rig.service.run_cycle()
    assert rig.open_catalogue.totals().pending == 1
    rig.source.before = None
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


# ---------------------------------------------------------------- the scan


async def test_a_scan_finds_what_events_lost(rig: Rig) -> None:
    """New, changed and deleted behind the log's back."""
    await synced(rig, "a", "b", "c")
    rig.source.put("b", b"changed")
    rig.source.delete("c")
    put(rig, "d")
    assert (await rig.service.run_cycle()).report["operation_counts"] == {}
    result = await rig.service.run_scan()
    assert (result.exit_code, result.report["sync_type"], result.report["statistics"]["keys_scanned"]) == (
        ExitCode.DONE,
        "scan",
        3,
    )
    assert rig.in_step()


async def test_nothing_is_deleted_after_a_listing_that_failed(rig: Rig) -> None:
    """A broken listing ends the scan; events of the same run still go out."""
    await synced(rig, "a", "b", "c", "d", "e")
    rig.source.delete("e")
    put(rig, "new")
    rig.tell("create", "new")
    rig.source.fail("list_page", ListingBroken("it goes back"))
    result = await rig.service.run_scan()
    assert result.exit_code is ExitCode.TEMPORARY
    assert rig.destination.effects == ["create new"]
    assert (await rig.service.run_scan()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_another_bucket_turns_a_cycle_into_a_scan_and_holds_deletes(rig: Rig) -> None:
    """The identity changed: its listing is compared, and nothing that it lacks is deleted without a yes."""
    await synced(rig, "a", "b", "c")
    rig.source.name = "another"
    rig.source.delete("b")
    result = await rig.service.run_cycle()
    assert result.exit_code is ExitCode.GUARDED
    assert result.report["statistics"]["deletes_held"] == 1
    assert "not the one seen before" in result.report["held_reason"]
    assert set(rig.destination.files) == {"a", "b", "c"}
    leave_approval(rig.config.requests_dir, "x", [(row, path) for row, path, _ in rig.open_catalogue.pending_deletes()])
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    rig.source.calls.clear()
    await rig.service.run_cycle()
    assert "list_page" not in [call for call, _ in rig.source.calls]


# ---------------------------------------------------------------- the guard


async def test_many_deletes_are_held_until_a_person_agrees(make_rig: Make) -> None:
    """Exit 6, shown in the totals, everything else goes on; after the yes they go."""
    rig = make_rig(settings={"max_delete": 2, "max_delete_percent": 10.0})
    await synced(rig, *(f"k{n}" for n in range(10)))
    for number in range(5):
        rig.source.delete(f"k{number}")
        rig.tell("delete", f"k{number}")
    put(rig, "new")
    rig.tell("create", "new")
    result = await rig.service.run_cycle()
    assert (result.exit_code, result.report["success"]) == (ExitCode.GUARDED, False)
    assert rig.destination.effects == ["create new"]
    held = rig.open_catalogue.totals().held
    assert held is not None
    assert held.deletes == 5
    leave_approval(rig.config.requests_dir, "x", [(row, path) for row, path, _ in rig.open_catalogue.pending_deletes()])
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert rig.open_catalogue.totals().held is None
    assert rig.open_catalogue.approved() == {}


@pytest.mark.parametrize("run", ["run_scan", "run_cycle"])
async def test_what_was_held_does_not_go_because_there_is_less_of_it(rig: Rig, run: str) -> None:
    """An emptied bucket that is filled again object by object: each that is back is withdrawn, the others wait for a person."""
    await synced(rig, *"abcd")
    for key in "abcd":
        rig.source.delete(key)
    assert (await rig.service.run_scan()).exit_code is ExitCode.GUARDED
    put(rig, "a", "b", "new")
    for key in ("a", "b", "new"):
        rig.tell("create", key)
    result = await getattr(rig.service, run)()
    assert (result.exit_code, result.report["statistics"]["deletes_held"]) == (ExitCode.GUARDED, 2)
    assert "the listing is empty" in result.report["held_reason"]
    assert set(rig.destination.files) == {*"abcd", "new"}
    leave_approval(rig.config.requests_dir, "x", [(row, path) for row, path, _ in rig.open_catalogue.pending_deletes()])
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_an_emptied_bucket_deletes_nothing(rig: Rig) -> None:
    """The listing is empty and the destination is not: held, and healed when the objects come back."""
    await synced(rig, "a", "b")
    for key in ("a", "b"):
        rig.source.delete(key)
    result = await rig.service.run_scan()
    assert result.exit_code is ExitCode.GUARDED
    assert set(rig.destination.files) == {"a", "b"}
    put(rig, "a", "b")
    assert (await rig.service.run_scan()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert rig.open_catalogue.totals().held is None


# ---------------------------------------------------------------- reports


async def test_a_report_that_is_not_received_is_sent_again(rig: Rig) -> None:
    """It fails nothing, and goes before the next run's own, in order."""
    await synced(rig, "a")
    rig.destination.fail(Unreachable("no connection"), kind="report", times=2)
    first = await rig.service.run_cycle()
    second = await rig.service.run_cycle()
    assert (first.exit_code, second.exit_code, rig.destination.reports) == (ExitCode.DONE, ExitCode.DONE, [])
    assert len(rig.open_catalogue.runs(unreported=True)) == 2
    third = await rig.service.run_cycle()
    assert [r["run_id"] for r in rig.destination.reports] == [r.report["run_id"] for r in (first, second, third)]
    assert rig.open_catalogue.runs(unreported=True) == []


async def test_a_report_that_cannot_be_kept_fails_no_run(rig: Rig) -> None:
    """The folder is in the way; the catalogue and the destination have it."""
    await synced(rig, "a")
    for path in rig.config.reports_dir.iterdir():
        path.unlink()
    rig.config.reports_dir.rmdir()
    rig.config.reports_dir.write_text("in the way")
    result = await rig.service.run_cycle()
    assert result.exit_code is ExitCode.DONE
    assert rig.destination.reports == [result.report]
    assert len(rig.observer.problems) == 1


async def test_runs_are_recorded_with_their_ends(rig: Rig) -> None:
    """Begun, ended, and one that was cut off."""
    await synced(rig, "a")
    rig.log.fail(KilledError())
    with pytest.raises(KilledError):
        await rig.service.run_cycle()
    rig.open()
    result = await rig.service.run_cycle()
    newest, cut, initial = rig.open_catalogue.runs()
    assert (newest.run_id, newest.success, newest.exit_code) == (result.report["run_id"], True, 0)
    assert (cut.success, cut.finished_at, initial.sync_type) == (None, None, "initial")


# ---------------------------------------------------------------- ends


async def test_a_silent_destination_ends_the_run_early(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every object is tried where nothing answers: exit 5, all still pending, and the next run sends all."""
    monkeypatch.setattr("sync_service.services.delivery.WINDOW", 10)
    monkeypatch.setattr("sync_service.services.delivery.OUTSTANDING", 20)
    await synced(rig, "first")
    keys = [f"k{n:03}" for n in range(60)]
    put(rig, *keys)
    for key in keys:
        rig.tell("create", key)
    rig.destination.fail(Unreachable("no connection"), times=10_000)
    result = await rig.service.run_cycle()
    assert result.exit_code is ExitCode.TEMPORARY
    assert rig.open_catalogue.totals().pending == 60
    assert len(rig.destination.calls) < 60
    rig.destination.heal()
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_a_halt_ends_a_run_and_the_next_goes_on(rig: Rig) -> None:
    """A signal in the middle: what is under way is finished, the rest is pending, exit 5 for the run itself."""
    await synced(rig, "a")
    keys = [f"k{n:02}" for n in range(20)]
    put(rig, *keys)
    for key in keys:
        rig.tell("create", key)

    def stop(call: str, key: str | None) -> None:
        if call == "open" and key == "k05":
            rig.halt.stop("SIGTERM")

    rig.source.before = stop
    result = await rig.service.run_cycle()
    assert (result.exit_code, result.report["success"]) == (ExitCode.TEMPORARY, False)
    assert [error["message"] for error in result.report["errors"]] == ["SIGTERM. The next run goes on where it was"]
    assert rig.service.get_sync_status()["routes"][0]["state"] == "STOPPED"
    assert 0 < len(rig.destination.effects) < 20
    rig.source.before = None
    rig.open()
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert len(rig.destination.effects) == 20


@pytest.mark.parametrize("run", ["run_initial", "run_cycle", "run_scan"])
async def test_a_halt_before_the_run_takes_no_work(rig: Rig, run: str) -> None:
    """Nothing is listed, read or sent."""
    await synced(rig, "a")
    put(rig, "b")
    rig.tell("create", "b")
    rig.halt.stop("SIGTERM")
    result = await getattr(rig.service, run)()
    assert result.exit_code is ExitCode.TEMPORARY
    assert [error["kind"] for error in result.report["errors"]] == ["stopped"]
    assert rig.service.get_sync_status()["routes"][0]["state"] == "STOPPED"
    assert (rig.destination.effects, [c for c, _ in rig.source.calls if c in ("list_page", "open")]) == ([], [])


async def test_an_edited_snapshot_stops_the_delivery(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent because of it; the next cycle writes a new one."""
    await synced(rig, "a")
    put(rig, "b")
    rig.tell("create", "b")
    whole = rig.service._csv.__class__.snapshot

    def edited(self: object, *arguments: object, **more: object) -> object:
        pair = whole(self, *arguments, **more)  # type: ignore[arg-type]
        pair.after.path.write_bytes(pair.after.path.read_bytes().replace(b'"b"', b'"x"'))
        return pair

    with monkeypatch.context() as patched:
        patched.setattr(rig.service._csv.__class__, "snapshot", edited)
        result = await rig.service.run_cycle()
    assert (result.exit_code, rig.destination.effects) == (ExitCode.UNCLASSIFIED, [])
    assert "changed after it was written" in result.report["errors"][0]["message"]
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_a_full_disk_at_the_snapshot_is_temporary(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with its report, and the next one goes on."""
    await synced(rig, "a")
    put(rig, "b")
    rig.tell("create", "b")

    def full(*_: object, **__: object) -> None:
        raise StorageFull("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("sync_service.services.csv_processor.write_pair", full)
        result = await rig.service.run_cycle()
    assert (result.exit_code, result.report["errors"][0]["kind"]) == (ExitCode.TEMPORARY, "storage_full")
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_denied_objects_alone_are_exit_12(rig: Rig) -> None:
    """Where the destination lets nothing in, the credentials are at fault."""
    put(rig, "a", "b")
    rig.destination.fail(Denied("401"), times=100)
    result = await rig.service.run_initial()
    assert result.exit_code is ExitCode.DENIED


async def test_a_refusal_is_exit_12_whatever_was_in_doubt_before(rig: Rig) -> None:
    """Attempts that a failing server left in doubt do not hide that it lets nobody in now."""
    put(rig, *(f"k{number:02}" for number in range(60)))
    rig.destination.fail(OutcomeUnknown("501"), times=1_000)
    assert (await rig.service.run_initial()).exit_code is ExitCode.TEMPORARY
    rig.destination.heal()
    rig.destination.fail(Denied("401"), times=1_000)
    assert (await rig.service.run_initial()).exit_code is ExitCode.DENIED


async def test_a_service_without_parts_tells_the_status_alone(rig: Rig) -> None:
    """Made from a config, beside the one that runs."""
    await synced(rig, "a")
    service = SyncService(rig.config)
    (route,) = service.get_sync_status()["routes"]
    assert (route["route"], route["files"], route["pending"]) == ("customer", 1, 0)
    assert SyncService(SyncConfig(database_path=rig.folder / "none.db")).get_sync_status()["routes"][0]["files"] == 0


async def test_progress_and_the_next_run_are_kept(rig: Rig) -> None:
    """What the scheduler asks for and notes."""
    assert await rig.service.progress() == (False, None)
    await synced(rig, "a")
    done, ended = await rig.service.progress()
    assert done
    assert ended is not None
    await rig.service.tell_next_run("2026-11-21T09:00:00+00:00")
    assert rig.open_catalogue.next_run() == "2026-11-21T09:00:00+00:00"


async def test_an_unexpected_step_error_is_not_swallowed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program ends the run as what it is."""
    await synced(rig, "a")

    def fault(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(rig.service._delivery, "settle", fault)
    with pytest.raises(RuntimeError):
        await rig.service.run_cycle()
