"""The fake destination keeps the contract; otherwise a test with it proves nothing."""

from __future__ import annotations

import pytest

from sync_service.models.data_models import Kind
from sync_service.models.errors import NotAtDestination, OutcomeUnknown, Unreachable
from tests.contracts.destination_contract import DestinationContract, create, operation
from tests.fakes.destination import FakeDestination


class FakeWorld:
    def __init__(self) -> None:
        self.destination = FakeDestination()

    def content(self, path: str) -> bytes | None:
        return self.destination.contents.get(path)

    def attributes(self, path: str) -> tuple[str | None, str | None, str | None]:
        stored = self.destination.files[path]
        return stored.permissions, stored.owner, stored.group

    def effects(self) -> int:
        return len(self.destination.effects)


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


class TestFakeDestination(DestinationContract):
    pass


async def test_without_memory_a_repeated_rename_finds_nothing(world: FakeWorld) -> None:
    """As servers in the field do, it forgets its keys."""
    world.destination.memory = False
    await create(world, "a.txt")
    await world.destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "m", None)
    with pytest.raises(NotAtDestination):
        await world.destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "m", None)


async def test_one_key_for_two_effects_is_a_defect_of_the_service(world: FakeWorld) -> None:
    """The fake does not let it pass."""
    await create(world, "a.txt", b"one")
    with pytest.raises(AssertionError, match="one key for two effects"):
        await create(world, "a.txt", b"two")


async def test_a_lost_answer_has_its_effect(world: FakeWorld) -> None:
    """A fault after applying raises, and a repeated call gets the first answer."""
    world.destination.fail(OutcomeUnknown("lost"), kind="create", path="a.txt", applied=True)
    with pytest.raises(OutcomeUnknown):
        await create(world, "a.txt", b"x")
    await create(world, "a.txt", b"x")
    assert (world.content("a.txt"), world.destination.effects) == (b"x", ["create a.txt"])


async def test_faults_strike_the_calls_that_they_name(world: FakeWorld) -> None:
    """The second and third call fail, the others do not."""
    world.destination.fail(Unreachable("down"), kind="get", nth=2, times=2)
    await world.destination.get("a.txt")
    for _ in range(2):
        with pytest.raises(Unreachable):
            await world.destination.get("a.txt")
    await world.destination.get("a.txt")
