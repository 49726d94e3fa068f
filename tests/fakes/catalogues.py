"""Short ways to fill a catalogue in tests: listings, observations, outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from sync_service.catalogue import delivering, observing
from sync_service.models.changes import EventCommit, Observation, ScanCommit
from sync_service.models.data_models import Kind, Listed, ObjectInfo, Operation, Outcome, Receipt, Result, Row, Seen
from sync_service.services.database_manager import DatabaseManager

NOW = "2026-11-21T08:00:00.000Z"
LATER = "2026-11-21T09:00:00.000Z"
MODIFIED = "2026-01-01T00:00:00Z"


def listed(key: str, size: int = 1, etag: str = "e1") -> Listed:
    return Listed(key, size, etag, MODIFIED)


def scan(catalogue: DatabaseManager, *entries: Listed | str, now: str = NOW) -> None:
    """A whole scan in one stretch that finds exactly new keys, in order of their bytes."""
    found = sorted((listed(e) if isinstance(e, str) else e for e in entries), key=lambda e: e.key.encode())
    state = catalogue.begin_scan(now, None)
    commit = ScanCommit(found, [], [], "", found[-1].key if found else None, len(found), sum(e.size for e in found))
    catalogue.complete_scan(catalogue.commit_scan(state, commit, now), now)


def observation(
    key: str, row_id: int = 0, size: int = 1, etag: str = "e1", revision: int = 1, **more: str | None
) -> Observation:
    return Observation(Row(row_id, key, size, etag, MODIFIED, revision=revision, **more), Seen())  # type: ignore[arg-type]


def event_commit(
    *observations: Observation, removed: Sequence[int] = (), cursor: str | None = None, **more: object
) -> EventCommit:
    return replace(EventCommit([], [], list(observations), list(removed), cursor), **more)  # type: ignore[arg-type]


def ids(catalogue: DatabaseManager) -> dict[str, int]:
    """path -> id of every observed row."""
    return {row.file_path: row.id for row in catalogue.within(observing.known_between, None, None)}


def create_of(catalogue: DatabaseManager, path: str) -> Operation:
    row = catalogue.observations_at([path])[path].row
    return Operation(Kind.CREATE, row.id, row.revision, row.file_path, size=row.size, etag=row.etag)


def outcome(operation: Operation, result: Result = Result.DONE, *, certain: bool = True, **receipt: str) -> Outcome:
    info = ObjectInfo(operation.file_path, operation.size, operation.etag, MODIFIED, "text/plain")
    return Outcome(operation, result, Receipt(**receipt), info, certain=certain)  # type: ignore[arg-type]


def deliver(catalogue: DatabaseManager, *operations: Operation, result: Result = Result.DONE) -> None:
    """Marks and confirms."""
    catalogue.mark(operations)
    catalogue.confirm([outcome(operation, result, internal_id=f"i{operation.row_id}") for operation in operations], [])


def deliver_all(catalogue: DatabaseManager) -> None:
    """Everything that is observed becomes delivered."""
    deliver(catalogue, *(create_of(catalogue, path) for path in ids(catalogue)))


def before(catalogue: DatabaseManager, full: bool = False) -> list[tuple[object, ...]]:
    return [tuple(row) for row in catalogue.delivered_rows(full)]


def after(catalogue: DatabaseManager, full: bool = False) -> list[tuple[object, ...]]:
    return [tuple(row) for row in catalogue.observed_rows(full)]


def observe(catalogue: DatabaseManager, seen: Sequence[Observation], gone: Sequence[int], now: str) -> None:
    """Rows of `observed` as they are to be; they are touched where they differ from what was delivered."""

    def written(conn: Connection, route_id: int) -> None:
        observing.remove_observed(conn, route_id, gone, now, "deliver")
        observing.put_observations(conn, route_id, seen, now, "deliver")
        delivering.leave_in_step(conn, [*gone, *(look.row.id for look in seen)])

    catalogue.within(written)
