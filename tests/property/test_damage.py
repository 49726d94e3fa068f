"""Damage behind the service's back: a check finds all of it and nothing else, and a repair and cycles undo it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.destination import Stored
from tests.property.world import World

KEYS = ["a", "b", "d/a", "d/b"]

ONE_KEY = st.sampled_from(KEYS)
CHANGE = st.one_of(
    st.tuples(st.just("put"), ONE_KEY, st.sampled_from([b"", b"one", b"two"]), st.sampled_from([None, "600"])),
    st.tuples(st.just("rename"), ONE_KEY, ONE_KEY),
    st.tuples(st.just("delete"), ONE_KEY),
    st.tuples(st.just("permit_anew"), ONE_KEY),
)
HARM = st.sampled_from(["lost", "cut", "other bytes", "opened", "back", "unmarked", "untold put", "untold delete"])


def harmed(world: World, what: str, key: str) -> set[tuple[str, str]]:
    """Does one harm to `key`, where it can be done; what a check has to say of it."""
    held = world.destination.files.get(key)
    harms: dict[str, Callable[[], set[tuple[str, str]]]] = {
        "lost": lambda: _lost(world, key),
        "cut": lambda: _stored(world, key, content=b"much longer than before"),
        "other bytes": lambda: _stored(world, key, content=b"?" * len(held.content if held else b"")),
        "opened": lambda: _opened(world, key),
        "back": lambda: _back(world, key),
        "unmarked": lambda: _unmarked(world, key),
        "untold put": lambda: _untold(world, lambda: world.put(key, b"new", told=False), key),
        "untold delete": lambda: _untold(world, lambda: world.delete(key, told=False), key),
    }
    can = held is None if what in ("back", "untold put") else held is not None
    return harms[what]() if can else set()


def _lost(world: World, key: str) -> set[tuple[str, str]]:
    del world.destination.files[key]
    return {("missing", key)}


def _stored(world: World, key: str, **values: object) -> set[tuple[str, str]]:
    before = world.destination.files[key]
    world.destination.files[key] = after = before._replace(**values)  # type: ignore[arg-type]
    return {("different", key)} if before != after else set()


def _opened(world: World, key: str) -> set[tuple[str, str]]:
    """In the spelling of the wish, or nobody could compare them; where nobody wishes for permissions, any will do."""
    ((wanted,),) = world.rows(f"SELECT permissions FROM observed WHERE file_path = '{key}'")
    other = "777" if wanted is None or wanted.isdigit() else "other"
    found = _stored(world, key, permissions=other)
    if wanted is None:
        world.wishes[key].possible.add(other)
    return found if wanted is not None else set()


def _back(world: World, key: str) -> set[tuple[str, str]]:
    """A path that no event has ever named cannot be known to be extra."""
    world.destination.files[key] = Stored(b"back", None, None, None, "id")
    known = world.rows(f"SELECT 1 FROM events WHERE state = 'applied' AND file_path = '{key}'")
    if not known:
        del world.destination.files[key]
    return {("extra", key)} if known else set()


def _unmarked(world: World, key: str) -> set[tuple[str, str]]:
    with world.database() as connection:
        connection.execute("UPDATE delivered SET etag = 'x' WHERE file_path = ?", (key,))
    return {("catalogue", key)}


def _untold(world: World, change: Callable[[], None], key: str) -> set[tuple[str, str]]:
    """A key for which permissions wait is looked at by the next run, so its object is told as pending."""
    change()
    waits = world.rows(f"SELECT 1 FROM relooks WHERE file_path = '{key}'")
    return {("pending" if waits else "catalogue", key)}


@given(
    memory=st.booleans(),
    history=st.lists(CHANGE, max_size=8),
    harm=st.dictionaries(ONE_KEY, HARM, min_size=1),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_check_finds_exactly_the_damage_and_a_repair_undoes_it(
    memory: bool, history: list[tuple[object, ...]], harm: dict[str, str]
) -> None:
    """After any history; with servers that remember keys and such that do not; no scan is needed."""
    world = World(memory=memory)
    try:
        for key in (*KEYS[:2], "anchor"):
            world.put(key, b"one")
        world.run()
        for name, *arguments in history:
            getattr(world, str(name))(*arguments)
            world.run()
        world.converge()
        expected = set().union(*(harmed(world, what, key) for key, what in harm.items()))
        assert {(str(one.kind), one.file_path) for one in world.check(repair=True)} == expected
        assert {str(one.kind) for one in world.check()} <= {"pending"}
        world.run()
        world.lost = False
        assert world.check() == []
        world.converge()
    finally:
        world.close()
