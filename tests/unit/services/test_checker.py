"""The check of one route: what it finds in every situation, and that it neither changes nor claims anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sync_service.catalogue import repairing
from sync_service.models.data_models import Receipt
from sync_service.models.errors import (
    CatalogueMissing,
    CatalogueUnusable,
    Denied,
    ExitCode,
    GuardHeld,
    ListingBroken,
    OutcomeUnknown,
    Refused,
    SyncError,
    Temporary,
    Unreachable,
)
from sync_service.models.findings import CheckOptions, CheckResult, Finding, Remedy, Repair
from sync_service.services.check_results import leave_for_daemon, repairs_of
from sync_service.services.checker import Checker
from sync_service.services.comparison import Comparison
from sync_service.services.retry import RetryPolicy
from sync_service.services.tools import Tools
from tests.fakes.catalogues import observe
from tests.fakes.destination import Stored
from tests.fakes.source import FakeSource
from tests.unit.services.rig import Rig
from tests.unit.services.workbench import StepByStep

MakeRig = Callable[..., Rig]


def checker_of(rig: Rig, options: CheckOptions) -> Checker:
    """The catalogue's calls in this thread: tests change it in between."""
    retry = RetryPolicy(rig.retries, 0, rig.halt)
    tools = Tools(rig.open_catalogue, StepByStep(), retry, rig.observer, rig.now, 3)
    return Checker(tools, rig.source, rig.destination, options)


async def check(rig: Rig, **options: object) -> tuple[list[Finding], CheckResult]:
    findings: list[Finding] = []
    result = await checker_of(rig, CheckOptions(seed="s", **options)).run(findings.append)  # type: ignore[arg-type]
    return findings, result


async def told(rig: Rig, **options: object) -> list[str]:
    """Each finding as `kind path: detail`."""
    findings, result = await check(rig, **options)
    assert sum(result.counts.kinds.values()) == len(findings)
    return [f"{one.kind} {one.file_path}: {one.detail}" for one in findings]


async def repair(rig: Rig, **options: object) -> None:
    findings, _ = await check(rig, **options)
    rig.open_catalogue.within(repairing.repair, [one for found in findings for one in found.repairs], rig.now())


async def synced(rig: Rig, *keys: str) -> Rig:
    for key in keys or ("a", "b", "c"):
        rig.source.put(key, f"body of {key}".encode(), {"permissions": "0600"} if key == "a" else None)
    await rig.service.run_initial()
    return rig


def damage(rig: Rig, path: str, **values: object) -> None:
    rig.destination.files[path] = rig.destination.files[path]._replace(**values)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what is well


async def test_a_synced_route_is_clean(rig: Rig) -> None:
    """Every object was asked for once, its permissions where there is a wish, and nothing was changed."""
    await synced(rig)
    effects = list(rig.destination.effects)
    findings, result = await check(rig)
    assert findings == []
    counts = result.counts
    assert (counts.listed, counts.tracked, counts.compared, counts.permissions, counts.bodies) == (3, 3, 3, 1, 0)
    assert result.exit_code is ExitCode.DONE
    assert result.as_json()["clean"] is True
    assert rig.destination.effects == effects
    assert rig.observer.phases[-1] == "check"
    assert rig.observer.of("phase")[-1] == ("check", 3, None)


async def test_an_empty_route_is_clean(rig: Rig) -> None:
    """Nothing on either side is no difference and no error."""
    await rig.service.run_initial()
    findings, result = await check(rig)
    assert (findings, result.exit_code, result.empty_listing) == ([], ExitCode.DONE, False)


async def test_a_restored_catalogue_is_not_compared(rig: Rig) -> None:
    """It believes nothing of the destination before the next run, and that is said in place of a difference for each row."""
    await synced(rig)
    Comparison(rig.open_catalogue).distrust("another", False)
    with pytest.raises(Temporary, match="nothing was compared: the catalogue was restored"):
        await check(rig)
    await rig.service.run_cycle()
    assert await told(rig) == []


async def test_bytes_are_compared_where_they_are_read(rig: Rig) -> None:
    """Each body once, and so many bytes."""
    await synced(rig)
    findings, result = await check(rig, read_data=True)
    assert findings == []
    assert (result.counts.bodies, result.counts.bytes_read) == (3, 27)


# ---------------------------------------------------------------- damage at the destination


async def test_each_damage_has_its_name(rig: Rig) -> None:
    """Missing, cut short, with other permissions."""
    await synced(rig)
    damage(rig, "a", permissions="0777")
    damage(rig, "b", content=b"body")
    del rig.destination.files["c"]
    assert await told(rig) == [
        "different a: permissions 0777 instead of 0600",
        "different b: size 4 instead of 9",
        "missing c: not at the destination",
    ]
    assert (await check(rig))[1].exit_code is ExitCode.DIFFERENCES


async def test_other_bytes_of_the_same_length_need_reading(rig: Rig) -> None:
    """Without --read-data nobody looks at bytes."""
    await synced(rig)
    damage(rig, "b", content=b"BODY of b")
    assert await told(rig) == []
    (found,) = await told(rig, read_data=True)
    assert found.startswith("different b: other bytes: sha256")


async def test_a_destination_that_tells_little_is_not_believed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no digest is told, bytes that were to be read count as unverifiable, and are not fetched."""
    await synced(rig, "b")

    async def get(path: str) -> Receipt | None:
        return Receipt(size=9) if path == "b" else None

    monkeypatch.setattr(rig.destination, "get", get)
    rig.source.calls.clear()
    assert await told(rig) == []
    assert await told(rig, read_data=True) == ["unverifiable b: the destination tells no sha256 of its bytes"]
    assert ("open", "b") not in rig.source.calls
    assert (await check(rig, read_data=True))[1].exit_code is ExitCode.PARTLY


async def test_a_destination_that_agrees_to_everything_proves_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that holds a path that nobody made is asked no further; that is one unverifiable thing, and no 'all is well'."""
    await synced(rig)

    async def get(path: str) -> Receipt | None:
        return Receipt(size=0)

    monkeypatch.setattr(rig.destination, "get", get)
    findings, result = await check(rig)
    assert [one.kind for one in findings] == ["unverifiable"]
    assert "its answers prove nothing" in findings[0].detail
    assert (result.counts.compared, result.exit_code) == (0, ExitCode.PARTLY)


# ---------------------------------------------------------------- the source and the catalogue


async def test_what_no_run_has_seen_is_told(rig: Rig) -> None:
    """A new key, a changed one, changed permissions, and one that is gone."""
    await synced(rig, "a", "b", "c", "d")
    rig.source.put("new", b"x")
    rig.source.put("b", b"other")
    rig.source.put("c", b"body of c", {"permissions": "0644"})
    rig.source.delete("d")
    assert await told(rig) == [
        "catalogue b: changed in the source, and not observed yet",
        "catalogue c: changed in the source, and not observed yet",
        "catalogue d: observed, and no longer in the source",
        "catalogue new: in the source, and not observed yet",
    ]


async def test_a_rewrite_with_the_same_content_is_no_difference(rig: Rig) -> None:
    """Only its time has changed; the destination is still compared."""
    await synced(rig)
    rig.source.put("b", b"body of b")
    del rig.destination.files["b"]
    assert await told(rig) == ["missing b: not at the destination"]


async def test_what_a_listing_hides_is_looked_at(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is not listed and answers a look is there, and is compared."""
    await synced(rig)
    hidden = rig.source.list_page

    async def list_page(token: str | None = None) -> object:
        page = await hidden(token)
        return type(page)([one for one in page.entries if one.key != "b"], page.next_token)

    monkeypatch.setattr(rig.source, "list_page", list_page)
    findings, result = await check(rig)
    assert (findings, result.counts.compared) == ([], 3)


async def test_keys_that_come_and_go_meanwhile_are_no_findings(rig: Rig) -> None:
    """Listed and gone at the look; listed, and observed by a run before the look was through."""
    await synced(rig)
    rig.source.put("gone", b"x")
    rig.source.put("seen", b"x")

    def meanwhile(call: str, key: str | None) -> None:
        if (call, key) == ("look", "gone"):
            rig.source.delete("gone")
        if (call, key) == ("look", "seen"):
            rig.source.before = None
            info = rig.source.info("seen")
            from sync_service.services.observations import first_seen

            observe(rig.open_catalogue, [first_seen(info)], [], rig.now())

    rig.source.before = meanwhile
    assert await told(rig) == []


async def test_a_row_that_is_recorded_meanwhile_is_pending(rig: Rig) -> None:
    """The look shows another object, and a run has taken it up since the row was read."""
    await synced(rig)
    rig.source.delete("b")

    def meanwhile(call: str, key: str | None) -> None:
        if (call, key) == ("look", "b"):
            rig.source.before = None
            observe(rig.open_catalogue, [], [rig.open_catalogue.observations_at(["b"])["b"].row.id], rig.now())

    rig.source.before = meanwhile
    assert await told(rig) == [
        "pending b: changed while the check ran",
        "pending b: waiting for the next run",
    ]


async def test_a_row_that_changes_meanwhile_is_pending(rig: Rig) -> None:
    """A difference at the destination counts only where the row is still as it was."""
    await synced(rig)
    damage(rig, "b", content=b"?")
    row_id = rig.open_catalogue.observations_at(["b"])["b"].row.id

    def meanwhile(kind: str, path: str) -> None:
        if path == "b":
            rig.open_catalogue.within(repairing.repair, [Repair(Remedy.MARK, row_id, 1, "b")], rig.now())

    rig.destination.on_call = meanwhile
    findings, result = await check(rig)
    assert [(one.kind, one.detail) for one in findings] == [("pending", "changed while the check ran")]
    assert result.exit_code is ExitCode.DONE


async def test_an_object_that_changes_while_it_is_read_is_pending(rig: Rig) -> None:
    """Its bytes are those of no version that anybody planned."""
    await synced(rig)

    def meanwhile(call: str, key: str | None) -> None:
        if (call, key) == ("open", "b"):
            rig.source.put("b", b"other bytes")

    rig.source.before = meanwhile
    assert await told(rig, read_data=True) == ["pending b: changed while the check ran"]


async def test_rows_that_nobody_would_look_at_are_found(rig: Rig) -> None:
    """Differing rows without their mark, on both sides: no run would ever send them."""
    await synced(rig)
    ids = {path: o.row.id for path, o in rig.open_catalogue.observations_at(["a", "b", "c"]).items()}
    observe(rig.open_catalogue, [], [ids["b"], ids["c"]], rig.now())
    rig.source.delete("b")
    rig.source.delete("c")
    del rig.destination.files["c"]

    def forget(conn: object, route_id: int) -> None:
        from sqlalchemy import text

        conn.execute(text("DELETE FROM touched"))  # type: ignore[attr-defined]
        conn.execute(text("UPDATE delivered SET etag = 'x' WHERE file_path = 'a'"))  # type: ignore[attr-defined]

    rig.open_catalogue.within(forget)
    assert await told(rig) == [
        "catalogue a: observed and delivered differ, and the row is not marked as pending",
        "extra b: no longer in the source, and not to be deleted yet",
        "catalogue c: delivered, no longer observed, and not marked as pending",
    ]
    await repair(rig)
    await rig.service.run_cycle()
    assert await told(rig) == []
    assert rig.in_step()


# ---------------------------------------------------------------- what is known already


async def test_what_waits_is_pending_and_no_damage(rig: Rig) -> None:
    """An update and a delete that the next run sends: exit 0, and both are told."""
    await synced(rig)
    rig.source.put("b", b"other")
    rig.source.delete("c")
    rig.tell("update", "b")
    rig.tell("delete", "c")
    rig.destination.fail(Unreachable("down"), times=99)
    await rig.service.run_cycle()
    rig.destination.heal()
    findings, result = await check(rig)
    assert [(one.file_path, one.detail) for one in findings] == [
        ("b", "waiting for the next run"),
        ("c", "waiting for the next run"),
    ]
    assert (result.exit_code, result.counts.compared) == (ExitCode.DONE, 1)
    assert [one.repairs for one in findings] == [[], []]


async def test_what_is_in_doubt_is_told_so(rig: Rig) -> None:
    """A lost answer is settled by the next run."""
    await synced(rig)
    rig.source.put("b", b"other")
    rig.source.delete("c")
    rig.tell("update", "b")
    rig.tell("delete", "c")
    rig.destination.fail(OutcomeUnknown("no answer"), kind="update", times=99)
    rig.destination.fail(OutcomeUnknown("no answer"), kind="delete", times=99)
    await rig.service.run_cycle()
    rig.destination.heal()
    assert await told(rig) == ["pending b: in doubt", "pending c: in doubt"]


async def test_what_is_in_quarantine_is_not_verified(rig: Rig) -> None:
    """The destination has refused it: known, and still not right, so exit 3."""
    await synced(rig)
    rig.source.put("b", b"too large")
    rig.source.delete("c")
    rig.tell("update", "b")
    rig.tell("delete", "c")
    rig.destination.fail(Refused("413", status=413), kind="update")
    rig.destination.fail(Refused("423", status=423), kind="delete")
    await rig.service.run_cycle()
    assert await told(rig) == ["pending b: in quarantine", "pending c: in quarantine"]
    assert (await check(rig))[1].exit_code is ExitCode.PARTLY


async def test_held_deletes_are_told_so(make_rig: MakeRig) -> None:
    """The guard has them; that is no damage."""
    rig = await synced(make_rig(settings={"max_delete": 0, "max_delete_percent": 0.0}))
    rig.source.delete("c")
    rig.tell("delete", "c")
    await rig.service.run_cycle()
    assert await told(rig) == ["pending c: held by the guard"]


# ---------------------------------------------------------------- what should not be there


async def test_a_file_that_came_back_is_extra(rig: Rig) -> None:
    """A path that an event had deleted, and that the destination has again; one that it does not have is well."""
    await synced(rig)
    for key in ("b", "c"):
        rig.source.delete(key)
        rig.tell("delete", key)
    await rig.service.run_cycle()
    rig.destination.files["b"] = Stored(b"back", None, None, None, "id")
    assert await told(rig) == ["extra b: no longer in the source, and still at the destination"]


async def test_a_file_that_never_was_ours_is_left_alone(rig: Rig) -> None:
    """Events of other things name paths too; only what was applied counts."""
    await synced(rig)
    rig.tell("delete", "stranger")
    rig.destination.files["stranger"] = Stored(b"theirs", None, None, None, "id")
    await rig.service.run_cycle()
    assert await told(rig) == []


async def test_a_path_that_the_source_has_again_is_not_extra(rig: Rig) -> None:
    """It is a new key that nobody has observed yet; a path that a row has taken meanwhile is none either."""
    await synced(rig)
    for key in ("b", "c"):
        rig.source.delete(key)
        rig.tell("delete", key)
    await rig.service.run_cycle()
    rig.destination.files["b"] = rig.destination.files["c"] = Stored(b"back", None, None, None, "id")
    rig.source.put("b", b"again")

    def meanwhile(kind: str, path: str) -> None:
        if path == "c":
            rig.open_catalogue.within(repairing.repair, [Repair(Remedy.DELETE, 0, 0, "c")], rig.now())

    rig.destination.on_call = meanwhile
    assert await told(rig) == ["catalogue b: in the source, and not observed yet"]


# ---------------------------------------------------------------- samples


async def test_a_sample_asks_the_destination_for_less(rig: Rig) -> None:
    """All keys are compared with the catalogue, the share with the destination; also of paths that may be extra."""
    keys = [f"k{number:03}" for number in range(60)]
    await synced(rig, *keys)
    for key in keys[:20]:
        rig.source.delete(key)
        rig.tell("delete", key)
    await rig.service.run_cycle()
    rig.destination.calls.clear()
    for key in keys[:20]:
        rig.destination.files[key] = Stored(b"back", None, None, None, "id")
    findings, result = await check(rig, share=0.5)
    assert 0 < len(findings) < 20
    assert 0 < result.counts.compared < 40
    assert result.counts.compared + result.counts.skipped == 40
    assert result.as_json()["full"] is False
    assert result.as_json()["seed"] == "s"


# ---------------------------------------------------------------- silence


async def test_one_silent_object_is_unverifiable(rig: Rig) -> None:
    """It stops nothing else."""
    await synced(rig)
    rig.source.put("new", b"x")
    rig.source.fail("look", Denied("not you"), key="new")
    rig.destination.fail(Refused("no", status=422), kind="get", path="b")
    found = await told(rig)
    assert [line.split(":")[0] for line in found] == ["unverifiable b", "unverifiable new"]


async def test_an_archived_object_cannot_be_read(rig: Rig) -> None:
    """Its bytes are not to be had; the others are compared."""
    await synced(rig)
    rig.source.archive("b")
    (found,) = await told(rig, read_data=True)
    assert found.startswith("unverifiable b: b: the object is archived")


async def test_a_possible_extra_that_gives_no_answer_is_unverifiable(rig: Rig) -> None:
    """Nobody calls extra what nobody has seen."""
    await synced(rig)
    rig.source.delete("b")
    rig.tell("delete", "b")
    await rig.service.run_cycle()
    rig.destination.fail(Refused("no", status=422), kind="get", path="b")
    assert await told(rig) == ["unverifiable b: no"]


@pytest.mark.parametrize("error", [Unreachable("down"), Denied("not you")])
async def test_a_destination_that_is_down_ends_the_check(rig: Rig, error: SyncError) -> None:
    """After some failures in a row, long before all keys have been tried; the error says which it is."""
    await synced(rig, *(f"k{number:03}" for number in range(100)))
    fault = rig.destination.fail(error, kind="get", times=999)
    with pytest.raises(type(error)):
        await check(rig)
    assert fault.seen < 20


async def test_failures_between_answers_do_not_end_the_check(rig: Rig) -> None:
    """Only a row of them means that the destination is down: here every second object is silent."""
    keys = [f"k{number:03}" for number in range(80)]
    await synced(rig, *keys)
    for key in keys[::2]:
        rig.destination.fail(Unreachable("down"), kind="get", path=key)
    findings, result = await check(rig)
    assert ({one.kind for one in findings}, len(findings), result.counts.compared) == ({"unverifiable"}, 40, 40)


async def test_few_objects_and_no_answer_at_all_is_no_result(rig: Rig) -> None:
    """Three objects are fewer than that, and nothing was compared."""
    await synced(rig)
    rig.destination.fail(Unreachable("down"), kind="get", times=99)
    with pytest.raises(Unreachable):
        await check(rig)


async def test_what_is_known_is_told_beside_silence(rig: Rig) -> None:
    """One key that gives no answer does not hide that the others wait; a refusal is an answer."""
    await synced(rig, "a")
    rig.source.put("a", b"other")
    rig.tell("update", "a")
    rig.destination.fail(Unreachable("down"), times=9)
    await rig.service.run_cycle()
    rig.destination.heal()
    rig.source.put("new", b"x")
    rig.source.fail("look", Denied("not you"), key="new")
    assert [line.split(":")[0] for line in await told(rig)] == ["pending a", "unverifiable new"]


async def test_one_refused_object_is_a_result(rig: Rig) -> None:
    """Exit 3, and why."""
    await synced(rig, "b")
    rig.destination.fail(Refused("no", status=422), kind="get", path="b", times=9)
    assert await told(rig) == ["unverifiable b: no"]
    assert (await check(rig))[1].exit_code is ExitCode.PARTLY


async def test_some_failures_are_repeated(make_rig: MakeRig) -> None:
    """The retry policy holds here too."""
    rig = await synced(make_rig(retries=2))
    rig.destination.fail(Unreachable("down"), kind="get", path="b", times=2)
    rig.source.fail("list_page", Temporary("not now"))
    rig.source.cut("c", 3)
    assert await told(rig, read_data=True) == []


async def test_a_source_that_is_down_raises(rig: Rig) -> None:
    """As does one that will not list."""
    await synced(rig)
    rig.source.fail("list_page", Temporary("not now"))
    with pytest.raises(Temporary):
        await check(rig)
    rig.source.fail("ping", Denied("not you"))
    with pytest.raises(Denied):
        await check(rig)


async def test_a_catalogue_that_breaks_is_no_finding(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what source and destination say can be unverifiable."""
    await synced(rig)
    rig.source.put("new", b"x")

    async def broken(*_: object) -> None:
        raise CatalogueUnusable("damaged")

    monkeypatch.setattr(Checker, "_tracked_at", broken)
    with pytest.raises(CatalogueUnusable):
        await check(rig)


@pytest.mark.parametrize("at", ["s3-sync-check", "a"])
async def test_a_stopped_check_has_no_result(rig: Rig, at: str) -> None:
    """A signal before the listing or in the middle: what was compared so far is not a check."""
    await synced(rig, *"abcdef")

    def stop(kind: str, path: str) -> None:
        if path.startswith(at):
            rig.halt.set("stop")

    rig.destination.on_call = stop
    with pytest.raises(Temporary, match="stopped"):
        await check(rig)


async def test_a_broken_listing_has_no_result(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is concluded from it."""
    await synced(rig)
    right = FakeSource.list_page

    async def backwards(self: FakeSource, token: str | None = None) -> object:
        page = await right(self, token)
        return type(page)(page.entries[::-1], page.next_token)

    monkeypatch.setattr(FakeSource, "list_page", backwards)
    with pytest.raises(ListingBroken):
        await check(rig)


async def test_another_bucket_is_not_compared(rig: Rig) -> None:
    """Everything would be missing there, and repairing that would delete everything."""
    await synced(rig)
    rig.source.name = "another"
    with pytest.raises(GuardHeld, match="nothing was compared"):
        await check(rig)


async def test_before_the_first_sync_there_is_nothing_to_compare(rig: Rig) -> None:
    """Exit 10, as for a cycle."""
    with pytest.raises(CatalogueMissing):
        await check(rig)


# ---------------------------------------------------------------- repair


async def test_a_repair_and_one_cycle_make_it_clean(make_rig: MakeRig) -> None:
    """Every kind of damage at once, with a server that remembers keys and with one that does not."""
    for memory in (True, False):
        rig = make_rig()
        rig.destination.memory = memory
        await synced(rig, "a", "b", "c", "d", "e", "f")
        for key in ("e", "f"):
            rig.source.delete(key)
            rig.tell("delete", key)
        await rig.service.run_cycle()
        damage(rig, "a", permissions="0777")
        damage(rig, "b", content=b"BODY of b")
        del rig.destination.files["c"]
        rig.destination.files["e"] = Stored(b"back", None, None, None, "id")
        rig.source.put("new", b"untold")
        rig.source.delete("d")
        await repair(rig, read_data=True)
        assert {line.split(":")[1] for line in await told(rig)} == {" waiting for the next run"}
        effects = len(rig.destination.effects)
        await rig.service.run_cycle()
        assert await told(rig, read_data=True) == []
        assert rig.in_step()
        assert rig.destination.files["a"].permissions == "0600"
        assert sorted(rig.destination.effects[effects:]) == [
            "change_permission a", "create c", "create new", "delete d", "delete e", "update b",
        ]  # fmt: skip


async def test_a_repair_that_was_left_is_taken_up_by_the_next_run(rig: Rig) -> None:
    """What a check beside the daemon leaves in its folder is sent by the daemon's next cycle, and the result is kept."""
    await synced(rig)
    del rig.destination.files["b"]
    findings, result = await check(rig)
    leave_for_daemon(rig.config.requests_dir, "x", result, repairs_of(findings, result))
    await rig.service.run_cycle()
    assert rig.in_step()
    kept = rig.open_catalogue.totals().check
    assert kept is not None
    assert (kept["exit_code"], rig.files("requests")) == (4, [])


async def test_extra_files_wait_for_the_guard(make_rig: MakeRig) -> None:
    """A repair asks for deletes as anybody does."""
    rig = await synced(make_rig(settings={"max_delete": 0, "max_delete_percent": 0.0}))
    rig.source.delete("b")
    rig.tell("delete", "b")
    await rig.service.run_cycle()
    rig.open_catalogue.approve([(row, path) for row, path, _ in rig.open_catalogue.pending_deletes()], rig.now())
    await rig.service.run_cycle()
    rig.destination.files["b"] = Stored(b"back", None, None, None, "id")
    await repair(rig)
    assert (await rig.service.run_cycle()).exit_code is ExitCode.GUARDED
    assert "b" in rig.destination.files
    assert await told(rig) == ["pending b: held by the guard"]


async def test_a_repair_that_is_late_changes_nothing(rig: Rig) -> None:
    """A row that has moved on since the check is the next run's own business."""
    await synced(rig)
    damage(rig, "b", content=b"?")
    findings, _ = await check(rig)
    rig.source.put("b", b"newer")
    rig.tell("update", "b")
    await rig.service.run_cycle()
    repairs = [one for found in findings for one in found.repairs]
    assert rig.open_catalogue.within(repairing.repair, repairs, rig.now()) == 0
    assert rig.open_catalogue.totals().pending == 0


async def test_an_empty_listing_is_marked(rig: Rig) -> None:
    """A bucket that is suddenly empty is no reason for repairs."""
    await synced(rig)
    for key in ("a", "b", "c"):
        rig.source.delete(key)
    findings, result = await check(rig)
    assert result.empty_listing
    assert len(findings) == 3
