"""What a cycle asks of the catalogue: nothing whose cost grows with the rows that did not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.unit.services.rig import Rig

BIG = ("observed", "delivered", "events", "o", "d")
"""Tables (and their names in joins) that hold a row for every object, or many for each."""


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed, with its values."""
    found: list[tuple[str, Any]] = []

    def executed(conn: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        found.append((statement, values[0] if many else values))

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


def walks(rig: Rig, statement: str, values: Any) -> list[str]:
    """The steps of SQLite's plan that go through all of a big table, or all of one route's rows in it."""
    if statement.split(maxsplit=1)[0] not in ("SELECT", "UPDATE", "DELETE", "INSERT"):
        return []
    with rig.open_catalogue._session.transaction() as conn:
        plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    return [step for step in plan if _walks(step)]


def _walks(step: str) -> bool:
    words = step.split()
    table = words[1] if len(words) > 1 else ""
    few = step.endswith("USING INDEX delivered_doubt")  # holds the rows in doubt alone
    return table in BIG and not few and (words[0] == "SCAN" or step.endswith("(route_id=?)"))


async def test_no_statement_of_a_cycle_walks_a_big_table(make_rig: Callable[..., Rig]) -> None:
    """Of all statements of a cycle with every kind of change, failures, deletes and the guard, none has such a plan."""
    rig = make_rig(settings={"max_delete": 1})
    for number in range(40):
        rig.source.put(f"k{number:02}", b"x")
    await rig.service.run_initial()
    for number in range(10, 20):
        rig.source.delete(f"k{number}")
        rig.tell("delete", f"k{number}")
    rig.source.put("new", b"new")
    rig.tell("create", "new")
    rig.source.put("k00", b"changed")
    rig.tell("update", "k00")
    rig.source.rename("k01", "moved/k01")
    rig.tell("rename", "k01", "moved/k01")
    rig.source.put("k02", b"x", {"permissions": "600"})
    rig.tell("change_permission", "k02", permissions="600")
    with statements() as executed:
        await rig.service.run_cycle()
        await rig.service.progress()
        rig.open_catalogue.pending_deletes(0, 10)
    unique = dict(executed)
    assert len(unique) > 40
    bad = [(found, statement) for statement, values in unique.items() if (found := walks(rig, statement, values))]
    assert not bad, "\n".join(f"{steps}: {statement}" for steps, statement in bad)


async def test_a_cycle_does_not_tell_bytes_that_it_does_not_know(rig: Rig) -> None:
    """Only a first sync knows how many bytes are to be sent; zero would be a statement."""
    rig.source.put("a", b"one")
    await rig.service.run_initial()
    assert ("deliver", 1, 3) in rig.observer.of("phase")
    rig.source.put("a", b"two")
    rig.tell("update", "a")
    await rig.service.run_cycle()
    assert rig.observer.of("phase")[-2] == ("deliver", 1, None)
