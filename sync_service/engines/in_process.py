"""The engine of one process: the attempts of a window, so many at once, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from sync_service.models.data_models import Operation, Outcome
from sync_service.ports import Carry


class InProcessEngine:
    """Runs at most `workers` operations at once, over all windows together."""

    def __init__(self, carry: Carry, workers: int) -> None:
        self._carry = carry
        self._slots = asyncio.Semaphore(workers)

    async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
        tasks = [asyncio.create_task(self._one(operation)) for operation in window]
        try:
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
        finally:
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Nothing was started."""

    async def _one(self, operation: Operation) -> Outcome:
        async with self._slots:
            return await self._carry(operation)
