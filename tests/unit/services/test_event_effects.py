"""What a batch of events does to the observed rows, given what the source answered."""

from __future__ import annotations

import pytest

from sync_service.models.changes import Observation
from sync_service.models.data_models import Event, EventType, ObjectInfo, Row, Seen
from sync_service.services.event_effects import PENDING_LOOK, Effects, Looks, effects_of
from tests.unit.services.test_event_folding import events

ROWS = {"a": 1, "b": 2, "c": 3}
"""Known rows by path; the content of row 1 is `e1`, and so on."""


def known(rows: dict[str, int], permissions: str | None = None) -> dict[str, Observation]:
    return {
        path: Observation(
            Row(i, path, i, f"e{i}", "t", permissions, file_type="text/plain"), Seen(permissions, None, None)
        )
        for path, i in rows.items()
    }


def info(path: str, etag: str, **metadata: str) -> ObjectInfo:
    """An object whose content is `e1`, `e2`, ... or anything else."""
    size = int(etag[1:]) if etag[1:].isdigit() else 99
    return ObjectInfo(path, size, etag, "t", "text/plain", metadata=metadata)


def effects(
    lines: list[str] | list[tuple[Event, int]],
    source: dict[str, str | None],
    rows: dict[str, int] | None = None,
    trust: bool = False,
    unanswered: tuple[str, ...] = (),
) -> Effects:
    """The effects of events while the source holds `source` (path to content)."""
    placed = events(*lines) if not lines or isinstance(lines[0], str) else lines
    named = {p for event, _ in placed for p in (event.file_path, event.new_path) if p is not None}  # type: ignore[union-attr]
    keys = sorted(named)
    observed = {path: o for path, o in known(ROWS if rows is None else rows).items() if path in named}
    looks = Looks(
        {k: info(k, e) if (e := source.get(k)) else None for k in keys if k not in unanswered},
        dict.fromkeys(unanswered, "no answer"),
    )
    return effects_of(placed, keys, observed, looks, trust)  # type: ignore[arg-type]


def written(found: Effects) -> dict[str, tuple[int, str]]:
    """Path -> (row id, content) of the rows to write."""
    return {o.row.file_path: (o.row.id, o.row.etag) for o in found.observations}


SAME = {"a": "e1", "b": "e2", "c": "e3"}


@pytest.mark.parametrize(
    ("lines", "source", "rows", "removed"),
    [
        pytest.param(["create n"], {"n": "e9"}, {"n": (0, "e9")}, [], id="create"),
        pytest.param(["update a"], {"a": "e9"}, {"a": (1, "e9")}, [], id="update"),
        pytest.param(["update a"], SAME, {}, [], id="update that changed nothing"),
        pytest.param(["create n"], {}, {}, [], id="create of what is not there"),
        pytest.param(["delete a"], {}, {}, [1], id="delete"),
        pytest.param(["delete a"], SAME, {}, [], id="delete of what is there"),
        pytest.param(["delete a"], {"a": "e9"}, {"a": (1, "e9")}, [], id="delete, then created again"),
        pytest.param(["update a"], {}, {}, [1], id="update of what is gone"),
        pytest.param(["rename a x"], {"x": "e1"}, {"x": (1, "e1")}, [], id="rename"),
        pytest.param(["rename a x"], {"x": "e9"}, {"x": (1, "e9")}, [], id="rename with other content"),
        pytest.param(["rename a x"], SAME, {}, [], id="rename that never was"),
        pytest.param(["rename a x"], {}, {}, [1], id="rename, then deleted"),
        pytest.param(["rename a x"], {"a": "e1", "x": "e9"}, {"x": (0, "e9")}, [], id="both are there, unlike"),
        pytest.param(
            ["rename a x"], {"a": "e1", "x": "e1"}, {"x": (1, "e1"), "a": (0, "e1")}, [], id="both are there, alike"
        ),
        pytest.param(["rename a x", "create a"], {"a": "e9", "x": "e1"}, {"x": (1, "e1"), "a": (0, "e9")}, [],
                     id="create behind a rename"),
        pytest.param(["rename a x", "rename x y", "rename y z"], {"z": "e1"}, {"z": (1, "e1")}, [], id="chain"),
        pytest.param(["rename a b", "rename b c"], {"c": "e1"}, {"c": (1, "e1")}, [2, 3], id="chain over known rows"),
        pytest.param(["rename b c", "rename a b"], {"b": "e1", "c": "e2"}, {"b": (1, "e1"), "c": (2, "e2")}, [3],
                     id="each takes the next one's path"),
        pytest.param(["rename a t", "rename b a", "rename t b"], {"a": "e2", "b": "e1"},
                     {"a": (2, "e2"), "b": (1, "e1")}, [], id="swap"),
        pytest.param(["rename a t", "rename b a", "rename t b"], SAME, {}, [], id="swap told again"),
        pytest.param(["rename a t", "rename b a", "rename t b"], {"a": "e9", "b": "e2"}, {"a": (1, "e9")}, [],
                     id="swap told again, one changed since"),
        pytest.param(["rename a t", "rename b a", "rename c b", "rename t c"], {"a": "e2", "b": "e3", "c": "e1"},
                     {"a": (2, "e2"), "b": (3, "e3"), "c": (1, "e1")}, [], id="circle of three"),
        pytest.param(["rename a b"], {"b": "e1"}, {"b": (1, "e1")}, [2], id="onto an existing path"),
        pytest.param(["rename a b"], SAME, {}, [], id="onto an existing path, told again"),
        pytest.param(["move a a/x"], {"a/x": "e1"}, {"a/x": (1, "e1")}, [], id="into its own child"),
        pytest.param(["delete b", "rename a b"], {"b": "e1"}, {"b": (1, "e1")}, [2], id="onto a deleted path"),
        pytest.param(["rename n m"], {"m": "e9"}, {"m": (0, "e9")}, [], id="rename of what was not known"),
        pytest.param(["rename n a"], {"a": "e9"}, {"a": (1, "e9")}, [], id="the unknown onto a known path"),
        pytest.param(["rename a x", "rename x a"], SAME, {}, [], id="there and back"),
        pytest.param(["rename a x", "delete x"], {"x": "e9"}, {"x": (0, "e9")}, [1], id="renamed, deleted, made anew"),
    ],
)  # fmt: skip
def test_rows_end_as_the_source_answers(
    lines: list[str], source: dict[str, str | None], rows: dict[str, tuple[int, str]], removed: list[int]
) -> None:
    """A row keeps its id where the rename is true; all else is what a look at the key says. Id 0 is a new row."""
    found = effects(lines, source)
    assert written(found) == rows
    assert sorted(found.removed) == removed


def test_a_copy_told_again_is_nothing_new() -> None:
    """Two known objects of the same content do not change places each time that an old rename is repeated."""
    looks = Looks({"a": info("a", "e1"), "b": info("b", "e1")})
    rows = known({"a": 1})
    twin = Observation(Row(2, "b", 1, "e1", "t", file_type="text/plain"), Seen())
    found = effects_of(events("rename a b"), ["a", "b"], rows | {"b": twin}, looks)
    assert (found.observations, found.removed) == ([], [])


@pytest.mark.parametrize(
    ("lines", "source", "reasons"),
    [
        pytest.param(["create n"], {}, {1: "not in the source"}, id="not there"),
        pytest.param(["update a"], SAME, {1: "nothing new"}, id="nothing new"),
        pytest.param(["rename n m"], {}, {1: "not in the source"}, id="neither is there"),
        pytest.param(["update a", "delete b"], {"a": "e9"}, {}, id="both had an effect"),
        pytest.param(["permit n 600"], {}, {1: "not in the source"}, id="permissions of nothing"),
        pytest.param(["permit a 600"], SAME, {}, id="permissions"),
    ],
)
def test_events_without_effect_say_why(
    lines: list[str], source: dict[str, str | None], reasons: dict[int, str]
) -> None:
    """An event that changed nothing is counted as skipped, with the reason."""
    assert effects(lines, source).reasons == reasons


def test_a_key_without_an_answer_keeps_its_row() -> None:
    """The one key waits for the next look, the others of the batch do not."""
    found = effects(["delete a", "delete b"], {}, unanswered=("a",))
    assert found.removed == [2]
    assert found.reasons == {1: PENDING_LOOK}


def test_a_rename_without_an_answer_moves_nothing() -> None:
    """Neither where the old key has no answer nor where the new one has none."""
    assert effects(["rename a x"], {"x": "e9"}, unanswered=("a",)).observations[0].row.id == 0
    assert effects(["rename a x"], {}, unanswered=("x",)).removed == [1]


@pytest.mark.parametrize(
    ("lines", "path", "permissions"),
    [
        pytest.param(["permit a 600"], "a", "600", id="event"),
        pytest.param(["permit a 600", "permit a 644"], "a", "644", id="the later of two"),
        pytest.param(["permit a 600", "update a"], "a", "600", id="with a look"),
        pytest.param(["permit a 600", "delete a"], "a", "600", id="with a delete that is not true"),
        pytest.param(["delete a", "permit a 600"], "a", "600", id="after a delete that is not true"),
    ],
)
def test_permissions_of_events_are_recorded(lines: list[str], path: str, permissions: str) -> None:
    """What an event asks for becomes what is wanted of the row."""
    rows = {o.row.file_path: o for o in effects(lines, SAME).observations}
    assert rows[path].row.permissions == permissions


def test_permissions_follow_a_rename() -> None:
    """They were said of the thing, not of the path."""
    [row] = effects(["permit a 600", "rename a x"], {"x": "e1"}).observations
    assert (row.row.id, row.row.file_path, row.row.permissions) == (1, "x", "600")


def test_permissions_of_what_lost_its_path_are_forgotten() -> None:
    """They were said of the thing that the rename has overwritten."""
    [row] = effects(["permit b 600", "rename a b"], {"b": "e1"}).observations
    assert (row.row.id, row.row.file_path, row.row.permissions) == (1, "b", None)


def test_the_newest_sequencer_sets_permissions_in_any_order() -> None:
    """Of two events of one key the one with the newer sequencer counts, wherever it stands."""
    older = Event(EventType.CHANGE_PERMISSION, "a", permissions="600", sequencer="0A")
    newer = Event(EventType.CHANGE_PERMISSION, "a", permissions="644", sequencer="0B")
    for batch in ([older, newer], [newer, older]):
        [row] = effects([(event, n) for n, event in enumerate(batch, 1)], SAME).observations
        assert row.row.permissions == "644"


@pytest.mark.parametrize(
    ("lines", "source", "rows", "removed"),
    [
        pytest.param(["delete a"], SAME, {}, [1], id="delete"),
        pytest.param(["delete a", "create a"], SAME, {}, [], id="delete, then created"),
        pytest.param(["rename a x"], SAME, {"x": (1, "e1")}, [], id="rename that the bucket does not show yet"),
        pytest.param(["move a d/a"], SAME, {"d/a": (1, "e1")}, [], id="move"),
        pytest.param(["rename a t", "rename b a", "rename t b"], SAME, {"a": (2, "e2"), "b": (1, "e1")}, [], id="swap"),
        pytest.param(["rename a x", "delete x"], SAME, {}, [1], id="renamed, then deleted"),
        pytest.param(["rename n m"], {"n": "e9"}, {"m": (0, "e9")}, [], id="of what was not known"),
        pytest.param(["rename n m"], {"m": "e9"}, {"m": (0, "e9")}, [], id="of what was not known and has moved"),
        pytest.param(["rename n m"], {}, {}, [], id="of nothing"),
        pytest.param(["rename a a"], SAME, {}, [], id="onto itself"),
        pytest.param(["update a"], {"a": "e9"}, {"a": (1, "e9")}, [], id="an update is still looked at"),
    ],
)  # fmt: skip
def test_trusted_events_are_believed(
    lines: list[str], source: dict[str, str | None], rows: dict[str, tuple[int, str]], removed: list[int]
) -> None:
    """With EVENT_TRUST=event deletes, renames and moves count although the source says otherwise."""
    found = effects(lines, source, trust=True)
    assert written(found) == rows
    assert sorted(found.removed) == removed


def test_a_trusted_rename_keeps_what_the_metadata_said() -> None:
    """The row moves with its permissions, and a later look finds nothing new in the same metadata."""
    rows = known({"a": 1}, permissions="600")
    looks = Looks({"a": info("a", "e1", permissions="600"), "x": None})
    [row] = effects_of(events("rename a x"), ["a", "x"], rows, looks, trust_events=True).observations
    assert (row.row.file_path, row.row.permissions, row.seen.permissions) == ("x", "600", "600")


def test_a_row_moved_onto_another_object_leaves_its_metadata_behind() -> None:
    """The 600 that row 1 took from a later object at its old path is nobody's wish for the one at the new path."""
    placed = events("rename a b")
    rows = known({"a": 1}, "600")
    looks = Looks({"a": None, "b": info("b", "e9")})
    [moved] = effects_of(placed, ["a", "b"], rows, looks).observations
    assert (moved.row.id, moved.row.file_path, moved.row.permissions) == (1, "b", None)


def test_a_trusted_event_deletes_nothing_that_could_not_be_looked_at() -> None:
    """Events are believed, and silence is not: an update without an answer, and a rename onto such a key, remove no row."""
    assert effects(["update a"], {}, trust=True, unanswered=("a",)).removed == []
    assert effects(["rename x a"], {}, trust=True, unanswered=("a", "x")).removed == []
    assert effects(["delete a", "create a"], {}, trust=True, unanswered=("a",)).removed == []
