"""The scan: it resumes, believes no absence unseen, and finds what events have lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_service.catalogue import intake, observing, sifting
from sync_service.models.changes import FailureRecord, Known, ScanState, ScanStatus
from sync_service.models.data_models import Listed, ListingPage
from sync_service.models.errors import (
    Archived,
    ConfigurationError,
    Denied,
    ListingBroken,
    SyncError,
    Temporary,
    Unreachable,
)
from sync_service.services import scanner as scanner_module
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.guard import CONTRADICTED
from sync_service.services.retry import Halt, RetryPolicy
from sync_service.services.scanner import Scanner, compare
from sync_service.services.tools import Tools
from tests.fakes.catalogues import NOW, deliver_all, ids, observe
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource


class Bench:
    """A scanner on a fake source and a real catalogue; stretches of two keys, as the pages are."""

    def __init__(self, folder: Path) -> None:
        self.source = FakeSource(page_size=2)
        self.catalogue = DatabaseManager(folder / "sync.db").open_writer(NOW)
        self.observer = RecordingObserver()
        self.thread = CatalogueThread()
        self.halt = Halt()
        tools = Tools(self.catalogue, self.thread, RetryPolicy(0, 0, self.halt), self.observer, lambda: NOW, 2)
        self.scanner = Scanner(tools, self.source)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.source.put(key, key.encode())

    async def scan(self) -> ScanState:
        return await self.scanner.scan()

    def paths(self) -> set[str]:
        return set(ids(self.catalogue))

    def asked(self, call: str) -> list[str | None]:
        return [subject for name, subject in self.source.calls if name == call]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(scanner_module, "STRETCH", 2)
    made = Bench(tmp_path)
    yield made
    made.thread.close()
    made.catalogue.close()


async def test_a_first_scan_takes_every_key(bench: Bench) -> None:
    """All pages, without a HEAD for any key, and its figures say so."""
    bench.put("a", "b", "c", "d", "e")
    state = await bench.scan()
    assert (state.keys, state.size) == (5, 5)
    assert bench.paths() == {"a", "b", "c", "d", "e"}
    assert bench.asked("look") == []
    done = bench.catalogue.scan_state()
    assert (done.status, done.finished_at, done.keys) == (ScanStatus.COMPLETE, NOW, 5)
    assert sum(items for items, _ in bench.observer.of("advance")) == 5


async def test_an_empty_source_has_an_empty_scan(bench: Bench) -> None:
    """Nothing listed, nothing known: nothing suspicious."""
    state = await bench.scan()
    assert (state.keys, bench.catalogue.scan_state().suspicion) == (0, None)


async def test_a_second_scan_finds_what_events_lost(bench: Bench) -> None:
    """New, changed and vanished objects; unchanged ones are not asked for."""
    bench.put("a", "b", "c", "d")
    await bench.scan()
    before = ids(bench.catalogue)
    bench.source.put("b", b"longer", {"permissions": "600"})
    bench.source.delete("c")
    bench.put("e")
    bench.source.calls.clear()
    await bench.scan()
    assert bench.paths() == {"a", "b", "d", "e"}
    assert sorted(key or "" for key in bench.asked("look")) == ["b", "c"]
    changed = bench.catalogue.observations_at(["b"])["b"].row
    assert (changed.id, changed.size, changed.permissions, changed.revision) == (before["b"], 6, "600", 2)


async def lose_and_put(bench: Bench, body: bytes, **metadata: str) -> int:
    """The object `b`, delivered and deleted, is back before the delete went out; its row id."""
    bench.put("a", "b", "c")
    await bench.scan()
    deliver_all(bench.catalogue)
    row_id = ids(bench.catalogue)["b"]
    observe(bench.catalogue, [], [row_id], NOW)
    bench.source.put("b", body, metadata)
    bench.source.calls.clear()
    return row_id


@pytest.mark.parametrize("body", [b"b", b"other bytes"])
async def test_an_object_that_came_back_unseen_is_looked_at(bench: Bench, body: bytes) -> None:
    """A listing has no permissions: those of the object that is back count, also where its bytes are the old ones."""
    row_id = await lose_and_put(bench, body, permissions="600")
    await bench.scan()
    assert bench.asked("look") == ["b"]
    row = bench.catalogue.observations_at(["b"])["b"].row
    assert (row.id, row.permissions, row.revision) == (row_id, "600", 2)


async def test_an_object_that_came_back_and_refuses_a_look_is_taken_as_listed(bench: Bench) -> None:
    """What may not be looked at stops no scan, and is not lost."""
    row_id = await lose_and_put(bench, b"other bytes", permissions="600")
    bench.source.fail("look", Denied("no"))
    await bench.scan()
    row = bench.catalogue.observations_at(["b"])["b"].row
    assert (row.id, row.size, row.permissions) == (row_id, 11, None)


async def test_an_object_that_came_back_and_is_gone_again_is_no_row(bench: Bench) -> None:
    """The look is newer than the listing."""
    await lose_and_put(bench, b"other bytes")
    listed = await bench.source.list_page()
    bench.source.delete("b")

    async def page(token: str | None = None) -> ListingPage:
        return ListingPage(listed.entries, None)

    bench.source.list_page = page  # type: ignore[method-assign]
    await bench.scan()
    assert "b" not in bench.paths()


async def test_a_bucket_that_lost_nearly_everything_is_compared_step_by_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step asks for more rows than fit, however many lie between two keys; interrupted, it comes to the same."""
    monkeypatch.setattr(sifting, "STEP", 3)
    bench.put("a", *(f"k{n:02}" for n in range(20)), "z")
    await bench.scan()
    for n in range(20):
        bench.source.delete(f"k{n:02}")
    held: list[int] = []
    real = observing.known_between

    def known_between(*arguments: Any) -> list[Known]:
        held.append(len(found := real(*arguments)))
        return found

    monkeypatch.setattr(observing, "known_between", known_between)
    bench.source.fail("look", Temporary("no"), times=99)
    bench.source.fail("ping", Temporary("down"), times=99)
    with pytest.raises(Temporary, match="down"):
        await bench.scan()
    bench.source.faults.clear()
    await bench.scan()
    monkeypatch.undo()
    assert (max(held), bench.paths()) == (3, {"a", "z"})


@pytest.mark.parametrize("error", [Temporary("answered 500"), ConfigurationError(["is this the console's port?"])])
async def test_one_object_without_an_answer_stops_no_scan(bench: Bench, error: Exception) -> None:
    """Changed, gone from the listing, or back where the destination holds it: the rest is recorded, and it is asked about
    again with the next events, when what it is now is seen.
    """
    bench.put("changed", "gone", "other", "lost")
    await bench.scan()
    bench.source.put("changed", b"two")
    bench.source.put("other", b"two")
    bench.source.delete("gone")
    bench.source.delete("lost")
    for key in ("changed", "gone"):
        bench.source.fail("look", error, key=key, times=99)
    await bench.scan()
    assert bench.catalogue.scan_state().status is ScanStatus.COMPLETE
    assert bench.paths() == {"changed", "gone", "other"}
    rows = bench.catalogue.observations_at(["changed", "other"])
    assert rows["other"].row.etag == bench.source.info("other").etag
    assert rows["changed"].row.etag != bench.source.info("changed").etag
    due = bench.catalogue.relooks_due()
    assert {key: relook.reason for key, relook in due.items()} == {"changed": str(error), "gone": str(error)}


async def test_a_key_that_came_back_without_an_answer_waits(bench: Bench) -> None:
    """The destination holds it from before: what it is now has to be asked, a listing tells no attributes."""
    bench.put("a", "b")
    await bench.scan()
    deliver_all(bench.catalogue)
    bench.source.delete("a")
    await bench.scan()
    bench.source.put("a", b"again")
    bench.source.fail("look", Temporary("answered 500"), key="a", times=99)
    await bench.scan()
    assert (bench.paths(), list(bench.catalogue.relooks_due())) == ({"b"}, ["a"])
    bench.source.faults.clear()
    await bench.scan()
    assert bench.paths() == {"a", "b"}


async def test_archived_objects_are_looked_at_until_they_can_be_read(bench: Bench) -> None:
    """A restored one leaves quarantine; where the source is silent, it is not asked about each of the others."""
    keys = [f"{number:02}" for number in range(30)]
    bench.put(*keys)
    await bench.scan()
    for key in keys[1:]:
        bench.source.archive(key)
    rows = ids(bench.catalogue)
    archived = [FailureRecord(rows[k], k, "create", 1, Archived.kind, "", 1, 1, NOW, NOW, True) for k in keys]
    bench.catalogue.confirm([], archived)
    await bench.scan()
    assert {failure.file_path for failure in bench.catalogue.list_failures()} == set(keys[1:])
    bench.source.calls.clear()
    bench.source.fail("look", Unreachable("nobody there"), times=99)
    bench.source.fail("ping", Unreachable("nobody there"), times=99)
    await bench.scan()
    assert len(bench.asked("look")) < len(keys) - 1
    assert len(bench.catalogue.list_failures()) == len(keys) - 1


async def test_what_a_listing_hides_is_looked_at(bench: Bench) -> None:
    """Absence from a listing is not absence: a HEAD that answers keeps the row."""
    bench.put("a", "b")
    await bench.scan()
    hidden = bench.source.info("b")

    async def page(token: str | None = None) -> ListingPage:
        entry = bench.source.info("a")
        return ListingPage([Listed("a", entry.size, entry.etag, entry.last_modified)], None)

    bench.source.list_page = page  # type: ignore[method-assign]
    await bench.scan()
    assert bench.paths() == {"a", "b"}
    bench.source.put("b", b"changed meanwhile")
    await bench.scan()
    assert bench.catalogue.observations_at(["b"])["b"].row.etag != hidden.etag


@pytest.mark.parametrize("nth", range(1, 8))
async def test_an_interrupted_scan_goes_on_at_its_page(bench: Bench, nth: int) -> None:
    """Wherever a request fails, the next scan does not list again what was committed."""
    bench.put("a", "b", "c", "d", "e")
    await bench.scan()
    bench.put("f")
    bench.source.delete("a")
    fail_at(bench, nth)
    with pytest.raises(SyncError):
        for _ in range(2):
            await bench.scan()
    bench.source.before = None
    stopped_at = bench.catalogue.scan_state()
    bench.source.calls.clear()
    done = await bench.scan()
    assert bench.paths() == {"b", "c", "d", "e", "f"}
    assert bench.catalogue.within(intake.missing, 0, 10) == []
    if stopped_at.status is ScanStatus.RUNNING and stopped_at.token:
        assert bench.asked("list_page")[0] == stopped_at.token
        assert ("the scan goes on where it was interrupted", {"keys": stopped_at.keys}) in bench.observer.notes
    assert done.keys == 5


def fail_at(bench: Bench, nth: int) -> None:
    """The nth request from now on, and all after it, fail."""
    seen = 0

    def count(call: str, _: str | None) -> None:
        nonlocal seen
        seen += 1
        if seen >= nth:
            raise Unreachable("no connection")

    bench.source.before = count


async def test_a_halt_stops_between_pages(bench: Bench) -> None:
    """A signal: the page under way is the last, and the place is kept."""
    bench.put("a", "b", "c", "d", "e", "f")

    def stop(call: str, token: str | None) -> None:
        if token == "after:b":
            bench.halt.set("SIGTERM")

    bench.source.before = stop
    with pytest.raises(Temporary, match="stopped"):
        await bench.scan()
    assert bench.catalogue.scan_state().status is ScanStatus.RUNNING
    bench.halt.clear()
    bench.source.before = None
    assert (await bench.scan()).keys == 6


async def test_a_halt_stops_the_looks(bench: Bench) -> None:
    """Rows that were not listed are looked at by the next run."""
    bench.put("a", "b", "c", "d", "e")
    await bench.scan()
    for key in "abcd":
        bench.source.delete(key)

    def stop(call: str, _: str | None) -> None:
        if call == "look":
            bench.halt.set("SIGTERM")

    bench.source.before = stop
    with pytest.raises(Temporary, match="stopped"):
        await bench.scan()
    bench.halt.clear()
    bench.source.before = None
    bench.source.calls.clear()
    await bench.scan()
    assert (bench.paths(), bench.asked("list_page")) == ({"e"}, [])


@pytest.mark.parametrize("keys", [["b", "c", "a"], ["b", "c", "c"], ["b", "c", "b"]])
async def test_a_listing_that_goes_back_is_broken(bench: Bench, keys: list[str]) -> None:
    """Order is checked between pages: nothing is removed on such a word."""
    bench.put("a", "b", "c")
    await bench.scan()
    pages = [
        ListingPage([Listed(k, 1, "e", "t") for k in keys[:2]], "next"),
        ListingPage([Listed(keys[2], 1, "e", "t")], None),
    ]

    async def page(token: str | None = None) -> ListingPage:
        return pages.pop(0)

    bench.source.list_page = page  # type: ignore[method-assign]
    with pytest.raises(ListingBroken, match="goes back"):
        await bench.scan()
    assert bench.paths() == {"a", "b", "c"}


async def test_empty_pages_in_the_middle_end_nothing(bench: Bench) -> None:
    """A truncated page without keys is followed to the next."""
    pages = [
        ListingPage([], "1"),
        ListingPage([Listed("a", 1, "e", "t")], "2"),
        ListingPage([], "3"),
        ListingPage([Listed("b", 1, "e", "t")], None),
    ]

    async def page(token: str | None = None) -> ListingPage:
        return pages.pop(0)

    bench.source.list_page = page  # type: ignore[method-assign]
    assert (await bench.scan()).keys == 2
    assert bench.paths() == {"a", "b"}


async def test_an_empty_listing_over_a_full_destination_is_suspicious(bench: Bench) -> None:
    """Every object gone at once looks like an accident."""
    bench.put("a", "b")
    await bench.scan()
    deliver_all(bench.catalogue)
    bench.source.delete("a")
    bench.source.delete("b")
    await bench.scan()
    assert bench.catalogue.scan_state().suspicion == "the listing is empty, and the destination is not"
    bench.put("a")
    await bench.scan()
    assert bench.catalogue.scan_state().suspicion is None


async def test_an_empty_listing_that_looks_contradict_is_a_wrong_listing(bench: Bench) -> None:
    """Objects that answer a look prove it: a bucket that is really empty is another matter."""
    bench.put("a", "b")
    await bench.scan()
    deliver_all(bench.catalogue)
    bench.source.delete("a")
    whole = bench.source.list_page

    async def nothing(token: str | None = None) -> ListingPage:
        return ListingPage([], None)

    bench.source.list_page = nothing  # type: ignore[method-assign]
    await bench.scan()
    assert (bench.paths(), bench.catalogue.scan_state().suspicion) == ({"b"}, CONTRADICTED)
    bench.source.list_page = whole  # type: ignore[method-assign]
    await bench.scan()
    assert bench.catalogue.scan_state().suspicion is None


async def test_another_source_behind_the_same_name_is_suspicious(bench: Bench) -> None:
    """The first identity seen is remembered until a person, or the outcome, accepts the new one."""
    bench.put("a")
    await bench.scan()
    assert not await bench.scanner.source_changed()
    bench.source.name = "another"
    assert await bench.scanner.source_changed()
    await bench.scan()
    assert "not the one seen before" in (bench.catalogue.scan_state().suspicion or "")
    await bench.scanner.accept_source()
    assert not await bench.scanner.source_changed()
    assert bench.catalogue.scan_state().suspicion is None


async def test_a_changed_source_begins_the_interrupted_scan_anew(bench: Bench) -> None:
    """A token of one bucket means nothing in another."""
    bench.put("a", "b", "c")
    await bench.scan()
    fail_at(bench, 2)
    with pytest.raises(Unreachable):
        await bench.scan()
    bench.source.before = None
    bench.source.name = "another"
    bench.source.calls.clear()
    await bench.scan()
    assert bench.asked("list_page")[0] is None


async def test_one_object_that_refuses_a_look_stops_nothing(bench: Bench) -> None:
    """Changed by the listing: taken from it. Not listed: kept, and said."""
    bench.put("a", "b", "c")
    await bench.scan()
    bench.source.put("a", b"changed")
    bench.source.delete("b")
    for key in "ab":
        bench.source.fail("look", Denied("403"), key=key)
    await bench.scan()
    row = bench.catalogue.observations_at(["a"])["a"].row
    assert (row.size, row.etag, row.revision) == (7, bench.source.info("a").etag, 2)
    assert bench.paths() == {"a", "b", "c"}
    (problem,) = bench.observer.problems
    assert problem[1]["file_path"] == "b"


async def test_the_scan_says_how_much_there_is_to_do(bench: Bench) -> None:
    """Unknown the first time, as many as are known from then on."""
    bench.put("a", "b", "c")
    await bench.scan()
    await bench.scan()
    assert [arguments for arguments in bench.observer.of("phase") if arguments[0] == "scan"] == [
        ("scan", None, None),
        ("scan", 3, None),
    ]


def test_comparing_a_stretch() -> None:
    """New, changed and missing, by path; size, version and time count."""
    known = [Known(1, "a", 1, "e", "t"), Known(2, "b", 1, "e", "t"), Known(3, "c", 1, "e", "t")]
    entries = [Listed("a", 1, "e", "t"), Listed("c", 2, "e", "t"), Listed("d", 1, "e", "t")]
    assert compare(known, entries) == ([entries[2]], [(known[2], entries[1])], [2])
    assert compare([], entries) == (entries, [], [])
    assert compare(known, []) == ([], [], [1, 2, 3])


async def test_a_second_look_that_shows_nothing_new_changes_nothing(bench: Bench) -> None:
    """The listing's time alone differs: the row keeps its revision."""
    bench.put("a")
    await bench.scan()
    info = bench.source.info("a")

    async def page(token: str | None = None) -> ListingPage:
        return ListingPage([Listed("a", info.size, info.etag, "2030-01-01T00:00:00Z")], None)

    bench.source.list_page = page  # type: ignore[method-assign]
    await bench.scan()
    before = bench.catalogue.observations_at(["a"])
    await bench.scan()
    assert bench.catalogue.observations_at(["a"]) == before
    assert before["a"].row.last_modified == info.last_modified
