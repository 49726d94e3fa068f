"""The running totals are always what counting gives: after any sequence of changes, and after a scan even if they were not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync_service.catalogue import delivering
from sync_service.models.data_models import Kind, Operation, Result
from sync_service.models.errors import SyncError
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import NOW, create_of, deliver, deliver_all, event_commit, ids, listed, observation, scan

KEYS = st.sampled_from(["a", "b", "c", "d/e", "d/f", "ü"])
SIZES = st.integers(0, 2**40)
RESULTS = st.sampled_from(list(Result))


class Totals(RuleBasedStateMachine):
    """Any changes, of two routes, some of which fail half-way."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.manager = DatabaseManager(self.folder / "sync.db").open_writer(NOW)
        self.routes = [self.manager, self.manager.for_route("backup")]

    @rule(which=st.integers(0, 1), found=st.dictionaries(KEYS, SIZES))
    def listed_anew(self, which: int, found: dict[str, int]) -> None:
        """New keys of a listing, without the recount at its end."""
        route = self.routes[which]
        entries = [listed(key, size) for key, size in sorted(found.items()) if key not in ids(route)]
        with route._session.transaction() as conn:
            from sync_service.catalogue import observing

            observing.insert_listed(conn, route._id(conn), entries, NOW, "scan")

    @rule(which=st.integers(0, 1), wanted=st.dictionaries(KEYS, SIZES), gone=st.sets(KEYS))
    def observed_anew(self, which: int, wanted: dict[str, int], gone: set[str]) -> None:
        """Changed and new rows, and rows that are gone, in one batch."""
        route = self.routes[which]
        known = ids(route)
        seen = [observation(key, known.get(key, 0), size) for key, size in wanted.items()]
        route.commit_events(event_commit(*seen, removed=[known[k] for k in gone - set(wanted) if k in known]), NOW)

    @rule(which=st.integers(0, 1), key=KEYS)
    def collided(self, which: int, key: str) -> None:
        """A batch that cannot be written changes nothing."""
        with pytest.raises(SyncError):
            self.routes[which].commit_events(event_commit(observation(key), observation("x"), observation("x")), NOW)

    @rule(which=st.integers(0, 1), key=KEYS, result=RESULTS)
    def created(self, which: int, key: str, result: Result) -> None:
        route = self.routes[which]
        if key in ids(route):
            deliver(route, create_of(route, key), result=result)

    @rule(which=st.integers(0, 1), key=KEYS, kind=st.sampled_from([Kind.UPDATE, Kind.DELETE]), result=RESULTS)
    def told(self, which: int, key: str, kind: Kind, result: Result) -> None:
        route = self.routes[which]
        for row_id in route.holders([key]).values():
            deliver(route, Operation(kind, row_id, 1, key), result=result)

    @rule(which=st.integers(0, 1))
    def released(self, which: int) -> None:
        route = self.routes[which]
        route.within(delivering.release, [doubt.operation for doubt in route.doubts()])

    @invariant()
    def totals_are_exact(self) -> None:
        if hasattr(self, "manager"):
            exact, running = counted(self.folder / "sync.db")
            assert running == exact
            assert [(r.totals().files, r.totals().size, r.delivered_count()) for r in self.routes] == exact

    def teardown(self) -> None:
        if hasattr(self, "manager"):
            self.manager.close()


def counted(path: Path) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """(what counting gives, what is kept) as (files, bytes, delivered) of each route."""
    exact = (
        "SELECT (SELECT count(*) FROM observed o WHERE o.route_id = r.id), (SELECT coalesce(sum(size), 0) FROM observed o "
        "WHERE o.route_id = r.id), (SELECT count(*) FROM delivered d WHERE d.route_id = r.id) FROM routes r ORDER BY id"
    )
    kept = "SELECT observed_files, observed_bytes, delivered_files FROM routes ORDER BY id"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(exact).fetchall(), connection.execute(kept).fetchall()


def test_the_running_totals_are_what_counting_gives(tmp_path: Path) -> None:
    """After any sequence of listings, events, marks and outcomes, of two routes."""
    Totals.folder = tmp_path / "data"
    machine = Totals.TestCase
    machine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
    machine().runTest()


def test_a_scan_puts_wrong_totals_right(tmp_path: Path) -> None:
    """Whatever they say: at the end of a listing they are counted."""
    path = tmp_path / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "a", "b")
    deliver_all(manager)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE routes SET observed_files = 'many', observed_bytes = -5, delivered_files = 0")
    scan(manager, "c")
    assert (manager.totals().files, manager.totals().size, manager.delivered_count()) == (3, 3, 2)
    manager.close()
