"""Failures as a whole: how many there are and since when, and all of them, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from sync_service.catalogue import figures
from sync_service.catalogue.dialects import asking, chunked
from sync_service.models.changes import Failing, FailureRecord

_COUNT = (
    "SELECT operation, count(*), sum(CASE WHEN last_at >= ? THEN 1 ELSE 0 END) FROM failures WHERE route_id = ? "
    "GROUP BY operation ORDER BY operation"
)
_SET_ASIDE = "FROM failures f LEFT JOIN observed o ON o.id = f.id WHERE f.route_id = ? AND f.quarantined = 1"
_PAGE = "WHERE route_id = ? AND (id > ? OR (id = ? AND operation > ?)) ORDER BY id, operation LIMIT ?"


def failing_since(conn: Connection, route_id: int, since: str) -> Failing:
    """How many operations are failing, and of which kinds those are that have failed since then."""
    found = asking(conn)(_COUNT, since, route_id)
    _, silent = figures.unanswered_count(asking(conn), route_id)
    if silent:
        found.append(("look", silent, silent))
    return Failing(sum(int(n) for _, n, _ in found), {str(kind): int(late) for kind, _, late in found if late})


def unanswered(conn: Connection, route_id: int) -> list[FailureRecord]:
    """The keys that the source does not answer for, in order."""
    return figures.unanswered_records(asking(conn), route_id)


def failing_after(conn: Connection, route_id: int, last: FailureRecord | None, limit: int) -> list[FailureRecord]:
    """The failed operations behind `last` (None: from the start), in order of row and operation."""
    row_id, operation = (last.row_id, last.operation) if last is not None else (0, "")
    return figures.failure_records(asking(conn), _PAGE, route_id, row_id, row_id, operation, limit)


def set_aside(conn: Connection, route_id: int, paths: Sequence[str]) -> set[str]:
    """Those of `paths` whose objects are in quarantine: by the name under which they failed, or the one they have now."""
    found: set[str] = set()
    for part in chunked(paths):
        marks = ", ".join("?" for _ in part)
        for column in ("f.file_path", "o.file_path"):
            query = f"SELECT {column} {_SET_ASIDE} AND {column} IN ({marks})"
            found.update(str(path) for (path,) in asking(conn)(query, route_id, *part))
    return found
