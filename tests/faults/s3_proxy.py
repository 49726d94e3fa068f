"""A proxy on loopback between the service and an S3 server, which spoils answers by rule."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from tests.fakes.scripted_s3 import Asked, Reply, ScriptedS3, error

Upstream = Callable[[Asked], Awaitable[Reply]]
Matches = Callable[[Asked], bool]
Spoils = Callable[[Reply], Reply]


# ---------------------------------------------------------------- which requests


def anything(_asked: Asked) -> bool:
    return True


def listings(asked: Asked) -> bool:
    return "list-type=2" in asked.target


def heads(asked: Asked) -> bool:
    return asked.method == "HEAD"


def bodies(asked: Asked) -> bool:
    """A GET of an object."""
    return asked.method == "GET" and len(urlsplit(asked.target).path.strip("/").split("/", 1)) > 1


def of_key(key: str) -> Matches:
    """A GET of this very object (its path as it is on the wire)."""
    return lambda asked: bodies(asked) and urlsplit(asked.target).path.endswith(f"/{key}")


# ---------------------------------------------------------------- what happens to their answers


def instead(reply: Reply) -> Spoils:
    """Another answer."""
    return lambda _true: reply


def cut_at(place: float | int) -> Spoils:
    """The body ends after so many bytes (from the end where negative; a fraction: of its length), and so does the connection."""

    def spoil(true: Reply) -> Reply:
        length = len(true.body)
        at = int(length * place) if isinstance(place, float) else place
        return replace(true, cut=max(0, at + length if at < 0 else min(at, length)))

    return spoil


def stalls_at(place: float | int) -> Spoils:
    """The body stops there, and the connection stays."""
    return lambda true: replace(cut_at(place)(true), silent=True)


def wrong_bytes(seed: int = 0) -> Spoils:
    """Another byte somewhere, each time somewhere else; the length stays."""
    draw = random.Random(seed)

    def spoil(true: Reply) -> Reply:
        body = bytearray(true.body if isinstance(true.body, bytes) else true.body.encode())
        if body:
            body[draw.randrange(len(body))] ^= 1 + draw.randrange(255)
        return replace(true, body=bytes(body))

    return spoil


RESET = instead(Reply(reset=True))
SILENT = instead(Reply(silent=True))
SLOW_DOWN = instead(error(503, "SlowDown"))
HTML = instead(Reply(200, "<html>Welcome</html>", {"Content-Type": "text/html"}))
ERROR_WITH_200 = instead(replace(error(500, "InternalError"), status=200))


# ---------------------------------------------------------------- the proxy


@dataclass
class Rule:
    """Spoils the answers to requests that match: those for which `when(number)` holds, counted from 1."""

    matches: Matches
    spoils: Spoils
    when: Callable[[int], bool] = lambda _number: True
    seen: int = 0
    struck: int = field(default=0)

    def strikes(self, asked: Asked) -> bool:
        if not self.matches(asked):
            return False
        self.seen += 1
        hit = self.when(self.seen)
        self.struck += hit
        return hit


def first(number: int) -> Callable[[int], bool]:
    """A burst: the first so many requests."""
    return lambda seen: seen <= number


def now_and_then(share: float, seed: int = 7) -> Callable[[int], bool]:
    """So much of all requests, by chance."""
    draw = random.Random(seed)
    return lambda _seen: draw.random() < share


class S3Proxy(ScriptedS3):
    """Gives what `upstream` answers, spoilt by the first rule that strikes. `before` runs ahead of each request."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.before: Callable[[Asked], None] = lambda _asked: None

    def spoil(self, matches: Matches, spoils: Spoils, when: Callable[[int], bool] | None = None) -> Rule:
        """Adds a rule."""
        rule = Rule(matches, spoils) if when is None else Rule(matches, spoils, when)
        self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """No more faults."""
        self.rules.clear()
        self.before = lambda _asked: None

    async def answer(self, asked: Asked) -> Reply:
        self.before(asked)
        true = await self.upstream(asked)
        rule = next((rule for rule in self.rules if rule.strikes(asked)), None)
        return rule.spoils(true) if rule is not None else true


@asynccontextmanager
async def proxy_of(upstream: Upstream) -> AsyncIterator[S3Proxy]:
    """A proxy on a free loopback port, ended with the block."""
    proxy = S3Proxy(upstream)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await proxy.serve(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def forwarding(endpoint: str) -> AsyncIterator[Upstream]:
    """A real server as the upstream: requests go on as they came, with the Host that was signed."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(asked: Asked) -> Reply:
            url = URL(f"{endpoint}{asked.target}", encoded=True)
            request = session.request(asked.method, url, headers=asked.headers, allow_redirects=False)
            async with request as answer:
                headers = {
                    k: v for k, v in answer.headers.items() if k.lower() not in ("transfer-encoding", "connection")
                }
                return Reply(answer.status, await answer.read(), headers)

        yield forward
