"""Any two states: both snapshot scopes see the same operations, and the plan turns what was delivered into what is observed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync_service.models.errors import ExitCode
from sync_service.services.csv_processor import Change, CsvProcessor
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.destination import Stored
from tests.property.world import World

PATHS = ["a", "b", "c", "d/a", "d/b", "NA", "001", 'q"u,o\nte', "ünï/😀"]
TYPE = "text/plain"


@dataclass(frozen=True)
class Thing:
    """What one row holds in one of the states."""

    path: str
    body: bytes = b"one"
    permissions: str | None = None

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body).hexdigest()


State = dict[int, Thing]


def at(*paths: str, first: int = 1) -> State:
    """Rows with these paths, all of the same content."""
    return {row_id: Thing(path) for row_id, path in enumerate(paths, first)}


@st.composite
def states(draw: st.DrawFn) -> State:
    paths = draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=6))
    ids = draw(st.permutations(range(1, 8)))
    bodies = st.sampled_from([b"", b"one", b"two"])
    permissions = st.sampled_from([None, "600", "0644", "NA"])
    return {row_id: Thing(path, draw(bodies), draw(permissions)) for row_id, path in zip(ids, paths, strict=False)}


@contextmanager
def standing_between(delivered: State, observed: State, full: bool = False) -> Iterator[World]:
    """A world after its first sync whose destination holds `delivered` while its source, well observed, holds `observed`."""
    world = World(full=full)
    try:
        for thing in observed.values():
            world.put(thing.path, thing.body, thing.permissions, told=False)
        for row_id, thing in delivered.items():
            world.ever.add(thing.body)
            world.destination.files[thing.path] = Stored(thing.body, thing.permissions, None, None, f"id-{row_id}")
        _write(world, delivered, observed)
        yield world
    finally:
        world.close()


def _write(world: World, delivered: State, observed: State) -> None:
    columns = "(id, route_id, file_path, permissions, size, file_type, etag, last_modified, revision"
    with world.database() as connection:
        connection.execute("UPDATE routes SET initial_done = 1, positioned = 1")
        for table, state in (("delivered", delivered), ("observed", observed)):
            for row_id, t in state.items():
                values = (row_id, 1, t.path, t.permissions, len(t.body), TYPE, t.etag, "", 1)
                connection.execute(f"INSERT INTO {table} {columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        connection.execute("UPDATE observed SET seen_permissions = permissions")
        for row_id in {*delivered, *observed}:
            if delivered.get(row_id) != observed.get(row_id):
                connection.execute("INSERT INTO touched VALUES (?, 1, 't', 'event')", (row_id,))


def _operations(world: World, full: bool) -> list[Change]:
    catalogue = DatabaseManager(world.config.database_path)
    try:
        processor = CsvProcessor(world.folder / "scope", full=full)
        pair = processor.snapshot(catalogue, "1", "run")
        return [change for window in processor.diff(pair) for change in window]
    finally:
        catalogue.close()


@settings(max_examples=80, deadline=None)
@given(states(), states())
def test_both_scopes_give_the_same_operations(delivered: State, observed: State) -> None:
    """Rows that are equal in both states cannot make an operation, so leaving them out changes nothing."""
    with standing_between(delivered, observed) as world:
        assert _operations(world, full=False) == _operations(world, full=True)


@settings(max_examples=80, deadline=None)
@given(states(), states(), st.booleans())
@example(at("a", "b"), at("b", "a"), False)
@example(at("a", "b", "c"), at("b", "c", "a"), False)
@example(at("a", "b", "c"), at("b", "c", "d/a"), False)
@example(at("a", "b"), {1: Thing("b")}, False)
@example(at("a", "b"), {1: Thing("b"), 2: Thing("a", b"two")}, False)
@example(at("a", "b", "c", "d/a"), at("b", "a", "d/a", "c"), True)
@example(at("a", "d/a"), {2: Thing("a"), 3: Thing("d/a")}, False)
def test_the_plan_turns_delivered_into_observed(delivered: State, observed: State, full: bool) -> None:
    """One cycle, whatever swaps, circles, chains and paths of deleted rows; bytes go out only where they are new."""
    with standing_between(delivered, observed, full) as world:
        result = world.run()
        assert result is not None and result.exit_code is ExitCode.DONE
        world.check_always()
        assert world.destination.contents == {thing.path: thing.body for thing in observed.values()}
        for thing in observed.values():
            assert thing.permissions in (None, world.destination.files[thing.path].permissions)
        uploads = [effect for effect in world.destination.effects if effect.startswith(("create", "update"))]
        new = [i for i, thing in observed.items() if i not in delivered or delivered[i].etag != thing.etag]
        assert len(uploads) == len(new), world.destination.effects
        effects = len(world.destination.effects)
        world.run()
        assert world.destination.effects[effects:] == []
