"""The event log, reports, and the endpoints around them."""

from __future__ import annotations

import json

import pytest

from mock_api.json_list import elements
from mock_api.models import Problem
from tests.unit.mock_api.caller import Caller
from tests.unit.mock_api.conftest import Start


async def test_pages_in_order(api: Caller) -> None:
    """Cursors lead through all events in order, and the last page gives a cursor to wait with."""
    await api.post("/_mock/events", [{"n": n} for n in range(5)])
    seen, cursor, more = [], None, True
    while more:
        query = {"count": "2"} | ({"after": cursor} if cursor else {})
        page = (await api.get("/pubSubFullList", **query)).json
        assert set(page) == {"events", "total_count", "generated_at", "next_cursor", "has_more"}
        seen += [event["n"] for event in page["events"]]
        cursor, more = page["next_cursor"], page["has_more"]
    assert (seen, page["total_count"]) == ([0, 1, 2, 3, 4], 5)
    empty = (await api.get("/pubSubFullList", after=cursor)).json
    assert (empty["events"], empty["next_cursor"], empty["has_more"]) == ([], cursor, False)
    await api.post("/_mock/events", ["late"])
    assert (await api.get("/pubSubFullList", after=cursor)).json["events"] == ["late"]


@pytest.mark.parametrize("count", ["0", "101", "-1", "x", "", "1.5", "١"])
async def test_wrong_counts(api: Caller, count: str) -> None:
    """A count that is not 1 to 100 is refused."""
    assert (await api.get("/pubSubFullList", count=count)).status == 400


async def test_foreign_cursors(api: Caller) -> None:
    """Garbage, a cursor beyond the end, and one of a log that was reset are refused."""
    await api.post("/_mock/events", [1])
    cursor = (await api.get("/pubSubFullList")).json["next_cursor"]
    assert (await api.get("/pubSubFullList", after=cursor)).status == 200
    for wrong in ("garbage", "", f"{cursor}0", "1", f"{cursor} "):
        assert (await api.get("/pubSubFullList", after=wrong)).status == 400, wrong
    await api.post("/_mock/reset", {"parts": ["events"]})
    assert (await api.get("/pubSubFullList", after=cursor)).status == 400


async def test_poison_is_served_as_it_came(api: Caller) -> None:
    """Every JSON value is an event, and goes out as the very text that came in."""
    texts = ["null", "NaN", '{"a": 1,"a":2}', "1" * 6000, '"\\ud800"', '["\u2028]", {}]', "-0.0e+5", '"\t"']
    await api.ask("POST", "/_mock/events", body=f" [ {' , '.join(texts)} ]\n".encode())
    body = (await api.get("/pubSubFullList")).body.decode()
    assert body.startswith('{"events":[' + ",".join(texts) + "],")


@pytest.mark.parametrize("body", ["", "{}", "[1,2", "[1 2]", "[,]", "[1]]", "[1] x", "[" * 100_000, "[tru]"])
def test_lists_that_are_none(body: str) -> None:
    """What is no JSON list is refused, whatever its damage."""
    with pytest.raises(Problem):
        elements(body.encode())


async def test_raw_event_lists(api: Caller) -> None:
    """A raw body is served byte for byte as the whole answer, then the log is itself again."""
    await api.ask("POST", "/_mock/events", query={"raw": "true", "times": "2"}, body=b'{"events": [\xff')
    bodies = [(await api.get("/pubSubFullList")).body for _ in range(3)]
    assert bodies[:2] == [b'{"events": [\xff'] * 2
    assert json.loads(bodies[2])["events"] == []


async def test_log_without_cursors(start: Start) -> None:
    """The switch no_cursor tells the newest events again on every call, and no cursor."""
    api = start(no_cursor=True)
    await api.post("/_mock/events", [1, 2, 3])
    for _ in range(2):
        page = (await api.get("/pubSubFullList", count="2", after="anything")).json
        assert (page["events"], set(page)) == ([2, 3], {"events", "total_count", "generated_at"})


async def test_reports(api: Caller) -> None:
    """Reports are kept as they came; what is no JSON object is refused."""
    answer = await api.post("/reportResults", {"success": False, "errors": []})
    assert (answer.status, answer.json["status"]) == (200, "received")
    assert (await api.get("/_mock/reports")).json == [{"success": False, "errors": []}]
    assert (await api.ask("POST", "/reportResults", body=b"[1]")).status == 422
    assert (await api.ask("POST", "/reportResults", body=b"{")).status == 422


async def test_root(api: Caller) -> None:
    """The root says hello and the time."""
    assert set((await api.get("/")).json) == {"message", "timestamp"}


async def test_token(start: Start) -> None:
    """With a token nothing is answered without it."""
    api = start(token="s3cret")
    assert (await api.get("/")).status == 200
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "s3cret"}):
        for method, path in (("GET", "/"), ("POST", "/saveToDisk"), ("GET", "/_mock/files")):
            assert (await Caller(api.app).ask(method, path, headers=headers)).status == 401


async def test_reset(api: Caller) -> None:
    """A reset forgets what it is told to forget, or everything."""
    await api.save("create", "a", b"1", key="k")
    await api.post("/_mock/events", [1])
    await api.post("/_mock/reset", {"parts": ["files"]})
    assert await api.files() == {}
    assert (await api.get("/pubSubFullList")).json["total_count"] == 1
    await api.post("/_mock/reset")
    assert (await api.get("/pubSubFullList")).json["total_count"] == 0
    assert (await api.save("create", "b", b"1", key="k")).status == 200
    assert (await api.post("/_mock/reset", {"parts": ["moon"]})).status == 422
