"""What a repair does to the catalogue, whatever database it is in, as tests that each database's own file inherits."""

from __future__ import annotations

import pytest

from sync_service.catalogue import comparing, repairing
from sync_service.models.changes import Relook
from sync_service.models.data_models import Kind, Operation
from sync_service.models.findings import Remedy, Repair, RowState
from sync_service.services.database_manager import DatabaseManager
from tests.contracts.catalogue_contract import failure
from tests.fakes.catalogues import (
    LATER,
    NOW,
    after,
    before,
    create_of,
    deliver_all,
    event_commit,
    ids,
    observation,
    observe,
    scan,
)


def repair(catalogue: DatabaseManager, remedy: Remedy, path: str, row_id: int = 0, revision: int = 1) -> int:
    return catalogue.within(repairing.repair, [Repair(remedy, row_id, revision, path)], LATER)


def state(catalogue: DatabaseManager, path: str) -> RowState:
    found = catalogue.within(comparing.tracked_at, path)
    assert found is not None
    return found.state


def revision(catalogue: DatabaseManager, path: str) -> int:
    return catalogue.observations_at([path])[path].row.revision


def removed(catalogue: DatabaseManager, path: str) -> int:
    row_id = ids(catalogue)[path]
    catalogue.commit_events(event_commit(removed=[row_id]), NOW)
    return row_id


class RepairContract:
    """Inherit beside CatalogueContract, whose fixtures these tests take."""

    def test_a_lost_file_is_to_be_created_under_a_new_revision(self, catalogue: DatabaseManager) -> None:
        """The row keeps its id; what was delivered is forgotten."""
        scan(catalogue, "a", "b")
        deliver_all(catalogue)
        assert repair(catalogue, Remedy.SEND, "a", ids(catalogue)["a"]) == 1
        assert (before(catalogue), len(after(catalogue)), revision(catalogue, "a")) == ([], 1, 2)
        assert (catalogue.totals().pending, catalogue.delivered_count()) == (1, 1)
        catalogue.tidy()
        assert state(catalogue, "a") is RowState.WAITING

    def test_wrong_bytes_are_to_be_updated(self, catalogue: DatabaseManager) -> None:
        """The delivered version is not known any more."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        repair(catalogue, Remedy.SEND_AGAIN, "a", ids(catalogue)["a"])
        ((*_, etag, _modified, _internal),) = before(catalogue)
        assert (etag, revision(catalogue, "a")) == ("?", 2)
        catalogue.tidy()
        assert catalogue.totals().pending == 1

    def test_wrong_permissions_are_to_be_set(self, catalogue: DatabaseManager) -> None:
        """What was confirmed of them is forgotten, the bytes are not."""
        observe(catalogue, [observation("a", permissions="0600")], [], NOW)
        operation = create_of(catalogue, "a")
        deliver_all(catalogue)
        repair(catalogue, Remedy.PERMIT, "a", operation.row_id)
        delivered = catalogue.settled_by_id([operation.row_id])[operation.row_id]
        assert (delivered.permissions, delivered.etag, revision(catalogue, "a")) == (None, "e1", 2)

    def test_several_remedies_are_one_effect(self, catalogue: DatabaseManager) -> None:
        """The revision grows once, and no remedy is lost by it."""
        observe(catalogue, [observation("a", permissions="0600")], [], NOW)
        deliver_all(catalogue)
        row_id = ids(catalogue)["a"]
        both = [Repair(remedy, row_id, 1, "a") for remedy in (Remedy.SEND_AGAIN, Remedy.PERMIT)]
        assert catalogue.within(repairing.repair, both, LATER) == 1
        delivered = catalogue.settled_by_id([row_id])[row_id]
        assert (delivered.permissions, delivered.etag, revision(catalogue, "a")) == (None, "?", 2)

    def test_a_new_revision_is_above_both_old_ones(self, catalogue: DatabaseManager) -> None:
        """Whatever was delivered last, its key is not used again."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        row_id = ids(catalogue)["a"]
        catalogue.mark([Operation(Kind.CHANGE_PERMISSION, row_id, 9, "a")])
        catalogue.within(lambda conn, _: conn.exec_driver_sql("UPDATE delivered SET revision = 9, doubt = NULL"))
        repair(catalogue, Remedy.MARK, "a", row_id)
        assert revision(catalogue, "a") == 10

    @pytest.mark.parametrize("remedy", [r for r in Remedy if r is not Remedy.LOOK])
    def test_a_row_that_has_moved_on_is_left_alone(self, catalogue: DatabaseManager, remedy: Remedy) -> None:
        """Another revision than the one that was checked, or an attempt under way."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        row_id = ids(catalogue)["a"]
        assert repair(catalogue, remedy, "a", row_id, 2) == 0
        catalogue.mark([Operation(Kind.CHANGE_PERMISSION, row_id, 1, "a")])
        assert repair(catalogue, remedy, "a", row_id, 1) == 0

    def test_an_extra_file_gets_a_row_that_is_to_be_deleted(self, catalogue: DatabaseManager) -> None:
        """Its id is new, and so is the key of its delete; once is enough."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        assert repair(catalogue, Remedy.DELETE, "extra") == 1
        assert repair(catalogue, Remedy.DELETE, "extra") == 0
        ((row_id, path, cause),) = catalogue.pending_deletes()
        assert (path, cause) == ("extra", "command")
        assert row_id > ids(catalogue)["a"]
        assert (catalogue.delivered_count(), catalogue.totals().pending) == (2, 1)

    def test_a_path_that_is_held_gets_no_second_row(self, catalogue: DatabaseManager) -> None:
        """It came back since the check, or is delivered still."""
        scan(catalogue, "a")
        assert repair(catalogue, Remedy.DELETE, "a") == 0
        deliver_all(catalogue)
        removed(catalogue, "a")
        assert repair(catalogue, Remedy.DELETE, "a") == 0

    def test_a_forgotten_delete_is_marked_under_a_new_revision(self, catalogue: DatabaseManager) -> None:
        """A delivered row that is no longer observed goes to the next run again."""
        scan(catalogue, "a")
        deliver_all(catalogue)
        row_id = removed(catalogue, "a")
        catalogue.within(lambda conn, _: conn.exec_driver_sql("DELETE FROM touched"))
        (left,) = catalogue.within(comparing.left_after, 0, 10)
        assert left.state is RowState.UNMARKED
        assert repair(catalogue, Remedy.DELETE, "a", row_id) == 1
        assert catalogue.settled_by_id([row_id])[row_id].revision == 2
        assert [path for _, path, _ in catalogue.pending_deletes()] == ["a"]

    def test_unseen_keys_are_to_be_looked_at(self, catalogue: DatabaseManager) -> None:
        """Once, however often it is asked for; nothing becomes pending by it."""
        scan(catalogue, "a")
        for _ in range(2):
            assert repair(catalogue, Remedy.LOOK, "new") == 1
        assert catalogue.relooks_due() == {"new": Relook(0, "check")}
        assert catalogue.within(comparing.look_due, "new")
        assert not catalogue.within(comparing.look_due, "a")

    def test_rows_are_read_in_key_order_with_their_state(self, catalogue: DatabaseManager) -> None:
        """A page at a time; each state by its own word."""
        scan(catalogue, *"abcde")
        deliver_all(catalogue)
        known = ids(catalogue)
        observe(
            catalogue, [observation("b", known["b"], 2, "e2", 2), observation("c", known["c"], 2, "e2", 2)], [], NOW
        )
        catalogue.confirm([], [failure(known["c"])])
        catalogue.within(lambda conn, _: conn.exec_driver_sql("UPDATE failures SET revision = 2, quarantined = 1"))
        catalogue.mark([Operation(Kind.UPDATE, known["d"], 2, "d")])
        catalogue.within(lambda conn, _: conn.exec_driver_sql("UPDATE delivered SET etag = 'x' WHERE file_path = 'e'"))
        first = catalogue.within(comparing.tracked_after, "", 3)
        rest = catalogue.within(comparing.tracked_after, first[-1].file_path, 3)
        states = [(row.file_path, row.state) for row in (*first, *rest)]
        assert states == [
            ("a", RowState.IN_STEP),
            ("b", RowState.WAITING),
            ("c", RowState.QUARANTINED),
            ("d", RowState.IN_DOUBT),
            ("e", RowState.UNMARKED),
        ]
        assert catalogue.within(comparing.tracked_at, "none") is None

    def test_routes_are_repaired_apart(self, catalogue: DatabaseManager) -> None:
        """A row id of another route is none of this one's; its check is kept apart too."""
        other = catalogue.for_route("backup")
        scan(other, "a")
        deliver_all(other)
        assert repair(catalogue, Remedy.SEND, "a", ids(other)["a"]) == 0
        assert catalogue.within(comparing.tracked_after, "", 10) == []
        other.within(repairing.put_check, {"time": NOW, "clean": True, "full": True})
        assert catalogue.totals().check is None
        assert other.totals().check is not None

    def test_the_last_clean_full_check_is_remembered(self, catalogue: DatabaseManager) -> None:
        """Through samples, and through checks that found something."""
        for result in ({"time": NOW, "clean": True, "full": True}, {"time": LATER, "clean": True, "full": False}):
            catalogue.within(repairing.put_check, result)
        kept = catalogue.totals().check
        assert kept == {"time": LATER, "clean": True, "full": False, "full_clean_at": NOW}
        catalogue.within(repairing.put_check, {"time": LATER, "clean": False, "full": True})
        kept = catalogue.totals().check
        assert kept is not None
        assert kept["full_clean_at"] == NOW
