"""Deliveries one after the other: what is let through, what a stop leaves behind, and what is forgotten with a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from sync_service.engines.in_process import InProcessEngine
from sync_service.models.data_models import Kind, Operation, Outcome, Result
from sync_service.models.errors import Denied, OutcomeUnknown, Refused, Unreachable
from sync_service.services.courier import Courier, idempotency_key
from sync_service.services.delivery import Delivery
from tests.unit.services.delivery.steps import delivered, deliverer, doubts, planned, put, slow
from tests.unit.services.workbench import Bench


class Endless:
    """An engine whose calls never end by themselves; `ended` holds the windows that were cancelled and had their say."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.ended: list[int] = []

    async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended.append(len(window))
        yield Outcome(window[0], Result.DONE)

    async def close(self) -> None: ...


async def test_only_what_is_admitted_is_sent_until_the_next_run(bench: Bench, delivery: Delivery) -> None:
    """What a plan does not name is neither marked nor sent; the next run sends it."""
    operations = put(bench, "a", "b", "c")
    delivery.keep_to(lambda operation: operation.file_path == "b")
    assert await delivery.run(operations) == {operations[1].row_id: Result.DONE}
    assert (bench.destination.effects, doubts(bench)) == (["create b"], [])
    delivery.begin()
    await delivery.run([operations[0], operations[2]])
    assert sorted(bench.destination.files) == ["a", "b", "c"]


async def test_a_stop_waits_until_each_call_has_ended(bench: Bench, delivery: Delivery) -> None:
    """Connections and open objects are given back, and no task is left that would keep the process."""
    engine = Endless()
    delivery._engine = engine
    await delivery.send(put(bench, "a", "b"))
    await engine.began.wait()
    await delivery.stop()
    assert engine.ended == [2]
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 30)


async def test_a_delivery_goes_on_after_a_stop(bench: Bench, delivery: Delivery) -> None:
    """The daemon keeps one for all its runs: nothing of a run that was cut off is waited for in the next one."""
    engine, working = Endless(), delivery._engine
    delivery._engine = engine
    [a, b] = put(bench, "a", "b")
    await delivery.send([a])
    await engine.began.wait()
    await delivery.stop()
    delivery._engine = working
    delivery.begin()
    assert await asyncio.wait_for(delivery.run([b]), 30) == {b.row_id: Result.DONE}
    assert doubts(bench) == ["create a"]


async def test_results_are_kept_for_who_asks_for_them(bench: Bench, delivery: Delivery) -> None:
    """A first sync sends millions that nobody asks about: neither their results nor their windows are kept."""
    [a, b] = put(bench, "a", "b")
    results = await delivery.run([a])
    await delivery.send([b])
    await delivery.drain()
    assert results == {a.row_id: Result.DONE}
    assert bench.catalogue.delivered_count() == 2
    assert delivery._tasks == set()


@pytest.mark.parametrize(("workers", "silence"), [(3, 10), (8, 16)])
async def test_how_long_a_silence_is_borne(bench: Bench, workers: int, silence: int) -> None:
    """Ten operations without an answer, or two for each worker where that is more; a person is told how many, and why."""
    tools = replace(bench.tools, workers=workers)
    courier = Courier(bench.source, bench.destination, tools.retry, lambda o: idempotency_key("id", "route", o))
    delivery = Delivery(tools, bench.source, courier, InProcessEngine(courier.carry, 3))
    delivery.begin()
    bench.destination.fail(Unreachable("no road to it"), times=99)
    slow(bench)
    await delivery.run(put(bench, *(f"k{n:02}" for n in range(30))))
    [(message, facts)] = bench.observer.problems
    assert (facts["operations"], "no road to it" in facts["error"]) == (silence, True)
    assert "does not answer" in message and "does not answer" in bench.halt.reason
    await delivery.stop()


async def test_each_end_is_told_with_its_bytes(bench: Bench, delivery: Delivery) -> None:
    """The bar moves by one operation and by what it has sent; the observer hears of each operation."""
    await delivery.run(put(bench, "a", "bb"))
    assert sorted(bench.observer.of("advance")) == [(1, 1), (1, 2)]
    assert sorted(outcome.operation.text for outcome in bench.observer.outcomes) == ["create a", "create bb"]


async def test_failures_are_kept_with_their_records(bench: Bench, delivery: Delivery) -> None:
    """Of every kind of operation."""
    [gone] = await delivered(bench, delivery, "gone")
    bench.lose(gone)
    bench.destination.fail(Refused("no", status=422), times=9)
    await delivery.run([*put(bench, "a", "b"), planned(bench, Kind.DELETE, gone)])
    kept = [(failure.operation, failure.file_path, failure.kind) for failure in bench.catalogue.list_failures()]
    assert sorted(kept) == [("create", "a", "refused"), ("create", "b", "refused"), ("delete", "gone", "refused")]
    assert len(delivery.failed) == 3


async def test_one_look_that_fails_leaves_the_others(bench: Bench, delivery: Delivery) -> None:
    """Of two objects that have changed meanwhile one cannot be looked at: a person is told why, and the other is seen."""
    a, b = put(bench, "a", "b")
    for key in ("a", "b"):
        bench.source.put(key, b"other")
    bench.source.fail("look", Denied("not you"), key="a")
    await delivery.run([a, b])
    assert bench.observed() == {"a": (a.row_id, a.etag), "b": (b.row_id, bench.source.info("b").etag)}
    [(message, facts)] = bench.observer.problems
    assert ("looked at" in message, "not you" in facts["error"]) == (True, True)


async def test_a_source_that_moves_behind_a_lost_answer_is_observed_again(bench: Bench) -> None:
    """The first attempt may have stored the old version: the row stays in doubt, is no failure, and another round follows."""
    bench.retries = 1
    delivery = deliverer(bench)
    [a] = put(bench, "a")
    bench.destination.fail(OutcomeUnknown("no answer"), applied=True)
    bench.source.before = lambda call, _: bench.source.put("a", b"other") if bench.destination.calls else None  # type: ignore[assignment, func-returns-value]
    await delivery.run([a])
    assert (doubts(bench), delivery.counts.again, delivery.failed) == (["create a"], True, set())
    assert bench.observed() == {"a": (a.row_id, bench.source.info("a").etag)}
    await delivery.stop()


class Held:
    """An engine that gives one outcome at once, and the others when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
        for operation in window:
            yield Outcome(operation, Result.DONE)
            await self.go_on.wait()

    async def close(self) -> None: ...


async def test_a_long_upload_holds_up_no_confirmation(
    bench: Bench, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is confirmed a moment later, however long the others of its window take."""
    monkeypatch.setattr("sync_service.services.delivery.LINGER", 0)
    engine = Held()
    delivery._engine = engine
    confirmed = confirmations(bench, delivery)
    await delivery.send(put(bench, "a", "b", "c"))
    assert await asyncio.wait_for(confirmed.get(), 30) == 1
    assert doubts(bench) == ["create b", "create c"]
    engine.go_on.set()
    await delivery.drain()
    assert doubts(bench) == []


async def test_what_ends_together_is_confirmed_together(
    bench: Bench, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit for each of a million objects would cost more than the objects; the last ones wait for nobody."""
    monkeypatch.setattr("sync_service.services.delivery.LINGER", 3600)
    confirmed = confirmations(bench, delivery)
    await asyncio.wait_for(delivery.run(put(bench, *map(str, range(150)))), 60)
    assert [confirmed.get_nowait() for _ in range(confirmed.qsize())] == [150]


def confirmations(bench: Bench, delivery: Delivery) -> asyncio.Queue[int]:
    """How many outcomes are confirmed each time."""
    loop, sizes = asyncio.get_running_loop(), asyncio.Queue[int]()
    confirm = bench.catalogue.confirm

    def counted(outcomes: Sequence[Outcome], *more: Sequence[object]) -> None:
        confirm(outcomes, *more)  # type: ignore[arg-type]
        loop.call_soon_threadsafe(sizes.put_nowait, len(outcomes))

    delivery._catalogue.confirm = counted  # type: ignore[method-assign]
    return sizes
