"""The Catalogue: what was observed and what was delivered, in one database with one writer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Concatenate, Self

from sqlalchemy import Connection, select, update

from sync_service.catalogue import delivering, explaining, figures, history, intake, ledger, observing, running_totals
from sync_service.catalogue.dialects import asking
from sync_service.catalogue.engine import location, sqlite_file
from sync_service.catalogue.lock import Holder
from sync_service.catalogue.migrate import backup
from sync_service.catalogue.problems import translated
from sync_service.catalogue.session import Session
from sync_service.catalogue.stored import stored
from sync_service.catalogue.tables import meta, routes
from sync_service.models.changes import (
    Doubt,
    EventCommit,
    Explanation,
    FailureRecord,
    Observation,
    OperationRecord,
    Relook,
    RunRecord,
    ScanCommit,
    ScanState,
    ScanStatus,
    Totals,
)
from sync_service.models.data_models import Operation, Outcome, Row
from sync_service.models.errors import CatalogueMissing, SyncError
from sync_service.services.concurrency import P, T

EVENTS_KEPT = 200_000
OPERATIONS_KEPT = 100_000
RUNS_KEPT = 1_000
SNAPSHOT_STEP = 10_000


class DatabaseManager:
    """One route's view of the catalogue at `target` (a path, or a database URL).

    Made by a path alone it only reads, and never waits for the writer. `open_writer` takes the writer's lock for life,
    checks the file and brings its schema up. Times are ISO 8601 UTC text and come in as arguments.
    Raises the Catalogue* and Storage* errors of `models/errors.py`.
    """

    def __init__(self, target: str | Path, route: str = "customer") -> None:
        self._session = Session(location(target))
        self._route_id: int | None = None
        self._catalogue_id: str | None = None
        self.route = route

    # ------------------------------------------------------------ opening

    def open_writer(self, now: str, command: str = "", thorough: bool = True) -> Self:
        """Becomes the one writer. `thorough` False leaves the check of a large file to the daemon's start."""
        self._session.open_writer(now, command, thorough)
        try:
            self._add_route()
        except BaseException:
            self.close()
            raise
        return self

    def for_route(self, route: str) -> DatabaseManager:
        """Another route's view of the same open catalogue."""
        other = DatabaseManager.__new__(DatabaseManager)
        other._session, other._route_id, other.route = self._session, None, route
        other._catalogue_id = self._catalogue_id
        if self._session.writing:
            other._add_route()
        return other

    def close(self) -> None:
        """Gives up the connection, then the lock."""
        self._session.close()

    def copy_to(self, target: Path) -> None:
        """A copy of the catalogue as it is now, also while it is written. SQLite only."""
        self.get_record_count()
        path = sqlite_file(self._session.url)
        if path is None:
            raise SyncError(
                "a catalogue in PostgreSQL cannot be copied", hint="Use the server's own tools, such as pg_dump"
            )
        with translated(self._session.name):
            backup(path, target)

    def holder(self) -> Holder | None:
        """Who the writer is now."""
        return self._session.lock.holder()

    def tell_trouble(self, trouble: str) -> None:
        """Leaves word for `status` of what ended the last run, also where nothing can be committed; empty: nothing did."""
        self._session.tell(trouble)

    @property
    def catalogue_id(self) -> str:
        """Made anew by creation, restore and rebuild; part of every idempotency key. Read once: a reload asks amid a run."""
        if self._catalogue_id is None:
            with self._transaction() as conn:
                found = conn.execute(select(meta.c.value).where(meta.c.name == "catalogue_id")).scalars().all()
                self._catalogue_id = stored(lambda: str(found[0]))
        return self._catalogue_id

    def within(self, question: Callable[Concatenate[Connection, int, P], T], *values: P.args, **named: P.kwargs) -> T:
        """A function of `catalogue/` on this route, in a transaction of its own."""
        with self._transaction() as conn:
            return question(conn, self._id(conn), *values, **named)

    def _transaction(self) -> AbstractContextManager[Connection]:
        return self._session.transaction()

    def _add_route(self) -> None:
        with self._transaction() as conn:
            if conn.execute(select(routes.c.id).where(routes.c.name == self.route)).scalar() is None:
                conn.execute(routes.insert().values(name=self.route))

    def _id(self, conn: Connection) -> int:
        if self._route_id is None:
            found = conn.execute(select(routes.c.id).where(routes.c.name == self.route)).scalar()
            if found is None:
                raise CatalogueMissing(f"the catalogue knows no route {self.route!r}", subject=self._session.name)
            self._route_id = int(found)
        return self._route_id

    # ------------------------------------------------------------ figures

    def get_record_count(self) -> int:
        """How many objects are observed, over all routes."""
        with self._transaction() as conn:
            return figures.observed(asking(conn))[0]

    def delivered_count(self) -> int:
        with self._transaction() as conn:
            return figures.delivered(asking(conn), self._id(conn))

    def totals(self) -> Totals:
        with self._transaction() as conn:
            return figures.totals(asking(conn), self._id(conn))

    def route_names(self) -> list[str]:
        with self._transaction() as conn:
            return [name for _, name in figures.routes(asking(conn))]

    # ------------------------------------------------------------ position, identity, initial sync

    def cursor(self) -> str | None:
        with self._transaction() as conn:
            return conn.execute(select(routes.c.cursor).where(routes.c.id == self._id(conn))).scalar()

    def positioned(self) -> bool:
        """Whether the log's position before the first scan is noted."""
        with self._transaction() as conn:
            return bool(conn.execute(select(routes.c.positioned).where(routes.c.id == self._id(conn))).scalar())

    def source_identity(self) -> str | None:
        with self._transaction() as conn:
            return conn.execute(select(routes.c.source_identity).where(routes.c.id == self._id(conn))).scalar()

    def set_source_identity(self, identity: str) -> None:
        with self._transaction() as conn:
            conn.execute(update(routes).where(routes.c.id == self._id(conn)).values(source_identity=identity))

    def finish_initial(self) -> None:
        """The first sync has been through every step once."""
        with self._transaction() as conn:
            conn.execute(update(routes).where(routes.c.id == self._id(conn)).values(initial_done=1))

    # ------------------------------------------------------------ scan

    def scan_state(self) -> ScanState:
        with self._transaction() as conn:
            return figures.scan_state(asking(conn), self._id(conn))

    def begin_scan(self, now: str, suspicion: str | None) -> ScanState:
        """A new scan from the first page; what an abandoned one had found missing is forgotten."""
        with self._transaction() as conn:
            last = figures.scan_state(asking(conn), self._id(conn)).finished_at
            state = ScanState(ScanStatus.RUNNING, started_at=now, finished_at=last, suspicion=suspicion)
            intake.clear_missing(conn, self._id(conn))
            intake.put_scan_state(conn, self._id(conn), state)
        return state

    def commit_scan(self, state: ScanState, commit: ScanCommit, now: str) -> ScanState:
        """One stretch of the listing with where it got to, in one transaction."""
        after = state.after(commit)
        with self._transaction() as conn:
            route_id = self._id(conn)
            observing.insert_listed(conn, route_id, commit.new, now, "scan")
            observing.put_observations(conn, route_id, commit.changed, now, "scan")
            intake.add_missing(conn, route_id, commit.missing)
            intake.put_scan_state(conn, route_id, after)
        return after

    def settle_missing(
        self, gone: Sequence[int], seen: Sequence[Observation], checked: Sequence[int], now: str
    ) -> None:
        """What a look at rows that were not listed has shown."""
        with self._transaction() as conn:
            route_id = self._id(conn)
            observing.remove_observed(conn, route_id, gone, now, "scan")
            observing.put_observations(conn, route_id, seen, now, "scan")
            intake.clear_missing(conn, route_id, checked)

    def complete_scan(self, state: ScanState, now: str) -> None:
        with self._transaction() as conn:
            route_id = self._id(conn)
            intake.end_scan(conn, route_id, state, now)
            running_totals.recount(conn, route_id)

    # ------------------------------------------------------------ events

    def known_events(self, keys: Sequence[str]) -> set[str]:
        with self._transaction() as conn:
            return intake.known_events(conn, self._id(conn), keys)

    def last_position(self) -> int:
        with self._transaction() as conn:
            return intake.last_position(conn)

    def observations_at(self, paths: Iterable[str]) -> dict[str, Observation]:
        with self._transaction() as conn:
            return observing.observations_at(conn, self._id(conn), paths)

    def observations_by_id(self, ids: Iterable[int]) -> dict[int, Observation]:
        with self._transaction() as conn:
            return observing.observations_by_id(conn, ids)

    def commit_events(self, commit: EventCommit, now: str) -> None:
        """Events, the cursor and their effects on `observed`: one transaction."""
        with self._transaction() as conn:
            route_id = self._id(conn)
            intake.record_events(conn, route_id, commit.events, now)
            intake.forget_retold(conn, route_id, commit.told)
            intake.record_poison(conn, route_id, commit.poison, now)
            observing.remove_observed(conn, route_id, commit.removed, now, "event")
            observing.put_observations(conn, route_id, commit.observations, now, "event")
            intake.put_relooks(conn, route_id, commit.relooks)
            intake.set_cursor(conn, route_id, commit.cursor)

    def relooks_due(self) -> dict[str, Relook]:
        with self._transaction() as conn:
            return intake.relooks_due(conn, self._id(conn))

    # ------------------------------------------------------------ snapshot and delivery

    def delivered_rows(self, full: bool) -> Generator[tuple[Any, ...], None, None]:
        with self._transaction() as conn:
            yield from delivering.delivered_rows(conn, self._id(conn), full, SNAPSHOT_STEP)

    def observed_rows(self, full: bool) -> Generator[tuple[Any, ...], None, None]:
        with self._transaction() as conn:
            yield from delivering.observed_rows(conn, self._id(conn), full, SNAPSHOT_STEP)

    def settled_by_id(self, ids: Sequence[int]) -> dict[int, Row]:
        """Delivered rows, those in doubt left out."""
        with self._transaction() as conn:
            return delivering.rows_by_id(conn, ids, settled=True)

    def doubts(self) -> list[Doubt]:
        with self._transaction() as conn:
            return delivering.doubts(conn, self._id(conn))

    def holders(self, paths: Sequence[str]) -> dict[str, int]:
        with self._transaction() as conn:
            return delivering.holders(conn, self._id(conn), paths)

    def mark(self, operations: Sequence[Operation]) -> None:
        """Committed before any of these calls leaves."""
        with self._transaction() as conn:
            delivering.mark(conn, self._id(conn), operations)

    def confirm(
        self,
        outcomes: Sequence[Outcome],
        failed: Sequence[FailureRecord],
        told: Sequence[OperationRecord] = (),
    ) -> None:
        """Outcomes with what their attempts learned, the failures among them, and their history: one transaction."""
        with self._transaction() as conn:
            route_id = self._id(conn)
            observing.learn(conn, outcomes)
            delivering.confirm(conn, route_id, outcomes)
            ledger.clear_failures(
                conn, [key for outcome in outcomes for key in ledger.failures_over(outcome.operation)]
            )
            ledger.put_failures(conn, route_id, failed)
            history.add(conn, route_id, told, OPERATIONS_KEPT)

    def tidy(self) -> None:
        """After a cycle: rows in step are no longer touched, old events and stale failures are forgotten."""
        with self._transaction() as conn:
            route_id = self._id(conn)
            delivering.leave_in_step(conn)
            ledger.forget_stale_failures(conn, route_id)
            ledger.clear_spent_approvals(conn, route_id)
            intake.prune_events(conn, EVENTS_KEPT)

    # ------------------------------------------------------------ failures, guard, runs

    def failures_of(self, ids: Sequence[int]) -> dict[tuple[int, str], FailureRecord]:
        with self._transaction() as conn:
            return ledger.failures_of(conn, ids)

    def list_failures(self, limit: int = 100) -> list[FailureRecord]:
        with self._transaction() as conn:
            return figures.failing(asking(conn), self._id(conn), limit)

    def try_again(self, paths: Sequence[str], now: str, kind: str | None = None) -> int:
        """Takes objects out of quarantine (none named: all; of one kind, or any); how many."""
        with self._transaction() as conn:
            route_id = self._id(conn)
            ids = ledger.try_again(conn, route_id, paths, kind)
            observing.touch(conn, route_id, ids, now, "command")
            return len(ids)

    def explain(self, path: str) -> Explanation:
        """Everything that is known of the object at `path`."""
        with self._transaction() as conn:
            return explaining.explain(conn, self._id(conn), path)

    def put_held(self, deletes: int, reason: str, now: str) -> None:
        with self._transaction() as conn:
            ledger.put_held(conn, self._id(conn), deletes, reason, now)

    def approved(self) -> dict[int, str]:
        with self._transaction() as conn:
            return ledger.approved(conn, self._id(conn))

    def approve(self, deletes: Sequence[tuple[int, str]], now: str) -> None:
        with self._transaction() as conn:
            ledger.approve(conn, self._id(conn), deletes, now)

    def pending_deletes(self, after: int = 0, limit: int | None = None) -> list[tuple[int, str, str]]:
        with self._transaction() as conn:
            return ledger.pending_deletes(conn, self._id(conn), after, limit)

    def delete_causes(self, ids: Sequence[int]) -> dict[int, str]:
        """Why each of these rows is to be deleted; rows that are no longer to be are left out."""
        with self._transaction() as conn:
            return ledger.delete_causes(conn, ids)

    def set_next_run(self, when: str | None) -> None:
        with self._transaction() as conn:
            conn.execute(update(routes).where(routes.c.id == self._id(conn)).values(next_run=when))

    def next_run(self) -> str | None:
        with self._transaction() as conn:
            return figures.next_run(asking(conn), self._id(conn))

    def last_success(self) -> str | None:
        with self._transaction() as conn:
            return figures.last_success(asking(conn), self._id(conn))

    def begin_run(self, run: RunRecord) -> None:
        """Notes that a run begins; raises CatalogueUnusable where the catalogue's file is gone."""
        self._session.require_file()
        with self._transaction() as conn:
            ledger.begin_run(conn, self._id(conn), run)

    def end_run(self, run: RunRecord) -> None:
        with self._transaction() as conn:
            ledger.end_run(conn, run, RUNS_KEPT)

    def mark_reported(self, run_id: str) -> None:
        with self._transaction() as conn:
            ledger.mark_reported(conn, run_id)

    def runs(self, limit: int = 20, unreported: bool = False) -> list[RunRecord]:
        with self._transaction() as conn:
            return figures.runs(asking(conn), self._id(conn), limit, unreported)

    def run(self, run_id: str) -> RunRecord | None:
        with self._transaction() as conn:
            return figures.run(asking(conn), run_id)
