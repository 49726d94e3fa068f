"""Running totals of a route, kept in the very transactions that change its rows, so that nobody has to count them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from sync_service.catalogue.dialects import chunked, delete_ids
from sync_service.catalogue.tables import delivered, observed, routes


def add_observed(conn: Connection, route_id: int, files: int, size: int) -> None:
    """So many more files and bytes are observed; negative where they are gone."""
    if files or size:
        c = routes.c
        conn.execute(
            update(routes)
            .where(c.id == route_id)
            .values(observed_files=c.observed_files + files, observed_bytes=c.observed_bytes + size)
        )


def add_delivered(conn: Connection, route_id: int, files: int) -> None:
    """So many more rows are held by the destination."""
    if files:
        c = routes.c
        conn.execute(update(routes).where(c.id == route_id).values(delivered_files=c.delivered_files + files))


def drop_observed(conn: Connection, route_id: int, ids: Sequence[int]) -> None:
    """Deletes observed rows, and takes them off the totals."""
    files = size = 0
    for part in chunked(ids):
        query = select(func.count(), func.coalesce(func.sum(observed.c.size), 0)).where(observed.c.id.in_(part))
        there, weight = conn.execute(query).one()
        files, size = files + there, size + int(weight)
    delete_ids(conn, observed, ids)
    add_observed(conn, route_id, -files, -size)


def drop_delivered(conn: Connection, route_id: int, ids: Sequence[int]) -> None:
    """Deletes delivered rows, and takes them off the total."""
    add_delivered(conn, route_id, -delete_ids(conn, delivered, ids))


def recount(conn: Connection, route_id: int) -> None:
    """Sets the totals by counting: whoever has just listed a whole bucket can afford it, and no error outlives a scan."""
    files, size = conn.execute(
        select(func.count(), func.coalesce(func.sum(observed.c.size), 0)).where(observed.c.route_id == route_id)
    ).one()
    held = conn.execute(select(func.count()).where(delivered.c.route_id == route_id)).scalar_one()
    conn.execute(
        update(routes)
        .where(routes.c.id == route_id)
        .values(observed_files=files, observed_bytes=int(size), delivered_files=held)
    )
