"""Bulk statements: many rows in one, with the same effect and the same count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from sync_service.catalogue.dialects import ROWS_AT_ONCE, execute_many


@pytest.fixture
def conn() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as made:
        made.exec_driver_sql(
            "CREATE TABLE seen (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, times INTEGER)"
        )
        yield made
    engine.dispose()


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 7])
def test_rows_are_inserted_in_their_order_and_counted(conn: Connection, count: int) -> None:
    """Also where a conflict makes an update of some of them."""
    insert = "INSERT INTO seen (name, times) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET times = excluded.times"
    rows = [(f"'{n}'), (?", 1) for n in range(count)]
    assert execute_many(conn, insert, rows) == count
    assert execute_many(conn, insert, [(name, 2) for name, _ in rows]) == count
    found = conn.exec_driver_sql("SELECT name, times FROM seen ORDER BY id").all()
    assert [tuple(row) for row in found] == [(name, 2) for name, _ in rows]
    assert execute_many(conn, "DELETE FROM seen WHERE name = ?", [(name,) for name, _ in rows]) == count
