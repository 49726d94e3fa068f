"""From changes to operations in an order that can be carried out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.models.changes import FailureRecord
from sync_service.models.data_models import Kind, Operation, Outcome, Receipt, Result, Row
from sync_service.services import planner as module
from sync_service.services.csv_processor import Change
from sync_service.services.planner import Planner, find_circle, folder_of, is_final, operation_for, path_change
from tests.unit.services.workbench import NOW, Bench, workbench

RENAME = (Kind.RENAME,)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path) as made:
        yield made


@pytest.fixture
def planner(bench: Bench) -> Planner:
    return Planner(bench.catalogue, bench.thread, "c0ffee00beef")


def delivered(bench: Bench, *paths: str) -> list[int]:
    """Objects at these paths, observed and delivered; their row ids."""
    for path in paths:
        bench.source.put(path, path.encode())
    ids = bench.observe(*paths)
    for row_id in ids:
        row = bench.catalogue.observations_by_id([row_id])[row_id].row
        confirm(bench, operation_for(Kind.CREATE, None, row))
    return ids


def confirm(bench: Bench, operation: Operation, result: Result = Result.DONE) -> None:
    """The operation was marked, and ended so."""
    bench.catalogue.mark([operation])
    bench.catalogue.confirm([Outcome(operation, result, Receipt())], [])


def quarantine(bench: Bench, operation: Operation) -> None:
    """The operation was refused for good."""
    failure = FailureRecord(
        operation.row_id, operation.file_path, str(operation.kind), operation.revision, "refused", "no", 1, 1, NOW, NOW, True
    )  # fmt: skip
    bench.catalogue.mark([operation])
    bench.catalogue.confirm([Outcome(operation, Result.REFUSED)], [failure])


async def carried_out(bench: Bench, planner: Planner, waiting: dict[int, tuple[Kind, ...]]) -> list[list[str]]:
    """All waves, each as the operations' texts, with every operation done."""
    waves = []
    while wave := await planner.wave(waiting):
        waves.append([operation.text for operation in wave])
        for operation in wave:
            confirm(bench, operation)
            if not planner.is_aside(operation) and (kinds := waiting.pop(operation.row_id, ())[1:]):
                waiting[operation.row_id] = kinds
    return waves


# ---------------------------------------------------------------- operations


def test_each_kind_carries_what_it_needs() -> None:
    """A create all, an update no permissions, a change of permissions no content, a rename both paths."""
    before = Row(1, "a", 1, "e1", "t", "600", revision=3)
    after = Row(1, "d/b", 2, "e2", "t", "644", "me", "us", "text/plain", version_id="v", revision=4)
    content = {"size": 2, "etag": "e2", "file_type": "text/plain", "version_id": "v"}
    wishes = {"permissions": "644", "owner": "me", "group": "us"}
    assert operation_for(Kind.CREATE, None, after) == Operation(Kind.CREATE, 1, 4, "d/b", **content, **wishes)  # type: ignore[arg-type]
    assert operation_for(Kind.UPDATE, before, after) == Operation(Kind.UPDATE, 1, 4, "d/b", **content)  # type: ignore[arg-type]
    assert operation_for(Kind.CHANGE_PERMISSION, before, after) == Operation(
        Kind.CHANGE_PERMISSION, 1, 4, "d/b", version_id="v", **wishes
    )  # type: ignore[arg-type]
    assert operation_for(Kind.RENAME, before, after) == Operation(Kind.MOVE, 1, 4, "a", "d/b", 1, "e1")
    assert operation_for(Kind.DELETE, before, None) == Operation(Kind.DELETE, 1, 3, "a", size=1, etag="e1")


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("a", "b", Kind.RENAME), ("d/a", "d/b", Kind.RENAME), ("a", "d/a", Kind.MOVE), ("d/a", "a", Kind.MOVE),
        ("d/a", "e/a", Kind.MOVE), ("a/", "b/", Kind.RENAME), ("d/a/", "d/b/", Kind.RENAME), ("/a", "a", Kind.MOVE),
        ("a", "a/x", Kind.MOVE), ("d//a", "d/a", Kind.MOVE),
    ],
)  # fmt: skip
def test_a_rename_stays_in_its_folder(old: str, new: str, kind: Kind) -> None:
    """Another folder makes it a move."""
    assert path_change(Row(1, old, 0, "e", "t"), new, 1).kind is kind


@pytest.mark.parametrize(
    ("path", "folder"), [("a", ""), ("d/a", "d/"), ("d/a/", "d/"), ("/a", "/"), ("", ""), ("/", "")]
)
def test_the_folder_of_a_path(path: str, folder: str) -> None:
    """What stands before the last name, with its slash."""
    assert folder_of(path) == folder


# ---------------------------------------------------------------- sorting a window


async def test_what_stands_in_nobodys_way_goes_at_once(bench: Bench, planner: Planner) -> None:
    """Creates, updates and changes of permissions are ready; deletes come last; renames wait for their turn."""
    [a, b, c] = delivered(bench, "a", "b", "c")
    bench.source.put("new", b"new")
    [new] = bench.observe("new")
    bench.move(c, "x")
    bench.lose(b)
    changes = [Change(a, (Kind.UPDATE,)), Change(b, (Kind.DELETE,)), Change(c, RENAME), Change(new, (Kind.CREATE,))]
    plan = await planner.sort(changes)
    assert [operation.text for operation in plan.ready] == ["update a", "create new"]
    assert (plan.waiting, plan.deletes) == ({c: RENAME}, [b])


async def test_several_operations_of_a_row_wait_for_each_other(bench: Bench, planner: Planner) -> None:
    """A rename with new content goes one after the other."""
    [a] = delivered(bench, "a")
    plan = await planner.sort([Change(a, (Kind.CHANGE_PERMISSION, Kind.UPDATE))])
    assert plan.waiting == {a: (Kind.CHANGE_PERMISSION, Kind.UPDATE)}


async def test_a_create_on_a_path_that_is_held_waits(bench: Bench, planner: Planner) -> None:
    """The row that holds it goes away first."""
    [a] = delivered(bench, "a")
    bench.move(a, "x")
    bench.source.put("a", b"other")
    [new] = bench.observe("a")
    plan = await planner.sort([Change(new, (Kind.CREATE,)), Change(a, RENAME)])
    assert plan.waiting == {new: (Kind.CREATE,), a: RENAME}
    assert await carried_out(bench, planner, plan.waiting) == [["rename a -> x"], ["create a"]]


async def test_a_row_that_vanished_since_the_snapshot_is_left_out(bench: Bench, planner: Planner) -> None:
    """The next cycle sees it as a delete."""
    [a] = delivered(bench, "a")
    bench.lose(a)
    plan = await planner.sort([Change(a, (Kind.UPDATE,))])
    assert (plan.ready, plan.waiting) == ([], {})
    assert await planner.wave({a: RENAME}) == []


async def test_what_was_refused_is_not_sent_again(bench: Bench, planner: Planner) -> None:
    """Until the object changes: then it is another revision."""
    [a] = delivered(bench, "a")
    bench.rewrite(a, etag="e2")
    [operation] = (await planner.sort([Change(a, (Kind.UPDATE,))])).ready
    quarantine(bench, operation)
    plan = await planner.sort([Change(a, (Kind.UPDATE,))])
    assert (plan.ready, plan.waiting) == ([], {})
    bench.rewrite(a, etag="e3")
    assert len((await planner.sort([Change(a, (Kind.UPDATE,))])).ready) == 1


def test_final_is_the_same_kind_and_revision_in_quarantine() -> None:
    """A failure that is still tried, of another kind or of another revision holds nothing up."""
    operation = Operation(Kind.UPDATE, 1, 4, "a")

    def failure(revision: int, quarantined: bool) -> FailureRecord:
        return FailureRecord(1, "a", "update", revision, "refused", "no", 1, 1, NOW, NOW, quarantined)

    assert is_final(operation, {(1, "update"): failure(4, True)})
    assert not is_final(operation, {(1, "update"): failure(3, True)})
    assert not is_final(operation, {(1, "update"): failure(4, False)})
    assert not is_final(operation, {(1, "create"): failure(4, True)})


# ---------------------------------------------------------------- waves


async def test_a_chain_goes_from_its_end(bench: Bench, planner: Planner) -> None:
    """What frees a path goes before what takes it."""
    [a, b, c] = delivered(bench, "a", "b", "c")
    for row_id, path in ((c, "x"), (b, "c"), (a, "b")):
        bench.move(row_id, path)
    waves = await carried_out(bench, planner, {a: RENAME, b: RENAME, c: RENAME})
    assert waves == [["rename c -> x"], ["rename b -> c"], ["rename a -> b"]]


async def test_a_swap_goes_round_a_temporary_path(bench: Bench, planner: Planner) -> None:
    """One row steps aside, within its folder; then both take their paths."""
    [a, b] = delivered(bench, "d/a", "d/b")
    bench.move(a, "t")
    bench.move(b, "d/a")
    bench.move(a, "d/b")
    first, second, third = await carried_out(bench, planner, {a: RENAME, b: RENAME})
    assert [first[0].split(" -> ")[1].startswith("d/.s3-sync-c0ffee00-"), len(first)] == [True, 1]
    assert {*second, *third} & {"rename d/a -> d/b", "rename d/b -> d/a"}
    assert bench.catalogue.holders(["d/a", "d/b"]) == {"d/a": b, "d/b": a}


async def test_two_circles_are_broken_one_after_the_other(bench: Bench, planner: Planner) -> None:
    """Each needs one row to step aside."""
    ids = delivered(bench, "a", "b", "c", "d")
    for row_id, path in zip(ids, ("t1", "t2", "t3", "t4"), strict=True):
        bench.move(row_id, path)
    for row_id, path in zip(ids, ("b", "a", "d", "c"), strict=True):
        bench.move(row_id, path)
    waves = await carried_out(bench, planner, dict.fromkeys(ids, RENAME))
    assert sum(".s3-sync-" in text.split(" -> ")[1] for wave in waves for text in wave) == 2
    assert bench.catalogue.holders(["a", "b", "c", "d"]) == dict(zip(("b", "a", "d", "c"), ids, strict=True))


async def test_a_lost_row_makes_room_at_once(bench: Bench, planner: Planner) -> None:
    """A delete whose path another row takes goes just before that row, past the guard: nothing is lost by it."""
    [a, b] = delivered(bench, "a", "b")
    bench.lose(b)
    bench.move(a, "b")
    assert await carried_out(bench, planner, {a: RENAME}) == [["delete b"], ["rename a -> b"]]


async def test_a_refused_delete_holds_up_what_wants_its_path(bench: Bench, planner: Planner) -> None:
    """The taking waits where the freeing has failed for good."""
    [a, b] = delivered(bench, "a", "b")
    bench.lose(b)
    bench.move(a, "b")
    [delete] = await planner.deletes([b])
    quarantine(bench, delete)
    assert await planner.wave({a: RENAME}) == []
    assert await planner.deletes([b]) == []


async def test_a_refused_rename_holds_up_only_who_waits_for_it(bench: Bench, planner: Planner) -> None:
    """Others of the same wave go."""
    [a, b, c] = delivered(bench, "a", "b", "c")
    for row_id, path in ((b, "x"), (a, "b"), (c, "y")):
        bench.move(row_id, path)
    quarantine(bench, Operation(Kind.RENAME, b, bench.catalogue.observations_by_id([b])[b].row.revision, "b", "x"))
    wave = await planner.wave({a: RENAME, b: RENAME, c: RENAME})
    assert [operation.text for operation in wave] == ["rename c -> y"]


async def test_waiting_rows_are_looked_through_in_chunks(
    bench: Bench, planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wave is the first chunk in which something can go; a circle is found over all of them."""
    monkeypatch.setattr(module, "CHUNK", 1)
    [a, b, c] = delivered(bench, "a", "b", "c")
    for row_id, path in ((c, "x"), (b, "c"), (a, "b")):
        bench.move(row_id, path)
    waves = await carried_out(bench, planner, {a: RENAME, b: RENAME, c: RENAME})
    assert waves == [["rename c -> x"], ["rename b -> c"], ["rename a -> b"]]


async def test_permissions_and_content_wait_for_no_path(bench: Bench, planner: Planner) -> None:
    """They go to where the row is, one after the other."""
    [a] = delivered(bench, "a")
    waves = await carried_out(bench, planner, {a: (Kind.CHANGE_PERMISSION, Kind.UPDATE)})
    assert waves == [["change_permission a"], ["update a"]]


async def test_deletes_are_of_rows_that_are_still_lost(bench: Bench, planner: Planner) -> None:
    """A row that came back, or that the destination no longer holds, is left alone."""
    [a, b] = delivered(bench, "a", "b")
    bench.lose(a)
    assert [operation.text for operation in await planner.deletes([a, b, 99])] == ["delete a"]


@pytest.mark.parametrize(
    ("blocked", "circle"),
    [
        ({}, set()), ({1: 2}, set()), ({1: 2, 2: 3}, set()), ({1: 2, 2: 1}, {1, 2}), ({1: 2, 2: 3, 3: 2}, {2, 3}),
        ({9: 8, 1: 2, 2: 3, 3: 1}, {1, 2, 3}), ({1: 1}, {1}), ({1: 3, 2: 3, 3: 4}, set()),
    ],
)  # fmt: skip
def test_a_circle_is_found(blocked: dict[int, int], circle: set[int]) -> None:
    """A row that leads back to itself, never one that only waits for a circle."""
    found = find_circle(blocked)
    assert found in circle if circle else found is None


class Followed(dict[int, int]):
    """Who waits for whom; `steps` counts how often someone is followed."""

    steps = 0

    def __getitem__(self, row_id: int) -> int:
        self.steps += 1
        return super().__getitem__(row_id)


def test_a_long_chain_is_followed_once() -> None:
    """A million rows that wait for each other cost a million steps, not as many for each of them."""
    blocked = Followed({n: n + 1 for n in range(50)})
    assert find_circle(blocked) is None
    assert blocked.steps == len(blocked)


async def test_each_waiting_row_is_looked_up_once_a_wave(
    bench: Bench, planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can go all chunks are gone through, and no chunk holds what another one held."""
    monkeypatch.setattr(module, "CHUNK", 2)
    *ids, last = delivered(bench, "a", "b", "c", "d", "e")
    bench.lose(last)
    for row_id, path in zip(reversed(ids), "edcb", strict=True):
        bench.move(row_id, path)
    bench.thread.calls.clear()
    assert await planner.wave(dict.fromkeys(ids, RENAME), {last}) == []
    assert bench.thread.calls.count("holders") == 2


# ---------------------------------------------------------------- rows that change while the plan is made


async def test_a_vanished_row_hides_none_behind_it(bench: Bench, planner: Planner) -> None:
    """Sorted or in a wave, the rows after it go on."""
    [gone, b, c] = delivered(bench, "a", "b", "c")
    bench.lose(gone)
    bench.move(c, "x")
    plan = await planner.sort([Change(gone, (Kind.UPDATE,)), Change(b, (Kind.UPDATE,))])
    assert [operation.text for operation in plan.ready] == ["update b"]
    assert [operation.text for operation in await planner.wave({gone: RENAME, c: RENAME})] == ["rename c -> x"]


async def test_a_row_that_is_back_where_it_was_is_left_out(bench: Bench, planner: Planner) -> None:
    """An event took the rename back after the diff was made: nothing is renamed onto itself, and others go."""
    [back, c, new] = delivered(bench, "a", "c", "z")
    bench.move(c, "x")
    wave = await planner.wave({back: RENAME, c: RENAME})
    assert [operation.text for operation in wave] == ["rename c -> x"]
    assert [operation.text for operation in await planner.wave({new: (Kind.UPDATE,)})] == ["update z"]


async def test_a_rename_of_a_row_that_is_gone_from_the_destination_is_left_out(bench: Bench, planner: Planner) -> None:
    """Its row was dropped, or is in doubt: there is nothing to rename before it is settled."""
    [a, b] = delivered(bench, "a", "b")
    bench.move(a, "x")
    bench.move(b, "y")
    bench.catalogue.mark([Operation(Kind.RENAME, a, 2, "a", "x")])
    assert [operation.text for operation in await planner.wave({a: RENAME, b: RENAME})] == ["rename b -> y"]


async def test_all_that_stands_in_the_way_goes_in_one_wave(bench: Bench, planner: Planner) -> None:
    """Two renames onto paths of lost rows: both deletes at once, but not those that have failed in this round."""
    [a, b, c, d] = delivered(bench, "a", "b", "c", "d")
    bench.lose(b, d)
    bench.move(a, "b")
    bench.move(c, "d")
    waiting = {a: RENAME, c: RENAME}
    assert [operation.text for operation in await planner.wave(waiting)] == ["delete b", "delete d"]
    assert [operation.text for operation in await planner.wave(waiting, {b})] == ["delete d"]
    assert await planner.wave(waiting, {b, d}) == []


async def test_refused_operations_stay_aside(bench: Bench, planner: Planner) -> None:
    """Each of them, however many there are."""
    ids = delivered(bench, "a", "b")
    for row_id, path in zip(ids, "ab", strict=True):
        quarantine(bench, Operation(Kind.UPDATE, row_id, 1, path))
    plan = await planner.sort([Change(row_id, (Kind.UPDATE,)) for row_id in ids])
    assert (plan.ready, plan.waiting) == ([], {})
