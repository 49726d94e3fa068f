"""Bounded concurrency, and the catalogue's thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sync_service.services.concurrency import CatalogueThread, each


async def test_no_more_than_the_limit_are_under_way() -> None:
    """Results come in the order of the items, however they end."""
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - number):
            await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert await each(work, range(10), 3) == [number * 2 for number in range(10)]
    assert most == 3
    assert await each(work, [], 3) == []


async def test_the_first_error_ends_the_rest() -> None:
    """It comes out as itself, and what is under way is cut."""
    started: list[int] = []

    async def work(number: int) -> None:
        started.append(number)
        if number == 1:
            raise LookupError("second")
        await asyncio.Event().wait()

    with pytest.raises(LookupError, match="second"):
        await each(work, range(100), 2)
    assert started == [0, 1]


async def test_the_catalogue_has_one_thread_of_its_own() -> None:
    """Calls run there one after the other, with their arguments, and their errors come back."""
    thread = CatalogueThread()

    def where(add: int, *, to: int) -> tuple[int, str]:
        return add + to, threading.current_thread().name

    results = await asyncio.gather(*(thread(where, number, to=1) for number in range(5)))
    assert [number for number, _ in results] == [1, 2, 3, 4, 5]
    assert len({name for _, name in results}) == 1
    assert results[0][1].startswith("catalogue")
    with pytest.raises(ZeroDivisionError):
        await thread(lambda: 1 / 0)
    thread.close()


PATIENCE = 10
"""Seconds after which a job gives up, so that a defect fails the test and does not stop it."""


async def test_closing_waits_for_a_job_while_the_loop_goes_on() -> None:
    """Also when it is cancelled meanwhile: the catalogue may not be closed under a job."""
    thread, gate = CatalogueThread(), threading.Event()
    job = asyncio.create_task(thread(gate.wait, PATIENCE))
    await asyncio.sleep(0)
    closing = asyncio.create_task(thread.aclose())
    for _ in range(2):
        await asyncio.sleep(0)
        closing.cancel()
    assert not closing.done()
    gate.set()
    assert await job is True
    with pytest.raises(asyncio.CancelledError):
        await closing
