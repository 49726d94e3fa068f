"""Events are taken in while a destination is slow, and a log that fails meanwhile fails nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sync_service.models.data_models import Operation, Receipt
from sync_service.models.errors import CatalogueUnusable, ExitCode, StorageFailed, StorageFull, SyncError, Unreachable
from sync_service.ports import Opened
from sync_service.services.sync_service import RunResult
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


async def while_reading(rig: Rig, fail: Callable[[], None]) -> RunResult:
    """The end of a first sync in which `fail` breaks something just before the log is read beside the deliveries."""
    slow, clock = SlowDestination(), Clock()
    rig.destination, rig.pause = slow, clock.pause
    service = rig.open()
    for number in range(50):
        rig.source.put(f"k{number:02}", b"one")
    run = asyncio.create_task(service.run_initial())
    await slow.called.wait()
    await clock.begun.get()
    fail()
    clock.waits.release()
    await rig.halt.sleep(5)
    slow.gate.set()
    return await run


async def test_a_defect_of_the_reading_ends_the_run(rig: Rig) -> None:
    """It is no trouble of the log: what is under way is finished, nothing more is begun, and the error goes to the top."""
    with pytest.raises(KeyError, match="a defect"):
        await while_reading(rig, lambda: rig.log.fail(KeyError("a defect")))
    assert 0 < len(rig.destination.files) < 50
    assert "the log could not be read" not in str(rig.observer.notes)


@pytest.mark.parametrize(
    "error", [StorageFull("no space left"), StorageFailed("input/output error"), CatalogueUnusable("damaged")]
)
async def test_a_catalogue_that_fails_meanwhile_ends_the_run(rig: Rig, error: SyncError) -> None:
    """Nothing can be recorded there any more: the run stops with that error, and it is told once."""

    def fail() -> None:
        def commit(*_: object) -> None:
            raise error

        rig.open_catalogue.commit_events = commit  # type: ignore[method-assign]

    result = await while_reading(rig, fail)
    assert result.exit_code is error.exit_code
    assert [message for message, _ in rig.observer.problems] == [str(error)]
    assert "the log could not be read" not in str(rig.observer.notes)
    rig.open()
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE
    assert rig.in_step()


async def test_an_error_of_the_deliveries_is_raised_as_it_is(rig: Rig) -> None:
    """Where both fail, the body's error ends the run."""
    rig.pause = Clock().pause
    service = rig.open()
    rig.source.put("a", b"one")
    rig.destination.fail(RuntimeError("another defect"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="another defect"):
        await service.run_initial()
