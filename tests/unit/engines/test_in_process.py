"""The engine of one process: one outcome for each operation, no more than the workers at once."""

from __future__ import annotations

import asyncio

import pytest

from sync_service.engines.in_process import InProcessEngine
from sync_service.models.data_models import Kind, Operation, Outcome, Result


def operations(count: int) -> list[Operation]:
    return [Operation(Kind.CREATE, number, 1, f"k{number}") for number in range(count)]


async def test_every_operation_has_one_outcome() -> None:
    """As they end, in any order, with the workers as bound over all windows together."""
    running = most = 0

    async def carry(operation: Operation) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - operation.row_id % 10):
            await asyncio.sleep(0)
        running -= 1
        return Outcome(operation, Result.DONE)

    engine = InProcessEngine(carry, 3)

    async def run(window: list[Operation]) -> set[int]:
        return {outcome.operation.row_id async for outcome in engine.deliver(window)}

    first, second = await asyncio.gather(run(operations(10)), run(operations(5)))
    assert (first, second) == (set(range(10)), set(range(5)))
    assert most == 3
    assert [outcome async for outcome in engine.deliver([])] == []
    await engine.close()


async def test_leaving_early_ends_what_is_under_way() -> None:
    """A window that is given up leaves no call behind."""
    ended: list[int] = []

    async def carry(operation: Operation) -> Outcome:
        try:
            if operation.row_id:
                await asyncio.Event().wait()
            return Outcome(operation, Result.DONE)
        finally:
            ended.append(operation.row_id)

    stream = InProcessEngine(carry, 3).deliver(operations(3))
    async for outcome in stream:
        assert outcome.operation.row_id == 0
        break
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    assert sorted(ended) == [0, 1, 2]


async def test_a_defect_reaches_whoever_waits() -> None:
    """An operation that breaks the engine does not leave its window waiting for ever."""

    async def carry(operation: Operation) -> Outcome:
        if operation.row_id == 1:
            raise RuntimeError("a defect")
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(RuntimeError, match="a defect"):
        async for _ in InProcessEngine(carry, 3).deliver(operations(9)):
            pass
