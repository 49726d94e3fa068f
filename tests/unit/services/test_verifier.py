"""After a restore or rebuild: nothing is believed before the destination has told, nothing right is sent again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sync_service.models.errors import Denied, ExitCode, OutcomeUnknown, Refused, Temporary, Unreachable
from sync_service.services.backups import back_up
from sync_service.services.rebuilder import Rebuilder, Replaced
from sync_service.services.sync_service import RunResult
from tests.fakes.destination import Stored
from tests.fakes.source import Fault as SourceFault
from tests.unit.services.rig import Rig

LOST = Temporary("not now")


@dataclass
class Past:
    """A rig with a backup of its catalogue."""

    rig: Rig
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def database(self) -> Path:
        return self.rig.config.database_path

    @property
    def rebuilder(self) -> Rebuilder:
        return Rebuilder(self.database, "customer", "2026-11-21T09:00:00Z", f"stamp-{next(self.numbers)}")

    def back_up(self) -> Path:
        return back_up(self.database, self.database.parent / "backups", f"{next(self.numbers)}").path

    def restore(self, backup: Path, *, trust_size: bool = False, keep_present: bool = True) -> Replaced:
        """The backup in place and the service made anew; `keep_present` False: the newer catalogue is lost."""
        self.rig.close()
        if not keep_present:
            self.lose()
        done = self.rebuilder.restore(backup, f"id-{next(self.numbers)}", trust_size=trust_size)
        self.rig.open()
        self.rig.destination.effects.clear()
        return done

    def rebuild(self, *, trust_size: bool = False, keep_present: bool = False) -> Replaced:
        self.rig.close()
        if not keep_present:
            self.lose()
        done = self.rebuilder.rebuild(trust_size=trust_size)
        self.rig.open()
        self.rig.destination.effects.clear()
        return done

    def lose(self) -> None:
        for path in self.database.parent.glob("sync.db*"):
            path.unlink()

    def put(self, path: str, body: bytes = b"one", **metadata: str) -> None:
        kind = "update" if path in self.rig.source.objects else "create"
        self.rig.source.put(path, body, metadata)
        self.rig.tell(kind, path)

    def delete(self, path: str) -> None:
        self.rig.source.delete(path)
        self.rig.tell("delete", path)

    def rename(self, path: str, new_path: str) -> None:
        self.rig.source.rename(path, new_path)
        self.rig.tell("rename", path, new_path)

    async def initial(self, *paths: str) -> None:
        for path in paths:
            self.rig.source.put(path, f"first of {path}".encode())
        assert (await self.rig.service.run_initial()).exit_code is ExitCode.DONE

    async def cycle(self, expect: ExitCode = ExitCode.DONE) -> RunResult:
        result = await self.rig.service.run_cycle()
        assert result.exit_code is expect, result.report["errors"]
        return result

    @property
    def effects(self) -> list[str]:
        return sorted(self.rig.destination.effects)

    async def ends_well(self) -> None:
        """Both sides are equal, nothing is pending, and further cycles have nothing to do."""
        assert self.rig.in_step(), (self.rig.destination.contents, self.rig.source.objects)
        totals = self.rig.open_catalogue.totals()
        assert (totals.pending, totals.unverified, totals.files) == (0, None, len(self.rig.source.objects))
        assert self.rig.open_catalogue.delivered_count() == totals.files
        done = len(self.rig.destination.effects)
        await self.cycle()
        await self.rig.service.run_scan()
        assert self.rig.destination.effects[done:] == []


@pytest.fixture
def past(make_rig: Callable[..., Rig]) -> Past:
    return Past(make_rig())


async def test_a_restored_catalogue_sends_nothing_that_is_right(past: Past) -> None:
    """Nothing has changed since the backup: every file is asked about, none is sent."""
    await past.initial("a", "b", "c")
    past.restore(past.back_up())
    await past.cycle()
    assert past.effects == []
    await past.ends_well()


@pytest.mark.parametrize("keep_present", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_every_change_since_the_backup_is_found_out(past: Past, told: bool, keep_present: bool) -> None:
    """Created, overwritten, renamed, deleted and moved onto another's path; with the log's help and without, and with
    nothing left of the newer catalogue.
    """
    await past.initial("same", "changed", "gone", "old", "one", "two")
    backup = past.back_up()
    past.put("new")
    past.put("changed", b"other bytes")
    past.delete("gone")
    past.rename("old", "renamed")
    past.delete("one")
    past.rename("two", "one")
    past.put("two", b"another two")
    await past.cycle()
    if not told:
        past.rig.log.entries.clear()
    past.restore(backup, keep_present=keep_present)
    await past.cycle()
    await past.ends_well()
    assert not [effect for effect in past.effects if effect.startswith(("create", "update"))], past.effects


@pytest.mark.parametrize("keep_present", [True, False])
async def test_what_left_the_source_meanwhile_is_deleted(past: Past, keep_present: bool) -> None:
    """A file delivered after the backup and deleted before the restore: the newer catalogue knows it, or else the log."""
    await past.initial("same")
    backup = past.back_up()
    past.put("short-lived")
    await past.cycle()
    past.delete("short-lived")
    if keep_present:
        past.rig.log.entries.clear()
    past.restore(backup, keep_present=keep_present)
    await past.cycle()
    assert past.effects == ["delete short-lived"]
    await past.ends_well()


async def test_the_same_version_again_is_not_taken_for_delivered(past: Past) -> None:
    """v1 at the backup, v2 delivered after it, v1 again now: the backup's row says v1, and the destination has v2."""
    await past.initial("a")
    backup = past.back_up()
    first = past.rig.source.objects["a"]
    past.put("a", b"v2")
    await past.cycle()
    past.put("a", first)
    past.restore(backup)
    await past.cycle()
    assert past.effects == ["update a"]
    await past.ends_well()


async def test_no_bytes_of_equal_size_are_taken_for_right(past: Past) -> None:
    """The sizes agree and the digests do not: sent again; with --trust-size that risk is a person's choice."""
    await past.initial("a", "b")
    backup = past.back_up()
    held = past.rig.destination.files["a"]
    past.rig.destination.files["a"] = held._replace(content=b"X" * len(held.content))
    past.restore(backup)
    await past.cycle()
    assert past.effects == ["update a"]
    await past.ends_well()
    past.rig.destination.files["a"] = held._replace(content=b"X" * len(held.content))
    past.restore(backup, trust_size=True)
    opened = [call for call in past.rig.source.calls if call[0] == "open"]
    await past.cycle()
    assert past.effects == []
    assert [call for call in past.rig.source.calls if call[0] == "open"] == opened


async def test_a_destination_that_tells_no_digest_gets_everything_again(past: Past) -> None:
    """What cannot be shown to be right is sent."""
    await past.initial("a", "b")
    backup = past.back_up()
    past.restore(backup)
    real = past.rig.destination.get

    async def silent(path: str) -> object:
        found = await real(path)
        return None if found is None else type(found)(found.internal_id, found.size)

    past.rig.destination.get = silent  # type: ignore[method-assign,assignment]
    await past.cycle()
    assert past.effects == ["update a", "update b"]
    await past.ends_well()


async def test_a_swap_since_the_backup(past: Past) -> None:
    """Two rows have changed places at the destination; the backup has them the other way round."""
    await past.initial("a", "b")
    backup = past.back_up()
    for old, new in (("a", "t"), ("b", "a"), ("t", "b")):
        past.rename(old, new)
    await past.cycle()
    past.restore(backup)
    await past.cycle()
    assert past.effects == []
    await past.ends_well()


async def test_the_path_that_a_renamed_row_has_left_is_asked_about(past: Past) -> None:
    """At the backup its rename was pending; another object was delivered at the old path since, and has left the source
    without a word.
    """
    await past.initial("a")
    past.rename("a", "b")
    past.rig.destination.fail(Unreachable("no connection"), kind="rename")
    await past.cycle(ExitCode.TEMPORARY)
    backup = past.back_up()
    await past.cycle()
    past.put("a", b"another one")
    await past.cycle()
    past.rig.source.delete("a")
    del past.rig.log.entries[1:]
    past.restore(backup, keep_present=False)
    await past.cycle()
    assert past.effects == ["delete a"]
    await past.ends_well()


async def test_an_attempt_in_doubt_at_the_backup(past: Past) -> None:
    """A rename whose answer was lost: the file may be at either path, and `get` tells of both."""
    await past.initial("a", "b")
    past.rename("a", "a2")
    past.put("c")
    past.rig.destination.fail(OutcomeUnknown("no answer"), kind="rename", applied=True)
    past.rig.destination.fail(OutcomeUnknown("no answer"), kind="create", applied=True)
    await past.cycle(ExitCode.PARTLY)
    backup = past.back_up()
    await past.cycle()
    past.delete("a2")
    past.restore(backup, keep_present=False)
    past.rig.log.entries.clear()
    await past.cycle()
    await past.ends_well()


async def test_nothing_is_sent_before_the_source_was_listed(past: Past) -> None:
    """Where the listing fails, the run ends there: what the backup wants is not what is wanted."""
    await past.initial("a", "b")
    past.rig.source.delete("b")
    await past.rig.service.run_scan()
    past.put("c")
    backup = past.back_up()
    await past.cycle()
    past.restore(backup)
    past.rig.source.faults.append(SourceFault("list_page", LOST))
    await past.cycle(ExitCode.TEMPORARY)
    assert past.effects == []
    assert past.rig.open_catalogue.totals().unverified == "restored"
    await past.cycle()
    await past.ends_well()


async def test_a_silent_destination_ends_the_run(past: Past) -> None:
    """Neither `get` nor a ping is answered: nothing is concluded, and the next run goes on."""
    await past.initial("a", "b")
    past.restore(past.back_up())
    past.rig.destination.fail(Unreachable("no connection"), kind="get", times=100)
    past.rig.destination.fail(Unreachable("no connection"), kind="ping", times=100)
    await past.cycle(ExitCode.TEMPORARY)
    assert past.rig.open_catalogue.totals().unverified == "restored"
    past.rig.destination.heal()
    await past.cycle()
    assert past.effects == []
    await past.ends_well()


@pytest.mark.parametrize("error", [Refused("no", status=422), OutcomeUnknown("HTML")])
async def test_one_path_that_is_not_answered_for_stops_nothing(past: Past, error: Exception) -> None:
    """The others are compared; this one is sent again."""
    await past.initial("a", "b")
    past.restore(past.back_up())
    past.rig.destination.fail(error, kind="get", path="a", times=100)
    await past.cycle()
    past.rig.destination.heal()
    assert past.effects == ["update a"]
    await past.ends_well()


async def test_one_object_that_the_source_will_not_show_stops_nothing(past: Past) -> None:
    """Its bytes at the destination cannot be shown to be right; the others are."""
    await past.initial("a", "b")
    past.restore(past.back_up())
    past.rig.source.faults.append(SourceFault("look", Denied("not you"), key="a"))
    await past.cycle()
    assert past.effects == ["update a"]
    await past.ends_well()


async def test_an_object_that_no_listing_shows_is_not_deleted(past: Past) -> None:
    """A hidden object was delivered after the backup: the source is asked about it before its file is taken away."""
    await past.initial("a")
    backup = past.back_up()
    past.put("hidden")
    await past.cycle()
    past.restore(backup)
    past.rig.log.entries.clear()
    listed = past.rig.source.list_page

    async def without_hidden(token: str | None = None) -> object:
        page = await listed(token)
        return type(page)([entry for entry in page.entries if entry.key != "hidden"], page.next_token)

    past.rig.source.list_page = without_hidden  # type: ignore[method-assign,assignment]
    await past.cycle()
    assert "delete hidden" not in past.effects
    assert past.rig.in_step()


async def test_deletes_found_by_the_comparison_pass_the_guard(make_rig: Callable[..., Rig]) -> None:
    """Many files that only the newer catalogue knew and that left the source: held until a person agrees."""
    past = Past(make_rig(settings={"max_delete": 2, "max_delete_percent": 10}))
    await past.initial("same")
    backup = past.back_up()
    for number in range(6):
        past.put(f"extra-{number}")
    await past.cycle()
    for number in range(6):
        past.delete(f"extra-{number}")
    past.restore(backup)
    await past.cycle(ExitCode.GUARDED)
    assert past.effects == []
    assert past.rig.open_catalogue.totals().held is not None


async def test_a_comparison_that_is_cut_off_goes_on(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at each of its commits: the next run begins behind what was committed, and never asks about it again."""
    monkeypatch.setattr("sync_service.services.verifier.WINDOW", 2)
    await past.initial(*"abcdefg")
    past.restore(past.back_up())
    asked: list[str] = []
    real = past.rig.destination.get

    async def counted(path: str) -> object:
        asked.append(path)
        return await real(path)

    past.rig.destination.get = counted  # type: ignore[method-assign,assignment]
    for _ in range(3):
        past.rig.destination.fail(Unreachable("away"), kind="get", nth=3, times=100)
        past.rig.destination.fail(Unreachable("away"), kind="ping", times=100)
        await past.cycle(ExitCode.TEMPORARY)
        past.rig.destination.heal()
        past.rig.open()
    await past.cycle()
    assert [asked.count(path) for path in "ab"] == [1, 1]
    assert past.effects == []
    await past.ends_well()


async def test_approvals_and_failures_of_the_past_are_void(past: Past) -> None:
    """What was agreed to or given up was said of another state."""
    await past.initial("a", "b")
    row = past.rig.open_catalogue.observations_at(["a"])["a"].row
    past.rig.open_catalogue.approve([(row.id, "a")], "2026-11-21T08:00:00Z")
    past.rig.open_catalogue.put_held(3, "many", "2026-11-21T08:00:00Z")
    before = past.rig.open_catalogue.catalogue_id
    past.restore(past.back_up())
    assert past.rig.open_catalogue.approved() == {}
    assert past.rig.open_catalogue.totals().held is None
    assert past.rig.open_catalogue.catalogue_id != before


# ---------------------------------------------------------------- rebuild


async def test_a_rebuilt_catalogue_sends_nothing_that_is_right(past: Past) -> None:
    """The catalogue is gone, the destination is right: nothing is sent, and the rows are delivered."""
    await past.initial("a", "b", "c")
    past.rebuild()
    result = await past.rig.service.run_initial()
    assert result.exit_code is ExitCode.DONE
    assert past.effects == []
    await past.ends_well()


async def test_a_rebuild_sends_what_is_missing_or_different(past: Past) -> None:
    """Missing: created; other bytes of the same size: updated; a stranger under a new key: overwritten."""
    await past.initial("a", "b", "c")
    files = past.rig.destination.files
    del files["a"]
    files["b"] = files["b"]._replace(content=b"X" * len(files["b"].content))
    files["d"] = Stored(b"a stranger", None, None, None, "id-d")
    past.rig.source.put("d", b"of the bucket")
    past.rebuild()
    await past.rig.service.run_initial()
    assert past.effects == ["create a", "update b", "update d"]
    await past.ends_well()


async def test_permissions_are_asked_for_again(past: Past) -> None:
    """The object's metadata says them; at the destination they have become others."""
    past.rig.source.put("a", b"one", {"permissions": "0600"})
    await past.initial()
    past.rig.destination.files["a"] = past.rig.destination.files["a"]._replace(permissions="0777")
    past.rebuild()
    await past.rig.service.run_initial()
    assert past.effects == ["change_permission a"]
    assert past.rig.destination.files["a"].permissions == "0600"
    await past.ends_well()


async def test_a_damaged_catalogue_tells_what_it_can(past: Past) -> None:
    """Some of its pages are noise: from the others it is known what the destination may hold and the bucket lacks."""
    await past.initial(*(f"folder/{n:03}/{'long' * 20}" for n in range(200)))
    past.rig.source.delete(f"folder/150/{'long' * 20}")
    past.rig.close()
    content = bytearray(past.database.read_bytes())
    last = len(content) // 4096 - 1
    content[last * 4096 : (last + 1) * 4096] = b"\xa5" * 4096
    past.database.write_bytes(bytes(content))
    done = past.rebuild(keep_present=True)
    assert done.kept is not None and done.kept.read_bytes() == bytes(content)
    assert done.candidates > 100
    await past.rig.service.run_initial()
    assert past.effects == [f"delete folder/150/{'long' * 20}"]
    await past.ends_well()


async def test_a_rebuild_knows_that_it_is_under_way(past: Past) -> None:
    """Until its first sync is through; a sound catalogue and none at all are not under way."""
    assert not past.rebuilder.is_under_way()
    await past.initial("a")
    assert not past.rebuilder.is_under_way()
    past.rebuild()
    assert past.rebuilder.is_under_way()
    past.rig.source.faults.append(SourceFault("list_page", LOST))
    await past.rig.service.run_initial()
    assert past.rebuilder.is_under_way()
    await past.rig.service.run_initial()
    assert not past.rebuilder.is_under_way()
    await past.ends_well()


async def test_a_restore_of_a_backup_from_the_middle_of_the_first_sync(past: Past) -> None:
    """The first sync had not ended: it is done again, and sends only what is missing."""
    past.rig.source.put("a", b"one")
    past.rig.source.put("b", b"two")
    past.rig.destination.fail(Refused("no", status=422), path="b", kind="create")
    await past.rig.service.run_initial()
    backup = past.back_up()
    past.restore(backup)
    assert (await past.rig.service.run_initial()).exit_code is ExitCode.DONE
    assert past.effects == ["create b"]
    await past.ends_well()


async def test_a_restored_copy_of_a_copy(past: Past) -> None:
    """Restoring the very file that is in place is going on with it as an older state."""
    await past.initial("a", "b")
    past.put("c")
    past.restore(past.database)
    assert past.rig.open_catalogue.totals().unverified == "restored"
    await past.cycle()
    assert past.effects == ["create c"]
    await past.ends_well()
