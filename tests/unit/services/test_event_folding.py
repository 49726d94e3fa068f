"""Folding a batch: where the events say that each row went, before the source is asked."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Event, EventType
from sync_service.services.event_folding import fold, places

ROWS = {"a": 1, "b": 2, "c": 3}


def events(*lines: str) -> list[tuple[Event, int]]:
    """`rename a b`, `delete a`, `permit a 600`, with their positions from 1."""
    found = []
    for position, line in enumerate(lines, 1):
        word, path, *rest = line.split()
        kind = EventType.CHANGE_PERMISSION if word == "permit" else EventType(word)
        new = rest[0] if word in ("rename", "move") else None
        found.append((Event(kind, path, new, permissions=rest[0] if word == "permit" else None), position))
    return found


@pytest.mark.parametrize(
    ("lines", "moved"),
    [
        pytest.param(["rename a x"], {1: "x"}, id="plain rename"),
        pytest.param(["move a d/a"], {1: "d/a"}, id="move"),
        pytest.param(["rename a x", "rename x y", "rename y z"], {1: "z"}, id="chain"),
        pytest.param(["rename a t", "rename b a", "rename t b"], {1: "b", 2: "a"}, id="swap"),
        pytest.param(
            ["rename a t", "rename b a", "rename c b", "rename t c"], {1: "c", 2: "a", 3: "b"}, id="circle of three"
        ),
        pytest.param(["rename a b"], {1: "b", 2: None}, id="onto an existing path"),
        pytest.param(["rename a a"], {}, id="onto itself"),
        pytest.param(["move a a/x"], {1: "a/x"}, id="into its own child"),
        pytest.param(["rename a x", "rename x a"], {1: "a"}, id="there and back"),
        pytest.param(["rename a x", "delete x"], {1: None}, id="renamed, then deleted"),
        pytest.param(["delete a", "rename b a"], {2: "a"}, id="onto a deleted path"),
        pytest.param(["delete a", "create a"], {}, id="deleted, then created"),
        pytest.param(["rename a x", "create a"], {1: "x"}, id="created behind a rename"),
        pytest.param(["delete nothing"], {}, id="delete of an unknown path"),
        pytest.param(["update a", "create b"], {}, id="no renames"),
    ],
)
def test_rows_go_where_the_renames_take_them(lines: list[str], moved: dict[int, str | None]) -> None:
    """Renames of a batch are folded to one path a row; None is a row whose path another one took or that was deleted."""
    assert fold(events(*lines), ROWS).moved == moved


def test_an_unknown_thing_is_followed_through_renames() -> None:
    """What no row is known for has a name of its own while the batch is folded, so that its wishes find it."""
    folded = fold(events("permit new 600", "rename new newer"), ROWS)
    [(token, _, position)] = folded.wishes
    assert places(folded)[token] == "newer" and position == 1


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param(["permit a 600"], [("a", "600")], id="where it is"),
        pytest.param(["permit a 600", "rename a x"], [("x", "600")], id="follows the rename"),
        pytest.param(["rename a x", "permit x 600"], [("x", "600")], id="said after the rename"),
        pytest.param(["rename a x", "permit a 600"], [("a", "600")], id="said of what came to the old path"),
        pytest.param(["permit b 600", "rename a b"], [(None, "600")], id="lost with what lost its path"),
        pytest.param(["permit a 600", "delete a"], [("a", "600")], id="a delete that may not be true"),
        pytest.param(
            ["permit a 1", "delete a", "permit a 2"], [("a", "1"), ("a", "2")], id="on both sides of a delete"
        ),
        pytest.param(["permit a 600", "delete a", "rename b a"], [(None, "600")], id="another one took the path"),
        pytest.param(["permit a 1", "delete a", "rename a x"], [(None, "1")], id="another one left the path"),
        pytest.param(["delete a", "update a"], [], id="none"),
    ],
)
def test_wishes_follow_the_thing_that_they_were_said_of(lines: list[str], wanted: list[tuple[str, str]]) -> None:
    """Permissions belong to the thing that was at the path when the event was written, wherever it ended."""
    folded = fold(events(*lines), ROWS)
    ended = places(folded)
    assert [(ended.get(token), event.permissions) for token, event, _ in folded.wishes] == wanted


def test_attributes_in_a_rename_are_wishes_for_the_new_path() -> None:
    """A rename that carries permissions, owner or group sets them on what it moved."""
    event = Event(EventType.RENAME, "a", "x", owner="me")
    folded = fold([(event, 7)], ROWS)
    assert folded.wishes == [(1, event, 7)] and places(folded)[1] == "x"


def test_a_rename_without_a_new_path_is_only_a_look() -> None:
    """Half a rename moves nothing."""
    assert fold([(Event(EventType.RENAME, "a"), 1)], ROWS).moved == {}
