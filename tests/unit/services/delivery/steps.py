"""What a test of deliveries does again and again: objects put, delivered, left in doubt, settled."""

from __future__ import annotations

import asyncio
from typing import Any

from sync_service.engines.in_process import InProcessEngine
from sync_service.models.data_models import Kind, Operation, Receipt
from sync_service.models.errors import OutcomeUnknown
from sync_service.services.courier import Courier, idempotency_key
from sync_service.services.delivery import Delivery
from sync_service.services.planner import operation_for
from tests.unit.services.workbench import Bench

UNKNOWN = OutcomeUnknown("no answer")


def deliverer(bench: Bench, max_attempts: int = 10) -> Delivery:
    """A delivery as at the beginning of a cycle."""
    tools = bench.tools
    courier = Courier(bench.source, bench.destination, tools.retry, lambda o: idempotency_key("id", "route", o))
    made = Delivery(tools, bench.source, courier, InProcessEngine(courier.carry, 3), max_attempts)
    made.begin()
    return made


def put(bench: Bench, *paths: str) -> list[Operation]:
    """New objects at these paths, observed; their creates."""
    for path in paths:
        bench.source.put(path, path.encode())
    ids = bench.observe(*paths)
    rows = bench.catalogue.observations_by_id(ids)
    return [operation_for(Kind.CREATE, None, rows[row_id].row) for row_id in ids]


async def delivered(bench: Bench, delivery: Delivery, *paths: str) -> list[int]:
    """Objects that the destination has already; their row ids."""
    operations = put(bench, *paths)
    await delivery.run(operations)
    bench.destination.effects.clear()
    delivery.begin()
    return [operation.row_id for operation in operations]


def planned(bench: Bench, kind: Kind, row_id: int) -> Operation:
    """The operation of this kind that brings a delivered row nearer to the observed one."""
    after = bench.catalogue.observations_by_id([row_id]).get(row_id)
    return operation_for(kind, bench.catalogue.settled_by_id([row_id])[row_id], after.row if after else None)


def doubts(bench: Bench) -> list[str]:
    return [doubt.operation.text for doubt in bench.catalogue.doubts()]


def holding(bench: Bench, row_id: int) -> tuple[str, str] | None:
    """(path, content) that the row is delivered with."""
    row = bench.catalogue.settled_by_id([row_id]).get(row_id)
    return (row.file_path, row.etag) if row is not None else None


def slow(bench: Bench) -> None:
    """Calls take a while, so that answers are seen before the next call leaves."""
    apply = bench.destination.apply

    async def later(*arguments: Any) -> Receipt:
        for _ in range(10):
            await asyncio.sleep(0)
        return await apply(*arguments)

    bench.destination.apply = later  # type: ignore[method-assign]


async def settle_all(delivery: Delivery) -> None:
    """What a run does: doubts of a death first, those that could not be settled before at its end."""
    await delivery.settle()
    await delivery.settle(failed_before=True)


async def in_doubt(bench: Bench, delivery: Delivery, operation: Operation, applied: bool) -> None:
    """The operation's answer was lost; whether it was applied is the question."""
    bench.destination.fail(UNKNOWN, applied=applied)
    await delivery.run([operation])
    assert doubts(bench) == [operation.text]
    delivery.begin()
