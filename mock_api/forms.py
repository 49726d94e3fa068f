"""Form bodies read as a stream: small fields into memory, the `file` part straight to disk, in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from mock_api.blobs import Incoming
from mock_api.models import Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FIELD_LIMIT = 1 << 20
_PARTS_LIMIT = 50
_FILE = "file"


@dataclass(slots=True)
class Form:
    """The fields as text, byte for byte, and the upload where a `file` part came."""

    fields: dict[str, str] = field(default_factory=dict)
    upload: Incoming | None = None


@asynccontextmanager
async def reading(request: Request, receive: Callable[[], Incoming]) -> AsyncIterator[Form]:
    """The form of `request`; what it left on disk unsettled is gone when the block ends. Raises Problem."""
    form = Form()
    try:
        await _read(request, form, receive)
        yield form
    finally:
        if form.upload is not None:
            form.upload.discard()


async def _read(request: Request, form: Form, receive: Callable[[], Incoming]) -> None:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        await _read_parts(request, form, receive, options.get(b"boundary", b""))
    elif kind == b"application/x-www-form-urlencoded":
        form.fields.update(_pairs(await _small_body(request)))
    else:
        raise Problem(422, "the body is not a form")


async def _read_parts(request: Request, form: Form, receive: Callable[[], Incoming], boundary: bytes) -> None:
    if not boundary:
        raise Problem(422, "the multipart body has no boundary")
    parts = _Parts(form, receive)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
    except FormParserError as error:
        raise Problem(422, f"the multipart body is broken: {error}") from None
    if not parts.ended:
        raise Problem(422, "the multipart body ends before its last boundary")


async def _small_body(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FIELD_LIMIT:
            raise Problem(413, "the form is too large")
    return body.decode("latin-1")


def _pairs(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_PARTS_LIMIT)
    except ValueError as error:
        raise Problem(422, f"the form cannot be read: {error}") from None
    for name, value in pairs:
        _set_once(fields, name, value)
    return fields


def _set_once(fields: dict[str, str], name: str, value: str) -> None:
    if name in fields:
        raise Problem(422, f"{name}: given twice")
    fields[name] = value


class _Parts:
    """The parser's callbacks: one part after the other."""

    def __init__(self, form: Form, receive: Callable[[], Incoming]) -> None:
        self._form = form
        self._receive = receive
        self._count = 0
        self._header = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._value = bytearray()
        self.ended = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header,
            "on_header_value": self._on_header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > _PARTS_LIMIT:
            raise Problem(422, "the form has too many parts")
        self._name, self._value = "", bytearray()
        self._header.clear()
        self._header_value.clear()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value.decode("latin-1"))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        if not self._name:
            raise Problem(422, "a part of the form has no name")
        if self._name == _FILE:
            if self._form.upload is not None:
                raise Problem(422, "file: given twice")
            self._form.upload = self._receive()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == _FILE and self._form.upload is not None:
            self._form.upload.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_LIMIT:
            raise Problem(413, f"{self._name}: too large")

    def _end(self) -> None:
        if self._name == _FILE:
            return
        try:
            value = self._value.decode("utf-8")
        except UnicodeDecodeError:
            raise Problem(422, f"{self._name}: not UTF-8") from None
        _set_once(self._form.fields, self._name, value)

    def _all(self) -> None:
        self.ended = True
