"""Everything that the catalogue knows of one path, put together from its tables inside the caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from sync_service.catalogue import delivering, figures, intake, ledger, observing
from sync_service.catalogue.dialects import asking
from sync_service.models.changes import Explanation


def explain(conn: Connection, route_id: int, path: str) -> Explanation:
    """What was observed, delivered, attempted, refused, held and told of the object at `path`."""
    here = observing.observations_at(conn, route_id, [path]).get(path)
    row_id = here.row.id if here else delivering.holders(conn, route_id, [path]).get(path)
    ids = [row_id] if row_id is not None else []
    doubt = next((d.operation for d in delivering.doubts(conn, route_id) if d.row.id == row_id), None)
    held = figures.held(asking(conn), route_id)
    return Explanation(
        observed=here.row if here else None,
        delivered=delivering.rows_by_id(conn, ids).get(row_id or 0),
        doubt=doubt,
        pending=observing.is_touched(conn, ids),
        held=f"deletes are held: {held.reason}" if held else None,
        failures=list(ledger.failures_of(conn, ids).values()),
        events=intake.events_at(conn, route_id, path),
    )
