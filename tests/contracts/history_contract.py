"""What every catalogue remembers of one object's operations: through renames, and no more than it was told to keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync_service.models.changes import EventRecord, EventState, OperationRecord, Relook
from sync_service.models.data_models import Kind, Operation, Result
from sync_service.services import database_manager
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.outcome_records import record_of
from tests.contracts.catalogue_contract import KEYS
from tests.fakes.catalogues import LATER, NOW, create_of, event_commit, ids, observation, observe, outcome, scan


def done(catalogue: DatabaseManager, operation: Operation, at: str = NOW, result: Result = Result.DONE) -> None:
    """One operation, marked and confirmed with its line of the history."""
    catalogue.mark([operation])
    ended = outcome(operation, result, internal_id=f"i{operation.row_id}")
    catalogue.confirm([ended], [], [record_of(ended, at, "run")])


def told(records: list[OperationRecord]) -> list[tuple[str, str, str | None, str]]:
    return [(record.kind, record.file_path, record.new_path, record.result) for record in records]


def renamed(catalogue: DatabaseManager, old: str, new: str) -> None:
    """`old` was created and then renamed, also by an event under each name."""
    scan(catalogue, old)
    done(catalogue, create_of(catalogue, old))
    row_id = ids(catalogue)[old]
    events = [
        EventRecord("k1", "same", "create", old, None, NOW, EventState.APPLIED),
        EventRecord("k2", "same", "rename", old, new, NOW, EventState.APPLIED),
        EventRecord("k3", "same", "update", new, None, NOW, EventState.APPLIED),
    ]
    catalogue.commit_events(event_commit(observation(new, row_id, revision=2), events=events), LATER)
    done(catalogue, Operation(Kind.RENAME, row_id, 2, old, new, size=1, etag="e1"), LATER)


class HistoryContract:
    """Inherited beside CatalogueContract, whose catalogue it uses."""

    def test_operations_are_remembered_with_their_answers(self, catalogue: DatabaseManager) -> None:
        """Each that ended, newest first: what, how, when, in which run, with the destination's id and the error's words."""
        scan(catalogue, "a")
        refused = replace(
            outcome(create_of(catalogue, "a"), Result.REFUSED),
            error_kind="refused",
            error="413 " + "x" * 5000,
            attempts=3,
            seconds=1.5,
        )
        catalogue.confirm([], [], [record_of(refused, NOW, "run-1")])
        done(catalogue, create_of(catalogue, "a"), LATER)
        newest, first = catalogue.explain("a").operations
        assert (newest.kind, newest.result, newest.at, newest.run_id) == ("create", "done", LATER, "run")
        assert (newest.internal_id, newest.size, newest.etag) == (f"i{newest.row_id}", 1, "e1")
        assert (first.result, first.attempts, first.seconds, first.error_kind) == ("refused", 3, 1.5, "refused")
        assert len(first.message or "") == 1000

    @pytest.mark.parametrize("asked", ["old.txt", "new.txt"])
    def test_history_survives_a_rename(self, catalogue: DatabaseManager, asked: str) -> None:
        """Asked by its former path or by its present one, an object tells all: operations and the events of both names."""
        renamed(catalogue, "old.txt", "new.txt")
        found = catalogue.explain(asked)
        assert found.observed is not None
        assert found.observed.file_path == "new.txt"
        assert told(found.operations) == [
            ("rename", "old.txt", "new.txt", "done"),
            ("create", "old.txt", None, "done"),
        ]
        assert [event["event_type"] for event in found.events] == ["update", "rename", "create"]

    def test_who_has_the_path_now_counts(self, catalogue: DatabaseManager) -> None:
        """A path that another object took: the rows are the present one's, the history is of both."""
        renamed(catalogue, "a", "b")
        observe(catalogue, [observation("a", etag="e9")], [], LATER)
        done(catalogue, create_of(catalogue, "a"), LATER)
        found = catalogue.explain("a")
        assert found.observed is not None
        assert (found.observed.etag, found.observed.id) == ("e9", ids(catalogue)["a"])
        assert [record.kind for record in found.operations] == ["create", "rename", "create"]
        assert len({record.row_id for record in found.operations}) == 2

    def test_an_object_that_is_gone_has_a_history(self, catalogue: DatabaseManager) -> None:
        """After its delete nothing is left of the row, and the history still says what happened."""
        scan(catalogue, "a")
        done(catalogue, create_of(catalogue, "a"))
        row_id = ids(catalogue)["a"]
        observe(catalogue, [], [row_id], LATER)
        done(catalogue, Operation(Kind.DELETE, row_id, 1, "a"), LATER)
        found = catalogue.explain("a")
        assert (found.observed, found.delivered) == (None, None)
        assert [record.kind for record in found.operations] == ["delete", "create"]

    def test_the_oldest_are_forgotten(self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
        """The history is bounded with each confirmation, not only at a run's end."""
        monkeypatch.setattr(database_manager, "OPERATIONS_KEPT", 3)
        scan(catalogue, *"abcdef")
        for key in "abcdef":
            done(catalogue, create_of(catalogue, key))
        assert [len(catalogue.explain(key).operations) for key in "abcdef"] == [0, 0, 0, 1, 1, 1]

    def test_another_route_has_a_history_of_its_own(self, catalogue: DatabaseManager) -> None:
        """What one route did to a path is not told of the other one's."""
        other = catalogue.for_route("backup")
        for one in (catalogue, other):
            scan(one, "a")
            done(one, create_of(one, "a"))
        assert [record.row_id for record in other.explain("a").operations] == [ids(other)["a"]]

    def test_every_key_has_its_history(self, catalogue: DatabaseManager) -> None:
        """Every awkward key is found again by its very bytes."""
        keys = sorted({key for key in KEYS if "\0" not in key})
        scan(catalogue, *keys)
        for key in keys:
            done(catalogue, create_of(catalogue, key))
        assert [told(catalogue.explain(key).operations) for key in keys] == [
            [("create", key, None, "done")] for key in keys
        ]

    def test_why_a_row_waits_and_what_the_scan_saw(self, catalogue: DatabaseManager) -> None:
        """Since when and by whose word it is pending, when the last scan ended, and what the source did not answer for."""
        scan(catalogue, "a")
        commit = event_commit(relooks={"lost": Relook(1, "no answer")})
        catalogue.commit_events(commit, LATER)
        found = catalogue.explain("a")
        assert found.pending is not None
        assert (found.pending.cause, found.pending.since, found.scan.finished_at) == ("scan", NOW, NOW)
        assert catalogue.explain("lost").relook == "no answer"
        done(catalogue, create_of(catalogue, "a"))
        assert catalogue.explain("a").pending is None
