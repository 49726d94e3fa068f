"""What a look or a plan believes may be overtaken by an event: whoever came later keeps the word, nothing is deleted for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import ExitCode, Temporary
from tests.fakes.source import FakeSource
from tests.unit.services.rig import Rig
from tests.unit.services.test_reading_on import Clock


class WatchedSource(FakeSource):
    """Lets a test act between an answer of the source and its use."""

    after_look: Callable[[str], Awaitable[None]] | None = None
    on_identity: Callable[[], None] | None = None

    async def look(self, key: str) -> ObjectInfo | None:
        info = await super().look(key)
        if self.after_look is not None:
            await self.after_look(key)
        return info

    async def identity(self) -> str:
        if self.on_identity is not None:
            self.on_identity()
        return await super().identity()


class Beside:
    """A route whose log is read on while it delivers, when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.source = WatchedSource(page_size=2)
        self.rig = Rig(folder, source=self.source, pause=self.clock.pause)

    async def begun(self, *keys: str) -> None:
        for key in keys:
            self.source.put(key, b"one")
        await self.rig.service.run_initial()
        while not self.clock.begun.empty():
            self.clock.begun.get_nowait()

    async def read_events(self) -> None:
        """The events told so far are recorded now, beside the delivery."""
        await self.clock.begun.get()
        self.clock.waits.release()
        await asyncio.wait_for(self.clock.begun.get(), 5)

    async def settled(self) -> bool:
        for _ in range(3):
            await self.rig.service.run_cycle()
        return self.rig.in_step()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    made = Beside(tmp_path / "data")
    yield made
    made.rig.close()


async def test_a_look_does_not_undo_a_rename_that_was_told_meanwhile(beside: Beside) -> None:
    """The object is renamed while it is sent: the look at its old key is no word about the row under its new one."""
    rig, source = beside.rig, beside.source
    await beside.begun("a", "z")
    source.put("a", b"two")
    rig.tell("update", "a")
    armed: list[str] = []

    def before(call: str, key: str) -> None:
        if call == "open" and key == "a" and not armed:
            armed.append(key)
            source.rename("a", "b")
            rig.tell("rename", "a", "b")

    async def after_look(key: str) -> None:
        if armed == ["a"] and key == "a":
            armed.append("looked")
            await beside.read_events()

    source.before, source.after_look = before, after_look
    await rig.service.run_cycle()
    assert await beside.settled()
    assert "delete b" not in rig.destination.effects


@pytest.mark.parametrize("change", ["bytes", "permissions"])
async def test_nothing_is_sent_to_a_path_that_the_row_does_not_have_yet(beside: Beside, change: str) -> None:
    """The row is renamed between snapshot and plan: its path change goes first, and nothing stays at the old path."""
    rig, source = beside.rig, beside.source
    await beside.begun("a", "z")
    if change == "bytes":
        source.put("a", b"two")
        rig.tell("update", "a")
    else:
        rig.tell("change_permission", "a", permissions="600")
    planner = rig.service._rounds._planner
    sort, done = planner.sort, []

    async def renamed_before(window: Any) -> Any:
        if not done:
            done.append(True)
            source.rename("a", "b")
            rig.tell("rename", "a", "b")
            await beside.read_events()
        return await sort(window)

    planner.sort = renamed_before  # type: ignore[method-assign]
    await rig.service.run_cycle()
    assert await beside.settled()


async def test_an_object_that_came_back_is_not_deleted_days_later(rig: Rig) -> None:
    """Its delete was held, its return was told by no event: it is looked at before the delete goes."""
    rig.config = rig.config.model_copy(update={"max_delete": 0, "max_delete_percent": 0.0})
    service = rig.open()
    for key in ("a", "b"):
        rig.source.put(key, b"one")
    await service.run_initial()
    rig.source.delete("a")
    rig.tell("delete", "a")
    assert (await service.run_cycle()).exit_code is ExitCode.GUARDED
    rig.source.put("a", b"back")
    [(row_id, path, _)] = rig.open_catalogue.pending_deletes()
    rig.open_catalogue.approve([(row_id, path)], rig.now())
    await service.run_cycle()
    assert rig.in_step()
    assert "delete a" not in rig.destination.effects


@pytest.mark.parametrize("how", ["run_cycle", "run_scan", "run_pending"])
async def test_no_delete_goes_out_in_a_changed_source_that_does_not_say_who_it_is(rig: Rig, how: str) -> None:
    """The first question is answered and a later one fails, or none is: the deletes of another bucket are held."""
    source = rig.source = WatchedSource(page_size=2)
    service = rig.open()
    for key in "abcd":
        source.put(key, b"one")
    await service.run_initial()
    source.name = "another bucket"
    for key in "abcd":
        source.delete(key)
        rig.tell("update", key)
    asked: list[int] = []

    def on_identity() -> None:
        asked.append(1)
        if how == "run_scan" or len(asked) == 2:
            raise Temporary("no connection")

    source.on_identity = on_identity
    await getattr(service, how)()
    assert not [effect for effect in rig.destination.effects if effect.startswith("delete")]


async def test_a_changed_source_is_accepted_by_a_whole_scan_alone(rig: Rig) -> None:
    """A listing that fails has found nothing to delete, which proves nothing: the next one is doubted as much."""
    service = rig.service
    for key in "abcd":
        rig.source.put(key, b"one")
    await service.run_initial()
    rig.source.name = "another bucket"
    for key in "abcd":
        rig.source.delete(key)
    rig.source.put("other", b"theirs")

    def refused(call: str, _key: str) -> None:
        if call == "list":
            raise Temporary("answered 503")

    rig.source.before = refused
    await service.run_scan()
    rig.source.before = None
    ended = await service.run_scan()
    assert ended.exit_code is ExitCode.GUARDED
    assert not [effect for effect in rig.destination.effects if effect.startswith("delete")]


async def test_a_row_that_is_missing_twice_ends_no_scan(rig: Rig) -> None:
    """A scan was cut off, an event moved a missing row, and its new key is missing as well."""
    service = rig.service
    for key in ("a", "b", "c", "d"):
        rig.source.put(key, b"one")
    await service.run_initial()
    row_id = rig.open_catalogue.observations_at(["a"])["a"].row.id
    from sync_service.catalogue import intake

    for _ in range(2):
        rig.open_catalogue.within(intake.add_missing, [row_id])
    assert rig.open_catalogue.within(intake.missing, 0, 10) == [row_id]
