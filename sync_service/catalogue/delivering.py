"""The `delivered` table: marks before the calls leave, confirmations after a verified answer, and what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from sync_service.catalogue.dialects import chunked, execute_many, insert_rows
from sync_service.catalogue.doubts import decode_operation, encode_operation
from sync_service.catalogue.observing import ROW_FIELDS, row_of
from sync_service.catalogue.running_totals import add_delivered, drop_delivered
from sync_service.catalogue.tables import delivered, observed, touched
from sync_service.models.changes import Doubt
from sync_service.models.crashpoints import passing
from sync_service.models.data_models import (
    PATH_CHANGES,
    SNAPSHOT_COLUMNS,
    UPLOADS,
    Kind,
    Operation,
    Outcome,
    Result,
    Row,
)

UNKNOWN_VERSION = "?"
"""The etag of a delivered row whose path is held and whose bytes are not known: an update follows."""

SnapshotRow = tuple[Any, ...]
"""One line of a snapshot, in the order of SNAPSHOT_COLUMNS."""

_ROW = tuple(delivered.c[name] for name in ROW_FIELDS)

# A row is in step when both states hold the same; a wish that the source does not have (NULL) is met by anything.
_IN_STEP = """
    EXISTS (SELECT 1 FROM observed o JOIN delivered d ON d.id = o.id WHERE o.id = touched.id AND d.doubt IS NULL
        AND o.file_path = d.file_path AND o.size = d.size AND o.etag = d.etag
        AND (o.permissions IS NULL OR o.permissions = d.permissions) AND (o.owner IS NULL OR o.owner = d.owner)
        AND (o."group" IS NULL OR o."group" = d."group") AND (o.file_type IS NULL OR o.file_type = d.file_type))
    OR NOT EXISTS (SELECT 1 FROM observed o WHERE o.id = touched.id)
        AND NOT EXISTS (SELECT 1 FROM delivered d WHERE d.id = touched.id)
"""


def mark(conn: Connection, route_id: int, operations: Sequence[Operation]) -> None:
    """Notes in each row what is about to be attempted. A create makes its row, with no version yet."""
    creates = [o for o in operations if o.kind is Kind.CREATE]
    drop_delivered(conn, route_id, [o.row_id for o in creates])
    insert_rows(
        conn,
        delivered,
        ("id", "route_id", "file_path", "size", "etag", "last_modified", "revision", "doubt"),
        [(o.row_id, route_id, o.file_path, 0, "", "", o.revision, encode_operation(o)) for o in creates],
    )
    add_delivered(conn, route_id, len(creates))
    execute_many(
        conn,
        "UPDATE delivered SET doubt = ? WHERE id = ?",
        [(encode_operation(o), o.row_id) for o in operations if o.kind is not Kind.CREATE],
    )


def confirm(conn: Connection, route_id: int, outcomes: Sequence[Outcome]) -> None:
    """Writes what is certain now: done, certainly not done, or gone from the destination. Unknown stays in doubt."""
    by_result: dict[Result, list[Outcome]] = {}
    for outcome in outcomes:
        by_result.setdefault(outcome.result, []).append(outcome)
    for result, group in by_result.items():
        if result is Result.DONE:
            _done(conn, route_id, group)
        elif result is Result.MISSING:
            drop_delivered(conn, route_id, [o.operation.row_id for o in group])
        elif result is Result.STORED_WRONG:
            _stored_wrong(conn, group)
        elif result is not Result.UNKNOWN:
            release(conn, route_id, [o.operation for o in group])
    leave_in_step(conn, [o.operation.row_id for o in outcomes])


def release(conn: Connection, route_id: int, operations: Sequence[Operation]) -> None:
    """These attempts had no effect: the marks go, and with them the rows that a create had made."""
    drop_delivered(conn, route_id, [o.row_id for o in operations if o.kind is Kind.CREATE])
    others = [(o.row_id,) for o in operations if o.kind is not Kind.CREATE]
    execute_many(conn, "UPDATE delivered SET doubt = NULL WHERE id = ?", others)


def leave_in_step(conn: Connection, ids: Sequence[int] | None = None) -> None:
    """Rows that hold the same on both sides are no longer touched; `ids` None looks at all of them."""
    if ids is None:
        conn.execute(text(f"DELETE FROM touched WHERE {_IN_STEP}"))  # noqa: S608 - our own text
    else:
        for part in chunked(ids):
            marks = ", ".join(str(int(row_id)) for row_id in part)
            conn.exec_driver_sql(f"DELETE FROM touched WHERE id IN ({marks}) AND ({_IN_STEP})")  # noqa: S608 - numbers


def doubts(conn: Connection, route_id: int) -> list[Doubt]:
    """The rows in doubt, in order of id."""
    query = (
        select(*_ROW, delivered.c.doubt)
        .where(delivered.c.doubt.is_not(None), _of_route(delivered, route_id))
        .order_by(delivered.c.id)
    )
    return [Doubt(decode_operation(record.doubt), row_of(record)) for record in conn.execute(query)]


def some_in_step(conn: Connection, route_id: int, limit: int) -> list[str]:
    """A few paths that the destination has confirmed and nothing is pending for."""
    pending = select(touched.c.id).where(touched.c.id == delivered.c.id).exists()
    query = select(delivered.c.file_path).where(delivered.c.route_id == route_id, ~pending, delivered.c.doubt.is_(None))
    return list(conn.execute(query.limit(limit)).scalars())


def holders(conn: Connection, route_id: int, paths: Iterable[str]) -> dict[str, int]:
    """Which delivered row holds each of these paths; a settled one where an attempt in doubt is on it too."""
    found: dict[str, int] = {}
    for part in chunked(paths):
        query = select(delivered.c.file_path, delivered.c.id).where(
            delivered.c.route_id == route_id, delivered.c.file_path.in_(part)
        )
        query = query.order_by(delivered.c.doubt.is_(None))
        found.update((path, row_id) for path, row_id in conn.execute(query))
    return found


def rows_by_id(conn: Connection, ids: Iterable[int], settled: bool = False) -> dict[int, Row]:
    """The delivered rows with these ids; `settled` leaves out those in doubt, for which nothing new may be planned."""
    found: dict[int, Row] = {}
    for part in chunked(ids):
        query = select(*_ROW).where(delivered.c.id.in_(part))
        if settled:
            query = query.where(delivered.c.doubt.is_(None))
        found.update((record[0], row_of(record)) for record in conn.execute(query))
    return found


def delivered_rows(conn: Connection, route_id: int, full: bool, step: int) -> Iterator[SnapshotRow]:
    """The state before: settled delivered rows in order of id; without `full` only the touched ones."""
    base = select(*(delivered.c[name] for name in SNAPSHOT_COLUMNS))
    base = base.where(_of_route(delivered, route_id), delivered.c.doubt.is_(None))
    if not full:
        base = base.join(touched, touched.c.id == delivered.c.id)
    return _by_id(conn, base, delivered.c.id if full else touched.c.id, step)


def observed_rows(conn: Connection, route_id: int, full: bool, step: int) -> Iterator[SnapshotRow]:
    """The state after: observed rows in order of id; what the source does not say is as the destination has it."""
    o, d = observed.c, delivered.c
    unsaid = {"permissions", "owner", "group", "file_type"}
    columns = [func.coalesce(o[name], d[name]) if name in unsaid else o[name] for name in SNAPSHOT_COLUMNS[:-1]]
    base = (
        select(*columns, d.internal_id)
        .select_from(observed.outerjoin(delivered, d.id == o.id))
        .where(_of_route(observed, route_id), d.doubt.is_(None))
    )
    if not full:
        base = base.join(touched, touched.c.id == o.id)
    return _by_id(conn, base, o.id if full else touched.c.id, step)


def _of_route(table: Table, route_id: int) -> Any:
    """The rows of a route, said so that no index on paths is taken: these walks are in order of id."""
    return table.c.route_id + 0 == route_id


def _by_id(conn: Connection, base: Any, id_column: Any, step: int) -> Iterator[SnapshotRow]:
    last = 0
    while records := conn.execute(base.where(id_column > last).order_by(id_column).limit(step)).all():
        passing("snapshot rows read")
        yield from records
        last = records[-1][0]


_ATTRIBUTES = ", ".join(
    f'"{name}" = CASE WHEN ? = 1 THEN coalesce(?, "{name}") ELSE NULL END' for name in ("permissions", "owner", "group")
)
"""What an outcome tells of attributes; where it is not certain, nothing is known of them and the wish is sent again."""


def _done(conn: Connection, route_id: int, done: Sequence[Outcome]) -> None:
    execute_many(
        conn,
        f"UPDATE delivered SET {_ATTRIBUTES}, "  # noqa: S608 - our own text
        "file_path = ?, size = ?, file_type = ?, etag = ?, last_modified = ?, internal_id = coalesce(?, internal_id), "
        "version_id = ?, revision = ?, doubt = NULL WHERE id = ?",
        [_uploaded(o) for o in done if o.operation.kind in UPLOADS],
    )
    execute_many(
        conn,
        f"UPDATE delivered SET {_ATTRIBUTES}, "  # noqa: S608 - our own text
        "file_path = ?, revision = ?, etag = CASE WHEN ? = 1 THEN etag ELSE ? END, doubt = NULL, "
        "internal_id = coalesce(?, internal_id) WHERE id = ?",
        [_moved(o) for o in done if o.operation.kind in PATH_CHANGES],
    )
    execute_many(
        conn,
        f"UPDATE delivered SET {_ATTRIBUTES}, revision = ?, doubt = NULL WHERE id = ?",  # noqa: S608 - our own text
        [_permitted(o) for o in done if o.operation.kind is Kind.CHANGE_PERMISSION],
    )
    drop_delivered(conn, route_id, [o.operation.row_id for o in done if o.operation.kind is Kind.DELETE])


def _stored_wrong(conn: Connection, outcomes: Sequence[Outcome]) -> None:
    """The path is held with bytes that nobody planned: the repair is a new effect, so the revision grows."""
    ids = [(o.operation.row_id, o.operation.revision) for o in outcomes]
    execute_many(
        conn, "UPDATE delivered SET etag = ?, doubt = NULL WHERE id = ?", [(UNKNOWN_VERSION, i) for i, _ in ids]
    )
    execute_many(conn, "UPDATE observed SET revision = revision + 1 WHERE id = ? AND revision = ?", ids)


def _uploaded(outcome: Outcome) -> tuple[Any, ...]:
    op, info = outcome.operation, outcome.info
    return (
        *_attributes(outcome), op.file_path, op.size, op.file_type or (info.file_type if info else None),
        op.etag if outcome.certain else UNKNOWN_VERSION, info.last_modified if info else "", outcome.receipt.internal_id,
        info.version_id if info else op.version_id, op.revision, op.row_id,
    )  # fmt: skip


def _moved(outcome: Outcome) -> tuple[Any, ...]:
    op, certain = outcome.operation, int(outcome.certain)
    kept = (certain, None) * 3
    return (*kept, op.new_path, op.revision, certain, UNKNOWN_VERSION, outcome.receipt.internal_id, op.row_id)


def _permitted(outcome: Outcome) -> tuple[Any, ...]:
    return (*_attributes(outcome), outcome.operation.revision, outcome.operation.row_id)


def _attributes(outcome: Outcome) -> tuple[int | str | None, ...]:
    """What was asked for counts as held, in our spelling; where nothing was asked for, what the destination answered.

    Each value stands behind whether it is certain. An update touches no attributes, so what was known of them stays.
    """
    op, got = outcome.operation, outcome.receipt
    certain = int(outcome.certain or op.kind is Kind.UPDATE)
    told = (op.permissions or got.permissions, op.owner or got.owner, op.group or got.group)
    return tuple(value for one in told for value in (certain, one))
