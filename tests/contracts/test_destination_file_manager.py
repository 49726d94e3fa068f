"""The file manager destination keeps the contract on a real server, and both kinds of calls arrive as documented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.destinations.file_manager import FileManagerDestination
from sync_service.models.data_models import Kind
from sync_service.models.errors import SourceMoved
from tests.contracts.destination_contract import LARGE, DestinationContract, operation
from tests.fakes.mock_api_server import MockApi, running
from tests.fakes.opened import FakeOpened

BROKEN_OFF = 499


class ServerWorld:
    def __init__(self, api: MockApi, destination: FileManagerDestination) -> None:
        self.api = api
        self.destination = destination

    def content(self, path: str) -> bytes | None:
        return self.api.content(path)

    def attributes(self, path: str) -> tuple[str | None, str | None, str | None]:
        file = self.api.file(path)
        assert file is not None
        return file["permissions"], file["owner"], file["group"]

    def calls(self) -> list[dict[str, Any]]:
        """The journal, without what an earlier test broke off and the server noticed later."""
        return [call for call in self.api.counters()["calls"] if call["status"] != BROKEN_OFF]

    def effects(self) -> int:
        return sum(self.api.counters()["effects"].values())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockApi]:
    with running(tmp_path_factory.mktemp("files")) as api:
        yield api


@pytest.fixture
async def world(server: MockApi) -> AsyncIterator[ServerWorld]:
    server.reset()
    destination = FileManagerDestination(InfrastructureAPI(server.url, server.url))
    yield ServerWorld(server, destination)
    await destination.close()


class TestFileManagerDestination(DestinationContract):
    pass


async def test_a_strict_server_hears_of_permissions_again_after_the_content(world: ServerWorld) -> None:
    """The 404 for a path that is not there yet is no failure."""
    content = FakeOpened("a.txt", b"x", metadata={"permissions": "0640"})
    await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", content)
    calls = [(call["endpoint"], call["status"]) for call in world.calls()]
    assert calls == [("updatePermissions", 404), ("saveToDisk", 200), ("updatePermissions", 200)]
    assert world.attributes("a.txt")[0] == "0640"


async def test_every_changing_call_has_a_key_of_its_own(world: ServerWorld) -> None:
    """No two calls of an effect share a key, and a repeated effect repeats them all."""
    wanted = operation(Kind.CREATE, "a.txt", permissions="0640")
    for _ in range(2):
        await world.destination.apply(wanted, "k", FakeOpened("a.txt", b"x"))
    keys = [call["key"] for call in world.calls()]
    assert len(set(keys[:3])) == 3
    assert set(keys[3:]) <= set(keys[:3])
    assert world.api.counters()["key_conflicts"] == 0


async def test_an_update_sends_no_permissions(world: ServerWorld) -> None:
    """They are an operation of their own."""
    await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", FakeOpened("a.txt", b"x"))
    world.api.reset("counters")
    await world.destination.apply(operation(Kind.UPDATE, "a.txt"), "u", FakeOpened("a.txt", b"y"))
    assert [call["endpoint"] for call in world.calls()] == ["saveToDisk"]


async def test_an_upload_that_breaks_off_is_no_upload_for_the_server(world: ServerWorld) -> None:
    """The server sees a broken body, and not one complete call."""
    content = FakeOpened("a.txt", LARGE, size=len(LARGE) * 2, error=SourceMoved("gone"))
    with pytest.raises(SourceMoved, match="gone"):
        await world.destination.apply(operation(Kind.UPDATE, "a.txt"), "k", content)
    assert world.calls() == []


async def test_metadata_and_type_arrive_as_they_are(world: ServerWorld) -> None:
    """Unicode, quotes and line ends in metadata are data."""
    metadata = {"note": 'tricky "é"\r\nX: y', "owner": "alice"}
    content = FakeOpened("a.txt", b"x", metadata=metadata, file_type="text/plain\r\nX-Bad: 1")
    await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", content)
    file = world.api.file("a.txt")
    assert file is not None
    assert (file["metadata"], file["file_type"]) == (metadata, "text/plain\r\nX-Bad: 1")


async def test_the_server_of_the_field_takes_every_operation(tmp_path: Path) -> None:
    """It keeps nothing, makes a new id on every call and none for a delete; an update there is no error."""
    with running(tmp_path, field=True) as server:
        destination = FileManagerDestination(InfrastructureAPI(server.url, server.url))
        created = await destination.apply(operation(Kind.CREATE, "a.txt"), "k1", FakeOpened("a.txt", b"x"))
        await destination.apply(operation(Kind.UPDATE, "a.txt"), "k2", FakeOpened("a.txt", LARGE))
        await destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "k3", None)
        await destination.apply(operation(Kind.CHANGE_PERMISSION, "b.txt", permissions="0600"), "k4", None)
        deleted = await destination.apply(operation(Kind.DELETE, "b.txt"), "k5", None)
        await destination.ping()
        await destination.close()
    assert (created.size, deleted.internal_id) == (1, None)
