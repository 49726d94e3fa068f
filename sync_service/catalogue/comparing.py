"""What a check reads of the catalogue: rows in key order with how their delivery stands, and paths that were left behind."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from sync_service.catalogue.dialects import asking
from sync_service.models.findings import Leftover, RowState, Tracked

# The words of the states are those of RowState.
_TRACKED = (
    'SELECT o.id, o.file_path, o.size, o.etag, o.last_modified, o.permissions, o.owner, o."group", o.revision, '
    "CASE WHEN d.doubt IS NOT NULL THEN 'in doubt' WHEN EXISTS (SELECT 1 FROM failures f WHERE f.id = o.id "
    "AND f.quarantined = 1 AND f.revision = o.revision) THEN 'in quarantine' "
    "WHEN t.id IS NOT NULL THEN 'waiting for the next run' "
    "WHEN o.file_path = d.file_path AND o.size = d.size AND o.etag = d.etag "
    "AND (o.permissions IS NULL OR o.permissions = d.permissions) AND (o.owner IS NULL OR o.owner = d.owner) "
    'AND (o."group" IS NULL OR o."group" = d."group") AND (o.file_type IS NULL OR o.file_type = d.file_type) '
    "THEN 'in step' ELSE 'unmarked' END "
    "FROM observed o LEFT JOIN delivered d ON d.id = o.id LEFT JOIN touched t ON t.id = o.id WHERE o.route_id = ? "
)
_LEFT = (
    "SELECT d.id, d.file_path, d.revision, "
    "CASE WHEN d.doubt IS NOT NULL THEN 'in doubt' WHEN t.id IS NULL THEN 'unmarked' "
    "WHEN EXISTS (SELECT 1 FROM failures f WHERE f.id = d.id AND f.quarantined = 1 AND f.revision = d.revision) "
    "THEN 'in quarantine' "
    "WHEN EXISTS (SELECT 1 FROM held h WHERE h.route_id = d.route_id) THEN 'held by the guard' "
    "ELSE 'waiting for the next run' END "
    "FROM delivered d LEFT JOIN observed o ON o.id = d.id LEFT JOIN touched t ON t.id = d.id "
    "WHERE d.route_id = ? AND o.id IS NULL AND d.id > ? ORDER BY d.id LIMIT ?"
)
# Only what an event is known to have done to this route's own rows: a path of another route is none of ours.
_FORMER = (
    "SELECT DISTINCT e.file_path FROM events e WHERE e.route_id = ? AND e.state = 'applied' AND e.file_path > ? "
    "AND NOT EXISTS (SELECT 1 FROM observed o WHERE o.route_id = e.route_id AND o.file_path = e.file_path) "
    "AND NOT EXISTS (SELECT 1 FROM delivered d WHERE d.route_id = e.route_id AND d.file_path = e.file_path) "
    "ORDER BY e.file_path LIMIT ?"
)


def tracked_after(conn: Connection, route_id: int, after: str, limit: int) -> list[Tracked]:
    """Observed rows with path > `after`, in order of the paths' UTF-8 bytes."""
    return _tracked(
        asking(conn)(f"{_TRACKED} AND o.file_path > ? ORDER BY o.file_path LIMIT ?", route_id, after, limit)
    )


def tracked_at(conn: Connection, route_id: int, path: str) -> Tracked | None:
    """The observed row at `path`."""
    return next(iter(_tracked(asking(conn)(f"{_TRACKED} AND o.file_path = ?", route_id, path))), None)


def look_due(conn: Connection, route_id: int, path: str) -> bool:
    """Whether the next run looks at `path` anyway."""
    return bool(asking(conn)("SELECT 1 FROM relooks WHERE route_id = ? AND file_path = ?", route_id, path))


def left_after(conn: Connection, route_id: int, after: int, limit: int) -> list[Leftover]:
    """Delivered rows that are no longer observed, in order of id."""
    return [
        Leftover(i, path, rev, RowState(state)) for i, path, rev, state in asking(conn)(_LEFT, route_id, after, limit)
    ]


def former_after(conn: Connection, route_id: int, after: str, limit: int) -> list[Leftover]:
    """Paths that recorded events were about and that no row holds any more, in order."""
    found = asking(conn)(_FORMER, route_id, after, limit)
    return [Leftover(0, str(path), 0, RowState.IN_STEP) for (path,) in found]


def is_held(conn: Connection, route_id: int, path: str) -> bool:
    """Whether any row of either table is at `path`."""
    ask = asking(conn)
    return any(
        ask(f"SELECT 1 FROM {table} WHERE route_id = ? AND file_path = ? LIMIT 1", route_id, path)  # noqa: S608
        for table in ("observed", "delivered")
    )


def _tracked(records: list[tuple[Any, ...]]) -> list[Tracked]:
    return [Tracked._make((*record[:-1], RowState(record[-1]))) for record in records]
