"""Bulk statements: many rows in one, with the same effect and the same count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, event

from sync_service.catalogue import dialects
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


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 7])
@pytest.mark.parametrize("twice", [False, True])
def test_rows_are_changed_one_after_the_other(conn: Connection, count: int, twice: bool) -> None:
    """Each with its own values, found by several columns; where two lines are for one row, both have their effect."""
    names = [f"n{n}" for n in range(count)]
    execute_many(conn, "INSERT INTO seen (name, times) VALUES (?, ?)", [(name, 0) for name in names])
    change = "UPDATE seen SET times = times + ?, name = coalesce(nullif(?, 'same'), name) WHERE id = ? AND times >= ?"
    rows = [(n, "same" if n % 2 else f"x{n}", n, n % 3) for n in range(1, count + 1)]
    rows += rows[-1:] * twice
    missed = sum(n % 3 > 0 for _, _, n, _ in rows)
    assert execute_many(conn, change, rows) == len(rows) - missed
    found = [tuple(row) for row in conn.exec_driver_sql("SELECT id, name, times FROM seen ORDER BY id")]
    last = count if count % 3 == 0 and twice else 0
    assert found == [
        (n, names[n - 1] if n % 2 or n % 3 else f"x{n}", (n + (n == last) * n) if n % 3 == 0 else 0)
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, ROWS_AT_ONCE, ROWS_AT_ONCE + 7])
def test_rows_are_deleted_by_several_columns(conn: Connection, count: int) -> None:
    """Only those where all of them agree."""
    rows = [(f"n{n}", n % 2) for n in range(count)]
    execute_many(conn, "INSERT INTO seen (name, times) VALUES (?, ?)", rows)
    gone = execute_many(conn, "DELETE FROM seen WHERE name = ? AND times = ?", [(name, 0) for name, _ in rows])
    assert gone == sum(times == 0 for _, times in rows)
    assert conn.exec_driver_sql("SELECT count(*), min(times) FROM seen").one() == (count // 2, 1 if count > 1 else None)


def test_an_old_sqlite_changes_row_by_row(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.33 it had no UPDATE ... FROM."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 31, 1))
    dialects._of_many_rows.cache_clear()
    said: list[str] = []
    event.listen(conn, "before_cursor_execute", lambda *call: said.append(call[2]))
    execute_many(conn, "UPDATE seen SET times = ? WHERE id = ?", [(1, n) for n in range(ROWS_AT_ONCE)])
    dialects._of_many_rows.cache_clear()
    assert said == ["UPDATE seen SET times = ? WHERE id = ?"]
