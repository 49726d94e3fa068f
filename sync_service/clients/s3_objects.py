"""One object's answer: its headers as ObjectInfo, and its body in bounded pieces, counted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header

import aiohttp

from sync_service.clients.s3_answer import http_date
from sync_service.clients.s3_digest import BodyCheck
from sync_service.clients.s3_listing import plain_etag
from sync_service.clients.s3_transport import WIRE_ERRORS
from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import BadAnswer, OutcomeUnknown
from sync_service.models.text import shown

CHUNK = 1024 * 1024
PATIENCE = 300.0
"""Seconds that may be spent waiting for one body, beside those that its bytes take at the lowest rate."""
LOWEST_RATE = 16 * 1024
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_META = "x-amz-meta-"
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d) GMT")
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


def object_info(key: str, headers: Mapping[str, str], subject: str) -> ObjectInfo:
    """What HEAD or GET says of `key`. Raises BadAnswer where size, ETag or time are missing: that is not S3."""
    length, etag, modified = headers.get("Content-Length"), headers.get("ETag"), headers.get("Last-Modified")
    if length is None or not length.isdecimal() or not etag or not modified:
        raise BadAnswer("an answer without Content-Length, ETag or Last-Modified", subject=subject)
    return ObjectInfo(
        key=key,
        size=int(length),
        etag=plain_etag(etag),
        last_modified=instant(modified, subject),
        file_type=_text(headers.get("Content-Type", "")),
        version_id=headers.get("x-amz-version-id"),
        metadata=metadata(headers),
        storage_class=headers.get("x-amz-storage-class", "STANDARD"),
        archived=_archived(headers),
    )


def _archived(headers: Mapping[str, str]) -> bool:
    """A restored copy keeps its storage class; that the restoring has ended is said beside it."""
    in_archive = headers.get("x-amz-storage-class") in _ARCHIVES or "x-amz-archive-status" in headers
    return in_archive and 'ongoing-request="false"' not in headers.get("x-amz-restore", "")


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The user's metadata, names in lower case. AWS writes other than ASCII as RFC 2047, MinIO as raw UTF-8."""
    found: dict[str, str] = {}
    for header, value in headers.items():
        name = header.lower()
        if name.startswith(_META):
            held = found.get(name[len(_META) :])
            found[name[len(_META) :]] = _text(value) if held is None else f"{held},{_text(value)}"
    return found


def instant(written: str, subject: str) -> str:
    """An HTTP date as `YYYY-MM-DDTHH:MM:SSZ`."""
    plain = _HTTP_DATE.fullmatch(written)
    if plain is not None and plain[2] in _MONTHS:
        return f"{plain[3]}-{_MONTHS[plain[2]]}-{plain[1]}T{plain[4]}Z"
    try:
        return http_date(written).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise BadAnswer(f"a time that cannot be read: {shown(written)}", subject=subject) from None


def _text(value: str) -> str:
    """A header's text. Bytes that were no UTF-8 (surrogates now) are Latin-1, the only other thing in the field."""
    if value.isascii():
        return _decoded_words(value) if "=?" in value else value
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _decoded_words(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return value


class OpenedObject:
    """A GET answer whose body is read once, as its consumer asks for it: the socket waits meanwhile."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        info: ObjectInfo,
        subject: str,
        check: BodyCheck | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._response = response
        self._info = info
        self._subject = subject
        self._check = check
        self._patience = patience
        self._begun = False
        self._got = 0

    @property
    def info(self) -> ObjectInfo:
        return self._info

    async def chunks(self) -> AsyncIterator[bytes]:
        """Pieces of at most 1 MiB. Raises OutcomeUnknown where the body is shorter than its announced size.

        A body that is not its ETag's is never given whole: DamagedBody comes in place of the last piece.
        """
        if self._begun:
            raise RuntimeError("a body is read once: open the object anew")
        self._begun = True
        try:
            while piece := await self._read():
                self._got += len(piece)
                await self._hash(piece)
                yield piece
                if self._check is not None:
                    await self._check.settled()
        except WIRE_ERRORS as error:
            reason = (
                "no more came within the time allowed" if isinstance(error, TimeoutError) else "the connection broke"
            )
            raise self._cut(reason) from None
        if self._got != self._info.size:
            raise self._cut("the body ended")

    async def _read(self) -> bytes:
        """The next piece. Bytes that only trickle use up the patience: what the destination's own pace takes does not count."""
        if self._patience <= 0:
            raise TimeoutError
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(self._patience):
            piece = await self._response.content.read(CHUNK)
        self._patience += len(piece) / LOWEST_RATE - (loop.time() - began)
        return piece

    async def _hash(self, piece: bytes) -> None:
        if self._check is not None:
            self._check.add(piece)
            if self._got == self._info.size:
                await self._check.verify()

    def finish(self) -> None:
        """Gives the connection back where the body is through; else ends it: the rest is not worth reading."""
        if self._got == self._info.size and self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()

    def _cut(self, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"{reason} after {self._got} of {self._info.size} bytes", subject=self._subject)
