"""Histories that broke the promise once, or would break it without one rule of settling, each as a plain test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.property.rigged import Fate, Fault
from tests.property.world import World


@pytest.fixture(params=[False, True], ids=["no memory", "memory"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world after its first sync, with a destination that remembers keys or does not."""
    made = World(memory=request.param)
    made.put("anchor", b"anchor")
    made.run()
    yield made
    made.close()


@pytest.mark.parametrize("then", ["nothing", "delete", "rename"])
def test_refused_after_an_attempt_without_an_answer(world: World, then: str) -> None:
    """The first attempt was applied and its answer lost, the second refused: the file at the destination is not forgotten."""
    world.put("a", b"one")
    world.run("cycle", Fate((Fault("apply", "lost answer", 1), Fault("apply", "refuse", 2, 99))))
    world.check_always()
    if then == "delete":
        world.delete("a")
    elif then == "rename":
        world.rename("a", "b")
    world.converge()


def test_metadata_that_changes_under_the_same_content(world: World) -> None:
    """The attempt in doubt was made without permissions; its repetition finds them and is another effect."""
    world.put("a", b"one")
    world.run("cycle", Fate((Fault("apply", "lost answer", 1, 99),)))
    world.put("a", b"one", "600")
    world.converge()


@pytest.mark.parametrize("then", ["refuse", "unreachable", "throttled"])
def test_wrong_bytes_and_then_another_error(world: World, then: str) -> None:
    """The first attempt stored other bytes, the second did nothing: that the path holds those is not forgotten."""
    world.put("a", b"one")
    world.run()
    world.put("a", b"two")
    world.run("cycle", Fate((Fault("apply", "wrong", 1), Fault("apply", then, 2, 99))))
    world.check_always()
    world.put("a", b"one")
    world.converge()


@pytest.mark.parametrize("what", ["crash", "crash after", "lost answer", "unknown"])
def test_contents_that_go_back_and_forth(world: World, what: str) -> None:
    """An upload in doubt whose source moved on is of an unknown version, also where the next one does not get through."""
    world.put("a", b"one")
    world.run()
    world.put("a", b"two")
    world.run("cycle", Fate((Fault("apply", what, 1, 99),)))
    world.put("a", b"one")
    world.run("cycle", Fate((Fault("apply", "unreachable", 1, 99),)))
    world.check_always()
    world.put("a", b"two")
    world.converge()


def test_what_was_found_not_done_is_no_failure(world: World) -> None:
    """A run that settles an attempt which never left, and then makes it, has succeeded."""
    world.put("a", b"one", "600")
    world.run()
    world.rename("a", "b")
    world.run("cycle", Fate((Fault("apply", "crash", 1),)))
    world.converge()


def test_a_row_in_the_way_whose_delete_is_in_doubt(world: World) -> None:
    """A delete that makes room got no answer: it is not tried anew under a mark that then takes the doubt away."""
    world.put("a", b"one")
    world.put("b", b"two")
    world.run()
    world.rename("b", "a")
    world.run("cycle", Fate((Fault("apply", "lost answer", 3), Fault("apply", "unreachable", 1, 99))))
    world.check_always()
    world.converge()


def test_a_row_in_the_way_is_tried_once_a_cycle(world: World) -> None:
    """The path of a rename is held by a row whose delete fails: the cycle ends, and the next one makes room."""
    world.put("a", b"one")
    world.put("b", b"two")
    world.run()
    world.rename("b", "a")
    fate = Fate((Fault("apply", "throttled", 1, 99),))
    world.run("cycle", fate)
    assert fate.count("apply") == 3, "one operation, three attempts"
    world.converge()
