"""The HTTP replay log on servers that mean no good."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.event_logs.http_replay import HttpReplayLog
from sync_service.models.data_models import Event, Poison
from sync_service.models.errors import (
    BadAnswer,
    ConfigurationError,
    CursorRefused,
    Denied,
    OutcomeUnknown,
    Refused,
    SyncError,
    Throttled,
)
from tests.fakes.raw_server import RawServer, http, ok, raw_server

EVENT = {"event_type": "create", "file_path": "a.txt"}


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(ok(events=[])) as running:
        yield running


@pytest.fixture
async def log(server: RawServer) -> AsyncIterator[HttpReplayLog]:
    replay = HttpReplayLog(InfrastructureAPI(None, server.url), page_budget=5)
    yield replay
    await replay.close()


async def test_a_cursor_that_does_not_advance_is_the_end(server: RawServer, log: HttpReplayLog) -> None:
    """Whatever the server says of more."""
    server.replies = [ok(events=[EVENT], next_cursor="c1", has_more=True)]
    page = await log.read("c1")
    assert (len(page.events), page.cursor, page.has_more) == (1, "c1", False)
    assert await log.position() == "c1"
    assert len(server.seen) == 3


async def test_more_without_a_cursor_is_the_end(server: RawServer, log: HttpReplayLog) -> None:
    """There would be no way to ask for it."""
    server.replies = [ok(events=[EVENT], has_more=True)]
    page = await log.read(None)
    assert (page.cursor, page.has_more) == (None, False)
    assert await log.position() is None


async def test_a_cursor_in_hand_is_kept_where_the_server_gives_none(server: RawServer, log: HttpReplayLog) -> None:
    """Some give null at the end of the log."""
    server.replies = [ok(events=[], next_cursor=None, has_more=False)]
    page = await log.read("c9")
    assert (page.cursor, page.has_more) == ("c9", False)


async def test_the_position_is_bounded_by_a_budget_of_pages(server: RawServer, log: HttpReplayLog) -> None:
    """Cursors that run in a circle, or a log without end, cost so many calls and no more."""
    server.replies = [ok(events=[], next_cursor=f"c{number % 2}", has_more=True) for number in range(100)]
    assert await log.position() == "c0"
    assert len(server.seen) == 5


async def test_each_damaged_event_is_poison_of_its_own(server: RawServer, log: HttpReplayLog) -> None:
    """Whatever the damage, the good ones around it are read."""
    deep = b"[" * 100_000 + b"]" * 100_000
    good = json.dumps(EVENT).encode()
    bad = [b"null", b"5", b'"text"', b"[]", b"{}", deep, b'{"event_type":"create","file_path":"\xff"}']
    bad += [b'{"event_type":"create","file_path":"a","metadata":{"x":' + deep + b"}}", b'{"file_path":"a"}']
    listed = b",".join([good, *(one + b"," + good for one in bad)])
    server.replies = [http(200, b'{"events":[' + listed + b"]}")]
    page = await log.read(None)
    assert sum(isinstance(entry, Event) for entry in page.events) == len(bad) + 1
    assert sum(isinstance(entry, Poison) for entry in page.events) == len(bad)


async def test_events_of_buckets_may_be_in_the_list(server: RawServer, log: HttpReplayLog) -> None:
    """Notifications hold several events each."""
    record = {"eventVersion": "2.1", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}}}
    records = [{**record, "s3": {**record["s3"], "object": {"key": key}}} for key in ("x+y", "z")]
    server.replies = [ok(events=[EVENT, {"Records": records}, records[0]])]
    page = await log.read(None)
    assert [entry.file_path for entry in page.events if isinstance(entry, Event)] == ["a.txt", "x y", "z", "x y"]


async def test_a_list_of_many_thousands_is_read_whole(server: RawServer, log: HttpReplayLog) -> None:
    """A server that knows no pages gives all it has."""
    server.replies = [ok(events=[{**EVENT, "file_path": f"{number}.txt"} for number in range(5000)])]
    page = await log.read(None)
    assert [entry.file_path for entry in page.events if isinstance(entry, Event)][-1] == "4999.txt"


async def test_an_answer_that_is_no_list_is_an_error_and_no_empty_log(server: RawServer, log: HttpReplayLog) -> None:
    """An empty log would be believed."""
    server.replies = [ok(events={"a": 1}), http(500)]
    with pytest.raises(BadAnswer):
        await log.read(None)
    with pytest.raises(OutcomeUnknown):
        await log.ping()


async def test_pages_are_asked_for_by_the_hundred_after_the_cursor(server: RawServer, log: HttpReplayLog) -> None:
    """As the contract says."""
    await log.read("c1")
    assert server.last.query == {"count": "100", "after": "c1"}
    await log.read(None)
    assert server.last.query == {"count": "100"}


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_a_refused_cursor_is_an_error_of_its_own(server: RawServer, log: HttpReplayLog, status: int) -> None:
    """Servers say it in several ways; without a cursor it is a refusal, or there is no event log at that address."""
    server.replies = [http(status), http(status)]
    with pytest.raises(CursorRefused) as refused:
        await log.read("c1")
    assert refused.value.status == status
    with pytest.raises(SyncError) as ordinary:
        await log.read(None)
    assert type(ordinary.value) is (ConfigurationError if status in (404, 410) else Refused)


@pytest.mark.parametrize(("status", "error"), [(401, Denied), (409, Refused), (429, Throttled), (500, OutcomeUnknown)])
async def test_other_refusals_say_nothing_of_the_cursor(
    server: RawServer, log: HttpReplayLog, status: int, error: type[SyncError]
) -> None:
    """A wrong token, too many requests or a failing server do not make the log be read anew."""
    server.replies = [http(status)]
    with pytest.raises(error) as raised:
        await log.read("c1")
    assert not isinstance(raised.value, CursorRefused)
