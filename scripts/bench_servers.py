"""Canned servers for benchmarks: an S3 bucket and a file manager that answer at once, so that only the client is measured.

Run: python -m scripts.bench_servers KEYS SIZE [BIG_SIZE]; prints the two ports, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from urllib.parse import parse_qs, unquote, urlsplit

import uvloop

PAGE = 1000
PIECE = bytes(256 * 1024)
MODIFIED = "2026-01-02T03:04:05.000Z"
DESCRIBED = "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Type: application/octet-stream\r\n"


def key_of(number: int) -> str:
    """The key of an object, sorted like its number."""
    return f"folder-{number // 10_000:04d}/file-{number:09d}.bin"


def number_of(key: str) -> int:
    return int(key[-13:-4])


class Bucket:
    """`keys` objects of `size` bytes with keys of `key_of`; an object is never held whole."""

    def __init__(self, keys: int, size: int) -> None:
        self.keys, self.size = keys, size
        self.lists = 0
        self.body = PIECE[:size] if size <= len(PIECE) else None
        # What was stored in parts has an ETag that is no MD5 of its bytes.
        known = hashlib.md5(self.body or b"", usedforsecurity=False).hexdigest()
        self.etag = known if self.body is not None else f"{known}-2"

    def answer(self, method: str, target: str) -> tuple[bytes, bytes, int]:
        """(head, body that is sent as it is, bytes of zeros that follow)."""
        url = urlsplit(target)
        if "list-type=2" in url.query:
            self.lists += 1
            body = self._page(parse_qs(url.query))
            return head(200, len(body), "Content-Type: application/xml\r\n"), body, 0
        parts = url.path.split("/", 2)
        if len(parts) < 3 or not parts[2]:
            return head(200, 0, "x-amz-bucket-region: us-east-1\r\n"), b"", 0
        number = number_of(unquote(parts[2]))
        if number >= self.keys:
            return head(404, 0), b"", 0
        described = f'ETag: "{self.etag}"\r\n{DESCRIBED}'
        if method == "HEAD":
            return head(200, self.size, described), b"", 0
        return head(200, self.size, described), self.body or b"", 0 if self.body is not None else self.size

    def _page(self, query: dict[str, list[str]]) -> bytes:
        start = int(query["continuation-token"][0]) if "continuation-token" in query else 0
        return self._cached(start, min(PAGE, int(query.get("max-keys", ["1000"])[0])))

    @lru_cache(maxsize=2_000)  # noqa: B019 - one bucket a process
    def _cached(self, start: int, count: int) -> bytes:
        end = min(self.keys, start + count)
        rows = "".join(
            f"<Contents><Key>{key_of(n)}</Key><LastModified>{MODIFIED}</LastModified><ETag>&quot;{self.etag}&quot;</ETag>"
            f"<Size>{self.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(start, end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.keys else ""
        cut = "true" if more else "false"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bench</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><KeyCount>{end - start}</KeyCount>"
            f"<EncodingType>url</EncodingType><IsTruncated>{cut}</IsTruncated>{more}{rows}</ListBucketResult>"
        ).encode()


def head(status: int, length: int, more: str = "") -> bytes:
    words = {200: "OK", 404: "Not Found"}[status]
    return f"HTTP/1.1 {status} {words}\r\nContent-Length: {length}\r\n{more}\r\n".encode()


async def serve_s3(bucket: Bucket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
            start, body, zeros = bucket.answer(method, target)
            writer.write(start + body)
            for _ in range(zeros // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()
            writer.write(PIECE[: zeros % len(PIECE)])
            await writer.drain()
    writer.close()


class FileManager:
    """Takes everything, keeps nothing, and serves the events that it was given."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def answer(self, target: str, fields: Callable[[str], str]) -> bytes:
        if target.startswith("/updatePermissions"):
            return json.dumps(
                {"file_path": "", "permissions": "0644", "owner": "a", "group": "b", "last_updated": ""}
            ).encode()
        if target.startswith("/saveToDisk"):
            size = fields("size")
            said = {
                "internal_id": "1",
                "status": "success",
                "size": int(size) if size else None,
                "operation": fields("operation"),
            }
            return json.dumps(said).encode()
        if target.startswith("/pubSubFullList"):
            return self._events(parse_qs(urlsplit(target).query))
        return b'{"status": "received", "message": "", "timestamp": ""}'

    def _events(self, query: dict[str, list[str]]) -> bytes:
        after = int(query.get("after", ["0"])[0])
        page = self.events[after : after + 100]
        end = after + len(page)
        return json.dumps({"events": page, "next_cursor": str(end), "has_more": end < len(self.events)}).encode()


async def serve_api(manager: FileManager, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            target = request.split(b" ", 2)[1].decode()
            begun = await _body(request, reader)
            if target == "/events":
                numbers = json.loads(begun)
                first = len(manager.events)
                manager.events += [
                    {
                        "event_id": str(first + i),
                        "event_type": "update",
                        "file_path": key_of(n),
                        "timestamp": "2026-01-01T00:00:00Z",
                    }
                    for i, n in enumerate(numbers)
                ]
            answer = manager.answer(target, lambda name: _field(begun, name))  # noqa: B023 - called at once
            writer.write(head(200, len(answer), "Content-Type: application/json\r\n") + answer)
            await writer.drain()
    writer.close()


async def _body(request: bytes, reader: asyncio.StreamReader) -> bytes:
    """The first part of the body, where the fields are; the rest is read and forgotten."""
    length = 0
    for line in request.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line[15:])
    first = b""
    while length:
        piece = await reader.read(min(length, 1 << 20))
        if not piece:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(piece)
        if len(first) < 1 << 20:
            first += piece
    return first


def _field(body: bytes, name: str) -> str:
    mark = f'name="{name}"'.encode()
    at = body.find(mark)
    if at < 0:
        return ""
    value = body.index(b"\r\n\r\n", at) + 4
    return body[value : body.index(b"\r\n", value)].decode()


async def main(keys: int, size: int) -> None:
    bucket, manager = Bucket(keys, size), FileManager()
    s3 = await asyncio.start_server(lambda r, w: serve_s3(bucket, r, w), "127.0.0.1", 0, limit=1 << 20)
    api = await asyncio.start_server(lambda r, w: serve_api(manager, r, w), "127.0.0.1", 0, limit=1 << 20)
    print(s3.sockets[0].getsockname()[1], api.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
