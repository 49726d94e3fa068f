"""What passes to the status pages, and what every answer carries."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from sync_service.web.guard import hosts_for
from tests.unit.web.asgi import ask

ALL = ["/", "/healthz", "/readyz", "/status", "/metrics", "/style.css"]
HOST = ("host", "localhost")
TOKEN = "long-and-secret"
Make = Callable[..., Any]


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"any:{password}".encode()).decode()


@pytest.mark.parametrize("path", [*ALL, "/nothing"])
async def test_every_answer_has_the_security_headers(make: Make, path: str) -> None:
    """No answer may be framed, cached, sniffed, or load anything from elsewhere; also one that says no."""
    for headers in ([HOST], [("host", "evil.example")]):
        answer = await ask(make(), path, headers)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [*ALL, "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_only_get_is_served(make: Make, path: str, method: str) -> None:
    """Nothing but GET gets through, on any path."""
    answer = await ask(make(), path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/static/status.css", "/../app.py"])
async def test_there_is_nothing_else(make: Make, path: str) -> None:
    """No API documents are served, nor any file but the style sheet."""
    assert (await ask(make(), path)).status == 404


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8090", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8090", "127.0.0.7:8090"]
)
async def test_known_hosts_are_answered(make: Make, host: str) -> None:
    """The names of loopback and of the bound address are known, with and without a port."""
    assert (await ask(make(allowed_hosts=hosts_for("127.0.0.7")), "/status", [("host", host)])).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "evil.example")],
        [("host", "evil.example:8090")],
        [("host", "localhost.evil.example")],
        [("host", "")],
        [],
        [HOST, ("host", "evil.example")],
    ],
)
@pytest.mark.parametrize("path", ALL)
async def test_other_hosts_get_nothing(make: Make, path: str, headers: list[tuple[str, str]]) -> None:
    """A name that was rebound to loopback (or none, or two) is refused on every path."""
    assert (await ask(make(), path, headers)).status == 421


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.1", "sync.example"])
async def test_beyond_loopback_any_name_will_do(make: Make, bound: str) -> None:
    """Bound to the outside, the token is the guard: the names that lead there cannot be known."""
    app = make(allowed_hosts=hosts_for(bound), token=TOKEN)
    assert (await ask(app, "/status", [("host", "any.example"), ("authorization", f"Bearer {TOKEN}")])).status == 200


@pytest.mark.parametrize("path", ["/", "/readyz", "/status", "/metrics"])
async def test_a_token_is_wanted(make: Make, path: str) -> None:
    """With a token set, all that tells something wants it, as Bearer or as the password that a browser asks for."""
    app = make(token=TOKEN)
    for given in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN)):
        assert (await ask(app, path, [HOST, ("authorization", given)])).status == 200
    wrong = [
        "",
        TOKEN,
        "Bearer",
        "Bearer x",
        f"Bearer {TOKEN}x",
        basic("x"),
        "Basic ***",
        f"Digest {TOKEN}",
        "Bearer ÿ",
    ]
    for given in wrong:
        answer = await ask(app, path, [HOST, ("authorization", given)])
        assert (answer.status, answer.json) == (401, {"error": "a token is needed (STATUS_TOKEN)"})
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await ask(app, path)).status == 401
    twice = [HOST, ("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    assert (await ask(app, path, twice)).status == 401


async def test_an_empty_token_is_none(make: Make) -> None:
    """An empty STATUS_TOKEN asks for nothing, rather than letting an empty one in."""
    assert (await ask(make(token=""), "/status")).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/style.css"])
async def test_health_is_open(make: Make, path: str) -> None:
    """A probe needs no token, and the style sheet tells nothing."""
    assert (await ask(make(token=TOKEN), path)).status == 200


async def test_a_websocket_is_not_served(make: Make) -> None:
    """A websocket reaches nothing."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await make()({"type": "websocket", "path": "/status", "headers": []}, None, send)
    assert sent == []


async def test_an_unexpected_error_is_named_and_logged_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is a 500 without its text, in the same headers, and one entry in the log."""

    def broken() -> dict[str, Any]:
        raise ValueError("with a secret")

    answer = await ask(make(status=broken), "/status")
    assert (answer.status, "secret" in answer.text, "ValueError" in answer.text) == (500, False, True)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [record.getMessage() for record in caplog.records] == ["the status server failed at /status"]


@pytest.mark.parametrize("path", [*ALL, "/nothing"])
@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", "", "localhost"])
async def test_other_pages_get_nothing(make: Make, path: str, origin: str) -> None:
    """A page of another origin is refused everywhere, token or not: the browser says who asks."""
    headers = [HOST, ("origin", origin), ("authorization", f"Bearer {TOKEN}")]
    assert (await ask(make(token=TOKEN), path, headers)).status == 403


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
async def test_our_own_pages_are_answered(make: Make, bound: str) -> None:
    """An origin that is the very host that was asked."""
    app = make(allowed_hosts=hosts_for(bound))
    headers = [("host", "LOCALHOST:8090"), ("origin", "http://localhost:8090")]
    assert (await ask(app, "/status", headers)).status == 200
    assert (await ask(app, "/status", [*headers, ("origin", "http://localhost:8090")])).status == 403


@pytest.mark.parametrize("path", [*ALL, "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [[("content-length", "1")], [("content-length", "99999999999")], [("transfer-encoding", "chunked")]],
)
async def test_a_body_is_not_taken(make: Make, path: str, headers: list[tuple[str, str]]) -> None:
    """No request has a body: one that says it has is refused before any of it is read, and the connection ends."""
    answer = await ask(make(), path, [HOST, *headers])
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert (await ask(make(), "/healthz", [HOST, ("content-length", "0")])).status == 200


async def test_every_route_only_reads(make: Make) -> None:
    """There is no route that changes anything: one that comes needs the token, and this test a new sentence."""
    app = make()
    methods = {method for route in app.routes for method in getattr(route, "methods", None) or ()}
    assert methods == {"GET"}


async def test_tokens_are_compared_in_constant_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison is the library's, of two digests of one length."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("sync_service.web.guard.hmac.compare_digest", compare)
    app = make(token=TOKEN)
    for given in ("Bearer x", f"Bearer {TOKEN}", "Bearer " + "x" * 5000):
        await ask(app, "/status", [HOST, ("authorization", given)])
    assert {(len(one), len(other)) for one, other in compared} == {(32, 32)}
    assert len(compared) == 3
