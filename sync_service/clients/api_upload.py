"""Bodies of calls to the file manager: forms of an exact length, and one object's bytes on their way out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import payload
from aiohttp.abc import AbstractStreamWriter

from sync_service.models.crashpoints import passing
from sync_service.models.errors import OutcomeUnknown, Refused
from sync_service.ports import Opened

SMALL = 64 * 1024
_HASH_IN_THREAD = 256 * 1024
_FILENAME = "content"


class Upload:
    """The bytes of one object, counted and hashed as they go. Small ones are held whole and may go again."""

    def __init__(self, opened: Opened) -> None:
        self.size = opened.info.size
        self.key = opened.info.key
        self.sent = 0
        self.failure: Exception | None = None
        self._opened = opened
        self._whole: bytes | None = None
        self._digest = hashlib.sha256()

    @classmethod
    async def of(cls, opened: Opened) -> Upload:
        """Ready to be sent; a small object is read here, so that a source that fails costs no request."""
        upload = cls(opened)
        if upload.size <= SMALL:
            upload._whole = b"".join([piece async for piece in upload.pieces()])
        return upload

    @property
    def whole(self) -> bytes | None:
        """All bytes of a small object; None for one that is streamed, once."""
        return self._whole

    @property
    def complete(self) -> bool:
        return self.sent == self.size

    @property
    def sha256(self) -> str:
        """Of what has been sent."""
        return self._digest.hexdigest()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The bytes, hashed while the one who asked sends them; never more than `size`, never fewer in silence."""
        chunks = self._opened.chunks()
        try:
            async for piece in chunks:
                self._count(piece)
                if len(piece) < _HASH_IN_THREAD:
                    self._digest.update(piece)
                    yield piece
                else:
                    hashing = asyncio.get_running_loop().run_in_executor(None, self._digest.update, piece)
                    yield piece
                    await hashing
            self._check_end()
        except Exception as error:
            self.failure = error
            raise
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    def _count(self, piece: bytes) -> None:
        if self.sent + len(piece) > self.size:
            raise OutcomeUnknown(f"the source gave more than the {self.size} bytes it announced", subject=self.key)
        self.sent += len(piece)

    def _check_end(self) -> None:
        if self.sent < self.size:
            raise OutcomeUnknown(f"the source ended after {self.sent} of {self.size} bytes", subject=self.key)


class FormStream(payload.Payload):
    """A multipart form around an upload, of known length: a body that breaks off can never look complete."""

    def __init__(self, head: bytes, upload: Upload, tail: bytes, content_type: str, idle: float) -> None:
        super().__init__(upload, content_type=content_type)
        self._size = len(head) + upload.size + len(tail)
        self._head, self._tail, self._idle = head, tail, idle
        self._upload = upload
        self._task: asyncio.Task[object] | None = None

    @property
    def failure(self) -> Exception | None:
        """What the source raised while it was read."""
        return self._upload.failure

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("an upload is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._consumed = True
        self._task = asyncio.current_task()
        await self._put(writer, self._head)
        async with aclosing(self._upload.pieces()) as pieces:
            async for piece in pieces:
                await self._put(writer, piece)
                passing("piece of a body sent")
        await self._put(writer, self._tail)

    async def _put(self, writer: AbstractStreamWriter, piece: bytes) -> None:
        """Writes within the idle time: a server that stops reading is as gone as one that stops answering."""
        async with asyncio.timeout(self._idle):
            await writer.write(piece)

    async def stop(self) -> None:
        """Ends the writing where it still goes on, so that nobody reads the source after the call."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])


def multipart(fields: Mapping[str, str], upload: Upload | None, idle: float) -> tuple[str, bytes | FormStream]:
    """Content type and body of a multipart form with `fields`, and the upload as its part `file`."""
    boundary = secrets.token_hex(16)
    content_type = f"multipart/form-data; boundary={boundary}"
    head = b"".join(_part(boundary, name, value) for name, value in fields.items())
    tail = f"--{boundary}--\r\n".encode("ascii")
    if upload is None:
        return content_type, head + tail
    head += _file_head(boundary)
    if upload.whole is not None:
        return content_type, head + upload.whole + b"\r\n" + tail
    return content_type, FormStream(head, upload, b"\r\n" + tail, content_type, idle)


def _part(boundary: str, name: str, value: str) -> bytes:
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    try:
        return start.encode("ascii") + value.encode("utf-8") + b"\r\n"
    except UnicodeEncodeError:
        raise Refused(f"{name} cannot be written as UTF-8", subject=value) from None


def _file_head(boundary: str) -> bytes:
    """The file's own part. Its name is a constant: what users chose goes into fields, never into headers."""
    disposition = f'Content-Disposition: form-data; name="file"; filename="{_FILENAME}"'
    return f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode("ascii")
