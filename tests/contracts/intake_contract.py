"""What every catalogue takes in, however much of it there is and however odd it looks."""

from __future__ import annotations

import pytest

from sync_service.catalogue import intake, sifting
from sync_service.catalogue.failing import failing_since, unanswered
from sync_service.models.changes import CHECK, GONE, FailureRecord, Relook
from sync_service.models.data_models import Kind, Operation, Poison, Result
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import (
    LATER,
    NOW,
    deliver,
    deliver_all,
    event_commit,
    ids,
    listed,
    observation,
    observe,
    scan,
)


class IntakeContract:
    """Inherited beside CatalogueContract, whose catalogue it uses."""

    def test_rows_between_listed_keys_are_noted_step_by_step(
        self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are, only those at listed keys are given back; noted twice they are noted once."""
        monkeypatch.setattr(sifting, "STEP", 2)
        scan(catalogue, *"abcdefg")
        known = ids(catalogue)
        catalogue.begin_scan(LATER, None)
        for _ in range(2):
            found = sifting.known_among(catalogue.within, {"c", "f", "new"}, "a", "f")
            assert [row.file_path for row in found] == ["c", "f"]
        assert catalogue.within(intake.missing, 0, 10) == [known[key] for key in "bde"]
        assert sifting.known_among(catalogue.within, (), None, None) == []
        assert catalogue.within(intake.missing, 0, 10) == [known[key] for key in "abcdefg"]

    @pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.RENAME, Kind.CHANGE_PERMISSION, Kind.DELETE])
    @pytest.mark.parametrize("result", [Result.REFUSED, Result.NOT_DONE])
    def test_a_row_without_an_etag_stays_when_an_attempt_fails(
        self, catalogue: DatabaseManager, kind: Kind, result: Result
    ) -> None:
        """Some stores list empty ETags: what such a row holds at the destination is not forgotten."""
        scan(catalogue, listed("a", etag=""))
        deliver_all(catalogue)
        row_id = ids(catalogue)["a"]
        new_path = "b" if kind is Kind.RENAME else None
        deliver(catalogue, Operation(kind, row_id, 2, "a", new_path), result=result)
        assert catalogue.holders(["a"]) == {"a": row_id}
        assert (catalogue.doubts(), catalogue.delivered_count()) == ([], 1)

    def test_keys_that_are_left_out_are_named(self, catalogue: DatabaseManager) -> None:
        """Each once, apart from events that cannot be read, until a whole scan no longer finds it."""
        catalogue.commit_events(event_commit(poison=[Poison("no JSON", "{")]), NOW)
        for key in ("b\0c", "b\0d", "b\0c"):
            catalogue.within(intake.leave_out, [key], NOW)
        totals = catalogue.totals()
        assert (totals.quarantined, totals.unread_events) == (3, 1)
        assert totals.error_counts == {"left_out": 2}
        assert [failure.file_path for failure in catalogue.list_failures()] == ["b\\x00c", "b\\x00d"]
        assert [failure.file_path for failure in catalogue.list_failures(1)] == ["b\\x00c"]
        state = catalogue.begin_scan(LATER, None)
        catalogue.within(intake.leave_out, ["b\0d"], LATER)
        catalogue.complete_scan(state, LATER)
        assert [failure.file_path for failure in catalogue.list_failures()] == ["b\\x00d"]
        assert (catalogue.totals().quarantined, catalogue.totals().unread_events) == (1, 0)

    def test_keys_without_an_answer_count_as_failed(self, catalogue: DatabaseManager) -> None:
        """Named with the source's words before what is archived; one whose row waits anyway is pending once, and what a check
        or a wish waits for is no failure.
        """
        scan(catalogue, "a", "b", "c")
        deliver_all(catalogue)
        observe(catalogue, [observation("b", ids(catalogue)["b"], size=9, revision=2)], [], LATER)
        catalogue.commit_events(event_commit(relooks={"gone": Relook(1, GONE), "checked": Relook(0, CHECK)}), NOW)
        catalogue.within(intake.add_unanswered, {"a": "answered 500", "b": "no access", "new": "odd"})
        catalogue.within(intake.add_unanswered, {"a": "answered 503"})
        archived = FailureRecord(ids(catalogue)["c"], "c", "create", 1, "archived", "no", 1, 1, NOW, NOW, True)
        catalogue.confirm([], [archived])
        totals = catalogue.totals()
        assert (totals.unanswered, totals.failed, totals.pending) == (3, 3, 3)
        assert totals.error_counts == {"archived": 1, "unanswered": 3}
        named = [(one.file_path, one.operation, one.message) for one in catalogue.list_failures()]
        told = [("a", "look", "answered 503"), ("b", "look", "no access"), ("new", "look", "odd")]
        assert named == [*told, ("c", "create", "no")]
        assert [one.file_path for one in catalogue.list_failures(2)] == ["a", "b"]
        failing = catalogue.within(failing_since, LATER)
        assert (failing.total, failing.since) == (4, {"look": 3})
        assert [one.file_path for one in catalogue.within(unanswered)] == ["a", "b", "new"]
        assert catalogue.relooks_due()["a"].attempts == 1
