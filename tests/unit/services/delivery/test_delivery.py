"""Windows: marked and committed before the calls leave, confirmed as answers come, and settled where no answer came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from sync_service.models.changes import FailureRecord, Observation
from sync_service.models.data_models import Kind, Operation, Outcome, Receipt, Result, Row, Seen
from sync_service.models.errors import (
    Denied,
    Refused,
    StorageFull,
    StoredWrong,
    Temporary,
    Unreachable,
)
from sync_service.services import delivery as module
from sync_service.services.delivery import Delivery
from sync_service.services.failing import failure_of
from sync_service.services.planner import operation_for
from tests.fakes.catalogues import observe
from tests.unit.services.delivery.steps import (
    UNKNOWN,
    delivered,
    deliverer,
    doubts,
    holding,
    in_doubt,
    planned,
    put,
    settle_all,
    slow,
)
from tests.unit.services.workbench import NOW, Bench

# ---------------------------------------------------------------- windows


async def test_what_was_done_is_confirmed(bench: Bench, delivery: Delivery) -> None:
    """Rows hold what the destination confirmed, nothing is in doubt, and everything is counted."""
    operations = put(bench, "a", "bb")
    assert await delivery.run(operations) == {o.row_id: Result.DONE for o in operations}
    assert doubts(bench) == []
    assert [holding(bench, o.row_id) for o in operations] == [(o.file_path, o.etag) for o in operations]
    counts = delivery.counts
    assert (counts.done, counts.files, counts.size, counts.again) == ({"create": 2}, 2, 3, False)
    assert len(bench.observer.outcomes) == 2


async def test_a_window_is_marked_before_its_calls_leave(bench: Bench, delivery: Delivery) -> None:
    """The whole attempt is committed when the first call comes."""
    seen: list[list[str]] = []
    bench.destination.on_call = lambda kind, path: seen.append(doubts(bench))  # type: ignore[assignment, func-returns-value]
    await delivery.run(put(bench, "a", "b"))
    assert seen[0] == ["create a", "create b"]


async def test_windows_follow_each_other_within_bounds(
    bench: Bench, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more is outstanding than the bound allows, and all of it arrives."""
    monkeypatch.setattr(module, "WINDOW", 2)
    monkeypatch.setattr(module, "OUTSTANDING", 4)
    most: list[int] = []
    bench.destination.on_call = lambda kind, path: most.append(len(doubts(bench)))  # type: ignore[assignment, func-returns-value]
    await delivery.run(put(bench, *(f"k{n}" for n in range(11))))
    assert len(bench.destination.files) == 11
    assert max(most) <= 4


async def test_nothing_is_sent_once_halted(bench: Bench, delivery: Delivery) -> None:
    """No mark, no call."""
    operations = put(bench, "a")
    bench.halt.set("told to stop")
    await delivery.send(operations)
    await delivery.drain()
    assert (bench.catalogue.doubts(), bench.destination.calls) == ([], [])


async def test_a_halt_between_mark_and_call_takes_the_mark_back(bench: Bench, delivery: Delivery) -> None:
    """What was certainly not sent is neither in doubt nor failed nor counted."""
    operations = put(bench, "a", "b", "c", "d", "e")
    bench.destination.on_call = lambda kind, path: bench.halt.set("told to stop")  # type: ignore[assignment, func-returns-value]
    await delivery.run(operations)
    sent = len(bench.destination.files)
    assert sent < len(operations)
    assert bench.catalogue.delivered_count() == sent
    assert (doubts(bench), delivery.failed, bench.catalogue.list_failures()) == ([], set(), [])


async def test_stop_leaves_what_is_on_its_way_in_doubt(bench: Bench) -> None:
    """The next cycle settles it."""
    sent = asyncio.Event()

    class Silent:
        async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
            sent.set()
            await asyncio.Event().wait()
            yield Outcome(window[0], Result.DONE)

        async def close(self) -> None: ...

    delivery = deliverer(bench)
    delivery._engine = Silent()
    await delivery.send(put(bench, "a"))
    await sent.wait()
    await delivery.stop()
    assert doubts(bench) == ["create a"]


async def test_an_engine_that_breaks_leaves_nobody_waiting(bench: Bench) -> None:
    """A defect in an adapter is raised where the outcome is waited for, instead of a cycle that never ends."""

    class Broken:
        async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
            raise KeyError("a defect")
            yield Outcome(window[0], Result.DONE)

        async def close(self) -> None: ...

    delivery = deliverer(bench)
    delivery._engine = Broken()
    with pytest.raises(KeyError, match="a defect"):
        await asyncio.wait_for(delivery.run(put(bench, "a")), 30)
    assert doubts(bench) == ["create a"]


async def test_a_catalogue_that_cannot_confirm_ends_the_cycle(
    bench: Bench, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error reaches whoever waits for room or for the end; the rows stay in doubt."""
    monkeypatch.setattr(module, "WINDOW", 1)
    monkeypatch.setattr(module, "OUTSTANDING", 1)

    def full(*_: object) -> None:
        raise StorageFull("no space left")

    bench.catalogue.confirm = full  # type: ignore[method-assign]
    with pytest.raises(StorageFull):
        await asyncio.wait_for(delivery.send(put(bench, "a", "b", "c")), 30)
    assert doubts(bench) == ["create a"]


# ---------------------------------------------------------------- how operations end


async def test_a_refusal_is_recorded_and_final(bench: Bench, delivery: Delivery) -> None:
    """The row that the create had made is gone, the failure waits in quarantine, others are not held up."""
    bench.destination.fail(Refused("no", status=422), path="a")
    a, b = put(bench, "a", "b")
    assert await delivery.run([a, b]) == {a.row_id: Result.REFUSED, b.row_id: Result.DONE}
    assert holding(bench, a.row_id) is None
    [failure] = bench.catalogue.list_failures()
    assert (failure.file_path, failure.kind, failure.quarantined, failure.cycles) == ("a", "refused", True, 1)
    assert (delivery.failed, delivery.counts.done) == ({a.row_id}, {"create": 1})


async def test_an_unknown_outcome_stays_in_doubt(bench: Bench, delivery: Delivery) -> None:
    """It is a failure that is tried again, not one that is final."""
    bench.destination.fail(UNKNOWN, applied=True)
    [a] = put(bench, "a")
    await delivery.run([a])
    assert doubts(bench) == ["create a"]
    assert [failure.quarantined for failure in bench.catalogue.list_failures()] == [False]


async def test_an_outage_condemns_nobody(bench: Bench) -> None:
    """Cycles count against an object only while the destination answers for others."""
    [a, b] = put(bench, "a", "b")
    bench.destination.fail(Unreachable("no connection"), path="a", times=99)
    for cycle in range(3):
        delivery = deliverer(bench, max_attempts=2)
        await delivery.run([a] if cycle == 0 else [b, a] if cycle == 1 else [planned(bench, Kind.UPDATE, b.row_id), a])
        [failure] = bench.catalogue.list_failures()
        assert (failure.attempts, failure.cycles, failure.quarantined) == (cycle + 1, cycle, cycle == 2)
        await delivery.stop()


async def test_success_ends_a_failure(bench: Bench, delivery: Delivery) -> None:
    """The record goes with the confirmation."""
    bench.destination.fail(Unreachable("no connection"))
    operations = put(bench, "a")
    await delivery.run(operations)
    await delivery.run(operations)
    assert bench.catalogue.list_failures() == []


@pytest.mark.parametrize("change", ["changed", "gone"])
async def test_a_source_that_moved_is_observed_again(bench: Bench, delivery: Delivery, change: str) -> None:
    """No failure: the row is looked at, and another round follows."""
    [a] = put(bench, "a")
    if change == "changed":
        bench.source.put("a", b"other")
    else:
        bench.source.delete("a")
    await delivery.run([a])
    assert (delivery.counts.again, delivery.failed, bench.catalogue.list_failures()) == (True, set(), [])
    expected = {"a": (a.row_id, bench.source.info("a").etag)} if change == "changed" else {}
    assert bench.observed() == expected


async def test_a_changed_object_that_cannot_be_looked_at_waits(bench: Bench, delivery: Delivery) -> None:
    """A person is told; the row stays as it was for the next cycle."""
    [a] = put(bench, "a")
    bench.source.put("a", b"other")
    bench.source.fail("look", Denied("not you"))
    await delivery.run([a])
    assert bench.observed() == {"a": (a.row_id, a.etag)}
    assert [facts["file_path"] for _, facts in bench.observer.problems] == ["a"]


async def test_stored_wrong_is_repaired_as_a_new_effect(bench: Bench, delivery: Delivery) -> None:
    """The path is held with unknown bytes, and the revision grows: a server that remembers keys would not store it anew."""
    bench.destination.fail(StoredWrong("other bytes"))
    [a] = put(bench, "a")
    await delivery.run([a])
    assert holding(bench, a.row_id) == ("a", "?")
    assert planned(bench, Kind.UPDATE, a.row_id).revision == a.revision + 1
    assert (delivery.counts.again, delivery.failed) == (True, set())


async def test_a_create_teaches_the_row_what_its_headers_said(bench: Bench, delivery: Delivery) -> None:
    """A row that only a listing had shown learns type and permissions with its bytes, and is in step."""
    info = bench.source.put("a", b"one", {"permissions": "600", "owner": "me"}, "image/png")
    row = Row(0, "a", info.size, info.etag, info.last_modified)
    observe(bench.catalogue, [Observation(row, Seen())], [], NOW)
    row_id = bench.id_at("a")
    await delivery.run([operation_for(Kind.CREATE, None, bench.catalogue.observations_by_id([row_id])[row_id].row)])
    learned = bench.catalogue.observations_by_id([row_id])[row_id]
    assert (learned.row.permissions, learned.row.file_type, learned.row.revision) == ("600", "image/png", 1)
    assert learned.seen == Seen("600", "me", None)
    assert bench.catalogue.totals().pending == 0


# ---------------------------------------------------------------- the breaker


async def test_nothing_but_silence_stops_the_cycle(bench: Bench, delivery: Delivery) -> None:
    """After so many operations without an answer the rest waits for the next cycle, and a person is told once."""
    bench.destination.fail(Unreachable("no connection"), times=99)
    slow(bench)
    await delivery.run(put(bench, *(f"k{n:02}" for n in range(30))))
    assert (delivery.hearing.silent, bench.halt.is_set) == (True, True)
    assert 10 <= len(bench.destination.calls) < 20
    assert len(bench.observer.problems) == 1


@pytest.mark.parametrize("answer", [None, Refused("no", status=422), StoredWrong("other bytes")])
async def test_any_answer_ends_the_silence(bench: Bench, delivery: Delivery, answer: Exception | None) -> None:
    """A refusal is an answer too."""
    operations = put(bench, *(f"k{n:02}" for n in range(24)))
    for operation in operations[:9] + operations[12:21]:
        bench.destination.fail(Unreachable("no connection"), path=operation.file_path)
    slow(bench)
    if answer is not None:
        bench.destination.fail(answer, path="k09")
    await delivery.run(operations)
    assert (delivery.hearing.silent, len(bench.destination.calls)) == (False, 24)


async def test_objects_that_have_changed_are_no_silence(bench: Bench, delivery: Delivery) -> None:
    """However many objects the source has changed or lost in a row, the destination was never asked."""
    operations = put(bench, *(f"k{n:02}" for n in range(30)))
    for n in range(29):
        bench.source.put(f"k{n:02}", b"changed meanwhile") if n % 2 else bench.source.delete(f"k{n:02}")
    await delivery.run(operations)
    assert (delivery.hearing.silent, bench.observer.problems) == (False, [])
    assert list(bench.destination.files) == ["k29"]


async def test_a_new_cycle_tries_again(bench: Bench, delivery: Delivery) -> None:
    """The breaker is for one cycle."""
    bench.destination.fail(Unreachable("no connection"), times=99)
    operations = put(bench, *(f"k{n:02}" for n in range(30)))
    await delivery.run(operations)
    bench.destination.heal()
    delivery.begin()
    assert (delivery.hearing.silent, bench.halt.is_set, delivery.failed) == (False, False, set())
    await delivery.run(operations)
    assert len(bench.destination.files) == 30


async def test_silence_while_settling_stops_the_cycle_too(bench: Bench, delivery: Delivery) -> None:
    """Doubts are not asked about one after the other where nothing answers."""
    operations = put(bench, *(f"k{n:02}" for n in range(30)))
    bench.catalogue.mark(operations)
    bench.destination.fail(UNKNOWN, times=99)
    await settle_all(delivery)
    assert delivery.hearing.silent
    assert len(bench.destination.calls) < 15
    assert len(doubts(bench)) == 30


# ---------------------------------------------------------------- settling


@pytest.mark.parametrize("applied", [True, False])
async def test_an_upload_in_doubt_is_repeated_as_it_was(bench: Bench, delivery: Delivery, applied: bool) -> None:
    """Under its own key, while the source still has that version."""
    [a] = put(bench, "a")
    await in_doubt(bench, delivery, a, applied)
    await settle_all(delivery)
    assert len({key for _, key in bench.destination.calls}) == 1
    assert holding(bench, a.row_id) == ("a", a.etag)
    assert doubts(bench) == []


@pytest.mark.parametrize(("applied", "held"), [(True, ("a", "?")), (False, None)])
@pytest.mark.parametrize("change", ["changed", "gone"])
async def test_an_upload_in_doubt_whose_source_moved_is_asked_for(
    bench: Bench, delivery: Delivery, applied: bool, held: tuple[str, str] | None, change: str
) -> None:
    """What is found there is of an unknown version and is sent again (or deleted); what is not there is forgotten."""
    [a] = put(bench, "a")
    await in_doubt(bench, delivery, a, applied)
    bench.source.put("a", b"other") if change == "changed" else bench.source.delete("a")
    await settle_all(delivery)
    assert (holding(bench, a.row_id), doubts(bench)) == (held, [])


@pytest.mark.parametrize(("applied", "held"), [(True, ("a", "?")), (False, None)])
async def test_an_upload_in_doubt_that_is_refused_is_asked_for(
    bench: Bench, delivery: Delivery, applied: bool, held: tuple[str, str] | None
) -> None:
    """The refusal says nothing of the first attempt."""
    [a] = put(bench, "a")
    await in_doubt(bench, delivery, a, applied)
    bench.destination.fail(Refused("no", status=422), kind="create")
    await settle_all(delivery)
    assert (holding(bench, a.row_id), doubts(bench)) == (held, [])


@pytest.mark.parametrize("error", [UNKNOWN, Unreachable("no connection"), Denied("not you")])
async def test_an_upload_without_an_answer_stays_in_doubt(
    bench: Bench, delivery: Delivery, error: Temporary | Denied
) -> None:
    """Also where this attempt was certainly not applied: the first one may have been."""
    [a] = put(bench, "a")
    await in_doubt(bench, delivery, a, applied=True)
    bench.destination.fail(error)
    await settle_all(delivery)
    assert doubts(bench) == ["create a"]


async def test_an_upload_in_doubt_whose_source_moves_between_attempts(bench: Bench) -> None:
    """The second attempt finds another version: what may stand there is asked for."""
    bench.retries = 1
    delivery = deliverer(bench)
    [a] = put(bench, "a")
    bench.catalogue.mark([a])
    bench.destination.fail(UNKNOWN, applied=True)
    opens: list[str | None] = []

    def change(call: str, subject: str | None) -> None:
        opens.append(subject) if call == "open" else None
        if len(opens) == 2:
            bench.source.put("a", b"other")

    bench.source.before = change
    await settle_all(delivery)
    assert (holding(bench, a.row_id), doubts(bench)) == (("a", "?"), [])
    await delivery.stop()


async def test_an_upload_onto_a_path_of_another_row_is_forgotten(bench: Bench, delivery: Delivery) -> None:
    """What stands there is the other row's."""
    [other] = await delivered(bench, delivery, "a")
    [b] = put(bench, "b")
    bench.catalogue.mark([Operation(Kind.CREATE, b.row_id, 1, "a", size=1, etag=b.etag)])
    await settle_all(delivery)
    assert (holding(bench, b.row_id), doubts(bench)) == (None, [])
    held = holding(bench, other)
    assert held is not None and held[0] == "a"
    assert bench.destination.effects == []


@pytest.mark.parametrize(("applied", "path"), [(True, "x"), (False, "a")])
async def test_a_rename_in_doubt_is_where_it_is_found(
    bench: Bench, delivery: Delivery, applied: bool, path: str
) -> None:
    """By `get` on both paths; no bytes are sent."""
    [a] = await delivered(bench, delivery, "a")
    bench.source.rename("a", "x")
    bench.move(a, "x")
    await in_doubt(bench, delivery, planned(bench, Kind.RENAME, a), applied)
    await settle_all(delivery)
    assert holding(bench, a) == (path, bench.source.info("x").etag)
    assert doubts(bench) == []


async def test_a_rename_in_doubt_that_is_on_neither_path_is_forgotten(bench: Bench, delivery: Delivery) -> None:
    """The row is made anew by a create."""
    [a] = await delivered(bench, delivery, "a")
    bench.move(a, "x")
    await in_doubt(bench, delivery, planned(bench, Kind.RENAME, a), applied=False)
    bench.destination.files.clear()
    await settle_all(delivery)
    assert (holding(bench, a), doubts(bench)) == (None, [])


@pytest.mark.parametrize(("still_there", "kept"), [(True, "a"), (False, None)])
async def test_a_rename_onto_a_path_of_another_row(
    bench: Bench, delivery: Delivery, still_there: bool, kept: str | None
) -> None:
    """It is not done where its old path is still there, and lost where it is not; the other row keeps its own."""
    a, b = await delivered(bench, delivery, "a", "b")
    bench.catalogue.mark([Operation(Kind.RENAME, a, 2, "a", "b", 1)])
    if not still_there:
        del bench.destination.files["a"]
    await settle_all(delivery)
    held = holding(bench, a)
    assert (held[0] if held else None) == kept
    other = holding(bench, b)
    assert other is not None and other[0] == "b"
    assert doubts(bench) == []


@pytest.mark.parametrize(("applied", "held"), [(True, False), (False, True)])
async def test_a_delete_in_doubt_is_asked_for(bench: Bench, delivery: Delivery, applied: bool, held: bool) -> None:
    """Done where the path is gone, planned again where it is not."""
    [a] = await delivered(bench, delivery, "a")
    bench.lose(a)
    await in_doubt(bench, delivery, planned(bench, Kind.DELETE, a), applied)
    await settle_all(delivery)
    assert ((holding(bench, a) is not None), doubts(bench)) == (held, [])


async def test_a_delete_in_doubt_of_a_path_that_another_row_took(bench: Bench, delivery: Delivery) -> None:
    """What stands there now is the other row's, so this one is done."""
    a, b = await delivered(bench, delivery, "a", "b")
    bench.lose(a)
    bench.catalogue.mark([planned(bench, Kind.DELETE, a)])
    with bench.catalogue._session.transaction() as conn:
        conn.exec_driver_sql(f"UPDATE delivered SET file_path = 'a' WHERE id = {b}")
    await settle_all(delivery)
    assert (holding(bench, a), doubts(bench)) == (None, [])


@pytest.mark.parametrize("there", [True, False])
async def test_a_change_of_permissions_in_doubt(bench: Bench, delivery: Delivery, there: bool) -> None:
    """Planned again where the path is there, made anew where it is not."""
    [a] = await delivered(bench, delivery, "a")
    bench.rewrite(a, permissions="600")
    await in_doubt(bench, delivery, planned(bench, Kind.CHANGE_PERMISSION, a), applied=True)
    if not there:
        bench.destination.files.clear()
    await settle_all(delivery)
    assert ((holding(bench, a) is not None), doubts(bench)) == (there, [])


@pytest.mark.parametrize("kind", [Kind.RENAME, Kind.DELETE, Kind.CHANGE_PERMISSION])
async def test_what_is_found_not_done_is_no_failure(bench: Bench, delivery: Delivery, kind: Kind) -> None:
    """It is planned again: neither counted as failed nor recorded as failing."""
    [a] = await delivered(bench, delivery, "a")
    if kind is Kind.DELETE:
        bench.lose(a)
    else:
        bench.rewrite(a, permissions="600", **({"file_path": "x"} if kind is Kind.RENAME else {}))
    bench.catalogue.mark([planned(bench, kind, a)])
    await settle_all(delivery)
    assert (doubts(bench), delivery.failed, bench.catalogue.list_failures()) == ([], set(), [])


@pytest.mark.parametrize("kind", [Kind.RENAME, Kind.DELETE, Kind.CHANGE_PERMISSION])
async def test_a_doubt_stays_where_nobody_answers(bench: Bench, delivery: Delivery, kind: Kind) -> None:
    """Nothing is assumed."""
    [a] = await delivered(bench, delivery, "a")
    if kind is Kind.DELETE:
        bench.lose(a)
    else:
        bench.rewrite(a, permissions="600", **({"file_path": "x"} if kind is Kind.RENAME else {}))
    operation = planned(bench, kind, a)
    await in_doubt(bench, delivery, operation, applied=True)
    bench.destination.fail(UNKNOWN, kind="get", times=9)
    await settle_all(delivery)
    assert doubts(bench) == [operation.text]
    assert [failure.kind for failure in bench.catalogue.list_failures()] == ["unknown"]


async def test_a_halt_settles_nothing(bench: Bench, delivery: Delivery) -> None:
    """Doubts stay, nothing is counted as failed, nothing is asked."""
    [a] = put(bench, "a")
    bench.catalogue.mark([a])
    bench.halt.set("told to stop")
    await settle_all(delivery)
    assert (doubts(bench), bench.catalogue.list_failures(), bench.destination.calls) == (["create a"], [], [])


async def test_nothing_in_doubt_asks_nothing(bench: Bench, delivery: Delivery) -> None:
    """No note, no call."""
    await settle_all(delivery)
    assert (bench.observer.notes, bench.destination.calls) == ([], [])


# ---------------------------------------------------------------- pure parts


def outcome(result: Result, **values: object) -> Outcome:
    return Outcome(Operation(Kind.UPDATE, 1, 4, "a"), result, Receipt(), **values)  # type: ignore[arg-type]


RECORD = FailureRecord(1, "a", "update", 4, "unknown", "no answer", 3, 2, "before", "before", False)


@pytest.mark.parametrize(
    ("before", "result", "alive", "attempts", "cycles", "quarantined", "first_at"),
    [
        pytest.param(None, Result.UNKNOWN, True, 2, 1, False, NOW, id="the first time"),
        pytest.param(None, Result.UNKNOWN, False, 2, 0, False, NOW, id="in an outage"),
        pytest.param(None, Result.REFUSED, False, 2, 1, True, NOW, id="refused"),
        pytest.param(RECORD, Result.UNKNOWN, True, 5, 3, True, "before", id="once too often"),
        pytest.param(RECORD, Result.UNKNOWN, False, 5, 2, False, "before", id="again in an outage"),
        pytest.param(
            FailureRecord(1, "a", "update", 3, "refused", "no", 9, 9, "old", "old", True),
            Result.UNKNOWN, True, 2, 1, False, NOW, id="the object has changed since",
        ),
    ],
)  # fmt: skip
def test_a_failure_counts_attempts_and_cycles(
    before: FailureRecord | None,
    result: Result,
    alive: bool,
    attempts: int,
    cycles: int,
    quarantined: bool,
    first_at: str,
) -> None:
    """Of the same revision only; three cycles are the bound here."""
    found = failure_of(outcome(result, attempts=2, error_kind="k", error="m"), before, NOW, 3, alive)
    assert (found.attempts, found.cycles, found.quarantined, found.first_at) == (
        attempts,
        cycles,
        quarantined,
        first_at,
    )
    assert (found.kind, found.message, found.last_at, found.revision) == ("k", "m", NOW, 4)


async def test_permissions_in_doubt_are_not_believed(bench: Bench, delivery: Delivery) -> None:
    """The path is there; which permissions hold nobody says, so they are not recorded and are wished for again."""
    [a] = await delivered(bench, delivery, "a")
    bench.rewrite(a, permissions="600")
    await in_doubt(bench, delivery, planned(bench, Kind.CHANGE_PERMISSION, a), applied=True)
    await settle_all(delivery)
    assert doubts(bench) == []
    assert bench.catalogue.settled_by_id([a])[a].permissions is None
    assert bench.catalogue.totals().pending == 1


async def test_a_failure_of_settling_is_told_in_its_own_words(bench: Bench, delivery: Delivery) -> None:
    """The row stays in doubt, and the report says why."""
    [a] = await delivered(bench, delivery, "a")
    bench.lose(a)
    await in_doubt(bench, delivery, planned(bench, Kind.DELETE, a), applied=False)
    bench.destination.heal()
    bench.destination.fail(Unreachable("no road to it"), kind="get")
    await settle_all(delivery)
    assert doubts(bench) == ["delete a"]
    [failure] = bench.catalogue.list_failures()
    assert (failure.kind, "no road to it" in failure.message) == (Unreachable.kind, True)
