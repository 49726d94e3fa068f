"""The mock API as a process that can kill another one at a request that a test names.

Run: python -m tests.faults.lethal_api FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_api.app import create_app
from mock_api.server import address, listen
from tests.e2e.product import PATIENCE, ROOT
from tests.e2e.world import Api

WAYS = ("before", "body", "arrived", "answered")
"""When a request kills: as it arrives, and it has no effect; with the first piece of its body, or once it is there, and it
has its effect all the same; when the effect is there and the answer is not sent yet."""


@dataclass(slots=True)
class _Order:
    pid: int
    nth: int
    way: str


class Executioner:
    """An ASGI application in front of the mock API: counts the product's requests, and kills at the n-th from now on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._order: _Order | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/_kill":
            self._order = await _order_of(receive)
            await Response(status_code=204)(scope, receive, send)
        elif scope["type"] == "http" and not path.startswith("/_mock/") and (order := self._due()):
            await self._strike(order, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _due(self) -> _Order | None:
        """The order, when this request is the one; given out once."""
        if self._order is None:
            return None
        self._order.nth -= 1
        if self._order.nth > 0:
            return None
        due, self._order = self._order, None
        return due

    async def _strike(self, order: _Order, scope: Scope, receive: Receive, send: Send) -> None:
        if order.way in ("before", "arrived"):
            _kill(order.pid)
        if order.way == "before":
            await Response(status_code=503)(scope, receive, send)
        elif order.way == "body":
            await self._app(scope, _Lethal(order.pid, receive).receive, send)
        elif order.way == "answered":
            await self._app(scope, receive, _killing_first(order.pid, send))
        else:
            await self._app(scope, receive, send)


class _Lethal:
    """A `receive` that kills with the first message; it keeps the connection where the mock API looks for it."""

    def __init__(self, pid: int, receive: Receive) -> None:
        self._pid = pid
        self._receive = receive
        self.transport = getattr(getattr(receive, "__self__", None), "transport", None)

    async def receive(self) -> Message:
        message = await self._receive()
        if self._pid:
            _kill(self._pid)
        self._pid = 0
        return message


def _killing_first(pid: int, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _kill(pid)
        await send(message)

    return sending


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def _order_of(receive: Receive) -> _Order | None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told: dict[str, Any] = json.loads(body)
    return _Order(**told) if told else None


def main(folder: Path, *ways: str) -> None:
    with listen("127.0.0.1", 0) as listening:
        sys.stdout.write(f"{address(listening)}\n")
        sys.stdout.flush()
        switches: dict[str, Any] = dict.fromkeys(ways, True)
        app = Executioner(create_app(folder, sync=False, calls_kept=100_000, **switches))
        config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listening])


# ---------------------------------------------------------------- in the test


class LethalApi(Api):
    """The server, as a test speaks to it."""

    def kill_at(self, pid: int, nth: int, way: str) -> None:
        """Kills `pid` at the `nth` request of the product from now on, in one of `WAYS`."""
        self._ask("POST", "/_kill", {"pid": pid, "nth": nth, "way": way})

    def spare(self) -> None:
        """Forgets whom to kill."""
        self._ask("POST", "/_kill", {})

    def effects_in_order(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._ask("GET", "/_mock/effects"))
        assert not found or found[0]["n"] == 1, "the server has forgotten effects"
        return found


@contextmanager
def lethal_api(folder: Path, *ways: str) -> Iterator[LethalApi]:
    """The server over `folder` as a process of its own, ended with the block; `ways` are switches of the mock API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.lethal_api", str(folder), *ways],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield LethalApi(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
