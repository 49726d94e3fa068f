"""The history of operations: one line for each that ended, in the transaction that confirms it; the oldest are forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, delete, func, inspect, or_, select

from sync_service.catalogue.dialects import chunked, insert_rows
from sync_service.catalogue.tables import operations
from sync_service.models.changes import OperationRecord

_FIELDS = tuple(field.name for field in fields(OperationRecord))
_VALUES = attrgetter(*_FIELDS[:-1])
_MESSAGE_LIMIT = 1_000


def add(conn: Connection, route_id: int, records: Sequence[OperationRecord], keep: int) -> None:
    """Notes how these operations ended, and forgets all but the newest `keep`: a first sync alone may have millions.

    No index but the order of time: each operation would pay for it, and who asks walks them all in tens of milliseconds.
    """
    if not records:
        return
    insert_rows(conn, operations, ("route_id", *_FIELDS), [(route_id, *_values(record)) for record in records])
    newest = conn.execute(select(func.max(operations.c.seq))).scalar_one()
    conn.execute(delete(operations).where(operations.c.seq <= newest - keep))


def rows_at(conn: Connection, route_id: int, path: str) -> list[int]:
    """The rows that an operation had at `path` or brought there, the latest first.

    A reader may come to a catalogue that no writer of this version has opened yet: it has no history.
    """
    if not inspect(conn).has_table(operations.name):
        return []
    c = operations.c
    named = select(c.row_id).where(c.route_id == route_id, or_(c.file_path == path, c.new_path == path))
    return list(dict.fromkeys(conn.execute(named.order_by(c.seq.desc())).scalars()))


def of_rows(conn: Connection, route_id: int, ids: Sequence[int]) -> list[OperationRecord]:
    """The history of these rows, newest first."""
    if not inspect(conn).has_table(operations.name):
        return []
    c = operations.c
    columns = (c.seq, *(c[name] for name in _FIELDS))
    found: list[Any] = []
    for part in chunked(ids):
        found += conn.execute(select(*columns).where(c.route_id == route_id, c.row_id.in_(part)))
    return [OperationRecord(*tuple(record)[1:]) for record in sorted(found, key=lambda record: -record.seq)]


def _values(record: OperationRecord) -> tuple[Any, ...]:
    message = record.message and record.message[:_MESSAGE_LIMIT]
    return (*_VALUES(record), message)
