"""A body is counted by us too: what the HTTP library lets through is not taken for the whole."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sync_service.clients.s3_objects import OpenedObject, instant, object_info
from sync_service.models.errors import BadAnswer, OutcomeUnknown

HEADERS = {"Content-Length": "10", "ETag": '"abc"', "Last-Modified": "Sat, 21 Nov 2026 07:02:31 GMT"}


class Content:
    """A body as the HTTP library gives it."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]

    async def read(self, _size: int) -> bytes:
        return self.pieces.pop(0)

    def is_eof(self) -> bool:
        return not self.pieces


class Response(SimpleNamespace):
    """An answer that notes how it ends."""

    def release(self) -> None:
        self.ended = "released"

    def close(self) -> None:
        self.ended = "closed"


def opened(*pieces: bytes) -> tuple[OpenedObject, Any]:
    """An object of ten announced bytes."""
    response: Any = Response(content=Content(*pieces))
    return OpenedObject(response, object_info("k", HEADERS, "s"), "s"), response


@pytest.mark.parametrize("pieces", [(), (b"12345",), (b"0123456789", b"x")])
async def test_another_number_of_bytes_than_announced(pieces: tuple[bytes, ...]) -> None:
    """Too few and too many bytes are both no body."""
    body, response = opened(*pieces)
    with pytest.raises(OutcomeUnknown, match="of 10 bytes"):
        _ = [piece async for piece in body.chunks()]
    body.finish()
    assert response.ended == "closed"


class Trickle(Content):
    """A body whose bytes come one a second; `now` is what the clock says."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.now = 0.0

    async def read(self, size: int) -> bytes:
        self.now += 1
        return await super().read(size)


async def test_bytes_that_trickle_use_up_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each read is quick enough; together they take too long for what they bring."""
    content = Trickle(*[b"x"] * 10)
    body = OpenedObject(Response(content=content), object_info("k", HEADERS, "s"), "s", patience=3.5)  # type: ignore[arg-type]
    loop = asyncio.get_running_loop()
    true_time = loop.time
    monkeypatch.setattr(loop, "time", lambda: true_time() + content.now)
    got: list[bytes] = []
    with pytest.raises(OutcomeUnknown, match="time allowed after 4 of 10"):
        async for piece in body.chunks():
            got.append(piece)
            await asyncio.sleep(0)
    assert len(got) == 4


async def test_a_connection_is_kept_only_after_a_whole_body() -> None:
    """A body left half read ends its connection: the rest is not worth waiting for."""
    whole, kept = opened(b"01234", b"56789")
    assert [piece async for piece in whole.chunks()] == [b"01234", b"56789"]
    whole.finish()
    half, ended = opened(b"01234", b"56789")
    half.finish()
    assert (kept.ended, ended.ended) == ("released", "closed")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Sat, 21 Nov 2026 07:02:31 GMT", "2026-11-21T07:02:31Z"),
        ("Saturday, 21-Nov-26 07:02:31 GMT", "2026-11-21T07:02:31Z"),
        ("Sat, 21 Nov 2026 09:02:31 +0200", "2026-11-21T07:02:31Z"),
    ],
)
def test_times_of_http(written: str, read: str) -> None:
    """Every form of an HTTP date is whole seconds of UTC."""
    assert instant(written, "s") == read


def test_a_time_that_is_none() -> None:
    """A date that cannot be read is no S3 answer."""
    with pytest.raises(BadAnswer):
        instant("Sat, 21 Foo 2026 07:02:31 GMT", "s")
