"""Faults on demand: which calls they strike, and what they do."""

from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from mock_api import desk
from tests.unit.mock_api.caller import Caller


async def _fault(api: Caller, **fault: Any) -> None:
    answer = await api.post("/_mock/faults", {"endpoint": "saveToDisk", **fault})
    assert answer.status == 200, answer.body


async def _statuses(api: Caller, *paths: str) -> list[int]:
    return [(await api.save("create", path, b"12345")).status for path in paths]


async def test_nth_and_times(api: Caller) -> None:
    """A fault begins with the n-th matching call and ends after its times."""
    await _fault(api, operation="create", path_prefix="a", nth=2, times=2, status=503)
    await api.save("get", "a")
    assert await _statuses(api, "a1", "b", "a2", "a3", "a4") == [200, 200, 503, 503, 200]


async def test_for_ever_until_removed(api: Caller) -> None:
    """times -1 strikes until the fault is removed; the list tells how often it did."""
    await _fault(api, file_path="x", times=-1, status=500)
    assert await _statuses(api, "x", "x", "y", "x") == [500, 500, 200, 500]
    listed = (await api.get("/_mock/faults")).json
    assert [(entry["matched"], entry["fired"]) for entry in listed] == [(3, 3)]
    await api.ask("DELETE", "/_mock/faults")
    assert await _statuses(api, "x") == [200]


async def test_status_without_effect(api: Caller) -> None:
    """A status comes with its headers and instead of the effect."""
    await _fault(api, status=429, headers={"Retry-After": "7"}, body={"slow": "down"})
    answer = await api.save("create", "a", b"1")
    assert (answer.status, answer.headers["retry-after"], answer.json) == (429, "7", {"slow": "down"})
    assert await api.files() == {}
    assert (await api.counters())["calls"][0]["status"] == 429


async def test_status_after_effect(api: Caller) -> None:
    """With apply the effect is there, and its key answers it later."""
    await _fault(api, status=500, apply=True)
    assert (await api.save("create", "a", b"1", key="k")).status == 500
    assert list(await api.files()) == ["a"]
    assert (await api.save("create", "a", b"1", key="k")).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(("when", "kept"), [("before", []), ("after", ["a"])])
async def test_resets(api: Caller, when: str, kept: list[str]) -> None:
    """A reset cuts the connection without an answer, before or after the effect."""
    await _fault(api, reset=when)
    answer = await api.save("create", "a", b"1")
    assert (answer.cut, answer.status) == (True, 0)
    assert list(await api.files()) == kept
    assert (await api.counters())["calls"][0]["status"] == 0


async def test_short_store(api: Caller) -> None:
    """A short store keeps the first bytes and says so."""
    await _fault(api, short_store=3)
    answer = (await api.save("create", "a", b"12345", size="5")).json
    assert (answer["size"], answer["sha256"]) == (3, hashlib.sha256(b"123").hexdigest())
    assert await api.content("a") == b"123"


async def test_lying_short_store(api: Caller) -> None:
    """A lying short store keeps the first bytes and claims all of them."""
    await _fault(api, short_store=0, lie=True)
    answer = (await api.save("create", "a", b"12345")).json
    assert (answer["size"], answer["sha256"]) == (5, hashlib.sha256(b"12345").hexdigest())
    assert await api.content("a") == b""


async def test_untrue_answers(api: Caller) -> None:
    """Size and digest can be told wrong although the bytes are right."""
    await _fault(api, wrong_size=True, wrong_sha256=True)
    answer = (await api.save("create", "a", b"12345")).json
    assert (answer["size"], answer["sha256"]) == (6, "0" * 64)
    assert (await api.files())["a"]["size"] == 5


async def test_html(api: Caller) -> None:
    """HTML comes as a 200, without an effect."""
    await _fault(api, html=True)
    answer = await api.save("create", "a", b"1")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert await api.files() == {}


async def test_truncated_answer(api: Caller) -> None:
    """A truncated answer promises its whole length and ends early, after the effect."""
    await _fault(api, truncate=5)
    answer = await api.save("create", "a", b"1")
    assert (answer.cut, len(answer.body), int(answer.headers["content-length"]) > 5) == (True, 5, True)
    assert list(await api.files()) == ["a"]


async def test_delay_alone_changes_nothing_else(api: Caller) -> None:
    """A delayed call is carried out as ever."""
    await _fault(api, delay=0.001)
    assert await _statuses(api, "a") == [200]


async def test_faults_of_other_endpoints(api: Caller) -> None:
    """Every endpoint can fail, also by a star, and the permission call by what it does."""
    await api.save("create", "a", b"1")
    wanted = [{"endpoint": "updatePermissions", "operation": "read", "status": 500}]
    wanted += [{"endpoint": name, "status": 502} for name in ("/", "pubSubFullList", "/reportResults")]
    await api.post("/_mock/faults", wanted)
    assert (await api.permissions("a", owner="o")).status == 200
    assert (await api.permissions("a")).status == 500
    answers = [await api.get("/"), await api.get("/pubSubFullList"), await api.post("/reportResults", {})]
    assert [answer.status for answer in answers] == [502] * 3
    await api.post("/_mock/faults", {"endpoint": "*", "status": 504})
    assert [(await api.get("/")).status for _ in range(2)] == [504, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "x"},
        {},
        {"endpoint": "*", "nth": 0},
        {"endpoint": "*", "sttus": 500},
        {"endpoint": "*", "body_b64": "%"},
    ],
)
async def test_wrong_faults_are_refused(api: Caller, wrong: dict[str, Any]) -> None:
    """A fault with a name or value that nobody knows is refused, so that no test waits for it in vain."""
    assert (await api.post("/_mock/faults", wrong)).status == 422
    assert (await api.get("/_mock/faults")).json == []


async def test_a_call_that_began_before_a_reset_is_not_counted_after_it(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test does next is not mixed with a slow call of the test before it."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        begun.set()
        await gate.wait()

    await _fault(api, delay=60)
    monkeypatch.setattr(desk, "asyncio", SimpleNamespace(sleep=sleep))
    slow = asyncio.create_task(api.save("create", "a", b"1"))
    await begun.wait()
    await api.post("/_mock/reset", {"parts": ["counters"]})
    gate.set()
    assert (await slow).status == 200
    assert [call["file_path"] for call in (await api.counters())["calls"]] == []
