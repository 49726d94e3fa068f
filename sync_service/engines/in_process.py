"""The engine of one process: the attempts of a window, so many at once, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from sync_service.models.data_models import Operation, Outcome
from sync_service.ports import Carry


class InProcessEngine:
    """Runs at most `workers` operations at once, over all windows together."""

    def __init__(self, carry: Carry, workers: int) -> None:
        self._carry = carry
        self._workers = workers
        self._slots = asyncio.Semaphore(workers)

    async def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
        ended: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        left = iter(window)
        tasks = [asyncio.create_task(self._work(left, ended)) for _ in range(min(self._workers, len(window)))]
        try:
            for _ in window:
                outcome = await ended.get()
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
        finally:
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Nothing was started."""

    async def _work(self, left: Iterator[Operation], ended: asyncio.Queue[Outcome | Exception]) -> None:
        try:
            for operation in left:
                async with self._slots:
                    ended.put_nowait(await self._carry(operation))
        except Exception as defect:
            ended.put_nowait(defect)
