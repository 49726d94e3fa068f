"""Bulk statements for each database: plain tuples, since dictionaries cost three times as much."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, count, islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete

from sync_service.catalogue.figures import Ask

T = TypeVar("T")

IN_LIMIT = 500

ROWS_AT_ONCE = 100
"""Rows of one statement in SQLite. Its driver hands Python's lock over for each statement, and while the event loop is busy
it gets it back late: row by row that takes longer than the work itself.
"""

_INSERT = re.compile(r"VALUES (\(\?(?:, \?)*\))")
_UPDATE = re.compile(r"(UPDATE \w+ SET .+?) WHERE (.+)", re.DOTALL)
_DELETE = re.compile(r"(DELETE FROM \w+) WHERE (\w+ = \?(?: AND \w+ = \?)*)")
_UPDATE_FROM = (3, 33)
"""The SQLite that learned UPDATE ... FROM."""


def execute(conn: Connection, statement: str, *values: Any) -> None:
    """Runs `statement`, written with `?` for its values."""
    conn.exec_driver_sql(_of_dialect(conn, statement), values)


def execute_many(conn: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Runs `statement`, written with `?` for its values, once for each of `rows`. Returns how many rows it met in all."""
    met, done = 0, 0
    if len(rows) >= ROWS_AT_ONCE and conn.dialect.name == "sqlite" and (whole := _of_many_rows(statement)):
        while len(rows) - done >= ROWS_AT_ONCE:
            part = rows[done : done + ROWS_AT_ONCE]
            if _names_a_row_twice(statement, part):
                break
            met += conn.exec_driver_sql(whole, tuple(chain.from_iterable(part))).rowcount
            done += ROWS_AT_ONCE
    if done < len(rows):
        met += conn.exec_driver_sql(_of_dialect(conn, statement), [tuple(row) for row in rows[done:]]).rowcount
    return met


@lru_cache
def _of_many_rows(statement: str) -> str | None:
    """`statement` for ROWS_AT_ONCE rows of values at once; None where it cannot be said so."""
    if _INSERT.search(statement):
        return _INSERT.sub(lambda found: f"VALUES {_lists(found[1])}", statement)
    each = f"({', '.join('?' * statement.count('?'))})"
    if found := _DELETE.fullmatch(statement):
        names = ", ".join(condition.partition(" = ")[0] for condition in found[2].split(" AND "))
        return f"{found[1]} WHERE ({names}) IN (VALUES {_lists(each)})"
    if sqlite3.sqlite_version_info >= _UPDATE_FROM and (found := _UPDATE.fullmatch(statement)):
        numbers = count(1)
        change, condition = (re.sub(r"\?", lambda _: f"told.column{next(numbers)}", part) for part in found.groups())
        return f"{change} FROM (VALUES {_lists(each)}) AS told WHERE {condition}"
    return None


def _lists(values: str) -> str:
    return ", ".join([values] * ROWS_AT_ONCE)


def _names_a_row_twice(statement: str, rows: Sequence[Sequence[Any]]) -> bool:
    """Whether an UPDATE has two lines for one row: in one statement only one of them would count."""
    found = _UPDATE.fullmatch(statement)
    if found is None:
        return False
    keys = found[2].count("?")
    return len({tuple(row[-keys:]) for row in rows}) < len(rows)


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
