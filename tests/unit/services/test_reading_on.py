"""Events are taken in while a destination is slow, and a log that fails meanwhile fails nothing."""

from __future__ import annotations

import asyncio

from sync_service.models.data_models import Operation, Receipt
from sync_service.models.errors import ExitCode, Unreachable
from sync_service.ports import Opened
from tests.fakes.destination import FakeDestination
from tests.unit.services.rig import Rig


class SlowDestination(FakeDestination):
    """Each call waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.gate = asyncio.Event(), asyncio.Event()

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        self.called.set()
        await self.gate.wait()
        return await super().apply(operation, key, content)


class Clock:
    """Lets the waits between two readings end when the test says so."""

    def __init__(self) -> None:
        self.waits = asyncio.Semaphore(0)
        self.begun: asyncio.Queue[float] = asyncio.Queue()

    async def pause(self, seconds: float) -> None:
        self.begun.put_nowait(seconds)
        await self.waits.acquire()


async def test_events_are_recorded_while_the_destination_is_slow(rig: Rig) -> None:
    """An interval passes while the first object is on its way: the second one is known before it has arrived."""
    slow, clock = SlowDestination(), Clock()
    rig.destination, rig.pause = slow, clock.pause
    service = rig.open()
    rig.source.put("a", b"one")
    run = asyncio.create_task(service.run_initial())
    await slow.called.wait()
    assert await clock.begun.get() == rig.config.sync_interval
    rig.source.put("b", b"two")
    rig.tell("create", "b")
    clock.waits.release()
    await clock.begun.get()
    assert list(rig.open_catalogue.observations_at(["b"])) == ["b"]
    assert slow.contents == {}
    slow.gate.set()
    assert (await run).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_a_log_that_fails_meanwhile_fails_nothing(rig: Rig) -> None:
    """The reading beside the deliveries is told of, and read again; the run is done."""
    slow, clock = SlowDestination(), Clock()
    rig.destination, rig.pause = slow, clock.pause
    service = rig.open()
    rig.source.put("a", b"one")
    run = asyncio.create_task(service.run_initial())
    await slow.called.wait()
    rig.log.fail(Unreachable("no connection"))
    await clock.begun.get()
    clock.waits.release()
    await clock.begun.get()
    slow.gate.set()
    assert (await run).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert "the log could not be read" in str(rig.observer.notes)
