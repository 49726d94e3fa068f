"""Bulk statements for each database: plain tuples, since dictionaries cost three times as much."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete

from sync_service.catalogue.figures import Ask

T = TypeVar("T")

IN_LIMIT = 500

ROWS_AT_ONCE = 100
"""Rows of one INSERT in SQLite. Its driver hands Python's lock over for each statement, and while the event loop is busy
it gets it back late: row by row that takes longer than the work itself.
"""

_VALUES = re.compile(r"VALUES (\(\?(?:, \?)*\))")


def execute_many(conn: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Runs `statement`, written with `?` for its values, once for each of `rows`. Returns how many rows it met in all."""
    met, done = 0, 0
    if conn.dialect.name == "sqlite" and _VALUES.search(statement):
        while len(rows) - done >= ROWS_AT_ONCE:
            part = rows[done : done + ROWS_AT_ONCE]
            met += conn.exec_driver_sql(
                _of_many_rows(statement), tuple(value for row in part for value in row)
            ).rowcount
            done += ROWS_AT_ONCE
    if done < len(rows):
        met += conn.exec_driver_sql(_of_dialect(conn, statement), [tuple(row) for row in rows[done:]]).rowcount
    return met


@lru_cache
def _of_many_rows(statement: str) -> str:
    return _VALUES.sub(lambda found: f"VALUES {', '.join([found[1]] * ROWS_AT_ONCE)}", statement)


def asking(conn: Connection) -> Ask:
    """`conn` as the plain questions of `figures` want it."""

    def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(record) for record in conn.exec_driver_sql(_of_dialect(conn, sql), values)]

    return ask


def _of_dialect(conn: Connection, statement: str) -> str:
    return statement if conn.dialect.name == "sqlite" else statement.replace("?", "%s")


def insert_rows(conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Inserts `rows` (values in the order of `columns`)."""
    execute_many(conn, _insert(table.name, columns), rows)


@lru_cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names


def delete_ids(conn: Connection, table: Table, ids: Iterable[int]) -> int:
    """Deletes the rows of `table` with these `id`s. Returns how many there were."""
    return sum(conn.execute(delete(table).where(table.c.id.in_(part))).rowcount for part in chunked(ids))


def chunked(items: Iterable[T], size: int = IN_LIMIT) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
