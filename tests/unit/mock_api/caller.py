"""Requests to the mock API without a socket, with bodies in the pieces that a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

BOUNDARY = "a-boundary-of-the-tests"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `cut` where the connection was aborted instead."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Transport:
    """The connection, as far as cutting it needs one."""

    def __init__(self) -> None:
        self.closed = False
        self.ended = asyncio.Event()

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.closed = True
        self.ended.set()

    close = abort


class _Cycle:
    """One request and its answer, in the shape that uvicorn gives them."""

    def __init__(self, pieces: Sequence[bytes], breaks: bool) -> None:
        self.transport = _Transport()
        self.sent: list[dict[str, Any]] = []
        self._pieces = list(pieces) or [b""]
        self._breaks = breaks

    async def receive(self) -> dict[str, Any]:
        if self._pieces and not self.transport.closed:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or self._breaks}
        if not self._breaks:
            await self.transport.ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self.transport.closed:
            return
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.transport.ended.set()


class Caller:
    """A client of one application."""

    def __init__(self, app: Any, token: str | None = None) -> None:
        self.app = app
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        piece: int = 1 << 16,
        breaks: bool = False,
    ) -> Answer:
        """One request, its body in pieces of `piece` bytes; `breaks` ends the connection after them."""
        pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
        cycle = _Cycle(pieces, breaks)
        await self.app(
            _scope(method, path, query or {}, {**self._headers, **(headers or {})}), cycle.receive, cycle.send
        )
        if not cycle.sent:
            return Answer(0, {}, b"", cycle.transport.closed)
        fields = {name.decode(): value.decode("latin-1") for name, value in cycle.sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in cycle.sent[1:])
        return Answer(cycle.sent[0]["status"], fields, content, cycle.transport.closed)

    async def get(self, path: str, **query: str) -> Answer:
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, value: object = None, **query: str) -> Answer:
        body = b"" if value is None else json.dumps(value).encode()
        return await self.ask("POST", path, query=query, body=body)

    async def permissions(self, file_path: str, *, key: str | None = None, **fields: str) -> Answer:
        """updatePermissions as a URL-encoded form."""
        body = urlencode({"file_path": file_path, **fields}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", **_key(key)}
        return await self.ask("POST", "/updatePermissions", body=body, headers=headers)

    async def save(
        self,
        operation: str,
        file_path: str,
        content: bytes | None = None,
        *,
        key: str | None = None,
        piece: int = 1 << 16,
        **fields: str,
    ) -> Answer:
        """saveToDisk as a multipart form, the content last."""
        parts: list[tuple[str, bytes]] = [("operation", operation.encode()), ("file_path", file_path.encode())]
        parts += [(name, value.encode()) for name, value in fields.items()]
        return await self.send_parts(parts + ([] if content is None else [("file", content)]), key=key, piece=piece)

    async def send_parts(
        self, parts: Sequence[tuple[str, bytes]], *, key: str | None = None, piece: int = 1 << 16, **how: Any
    ) -> Answer:
        """saveToDisk with exactly these parts in this order."""
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **_key(key)}
        return await self.ask("POST", "/saveToDisk", body=multipart(parts), headers=headers, piece=piece, **how)

    async def files(self) -> dict[str, dict[str, Any]]:
        return {file["file_path"]: file for file in (await self.get("/_mock/files")).json}

    async def content(self, file_path: str) -> bytes:
        return (await self.get("/_mock/content", file_path=file_path)).body

    async def counters(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.get("/_mock/counters")).json
        return answer


def multipart(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """The body of a multipart form."""
    out = bytearray()
    for name, value in parts:
        filename = '; filename="x"' if name == "file" else ""
        out += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode()
            + value
            + b"\r\n"
        )
    return bytes(out) + f"--{BOUNDARY}--\r\n".encode()


def _key(key: str | None) -> dict[str, str]:
    return {"idempotency-key": key} if key else {}


def _scope(method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": urlencode(query).encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8001),
    }
