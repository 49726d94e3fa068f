"""The status pages: health, readiness, status, metrics and the page for people."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from sync_service.models.errors import CatalogueMissing, Denied, Unreachable
from tests.contracts.observer_contract import HOSTILE
from tests.unit.web.asgi import ask
from tests.unit.web.conftest import HOLDER, ROUTE

Make = Callable[..., Any]


class Reader(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"} or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_health(make: Make) -> None:
    """/healthz says whether the process is well."""
    well, ill = await ask(make(), "/healthz"), await ask(make(healthy=lambda: False), "/healthz")
    assert (well.status, well.json) == (200, {"healthy": True})
    assert (ill.status, ill.json) == (503, {"healthy": False})


async def test_ready(make: Make) -> None:
    """/readyz is 200 where every port answers."""
    answer = await ask(make(), "/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "ok": ["source", "destination"], "failed": []})


async def test_ready_without_ports(make: Make) -> None:
    """Nothing to wait for is ready."""
    assert (await ask(make(pings={}), "/readyz")).status == 200


async def test_not_ready_says_which_and_why(make: Make) -> None:
    """/readyz names each port that fails, with its reason escaped and without secrets or unexpected texts."""

    async def fine() -> None: ...

    async def denied() -> None:
        raise Denied("the key \x1b[31mhunter22 is refused", subject="s3://bucket")

    async def unexpected() -> None:
        raise ValueError("raw text")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    pings = {"catalogue": fine, "source": denied, "log": unexpected, "odd": cancelled}
    answer = await ask(make(pings=pings, secrets=["hunter22"]), "/readyz")
    assert answer.status == 503
    assert answer.json["ok"] == ["catalogue"]
    assert {one["port"]: one["reason"] for one in answer.json["failed"]} == {
        "source": r"s3://bucket: the key \x1b[31m*** is refused",
        "log": "unexpected ValueError",
        "odd": "no answer within 5 s",
    }


async def test_a_hanging_port_does_not_hold_the_answer(make: Make) -> None:
    """All ports are asked at once, and one that hangs, even against being cancelled, is told as late."""
    released = asyncio.Event()
    started: list[str] = []

    async def stubborn() -> None:
        started.append("stubborn")
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async def down() -> None:
        started.append("down")
        raise Unreachable("no connection")

    answer = await ask(make(pings={"a": stubborn, "b": down}, ping_timeout=0.01), "/readyz")
    released.set()
    assert started == ["stubborn", "down"]
    assert {one["port"]: one["reason"] for one in answer.json["failed"]} == {
        "a": "no answer within 0.01 s",
        "b": "no connection",
    }


async def test_status_is_the_contract_json(make: Make) -> None:
    """/status is what the command gives, as JSON."""
    answer = await ask(make(), "/status")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"version": "0.1.0", "routes": [ROUTE]}


async def test_metrics_are_passed_on(make: Make) -> None:
    """/metrics is Prometheus' text form."""
    answer = await ask(make(), "/metrics")
    assert (answer.headers["content-type"], answer.body) == (
        "text/plain; version=0.0.4; charset=utf-8",
        b"s3sync_pending 1\n",
    )


@pytest.mark.parametrize(("path", "name"), [("/status", "status"), ("/", "status"), ("/metrics", "metrics")])
async def test_what_blocks_runs_in_a_thread(make: Make, path: str, name: str) -> None:
    """The database is read beside the event loop, never on it."""
    threads: list[int] = []

    def blocking() -> Any:
        threads.append(threading.get_ident())
        return {"version": "1", "routes": []} if name == "status" else b""

    await ask(make(**{name: blocking}), path)
    assert threads
    assert threading.get_ident() not in threads


async def test_no_page_shows_a_secret(make: Make) -> None:
    """Secrets and the token itself are masked wherever status carries them."""
    holder = HOLDER | {"host": "the-token"}
    route = ROUTE | {"reason": 'wrong key "s&cr<t"', "lock_holder": holder, "error_counts": {"s&cr<t": 1}}
    app = make(status=lambda: {"version": "1", "routes": [route]}, secrets=['"s&cr<t"', "s&cr<t"], token="the-token")
    for path in ("/", "/status"):
        answer = await ask(app, path, [("host", "localhost"), ("authorization", "Bearer the-token")])
        assert answer.status == 200
        assert not [form for form in ("the-token", "s&cr<t", "s&amp;cr&lt;t", "cr<t") if form in answer.text]
        assert "***" in answer.text


async def test_status_that_cannot_be_read_is_said(make: Make) -> None:
    """Without a catalogue both forms say so with what to do, as 503."""

    def missing() -> dict[str, Any]:
        raise CatalogueMissing("no catalogue", subject="data/<b>.db")

    told, page = await ask(make(status=missing), "/status"), await ask(make(status=missing), "/")
    assert (told.status, told.json["error"]) == (503, "catalogue_missing")
    assert told.json["message"] == "data/<b>.db: no catalogue. Run initial-sync first"
    assert (page.status, "Run initial-sync first" in page.text, "<b>" in page.text) == (503, True, False)


async def test_the_page_tells_the_route(make: Make) -> None:
    """The page has state and reason, times, sizes and counts in people's words, and renews itself."""
    answer = await ask(make(), "/")
    page = Reader(answer.text)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for words in (
        "degraded",
        "1 object fails",
        "3 min 20 s ago",
        "2026-11-21 11:56:40 UTC",
        "in 1 min 40 s",
        "1,284,102",
        "3.4 TB",
        "oldest 5 h ago",
        "214",
        "Last run: 1,287 operations, 412 events, took 1 min 23 s.",
        "Writer: process 4120 on sync-1 since 2026-11-20T09:00:00Z.",
        "Last check: 2026-11-21T06:00:00Z: 2 missing (9 objects compared by sizes and permissions).",
        "refused",
        "version 0.1.0",
    ):
        assert words in page.text
    assert '<meta http-equiv="refresh" content="10">' in answer.text


async def test_the_page_needs_nothing_from_elsewhere(make: Make) -> None:
    """No script, and no link but to its own style sheet."""
    page = Reader((await ask(make(), "/")).text)
    assert "script" not in page.tags
    assert page.links == ["data:,", "/style.css"]


async def test_a_route_that_never_ran(make: Make) -> None:
    """Absent values are a dash, and a route of a state that is not known is shown all the same."""
    nothing = dict.fromkeys(ROUTE) | {"route": "new", "state": "SOMETHING_NEW", "error_counts": {}}
    answer = await ask(make(status=lambda: {"version": "1", "routes": [nothing]}), "/")
    assert (answer.status, "something new" in answer.text, "None" in answer.text) == (200, True, False)
    empty = await ask(make(status=lambda: {"version": "1", "routes": []}), "/")
    assert (empty.status, "No route is set up" in empty.text) == (200, True)


async def test_hostile_keys_are_text_on_the_page(make: Make) -> None:
    """Keys of every awkward form, in every place, add no tag, no link and no moving character."""
    errors = [{"file_path": key, "operation": "create", "kind": key, "message": key, "attempts": 1} for key in HOSTILE]
    plain = Reader((await ask(make(status=lambda: one("x", [errors[0] | {"file_path": "x"}])), "/")).text)
    for error in [*errors, {"file_path": "<script>alert(1)</script><img src=x onerror=y>", "operation": "create"}]:
        key = error["file_path"]
        answer = await ask(make(status=lambda key=key, error=error: one(key, [error])), "/")
        page = Reader(answer.text)
        assert (answer.status, page.tags, page.links) == (200, plain.tags, plain.links)
        assert not [char for char in "\x1b\x00\u202e\u2028\x85" if char in answer.text]


def one(text: str, errors: list[dict[str, Any]]) -> dict[str, Any]:
    """A status whose every text is `text`."""
    route = ROUTE | {"route": text, "reason": text or "-", "lock_holder": HOLDER | {"host": text}, "errors": errors}
    return {"version": "1", "routes": [route]}


async def test_a_long_key_and_many_errors(make: Make) -> None:
    """A key is told whole; of many errors the first twenty, and how many more there are."""
    errors = [{"file_path": "k" * 1024, "operation": "create", "attempts": 3, "next_attempt": "next run"}] * 20
    route = ROUTE | {"failed": 22, "quarantined": 3, "errors": errors}
    text = (await ask(make(status=lambda: {"version": "1", "routes": [route]}), "/")).text
    assert text.count("k" * 1024) == 20
    assert "and 5 more" in text
    assert "error, 3 attempts, next attempt: next run" in text
