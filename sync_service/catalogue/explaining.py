"""Everything that the catalogue knows of one path, put together from its tables inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from sync_service.catalogue import delivering, figures, history, intake, ledger, observing
from sync_service.catalogue.dialects import asking
from sync_service.models.changes import Explanation, OperationRecord


def explain(conn: Connection, route_id: int, path: str) -> Explanation:
    """What was observed, delivered, attempted, refused, held and told of the object that is, or last was, at `path`."""
    before = history.rows_at(conn, route_id, path)
    row_id = _row_at(conn, route_id, path, before)
    ids = [] if row_id is None else [row_id]
    here = observing.observations_by_id(conn, ids).get(row_id or 0)
    told = history.of_rows(conn, route_id, list(dict.fromkeys([*ids, *before])))
    ask = asking(conn)
    held = figures.held(ask, route_id)
    return Explanation(
        observed=here.row if here else None,
        delivered=delivering.rows_by_id(conn, ids).get(row_id or 0),
        doubt=next((d.operation for d in delivering.doubts(conn, route_id) if d.row.id == row_id), None),
        pending=observing.pending(conn, row_id),
        held=f"deletes are held: {held.reason}" if held else None,
        failures=list(ledger.failures_of(conn, ids).values()),
        events=intake.events_at(conn, route_id, _paths(path, told, row_id)),
        operations=told,
        scan=figures.scan_state(ask, route_id),
        relook=intake.relook_of(conn, route_id, path),
        next_run=figures.next_run(ask, route_id),
    )


def _row_at(conn: Connection, route_id: int, path: str, before: Sequence[int]) -> int | None:
    """The row that is at `path`; where none is, the last one that was there and still is somewhere."""
    if here := observing.observations_at(conn, route_id, [path]).get(path):
        return here.row.id
    if (holder := delivering.holders(conn, route_id, [path]).get(path)) is not None:
        return holder
    alive = {**delivering.rows_by_id(conn, before), **observing.observations_by_id(conn, before)}
    return next((row_id for row_id in before if row_id in alive), None)


def _paths(path: str, told: Sequence[OperationRecord], row_id: int | None) -> set[str]:
    """`path`, and every other one that the row has had."""
    own = [record for record in told if record.row_id == row_id]
    return {path, *(o.file_path for o in own), *(o.new_path for o in own if o.new_path is not None)}
