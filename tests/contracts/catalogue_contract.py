"""What the catalogue promises, whatever database it is in, as tests that each database's own file inherits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sync_service.catalogue import delivering, intake, observing
from sync_service.catalogue.failing import set_aside
from sync_service.models.changes import (
    EventRecord,
    EventState,
    FailureRecord,
    Relook,
    RunRecord,
    ScanCommit,
    ScanStatus,
    Wish,
)
from sync_service.models.data_models import Kind, ObjectInfo, Operation, Poison, Result, Seen
from sync_service.models.errors import CatalogueLocked, CatalogueMissing, SyncError
from sync_service.services import database_manager
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.observations import seen_again
from tests.fakes.catalogues import (
    LATER,
    NOW,
    after,
    before,
    create_of,
    deliver,
    deliver_all,
    event_commit,
    ids,
    listed,
    observation,
    observe,
    outcome,
    scan,
)

KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]]


def failure(row_id: int, operation: str = "create", *, at: str = NOW, quarantined: bool = False) -> FailureRecord:
    return FailureRecord(row_id, f"k{row_id}", operation, 1, "refused", "no", 3, 1, NOW, at, quarantined)


def run_record(run_id: str, started: str, success: bool | None = None, *, reported: bool = False) -> RunRecord:
    ended = success is not None
    report = {"run_id": run_id} if ended else None
    return RunRecord(run_id, "customer", "scan", started, started if ended else None, success, 0, report, reported)


class CatalogueContract:
    """Inherit, and give `target`: where an empty catalogue can be made."""

    @pytest.fixture
    def target(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def catalogue(self, target: str) -> Iterator[DatabaseManager]:
        made = DatabaseManager(target).open_writer(NOW)
        yield made
        made.close()

    @pytest.fixture
    def reopened(self, target: str, catalogue: DatabaseManager) -> Iterator[Callable[[], DatabaseManager]]:
        """Closes the writer and opens it again."""
        opened: list[DatabaseManager] = []

        def again() -> DatabaseManager:
            catalogue.close()
            opened.append(DatabaseManager(target).open_writer(LATER))
            return opened[-1]

        yield again
        for one in opened:
            one.close()

    # ------------------------------------------------------------ opening

    def test_an_empty_place_has_no_catalogue(self, target: str) -> None:
        """Reading where nothing was ever written says so, and makes nothing."""
        reader = DatabaseManager(target)
        with pytest.raises(CatalogueMissing):
            reader.get_record_count()
        with pytest.raises(CatalogueMissing):
            reader.totals()
        reader.close()

    def test_the_catalogue_id_stays(self, catalogue: DatabaseManager, reopened: Callable[[], DatabaseManager]) -> None:
        """Opening again is not a new catalogue."""
        known = catalogue.catalogue_id
        assert len(known) == 32
        assert reopened().catalogue_id == known

    def test_a_second_writer_is_refused(self, catalogue: DatabaseManager, target: str) -> None:
        """There is one writer; a second one is told, and the first goes on."""
        with pytest.raises(CatalogueLocked):
            DatabaseManager(target).open_writer(NOW)
        scan(catalogue, "a")
        assert catalogue.get_record_count() == 1

    def test_two_threads_take_turns(self, catalogue: DatabaseManager) -> None:
        """A reload asks amid a run: each waits for the other's transaction and none fails."""

        def often(name: str) -> None:
            for number in range(100):
                catalogue.set_next_run(f"{name} {number}")

        with ThreadPoolExecutor(2) as pool:
            for ended in [pool.submit(often, name) for name in ("one", "two")]:
                ended.result()
        assert (catalogue.next_run() or "").endswith("99")

    def test_readers_see_what_is_committed(self, catalogue: DatabaseManager, target: str) -> None:
        """A reader beside the writer sees each commit, and writes nothing."""
        reader = DatabaseManager(target)
        assert reader.get_record_count() == 0
        scan(catalogue, "a", "b")
        assert reader.get_record_count() == 2
        with pytest.raises(SyncError):
            reader.set_next_run(NOW)
        assert catalogue.next_run() is None
        reader.close()

    def test_routes_do_not_see_each_other(self, catalogue: DatabaseManager, target: str) -> None:
        """The same key in two routes is two rows, with ids of their own, counted apart."""
        other = catalogue.for_route("backup")
        scan(catalogue, listed("a", 5))
        scan(other, listed("a", 7), "b")
        assert (catalogue.totals().files, catalogue.totals().size) == (1, 5)
        assert (other.totals().files, other.totals().size, other.totals().pending) == (2, 8, 2)
        assert catalogue.get_record_count() == 3
        assert catalogue.route_names() == ["customer", "backup"]
        assert set(ids(catalogue).values()).isdisjoint(ids(other).values())
        deliver_all(other)
        assert (catalogue.delivered_count(), other.delivered_count()) == (0, 2)
        reader = DatabaseManager(target, "never-made")
        with pytest.raises(CatalogueMissing):
            reader.totals()
        reader.close()

    # ------------------------------------------------------------ scan

    def test_a_scan_resumes_where_it_was_committed(
        self, catalogue: DatabaseManager, reopened: Callable[[], DatabaseManager]
    ) -> None:
        """Token, last key and figures of the committed stretches survive; completion ends it."""
        assert catalogue.scan_state().status is ScanStatus.NONE
        state = catalogue.begin_scan(NOW, "odd")
        catalogue.commit_scan(state, ScanCommit([listed("a", 3)], [], [], "after-a", "a", 1, 3), NOW)
        again = reopened()
        state = again.scan_state()
        assert (state.status, state.token, state.last_key, state.keys, state.size, state.suspicion) == (
            ScanStatus.RUNNING, "after-a", "a", 1, 3, "odd",
        )  # fmt: skip
        again.complete_scan(state, LATER)
        done = again.scan_state()
        assert (done.status, done.token, done.started_at, done.finished_at) == (ScanStatus.COMPLETE, None, NOW, LATER)
        again.within(intake.clear_suspicion)
        assert again.scan_state().suspicion is None

    def test_awkward_keys_come_back_in_the_order_of_their_bytes(self, catalogue: DatabaseManager) -> None:
        """All of keys.json is stored and given back byte for byte, ordered as S3 orders keys."""
        keys = sorted({key for key in KEYS if "\x00" not in key}, key=str.encode)
        scan(catalogue, *keys)
        assert [row.file_path for row in catalogue.within(observing.known_between, None, None)] == keys
        middle = len(keys) // 2
        between = catalogue.within(observing.known_between, keys[2], keys[middle])
        assert [row.file_path for row in between] == keys[3 : middle + 1]
        assert set(catalogue.observations_at(keys)) == set(keys)

    def test_missing_rows_wait_to_be_looked_at(self, catalogue: DatabaseManager) -> None:
        """Rows that were not listed are only noted; what the look shows is written, and a new scan forgets the rest."""
        scan(catalogue, "a", "b", "c")
        known = ids(catalogue)
        state = catalogue.begin_scan(LATER, None)
        catalogue.commit_scan(state, ScanCommit([], [], list(known.values()), "", None, 0, 0), LATER)
        assert catalogue.within(intake.missing, 0, 2) == sorted(known.values())[:2]
        seen = observation("b", known["b"], size=9, etag="e2", revision=2)
        catalogue.settle_missing([known["a"]], [seen], [known["a"], known["b"]], LATER)
        assert catalogue.within(intake.missing, 0, 10) == [known["c"]]
        assert [(r.file_path, r.size) for r in catalogue.within(observing.known_between, None, None)] == [
            ("b", 9),
            ("c", 1),
        ]
        catalogue.begin_scan(LATER, None)
        assert catalogue.within(intake.missing, 0, 10) == []

    def test_a_key_that_comes_back_gets_its_row_back(self, catalogue: DatabaseManager) -> None:
        """While the destination still holds it, the row keeps its id and goes on with a higher revision."""
        scan(catalogue, "a", "b")
        deliver_all(catalogue)
        known = ids(catalogue)
        catalogue.commit_events(event_commit(removed=list(known.values())), NOW)
        scan(catalogue, "a")
        catalogue.commit_events(event_commit(observation("b")), NOW)
        assert ids(catalogue) == known
        assert [o.row.revision for o in catalogue.observations_at(["a", "b"]).values()] == [2, 2]

    def test_an_id_is_never_given_twice(self, catalogue: DatabaseManager) -> None:
        """Deleting everything does not free the numbers."""
        scan(catalogue, "a", "b")
        first = set(ids(catalogue).values())
        catalogue.commit_events(event_commit(removed=sorted(first)), NOW)
        scan(catalogue, "a", "b")
        assert first.isdisjoint(ids(catalogue).values())

    # ------------------------------------------------------------ events

    def test_events_effects_and_cursor_are_one_transaction(self, catalogue: DatabaseManager) -> None:
        """Where one effect cannot be written, nothing of the batch is."""
        scan(catalogue, "a", "b")
        record = EventRecord("k", "same", "update", "a", None, NOW, EventState.APPLIED)
        colliding = event_commit(observation("a", 900), observation("b", 901), cursor="5", events=[record])
        with pytest.raises(SyncError):
            catalogue.commit_events(colliding, NOW)
        assert (catalogue.cursor(), catalogue.known_events(["k"]), catalogue.last_position()) == (None, set(), 0)
        catalogue.commit_events(event_commit(observation("c"), cursor="5", events=[record]), NOW)
        assert (catalogue.cursor(), catalogue.known_events(["k", "x"])) == ("5", {"k"})
        assert catalogue.last_position() > 0
        catalogue.commit_events(event_commit(cursor=None), NOW)
        assert catalogue.cursor() == "5"

    def test_its_id_can_be_asked_for_amid_a_transaction(self, catalogue: DatabaseManager) -> None:
        """New settings make a new service while a run of the old one writes: that must not meet its transaction."""
        scan(catalogue, "a")
        known = catalogue.catalogue_id
        rows = catalogue.observed_rows(True)
        next(rows)
        assert catalogue.catalogue_id == known
        assert len(list(rows)) == 0

    def test_an_event_that_comes_again_is_one_event(self, catalogue: DatabaseManager) -> None:
        """Recorded twice under one key, it is kept once."""
        for _ in range(2):
            record = EventRecord("k", "same", "update", "a", "b", NOW, EventState.SKIPPED, "known")
            catalogue.commit_events(event_commit(events=[record]), NOW)
        assert catalogue.known_events(["k"]) == {"k"}
        assert catalogue.last_position() == 1

    def test_paths_can_be_swapped_in_one_batch(self, catalogue: DatabaseManager) -> None:
        """Two rows take each other's path and keep their ids."""
        scan(catalogue, "a", "b")
        known = ids(catalogue)
        swapped = event_commit(observation("b", known["a"]), observation("a", known["b"]))
        catalogue.commit_events(swapped, NOW)
        assert ids(catalogue) == {"a": known["b"], "b": known["a"]}

    def test_poison_is_kept_once(self, catalogue: DatabaseManager) -> None:
        """However often a log repeats it, with its text cut, and counted as quarantined."""
        poison = [Poison("no json", "x" * 10_000), Poison("no json", "\x1b[31m and a NUL as text \\u0000")]
        for _ in range(2):
            catalogue.commit_events(event_commit(poison=poison), NOW)
        assert len(catalogue.within(intake.known_poison, [*poison, Poison("other", "y")])) == 2
        assert catalogue.totals().quarantined == 2

    def test_relooks_are_replaced_by_each_batch(self, catalogue: DatabaseManager) -> None:
        """Keys that could not be looked at wait, with how often that failed."""
        wish = Wish(7, "0A", "600", None, None)
        first = {"a": Relook(1, "503"), "b": Relook(2, "503", (wish,))}
        catalogue.commit_events(event_commit(relooks=first), NOW)
        assert catalogue.relooks_due() == first
        second = {"b": Relook(3, "503")}
        catalogue.commit_events(event_commit(relooks=second), NOW)
        assert catalogue.relooks_due() == second

    def test_old_events_are_forgotten(self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the newest are kept, and positions go on growing."""
        monkeypatch.setattr(database_manager, "EVENTS_KEPT", 2)
        records = [EventRecord(f"k{n}", "same", "update", "a", None, None, EventState.APPLIED) for n in range(5)]
        poison = [Poison("bad", str(n)) for n in range(5)]
        catalogue.commit_events(event_commit(events=records, poison=poison), NOW)
        catalogue.tidy()
        assert set(catalogue.known_events([f"k{n}" for n in range(5)])) == {"k3", "k4"}
        assert len(catalogue.within(intake.known_poison, poison)) == 2
        last = catalogue.last_position()
        one_more = EventRecord("new", "same", "update", "a", None, None, EventState.APPLIED)
        catalogue.commit_events(event_commit(events=[one_more]), NOW)
        assert catalogue.last_position() > last

    # ------------------------------------------------------------ delivery

    def test_a_mark_outlives_a_crash(self, catalogue: DatabaseManager, reopened: Callable[[], DatabaseManager]) -> None:
        """The whole attempt is kept with its row until it is settled, and the row is in neither snapshot."""
        scan(catalogue, "a", "b")
        operation = create_of(catalogue, "a")
        catalogue.mark([operation])
        again = reopened()
        assert [doubt.operation for doubt in again.doubts()] == [operation]
        assert before(again) == []
        assert [row[1] for row in after(again)] == ["b"]
        again.within(delivering.release, [operation])
        assert again.doubts() == []
        assert again.delivered_count() == 0
        assert [row[1] for row in after(again)] == ["a", "b"]

    def test_done_creates_are_delivered_and_in_step(self, catalogue: DatabaseManager) -> None:
        """A confirmed row is before what it is after, and no longer pending."""
        scan(catalogue, listed("a", 4), "b")
        deliver(catalogue, create_of(catalogue, "a"))
        a = ids(catalogue)["a"]
        assert (catalogue.totals().pending, catalogue.delivered_count()) == (1, 1)
        row = (a, "a", None, None, None, 4, "text/plain", "e1", "2026-01-01T00:00:00Z", f"i{a}")
        assert before(catalogue, full=True) == [row]
        assert after(catalogue, full=True)[0] == row
        assert before(catalogue) == []
        assert [r[1] for r in after(catalogue)] == ["b"]

    def test_each_kind_of_operation_changes_what_it_says(self, catalogue: DatabaseManager) -> None:
        """Update, rename, change_permission and delete, each confirmed, each on its own row."""
        scan(catalogue, "a", "b", "c", "d")
        deliver_all(catalogue)
        a, b, c, d = (ids(catalogue)[key] for key in "abcd")
        deliver(
            catalogue,
            Operation(Kind.UPDATE, a, 2, "a", size=9, etag="e9"),
            Operation(Kind.RENAME, b, 2, "b", "bb", 1, "e1"),
            Operation(Kind.CHANGE_PERMISSION, c, 2, "c", permissions="640", owner="o", group="g"),
            Operation(Kind.DELETE, d, 1, "d"),
        )
        rows = {row.id: row for row in catalogue.settled_by_id([a, b, c, d]).values()}
        assert (rows[a].size, rows[a].etag, rows[a].revision) == (9, "e9", 2)
        assert (rows[b].file_path, rows[b].etag, rows[b].internal_id) == ("bb", "e1", f"i{b}")
        assert (rows[c].permissions, rows[c].owner, rows[c].group) == ("640", "o", "g")
        assert d not in rows
        assert catalogue.delivered_count() == 3
        assert catalogue.holders(["bb", "b", "c"]) == {"bb": b, "c": c}

    @pytest.mark.parametrize(
        ("result", "left", "in_doubt"),
        [
            (Result.UNKNOWN, 1, 1),
            (Result.MISSING, 0, 0),
            (Result.REFUSED, 1, 0),
            (Result.NOT_DONE, 1, 0),
            (Result.SOURCE_MOVED, 1, 0),
            (Result.STORED_WRONG, 1, 0),
        ],
    )
    def test_what_was_not_done_is_told_apart(
        self, catalogue: DatabaseManager, result: Result, left: int, in_doubt: int
    ) -> None:
        """Unknown stays in doubt; missing loses the row; a certain no changes nothing; wrong bytes are to be sent again."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        a = ids(catalogue)["a"]
        catalogue.commit_events(event_commit(observation("a", a, 2, "e2", 2)), NOW)
        deliver(catalogue, Operation(Kind.UPDATE, a, 2, "a", size=2, etag="e2"), result=result)
        assert (catalogue.delivered_count(), len(catalogue.doubts())) == (left, in_doubt)
        assert catalogue.totals().pending == 1
        if result is Result.STORED_WRONG:
            assert catalogue.settled_by_id([a])[a].etag == "?"
            assert catalogue.observations_by_id([a])[a].row.revision == 3

    def test_a_create_that_was_not_done_leaves_no_row(self, catalogue: DatabaseManager) -> None:
        """The row that the mark made goes with it."""
        scan(catalogue, "a")
        deliver(catalogue, create_of(catalogue, "a"), result=Result.REFUSED)
        assert (catalogue.delivered_count(), catalogue.totals().pending) == (0, 1)

    @pytest.mark.parametrize("told", [{}, {"permissions": "600", "owner": "me"}, {"mode": "644", "group": "g"}])
    @pytest.mark.parametrize(
        ("wanted", "seen"),
        [
            ({}, Seen()),
            ({"permissions": "640", "owner": "you", "group": "them", "file_type": "image/png"}, Seen()),
            ({"permissions": "777"}, Seen("600", "me", "g", "05", 7)),
            ({"permissions": "644", "owner": "you"}, Seen("644", "you")),
        ],
    )
    def test_what_an_attempt_learned_is_as_after_another_look(
        self, catalogue: DatabaseManager, wanted: dict[str, str], seen: Seen, told: dict[str, str]
    ) -> None:
        """Headers that came with the bytes say what a look would have said; it keeps its revision and is in step."""
        observe(catalogue, [replace(observation("a", **wanted), seen=seen)], [], NOW)
        operation = create_of(catalogue, "a")
        catalogue.mark([operation])
        held = catalogue.observations_by_id([operation.row_id])[operation.row_id]
        info = ObjectInfo("a", 1, "e1", held.row.last_modified, "text/plain", "v7", told)
        looked = seen_again(held, info)
        row = looked.row
        sent = replace(
            operation, permissions=row.permissions, owner=row.owner, group=row.group, file_type=row.file_type
        )
        catalogue.confirm([replace(outcome(sent), info=info)], [])
        after = catalogue.observations_by_id([operation.row_id])[operation.row_id]
        assert after == replace(looked, row=replace(looked.row, revision=held.row.revision))
        assert catalogue.totals().pending == 0

    def test_headers_of_another_version_teach_nothing(self, catalogue: DatabaseManager) -> None:
        """The object has changed while it was sent."""
        scan(catalogue, "a")
        operation = create_of(catalogue, "a")
        catalogue.mark([operation])
        info = ObjectInfo("a", 1, "another", "t", "text/plain", None, {"permissions": "600"})
        catalogue.confirm([replace(outcome(operation), info=info)], [])
        row = catalogue.observations_by_id([operation.row_id])[operation.row_id].row
        assert (row.permissions, row.file_type) == (None, None)

    def test_a_look_during_delivery_changes_what_is_pending(self, catalogue: DatabaseManager) -> None:
        """Rows that are gone on both sides, or are again as delivered, are pending no more."""
        scan(catalogue, "a", "b", "c")
        deliver(catalogue, create_of(catalogue, "a"))
        known = ids(catalogue)
        observe(catalogue, [observation("c", known["c"], 5, "e5", 2)], [known["b"]], LATER)
        assert catalogue.totals().pending == 1
        assert catalogue.totals().oldest_pending == NOW
        assert (catalogue.totals().files, catalogue.totals().size) == (2, 6)

    def test_snapshots_are_sorted_by_id_over_all_steps(
        self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows come in order of id however many are read at once."""
        monkeypatch.setattr(database_manager, "SNAPSHOT_STEP", 3)
        scan(catalogue, *(f"k{n:02}" for n in range(10)))
        deliver_all(catalogue)
        known = ids(catalogue)
        changed = [observation(f"z{n:02}", known[f"k{n:02}"]) for n in range(0, 10, 2)]
        catalogue.commit_events(event_commit(*changed), NOW)
        assert (
            [row[0] for row in before(catalogue)] == [row[0] for row in after(catalogue)] == [o.row.id for o in changed]
        )
        assert [row[0] for row in before(catalogue, full=True)] == sorted(known.values())

    # ------------------------------------------------------------ failures, guard, runs

    def test_failures_are_kept_until_they_are_stale(self, catalogue: DatabaseManager) -> None:
        """Recorded with their row, newest first, cleared by success, forgotten once nothing is pending."""
        scan(catalogue, "a", "b", "c")
        a, b, c = (ids(catalogue)[key] for key in "abc")
        catalogue.confirm([], [failure(a), failure(b, at=LATER, quarantined=True), failure(c)])
        assert [f.row_id for f in catalogue.list_failures(1)] == [b]
        assert set(catalogue.failures_of([a, b])) == {(a, "create"), (b, "create")}
        totals = catalogue.totals()
        assert (totals.failed, totals.quarantined, totals.error_counts) == (2, 1, {"refused": 3})
        deliver(catalogue, create_of(catalogue, "a"))
        assert {f.row_id for f in catalogue.list_failures()} == {b, c}
        observe(catalogue, [], [b], LATER)
        catalogue.tidy()
        assert catalogue.list_failures() == [failure(c)]

    def test_a_failed_operation_stays_recorded_with_its_outcome(self, catalogue: DatabaseManager) -> None:
        """The same transaction that confirms an outcome records its failure."""
        scan(catalogue, "a")
        operation = create_of(catalogue, "a")
        catalogue.mark([operation])
        catalogue.confirm([outcome(operation, Result.REFUSED)], [failure(operation.row_id)])
        assert [f.row_id for f in catalogue.list_failures()] == [operation.row_id]

    def test_what_was_given_up_is_tried_again_by_command(self, catalogue: DatabaseManager) -> None:
        """Named paths, or all; only those in quarantine, each as a new effect, pending because of a command."""
        scan(catalogue, "a", "b", "c", "d")
        deliver(catalogue, create_of(catalogue, "d"))
        rows = ids(catalogue)
        given_up = [replace(failure(rows[key], quarantined=True), file_path=key) for key in "abd"]
        catalogue.confirm([], [*given_up, replace(failure(rows["c"]), file_path="c")])
        assert catalogue.try_again(["a", "c", "nowhere"], LATER) == 1
        assert {f.file_path for f in catalogue.list_failures()} == {"b", "c", "d"}
        assert catalogue.try_again([], LATER) == 2
        assert [f.file_path for f in catalogue.list_failures()] == ["c"]
        revisions = {path: seen.row.revision for path, seen in catalogue.observations_at("abcd").items()}
        assert revisions == {"a": 2, "b": 2, "c": 1, "d": 2}
        assert catalogue.settled_by_id([rows["d"]])[rows["d"]].revision == 2
        assert catalogue.totals().pending == 4
        assert catalogue.try_again([], LATER) == 0

    def test_an_object_in_quarantine_is_named_as_it_is_now_too(self, catalogue: DatabaseManager) -> None:
        """Its rename was refused: a person knows it by the new name, the failure has the old one."""
        scan(catalogue, "old", "other")
        known = ids(catalogue)
        deliver_all(catalogue)
        observe(catalogue, [observation("new", known["old"], revision=2)], [], LATER)
        refused = replace(failure(known["old"], "rename", quarantined=True), file_path="old", revision=2)
        catalogue.confirm([], [refused])
        assert catalogue.within(set_aside, ["old", "new", "other"]) == {"old", "new"}
        assert catalogue.try_again(["new"], LATER) == 1
        assert catalogue.list_failures() == []

    def test_one_object_is_explained(self, catalogue: DatabaseManager) -> None:
        """What was observed, delivered, attempted and told of it; of a path that nobody knows, nothing."""
        scan(catalogue, "a", "b")
        deliver_all(catalogue)
        rows = ids(catalogue)
        events = [EventRecord(f"k{n}", "same", "update", "a", None, NOW, EventState.APPLIED) for n in range(2)]
        catalogue.commit_events(
            event_commit(observation("a", rows["a"], 2, "e2", 2), removed=[rows["b"]], events=events), NOW
        )
        operation = Operation(Kind.UPDATE, rows["a"], 2, "a", size=2, etag="e2")
        catalogue.mark([operation])
        catalogue.confirm([], [failure(rows["a"], "update")])
        found = catalogue.explain("a")
        assert found.observed is not None
        assert found.delivered is not None
        assert (found.observed.etag, found.delivered.etag, found.doubt) == ("e2", "e1", operation)
        assert len(found.events) == 2
        gone = catalogue.explain("b")
        assert (gone.observed, getattr(gone.delivered, "id", None)) == (None, rows["b"])
        unknown = catalogue.explain("nowhere")
        assert (unknown.observed, unknown.delivered, unknown.doubt, list(unknown.events)) == (None, None, None, [])

    def test_deletes_are_pending_with_their_cause(self, catalogue: DatabaseManager) -> None:
        """Rows that the destination holds and the source lost, in order of id, a part at a time."""
        scan(catalogue, "a", "b", "c")
        deliver_all(catalogue)
        a, b, c = (ids(catalogue)[key] for key in "abc")
        catalogue.commit_events(event_commit(removed=[b]), NOW)
        catalogue.settle_missing([c], [], [c], NOW)
        assert catalogue.pending_deletes() == [(b, "b", "event"), (c, "c", "scan")]
        assert catalogue.pending_deletes(after=b, limit=1) == [(c, "c", "scan")]
        assert catalogue.pending_deletes(limit=1) == [(b, "b", "event")]
        assert catalogue.delete_causes([a, b, c]) == {b: "event", c: "scan"}

    def test_approvals_end_with_their_rows(self, catalogue: DatabaseManager) -> None:
        """An approval is for that row as it was: gone when the row is, or when the object came back."""
        scan(catalogue, "a", "b", "c")
        deliver_all(catalogue)
        a, b, c = (ids(catalogue)[key] for key in "abc")
        catalogue.commit_events(event_commit(removed=[a, b, c]), NOW)
        catalogue.approve([(a, "a"), (b, "b"), (c, "c")], NOW)
        assert catalogue.approved() == {a: "a", b: "b", c: "c"}
        deliver(catalogue, Operation(Kind.DELETE, a, 1, "a"))
        catalogue.commit_events(event_commit(observation("b")), NOW)
        catalogue.tidy()
        assert catalogue.approved() == {c: "c"}

    def test_approvals_of_the_same_rows_are_one(self, catalogue: DatabaseManager) -> None:
        """Named twice at once, or again later beside others: the last path counts."""
        catalogue.approve([(1, "a"), (2, "b"), (1, "a")], NOW)
        catalogue.approve([(2, "c"), (3, "d")], LATER)
        assert catalogue.approved() == {1: "a", 2: "c", 3: "d"}

    def test_held_deletes_keep_since_when(self, catalogue: DatabaseManager) -> None:
        """Noted again they keep their first time; none ends it."""
        catalogue.put_held(5, "many", NOW)
        catalogue.put_held(6, "more", LATER)
        held = catalogue.totals().held
        assert held is not None
        assert (held.deletes, held.reason, held.since) == (6, "more", NOW)
        catalogue.put_held(0, "", LATER)
        assert catalogue.totals().held is None

    def test_runs_are_listed_newest_first(self, catalogue: DatabaseManager) -> None:
        """With their reports, those not yet received apart, found by the first characters of their id."""
        for run in (run_record("aa1", "1"), run_record("aa2", "2"), run_record("b3", "3")):
            catalogue.begin_run(run)
        catalogue.end_run(run_record("aa1", "1", True, reported=True))
        catalogue.end_run(run_record("aa2", "2", False))
        assert [(r.run_id, r.success, r.reported) for r in catalogue.runs()] == [
            ("b3", None, False),
            ("aa2", False, False),
            ("aa1", True, True),
        ]
        assert [r.run_id for r in catalogue.runs(unreported=True)] == ["aa2"]
        catalogue.mark_reported("aa2")
        assert catalogue.runs(unreported=True) == []
        assert catalogue.last_success() == "1"
        assert [r.run_id for r in catalogue.runs(limit=1)] == ["b3"]
        found = catalogue.run("aa2")
        assert found is not None
        assert (found.run_id, found.report, found.route) == ("aa2", {"run_id": "aa2"}, "customer")
        assert [catalogue.run(text) for text in ("aa", "zz", "a%", "a_2", "AA2")] == [None] * 5
        assert getattr(catalogue.run("b"), "run_id", None) == "b3"

    def test_old_runs_are_forgotten(self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
        """The newest are kept."""
        monkeypatch.setattr(database_manager, "RUNS_KEPT", 2)
        for number in range(5):
            run = run_record(f"r{number}", str(number))
            catalogue.begin_run(run)
            catalogue.end_run(run_record(f"r{number}", str(number), True))
        assert [r.run_id for r in catalogue.runs()] == ["r4", "r3"]

    def test_runs_keep_their_order_when_the_clock_is_set_back(
        self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run that begins later is the later one, whatever its time says: it is told first, and not forgotten first."""
        monkeypatch.setattr(database_manager, "RUNS_KEPT", 2)
        for run_id, at in (("a", "2027"), ("b", "2028"), ("c", "2026")):
            catalogue.begin_run(run_record(run_id, at))
            catalogue.end_run(run_record(run_id, at, True))
        assert [r.run_id for r in catalogue.runs()] == ["c", "b"]
        assert catalogue.last_success() == "2026"

    def test_positions_and_identities_are_kept(
        self, catalogue: DatabaseManager, reopened: Callable[[], DatabaseManager]
    ) -> None:
        """Where the replay begins, which source this is, whether the first sync is through, when the next run comes."""
        assert (catalogue.positioned(), catalogue.source_identity(), catalogue.totals().initial_done) == (
            False,
            None,
            False,
        )
        catalogue.within(intake.begin_log, "7", [], {}, NOW)
        catalogue.set_source_identity("s3:bucket")
        catalogue.finish_initial()
        catalogue.set_next_run(LATER)
        again = reopened()
        assert (again.positioned(), again.cursor(), again.source_identity()) == (True, "7", "s3:bucket")
        assert (again.totals().initial_done, again.next_run()) == (True, LATER)
