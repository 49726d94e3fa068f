"""A server that answers what a test tells it to, byte for byte: wrong, cut, reset or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sync_service.clients.s3_manager import S3Manager

TLS_HELLO = b"\x16"
OBJECT = {"ETag": '"abc"', "Last-Modified": "Sat, 21 Nov 2026 07:02:31 GMT"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `cut`: only so many bytes of the body, then the connection ends, or nothing more comes where it is
    `silent`. `reset`, `silent`: no answer at all."""

    status: int = 200
    body: bytes | str = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    silent: bool = False

    def wire(self, method: str) -> bytes:
        body = self.body.encode() if isinstance(self.body, str) else self.body
        headers = {"Content-Length": str(len(body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items() if value)]
        head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        return head if method == "HEAD" else head + body[: self.cut]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]


class ScriptedS3:
    """Answers with `replies` in turn, the last one for ever; a function in their place is asked."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[Asked], Reply]] = [Reply(404)]
        self.requests: list[Asked] = []
        self.endpoint = ""

    def says(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        self.replies = list(replies)

    async def answer(self, asked: Asked) -> Reply:
        told = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return told if isinstance(told, Reply) else told(asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        if first == TLS_HELLO:
            writer.write(Reply(400).wire("GET"))
            return False
        lines = (first + await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _version = lines[0].split(" ")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        asked = Asked(method, target, {name.lower(): value for name, value in headers.items()})
        self.requests.append(asked)
        reply = await self.answer(asked)
        if reply.silent:
            writer.write(b"" if reply.cut is None else reply.wire(method))
            await reader.read()
            return False
        if reply.reset:
            writer.transport.abort()
            return False
        writer.write(reply.wire(method))
        await writer.drain()
        return reply.cut is None


@asynccontextmanager
async def scripted_s3() -> AsyncIterator[ScriptedS3]:
    """A scripted server on a free loopback port."""
    script = ScriptedS3()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()


@asynccontextmanager
async def manager_of(endpoint: str, **settings: Any) -> AsyncIterator[S3Manager]:
    """An S3Manager of bucket `bkt` at `endpoint`."""
    keys = {"access_key": "AKEXAMPLE", "secret_key": "very-secret-key", "region": "us-east-1"}
    manager = S3Manager(bucket="bkt", endpoint=endpoint, **{**keys, **settings})
    try:
        yield manager
    finally:
        await manager.close()


def page(
    *keys: str, token: str | None = None, truncated: bool | None = None, count: int | None = None, extra: str = ""
) -> Reply:
    """A listing page as AWS writes it; `keys` are encoded already."""
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-11-21T07:02:31.500Z</LastModified>"
        f"<ETag>&quot;e-{number}&quot;</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number, key in enumerate(keys)
    )
    more = token is not None if truncated is None else truncated
    following = "" if token is None else f"<NextContinuationToken>{token}</NextContinuationToken>"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bkt</Name><Prefix></Prefix>'
        f"<KeyCount>{len(keys) if count is None else count}</KeyCount><MaxKeys>1000</MaxKeys>{following}"
        f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{entries}{extra}"
        "</ListBucketResult>"
    )
    return Reply(body=body, headers={"Content-Type": "application/xml"})


def error(status: int, code: str, message: str = "said so", extra: str = "", **headers: str) -> Reply:
    """A refusal as S3 writes it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{extra}<RequestId>REQ1</RequestId></Error>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"Content-Type": "application/xml", **named})
