"""The HTTP replay log keeps the contract on a real server, with cursors and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.event_logs.http_replay import HttpReplayLog
from tests.contracts.event_log_contract import CursorContract, EventLogContract, created, pages, paths
from tests.fakes.mock_api_server import MockApi, running


class ServerWorld:
    def __init__(self, api: MockApi, log: HttpReplayLog) -> None:
        self.api = api
        self.log = log

    async def publish(self, *values: object) -> None:
        self.api.publish(*values)


@pytest.fixture(scope="module")
def with_cursors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockApi]:
    with running(tmp_path_factory.mktemp("cursors")) as api:
        yield api


@pytest.fixture(scope="module")
def without_cursors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockApi]:
    with running(tmp_path_factory.mktemp("plain"), no_cursor=True) as api:
        yield api


async def worlds(server: MockApi) -> AsyncIterator[ServerWorld]:
    server.reset()
    log = HttpReplayLog(InfrastructureAPI(None, server.url))
    yield ServerWorld(server, log)
    await log.close()


class TestHttpReplayLog(CursorContract):
    @pytest.fixture
    async def world(self, with_cursors: MockApi) -> AsyncIterator[ServerWorld]:
        async for world in worlds(with_cursors):
            yield world


class TestHttpReplayLogWithoutCursors:
    """Such a server shows its newest events only: as many as were asked for, again and again."""

    @pytest.fixture
    async def world(self, without_cursors: MockApi) -> AsyncIterator[ServerWorld]:
        async for world in worlds(without_cursors):
            yield world

    async def test_every_read_gives_the_list_again(self, world: ServerWorld) -> None:
        """There is no cursor, no position, and no next page."""
        await world.publish(created("a.txt"), created("b.txt"))
        for _ in range(2):
            page = await world.log.read(None)
            assert (paths([page]), page.cursor, page.has_more) == (["a.txt", "b.txt"], None, False)
        assert await world.log.position() is None

    test_poison = EventLogContract.test_a_damaged_event_is_poison_among_good_ones


async def test_the_server_of_the_field_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its list has fresh times on every call, no ids, no cursor, and is decoded without poison."""
    with running(tmp_path_factory.mktemp("field"), field=True) as server:
        log = HttpReplayLog(InfrastructureAPI(None, server.url))
        (page,) = await pages(log)
        await log.close()
    assert page.events
    assert "poison" not in paths([page])
