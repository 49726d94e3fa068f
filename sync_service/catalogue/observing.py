"""The `observed` table and what marks its rows as touched; every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, and_, select
from sqlalchemy import Row as Record

from sync_service.catalogue.dialects import chunked, execute, execute_many, insert_rows
from sync_service.catalogue.doubts import decode_operation
from sync_service.catalogue.running_totals import add_observed, drop_observed
from sync_service.catalogue.stored import stored
from sync_service.catalogue.tables import delivered, meta, observed, touched
from sync_service.models.changes import Known, Observation, Pending
from sync_service.models.data_models import Kind, Listed, Outcome, Result, Row, Seen

_COLUMNS = tuple(column.name for column in observed.columns)
_LISTED_COLUMNS = ("id", "route_id", "file_path", "size", "etag", "last_modified", "revision")

ROW_FIELDS = tuple(field.name for field in fields(Row))
_SEEN_FIELDS = ("seen_permissions", "seen_owner", "seen_group", "event_sequencer", "event_position")
WHOLE = select(*(observed.c[name] for name in (*ROW_FIELDS, *_SEEN_FIELDS)))

_TOUCH = (
    "INSERT INTO touched (id, route_id, since, cause) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET cause = excluded.cause"
)
_TOUCH_NEW = (
    "INSERT INTO touched (id, route_id, since, cause) SELECT id, route_id, CAST(? AS TEXT), CAST(? AS TEXT) FROM observed "
    "WHERE id >= ? AND id < ?"
)
"""`touch` for ids that were taken just now: nothing of them is sent a second time."""


def take_ids(conn: Connection, count: int) -> range:
    """`count` new row ids; an id is never given twice, whatever was deleted."""
    value = conn.execute(select(meta.c.value).where(meta.c.name == "next_id")).scalar()
    first = stored(int, value or 1)
    conn.execute(meta.update().where(meta.c.name == "next_id").values(value=str(first + count)))
    return range(first, first + count)


def known_between(
    conn: Connection, route_id: int, after: str | None, upto: str | None, limit: int | None = None
) -> list[Known]:
    """Observed rows with after < path <= upto, in order of path, the first `limit`; None leaves that side open."""
    c = observed.c
    query = (
        select(c.id, c.file_path, c.size, c.etag, c.last_modified).where(c.route_id == route_id).order_by(c.file_path)
    )
    if after is not None:
        query = query.where(c.file_path > after)
    if upto is not None:
        query = query.where(c.file_path <= upto)
    return [Known(*record) for record in conn.execute(query.limit(limit))]


def observations_at(conn: Connection, route_id: int, paths: Iterable[str]) -> dict[str, Observation]:
    """The observed rows at these paths."""
    found: dict[str, Observation] = {}
    for part in chunked(paths):
        query = WHOLE.where(observed.c.route_id == route_id, observed.c.file_path.in_(part))
        found.update((record[1], observation_of(record)) for record in conn.execute(query))
    return found


def observations_by_id(conn: Connection, ids: Iterable[int]) -> dict[int, Observation]:
    """The observed rows with these ids."""
    found: dict[int, Observation] = {}
    for part in chunked(ids):
        found.update(
            (record[0], observation_of(record)) for record in conn.execute(WHOLE.where(observed.c.id.in_(part)))
        )
    return found


def insert_listed(conn: Connection, route_id: int, entries: Sequence[Listed], now: str, cause: str) -> None:
    """New rows for new keys of a listing, in listing order. A key that the destination still holds gets its old row back."""
    if not entries:
        return
    orphans = _orphans_between(conn, route_id, entries[0].key, entries[-1].key)
    ids = take_ids(conn, len(entries) - sum(e.key in orphans for e in entries) if orphans else len(entries))
    fresh = iter(ids)
    if orphans:
        known = [orphans[entry.key] if entry.key in orphans else (next(fresh), 1) for entry in entries]
        rows = [(row_id, route_id, *entry, revision) for (row_id, revision), entry in zip(known, entries, strict=True)]
    else:
        rows = [(row_id, route_id, *entry, 1) for row_id, entry in zip(fresh, entries, strict=True)]
    insert_rows(conn, observed, _LISTED_COLUMNS, rows)
    add_observed(conn, route_id, len(rows), sum(entry.size for entry in entries))
    if orphans:
        touch(conn, route_id, [row[0] for row in rows], now, cause)
    else:
        execute(conn, _TOUCH_NEW, now, cause, ids.start, ids.stop)


def put_observations(
    conn: Connection, route_id: int, observations: Sequence[Observation], now: str, cause: str
) -> None:
    """Writes rows as they are from now on. Deleted first and inserted then, so that swaps of paths never collide."""
    new = [o for o in observations if o.row.id == 0]
    orphans = _orphans_at(conn, route_id, [o.row.file_path for o in new])
    fresh = iter(take_ids(conn, sum(o.row.file_path not in orphans for o in new)) if new else ())
    drop_observed(conn, route_id, [o.row.id for o in observations if o.row.id])
    rows = []
    for o in observations:
        row_id, revision = o.row.id, o.row.revision
        if row_id == 0:
            row_id, revision = orphans.get(o.row.file_path) or (next(fresh), revision)
        rows.append(_values(route_id, row_id, revision, o))
    insert_rows(conn, observed, _COLUMNS, rows)
    add_observed(conn, route_id, len(rows), sum(o.row.size for o in observations))
    touch(conn, route_id, [row[0] for row in rows], now, cause)


def remove_observed(conn: Connection, route_id: int, ids: Sequence[int], now: str, cause: str) -> None:
    """The source no longer has these rows."""
    drop_observed(conn, route_id, ids)
    touch(conn, route_id, ids, now, cause)


_SAID = ", ".join(
    f"{name} = coalesce(nullif(?, seen_{seen}), {name}), seen_{seen} = ?"
    for name, seen in (("permissions", "permissions"), ("owner", "owner"), ('"group"', "group"))
)
"""The rule of `observations.seen_again`: the word of the metadata where it is a new one, else what was wanted already."""


def learn(conn: Connection, outcomes: Sequence[Outcome]) -> None:
    """Fills in what the headers of objects told while they were sent, for rows that only a listing had shown. A row keeps its
    revision, since nothing else is wanted by it; one that is of another version by now learns nothing.
    """
    rows = []
    for outcome in outcomes:
        info = outcome.info
        if outcome.result is Result.DONE and outcome.operation.kind is Kind.CREATE and info is not None:
            said = [told for told in (info.permissions, info.owner, info.group) for _ in range(2)]
            rows.append((*said, info.file_type or None, info.version_id, outcome.operation.row_id, info.etag))
    execute_many(
        conn,
        f"UPDATE observed SET {_SAID}, file_type = coalesce(?, file_type), version_id = ? "  # noqa: S608 - our own text
        "WHERE id = ? AND etag = ?",
        rows,
    )


def pending(conn: Connection, row_id: int | None) -> Pending | None:
    """Why this row may differ from what was delivered; None where it does not."""
    found = conn.execute(select(touched.c.since, touched.c.cause).where(touched.c.id == row_id)).first()
    return Pending(*found) if found else None


def touch(conn: Connection, route_id: int, ids: Sequence[int], now: str, cause: str) -> None:
    """These rows may differ from what was delivered. `cause` is `event`, `scan`, `deliver` or `command`."""
    execute_many(conn, _TOUCH, [(row_id, route_id, now, cause) for row_id in ids])


def _orphans_between(conn: Connection, route_id: int, first: str, last: str) -> dict[str, tuple[int, int]]:
    return _orphans(
        conn, and_(delivered.c.route_id == route_id, delivered.c.file_path >= first, delivered.c.file_path <= last)
    )


def _orphans_at(conn: Connection, route_id: int, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for part in chunked(paths):
        found |= _orphans(conn, and_(delivered.c.route_id == route_id, delivered.c.file_path.in_(part)))
    return found


def _orphans(conn: Connection, where: Any) -> dict[str, tuple[int, int]]:
    """Rows that the destination holds and the source had lost, path -> (id, the revision to go on with)."""
    d = delivered.c
    query = (
        select(d.id, d.file_path, d.revision, d.doubt)
        .select_from(delivered.outerjoin(observed, observed.c.id == d.id))
        .where(where, observed.c.id.is_(None))
    )
    found = {}
    for row_id, path, revision, doubt in conn.execute(query):
        last = max(revision, decode_operation(doubt).revision if doubt else 0)
        found[path] = (row_id, last + 1)
    return found


def _values(route_id: int, row_id: int, revision: int, o: Observation) -> tuple[Any, ...]:
    r, s = o.row, o.seen
    return (
        row_id, route_id, r.file_path, r.permissions, r.owner, r.group, r.size, r.file_type, r.etag, r.last_modified,
        r.internal_id, r.version_id, revision,
        s.permissions, s.owner, s.group, s.event_sequencer, s.event_position,
    )  # fmt: skip


def observation_of(record: Record[Any]) -> Observation:
    """An observed row with what was last seen of it, from a record of WHOLE."""
    values = tuple(record)
    return Observation(row_of(values), Seen(*values[len(ROW_FIELDS) :]))


def row_of(values: Sequence[Any]) -> Row:
    """A row of either table from the values of ROW_FIELDS; by position, since thousands are made at once."""
    return Row(*values[: len(ROW_FIELDS)])
