"""The comparison after a restore or rebuild: `delivered` is a list of paths that may be held, until `get` has told of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from sync_service.catalogue.delivering import UNKNOWN_VERSION, leave_in_step
from sync_service.catalogue.dialects import chunked, execute_many, insert_rows
from sync_service.catalogue.doubts import decode_operation
from sync_service.catalogue.figures import unverified_name
from sync_service.catalogue.intake import last_position
from sync_service.catalogue.observing import WHOLE, observation_of, put_observations, take_ids, touch
from sync_service.catalogue.running_totals import add_delivered, drop_delivered
from sync_service.catalogue.stored import stored
from sync_service.catalogue.tables import (
    approvals,
    delivered,
    events,
    failures,
    held,
    meta,
    observed,
    routes,
    scan_missing,
    scans,
)
from sync_service.models.changes import Observation
from sync_service.models.data_models import Receipt
from sync_service.models.verification import Loose, Unverified, Verdict

_HELD = (
    "id", "route_id", "file_path", "permissions", "owner", "group", "size", "file_type", "etag", "last_modified",
    "internal_id", "version_id", "revision",
)  # fmt: skip

_NAMING_A_KEY = "not in the source"
"""The reason of a skipped event whose key is one of the route's all the same."""


def distrust(conn: Connection, catalogue_id: str, trust_size: bool) -> None:
    """Makes a copy of an older state fit to go on with: a new identity, a scan due, and no delivered row believed.

    What a person agreed to, what was held and what had failed was said of a state that is no more.
    """
    conn.execute(update(meta).where(meta.c.name == "catalogue_id").values(value=catalogue_id))
    for table in (scans, scan_missing, approvals, held, failures):
        conn.execute(delete(table))
    marker = Unverified("restored", trust_size, events_after=last_position(conn))
    for route_id in conn.execute(select(routes.c.id)).scalars().all():
        put(conn, route_id, marker)
        add_candidates(conn, route_id, _doubted_targets(conn, route_id))
    conn.execute(update(delivered).values(etag=UNKNOWN_VERSION, permissions=None, owner=None, group=None, doubt=None))


def _doubted_targets(conn: Connection, route_id: int) -> list[str]:
    """Paths to which an attempt in doubt may have moved a file."""
    query = select(delivered.c.doubt).where(delivered.c.route_id == route_id, delivered.c.doubt.is_not(None))
    found = (decode_operation(doubt).new_path for doubt in conn.execute(query).scalars())
    return [path for path in found if path is not None]


def add_candidates(conn: Connection, route_id: int, paths: Iterable[str]) -> int:
    """Rows for paths that may be held as well, where no row is there; how many are new."""
    added = 0
    for part in chunked(dict.fromkeys(paths)):
        query = select(delivered.c.file_path).where(delivered.c.route_id == route_id, delivered.c.file_path.in_(part))
        there = set(conn.execute(query).scalars())
        fresh = [path for path in part if path not in there]
        rows = [
            (row_id, route_id, path, None, None, None, 0, None, UNKNOWN_VERSION, "", None, None, 1)
            for row_id, path in zip(take_ids(conn, len(fresh)), fresh, strict=True)
        ]
        insert_rows(conn, delivered, _HELD, rows)
        added += len(rows)
    add_delivered(conn, route_id, added)
    return added


# ---------------------------------------------------------------- where it stands


def marker_of(conn: Connection, route_id: int) -> Unverified | None:
    """Where the comparison of a route stands; None where none is due."""
    text = conn.execute(select(meta.c.value).where(meta.c.name == unverified_name(route_id))).scalar()
    return None if text is None else stored(_decoded, text)


def put(conn: Connection, route_id: int, marker: Unverified) -> None:
    """Notes where it stands."""
    name, value = unverified_name(route_id), json.dumps(asdict(marker))
    if conn.execute(update(meta).where(meta.c.name == name).values(value=value)).rowcount == 0:
        conn.execute(meta.insert().values(name=name, value=value))


def clear(conn: Connection, route_id: int) -> None:
    """The destination has been asked about everything."""
    conn.execute(delete(meta).where(meta.c.name == unverified_name(route_id)))


def _decoded(text: str) -> Unverified:
    return Unverified(**json.loads(text))


# ---------------------------------------------------------------- the observed rows


def observed_after(conn: Connection, route_id: int, after: int, limit: int) -> list[Observation]:
    """Observed rows behind the id `after`, in order of id."""
    query = WHOLE.where(observed.c.route_id + 0 == route_id, observed.c.id > after).order_by(observed.c.id)
    return [observation_of(record) for record in conn.execute(query.limit(limit))]


def settle(conn: Connection, route_id: int, verdicts: Sequence[Verdict], now: str) -> None:
    """Whoever is observed at a path holds what is found there; a row that was believed elsewhere leaves that path loose."""
    put_observations(conn, route_id, [v.seen for v in verdicts if v.seen is not None], now, "scan")
    told = [verdict for verdict in verdicts if verdict.told]
    left = _left_behind(conn, {verdict.row_id: verdict.file_path for verdict in told})
    gone = execute_many(conn, "DELETE FROM delivered WHERE id = ?", [(v.row_id,) for v in told])
    gone += execute_many(
        conn, "DELETE FROM delivered WHERE route_id = ? AND file_path = ?", [(route_id, v.file_path) for v in told]
    )
    rows = [_held(route_id, verdict, verdict.found) for verdict in told if verdict.found is not None]
    insert_rows(conn, delivered, _HELD, rows)
    add_delivered(conn, route_id, len(rows) - gone)
    add_candidates(conn, route_id, left)
    ids = [verdict.row_id for verdict in verdicts]
    touch(conn, route_id, ids, now, "scan")
    leave_in_step(conn, ids)


def _left_behind(conn: Connection, paths: dict[int, str]) -> list[str]:
    """Where these rows were believed to be, other than at their paths."""
    found: list[str] = []
    for part in chunked(paths):
        query = select(delivered.c.id, delivered.c.file_path).where(delivered.c.id.in_(part))
        found += [path for row_id, path in conn.execute(query) if path != paths[row_id]]
    return found


def _held(route_id: int, verdict: Verdict, found: Receipt) -> tuple[Any, ...]:
    """The delivered row: that of the source where the bytes are right, else a path that is held with unknown bytes."""
    said = (found.permissions, found.owner, found.group)
    if not verdict.right or verdict.seen is None:
        unknown = (found.size or 0, None, UNKNOWN_VERSION, "", found.internal_id, None, 1)
        return (verdict.row_id, route_id, verdict.file_path, *said, *unknown)
    row = verdict.seen.row
    known = (row.size, row.file_type, row.etag, row.last_modified, found.internal_id, row.version_id, row.revision)
    return (row.id, route_id, row.file_path, *said, *known)


# ---------------------------------------------------------------- paths that no observed row claims


def add_named(conn: Connection, route_id: int, position: int) -> int:
    """Candidates from what events have named since `position` and the source does not have now; how many."""
    named: set[str] = set()
    for column in (events.c.file_path, events.c.new_path):
        query = select(column).where(
            events.c.route_id == route_id,
            events.c.seq > position,
            column.is_not(None),
            or_(events.c.reason.is_(None), events.c.reason == _NAMING_A_KEY),
        )
        named.update(path for path in conn.execute(query).scalars() if path)
    return add_candidates(conn, route_id, sorted(named - _observed_among(conn, route_id, named)))


def _observed_among(conn: Connection, route_id: int, paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for part in chunked(paths):
        query = select(observed.c.file_path).where(observed.c.route_id == route_id, observed.c.file_path.in_(part))
        found.update(conn.execute(query).scalars())
    return found


def loose_after(conn: Connection, route_id: int, after: int, limit: int) -> list[Loose]:
    """Delivered rows behind the id `after` that are not observed where they are, in order of id."""
    o, d = observed.c, delivered.c
    query = (
        select(d.id, d.file_path, func.coalesce(o.id, 0))
        .select_from(delivered.outerjoin(observed, o.id == d.id))
        .where(d.route_id + 0 == route_id, d.id > after, or_(o.id.is_(None), o.file_path != d.file_path))
        .order_by(d.id)
    )
    return [Loose(row_id, path, bool(seen)) for row_id, path, seen in conn.execute(query.limit(limit))]


def settle_loose(conn: Connection, route_id: int, verdicts: Sequence[Verdict], now: str) -> None:
    """What is not there is forgotten; what is there is pending: a rename, a delete, or another look at the source."""
    drop_delivered(conn, route_id, [v.row_id for v in verdicts if v.told and v.found is None])
    put_observations(conn, route_id, [v.seen for v in verdicts if v.seen is not None], now, "scan")
    touch(conn, route_id, [verdict.row_id for verdict in verdicts], now, "scan")
