"""The S3 adapter's wire without sockets and signatures: thousands of answers a second, read by the adapter's own code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
from multidict import CIMultiDict

from sync_service.clients.s3_credentials import GivenCredentials
from sync_service.clients.s3_endpoint import Site
from sync_service.clients.s3_manager import S3Manager
from sync_service.clients.s3_transport import transport_error
from sync_service.clients.s3_wire import S3Wire
from tests.fakes.scripted_s3 import Asked, Reply
from tests.faults.canned_bucket import NAME

_NOWHERE = "http://127.0.0.1:9"


class _Content:
    def __init__(self, body: bytes, whole: bool) -> None:
        self._body, self._whole = body, whole

    async def read(self, size: int) -> bytes:
        piece, self._body = self._body[:size], self._body[size:]
        if not piece and not self._whole:
            raise aiohttp.ClientPayloadError("the connection broke")
        return piece

    def is_eof(self) -> bool:
        return not self._body


class CannedResponse:
    """As much of the HTTP library's answer as the adapter uses."""

    def __init__(self, method: str, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else reply.body.encode()
        self.status = reply.status
        self.headers = CIMultiDict({"Content-Length": str(len(body)), **reply.headers})
        sent = b"" if method == "HEAD" else body[: reply.cut]
        self.content = _Content(sent, method == "HEAD" or len(sent) == len(body))

    def release(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """There is no connection."""


class CannedWire(S3Wire):
    """Asks a function in place of a server."""

    def __init__(self, answer: Callable[[Asked], Awaitable[Reply]]) -> None:
        super().__init__(
            _NOWHERE,
            NAME,
            "us-east-1",
            GivenCredentials("a", "b"),
            max_connections=1,
            connect_timeout=1,
            read_timeout=1,
            keep_connections=True,
            clock=lambda: datetime.now(UTC),
        )
        self._told = answer

    async def _exchange(self, site: Site, method: str, target: str, headers: Any = None, key: str | None = None) -> Any:
        reply = await self._told(Asked(method, target, {name.lower(): value for name, value in headers or ()}))
        if reply.reset or reply.silent:
            raise transport_error(aiohttp.ServerDisconnectedError(), site.subject(key))
        return CannedResponse(method, reply)


def manager_on(answer: Callable[[Asked], Awaitable[Reply]]) -> S3Manager:
    """An S3Manager whose requests are answered by `answer`."""
    manager = S3Manager(bucket=NAME, endpoint=_NOWHERE, access_key="a", secret_key="b", region="us-east-1")
    manager._wire = CannedWire(answer)
    return manager
