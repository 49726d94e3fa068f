"""An HTTP server that answers exactly the bytes it is told to: for answers that no decent server gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; `complete` is false where the body broke off."""

    method: str
    target: str
    headers: Message
    body: bytes
    complete: bool

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def form(self) -> dict[str, str]:
        """The fields of a urlencoded form."""
        pairs = parse_qs(self.body.decode("ascii"), keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}

    def parts(self) -> dict[str, bytes]:
        """The parts of a multipart form by name."""
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        found = {}
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = head.split(b'name="')[1].split(b'"')[0].decode()
            found[name] = content.removesuffix(b"\r\n")
        return found


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer with a true Content-Length; header names with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ok(**members: object) -> bytes:
    """200 with a JSON object."""
    return http(200, json.dumps(members).encode(), Content_Type="application/json")


RESET = b""
"""No answer: the connection is cut."""


@dataclass
class RawServer:
    """Gives `replies` in turn, and the last one for ever; `silent` answers nothing and keeps the connection."""

    url: str = ""
    replies: list[bytes] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    silent: bool = False
    early: bool = False

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, _, rest = head.partition("\r\n")
        headers = Parser().parsestr(rest)
        method, target, _ = line.split(" ")
        if self.early:
            return await self._answer(writer)
        body, complete = await _body(reader, int(headers.get("Content-Length", "0")))
        self.seen.append(Seen(method, target, headers, body, complete))
        return complete and await self._answer(writer)

    async def _answer(self, writer: asyncio.StreamWriter) -> bool:
        if self.silent:
            await asyncio.Event().wait()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply == RESET:
            writer.transport.abort()
            return False
        writer.write(reply)
        await writer.drain()
        return _keeps(reply)


def _keeps(reply: bytes) -> bool:
    """Whether the reply is as long as it says; a connection with a short one ends."""
    head, _, body = reply.partition(b"\r\n\r\n")
    return f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


async def _body(reader: asyncio.StreamReader, length: int) -> tuple[bytes, bool]:
    try:
        return await reader.readexactly(length), True
    except asyncio.IncompleteReadError as problem:
        return problem.partial, False


@asynccontextmanager
async def raw_server(*replies: bytes) -> AsyncIterator[RawServer]:
    """A server on a free loopback port, ended with the block."""
    server = RawServer(replies=list(replies))
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.serve(reader, writer)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
