"""What looks at single objects have shown, while events may have changed their rows: whoever came later keeps the word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from sync_service.catalogue import delivering, observing
from sync_service.catalogue.dialects import chunked
from sync_service.catalogue.tables import touched
from sync_service.models.changes import Observation

_CAUSE = "deliver"


def look_taken(
    conn: Connection, route_id: int, looks: Sequence[tuple[Observation, Observation | None]], now: str
) -> None:
    """Rows as they were before a look, each with what it showed (None: gone). One that has changed meanwhile stays as it is."""
    rows = observing.observations_by_id(conn, [known.row.id for known, _ in looks])
    still = [(known, look) for known, look in looks if rows.get(known.row.id) == known]
    observing.remove_observed(conn, route_id, [known.row.id for known, look in still if look is None], now, _CAUSE)
    observing.put_observations(conn, route_id, [look for _, look in still if look is not None], now, _CAUSE)
    delivering.leave_in_step(conn, [known.row.id for known, _ in still])


def put_back(conn: Connection, route_id: int, seen: Sequence[Observation], now: str) -> None:
    """Objects that are there again; where a row has their path by now, it stays as it is."""
    here = observing.observations_at(conn, route_id, [look.row.file_path for look in seen])
    observing.put_observations(conn, route_id, [look for look in seen if look.row.file_path not in here], now, _CAUSE)


def pending_since_before(conn: Connection, _route_id: int, ids: Iterable[int], when: str) -> set[int]:
    """Those of these rows that have been pending since before `when`."""
    found: set[int] = set()
    for part in chunked(ids):
        query = select(touched.c.id).where(touched.c.id.in_(part), touched.c.since < when)
        found.update(conn.execute(query).scalars())
    return found
