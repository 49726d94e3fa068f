"""Bounded concurrency on the one event loop, and the catalogue's own thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class CatalogueThread:
    """Runs the catalogue's calls one after the other in a thread of their own, so that the loop never waits for a disk."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalogue")

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Waits for what was asked for, and the loop with it."""
        self._executor.shutdown(wait=True)

    async def aclose(self) -> None:
        """Waits for what was asked for while the loop goes on, also when it is cancelled: a job under way cannot be ended."""
        last = asyncio.get_running_loop().run_in_executor(self._executor, lambda: None)
        self._executor.shutdown(wait=False)
        try:
            await asyncio.shield(last)
        except asyncio.CancelledError:
            await last
            raise


async def each(function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int) -> list[R]:
    """`function` of every item, at most `limit` at once, in the order of the items. The first error ends the rest."""
    iterator = iter(enumerate(items))
    results: dict[int, R] = {}

    async def work() -> None:
        for index, item in iterator:
            results[index] = await function(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[index] for index in sorted(results)]
